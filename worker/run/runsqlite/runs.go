// Package runsqlite keeps run records in SQLite tables.
package runsqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/run"
)

const schema = `
CREATE TABLE runs (task TEXT NOT NULL, id TEXT NOT NULL, started INTEGER NOT NULL /* Unix nanoseconds */, doc TEXT NOT NULL, PRIMARY KEY (task, id)) WITHOUT ROWID;
CREATE INDEX runs_started ON runs (task, started, id);
CREATE TABLE run_counters (task TEXT NOT NULL, run TEXT NOT NULL, worker TEXT NOT NULL, seq INTEGER NOT NULL, doc TEXT NOT NULL,
	PRIMARY KEY (task, run, worker)) WITHOUT ROWID;
`

const schemaFleet = `
CREATE TABLE run_checkpoints (task TEXT NOT NULL, run TEXT NOT NULL, doc BLOB NOT NULL, PRIMARY KEY (task, run)) WITHOUT ROWID;
CREATE TABLE run_leases (task TEXT NOT NULL, name TEXT NOT NULL, holder TEXT NOT NULL,
	since INTEGER NOT NULL, until INTEGER NOT NULL /* Unix nanoseconds */, PRIMARY KEY (task, name)) WITHOUT ROWID;
CREATE TABLE run_workers (task TEXT NOT NULL, worker TEXT NOT NULL, at INTEGER NOT NULL /* Unix nanoseconds */, PRIMARY KEY (task, worker)) WITHOUT ROWID;
`

const schemaPause = `CREATE TABLE run_pauses (task TEXT PRIMARY KEY, paused INTEGER NOT NULL, since INTEGER NOT NULL /* Unix nanoseconds */) WITHOUT ROWID`

const schemaAnswers = `CREATE TABLE run_answers (task TEXT NOT NULL, request TEXT NOT NULL, doc BLOB NOT NULL, PRIMARY KEY (task, request)) WITHOUT ROWID`

// The states are those of which run.State.Open is true.
const schemaOpen = `
CREATE INDEX runs_open ON runs (task, started, id) WHERE json_extract(doc, '$.State') IN ('FINDING', 'COPYING', 'PROVING');
CREATE INDEX runs_made ON runs (task, started, id) WHERE json_extract(doc, '$.State') <> 'SKIPPED';
`

// Runs keeps the runs of one task.
type Runs struct {
	db   *sql.DB
	task string
}

// Open opens the runs of a task, and makes the tables when they are new.
func Open(ctx context.Context, db *sql.DB, task string) (*Runs, error) {
	if err := databasesqlite.Migrate(ctx, db, "run", schema, schemaFleet, schemaPause, schemaAnswers, schemaOpen); err != nil {
		return nil, err
	}
	return &Runs{db, task}, nil
}

// Create implements run.Store.
func (s *Runs) Create(ctx context.Context, r run.Run) error {
	doc, err := json.Marshal(r)
	if err != nil {
		return err
	}
	res, err := s.db.ExecContext(ctx, `INSERT OR IGNORE INTO runs VALUES (?, ?, ?, ?)`, s.task, r.ID, r.Started.UnixNano(), string(doc))
	if err != nil {
		return fmt.Errorf("creating run %s: %w", r.ID, err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(run.ErrExists, err)
	}
	return nil
}

// Update implements run.Store.
func (s *Runs) Update(ctx context.Context, r run.Run) error {
	doc, err := json.Marshal(r)
	if err != nil {
		return err
	}
	res, err := s.db.ExecContext(ctx, `UPDATE runs SET doc = ? WHERE task = ? AND id = ? AND started = ?`, string(doc), s.task, r.ID, r.Started.UnixNano())
	if err != nil {
		return fmt.Errorf("updating run %s: %w", r.ID, err)
	}
	n, err := res.RowsAffected()
	if err != nil || n > 0 {
		return err
	}
	if _, err := s.Get(ctx, r.ID); err != nil {
		return err
	}
	return fmt.Errorf("updating run %s: it did not start at %v", r.ID, r.Started)
}

// Get implements run.Store.
func (s *Runs) Get(ctx context.Context, id string) (run.Run, error) {
	var doc string
	err := s.db.QueryRowContext(ctx, `SELECT doc FROM runs WHERE task = ? AND id = ?`, s.task, id).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return run.Run{}, run.ErrNotFound
	}
	var r run.Run
	if err == nil {
		err = json.Unmarshal([]byte(doc), &r)
	}
	if err != nil {
		return r, fmt.Errorf("reading run %s: %w", id, err)
	}
	return r, nil
}

