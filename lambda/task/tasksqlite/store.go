// Package tasksqlite keeps the hub's tasks in SQLite tables.
package tasksqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/worker/database/databasesqlite"
)

// The sort keys are texts that compare byte by byte, as task.SortKey gives them; the document is the whole task.
const schema = `
CREATE TABLE tasks (
	id TEXT PRIMARY KEY,
	revision INTEGER NOT NULL,
	state TEXT NOT NULL,
	created TEXT NOT NULL,
	updated TEXT NOT NULL,
	name TEXT NOT NULL,
	stack_name TEXT NOT NULL,
	stack_id TEXT NOT NULL,
	doc TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX tasks_created ON tasks (created, id);
CREATE INDEX tasks_updated ON tasks (updated, id);
CREATE INDEX tasks_name ON tasks (name, id);
CREATE INDEX tasks_state ON tasks (state);
CREATE INDEX tasks_stack_name ON tasks (stack_name);
CREATE INDEX tasks_stack_id ON tasks (stack_id);
CREATE TABLE task_audit (seq INTEGER PRIMARY KEY AUTOINCREMENT, task TEXT NOT NULL, doc TEXT NOT NULL);
CREATE INDEX task_audit_task ON task_audit (task, seq);
CREATE TABLE hub_preferences (one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL, doc TEXT NOT NULL);
`

// Store implements task.Store.
type Store struct{ db *sql.DB }

var _ task.Store = (*Store)(nil)

// Open opens the tasks of a database, and makes the tables when they are new.
func Open(ctx context.Context, db *sql.DB) (*Store, error) {
	return &Store{db}, databasesqlite.Migrate(ctx, db, "task", schema)
}

// Create implements task.Store.
func (s *Store) Create(ctx context.Context, t task.Task, e task.Entry) error {
	t.Revision = 1
	doc, err := json.Marshal(t)
	if err != nil {
		return err
	}
	return s.change(ctx, "creating", t.ID, &e, task.ErrExists, `INSERT OR IGNORE INTO tasks VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		t.ID, t.Revision, t.State, t.SortKey(task.ByCreated), t.SortKey(task.ByUpdated), t.SortKey(task.ByName), t.Stack.Name, t.Stack.ID, string(doc))
}

// Update implements task.Store.
func (s *Store) Update(ctx context.Context, t task.Task, e *task.Entry) (task.Task, error) {
	before := t.Revision
	t = t.Clone()
	t.Revision++
	doc, err := json.Marshal(t)
	if err != nil {
		return task.Task{}, err
	}
	err = s.change(ctx, "updating", t.ID, e, nil, `UPDATE tasks SET revision = ?, state = ?, created = ?, updated = ?, name = ?, stack_name = ?, stack_id = ?, doc = ?
		WHERE id = ? AND revision = ?`,
		t.Revision, t.State, t.SortKey(task.ByCreated), t.SortKey(task.ByUpdated), t.SortKey(task.ByName), t.Stack.Name, t.Stack.ID, string(doc), t.ID, before)
	if err != nil {
		return task.Task{}, err
	}
	return t, nil
}

// Delete implements task.Store.
func (s *Store) Delete(ctx context.Context, id string, revision int64, e task.Entry) error {
	return s.change(ctx, "deleting", id, &e, nil, `DELETE FROM tasks WHERE id = ? AND revision = ?`, id, revision)
}

// change runs a statement that changes one task, and writes the entry with it. untouched is the error when the statement found
// nothing to change; nil: ErrNotFound or ErrConflict, whichever it is.
func (s *Store) change(ctx context.Context, doing, id string, e *task.Entry, untouched error, statement string, args ...any) error {
	err := databasesqlite.Do(ctx, s.db, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, statement, args...)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		switch {
		case err != nil:
			return err
		case n == 1:
			return audit(ctx, tx, e)
		case untouched != nil:
			return untouched
		}
		var there int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM tasks WHERE id = ?`, id).Scan(&there); err != nil {
			return err
		}
		if there == 0 {
			return task.ErrNotFound
		}
		return task.ErrConflict
	})
	if err != nil {
		return fmt.Errorf("%s task %s: %w", doing, id, err)
	}
	return nil
}

