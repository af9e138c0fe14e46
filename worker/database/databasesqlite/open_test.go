package databasesqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/datatransferhub/dth/worker/database/databasesqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := databasesqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func number(t *testing.T, db *sql.DB, query string) int {
	t.Helper()
	var n int
	if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

func TestSettings(t *testing.T) {
	// A name with the characters that a URL has meanings for.
	db := open(t, filepath.Join(t.TempDir(), "new folder", "a%20?b#c.db"))
	var mode string
	if err := db.QueryRowContext(t.Context(), `PRAGMA journal_mode`).Scan(&mode); err != nil || mode != "wal" {
		t.Errorf("journal_mode = %s, %v", mode, err)
	}
	for pragma, want := range map[string]int{"synchronous": 1, "foreign_keys": 1, "busy_timeout": 10000} {
		if got := number(t, db, `PRAGMA `+pragma); got != want {
			t.Errorf("%s = %d, want %d", pragma, got, want)
		}
	}
}

func TestMigrateRunsEachStepOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db := open(t, path)
	steps := []string{`CREATE TABLE x (n INTEGER); INSERT INTO x VALUES (1)`}
	migrate := func(db *sql.DB, steps ...string) error { return databasesqlite.Migrate(t.Context(), db, "x", steps...) }
	for range 2 {
		if err := migrate(db, steps...); err != nil {
			t.Fatal(err)
		}
	}
	steps = append(steps, `INSERT INTO x VALUES (2)`)
	if err := migrate(open(t, path), steps...); err != nil {
		t.Fatal(err)
	}
	if n := number(t, db, `SELECT count(*) FROM x`); n != 2 {
		t.Errorf("%d rows, want one of each step", n)
	}
	if err := migrate(db, append(steps, `INSERT INTO x VALUES (3); nonsense`)...); err == nil || !strings.Contains(err.Error(), "step 3") {
		t.Errorf("a broken step: %v", err)
	}
	if n := number(t, db, `SELECT count(*) FROM x`); n != 2 {
		t.Error("half of a broken step is in the database")
	}
	if err := migrate(db, steps[0]); err == nil || !strings.Contains(err.Error(), "newer release") {
		t.Errorf("a database of a newer release: %v", err)
	}
}

func TestDoRollsBack(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"))
	if _, err := db.ExecContext(t.Context(), `CREATE TABLE x (n INTEGER)`); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	err := databasesqlite.Do(t.Context(), db, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(t.Context(), `INSERT INTO x VALUES (1)`); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) || number(t, db, `SELECT count(*) FROM x`) != 0 {
		t.Errorf("the error is %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := databasesqlite.Do(ctx, db, func(*sql.Tx) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that ended: %v", err)
	}
}

func TestTwoProcessesWaitForEachOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	a, b := open(t, path), open(t, path)
	if _, err := a.ExecContext(t.Context(), `CREATE TABLE x (n INTEGER)`); err != nil {
		t.Fatal(err)
	}
	const each = 50
	write := func(db *sql.DB) error {
		for range each {
			err := databasesqlite.Do(t.Context(), db, func(tx *sql.Tx) error {
				_, err := tx.ExecContext(t.Context(), `INSERT INTO x SELECT count(*) FROM x`)
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	}
	done := make(chan error, 1)
	go func() { done <- write(b) }()
	if err := errors.Join(write(a), <-done); err != nil {
		t.Fatal(err)
	}
	if n := number(t, a, `SELECT count(DISTINCT n) FROM x`); n != 2*each {
		t.Errorf("%d different rows, want %d", n, 2*each)
	}
}

func TestOtherErrorsAreNotAFullDisk(t *testing.T) {
	if databasesqlite.IsFull(nil) || databasesqlite.IsFull(errors.New("x")) {
		t.Error("they are")
	}
	if _, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "folder")+"/"); err == nil {
		t.Error("a folder was opened as a database")
	}
}
