package ledgersqlite_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/ledger/ledgersqlite"
	"github.com/datatransferhub/dth/worker/ledger/ledgertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens the ledgers of two tasks in one database.
func open(t *testing.T) (a, b *ledgersqlite.Ledger) {
	t.Helper()
	db, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	for name, to := range map[string]**ledgersqlite.Ledger{"a": &a, "b": &b} {
		if *to, err = ledgersqlite.Open(t.Context(), db, name); err != nil {
			t.Fatal(err)
		}
		l := *to
		t.Cleanup(func() {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	return a, b
}

func TestContract(t *testing.T) {
	ledgertest.Run(t, func(t *testing.T) ledger.Ledger {
		a, _ := open(t)
		return a
	})
}

func TestTasksAreApart(t *testing.T) {
	a, b := open(t)
	failed := ledger.Record{Key: "k", Status: ledger.Failed, ErrorClass: "kms", Worker: "w", Seq: 1}
	if _, err := a.Put(t.Context(), failed, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := b.Get(t.Context(), []string{"k"}); err != nil || len(got) != 0 {
		t.Errorf("the other task reads %v, %v", got, err)
	}
	if page, err := b.Failures(t.Context(), "", 10, ""); err != nil || len(page.Records) != 0 {
		t.Errorf("the other task lists %v, %v", page, err)
	}
}

func TestFailuresAreFoundByTheIndex(t *testing.T) {
	db, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	l, err := ledgersqlite.Open(t.Context(), db, "a")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for class, query := range ledgersqlite.FailureQueries() {
		rows, err := db.QueryContext(t.Context(), `EXPLAIN QUERY PLAN `+query, "a", "", "", 10, class)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var id, parent, unused int
			var step string
			if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(step, "SEARCH ledger USING INDEX ledger_failures") {
				t.Errorf("class %q: %s", class, step)
			}
		}
		if err := rows.Err(); err != nil {
			t.Error(err)
		}
	}
}

// What was finished before a time goes, of this task alone; what is not finished stays.
func TestExpire(t *testing.T) {
	a, b := open(t)
	then := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for key, finished := range map[string]time.Time{"old": then.Add(-time.Second), "new": then, "open": {}} {
		for _, l := range []*ledgersqlite.Ledger{a, b} {
			if _, err := l.Put(t.Context(), ledger.Record{Key: key, Status: ledger.Done, FinishedAt: finished, Worker: "w", Seq: 1}, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n, err := a.Expire(t.Context(), then); err != nil || n != 1 {
		t.Errorf("%d records expired, %v", n, err)
	}
	for l, want := range map[*ledgersqlite.Ledger]int{a: 2, b: 3} {
		if got, err := l.Get(t.Context(), []string{"old", "new", "open"}); err != nil || len(got) != want {
			t.Errorf("%d records are left, %v", len(got), err)
		}
	}
}
