package pass_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/worker/finder"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/pass"
	"github.com/datatransferhub/dth/worker/queue"
	"github.com/datatransferhub/dth/worker/run"
)

func mustRun(t *testing.T, c pass.Config) run.Run {
	t.Helper()
	r, err := pass.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPassQueuesAndRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newTask(t, 5000)
		k.RunID, k.Trigger = "r1", "manual"
		k.DeadLetters = func(context.Context) (int64, int64, error) { return 3, 1, nil }
		r := mustRun(t, k.Config)
		stored, err := k.runs.Get(t.Context(), "r1")
		if d := cmp.Diff(r, stored); err != nil || d != "" {
			t.Errorf("%v %s", err, d)
		}
		keys, sent := k.queue.keys(message.Copy)
		if len(keys) != 5000 || sent != 5000 || r.Finder.Queued != 5000 || r.Finder.ListedSource != 5000 || r.Finder.Decisions["new"].Objects != 5000 {
			t.Errorf("%d keys in %d messages, %+v", len(keys), sent, r.Finder)
		}
		if r.State != run.Copying || r.Trigger != "manual" || r.Version != "v1" || r.Found.Before(r.Started) || !r.Finished.IsZero() || r.DeadLetters != 3 || r.Unreadable != 1 {
			t.Errorf("run %+v", r)
		}
		if doc := k.checkpoint(t, "r1"); doc != nil {
			t.Errorf("a checkpoint of %d bytes is left", len(doc))
		}
		if _, held, err := k.runs.Lease(t.Context(), pass.LeaseName, "host-b", time.Now(), time.Minute); err != nil || !held {
			t.Errorf("the lease was not given back, %v", err)
		}
	})
}

func TestFailedPassSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			name    string
			breakIt func(k *task)
		}{
			{"source refuses", func(k *task) { k.src.fail, k.src.from = errors.New("no such thing"), 3 }},
			{"check finds something", func(k *task) { k.Check = func(context.Context) error { return errors.New("no such thing") } }},
			{"queue refuses", func(k *task) { k.queue.err = errors.New("no such thing") }},
		} {
			k := newTask(t, 20_000)
			c.breakIt(k)
			r, err := pass.Run(t.Context(), k.Config)
			stored, getErr := k.runs.Get(t.Context(), r.ID)
			if err == nil || getErr != nil || stored.State != run.Failed || !strings.Contains(stored.Error, "no such thing") || stored.Finished.IsZero() {
				t.Errorf("%s: %v, stored is %+v, %v", c.name, err, stored, getErr)
			}
			if k.checkpoint(t, r.ID) != nil {
				t.Errorf("%s: a checkpoint is left", c.name)
			}
			k.src.fail, k.queue.err, k.Check = nil, nil, nil
			time.Sleep(time.Second) // runs are named by their time
			if r := mustRun(t, k.Config); r.State != run.Copying || k.states(t) != "FAILED COPYING" {
				t.Errorf("%s: the next pass: %+v", c.name, r)
			}
		}
	})
}

// A pass that is stopped stays FINDING, and the next one continues the same run.
func TestStoppedPassIsContinued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		whole := newTask(t, 60_000)
		mustRun(t, whole.Config)
		k := newTask(t, 60_000)
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		defer cancel()
		first, err := pass.Run(ctx, k.Config)
		if !errors.Is(err, context.DeadlineExceeded) || k.states(t) != "FINDING" || k.checkpoint(t, first.ID) == nil {
			t.Fatalf("%v, runs are %s", err, k.states(t))
		}
		before, given := len(k.queue.sent), k.src.given
		k.Holder, k.Version = "host-b", "v2" // another host, at once: the lease was given back
		r := mustRun(t, k.Config)
		if r.ID != first.ID || r.State != run.Copying || r.Version != "v2" || k.states(t) != "COPYING" {
			t.Errorf("run %+v; runs are %s", r, k.states(t))
		}
		keys, sent := k.queue.keys(message.Copy)
		if before == 0 || len(keys) != 60_000 || sent > 75_000 || r.Finder.Queued != 60_000 || r.Finder.ListedSource != 60_000 {
			t.Errorf("%d keys in %d messages, of which the first pass sent %d; %+v", len(keys), sent, before, r.Finder)
		}
		if rest := k.src.given - given; given == 0 || rest > whole.src.given-given/2 {
			t.Errorf("%d objects were listed, then %d; an undisturbed pass lists %d", given, rest, whole.src.given)
		}
	})
}

