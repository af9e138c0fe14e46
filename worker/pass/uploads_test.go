package pass_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/multipart"
	"github.com/datatransferhub/dth/worker/multipart/multipartsqlite"
	"github.com/datatransferhub/dth/worker/pass"
)

func TestUploadProgress(t *testing.T) {
	db, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "uploads.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	records, err := multipartsqlite.Open(t.Context(), db, "task")
	if err != nil {
		t.Fatal(err)
	}
	want := func(at time.Time) {
		t.Helper()
		if got, err := pass.UploadProgress(records)(t.Context()); err != nil || !got.Equal(at) {
			t.Errorf("last progress at %v, want %v, %v", got, at, err)
		}
	}
	want(time.Time{})
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var uploads []multipart.Upload
	for i, key := range []string{"a", "b"} {
		u := multipart.Upload{SourceKey: key, SourceETag: "e", DestinationKey: key, ID: key, Size: 10, PartSize: 5, Parts: 2, Created: start.Add(time.Duration(i) * time.Minute)}
		if _, err := records.PutUpload(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		uploads = append(uploads, u)
	}
	want(start.Add(time.Minute))
	for _, p := range []struct{ number, minute int }{{2, 9}, {1, 7}} {
		if _, err := records.PutPart(t.Context(), uploads[0], multipart.Part{Number: p.number, ETag: "p", At: start.Add(time.Duration(p.minute) * time.Minute)}); err != nil {
			t.Fatal(err)
		}
	}
	want(start.Add(9 * time.Minute))
}
