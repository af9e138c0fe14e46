// Package databasesqlite opens the one SQLite database of a process that works without AWS. Each adapter owns its
// tables in it.
package databasesqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Open opens or creates the database at path. The write-ahead log with synchronous=NORMAL survives the death of the
// process at any moment; a power cut may take the last commits, never the order between them.
func Open(ctx context.Context, path string) (*sql.DB, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("folder of the database: %w", err)
	}
	q := url.Values{}
	for _, p := range []string{
		"journal_mode(WAL)", "synchronous(NORMAL)", "busy_timeout(10000)", "foreign_keys(ON)",
		"cache_size(-4096)", "temp_store(MEMORY)",
		// A checkpoint waits for the disk and holds up the writer: every 32 MiB of log instead of every 4.
		"wal_autocheckpoint(8192)",
	} {
		q.Add("_pragma", p)
	}
	q.Set("_txlock", "immediate")
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+q.Encode())
	if err != nil {
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	// SQLite has one writer; one connection makes waiting for it fair and keeps statements prepared.
	db.SetMaxOpenConns(1)
	if err := db.PingContext(ctx); err != nil {
		_ = db.Close() // the first error is the one that matters
		return nil, fmt.Errorf("database %s cannot be opened: %w", path, err)
	}
	return db, nil
}

// Migrate brings an adapter's tables to the latest version. Steps are numbered from 1 by their place; each runs once.
func Migrate(ctx context.Context, db *sql.DB, adapter string, steps ...string) error {
	if _, err := db.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS migrations (adapter TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID`); err != nil {
		return fmt.Errorf("tables of %s: %w", adapter, err)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("tables of %s: %w", adapter, err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit this does nothing
	version := 0
	err = tx.QueryRowContext(ctx, `SELECT version FROM migrations WHERE adapter = ?`, adapter).Scan(&version)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("tables of %s: %w", adapter, err)
	}
	if version > len(steps) {
		return fmt.Errorf("tables of %s are of version %d, written by a newer release; this one knows %d", adapter, version, len(steps))
	}
	for i := version; i < len(steps); i++ {
		if _, err := tx.ExecContext(ctx, steps[i]); err != nil {
			return fmt.Errorf("tables of %s, step %s: %w", adapter, strconv.Itoa(i+1), err)
		}
	}
	if _, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO migrations VALUES (?, ?)`, adapter, len(steps)); err != nil {
		return fmt.Errorf("tables of %s: %w", adapter, err)
	}
	return tx.Commit()
}

// Do runs f in a transaction, which is committed when f returns nil.
func Do(ctx context.Context, db *sql.DB, f func(tx *sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback() // the first error is the one that matters
		return full(err)
	}
	return full(tx.Commit())
}

// fullError is an error that only more room can mend, so that nobody tries again.
type fullError struct{ error }

func (e fullError) Unwrap() error   { return e.error }
func (e fullError) Permanent() bool { return true }

func full(err error) error {
	if err != nil && IsFull(err) {
		return fullError{err}
	}
	return err
}

// IsFull reports whether an error says that there is no room for the database: a full disk, or a file at its limit.
// Nothing of the failed transaction is written, and the database works again when there is room.
func IsFull(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_FULL
}