// A checkpoint of other parameters says nothing about these.
func TestChangedJobBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newTask(t, 30_000)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		first, err := pass.Run(ctx, k.Config)
		if err == nil {
			t.Fatal("the pass was through in time")
		}
		k.job.Selection.MaxSize = new(int64(10))
		r := mustRun(t, k.Config)
		if r.ID != first.ID || r.Finder.Queued != 11 || r.Finder.Decisions["skipped:filtered"].Objects != 29_989 {
			t.Errorf("run %+v", r)
		}
	})
}

func TestDeleteExtraneous(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			share   float64
			state   run.State
			deletes int
		}{{0.5, run.Copying, 2_000}, {0.1, run.Failed, 0}} {
			k := newTask(t, 8_000)
			k.dst = newEnd(10_000)
			k.Destination = k.dst
			k.job.DeleteExtraneous, k.job.MaxDeleteShare = true, c.share
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			if _, err := pass.Run(ctx, k.Config); err == nil || k.states(t) != "FINDING" {
				t.Errorf("a pass that was stopped: %v, runs are %s", err, k.states(t))
			}
			cancel()
			r, err := pass.Run(t.Context(), k.Config)
			keys, sent := k.queue.keys(message.Delete)
			var tooMany *finder.TooManyError
			if r.State != c.state || len(keys) != c.deletes || sent != c.deletes || r.Finder.Queued != int64(c.deletes) || errors.As(err, &tooMany) != (c.deletes == 0) {
				t.Errorf("share %v: %d deletes, %+v, %v", c.share, sent, r, err)
			}
			if r.Finder.ListedDestination != 10_000 {
				t.Errorf("share %v: totals %+v", c.share, r.Finder)
			}
		}
	})
}

func TestNamedRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newTask(t, 10)
		started := time.Now().Add(-time.Hour)
		k.create(t, run.Run{ID: "old", State: run.Finding, Started: started.Add(-time.Hour)})
		k.create(t, run.Run{ID: "broken", State: run.Finding, Started: started})
		k.create(t, run.Run{ID: "of events", Trigger: run.TriggerEvent, State: run.Copying, Started: started.Add(time.Second)})
		k.create(t, run.Run{ID: "skipped", State: run.Skipped, Started: started.Add(2 * time.Second)})
		if r := mustRun(t, k.Config); r.ID != "broken" || k.states(t) != "FAILED COPYING COPYING SKIPPED" {
			t.Errorf("without a name %+v was continued; runs are %s", r, k.states(t))
		}
		k.create(t, run.Run{ID: "broken too", State: run.Finding, Started: started.Add(time.Minute)})
		k.RunID = "mine"
		if r := mustRun(t, k.Config); r.ID != "mine" || k.states(t) != "FAILED COPYING COPYING SKIPPED FAILED COPYING" {
			t.Errorf("%+v; runs are %s", r, k.states(t))
		}
		if r, err := pass.Run(t.Context(), k.Config); !errors.Is(err, run.ErrExists) {
			t.Errorf("the same name again: %+v, %v", r, err)
		}
	})
}

