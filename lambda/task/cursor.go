package task

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
)

// sortTime has the same length for every time, so that texts sort as times do.
const sortTime = "2006-01-02T15:04:05.000000000Z"

// SortKey is the text by which a task is sorted: texts compare byte by byte as the tasks do.
func (t *Task) SortKey(by Sort) string {
	switch by {
	case ByUpdated:
		return t.Updated.UTC().Format(sortTime)
	case ByName:
		return strings.ToLower(t.Name)
	case ByCreated:
	}
	return t.Created.UTC().Format(sortTime)
}

// Matches reports whether a task is one that the query asks for.
func (q *Query) Matches(t *Task) bool {
	switch {
	case len(q.States) > 0 && !slices.Contains(q.States, t.State),
		q.Type != "" && q.Type != t.Type,
		q.Attention && !t.NeedsAttention(q.Now):
		return false
	}
	if q.Text == "" {
		return true
	}
	has := func(text string) bool { return strings.Contains(strings.ToLower(text), strings.ToLower(q.Text)) }
	if has(t.Name) || has(t.Description) {
		return true
	}
	for name, value := range t.Labels {
		if has(name) || has(value) {
			return true
		}
	}
	return false
}

// Place is where a page ended: behind the task of this sort key and id.
type Place struct {
	Key string `json:"k"`
	ID  string `json:"i"`
}

type placed struct {
	Place
	List uint32 `json:"l"` // fingerprint of the query
}

// list is a fingerprint of what the query asks for, beside where in it.
func (q *Query) list() uint32 {
	states := slices.Sorted(slices.Values(q.States))
	return crc32.ChecksumIEEE(fmt.Appendf(nil, "%q %v %q %q %q %v", q.Sort, q.Descending, states, q.Type, q.Text, q.Attention))
}

// Cursor returns the cursor of the page that follows a task.
func (q *Query) Cursor(t *Task) string {
	text, err := json.Marshal(placed{Place{t.SortKey(q.Sort), t.ID}, q.list()})
	if err != nil {
		panic("task: a place cannot be written: " + err.Error()) // two texts and a number always can
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// Place returns where the page before ended, nil when the first one is asked for; ErrCursor when the query's cursor is of
// another list.
func (q *Query) Place() (*Place, error) {
	if q.After == "" {
		return nil, nil
	}
	var p placed
	text, err := base64.RawURLEncoding.DecodeString(q.After)
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil || p.List != q.list() || p.ID == "" {
		return nil, ErrCursor
	}
	return &p.Place, nil
}
