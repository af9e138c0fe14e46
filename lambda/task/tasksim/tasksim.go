// Package tasksim keeps tasks in memory, for tests.
package tasksim

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/datatransferhub/dth/lambda/task"
)

// Store implements task.Store. Lists are ordered by id, whatever the query asks for.
type Store struct {
	mu      sync.Mutex
	tasks   map[string]task.Task
	entries []task.Entry
	said    task.Preferences
	// meanwhile is called once, by the next Update, before it looks at the revision.
	meanwhile func()
	fail      error // of every call
}

var _ task.Store = (*Store)(nil)

// New returns a store of tasks, each of revision 1.
func New(tasks ...task.Task) *Store {
	s := &Store{tasks: map[string]task.Task{}}
	for i := range tasks {
		t := tasks[i].Clone()
		t.Revision = cmp.Or(t.Revision, 1)
		s.tasks[t.ID] = t
	}
	return s
}

// Meanwhile lets somebody else write in the moment before the next update.
func (s *Store) Meanwhile(write func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meanwhile = write
}

// Fail lets every call fail; with nil no longer.
func (s *Store) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = err
}

// Entries returns the whole audit, the oldest first.
func (s *Store) Entries() []task.Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.entries)
}

// Create implements task.Store.
func (s *Store) Create(_ context.Context, t task.Task, e task.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.tasks[t.ID]; there || s.fail != nil {
		return cmp.Or(s.fail, task.ErrExists)
	}
	t.Revision = 1
	s.tasks[t.ID], s.entries = t.Clone(), append(s.entries, e)
	return nil
}

// Update implements task.Store.
func (s *Store) Update(_ context.Context, t task.Task, e *task.Entry) (task.Task, error) {
	s.mu.Lock()
	write := s.meanwhile
	s.meanwhile = nil
	s.mu.Unlock()
	if write != nil {
		write()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	known, there := s.tasks[t.ID]
	switch {
	case s.fail != nil:
		return task.Task{}, s.fail
	case !there:
		return task.Task{}, task.ErrNotFound
	case known.Revision != t.Revision:
		return task.Task{}, task.ErrConflict
	}
	t.Revision++
	s.tasks[t.ID] = t.Clone()
	if e != nil {
		s.entries = append(s.entries, *e)
	}
	return t.Clone(), nil
}

// Delete implements task.Store.
func (s *Store) Delete(_ context.Context, id string, revision int64, e task.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, there := s.tasks[id]
	switch {
	case s.fail != nil:
		return s.fail
	case !there:
		return task.ErrNotFound
	case known.Revision != revision:
		return task.ErrConflict
	}
	delete(s.tasks, id)
	s.entries = append(s.entries, e)
	return nil
}

// Get implements task.Store.
func (s *Store) Get(_ context.Context, id string) (task.Task, error) {
	return s.find(func(t *task.Task) bool { return t.ID == id })
}

// ByStack implements task.Store.
func (s *Store) ByStack(_ context.Context, stack string) (task.Task, error) {
	return s.find(func(t *task.Task) bool { return t.Stack.ID == stack || t.Stack.Name == stack })
}

func (s *Store) find(is func(*task.Task) bool) (task.Task, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return task.Task{}, s.fail
	}
	for _, t := range s.tasks {
		if is(&t) {
			return t.Clone(), nil
		}
	}
	return task.Task{}, task.ErrNotFound
}

// List implements task.Store. The cursor is the last id.
func (s *Store) List(_ context.Context, q task.Query) (task.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		return task.Page{}, s.fail
	}
	var p task.Page
	for _, t := range s.tasks {
		if t.ID > q.After && (len(q.States) == 0 || slices.Contains(q.States, t.State)) {
			p.Tasks = append(p.Tasks, t.Clone())
		}
	}
	slices.SortFunc(p.Tasks, func(a, b task.Task) int { return strings.Compare(a.ID, b.ID) })
	if len(p.Tasks) > q.First {
		p.Tasks = p.Tasks[:q.First]
		p.Next = p.Tasks[q.First-1].ID
	}
	return p, nil
}

// Count implements task.Store.
func (s *Store) Count(context.Context) (map[task.State]int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := map[task.State]int64{}
	for _, t := range s.tasks {
		n[t.State]++
	}
	return n, s.fail
}

// Audit implements task.Store; it has one page.
func (s *Store) Audit(_ context.Context, id string, _ int, _ string) (task.Entries, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var page task.Entries
	for _, e := range slices.Backward(s.entries) {
		if e.Task == id {
			page.Entries = append(page.Entries, e)
		}
	}
	return page, s.fail
}

// Preferences implements task.Store.
func (s *Store) Preferences(context.Context) (task.Preferences, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.said, s.fail
}

// SetPreferences implements task.Store.
func (s *Store) SetPreferences(_ context.Context, p task.Preferences, e task.Entry) (task.Preferences, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil || p.Revision != s.said.Revision {
		return task.Preferences{}, cmp.Or(s.fail, task.ErrConflict)
	}
	p.Revision++
	s.said, s.entries = p, append(s.entries, e)
	return p, nil
}
