package monitor_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/datatransferhub/dth/lambda/monitor"
	"github.com/datatransferhub/dth/worker/closing"
	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/giant"
	"github.com/datatransferhub/dth/worker/multipart/multipartsqlite"
	"github.com/datatransferhub/dth/worker/queue/queuesqlite"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/run/runsqlite"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// watch is a monitor with everything around it; its clock is moved by looks.
type watch struct {
	t       *testing.T
	h       *monitor.Handler
	runs    *runsqlite.Runs
	queue   *queuesqlite.Queue
	now     time.Time
	state   monitor.State
	told    []string // kind, run, state
	closing []string // run, try
	fail    error    // of telling and closing
}

func newWatch(t *testing.T) *watch {
	t.Helper()
	db, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "records.db"))
	must(t, err)
	t.Cleanup(func() { db.Close() })
	w := &watch{t: t, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), state: monitor.State{Begun: "pass-1"}}
	w.runs, err = runsqlite.Open(t.Context(), db, "task")
	must(t, err)
	w.queue, err = queuesqlite.Open(t.Context(), db, "task")
	must(t, err)
	uploads, err := multipartsqlite.Open(t.Context(), db, "task")
	must(t, err)
	w.h = &monitor.Handler{
		StackName: "stack", StackID: "id", Closing: closing.Config{Runs: w.runs, Queue: w.queue, Uploads: uploads}, Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return w.now },
		Tell: func(_ context.Context, events []monitor.Event) error {
			if w.fail != nil {
				return w.fail
			}
			for _, e := range events {
				w.told = append(w.told, fmt.Sprintf("%s %s %s", e.Kind, e.Detail.Run, e.Detail.State))
			}
			return nil
		},
		Close: func(_ context.Context, id string, try int) error {
			if w.fail != nil {
				return w.fail
			}
			w.closing = append(w.closing, fmt.Sprintf("%s %d", id, try))
			return nil
		},
	}
	return w
}

func (w *watch) look(want giant.Verdict) {
	w.t.Helper()
	a, err := w.h.Handle(w.t.Context(), w.state)
	must(w.t, err)
	if a.Verdict != want {
		w.t.Errorf("verdict %s, want %s", a.Verdict, want)
	}
	w.state = a.Execution
	w.now = w.now.Add(time.Minute)
}

func (w *watch) expect(what string, got []string, want ...string) {
	w.t.Helper()
	if strings.Join(got, "; ") != strings.Join(want, "; ") {
		w.t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestARunIsSeenToItsEnd(t *testing.T) {
	w := newWatch(t)
	for range 5 {
		w.look(giant.Wait) // the finder's instance boots
	}
	r := run.Run{ID: "one", State: run.Finding, Started: w.now, Trigger: "schedule"}
	must(t, w.runs.Create(t.Context(), r))
	w.look(giant.Wait)
	w.look(giant.Wait)
	r.State, r.Finder.Queued = run.Copying, 1
	must(t, w.runs.Update(t.Context(), r))
	must(t, w.queue.Send(t.Context(), []string{"m"}))
	for range 4 {
		w.look(giant.Wait)
	}
	w.expect("told", w.told, "RunStarted one FINDING", "RunProgress one COPYING")
	must(t, w.queue.Purge(t.Context()))
	w.look(giant.Wait)
	w.expect("closing after one quiet look", w.closing)
	w.look(giant.Wait)
	w.look(giant.Wait)
	w.expect("closing", w.closing, "one 1")
	r.State, r.Proved, r.Finished = run.Done, true, w.now
	must(t, w.runs.Update(t.Context(), r))
	w.look(giant.End)
	if last := w.told[len(w.told)-1]; last != "RunClosed one DONE" {
		t.Errorf("told %q", w.told)
	}
}

// A finder that closes a run and never comes back is started again, five times in all; then the run has failed.
func TestAClosingThatNeverEnds(t *testing.T) {
	w := newWatch(t)
	must(t, w.runs.Create(t.Context(), run.Run{ID: "one", State: run.Copying, Started: w.now}))
	for range 13 * 60 {
		a, err := w.h.Handle(t.Context(), w.state)
		must(t, err)
		w.state, w.now = a.Execution, w.now.Add(time.Minute)
		if a.Verdict == giant.End {
			break
		}
	}
	w.expect("closing", w.closing, "one 1", "one 2", "one 3", "one 4", "one 5")
	r, err := w.runs.Get(t.Context(), "one")
	must(t, err)
	if r.State != run.Failed || !strings.Contains(r.Error, "5 times") || w.told[len(w.told)-1] != "RunClosed one FAILED" {
		t.Errorf("the run is %+v; told %q", r, w.told)
	}
}

func TestOneMonitorAtATime(t *testing.T) {
	w := newWatch(t)
	must(t, w.runs.Create(t.Context(), run.Run{ID: "one", State: run.Finding, Started: w.now}))
	w.look(giant.Wait)
	first := w.state
	w.state = monitor.State{Begun: "pass-2"}
	w.look(giant.Wait)
	w.expect("told", w.told, "RunStarted one FINDING")
	w.now = w.now.Add(time.Hour) // the first is dead
	w.look(giant.Wait)
	if len(w.state.Runs) != 1 {
		t.Error("the second does not take over")
	}
	w.state = first
	for range 28 {
		w.look(giant.Wait)
		w.now = w.now.Add(-time.Minute) // within the lease of the second
	}
	w.look(giant.End)
}

// A pass that leaves no run behind, because its finder never came up, is not waited for for ever.
func TestNothingToWatch(t *testing.T) {
	w := newWatch(t)
	for range 29 {
		w.look(giant.Wait)
	}
	w.look(giant.End)
}

func TestFailuresAreTriedAgain(t *testing.T) {
	w := newWatch(t)
	must(t, w.runs.Create(t.Context(), run.Run{ID: "one", State: run.Copying, Started: w.now}))
	w.fail = errors.New("no way")
	if _, err := w.h.Handle(t.Context(), w.state); err == nil {
		t.Error("the failure is not told to the state machine")
	}
	w.fail = nil
	w.look(giant.Wait)
	w.expect("told", w.told, "RunStarted one COPYING")
}

// Runs of events are not closed before their day is over, and do not keep a monitor at work; long work continues as another
// execution.
func TestEventsAndContinuation(t *testing.T) {
	w := newWatch(t)
	must(t, w.runs.Create(t.Context(), run.Run{ID: "events-20261123", State: run.Copying, Started: w.now, Trigger: "event"}))
	w.look(giant.Wait)
	if len(w.state.Runs) != 0 {
		t.Error("a run of events is watched within its day")
	}
	must(t, w.runs.Create(t.Context(), run.Run{ID: "long", State: run.Finding, Started: w.now}))
	w.state.Looks = monitor.MaxLooks - 1
	w.look(giant.Continue)
	if w.state.Name() != "pass-1-1" || w.state.Looks != 0 || len(w.state.Runs) != 1 {
		t.Errorf("it goes on as %s with %+v", w.state.Name(), w.state)
	}
	w.now = w.now.Add(26 * time.Hour)
	w.look(giant.Wait)
	w.look(giant.Wait)
	w.expect("closing", w.closing, "events-20261123 1")
}
