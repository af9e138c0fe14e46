// Package ledgersqlite keeps the ledger in an SQLite table.
package ledgersqlite

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/ledger"
)

const schema = `
CREATE TABLE ledger (
	task TEXT NOT NULL,
	key TEXT NOT NULL,
	status TEXT NOT NULL,
	class TEXT,             -- of the error, never empty; NULL unless the status is FAILED
	worker TEXT NOT NULL,
	seq INTEGER NOT NULL,
	doc TEXT NOT NULL,      -- the whole record
	PRIMARY KEY (task, key)
) WITHOUT ROWID;
CREATE INDEX ledger_failures ON ledger (task, class, key) WHERE class IS NOT NULL;
`

// Ledger is the ledger of one task.
type Ledger struct {
	db   *sql.DB
	task string

	get, insert, replace *sql.Stmt
}

// Open opens the ledger of a task, and makes the table when it is new.
func Open(ctx context.Context, db *sql.DB, task string) (*Ledger, error) {
	if err := databasesqlite.Migrate(ctx, db, "ledger", schema); err != nil {
		return nil, err
	}
	l := &Ledger{db: db, task: task}
	const row = ` INTO ledger (task, key, status, class, worker, seq, doc) VALUES (?, ?, ?, ?, ?, ?, ?)`
	for _, s := range []struct {
		to  **sql.Stmt
		sql string
	}{
		{&l.get, `SELECT doc FROM ledger WHERE task = ? AND key = ?`},
		{&l.insert, `INSERT OR IGNORE` + row},
		{&l.replace, `INSERT OR REPLACE` + row},
	} {
		stmt, err := db.PrepareContext(ctx, s.sql)
		if err != nil {
			return nil, fmt.Errorf("ledger: %w", err)
		}
		*s.to = stmt
	}
	return l, nil
}

// Expire removes the records that were finished before a time, and returns how many there were.
func (l *Ledger) Expire(ctx context.Context, before time.Time) (int64, error) {
	done, err := l.db.ExecContext(ctx, `DELETE FROM ledger WHERE task = ? AND json_extract(doc, '$.fa') < ?`, l.task, before.UnixMilli())
	if err != nil {
		return 0, fmt.Errorf("removing old records of the ledger: %w", err)
	}
	return done.RowsAffected()
}

// document is a record as it is stored. Times are Unix milliseconds.
type document struct {
	Status          ledger.Status `json:"st"`
	Size            int64         `json:"sz,omitempty"`
	SourceETag      string        `json:"se,omitempty"`
	DestinationETag string        `json:"de,omitempty"`
	Checksum        string        `json:"cs,omitempty"`
	VerifiedBy      string        `json:"vb,omitempty"`
	Sequencer       string        `json:"sq,omitempty"`
	RunID           string        `json:"run,omitempty"`
	Attempts        int           `json:"at,omitempty"`
	Method          string        `json:"me,omitempty"`
	ErrorClass      string        `json:"ec,omitempty"`
	Error           string        `json:"er,omitempty"`
	StartedAt       int64         `json:"sa,omitempty"`
	FinishedAt      int64         `json:"fa,omitempty"`
	Bytes           int64         `json:"by,omitempty"`
	Worker          string        `json:"w"`
	Seq             int64         `json:"n"`

	Before []ledger.Prior `json:"be,omitempty"`
	Upload string         `json:"up,omitempty"`
}

func encode(r *ledger.Record) (string, error) {
	doc, err := json.Marshal(document{
		r.Status, r.Size, r.SourceETag, r.DestinationETag, r.Checksum, r.VerifiedBy, r.Sequencer, r.RunID, r.Attempts, r.Method,
		r.ErrorClass, ledger.Bounded(r.Error), millis(r.StartedAt), millis(r.FinishedAt), r.Bytes, r.Worker, r.Seq, r.Before, r.Upload,
	})
	return string(doc), err
}

func decode(key, text string) (ledger.Record, error) {
	var d document
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return ledger.Record{}, fmt.Errorf("ledger record of %q cannot be read: %w", key, err)
	}
	return ledger.Record{
		Key: key, Status: d.Status, Size: d.Size, SourceETag: d.SourceETag, DestinationETag: d.DestinationETag, Checksum: d.Checksum,
		VerifiedBy: d.VerifiedBy, Sequencer: d.Sequencer, RunID: d.RunID, Attempts: d.Attempts, Method: d.Method, ErrorClass: d.ErrorClass,
		Error: d.Error, StartedAt: timeOf(d.StartedAt), FinishedAt: timeOf(d.FinishedAt), Bytes: d.Bytes, Worker: d.Worker, Seq: d.Seq, Before: d.Before, Upload: d.Upload,
	}, nil
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// Close closes the prepared statements. The database stays open.
func (l *Ledger) Close() error {
	return errors.Join(l.get.Close(), l.insert.Close(), l.replace.Close())
}

