package ledgeraws

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/wire/wireaws"
)

// Index is the name of the sparse index of failed records.
const Index = "Failures"

// queryCalls is how many shards are read at once.
const queryCalls = 16

// Failures implements ledger.Ledger. A page costs at most one query for each shard of each class it looks into.
func (l *Ledger) Failures(ctx context.Context, class string, limit int, after string) (ledger.Page, error) {
	place, err := ledger.ParseCursor(after)
	if err != nil {
		return ledger.Page{}, err
	}
	limit = max(limit, 1)
	classes := []string{class}
	if class == "" {
		classes = classes[:0]
		for _, c := range failure.Classes() {
			classes = append(classes, string(c))
		}
	}
	for _, c := range classes {
		if c < place.Class {
			continue
		}
		from := ""
		if c == place.Class {
			from = place.Key
		}
		records, more, err := l.failuresOf(ctx, c, limit, from)
		if err != nil {
			return ledger.Page{}, fmt.Errorf("reading failures of class %s: %w", c, err)
		}
		if len(records) == 0 {
			continue
		}
		page := ledger.Page{Records: records}
		if more || class == "" && c != classes[len(classes)-1] {
			page.Next = ledger.Cursor{Class: c, Key: records[len(records)-1].Key}.String()
		}
		return page, nil
	}
	return ledger.Page{}, nil
}

// shardPage is what one query of a shard gave.
type shardPage struct {
	records []ledger.Record
	more    bool
}

// failuresOf merges one page of every shard of a class. Keys after the end of a page that has more behind it cannot
// be told yet, so the merged page ends there; the shard that ends first gives all it has, so there is always
// something to give when anything is left.
func (l *Ledger) failuresOf(ctx context.Context, class string, limit int, after string) ([]ledger.Record, bool, error) {
	perShard := min(limit, limit/shards*2+4)
	var pages [shards]shardPage
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(queryCalls)
	for shard := range shards {
		g.Go(func() (err error) {
			pages[shard], err = l.queryShard(ctx, shardName(class, shard), perShard, after)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, false, err
	}
	records, more := merge(pages[:], limit)
	return records, more, nil
}

func merge(pages []shardPage, limit int) (records []ledger.Record, more bool) {
	bound := "" // keys after this one cannot be told yet
	for _, p := range pages {
		records = append(records, p.records...)
		if p.more {
			last := p.records[len(p.records)-1].Key
			if !more || last < bound {
				bound = last
			}
			more = true
		}
	}
	slices.SortFunc(records, func(a, b ledger.Record) int { return strings.Compare(a.Key, b.Key) })
	if more {
		end, _ := slices.BinarySearchFunc(records, bound, func(r ledger.Record, key string) int { return strings.Compare(r.Key, key) })
		records = records[:end+1]
	}
	if len(records) > limit {
		return records[:limit], true
	}
	return records, more
}

func (l *Ledger) queryShard(ctx context.Context, shard string, limit int, after string) (shardPage, error) {
	b := append(append([]byte(`{"TableName":`), l.name...), `,"IndexName":"`+Index+`","Limit":`...)
	b = strconv.AppendInt(b, int64(limit), 10)
	condition, values := `FailureShard = :f`, wireaws.AppendString([]byte(`{":f":{"S":`), shard)
	if after != "" {
		condition += ` AND ObjectKey > :k`
		values = wireaws.AppendString(append(values, `},":k":{"S":`...), after)
	}
	b = append(b, `,"KeyConditionExpression":"`+condition+`","ExpressionAttributeValues":`...)
	b = append(append(b, values...), `}}}`...)
	answer, err := l.wire.Do(ctx, wireaws.Call{Op: "Query", On: l.table, Body: b})
	if err != nil {
		return shardPage{}, err
	}
	var said struct {
		Items            []item
		LastEvaluatedKey map[string]attribute
	}
	if err := json.Unmarshal(answer.Body, &said); err != nil {
		return shardPage{}, fmt.Errorf("the answer to Query cannot be read: %w", err)
	}
	p := shardPage{more: len(said.LastEvaluatedKey) > 0 && len(said.Items) > 0}
	for i := range said.Items {
		r, err := said.Items[i].record()
		if err != nil {
			return shardPage{}, err
		}
		p.records = append(p.records, r)
	}
	return p, nil
}
