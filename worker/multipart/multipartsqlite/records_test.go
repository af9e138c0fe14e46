package multipartsqlite_test

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/multipart"
	"github.com/datatransferhub/dth/worker/multipart/multipartsqlite"
	"github.com/datatransferhub/dth/worker/multipart/multiparttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens the records of two tasks in one database.
func open(t *testing.T) (a, b *multipartsqlite.Records) {
	t.Helper()
	db, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "uploads.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if a, err = multipartsqlite.Open(t.Context(), db, "a"); err == nil {
		b, err = multipartsqlite.Open(t.Context(), db, "b")
	}
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

func TestContract(t *testing.T) {
	multiparttest.Run(t, func(t *testing.T) multipart.Records {
		a, _ := open(t)
		return a
	})
}

func TestTasksAreApart(t *testing.T) {
	a, b := open(t)
	u := multipart.Upload{SourceKey: "k", SourceETag: "e", ID: "1"}
	if _, err := a.PutUpload(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if err := b.DeleteUpload(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := a.GetUpload(t.Context(), "k", "e"); err != nil || !ok {
		t.Errorf("the other task deleted it: %v, %v", ok, err)
	}
	if all, err := b.Uploads(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("the other task lists %v, %v", all, err)
	}
}
