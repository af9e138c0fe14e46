package recordsqlite_test

import (
	"path/filepath"
	"testing"

	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/image/record"
	"github.com/datatransferhub/dth/worker/image/record/recordsqlite"
	"github.com/datatransferhub/dth/worker/image/record/recordtest"
)

func TestContract(t *testing.T) {
	recordtest.Run(t, func(t *testing.T) record.Store {
		db, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "r.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		s, err := recordsqlite.Open(t.Context(), db, "task")
		if err != nil {
			t.Fatal(err)
		}
		other, err := recordsqlite.Open(t.Context(), db, "another")
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Put(t.Context(), record.Record{Key: record.Key{Image: "a", Tag: "1"}, Status: record.Failed}); err != nil {
			t.Fatal(err) // records of other tasks are nowhere to be seen
		}
		return s
	})
}
