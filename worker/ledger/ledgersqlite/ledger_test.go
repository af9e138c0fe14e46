package ledgersqlite_test

import (
	"path/filepath"
	"strings"
	"testing"

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