// The gate: each case is the run before, what is left of it, and whether a new pass begins.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		ago := func(minutes int) time.Time { return now.Add(-time.Duration(minutes) * time.Minute) }
		copying := run.Run{ID: "before", State: run.Copying, Started: ago(300), Found: ago(200), Finder: run.FinderTotals{Queued: 10}}
		counters := func(done, inProgress int64, updated time.Time) run.Counters {
			return run.Counters{Worker: "w", Outcomes: map[string]run.Tally{"DONE:stream": {Objects: done}, "IN_PROGRESS": {Objects: inProgress}}, Updated: updated}
		}
		full := queue.Depth{Visible: 1}
		ofEvents := copying
		ofEvents.Trigger = run.TriggerEvent
		for _, c := range []struct {
			name     string
			before   run.Run
			counters run.Counters
			depth    queue.Depth
			upload   time.Time
			force    bool
			opens    bool
		}{
			{name: "drains", before: copying, counters: counters(5, 5, ago(1)), depth: full},
			{name: "drains, all in flight", before: copying, counters: counters(9, 0, ago(29)), depth: queue.Depth{InFlight: 1}},
			{name: "waits for another try", before: copying, counters: counters(9, 0, ago(29)), depth: queue.Depth{Delayed: 1}},
			{name: "drains, but is told to", before: copying, counters: counters(5, 0, ago(1)), depth: full, force: true, opens: true},
			{name: "events keep the queue busy", before: copying, counters: counters(10, 0, ago(1)), depth: full, opens: true},
			{name: "queue is empty", before: copying, counters: counters(5, 0, ago(1)), opens: true},
			{name: "is stuck", before: copying, counters: counters(5, 0, ago(30)), depth: full, opens: true},
			{name: "only an upload gets on", before: copying, counters: counters(5, 1, ago(60)), depth: full, upload: ago(2)},
			{name: "nor does the upload", before: copying, counters: counters(5, 1, ago(60)), depth: full, upload: ago(31), opens: true},
			{name: "no worker yet", before: run.Run{ID: "before", State: run.Copying, Started: ago(300), Found: ago(10), Finder: copying.Finder}, depth: full},
			{name: "no worker ever", before: copying, depth: full, opens: true},
			{name: "of events", before: ofEvents, counters: counters(5, 0, ago(1)), depth: full, opens: true},
			{name: "failed", before: run.Run{ID: "before", State: run.Failed, Started: ago(10), Finder: copying.Finder}, depth: full, opens: true},
			{name: "done", before: run.Run{ID: "before", State: run.Done, Started: ago(10), Finder: copying.Finder}, depth: full, opens: true},
		} {
			k := newTask(t, 1)
			k.create(t, c.before)
			if c.counters.Worker != "" {
				k.create(t, run.Run{ID: "skipped", State: run.Skipped, Started: ago(5)})
				if err := k.runs.PutCounters(t.Context(), "before", c.counters); err != nil {
					t.Fatal(err)
				}
			}
			k.queue.depth, k.Force = c.depth, c.force
			k.Progress = func(context.Context) (time.Time, error) { return c.upload, nil }
			r := mustRun(t, k.Config)
			if c.opens != (r.State == run.Copying) || c.opens != (r.Error == "") || c.opens != (len(k.queue.sent) == 1) {
				t.Errorf("%s: %+v", c.name, r)
			}
			if stored, err := k.runs.Get(t.Context(), r.ID); err != nil || !c.opens && (stored.State != run.Skipped || !strings.Contains(stored.Error, "run before is still copying")) {
				t.Errorf("%s: stored is %+v, %v", c.name, stored, err)
			}
		}
	})
}

// Many skipped runs do not hide the one that is draining.
func TestGateLooksFarBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newTask(t, 1)
		now := time.Now()
		k.create(t, run.Run{ID: "before", State: run.Copying, Started: now.Add(-time.Hour), Finder: run.FinderTotals{Queued: 2}},
			run.Counters{Worker: "w", Outcomes: map[string]run.Tally{"DONE": {Objects: 1}}, Updated: now})
		for i := range 400 {
			k.create(t, run.Run{ID: "s" + now.Add(time.Duration(i)*time.Second).Format("150405"), State: run.Skipped, Started: now.Add(-time.Duration(i) * time.Second)})
		}
		k.queue.depth.Visible = 1
		if r := mustRun(t, k.Config); r.State != run.Skipped {
			t.Errorf("%+v", r)
		}
	})
}
