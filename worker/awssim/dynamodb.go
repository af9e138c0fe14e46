package awssim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

var tableOperations = map[string]func(*request) ([]byte, error){
	"PutItem": (*request).putItem, "GetItem": (*request).getItem, "DeleteItem": (*request).deleteItem, "UpdateItem": (*request).updateItem,
	"BatchGetItem": (*request).batchGet, "BatchWriteItem": (*request).batchWrite,
	"Query": (*request).queryItems, "Scan": (*request).scanItems,
	"CreateTable": (*request).createTable, "DescribeTable": (*request).describeTable,
}

// document is the union of what the operations on items are asked with.
type document struct {
	TableName, IndexName                                           string
	Item, Key                                                      json.RawMessage
	ConditionExpression, UpdateExpression                          string
	KeyConditionExpression, FilterExpression, ProjectionExpression string
	ExpressionAttributeNames                                       map[string]string
	ExpressionAttributeValues                                      map[string]json.RawMessage
	ReturnValues, ReturnValuesOnConditionCheckFailure              string
	ScanIndexForward                                               *bool
	Limit                                                          int
	ExclusiveStartKey                                              item
	Select                                                         string
}

func (d *document) scope(it item) scope {
	return scope{names: d.ExpressionAttributeNames, values: d.ExpressionAttributeValues, item: it}
}

// write is the part that PutItem, DeleteItem and UpdateItem share: find the item, check the condition, let
// change decide what is stored, and answer with what was asked for.
func (q *request) write(keyFrom func(*document) json.RawMessage, change func(d *document, key, old item) ([]byte, error)) ([]byte, error) {
	var d document
	if err := q.decode(&d); err != nil {
		return nil, err
	}
	t, err := q.sim.table(d.TableName)
	if err != nil {
		return nil, err
	}
	key := decodeItem(keyFrom(&d))
	hash, rng, err := t.primary.keyOf(key)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.get(hash, rng)
	var oldItem item
	if d.ConditionExpression != "" || d.UpdateExpression != "" {
		oldItem = decodeItem(old)
	}
	s := d.scope(oldItem)
	if ok, err := s.holds(d.ConditionExpression); err != nil || !ok {
		if err != nil {
			return nil, err
		}
		return nil, errCondition(old, d.ReturnValuesOnConditionCheckFailure)
	}
	raw, err := change(&d, key, oldItem)
	if err != nil {
		return nil, err
	}
	if raw == nil {
		t.remove(hash, rng)
	} else {
		t.set(hash, rng, raw)
	}
	return returned(d.ReturnValues, old, raw), nil
}

func returned(wanted string, old, now []byte) []byte {
	give := old
	if wanted == "ALL_NEW" || wanted == "UPDATED_NEW" {
		give = now
	}
	if wanted == "" || wanted == "NONE" || give == nil {
		return []byte("{}")
	}
	return append(append([]byte(`{"Attributes":`), give...), '}')
}

func (q *request) putItem() ([]byte, error) {
	return q.write(func(d *document) json.RawMessage { return d.Item }, func(d *document, _, _ item) ([]byte, error) {
		return bytes.Clone(d.Item), nil
	})
}

func (q *request) deleteItem() ([]byte, error) {
	return q.write(func(d *document) json.RawMessage { return d.Key }, func(*document, item, item) ([]byte, error) {
		return nil, nil
	})
}

func (q *request) updateItem() ([]byte, error) {
	return q.write(func(d *document) json.RawMessage { return d.Key }, func(d *document, key, old item) ([]byte, error) {
		s := d.scope(old)
		now, err := s.update(d.UpdateExpression)
		if err != nil {
			return nil, err
		}
		for k, v := range key {
			now[k] = v
		}
		return json.Marshal(now)
	})
}

