package runsqlite_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/run/runsqlite"
	"github.com/datatransferhub/dth/worker/run/runtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens the runs of two tasks in one database.
func open(t *testing.T) (a, b *runsqlite.Runs) {
	t.Helper()
	db, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "runs.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if a, err = runsqlite.Open(t.Context(), db, "a"); err == nil {
		b, err = runsqlite.Open(t.Context(), db, "b")
	}
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

func TestContract(t *testing.T) {
	runtest.Run(t, func(t *testing.T) run.Store {
		a, _ := open(t)
		return a
	})
}

func TestTasksAreApart(t *testing.T) {
	a, b := open(t)
	if err := a.Create(t.Context(), run.Run{ID: "r", Started: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Get(t.Context(), "r"); !errors.Is(err, run.ErrNotFound) {
		t.Errorf("the other task reads it: %v", err)
	}
	if all, err := b.Latest(t.Context(), 10); err != nil || len(all) != 0 {
		t.Errorf("the other task lists %v, %v", all, err)
	}
}
