package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/datatransferhub/dth/lambda/notify"
	"github.com/datatransferhub/dth/lambda/reconcile"
	"github.com/datatransferhub/dth/lambda/stackops"
	"github.com/datatransferhub/dth/lambda/stackops/stacksim"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/lambda/task/tasksim"
	"github.com/datatransferhub/dth/worker/run"
)

const (
	id   = "t-1"
	name = "DTH-t-1"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// workflows knows how far the workflows of operations are.
type workflows struct {
	progress map[string]stackops.Progress
	begun    []string
	fail     error
}

func (w *workflows) Begin(_ context.Context, t task.Task) error {
	w.begun = append(w.begun, t.Operation.ID)
	return w.fail
}

func (w *workflows) Progress(_ context.Context, operation string) (stackops.Progress, error) {
	return w.progress[operation], w.fail
}

// records are the runs of the task.
type records struct {
	runs     []run.Run // the newest first
	counters []run.Counters
	read     int
	note     run.Pause
}

func (r *records) Pause(context.Context) (run.Pause, error) { return r.note, nil }

func (r *records) Latest(context.Context, int) ([]run.Run, error) {
	r.read++
	return r.runs, nil
}

func (r *records) Counters(context.Context, string) ([]run.Counters, error) { return r.counters, nil }

// hub is a reconciler with everything around it.
type hub struct {
	t         *testing.T
	h         *reconcile.Handler
	tasks     *tasksim.Store
	cf        *stacksim.CloudFormation
	workflows *workflows
	runs      *records
	sent      []string
	steered   []string // what stacks were asked for
	refuse    error    // of the next resume
}

func (h *hub) Pause(_ context.Context, _ task.Task, request string) error {
	h.steered = append(h.steered, "pause "+request)
	return nil
}

func (h *hub) Restore(_ context.Context, _ task.Task, request string) error {
	h.steered = append(h.steered, "restore "+request)
	return nil
}

func (h *hub) Resume(_ context.Context, _ task.Task, request string) error {
	h.steered = append(h.steered, "resume "+request)
	return h.refuse
}

func newHub(t *testing.T, tasks ...task.Task) *hub {
	t.Helper()
	h := &hub{t: t, tasks: tasksim.New(tasks...), cf: stacksim.New(1), workflows: &workflows{progress: map[string]stackops.Progress{}}, runs: &records{}}
	if len(tasks) > 0 && tasks[0].State == task.Paused {
		h.runs.note = run.Pause{Paused: true, Since: noon.Add(-time.Hour)}
	}
	h.h = &reconcile.Handler{
		Tasks: h.tasks, CloudFormation: h.cf, Workflows: h.workflows, Stacks: h, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return noon },
		Runs:   func(*task.Task) reconcile.Runs { return h.runs },
		Notify: func(_ context.Context, m notify.Message) error { h.sent = append(h.sent, m.What); return nil },
	}
	return h
}

// at is a task in a state whose stack is there, and of whose runs was told a moment ago.
func at(s task.State) task.Task {
	t := task.Task{
		ID: id, State: s, Stack: task.Stack{Name: name, ID: "arn:aws:cloudformation:us-east-1:123456789012:stack/DTH-t-1/1", Outputs: map[string]string{"RunTableName": "runs"}},
		Updated: noon.Add(-24 * time.Hour), LastRun: &task.Run{ID: "run-1", Started: noon.Add(-2 * time.Hour), Finished: noon.Add(-time.Minute), Told: noon.Add(-time.Minute)},
	}
	if s == task.Stopped {
		t.Stack.ID, t.Stack.Outputs = "", nil
	}
	return t
}

