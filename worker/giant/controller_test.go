package giant_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/giant"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/multipart"
	"github.com/datatransferhub/dth/worker/multipart/multipartsqlite"
	"github.com/datatransferhub/dth/worker/store"
)

func records(t *testing.T) *multipartsqlite.Records {
	t.Helper()
	db, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	r, err := multipartsqlite.Open(t.Context(), db, "task")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// outbox keeps what was sent.
type outbox struct {
	t    *testing.T
	sent []string
	err  error
}

func (o *outbox) Send(_ context.Context, bodies []string) error {
	if o.err != nil {
		return o.err
	}
	for _, b := range bodies {
		m, err := message.Decode(b)
		if err != nil {
			o.t.Error(err)
		}
		switch m := m.(type) {
		case message.Complete:
			o.sent = append(o.sent, "complete "+m.UploadID)
		case message.Abort:
			o.sent = append(o.sent, "abort "+m.UploadID)
		default:
			o.t.Errorf("%T was sent", m)
		}
	}
	return nil
}

func begin() time.Time { return time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC) }

func put(t *testing.T, r multipart.Records, id string, parts, there int, inProcess bool) multipart.Upload {
	t.Helper()
	u := multipart.Upload{SourceKey: "key of " + id, SourceETag: "e", ID: id, DestinationKey: id, Parts: parts, Created: begin(), Giant: !inProcess}
	if _, err := r.PutUpload(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	for n := range there {
		if _, err := r.PutPart(t.Context(), u, multipart.Part{Number: n + 1, ETag: "p", At: begin().Add(time.Duration(n) * time.Minute)}); err != nil {
			t.Fatal(err)
		}
	}
	return u
}

func TestTick(t *testing.T) {
	r := records(t)
	box := &outbox{t: t}
	put(t, r, "whole", 3, 3, false)
	put(t, r, "under way", 3, 2, false)
	put(t, r, "of one process", 3, 3, true)
	failed := put(t, r, "failed", 3, 1, false)
	if err := r.FailUpload(t.Context(), failed, multipart.Failure{Class: "kms", At: begin()}); err != nil {
		t.Fatal(err)
	}
	now := begin().Add(time.Hour)
	look := func(change ...func(*giant.Config)) (giant.Report, string) {
		t.Helper()
		box.sent = nil
		c := giant.Config{Uploads: r, Queue: box, Now: func() time.Time { return now }}
		for _, f := range change {
			f(&c)
		}
		report, err := giant.Tick(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return report, strings.Join(box.sent, ", ")
	}
	report, sent := look()
	if sent != "abort failed, complete whole" || report.Open != 4 || report.Parts != 9 || report.Completing != 1 || report.Aborting != 1 || !report.Progress.Equal(begin().Add(2*time.Minute)) {
		t.Errorf("%+v, sent: %s", report, sent)
	}
	if _, sent := look(); sent != "" {
		t.Errorf("a minute later was sent again: %s", sent)
	}
	now = now.Add(giant.AskEvery)
	if _, sent := look(); sent != "abort failed, complete whole" {
		t.Errorf("after a while was sent: %s", sent)
	}
	now = begin().Add(giant.StalledAfter + time.Hour)
	if _, sent := look(func(c *giant.Config) { c.Paused = true }); strings.Contains(sent, "under way") {
		t.Errorf("while paused was sent: %s", sent)
	}
	now = now.Add(giant.AskEvery)
	if report, sent := look(func(c *giant.Config) { c.Resumed = begin().Add(giant.StalledAfter) }); strings.Contains(sent, "under way") || report.Stalled != 0 {
		t.Errorf("an hour after a pause was sent: %s", sent)
	}
	now = now.Add(giant.AskEvery)
	report, sent = look()
	if report.Stalled != 2 || sent != "abort failed, abort of one process, abort under way, complete whole" {
		t.Errorf("%+v, sent: %s", report, sent)
	}
	u, _, err := r.GetUpload(t.Context(), "key of under way", "e")
	if err != nil || u.Failure == nil || !strings.Contains(u.Failure.Text, "2 of 3 parts") {
		t.Errorf("%+v, %v", u.Failure, err)
	}
}

func TestTickSaysWhatFailed(t *testing.T) {
	r := records(t)
	put(t, r, "whole", 1, 1, false)
	if _, err := giant.Tick(t.Context(), giant.Config{Uploads: r, Queue: &outbox{t: t, err: errors.New("queue is away")}}); err == nil || !strings.Contains(err.Error(), "key of whole") {
		t.Errorf("%v", err)
	}
}

func TestExecutionsTakeOver(t *testing.T) {
	e := giant.Execution{Upload: strings.Repeat("very long upload id/", 20)}
	names := map[string]bool{}
	for range 3 * giant.MaxTicks {
		names[e.Name()] = true
		next, verdict := e.Next(giant.Report{Open: 1})
		if (verdict == giant.Continue) != (next.Continuation > e.Continuation) || verdict == giant.End {
			t.Fatalf("%+v became %+v, %s", e, next, verdict)
		}
		e = next
	}
	if len(names) != 3 || len(e.Name()) > 80 {
		t.Errorf("names: %v", names)
	}
	if _, verdict := e.Next(giant.Report{}); verdict != giant.End {
		t.Errorf("with nothing open: %s", verdict)
	}
}

// bucket lists and aborts uploads.
type bucket struct {
	open    []store.Upload
	aborted []string
}

func (b *bucket) Uploads(_ context.Context, key string) ([]store.Upload, error) {
	var out []store.Upload
	for _, u := range b.open {
		if strings.HasPrefix(u.Key, key) {
			out = append(out, u)
		}
	}
	return out, nil
}

func (b *bucket) AbortUpload(_ context.Context, _, id string) error {
	b.aborted = append(b.aborted, id)
	return nil
}

func TestAbandonEndsEverythingOfTheTask(t *testing.T) {
	r := records(t)
	put(t, r, "recorded", 1, 0, false)
	if err := r.PutIntent(t.Context(), multipart.Intent{DestinationKey: "lost", At: begin()}); err != nil {
		t.Fatal(err)
	}
	b := &bucket{open: []store.Upload{
		{Key: "recorded", ID: "recorded", Initiated: begin()},
		{Key: "lost", ID: "lost", Initiated: begin().Add(time.Second)},
		{Key: "other", ID: "of somebody else", Initiated: begin()},
	}}
	n, err := giant.Abandon(t.Context(), r, b, begin().Add(time.Minute))
	if err != nil || n != 2 || len(b.aborted) != 2 || slices.Contains(b.aborted, "of somebody else") {
		t.Errorf("%d were aborted: %v, %v", n, b.aborted, err)
	}
	if left, err := r.Uploads(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("uploads left: %v, %v", left, err)
	}
}

// The answer to a creation was lost; the attempt after it is recorded and has forgotten its own intent.
func TestSweepFindsTheUploadOfAnEarlierAttempt(t *testing.T) {
	r := records(t)
	put(t, r, "k", 1, 0, false)
	lost, second := multipart.Intent{DestinationKey: "k", ID: "1", At: begin()}, multipart.Intent{DestinationKey: "k", ID: "2", At: begin().Add(time.Second)}
	for _, i := range []multipart.Intent{lost, second} {
		if err := r.PutIntent(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.DeleteIntent(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	b := &bucket{open: []store.Upload{
		{Key: "k", ID: "k", Initiated: begin().Add(time.Second)}, // recorded
		{Key: "k", ID: "of the lost answer", Initiated: begin()},
		{Key: "k", ID: "just begun", Initiated: begin().Add(time.Hour)},
	}}
	if n, err := giant.Sweep(t.Context(), r, b, begin().Add(time.Minute)); err != nil || n != 1 || strings.Join(b.aborted, ",") != "of the lost answer" {
		t.Errorf("%d were swept: %v, %v", n, b.aborted, err)
	}
	if left, err := r.Intents(t.Context()); err != nil || len(left) != 1 {
		t.Errorf("intents left while an upload is young: %v, %v", left, err)
	}
}

func TestSweepTouchesOnlyWhatIsLost(t *testing.T) {
	r := records(t)
	put(t, r, "recorded", 1, 0, false)
	for key, at := range map[string]time.Time{"recorded": begin(), "lost": begin(), "fresh": begin().Add(time.Hour)} {
		if err := r.PutIntent(t.Context(), multipart.Intent{DestinationKey: key, At: at}); err != nil {
			t.Fatal(err)
		}
	}
	b := &bucket{open: []store.Upload{
		{Key: "recorded", ID: "recorded", Initiated: begin()},
		{Key: "lost", ID: "lost", Initiated: begin().Add(time.Second)},
		{Key: "lost", ID: "somebody else's", Initiated: begin().Add(-time.Hour)},
		{Key: "lost and longer", ID: "another key", Initiated: begin().Add(time.Second)},
		{Key: "fresh", ID: "fresh", Initiated: begin().Add(time.Hour)},
	}}
	n, err := giant.Sweep(t.Context(), r, b, begin().Add(time.Minute))
	if err != nil || n != 1 || strings.Join(b.aborted, ",") != "lost" {
		t.Errorf("%d were swept: %v, %v", n, b.aborted, err)
	}
	left, err := r.Intents(t.Context())
	if err != nil || len(left) != 1 || left[0].DestinationKey != "fresh" {
		t.Errorf("intents left: %v, %v", left, err)
	}
}
