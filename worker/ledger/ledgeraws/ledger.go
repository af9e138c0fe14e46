// Package ledgeraws keeps the ledger in a DynamoDB table: one item per object, and a sparse index of those that
// failed.
package ledgeraws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"golang.org/x/sync/errgroup"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/wire/wireaws"
)

// Limits of DynamoDB.
const (
	getKeys  = 100  // of one BatchGetItem
	maxKey   = 2048 // bytes of a partition key; in the index the key is a sort key, of at most 1,024
	getCalls = 8    // calls at once of one Get
)

// Actions returns the IAM actions that a Ledger needs on its table, and dynamodb:Query on its index.
func Actions() []string {
	return []string{"dynamodb:PutItem", "dynamodb:BatchGetItem", "dynamodb:Query"}
}

// Ledger is the ledger of one stack.
type Ledger struct {
	table string
	name  []byte // the table's name as JSON
	wire  *wireaws.Client
	retry retry.Policy
	keep  time.Duration // records after their end; 0: for ever
}

var _ ledger.Ledger = (*Ledger)(nil)

// Open returns the ledger in a table. Region, endpoint, credentials and HTTP client are those that an SDK client of
// the configuration would use. A policy of zero is retry.Calls(). It makes no call.
func Open(ctx context.Context, cfg aws.Config, table string, policy retry.Policy) (*Ledger, error) {
	if policy == (retry.Policy{}) {
		policy = retry.Calls()
	}
	client := dynamodb.NewFromConfig(cfg).Options()
	fips, dual := client.EndpointOptions.UseFIPSEndpoint, client.EndpointOptions.UseDualStackEndpoint
	endpoint, err := client.EndpointResolverV2.ResolveEndpoint(ctx, dynamodb.EndpointParameters{
		Region: aws.String(client.Region), Endpoint: client.BaseEndpoint,
		UseFIPS: aws.Bool(fips == aws.FIPSEndpointStateEnabled), UseDualStack: aws.Bool(dual == aws.DualStackEndpointStateEnabled),
	})
	if err != nil {
		return nil, fmt.Errorf("endpoint of DynamoDB in region %q: %w", client.Region, err)
	}
	return &Ledger{
		table: table, name: wireaws.AppendString(nil, table), retry: policy,
		wire: wireaws.New(wireaws.Options{
			SigningName: "dynamodb", Target: "DynamoDB_20120810", Region: client.Region, Endpoint: endpoint.URI,
			Credentials: client.Credentials, HTTP: client.HTTPClient, Retry: policy,
		}),
	}, nil
}

// Expires is the attribute with the second since 1970 from which on DynamoDB may remove a record.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html
const Expires = "Expires"

// Keep has records written from now on expire so long after they were finished; 0: never. It is called before the ledger is used.
func (l *Ledger) Keep(d time.Duration) { l.keep = d }

// Close closes idle connections.
func (l *Ledger) Close() { l.wire.Close() }

// possible reports whether a key can have a record.
func possible(key string) bool { return key != "" && len(key) <= maxKey && utf8.ValidString(key) }

// maxConflicts bounds how often the record of one run may change under one write.
const maxConflicts = 20

// Put implements ledger.Ledger: one PutItem, and one more where a record of the same run is replaced. A write never
// replaces such a record unseen: if the answer to it were lost, nobody could tell any more what had been counted before.
func (l *Ledger) Put(ctx context.Context, record ledger.Record, expect *ledger.Revision) (*ledger.Record, error) {
	if !possible(record.Key) {
		return nil, &failure.Error{Class: failure.DestinationRefuses, Op: "PutItem", Target: l.table, Detail: fmt.Sprintf("%q is no key of an object", record.Key)}
	}
	on := expect
	var known *ledger.Record // that the write is conditioned on
	for range maxConflicts {
		replaced, stored, err := l.putOnce(ctx, &record, on)
		switch {
		case err != nil:
			return nil, fmt.Errorf("writing the ledger: %w", err)
		case stored == nil:
			return replaced, nil
		case stored.Revision() == record.Revision() || stored.Replaced(record.Revision()):
			// Written by an attempt whose answer was lost, and perhaps replaced since: then whoever did so has seen it,
			// and written once more it would be taken off twice.
			return known, nil
		case expect != nil:
			return nil, ledger.ErrConflict
		}
		revision := stored.Revision()
		known, on = stored, &revision
		record.Replace(stored)
	}
	return nil, &failure.Error{Class: failure.Server, Op: "PutItem", Target: l.table, Detail: fmt.Sprintf("the record of %q changed %d times under one write", record.Key, maxConflicts)}
}

