package task

import (
	"context"
	"errors"
	"time"
)

// Errors of a Store.
var (
	ErrNotFound = errors.New("no such task")
	ErrExists   = errors.New("a task of this id is there already")
	ErrConflict = errors.New("the task was changed by somebody else meanwhile")
	ErrCursor   = errors.New("this cursor was not given by this list")
)

// Store keeps tasks and their audit. A task and the entry that tells of its change are written together, or neither is.
type Store interface {
	// Create writes a new task of revision 1, with its first entry; ErrExists when one of this id is there.
	Create(ctx context.Context, t Task, e Entry) error
	// Update replaces the task whose revision is t.Revision by t, with the revision one higher, and returns it as it is
	// stored; ErrConflict when the stored revision is another, ErrNotFound when the task is gone. e is nil when there is
	// nothing to audit: the news of a run.
	Update(ctx context.Context, t Task, e *Entry) (Task, error)
	// Delete removes the task whose revision is given. Its audit stays.
	Delete(ctx context.Context, id string, revision int64, e Entry) error
	// Get returns a task, or ErrNotFound.
	Get(ctx context.Context, id string) (Task, error)
	// ByStack returns the task whose Stack.ID or Stack.Name is given, or ErrNotFound. It may lag behind for a moment.
	ByStack(ctx context.Context, stack string) (Task, error)
	// List returns one page. What it reads does not depend on how far the page lies from the beginning, and a page of a
	// rare filter may be shorter than First, also empty, although more follow: it has a cursor then. It may lag behind for
	// a moment. A cursor that another query gave is ErrCursor.
	List(ctx context.Context, q Query) (Page, error)
	// Count returns how many tasks there are in each state. It may lag behind for a moment.
	Count(ctx context.Context) (map[State]int64, error)
	// Audit returns entries of a task, the newest first.
	Audit(ctx context.Context, id string, first int, after string) (Entries, error)
	// Preferences returns what the hub was told last; the zero value when it never was.
	Preferences(ctx context.Context) (Preferences, error)
	// SetPreferences replaces those whose revision is p.Revision by p, with the revision one higher, and returns them as they
	// are stored; ErrConflict when the stored revision is another. The entry's task is PreferencesID.
	SetPreferences(ctx context.Context, p Preferences, e Entry) (Preferences, error)
}

// PreferencesID stands for the hub's preferences in the audit.
const PreferencesID = "hub"

// Preferences are settings of the hub itself.
type Preferences struct {
	Revision int64
	// Defaults are values that forms begin with, by the type of the plugin and the name of the parameter.
	Defaults map[string]map[string]string
	Updated  time.Time
	By       string
}

// Query asks for tasks.
type Query struct {
	Sort       Sort
	Descending bool
	States     []State   // empty: all
	Type       string    // of the plugin; empty: all
	Text       string    // that the name, the description or a label contains, in any case; empty: all
	Attention  bool      // only those that a person should look at
	Now        time.Time // when that is asked: a task becomes stale by itself. No part of what a cursor belongs to
	First      int       // 1 to MaxPage
	After      string    // cursor; empty: from the beginning
}

// MaxPage is the longest page.
const MaxPage = 100

// Sort is an order of tasks. Tasks alike in it are ordered by id.
type Sort string

// The orders.
const (
	ByCreated Sort = "CREATED"
	ByUpdated Sort = "UPDATED"
	ByName    Sort = "NAME" // in any case
)

// Page is one page of tasks.
type Page struct {
	Tasks []Task
	Next  string // cursor; empty at the end
}

// Entry tells of one change: who did what to which task, when, and what changed.
type Entry struct {
	Task    string // id
	At      time.Time
	By      string
	Action  string   // created, edited, paused, ...
	Changes []Change // of settings and of the state
	Note    string   // a reason, or what was retried
}

// Change is one field before and after.
type Change struct{ Field, Before, After string }

// Entries are one page of the audit.
type Entries struct {
	Entries []Entry
	Next    string // cursor; empty at the end
}
