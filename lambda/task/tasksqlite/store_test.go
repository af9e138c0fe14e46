package tasksqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/lambda/task/tasksqlite"
	"github.com/datatransferhub/dth/lambda/task/tasktest"
	"github.com/datatransferhub/dth/worker/database/databasesqlite"
)

func TestStore(t *testing.T) {
	tasktest.Run(t, func(t *testing.T) task.Store {
		db, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hub.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		s, err := tasksqlite.Open(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}