// operating is a task whose operation began an hour ago.
func operating(k task.Kind) task.Task {
	t := at(map[task.Kind]task.State{task.Create: task.Starting, task.Update: task.Updating, task.Delete: task.Stopping}[k])
	t.Operation = &task.Operation{ID: id + "-7", Kind: k, Begun: noon.Add(-time.Hour), After: task.InProgress}
	switch k {
	case task.Update:
		t.Operation.Undo = &task.Settings{Parameters: map[string]string{"srcBucket": "before"}}
	case task.Delete:
		t.Operation.After = task.Stopped
	}
	return t
}

// stack puts the task's stack into a status. Mine says that the task's operation asked for what was done last.
func (h *hub) stack(s stackops.Status, mine bool) {
	h.cf.Put(name, s, map[string]string{stackops.TagTask: id})
	h.cf.Told(name, map[string]string{"RunTableName": "runs"})
	if mine {
		h.cf.Record(name, id+"-7", stackops.Story{Begun: true, Failure: "Queue (AWS::SQS::Queue) FAILED: no"})
	}
}

// reconcile goes through all tasks and returns the one.
func (h *hub) reconcile(repaired int) task.Task {
	h.t.Helper()
	var e reconcile.Execution
	for {
		a, err := h.h.Handle(h.t.Context(), e)
		if err != nil {
			h.t.Fatal(err)
		}
		if e = a.Execution; a.Verdict != reconcile.Continue {
			break
		}
	}
	if e.Repaired != repaired || e.Failed != 0 {
		h.t.Errorf("%d repaired, %d failed; want %d", e.Repaired, e.Failed, repaired)
	}
	t, err := h.tasks.Get(h.t.Context(), id)
	if err != nil {
		h.t.Fatal(err)
	}
	return t
}

// What is found of a task on which nothing is under way, and what it is then.
func TestStacks(t *testing.T) {
	for _, c := range []struct {
		name   string
		task   task.Task
		stack  stackops.Status
		tag    string
		want   task.State
		reason string
		next   string
		has    bool
		told   string
	}{
		{"in agreement", at(task.InProgress), "CREATE_COMPLETE", id, task.InProgress, "", "", true, ""},
		{"in agreement after a rollback", at(task.Paused), "UPDATE_ROLLBACK_COMPLETE", id, task.Paused, "", "", true, ""},
		{"deleted by hand", at(task.InProgress), "DELETE_COMPLETE", id, task.Errored, "somebody deleted it", "clone the task", false, "its stack is gone"},
		{"being deleted by hand", at(task.InProgress), "DELETE_IN_PROGRESS", id, task.InProgress, "", "", true, ""},
		{"deleted while in error", at(task.Errored), "DELETE_COMPLETE", id, task.Errored, "somebody deleted it", "delete it", false, "its stack is gone"},
		{"broken by hand", at(task.Done), "UPDATE_ROLLBACK_FAILED", id, task.Errored, "UPDATE_ROLLBACK_FAILED", "CloudFormation's console", true, "its stack is UPDATE_ROLLBACK_FAILED"},
		{"known to be broken", at(task.Errored), "UPDATE_ROLLBACK_FAILED", id, task.Errored, "", "", true, ""},
		{"left over", at(task.Stopped), "CREATE_COMPLETE", id, task.Errored, "still there", "stop the task", true, "its stack is still there"},
		{"gone as it should be", at(task.Stopped), "DELETE_COMPLETE", id, task.Stopped, "", "", false, ""},
		{"going as it should", at(task.Stopped), "DELETE_IN_PROGRESS", id, task.Stopped, "", "", false, ""},
		{"of somebody else", at(task.Stopped), "CREATE_COMPLETE", "t-2", task.Stopped, "", "", false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHub(t, c.task)
			h.cf.Put(name, c.stack, map[string]string{stackops.TagTask: c.tag})
			h.cf.Told(name, map[string]string{"RunTableName": "runs"})
			repaired := 0
			if c.told != "" {
				repaired = 1
			}
			got := h.reconcile(repaired)
			if got.State != c.want || !strings.Contains(got.Reason, c.reason) || (got.Reason == "") != (c.reason == "") || !strings.Contains(got.NextStep, c.next) || got.HasStack() != c.has {
				t.Errorf("the task is %s: %q, next %q, stack %+v", got.State, got.Reason, got.NextStep, got.Stack)
			}
			if strings.Join(h.sent, ";") != c.told || len(h.tasks.Entries()) != repaired {
				t.Errorf("people are told %q, the audit %+v", h.sent, h.tasks.Entries())
			}
			h.sent = nil
			if again := h.reconcile(0); again.Revision != got.Revision || len(h.sent) > 0 {
				t.Errorf("the second look finds something: %+v, %q", again, h.sent)
			}
		})
	}
}

