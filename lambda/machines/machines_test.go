// Package machines executes the state machines of the plugins against the real handlers of their Lambdas.
package machines

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/datatransferhub/dth/lambda/machines/machinesaws"
	"github.com/datatransferhub/dth/lambda/monitor"
	"github.com/datatransferhub/dth/lambda/multipart"
	"github.com/datatransferhub/dth/plugins/s3/workflow"
	"github.com/datatransferhub/dth/worker/closing"
	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/giant"
	multiparts "github.com/datatransferhub/dth/worker/multipart"
	"github.com/datatransferhub/dth/worker/multipart/multipartsqlite"
	"github.com/datatransferhub/dth/worker/queue/queuesqlite"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/run/runsqlite"
	"github.com/datatransferhub/dth/worker/standin"
)

var workflows *standin.Workflows

func TestMain(m *testing.M) {
	var err error
	if workflows, err = standin.StartWorkflows(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := workflows.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// quick has no waits: a minute is a second, and retries come at once.
func quick(definition string) string {
	return strings.NewReplacer(
		`"Seconds": 60`, `"Seconds": 1`, `"IntervalSeconds": 5, "BackoffRate": 2, "MaxAttempts": 30, "MaxDelaySeconds": 600`,
		`"IntervalSeconds": 1, "BackoffRate": 1, "MaxAttempts": 3, "MaxDelaySeconds": 1`, "${Partition}", "aws", "${Function}", "look",
	).Replace(definition)
}

// parts are the embedded ports.
type parts struct {
	queue   *queuesqlite.Queue
	runs    *runsqlite.Runs
	uploads *multipartsqlite.Records
}

func open(t *testing.T) parts {
	t.Helper()
	db, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "records.db"))
	must(t, err)
	t.Cleanup(func() { db.Close() })
	var p parts
	p.queue, err = queuesqlite.Open(t.Context(), db, "task")
	must(t, err)
	p.runs, err = runsqlite.Open(t.Context(), db, "task")
	must(t, err)
	p.uploads, err = multipartsqlite.Open(t.Context(), db, "task")
	must(t, err)
	return p
}

// answering has the machine's Lambda answered by handle. The first so many calls fail.
func answering[In, Out any](t *testing.T, failures int, handle func(context.Context, In) (Out, error)) {
	t.Helper()
	var mu sync.Mutex
	workflows.Set(func(function string, payload []byte) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		if !strings.HasSuffix(function, "look") {
			return nil, fmt.Errorf("function %q was invoked", function)
		}
		if failures--; failures >= 0 {
			return nil, errors.New("throttled")
		}
		var in In
		if err := json.Unmarshal(payload, &in); err != nil {
			return nil, err
		}
		out, err := handle(context.Background(), in)
		if err != nil {
			return nil, err
		}
		return json.Marshal(out)
	})
}

func controller(p parts) *multipart.Handler {
	return &multipart.Handler{Config: giant.Config{Uploads: p.uploads, Queue: p.queue}, Pause: p.runs.Pause, Log: slog.New(slog.DiscardHandler)}
}

func upload(t *testing.T, p parts) multiparts.Upload {
	t.Helper()
	u := multiparts.Upload{SourceKey: "giant", DestinationKey: "giant", RunID: "one", ID: "upload-1", SourceETag: "e", Size: 2, PartSize: 1, Parts: 2, Giant: true, Created: time.Now().UTC()}
	_, err := p.uploads.PutUpload(t.Context(), u)
	must(t, err)
	return u
}

// The controller looks until nothing is open, over a Lambda that fails twice, and asks for what is due.
func TestController(t *testing.T) {
	p := open(t)
	u := upload(t, p)
	m := machinesaws.Create(t, workflows.URL, "controller", quick(workflow.Controller()))
	answering(t, 2, controller(p).Handle)
	e := giant.Execution{Upload: u.ID}
	input, err := json.Marshal(e)
	must(t, err)
	m.Start(e.Name(), string(input))
	m.Until(e.Name(), "RUNNING")
	for n := range 2 {
		_, err := p.uploads.PutPart(t.Context(), u, multiparts.Part{Number: n + 1, ETag: "p", Size: 1})
		must(t, err)
	}
	for end := time.Now().Add(3 * time.Minute); p.queue.Len() == 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nobody asks for the completion of an upload whose parts are all there")
		}
	}
	must(t, p.uploads.DeleteUpload(t.Context(), u))
	m.Until(e.Name(), "SUCCEEDED")
}