// Get implements ledger.Ledger.
func (l *Ledger) Get(ctx context.Context, keys []string) (map[string]ledger.Record, error) {
	out := make(map[string]ledger.Record)
	err := databasesqlite.Do(ctx, l.db, func(tx *sql.Tx) error {
		get := tx.StmtContext(ctx, l.get)
		for _, key := range keys {
			r, err := l.one(ctx, get, key)
			if err != nil {
				return err
			}
			if r != nil {
				out[key] = *r
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the ledger: %w", err)
	}
	return out, nil
}

func (l *Ledger) one(ctx context.Context, get *sql.Stmt, key string) (*ledger.Record, error) {
	var doc string
	switch err := get.QueryRowContext(ctx, l.task, key).Scan(&doc); {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, err
	}
	r, err := decode(key, doc)
	return &r, err
}

// Put implements ledger.Ledger.
func (l *Ledger) Put(ctx context.Context, record ledger.Record, expect *ledger.Revision) (*ledger.Record, error) {
	outcomes, err := l.PutBatch(ctx, []ledger.Put{{Record: record, Expect: expect}})
	if err != nil {
		return nil, err
	}
	return outcomes[0].Replaced, outcomes[0].Err
}

// PutBatch implements ledger.BatchPutter in one transaction.
func (l *Ledger) PutBatch(ctx context.Context, puts []ledger.Put) ([]ledger.PutOutcome, error) {
	outcomes := make([]ledger.PutOutcome, len(puts))
	err := databasesqlite.Do(ctx, l.db, func(tx *sql.Tx) error {
		w := writer{l, tx.StmtContext(ctx, l.get), tx.StmtContext(ctx, l.insert), tx.StmtContext(ctx, l.replace)}
		for i := range puts {
			var err error
			if outcomes[i], err = w.put(ctx, &puts[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("writing the ledger: %w", err)
	}
	return outcomes, nil
}

// writer writes rows in one transaction.
type writer struct {
	*Ledger
	get, insert, replace *sql.Stmt
}

func (w *writer) put(ctx context.Context, p *ledger.Put) (ledger.PutOutcome, error) {
	var none ledger.PutOutcome
	if p.Record.Key == "" || !utf8.ValidString(p.Record.Key) {
		return none, &failure.Error{Class: failure.DestinationRefuses, Op: "Put", Target: "ledger", Detail: fmt.Sprintf("%q is no key of an object", p.Record.Key)}
	}
	if p.Expect == nil || *p.Expect == (ledger.Revision{}) {
		// Most objects have no record yet: one statement finds that out and writes.
		if n, err := w.store(ctx, w.insert, &p.Record); err != nil || n == 1 {
			return none, err
		}
	}
	old, err := w.one(ctx, w.get, p.Record.Key)
	if err != nil {
		return none, err
	}
	if old != nil && old.Revision() == p.Record.Revision() {
		return none, nil
	}
	if p.Expect != nil && *p.Expect != revisionOf(old) {
		return ledger.PutOutcome{Err: ledger.ErrConflict}, nil
	}
	p.Record.Replace(old)
	_, err = w.store(ctx, w.replace, &p.Record)
	return ledger.PutOutcome{Replaced: old}, err
}

func revisionOf(r *ledger.Record) ledger.Revision {
	if r == nil {
		return ledger.Revision{}
	}
	return r.Revision()
}

// store runs one of the two statements that write a row, and returns how many rows it wrote.
func (l *Ledger) store(ctx context.Context, write *sql.Stmt, r *ledger.Record) (int64, error) {
	doc, err := encode(r)
	if err != nil {
		return 0, err
	}
	var class any
	if r.Status == ledger.Failed {
		class = cmp.Or(r.ErrorClass, string(failure.Other))
	}
	res, err := write.ExecContext(ctx, l.task, r.Key, string(r.Status), class, r.Worker, r.Seq, doc)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// failureQuery returns the statement for a page of failures: of a task, after a class and key, so many, of a class.
func failureQuery(class string) string {
	of := `?5 = ''`
	if class != "" {
		of = `class = ?5`
	}
	return `SELECT class, key, doc FROM ledger WHERE task = ?1 AND class IS NOT NULL AND (class, key) > (?2, ?3) AND ` + of +
		` ORDER BY class, key LIMIT ?4`
}

// Failures implements ledger.Ledger. Records come by class and, within one, by key.
func (l *Ledger) Failures(ctx context.Context, class string, limit int, after string) (ledger.Page, error) {
	place, err := ledger.ParseCursor(after)
	if err != nil {
		return ledger.Page{}, err
	}
	if after == "" {
		place.Class = class
	}
	rows, err := l.db.QueryContext(ctx, failureQuery(class), l.task, place.Class, place.Key, limit+1, class)
	if err != nil {
		return ledger.Page{}, fmt.Errorf("reading failures: %w", err)
	}
	defer rows.Close()
	var page ledger.Page
	var last ledger.Cursor
	for rows.Next() {
		var rowClass, key, doc string
		if err := rows.Scan(&rowClass, &key, &doc); err != nil {
			return ledger.Page{}, fmt.Errorf("reading failures: %w", err)
		}
		if len(page.Records) == limit {
			page.Next = last.String()
			break
		}
		r, err := decode(key, doc)
		if err != nil {
			return ledger.Page{}, err
		}
		page.Records = append(page.Records, r)
		last = ledger.Cursor{Class: rowClass, Key: key}
	}
	return page, rows.Err()
}

// Drop removes the ledger of a task.
func Drop(ctx context.Context, db *sql.DB, task string) error {
	if err := databasesqlite.Migrate(ctx, db, "ledger", schema); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, `DELETE FROM ledger WHERE task = ?`, task); err != nil {
		return fmt.Errorf("removing the ledger of %s: %w", task, err)
	}
	return nil
}