func audit(ctx context.Context, tx *sql.Tx, e *task.Entry) error {
	if e == nil {
		return nil
	}
	doc, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO task_audit (task, doc) VALUES (?, ?)`, e.Task, string(doc))
	return err
}

// Get implements task.Store.
func (s *Store) Get(ctx context.Context, id string) (task.Task, error) {
	return s.one(ctx, `SELECT doc FROM tasks WHERE id = ?`, id)
}

// ByStack implements task.Store.
func (s *Store) ByStack(ctx context.Context, stack string) (task.Task, error) {
	if stack == "" {
		return task.Task{}, task.ErrNotFound
	}
	return s.one(ctx, `SELECT doc FROM tasks WHERE stack_id = ?1 OR stack_name = ?1 LIMIT 1`, stack)
}

func (s *Store) one(ctx context.Context, query string, args ...any) (task.Task, error) {
	var t task.Task
	var doc string
	err := s.db.QueryRowContext(ctx, query, args...).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return t, task.ErrNotFound
	}
	if err == nil {
		err = json.Unmarshal([]byte(doc), &t)
	}
	if err != nil {
		return t, fmt.Errorf("reading a task: %w", err)
	}
	return t, nil
}

// scanned is how many tasks one page looks at, however few of them its filter lets through.
const scanned = 500

// orders are the columns and the directions of lists.
var orders = map[task.Sort]string{task.ByCreated: "created", task.ByUpdated: "updated", task.ByName: "name"}

// List implements task.Store.
func (s *Store) List(ctx context.Context, q task.Query) (task.Page, error) {
	place, err := q.Place()
	if err != nil {
		return task.Page{}, err
	}
	column, than, direction := orders[q.Sort], ">", "ASC"
	if q.Descending {
		than, direction = "<", "DESC"
	}
	query := `SELECT doc FROM tasks `
	var args []any
	if place != nil {
		query += fmt.Sprintf(`WHERE (%s, id) %s (?, ?) `, column, than)
		args = append(args, place.Key, place.ID)
	}
	query += fmt.Sprintf(`ORDER BY %s %s, id %s LIMIT %d`, column, direction, direction, scanned+1)
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return task.Page{}, fmt.Errorf("listing tasks: %w", err)
	}
	defer rows.Close()
	var page task.Page
	var last task.Task // looked at
	for n := 0; rows.Next(); n++ {
		if n == scanned || len(page.Tasks) == q.First {
			page.Next = q.Cursor(&last)
			break
		}
		var doc string
		if err := rows.Scan(&doc); err != nil {
			return task.Page{}, fmt.Errorf("listing tasks: %w", err)
		}
		last = task.Task{}
		if err := json.Unmarshal([]byte(doc), &last); err != nil {
			return task.Page{}, fmt.Errorf("listing tasks: %w", err)
		}
		if q.Matches(&last) {
			page.Tasks = append(page.Tasks, last)
		}
	}
	return page, rows.Err()
}

// Count implements task.Store.
func (s *Store) Count(ctx context.Context) (map[task.State]int64, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT state, count(*) FROM tasks GROUP BY state`)
	if err != nil {
		return nil, fmt.Errorf("counting tasks: %w", err)
	}
	defer rows.Close()
	counts := map[task.State]int64{}
	for rows.Next() {
		var state task.State
		var n int64
		if err := rows.Scan(&state, &n); err != nil {
			return nil, fmt.Errorf("counting tasks: %w", err)
		}
		counts[state] = n
	}
	return counts, rows.Err()
}

// Audit implements task.Store.
func (s *Store) Audit(ctx context.Context, id string, first int, after string) (task.Entries, error) {
	before := int64(1) << 62
	if after != "" {
		var err error
		if before, err = strconv.ParseInt(after, 10, 64); err != nil || before < 1 {
			return task.Entries{}, task.ErrCursor
		}
	}
	rows, err := s.db.QueryContext(ctx, `SELECT seq, doc FROM task_audit WHERE task = ? AND seq < ? ORDER BY seq DESC LIMIT ?`, id, before, first+1)
	if err != nil {
		return task.Entries{}, fmt.Errorf("reading the audit of %s: %w", id, err)
	}
	defer rows.Close()
	var page task.Entries
	for rows.Next() {
		if len(page.Entries) == first {
			page.Next = strconv.FormatInt(before, 10)
			break
		}
		var doc string
		var e task.Entry
		err := rows.Scan(&before, &doc)
		if err == nil {
			err = json.Unmarshal([]byte(doc), &e)
		}
		if err != nil {
			return task.Entries{}, fmt.Errorf("reading the audit of %s: %w", id, err)
		}
		page.Entries = append(page.Entries, e)
	}
	return page, rows.Err()
}

// Preferences implements task.Store.
func (s *Store) Preferences(ctx context.Context) (task.Preferences, error) {
	var p task.Preferences
	var doc string
	err := s.db.QueryRowContext(ctx, `SELECT doc FROM hub_preferences`).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return p, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(doc), &p)
	}
	if err != nil {
		return p, fmt.Errorf("reading the preferences: %w", err)
	}
	return p, nil
}

// SetPreferences implements task.Store.
func (s *Store) SetPreferences(ctx context.Context, p task.Preferences, e task.Entry) (task.Preferences, error) {
	before := p.Revision
	p.Revision++
	doc, err := json.Marshal(p)
	if err != nil {
		return p, err
	}
	err = databasesqlite.Do(ctx, s.db, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `INSERT INTO hub_preferences SELECT 1, ?1, ?2 WHERE ?3 = 0 OR EXISTS (SELECT 1 FROM hub_preferences)
			ON CONFLICT DO UPDATE SET revision = excluded.revision, doc = excluded.doc WHERE hub_preferences.revision = ?3`, p.Revision, string(doc), before)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return errors.Join(err, task.ErrConflict)
		}
		return audit(ctx, tx, &e)
	})
	if err != nil {
		return p, fmt.Errorf("writing the preferences: %w", err)
	}
	return p, nil
}