// Outputs of a stack that was changed by hand are taken over, without a word.
func TestOutputs(t *testing.T) {
	h := newHub(t, at(task.InProgress))
	h.stack("UPDATE_COMPLETE", false)
	h.cf.Told(name, map[string]string{"RunTableName": "others"})
	if got := h.reconcile(1); got.Stack.Outputs["RunTableName"] != "others" || len(h.sent)+len(h.tasks.Entries()) > 0 {
		t.Errorf("outputs are %v", got.Stack.Outputs)
	}
}

// A task that was stopped long ago costs no call.
func TestOldTasks(t *testing.T) {
	old := at(task.Stopped)
	old.Updated = noon.Add(-8 * 24 * time.Hour)
	h := newHub(t, old)
	h.stack("CREATE_COMPLETE", false)
	h.cf.Throttle(1)
	h.reconcile(0)
}

// What is found of an operation, by its workflow and its stack.
func TestOperations(t *testing.T) {
	for _, c := range []struct {
		name     string
		kind     task.Kind
		progress stackops.Progress
		stack    stackops.Status
		mine     bool
		want     task.State
		reason   string
		begun    bool
	}{
		{"under way", task.Create, stackops.Underway, "CREATE_IN_PROGRESS", true, task.Starting, "", false},
		{"never begun", task.Create, stackops.NeverBegun, "", false, task.Starting, "", true},
		{"a creation whose end was lost", task.Create, stackops.Over, "CREATE_COMPLETE", true, task.InProgress, "", false},
		{"a creation that failed", task.Create, stackops.Over, "ROLLBACK_COMPLETE", true, task.Errored, "ROLLBACK_COMPLETE: Queue", false},
		{"a creation that goes on", task.Create, stackops.Over, "CREATE_IN_PROGRESS", true, task.Starting, "", false},
		{"a creation that was deleted", task.Create, stackops.Over, "DELETE_COMPLETE", true, task.Errored, "somebody deleted it", false},
		{"an update whose end was lost", task.Update, stackops.Over, "UPDATE_COMPLETE", true, task.InProgress, "", false},
		{"an update that was rolled back", task.Update, stackops.Over, "UPDATE_ROLLBACK_COMPLETE", true, task.InProgress, "UPDATE_ROLLBACK_COMPLETE: Queue", false},
		{"an update that nobody asked for", task.Update, stackops.Over, "CREATE_COMPLETE", false, task.InProgress, "had asked CloudFormation", false},
		{"an update that nobody could ask for", task.Update, stackops.Over, "UPDATE_ROLLBACK_FAILED", false, task.Errored, "had asked CloudFormation", false},
		{"somebody else's update", task.Update, stackops.Over, "UPDATE_IN_PROGRESS", false, task.Updating, "", false},
		{"a deletion whose end was lost", task.Delete, stackops.Over, "DELETE_COMPLETE", true, task.Stopped, "", false},
		{"a deletion that failed", task.Delete, stackops.Over, "DELETE_FAILED", true, task.Errored, "DELETE_FAILED: Queue", false},
		{"a deletion that nobody asked for", task.Delete, stackops.Over, "CREATE_COMPLETE", false, task.Errored, "had asked CloudFormation", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			of := operating(c.kind)
			h := newHub(t, of)
			h.workflows.progress[of.Operation.ID] = c.progress
			if c.stack != "" {
				h.stack(c.stack, c.mine)
			}
			repaired := 0
			if c.want != of.State || c.begun {
				repaired = 1
			}
			got := h.reconcile(repaired)
			if got.State != c.want || !strings.Contains(got.Reason, c.reason) || (got.Reason == "") != (c.reason == "") || (got.Reason != "") != (got.NextStep != "") {
				t.Errorf("the task is %s: %q, next %q", got.State, got.Reason, got.NextStep)
			}
			if (got.Operation == nil) != (c.want != of.State) || (len(h.sent) > 0) != (c.reason != "") {
				t.Errorf("its operation is %+v; people are told %q", got.Operation, h.sent)
			}
			if c.begun != slices.Equal(h.workflows.begun, []string{of.Operation.ID}) {
				t.Errorf("begun %q", h.workflows.begun)
			}
		})
	}
}

