package multipart_test

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/datatransferhub/dth/lambda/multipart"
	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/giant"
	uploads "github.com/datatransferhub/dth/worker/multipart"
	"github.com/datatransferhub/dth/worker/multipart/multipartsqlite"
	"github.com/datatransferhub/dth/worker/queue/queuesqlite"
	"github.com/datatransferhub/dth/worker/run/runsqlite"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// The day that an upload has for its next part stands still while the task is paused, and begins anew when it is resumed.
func TestAPauseStopsTheClock(t *testing.T) {
	db, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "records.db"))
	must(t, err)
	defer db.Close()
	q, err := queuesqlite.Open(t.Context(), db, "task")
	must(t, err)
	records, err := multipartsqlite.Open(t.Context(), db, "task")
	must(t, err)
	runs, err := runsqlite.Open(t.Context(), db, "task")
	must(t, err)
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	h := &multipart.Handler{Config: giant.Config{Uploads: records, Queue: q, Now: func() time.Time { return now }}, Pause: runs.Pause, Log: slog.New(slog.DiscardHandler)}
	_, err = records.PutUpload(t.Context(), uploads.Upload{SourceKey: "giant", DestinationKey: "giant", RunID: "one", ID: "u", SourceETag: "e", Size: 2, PartSize: 1, Parts: 2, Giant: true, Created: now})
	must(t, err)
	stalled := func(what string, want int) {
		t.Helper()
		a, err := h.Handle(t.Context(), giant.Execution{Upload: "u"})
		must(t, err)
		if a.Verdict != giant.Wait || a.Report.Open != 1 || a.Report.Stalled != want {
			t.Errorf("%s: %+v", what, a)
		}
	}
	now = now.Add(20 * time.Hour)
	stalled("after 20 hours", 0)
	must(t, runs.SetPaused(t.Context(), true, now))
	now = now.Add(72 * time.Hour)
	stalled("after three days of pause", 0)
	must(t, runs.SetPaused(t.Context(), false, now))
	now = now.Add(23 * time.Hour)
	stalled("a short day after it was resumed", 0)
	now = now.Add(2 * time.Hour)
	stalled("more than a day after", 1)
}
