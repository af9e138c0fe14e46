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
	"github.com/datatransferhub/dth/worker/pass"
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
	resumed []string // requests
	fail    error    // of telling and starting finders
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
		Close: func(_ context.Context, id, request string) error {
			if w.fail != nil {
				return w.fail
			}
			try, ours := strings.CutPrefix(request, "close-"+w.state.Begun+"-"+id+"-")
			if !ours {
				t.Errorf("request %q names neither the run nor the execution", request)
			}
			w.closing = append(w.closing, id+" "+try)
			return nil
		},
		Resume: func(_ context.Context, request string) error {
			if w.fail != nil {
				return w.fail
			}
			w.resumed = append(w.resumed, request)
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
// A run that its own finder closed, or that failed at once, is told of although no look saw it open; what was over before the
// first look is not, nor is a run that was skipped.
func TestARunThatIsOverAtOnce(t *testing.T) {
	w := newWatch(t)
	over := func(id string, state run.State, started time.Time) {
		must(t, w.runs.Create(t.Context(), run.Run{ID: id, State: state, Proved: state == run.Done, Started: started, Finished: started.Add(time.Second)}))
	}
	over("before", run.Done, w.now.Add(-time.Hour))
	w.look(giant.Wait)
	w.expect("told", w.told)
	over("quick", run.Done, w.now.Add(-30*time.Second))
	over("skipped", run.Skipped, w.now.Add(-20*time.Second))
	w.look(giant.End)
	w.expect("told", w.told, "RunClosed quick DONE")

	w.state, w.told = monitor.State{Begun: "pass-2"}, nil
	w.look(giant.Wait)
	over("failed", run.Failed, w.now.Add(-30*time.Second))
	w.fail = errors.New("no bus")
	if _, err := w.h.Handle(t.Context(), w.state); err == nil {
		t.Error("news that could not be told are no error")
	}
	w.fail = nil
	w.look(giant.End)
	w.expect("told", w.told, "RunClosed failed FAILED")
}

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

func (w *watch) looks(n int) {
	w.t.Helper()
	for range n {
		w.look(giant.Wait)
	}
}

// A run whose finder died is gone on with after half an hour, also when no schedule ticks; when that helps five times not, the
// run has failed.
func TestAFinderThatDied(t *testing.T) {
	w := newWatch(t)
	must(t, w.runs.Create(t.Context(), run.Run{ID: "one", State: run.Finding, Started: w.now}))
	alive := func() {
		_, held, err := w.runs.Lease(t.Context(), pass.LeaseName, "i-1", w.now, 10*time.Minute)
		if err != nil || !held {
			t.Fatalf("the finder cannot renew its lease: %v", err)
		}
	}
	for range 60 { // as long as a finder is at work, nobody else is started
		alive()
		w.look(giant.Wait)
	}
	w.looks(39) // ten minutes until the lease ends, and half an hour
	w.expect("resumed too early", w.resumed)
	w.looks(2)
	w.expect("resumed", w.resumed, "resume-pass-1-one-1")
	w.looks(28)
	alive()
	w.look(giant.Wait)
	w.looks(39)
	w.expect("the second died later", w.resumed, "resume-pass-1-one-1")
	for range 6 * 31 {
		a, err := w.h.Handle(t.Context(), w.state)
		must(t, err)
		w.state, w.now = a.Execution, w.now.Add(time.Minute)
	}
	w.expect("resumed in all", w.resumed, "resume-pass-1-one-1", "resume-pass-1-one-2", "resume-pass-1-one-3", "resume-pass-1-one-4", "resume-pass-1-one-5")
	if r, err := w.runs.Get(t.Context(), "one"); err != nil || r.State != run.Failed || !strings.Contains(r.Error, "5 others") || w.told[len(w.told)-1] != "RunClosed one FAILED" {
		t.Errorf("the run is %+v, %v; told %q", r, err, w.told)
	}
	if _, held, err := w.runs.Lease(t.Context(), pass.LeaseName, "i-2", w.now, time.Minute); err != nil || !held {
		t.Errorf("looking who is at work left the lease taken: %v", err)
	}
}

// A retry needs no finder: none is started for it, and one that broke off is given up.
func TestARetryThatBrokeOff(t *testing.T) {
	w := newWatch(t)
	must(t, w.runs.Create(t.Context(), run.Run{ID: "again", Trigger: run.TriggerRetry, State: run.Finding, Started: w.now}))
	w.looks(120)
	w.expect("told while it queues", w.told[:1], "RunStarted again FINDING")
	for range 2 {
		a, err := w.h.Handle(t.Context(), w.state)
		must(t, err)
		w.state, w.now = a.Execution, w.now.Add(time.Minute)
	}
	w.expect("resumed", w.resumed)
	if r, err := w.runs.Get(t.Context(), "again"); err != nil || r.State != run.Failed || !strings.Contains(r.Error, "ask for another") || w.told[len(w.told)-1] != "RunClosed again FAILED" {
		t.Errorf("the run is %+v, %v; told %q", r, err, w.told)
	}
}

// While the task is paused its runs wait: no finder is started for them, and none counts as silent.
func TestAPause(t *testing.T) {
	w := newWatch(t)
	must(t, w.runs.Create(t.Context(), run.Run{ID: "copying", State: run.Copying, Started: w.now}))
	must(t, w.runs.Create(t.Context(), run.Run{ID: "finding", State: run.Finding, Started: w.now}))
	must(t, w.runs.SetPaused(t.Context(), true, w.now))
	w.looks(120)
	w.expect("closing", w.closing)
	w.expect("resumed", w.resumed)
	must(t, w.runs.SetPaused(t.Context(), false, w.now))
	w.looks(2)
	w.expect("closing", w.closing, "copying 1")
	w.looks(27)
	w.expect("resumed", w.resumed)
	w.looks(2)
	w.expect("resumed", w.resumed, "resume-pass-1-finding-1")
}

// A run is not lost out of sight by the skipped runs of a schedule that ticks often, neither while it is open nor when it ends.
func TestALongRunAmongSkippedOnes(t *testing.T) {
	w := newWatch(t)
	r := run.Run{ID: "long", State: run.Copying, Started: w.now, Finder: run.FinderTotals{Queued: 1}}
	must(t, w.runs.Create(t.Context(), r))
	must(t, w.queue.Send(t.Context(), []string{"m"}))
	w.look(giant.Wait)
	for i := range 250 {
		must(t, w.runs.Create(t.Context(), run.Run{ID: fmt.Sprint("skipped-", i), State: run.Skipped, Started: w.now.Add(time.Duration(i) * time.Second)}))
	}
	w.look(giant.Wait)
	if _, known := w.state.Runs["long"]; !known {
		t.Fatalf("the run is lost: %+v", w.state)
	}
	must(t, w.queue.Purge(t.Context()))
	w.looks(2)
	w.expect("closing", w.closing, "long 1")
	r.State, r.Proved = run.Done, true
	must(t, w.runs.Update(t.Context(), r))
	w.look(giant.End)
	if last := w.told[len(w.told)-1]; last != "RunClosed long DONE" {
		t.Errorf("told %q", w.told)
	}
}

// Where no schedule starts finders, the day does: the run of yesterday's events is closed and told of.
func TestAMonitorOfEventsAlone(t *testing.T) {
	w := newWatch(t)
	w.state = monitor.State{Begun: "daily-1"}
	yesterday := run.Run{ID: "events-20261122", State: run.Copying, Started: w.now.Add(-36 * time.Hour), Trigger: run.TriggerEvent}
	must(t, w.runs.Create(t.Context(), yesterday))
	must(t, w.runs.Create(t.Context(), run.Run{ID: "events-20261123", State: run.Copying, Started: w.now.Add(-12 * time.Hour), Trigger: run.TriggerEvent}))
	w.looks(2)
	w.expect("closing", w.closing, "events-20261122 1")
	yesterday.State, yesterday.Proved = run.Done, true
	must(t, w.runs.Update(t.Context(), yesterday))
	w.look(giant.End)
	w.expect("told", w.told, "RunStarted events-20261122 COPYING", "RunClosed events-20261122 DONE")
	w.expect("closing", w.closing, "events-20261122 1")
}

// On a day without a run the dead letters are looked at all the same, by the finder that would close the next one; an execution
// that a pass has started leaves that to the pass.
func TestDeadLettersOfADayWithoutARun(t *testing.T) {
	for begun, want := range map[string][]string{"daily-1": {"next "}, "pass-1": nil} {
		w := newWatch(t)
		w.state = monitor.State{Begun: begun}
		var asked []string
		w.h.Close = func(_ context.Context, id, request string) error {
			asked = append(asked, id+" ")
			if request != "close-daily-1-next" {
				t.Errorf("the request is %q", request)
			}
			return nil
		}
		w.looks(29)
		w.look(giant.End)
		w.expect(begun, asked, want...)
	}
}