func (q *request) getItem() ([]byte, error) {
	var d document
	if err := q.decode(&d); err != nil {
		return nil, err
	}
	t, err := q.sim.table(d.TableName)
	if err != nil {
		return nil, err
	}
	hash, rng, err := t.primary.keyOf(decodeItem(d.Key))
	if err != nil {
		return nil, err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if raw := t.get(hash, rng); raw != nil {
		return append(append([]byte(`{"Item":`), raw...), '}'), nil
	}
	return []byte("{}"), nil
}

// batchGet gives at most 100 items; projections are ignored, every attribute comes.
func (q *request) batchGet() ([]byte, error) {
	var in struct {
		RequestItems map[string]struct {
			Keys                     []json.RawMessage
			ConsistentRead           bool
			ProjectionExpression     string            `json:",omitempty"`
			ExpressionAttributeNames map[string]string `json:",omitempty"`
		}
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	out := []byte(`{"Responses":{`)
	n, tables := 0, 0
	for name, ask := range in.RequestItems {
		t, err := q.sim.table(name)
		if err != nil {
			return nil, err
		}
		if tables++; tables > 1 {
			out = append(out, ',')
		}
		out = append(append(out, quote(name)...), ":["...)
		var left []json.RawMessage
		given := 0
		for _, raw := range ask.Keys {
			if n++; n > 100 {
				return nil, refuse("ValidationException", "Too many items requested for the BatchGetItem call")
			}
			if q.fails(n - 1) {
				left = append(left, raw)
				continue
			}
			hash, rng, err := t.primary.keyOf(decodeItem(raw))
			if err != nil {
				return nil, err
			}
			t.mu.RLock()
			found := t.get(hash, rng)
			t.mu.RUnlock()
			if found == nil {
				continue
			}
			if given++; given > 1 {
				out = append(out, ',')
			}
			out = append(out, found...)
		}
		out = append(out, ']')
		if ask.Keys = left; len(left) > 0 {
			in.RequestItems[name] = ask
		} else {
			delete(in.RequestItems, name)
		}
	}
	left, err := json.Marshal(in.RequestItems)
	return append(append(append(out, `},"UnprocessedKeys":`...), left...), '}'), err
}

func (q *request) batchWrite() ([]byte, error) {
	type write struct {
		PutRequest    *struct{ Item json.RawMessage } `json:",omitempty"`
		DeleteRequest *struct{ Key json.RawMessage }  `json:",omitempty"`
	}
	var in struct{ RequestItems map[string][]write }
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	unprocessed := map[string][]write{}
	n := 0
	for name, writes := range in.RequestItems {
		t, err := q.sim.table(name)
		if err != nil {
			return nil, err
		}
		for _, w := range writes {
			if n++; n > 25 {
				return nil, refuse("ValidationException", "Too many items requested for the BatchWriteItem call")
			}
			if q.fails(n - 1) {
				unprocessed[name] = append(unprocessed[name], w)
				continue
			}
			raw, key := []byte(nil), json.RawMessage(nil)
			if w.PutRequest != nil {
				key = w.PutRequest.Item
				raw = bytes.Clone(key)
			} else if w.DeleteRequest != nil {
				key = w.DeleteRequest.Key
			}
			hash, rng, err := t.primary.keyOf(decodeItem(key))
			if err != nil {
				return nil, err
			}
			t.mu.Lock()
			if raw == nil {
				t.remove(hash, rng)
			} else {
				t.set(hash, rng, raw)
			}
			t.mu.Unlock()
		}
	}
	left, err := json.Marshal(unprocessed)
	return append(append([]byte(`{"UnprocessedItems":`), left...), '}'), err
}

// maxPage is the size in bytes after which a query pauses.
const maxPage = 1 << 20

func (q *request) queryItems() ([]byte, error) { return q.readPage(true) }
func (q *request) scanItems() ([]byte, error)  { return q.readPage(false) }

func (q *request) readPage(keyed bool) ([]byte, error) {
	var d document
	if err := q.decode(&d); err != nil {
		return nil, err
	}
	t, err := q.sim.table(d.TableName)
	if err != nil {
		return nil, err
	}
	x, ok := t.primary, true
	if d.IndexName != "" {
		if x, ok = t.indexes[d.IndexName]; !ok {
			return nil, refuse("ValidationException", "The table does not have the specified index: "+d.IndexName)
		}
	}
	if keyed && d.KeyConditionExpression == "" {
		return nil, refuse("ValidationException", "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	rows, err := t.query(x, d.KeyConditionExpression, d.scope(nil))
	if err != nil {
		return nil, err
	}
	if d.ScanIndexForward != nil && !*d.ScanIndexForward {
		for i, j := 0, len(rows)-1; i < j; i, j = i+1, j-1 {
			rows[i], rows[j] = rows[j], rows[i]
		}
	}
	return t.page(&d, x, rows)
}

// page writes the rows after the start key until a limit is reached.
func (t *Table) page(d *document, x Index, rows []row) ([]byte, error) {
	backward := d.ScanIndexForward != nil && !*d.ScanIndexForward
	var start *row
	if d.ExclusiveStartKey != nil {
		r := t.row(x, nil, d.ExclusiveStartKey)
		start = &r
	}
	var items []byte
	scanned, count, size := 0, 0, 0
	last := -1
	for i := range rows {
		r := &rows[i]
		if start != nil && (!backward && !start.less(r) || backward && !r.less(start)) {
			continue
		}
		if d.Limit > 0 && scanned == d.Limit || size > maxPage {
			break
		}
		scanned++
		last = i
		size += len(r.raw)
		s := d.scope(r.it)
		ok, err := s.holds(d.FilterExpression)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if count++; count > 1 {
			items = append(items, ',')
		}
		items = append(items, r.raw...)
	}
	out := fmt.Appendf(nil, `{"Count":%d,"ScannedCount":%d`, count, scanned)
	if d.Select != "COUNT" {
		out = append(append(append(out, `,"Items":[`...), items...), ']')
	}
	if last >= 0 && last < len(rows)-1 {
		key := item{}
		for _, name := range []string{x.Hash, x.Range, t.primary.Hash, t.primary.Range} {
			if raw, ok := rows[last].it[name]; ok {
				key[name] = raw
			}
		}
		raw, err := json.Marshal(key)
		if err != nil {
			return nil, err
		}
		out = append(append(out, `,"LastEvaluatedKey":`...), raw...)
	}
	return append(out, '}'), nil
}

type keySchema []struct{ AttributeName, KeyType string }

func (k keySchema) index() (x Index) {
	for _, e := range k {
		if e.KeyType == "HASH" {
			x.Hash = e.AttributeName
		} else {
			x.Range = e.AttributeName
		}
	}
	return x
}

func (q *request) createTable() ([]byte, error) {
	var in struct {
		TableName              string
		KeySchema              keySchema
		GlobalSecondaryIndexes []struct {
			IndexName string
			KeySchema keySchema
		}
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	indexes := map[string]Index{}
	for _, g := range in.GlobalSecondaryIndexes {
		indexes[g.IndexName] = g.KeySchema.index()
	}
	t := q.sim.CreateTable(in.TableName, in.KeySchema.index(), indexes)
	return t.describe("TableDescription"), nil
}

func (q *request) describeTable() ([]byte, error) {
	var d document
	if err := q.decode(&d); err != nil {
		return nil, err
	}
	t, err := q.sim.table(d.TableName)
	if err != nil {
		return nil, err
	}
	return t.describe("Table"), nil
}

func (t *Table) describe(as string) []byte {
	out := append([]byte(`{"`+as+`":{"TableStatus":"ACTIVE","TableName":`), quote(t.name)...)
	out = append(out, `,"ItemCount":`...)
	out = strconv.AppendInt(out, int64(t.Len()), 10)
	return append(out, "}}"...)
}
