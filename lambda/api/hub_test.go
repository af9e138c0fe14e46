package api_test

import (
	"context"
	"database/sql"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/datatransferhub/dth/lambda/api"
	"github.com/datatransferhub/dth/lambda/catalog"
	"github.com/datatransferhub/dth/lambda/local"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/lambda/task/tasksqlite"
	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	imagerecord "github.com/datatransferhub/dth/worker/image/record"
	"github.com/datatransferhub/dth/worker/image/record/recordsqlite"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/ledger/ledgersqlite"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/run/runsqlite"
)

// The tasks that every hub of these tests begins with, by the state they are in.
const (
	running  = "t-aaaaaaaaaaaaaaaa"
	paused   = "t-bbbbbbbbbbbbbbbb"
	stopped  = "t-cccccccccccccccc"
	broken   = "t-dddddddddddddddd"
	starting = "t-eeeeeeeeeeeeeeee"
	images   = "t-ffffffffffffffff"
)

// inside is what the parts behind the service say when they fail: no caller may ever read it.
const inside = "dial tcp 10.1.2.3:443: secret inside"

// morning is when every hub of these tests begins; each look at its clock takes a second.
var morning = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// stacks stand for what runs behind the service. Records are real ones; what is asked of stacks is only noted by the service.
type stacks struct {
	db   *sql.DB
	down bool
}

func (s *stacks) fail() error {
	if s.down {
		return errors.New(inside)
	}
	return nil
}

func (s *stacks) Begin(context.Context, task.Task) error                     { return s.fail() }
func (s *stacks) Pause(context.Context, task.Task, string) error             { return s.fail() }
func (s *stacks) Resume(context.Context, task.Task, string) error            { return s.fail() }
func (s *stacks) RunNow(context.Context, task.Task, string) error            { return s.fail() }
func (s *stacks) Retry(context.Context, task.Task, string, task.Retry) error { return s.fail() }
func (s *stacks) Check(context.Context, task.Task, string) error             { return s.fail() }
func (s *stacks) Plan(context.Context, task.Task, string) error              { return s.fail() }

func (s *stacks) Answer(_ context.Context, t task.Task, request string) (task.Answer, error) {
	a := task.Answer{State: task.Finished, Started: morning, Finished: morning.Add(time.Minute), Listed: 30}
	switch request {
	case "r-check":
		a.Findings = []task.Finding{{End: "source", Right: "list", Result: "denied", Message: "Access Denied", Remedy: "allow s3:ListBucket"}}
	case "r-plan":
		a.Plan = &task.PlanResult{Totals: run.FinderTotals{ListedSource: 20, ListedDestination: 10}, Histogram: []task.Bin{{From: 1024, Objects: 10, Bytes: 12000}}}
	default:
		return task.Answer{}, task.ErrNoAnswer
	}
	return a, s.fail()
}

func (s *stacks) Records(ctx context.Context, t task.Task) (task.Records, error) {
	if s.down {
		return task.Records{}, s.fail()
	}
	runs, err := runsqlite.Open(ctx, s.db, t.ID)
	if err != nil {
		return task.Records{}, err
	}
	if t.Type == "ECR" {
		images, err := recordsqlite.Open(ctx, s.db, t.ID)
		return task.Records{Runs: runs, Objects: task.ImageOutcomes{Store: images}, Images: images}, err
	}
	objects, err := ledgersqlite.Open(ctx, s.db, t.ID)
	return task.Records{Runs: runs, Objects: objects, Close: func() { _ = objects.Close() }}, err
}

func (s *stacks) Streams(context.Context, task.Task, task.LogSource, int, string) (task.Streams, error) {
	return task.Streams{Streams: []task.Stream{{Name: "worker-1", First: morning, End: morning.Add(time.Hour)}}}, s.fail()
}

func (s *stacks) Lines(_ context.Context, _ task.Task, q task.LogQuery) (task.Lines, error) {
	return task.Lines{Lines: []task.Line{{At: morning, Stream: "worker-1", Text: "copied " + q.Text}}, Next: "more"}, s.fail()
}

func (s *stacks) Series(_ context.Context, _ task.Task, set task.MetricSet, from, _ time.Time) ([]task.Series, error) {
	return []task.Series{{Name: string(set), Unit: "Bytes", Step: time.Minute, Points: []task.Point{{At: from, Value: 1.5}}}}, s.fail()
}

func (s *stacks) Total(ctx context.Context, set task.MetricSet, from, to time.Time) ([]task.Series, error) {
	return s.Series(ctx, task.Task{}, set, from, to)
}