// putOnce writes a record on condition that on is the stored revision; when on is nil, that no record of the same run is
// stored. It returns the record that was replaced, or the stored one that was not.
func (l *Ledger) putOnce(ctx context.Context, record *ledger.Record, on *ledger.Revision) (replaced, stored *ledger.Record, err error) {
	b := append(make([]byte, 0, 1280+len(record.Key)), `{"TableName":`...)
	b = append(append(b, l.name...), `,"ReturnValues":"ALL_OLD","ReturnValuesOnConditionCheckFailure":"ALL_OLD","Item":`...)
	b = appendItem(b, record, l.keep)
	b = append(appendCondition(b, on, record), '}')
	answer, err := l.wire.Do(ctx, wireaws.Call{Op: "PutItem", On: l.table, Body: b})
	if failure.Is(err, failure.Conflict) {
		stored, err = storedInstead(err)
		return nil, stored, err
	}
	if err != nil {
		return nil, nil, err
	}
	var said struct{ Attributes *item }
	if err := json.Unmarshal(answer.Body, &said); err != nil {
		return nil, nil, fmt.Errorf("the answer cannot be read: %w", err)
	}
	if said.Attributes == nil || said.Attributes.ObjectKey.S == "" {
		return nil, nil, nil
	}
	old, err := said.Attributes.record()
	if err != nil || old.Revision() == record.Revision() {
		return nil, nil, err
	}
	return &old, nil, nil
}

// appendCondition appends the condition of a write.
func appendCondition(b []byte, on *ledger.Revision, r *ledger.Record) []byte {
	switch {
	case on == nil && r.RunID == "":
		return append(b, `,"ConditionExpression":"attribute_not_exists(RunId)"`...)
	case on == nil:
		return appendUnseen(b, r)
	case *on == (ledger.Revision{}):
		return append(b, `,"ConditionExpression":"attribute_not_exists(ObjectKey)"`...)
	}
	b = append(b, `,"ConditionExpression":"#w = :w AND #s = :s","ExpressionAttributeNames":{"#w":"Worker","#s":"Seq"},`+
		`"ExpressionAttributeValues":{":w":{"S":`...)
	b = append(wireaws.AppendString(b, on.Worker), `},":s":{"N":"`...)
	return append(strconv.AppendInt(b, on.Seq, 10), `"}}`...)
}

// appendUnseen appends the condition that what is replaced need not be seen: it is neither of this run nor remembers a record
// of it, and it is none that is to be heeded.
func appendUnseen(b []byte, r *ledger.Record) []byte {
	runs := append([]string{r.RunID}, r.Heed.Runs...)
	runs = runs[:min(len(runs), maxHeeded)]
	b = append(b, `,"ConditionExpression":"attribute_not_exists(RunId) OR (NOT contains(Remembers, :m)`...)
	for i := range runs {
		b = strconv.AppendInt(append(b, ` AND RunId <> :r`...), int64(i), 10)
	}
	if !r.Heed.Since.IsZero() {
		b = append(b, ` AND (attribute_not_exists(FinishedAt) OR FinishedAt < :f)`...)
	}
	b = wireaws.AppendString(append(b, `)","ExpressionAttributeValues":{":m":{"S":`...), "\n"+r.RunID+"\n")
	for i, run := range runs {
		b = append(strconv.AppendInt(append(b, `},":r`...), int64(i), 10), `":{"S":`...)
		b = wireaws.AppendString(b, run)
	}
	if !r.Heed.Since.IsZero() {
		b = wireaws.AppendString(append(b, `},":f":{"S":`...), r.Heed.Since.UTC().Format(timeForm))
	}
	return append(b, `}}`...)
}