// A creation of which there is no trace never was.
func TestACreationWithoutATrace(t *testing.T) {
	of := operating(task.Create)
	of.Stack.ID = ""
	h := newHub(t, of)
	h.workflows.progress[of.Operation.ID] = stackops.Over
	if got := h.reconcile(1); got.State != task.Errored || !strings.Contains(got.Reason, "had asked CloudFormation") || !strings.Contains(got.NextStep, "clone") {
		t.Errorf("the task is %+v", got)
	}
}

// An operation that has only just been asked for is left to those who begin it.
func TestGrace(t *testing.T) {
	of := operating(task.Create)
	of.Operation.Begun = noon.Add(-time.Minute)
	h := newHub(t, of)
	h.workflows.fail = errors.New("not to be asked")
	h.reconcile(0)
}

func TestLostNewsOfRuns(t *testing.T) {
	open := run.Run{ID: "run-2", State: run.Copying, Started: noon.Add(-90 * time.Minute), Finder: run.FinderTotals{Queued: 10}}
	closed := open
	closed.State, closed.Finished, closed.Proved = run.Done, noon.Add(-30*time.Minute), true
	failed := closed
	failed.State, failed.Proved, failed.Error = run.Failed, false, "no such bucket"
	skipped := run.Run{ID: "run-3", State: run.Skipped, Started: noon.Add(-30 * time.Minute), Finished: noon.Add(-30 * time.Minute)}
	events := run.Run{ID: "events-20261123", Trigger: run.TriggerEvent, State: run.Copying, Started: noon.Add(-time.Hour)}
	known := func(r run.Run, ago time.Duration) *task.Run {
		return &task.Run{ID: r.ID, State: r.State, Started: r.Started, Finished: r.Finished, Told: noon.Add(-ago)}
	}
	counters := []run.Counters{{Worker: "w", Seq: 9, Outcomes: map[string]run.Tally{"DONE:stream": {Objects: 9, Bytes: 90}}}}
	for _, c := range []struct {
		name   string
		last   *task.Run
		runs   []run.Run
		state  run.State
		health task.Health
		read   int
		news   int
	}{
		{"heard of lately", known(open, 5*time.Minute), []run.Run{closed}, run.Copying, "", 0, 0},
		{"a lost end", known(open, 20*time.Minute), []run.Run{skipped, closed}, run.Done, task.Healthy, 1, 1},
		{"a lost end that is bad", known(open, 20*time.Minute), []run.Run{failed}, run.Failed, task.Failing, 1, 1},
		{"lost progress", known(open, 20*time.Minute), []run.Run{events, open}, run.Copying, "", 1, 1},
		{"a lost beginning", nil, []run.Run{open}, run.Copying, "", 1, 1},
		{"nothing lost", known(closed, 2*time.Hour), []run.Run{skipped, closed}, run.Done, "", 1, 0},
		{"a whole run lost", &task.Run{ID: "run-0", State: run.Done, Started: noon.Add(-5 * time.Hour), Finished: noon.Add(-4 * time.Hour), Told: noon.Add(-4 * time.Hour)}, []run.Run{closed}, run.Done, task.Healthy, 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			of := at(task.InProgress)
			if of.LastRun = c.last; c.last != nil && c.last.ID == closed.ID && c.last.State == run.Done {
				of.Agreement.AsOf = closed.Started
			}
			h := newHub(t, of)
			h.stack("CREATE_COMPLETE", false)
			h.runs.runs, h.runs.counters = c.runs, counters
			got := h.reconcile(c.news)
			if got.LastRun == nil || got.LastRun.State != c.state || got.Health != c.health || h.runs.read != c.read {
				t.Errorf("the last run is %+v, health %q; records were read %d times", got.LastRun, got.Health, h.runs.read)
			}
			if c.news > 0 && (got.LastRun.ID != "run-2" || got.LastRun.Copied != 9) {
				t.Errorf("the last run is %+v", got.LastRun)
			}
			if (len(h.sent) > 0) != (c.state == run.Failed) {
				t.Errorf("people are told %q", h.sent)
			}
		})
	}
}