// newHub returns the API of a hub on a real store, with tasks in every state, and what stands behind it.
func newHub(t testing.TB, log io.Writer) (*api.API, *stacks) {
	t.Helper()
	dir, ctx := t.TempDir(), context.Background()
	db, err := databasesqlite.Open(ctx, filepath.Join(dir, "dth.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	store, err := tasksqlite.Open(ctx, db)
	if err != nil {
		t.Fatal(err)
	}
	behind := &stacks{db: db}
	now := morning
	s := &task.Service{
		Hub: task.Hub{Version: "1.2.3", Local: true}, Plugins: catalog.Local("1.2.3"), Store: store, Stacks: behind, Engine: behind, Logs: behind, Metrics: behind,
		Pickers: local.Pickers{Secrets: dir}, Log: slog.New(slog.NewTextHandler(log, nil)), Now: func() time.Time { now = now.Add(time.Second); return now },
	}
	for _, made := range seeded() {
		if err := store.Create(ctx, made, task.Entry{Task: made.ID, At: made.Created, By: made.CreatedBy, Action: "created"}); err != nil {
			t.Fatal(err)
		}
	}
	record(t, behind)
	return api.New(s), behind
}

// seeded are one in each state that matters to people.
func seeded() []task.Task {
	made := func(age int, id, name string, state task.State, stack bool) task.Task {
		at := morning.Add(-time.Duration(age) * time.Hour)
		t := task.Task{
			ID: id, Edition: 1, Type: "S3", PluginVersion: "1.2.3", State: state, Stack: task.Stack{Name: task.StackName(id)},
			CreatedBy: "ada@example.com", UpdatedBy: "ada@example.com", Created: at, Updated: at,
			Settings: task.Settings{
				Name: name, Labels: map[string]string{"team": "photos"}, Schedule: task.Schedule{Kind: task.Once},
				Parameters: map[string]string{"srcBucket": "photos", "srcRegion": "eu-west-1", "destBucket": "archive", "destRegion": "eu-west-1"},
			},
		}
		if stack {
			t.Stack.ID = "local:" + id
		}
		return t
	}
	a := made(1, running, "photos", task.InProgress, true)
	a.Check, a.Plan = &task.Request{ID: "r-check", Asked: morning}, &task.Request{ID: "r-plan", Asked: morning}
	d := made(4, broken, "broken", task.Errored, true)
	d.Reason, d.NextStep = "the bucket is gone", "stop the task"
	e := made(5, starting, "young", task.Starting, false)
	e.Operation = &task.Operation{ID: starting + "-1", Kind: task.Create, Begun: e.Created, By: "ada@example.com", After: task.InProgress}
	f := made(6, images, "mirror", task.InProgress, true)
	f.Type, f.Parameters = "ECR", map[string]string{"sourceType": "Public", "srcRegistry": "localhost:5000", "destRegistry": "localhost:5001"}
	return []task.Task{a, made(2, paused, "films", task.Paused, true), made(3, stopped, "music", task.Stopped, false), d, e, f}
}

// record gives the running task a run and two failed objects, and that of images three images.
func record(t testing.TB, behind *stacks) {
	t.Helper()
	ctx := context.Background()
	copied, err := recordsqlite.Open(ctx, behind.db, images)
	if err != nil {
		t.Fatal(err)
	}
	at := morning.Add(-time.Hour)
	for _, r := range []imagerecord.Record{
		{Key: imagerecord.Key{Image: "team/app", Tag: "1.0"}, Status: imagerecord.Done, SourceDigest: "sha256:a", DestinationDigest: "sha256:a", Bytes: 5000, Platforms: []string{"linux/amd64", "linux/arm64"}, Referrers: 2, RunID: "r", Attempts: 1, StartedAt: at, FinishedAt: at},
		{Key: imagerecord.Key{Image: "team/app", Tag: "1.1"}, Status: imagerecord.Failed, SourceDigest: "sha256:b", RunID: "r", Attempts: 3, ErrorClass: "not_found", ErrorMessage: "blob unknown", StartedAt: at, FinishedAt: at},
		{Key: imagerecord.Key{Image: "team/web", Tag: "sha256:c"}, Status: imagerecord.Unchanged, SourceDigest: "sha256:c", DestinationDigest: "sha256:c", RunID: "r", Attempts: 1, StartedAt: at, FinishedAt: at},
	} {
		if err := copied.Put(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	records, err := behind.Records(ctx, task.Task{ID: running})
	if err != nil {
		t.Fatal(err)
	}
	defer records.Close()
	started := morning.Add(-time.Hour)
	if err := records.Runs.Create(ctx, run.Run{ID: "run-1", Trigger: "once", State: run.Copying, Started: started, Finder: run.FinderTotals{ListedSource: 20, Queued: 3}}); err != nil {
		t.Fatal(err)
	}
	for i, key := range []string{"a/1.jpg", "b/2.jpg"} {
		r := ledger.Record{
			Key: key, Status: ledger.Failed, Size: 1 << 40, RunID: "run-1", Attempts: 5, ErrorClass: "AccessDenied", Error: "Access Denied",
			StartedAt: started, FinishedAt: started.Add(time.Minute), Worker: "w", Seq: int64(i + 1),
		}
		if _, err := records.Objects.(ledger.Ledger).Put(ctx, r, nil); err != nil {
			t.Fatal(err)
		}
	}
}