// maxHeeded bounds the runs of a condition. More than a few are open only when something else is wrong.
const maxHeeded = 20

// storedInstead returns the record that a refused write met; an empty one when there is none.
func storedInstead(err error) (*ledger.Record, error) {
	var refusal *wireaws.Refusal
	var said struct{ Item *item }
	if !errors.As(err, &refusal) {
		return nil, err
	}
	if err := json.Unmarshal(refusal.Body, &said); err != nil {
		return nil, fmt.Errorf("the answer cannot be read: %w", err)
	}
	if said.Item == nil {
		return &ledger.Record{}, nil
	}
	r, err := said.Item.record()
	return &r, err
}

// Get implements ledger.Ledger by consistent reads of up to a hundred keys.
func (l *Ledger) Get(ctx context.Context, keys []string) (map[string]ledger.Record, error) {
	distinct := make([]string, 0, len(keys))
	seen := make(map[string]struct{}, len(keys))
	for _, key := range keys {
		if _, twice := seen[key]; !twice && possible(key) {
			seen[key] = struct{}{}
			distinct = append(distinct, key)
		}
	}
	found := collector{records: make(map[string]ledger.Record)}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(getCalls)
	for from := 0; from < len(distinct); from += getKeys {
		chunk := distinct[from:min(from+getKeys, len(distinct))]
		g.Go(func() error { return l.getChunk(ctx, chunk, &found) })
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("reading the ledger: %w", err)
	}
	return found.records, nil
}

type collector struct {
	mu      sync.Mutex
	records map[string]ledger.Record
}

func (c *collector) add(items []item) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range items {
		r, err := items[i].record()
		if err != nil {
			return err
		}
		c.records[r.Key] = r
	}
	return nil
}

// getChunk reads the keys of one call, and asks again for what the table left out. Waiting grows while nothing comes.
func (l *Ledger) getChunk(ctx context.Context, keys []string, found *collector) error {
	for attempt := 1; ; attempt++ {
		items, rest, err := l.getOnce(ctx, keys)
		if err == nil {
			err = found.add(items)
		}
		if err != nil || len(rest) == 0 {
			return err
		}
		if len(rest) < len(keys) {
			attempt = 1
		}
		if attempt >= l.retry.Attempts {
			return &failure.Error{
				Class: failure.Throttled, Op: "BatchGetItem", Target: l.table,
				Detail: fmt.Sprintf("%d keys stay unprocessed", len(rest)),
			}
		}
		if err := retry.Sleep(ctx, l.retry.Delay(attempt)); err != nil {
			return err
		}
		keys = rest
	}
}

func (l *Ledger) getOnce(ctx context.Context, keys []string) (items []item, rest []string, err error) {
	b := append(append([]byte(`{"RequestItems":{`), l.name...), `:{"ConsistentRead":true,"Keys":[`...)
	for i, key := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(wireaws.AppendString(append(b, `{"ObjectKey":{"S":`...), key), `}}`...)
	}
	answer, err := l.wire.Do(ctx, wireaws.Call{Op: "BatchGetItem", On: l.table, Body: append(b, `]}}}`...)})
	if err != nil {
		return nil, nil, err
	}
	var said struct {
		Responses       map[string][]item
		UnprocessedKeys map[string]struct{ Keys []item }
	}
	if err := json.Unmarshal(answer.Body, &said); err != nil {
		return nil, nil, fmt.Errorf("the answer to BatchGetItem cannot be read: %w", err)
	}
	for _, table := range said.Responses { // one, under its name or its ARN
		items = append(items, table...)
	}
	for _, table := range said.UnprocessedKeys {
		for i := range table.Keys {
			rest = append(rest, table.Keys[i].ObjectKey.S)
		}
	}
	return items, rest, nil
}