// Latest implements run.Store.
func (s *Runs) Latest(ctx context.Context, limit int) ([]run.Run, error) {
	return query[run.Run](ctx, s.db, `SELECT doc FROM runs WHERE task = ? ORDER BY started DESC, id DESC LIMIT ?`, s.task, limit)
}

// Before implements run.Store.
func (s *Runs) Before(ctx context.Context, started time.Time, id string, limit int) ([]run.Run, error) {
	return query[run.Run](ctx, s.db, `SELECT doc FROM runs WHERE task = ? AND (started, id) < (?, ?) ORDER BY started DESC, id DESC LIMIT ?`,
		s.task, started.UnixNano(), id, limit)
}

// Open implements run.Store.
func (s *Runs) Open(ctx context.Context) ([]run.Run, error) {
	return query[run.Run](ctx, s.db, `SELECT doc FROM runs WHERE task = ? AND json_extract(doc, '$.State') IN ('FINDING', 'COPYING', 'PROVING') ORDER BY started, id`, s.task)
}

// Made implements run.Store.
func (s *Runs) Made(ctx context.Context, limit int) ([]run.Run, error) {
	return query[run.Run](ctx, s.db, `SELECT doc FROM runs WHERE task = ? AND json_extract(doc, '$.State') <> 'SKIPPED' ORDER BY started DESC, id DESC LIMIT ?`,
		s.task, limit)
}

// PutCounters implements run.Store.
func (s *Runs) PutCounters(ctx context.Context, runID string, c run.Counters) error {
	doc, err := json.Marshal(c)
	if err != nil {
		return err
	}
	_, err = s.db.ExecContext(ctx, `INSERT INTO run_counters VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET seq = excluded.seq, doc = excluded.doc WHERE excluded.seq >= seq`, s.task, runID, c.Worker, c.Seq, string(doc))
	if err != nil {
		return fmt.Errorf("writing counters of run %s: %w", runID, err)
	}
	return nil
}

// Counters implements run.Store.
func (s *Runs) Counters(ctx context.Context, runID string) ([]run.Counters, error) {
	return query[run.Counters](ctx, s.db, `SELECT doc FROM run_counters WHERE task = ? AND run = ? ORDER BY worker`, s.task, runID)
}

// query decodes the documents that a statement returns.
func query[T any](ctx context.Context, db *sql.DB, statement string, args ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, statement, args...)
	if err != nil {
		return nil, fmt.Errorf("reading runs: %w", err)
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		var doc string
		var v T
		if err := rows.Scan(&doc); err != nil {
			return nil, fmt.Errorf("reading runs: %w", err)
		}
		if err := json.Unmarshal([]byte(doc), &v); err != nil {
			return nil, fmt.Errorf("reading runs: %w", err)
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// Drop removes everything that is on record of a task's runs.
func Drop(ctx context.Context, db *sql.DB, task string) error {
	if _, err := Open(ctx, db, task); err != nil {
		return err
	}
	for _, table := range []string{"runs", "run_counters", "run_checkpoints", "run_leases", "run_workers", "run_pauses", "run_answers"} {
		if _, err := db.ExecContext(ctx, `DELETE FROM `+table+` WHERE task = ?`, task); err != nil {
			return fmt.Errorf("removing the runs of %s: %w", task, err)
		}
	}
	return nil
}
