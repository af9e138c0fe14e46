package awssim

import (
	"encoding/json"
	"net/http"
	"sort"
	"strings"
	"sync"
)

// Table is a table with its items as they came, one piece of JSON each.
type Table struct {
	name    string
	primary Index
	indexes map[string]Index

	mu         sync.RWMutex
	partitions map[string]map[string][]byte // hash key, then range key ("" where the table has none)
	n          int
	watch      func(raw []byte)
}

// Index names the key attributes of a table or a secondary index. Range is empty where there is none.
type Index struct{ Hash, Range string }

// CreateTable adds a table, or returns the one of this name. Secondary indexes are answered by looking at every item.
func (s *Sim) CreateTable(name string, primary Index, indexes map[string]Index) *Table {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tables[name]; t != nil {
		return t
	}
	t := &Table{name: name, primary: primary, indexes: indexes, partitions: map[string]map[string][]byte{}}
	s.tables[name] = t
	return t
}

func (s *Sim) table(name string) (*Table, error) {
	name = name[strings.LastIndexByte(name, '/')+1:]
	s.mu.RLock()
	defer s.mu.RUnlock()
	if t := s.tables[name]; t != nil {
		return t, nil
	}
	return nil, refuse("ResourceNotFoundException", "Requested resource not found: Table: "+name+" not found")
}

// Len returns the number of items.
func (t *Table) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.n
}

// Items calls do with every item as JSON, in no order, until it returns false. do must not call the table.
func (t *Table) Items(do func(raw []byte) bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, p := range t.partitions {
		for _, raw := range p {
			if !do(raw) {
				return
			}
		}
	}
}

// Watch has do called with every item that is written from now on, in the order of the writes. do must not call the table.
func (t *Table) Watch(do func(raw []byte)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watch = do
}

// keyOf returns the key of an item.
func (x Index) keyOf(it item) (hash, rng string, err error) {
	h, ok := decodeValue(it[x.Hash])
	if !ok || h.text == "" {
		return "", "", refuse("ValidationException", "One or more parameter values were invalid: Missing the key "+x.Hash+" in the item")
	}
	if x.Range == "" {
		return h.text, "", nil
	}
	r, ok := decodeValue(it[x.Range])
	if !ok || r.text == "" {
		return "", "", refuse("ValidationException", "One or more parameter values were invalid: Missing the key "+x.Range+" in the item")
	}
	return h.text, r.text, nil
}

func (t *Table) get(hash, rng string) []byte { return t.partitions[hash][rng] }

func (t *Table) set(hash, rng string, raw []byte) {
	p := t.partitions[hash]
	if p == nil {
		p = make(map[string][]byte, 1)
		t.partitions[hash] = p
	}
	if _, had := p[rng]; !had {
		t.n++
	}
	p[rng] = raw
	if t.watch != nil {
		t.watch(raw)
	}
}

func (t *Table) remove(hash, rng string) {
	p := t.partitions[hash]
	if _, had := p[rng]; !had {
		return
	}
	t.n--
	if delete(p, rng); len(p) == 0 {
		delete(t.partitions, hash)
	}
}

func decodeItem(raw []byte) item {
	if raw == nil {
		return nil
	}
	var it item
	_ = json.Unmarshal(raw, &it) // was decoded when it came
	return it
}

// row is an item of a query with what it is sorted by.
type row struct {
	raw   []byte
	it    item
	order [3]value // range key of the index, then the table's own keys
}

func (a *row) less(b *row) bool {
	for i := range a.order {
		if c, _ := a.order[i].compare(b.order[i]); c != 0 {
			return c < 0
		}
	}
	return false
}

func (t *Table) row(x Index, raw []byte, it item) row {
	r := row{raw: raw, it: it}
	for i, name := range []string{x.Range, t.primary.Hash, t.primary.Range} {
		r.order[i], _ = decodeValue(it[name]) // absent: equal to every other absent one
	}
	return r
}

// query returns the items of an index that meet a condition on its keys, in order.
func (t *Table) query(x Index, condition string, s scope) ([]row, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var rows []row
	partitions := t.partitions
	if hash, ok := s.equalTo(condition, x.Hash); ok && x == t.primary {
		partitions = map[string]map[string][]byte{hash: t.partitions[hash]}
	}
	for _, p := range partitions {
		for _, raw := range p {
			it := decodeItem(raw)
			if _, _, err := x.keyOf(it); err != nil {
				continue // not in a sparse index
			}
			s.item = it
			ok, err := s.holds(condition)
			if err != nil {
				return nil, err
			}
			if ok {
				rows = append(rows, t.row(x, raw, it))
			}
		}
	}
	sort.Slice(rows, func(i, j int) bool { return rows[i].less(&rows[j]) })
	return rows, nil
}

// equalTo finds the value that a key condition asks of an attribute.
func (s *scope) equalTo(condition, name string) (string, bool) {
	tokens := tokenize(condition)
	for i := 0; i+2 < len(tokens); i++ {
		attribute := tokens[i]
		if n, ok := s.names[attribute]; ok {
			attribute = n
		}
		if attribute == name && tokens[i+1] == "=" {
			v, ok := decodeValue(s.values[tokens[i+2]])
			return v.text, ok
		}
	}
	return "", false
}

func errCondition(old []byte, wanted string) *apiError {
	e := &apiError{status: http.StatusBadRequest, code: "ConditionalCheckFailedException", message: "The conditional request failed"}
	if wanted == "ALL_OLD" && old != nil {
		e.extra = append([]byte(`,"Item":`), old...)
	}
	return e
}