// Before the limit of events another execution goes on.
func TestControllerHandsOver(t *testing.T) {
	p := open(t)
	u := upload(t, p)
	m := machinesaws.Create(t, workflows.URL, "handing-over", quick(workflow.Controller()))
	answering(t, 0, controller(p).Handle)
	e := giant.Execution{Upload: u.ID, Ticks: giant.MaxTicks - 1}
	input, err := json.Marshal(e)
	must(t, err)
	m.Start(e.Name(), string(input))
	m.Until(e.Name(), "SUCCEEDED")
	next := giant.Execution{Upload: u.ID, Continuation: 1}
	m.Until(next.Name(), "RUNNING")
	must(t, p.uploads.DeleteUpload(t.Context(), u))
	m.Until(next.Name(), "SUCCEEDED")
}

func TestControllerWhoseLambdaIsBroken(t *testing.T) {
	m := machinesaws.Create(t, workflows.URL, "broken", quick(workflow.Controller()))
	answering(t, 1000, controller(open(t)).Handle)
	m.Start("broken", `{"upload":"u"}`)
	m.Until("broken", "FAILED")
}

// watching is a monitor; what it tells is sent to told, and what it has closed is closed as the finder does.
func watching(p parts, told chan<- string) *monitor.Handler {
	return &monitor.Handler{
		StackName: "stack", StackID: "id", Closing: closing.Config{Runs: p.runs, Queue: p.queue, Uploads: p.uploads}, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Tell: func(_ context.Context, events []monitor.Event) error {
			for _, e := range events {
				told <- e.Kind + " " + e.Detail.Run
			}
			return nil
		},
		Close: func(ctx context.Context, id, _ string) error {
			r, err := p.runs.Get(ctx, id)
			if err != nil {
				return err
			}
			r.State, r.Proved, r.Finished = run.Done, true, time.Now().UTC()
			return p.runs.Update(ctx, r)
		},
	}
}

func expect(t *testing.T, told <-chan string, want string) {
	t.Helper()
	select {
	case got := <-told:
		if got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	default:
		t.Errorf("%q was not told", want)
	}
}

// The monitor tells of a run, has it closed when it has drained, and ends when it is closed.
func TestMonitor(t *testing.T) {
	p := open(t)
	told := make(chan string, 10)
	r := run.Run{ID: "one", State: run.Finding, Started: time.Now().UTC()}
	must(t, p.runs.Create(t.Context(), r))
	m := machinesaws.Create(t, workflows.URL, "monitor", quick(workflow.Monitor()))
	answering(t, 1, watching(p, told).Handle)
	m.Start("pass-1", `{"begun":"pass-1","continuation":0,"looks":0}`)
	m.Until("pass-1", "RUNNING")
	r.State = run.Copying
	must(t, p.runs.Update(t.Context(), r))
	m.Until("pass-1", "SUCCEEDED")
	expect(t, told, "RunStarted one")
	expect(t, told, "RunClosed one")
}

// Before the limit of events another execution goes on with what this one knew: nothing is told twice.
func TestMonitorHandsOver(t *testing.T) {
	p := open(t)
	told := make(chan string, 10)
	r := run.Run{ID: "one", State: run.Finding, Started: time.Now().UTC()}
	must(t, p.runs.Create(t.Context(), r))
	m := machinesaws.Create(t, workflows.URL, "monitor-handing-over", quick(workflow.Monitor()))
	answering(t, 0, watching(p, told).Handle)
	m.Start("pass-1", fmt.Sprintf(`{"begun":"pass-1","continuation":0,"looks":%d}`, monitor.MaxLooks-1))
	m.Until("pass-1", "SUCCEEDED")
	m.Until("pass-1-1", "RUNNING")
	r.State = run.Copying
	must(t, p.runs.Update(t.Context(), r))
	m.Until("pass-1-1", "SUCCEEDED")
	expect(t, told, "RunStarted one")
	expect(t, told, "RunClosed one")
}

// A hand-over that was made already, whose answer was lost, is no failure.
func TestHandingOverTwice(t *testing.T) {
	p := open(t)
	u := upload(t, p)
	m := machinesaws.Create(t, workflows.URL, "twice", quick(workflow.Controller()))
	answering(t, 0, controller(p).Handle)
	next := giant.Execution{Upload: u.ID, Continuation: 1}
	input, err := json.Marshal(next)
	must(t, err)
	m.Start(next.Name(), string(input))
	m.Until(next.Name(), "RUNNING")
	late := giant.Execution{Upload: u.ID, Ticks: giant.MaxTicks - 1}
	input, err = json.Marshal(late)
	must(t, err)
	m.Start(late.Name(), string(input))
	m.Until(late.Name(), "SUCCEEDED")
	must(t, p.uploads.DeleteUpload(t.Context(), u))
	m.Until(next.Name(), "SUCCEEDED")
}

func TestMonitorWhoseLambdaIsBroken(t *testing.T) {
	m := machinesaws.Create(t, workflows.URL, "monitor-broken", quick(workflow.Monitor()))
	answering(t, 1000, watching(open(t), nil).Handle)
	m.Start("pass-1", `{"begun":"pass-1"}`)
	m.Until("pass-1", "FAILED")
}