// The proof of a run that is not the last one any more.
func TestALostProof(t *testing.T) {
	of := at(task.InProgress)
	of.LastRun = &task.Run{ID: "run-2", State: run.Copying, Started: noon.Add(-time.Hour), Told: noon.Add(-20 * time.Minute)}
	h := newHub(t, of)
	h.stack("CREATE_COMPLETE", false)
	h.runs.runs = []run.Run{
		{ID: "run-2", State: run.Copying, Started: noon.Add(-time.Hour)},
		{ID: "run-1", State: run.Done, Started: noon.Add(-2 * time.Hour), Finished: noon.Add(-time.Hour), Proved: true},
	}
	if got := h.reconcile(1); got.LastRun.ID != "run-2" || !got.Agreement.AsOf.Equal(noon.Add(-2*time.Hour)) || !got.Agreement.InSync {
		t.Errorf("last run %+v, agreement %+v", got.LastRun, got.Agreement)
	}
}

// Somebody who stops a task in the moment of its repair has the last word.
func TestARepairThatComesTooLate(t *testing.T) {
	h := newHub(t, at(task.InProgress))
	h.stack("DELETE_COMPLETE", false)
	h.tasks.Meanwhile(func() {
		_, err := task.Amend(t.Context(), h.tasks, id, func(t *task.Task) (*task.Entry, error) { *t = operating(task.Delete); t.Revision = 1; return nil, nil })
		if err != nil {
			t.Error(err)
		}
	})
	if got := h.reconcile(0); got.State != task.Stopping || got.Operation == nil {
		t.Errorf("the task is %+v", got)
	}
}

// Many tasks are looked at some at a time; one that cannot be looked at holds up no other, and is told of at the end.
func TestManyTasks(t *testing.T) {
	var all []task.Task
	for i := range 60 {
		one := at(task.InProgress)
		one.ID = fmt.Sprintf("t-%02d", i)
		one.Stack = task.Stack{Name: "DTH-" + one.ID, ID: "gone"}
		all = append(all, one)
	}
	h := newHub(t, all...)
	h.cf.Throttle(1)
	var verdicts []reconcile.Verdict
	var e reconcile.Execution
	for len(verdicts) < 10 {
		a, err := h.h.Handle(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		e, verdicts = a.Execution, append(verdicts, a.Verdict)
		if a.Verdict != reconcile.Continue {
			break
		}
	}
	if !slices.Equal(verdicts, []reconcile.Verdict{"CONTINUE", "CONTINUE", "FAILED"}) || e.Tasks != 60 || e.Repaired != 59 || e.Failed != 1 {
		t.Errorf("%v, %+v", verdicts, e)
	}
	h.tasks.Fail(errors.New("no table"))
	if _, err := h.h.Handle(t.Context(), reconcile.Execution{}); err == nil {
		t.Error("tasks that cannot be listed are no error")
	}
}
