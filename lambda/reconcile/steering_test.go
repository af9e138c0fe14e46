package reconcile_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/datatransferhub/dth/lambda/reconcile"
	"github.com/datatransferhub/dth/lambda/stackops"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/worker/run"
)

// A pause or a resume that broke off is finished when its stack had begun with it, and undone when not.
func TestSteeringThatBrokeOff(t *testing.T) {
	refused := &task.Error{Code: task.WrongState, Message: "no capacity"}
	for _, c := range []struct {
		name    string
		from    task.State
		paused  bool // says the note
		refuse  error
		ago     time.Duration
		want    task.State
		steered string
		entry   string // of the audit; "": nothing is done
	}{
		{"a pause that had begun", task.InProgress, true, nil, time.Hour, task.Paused, "pause r-1", "paused"},
		{"a pause that had not", task.InProgress, false, nil, time.Hour, task.InProgress, "", "not paused"},
		{"a resume that had begun", task.Paused, false, nil, time.Hour, task.InProgress, "resume r-1", "resumed"},
		{"a resume that had not", task.Paused, true, nil, time.Hour, task.Paused, "pause r-1", "not resumed"},
		{"a resume that is refused", task.Paused, false, refused, time.Hour, task.Paused, "resume r-1", "not resumed"},
		{"somebody is at it", task.InProgress, true, nil, time.Minute, task.InProgress, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			of := at(c.from)
			to := map[task.State]task.State{task.InProgress: task.Paused, task.Paused: task.InProgress}[c.from]
			of.Steering = &task.Steering{ID: "r-1", To: to, Asked: noon.Add(-c.ago), By: "ada"}
			h := newHub(t, of)
			h.stack("CREATE_COMPLETE", false)
			h.runs.note, h.refuse = run.Pause{Paused: c.paused, Since: noon.Add(-c.ago)}, c.refuse
			repaired := 0
			if c.entry != "" {
				repaired = 1
			}
			got := h.reconcile(repaired)
			if got.State != c.want || (got.Steering == nil) != (c.entry != "") || strings.Join(h.steered, ";") != c.steered {
				t.Errorf("the task is %s, %+v; asked for %q", got.State, got.Steering, h.steered)
			}
			if all := h.tasks.Entries(); len(all) != repaired || repaired == 1 && !strings.HasSuffix(all[0].Action+all[0].Note, c.entry) {
				t.Errorf("the audit is %+v", all)
			}
			h.runs.note.Paused = got.State == task.Paused
			if got.Steering == nil {
				h.reconcile(0)
			}
		})
	}
}

// A stack that does not answer is asked again the next time.
func TestSteeringThatCannotBeFinished(t *testing.T) {
	of := at(task.Paused)
	of.Steering = &task.Steering{ID: "r-1", To: task.InProgress, Asked: noon.Add(-time.Hour)}
	h := newHub(t, of)
	h.stack("CREATE_COMPLETE", false)
	h.runs.note, h.refuse = run.Pause{}, errors.New("no function")
	a, err := h.h.Handle(t.Context(), reconcile.Execution{})
	if err != nil || a.Execution.Failed != 1 {
		t.Errorf("%+v, %v", a, err)
	}
	h.refuse = nil
	if got := h.reconcile(1); got.State != task.InProgress {
		t.Errorf("the task is %s", got.State)
	}
}

// A stack that somebody paused or resumed beside the hub does what its note says: the record says so, too, and people are told.
func TestStacksThatWereSteeredBesideTheHub(t *testing.T) {
	hours := noon.Add(-3 * time.Hour)
	for _, c := range []struct {
		name    string
		from    task.State
		note    run.Pause
		want    task.State
		steered string
		told    string
	}{
		{"paused", task.InProgress, run.Pause{Paused: true, Since: hours}, task.Paused, "", "paused beside the hub"},
		{"resumed", task.Paused, run.Pause{Since: hours}, task.InProgress, "", "resumed beside the hub"},
		{"paused a moment ago", task.InProgress, run.Pause{Paused: true, Since: noon.Add(-time.Second)}, task.InProgress, "", ""},
		{"never told that it is paused", task.Paused, run.Pause{}, task.Paused, "pause reconcile-" + id, ""},
		{"done", task.Done, run.Pause{Paused: true, Since: hours}, task.Done, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHub(t, at(c.from))
			h.stack("CREATE_COMPLETE", false)
			h.runs.note = c.note
			repaired := 0
			if c.told+c.steered != "" {
				repaired = 1
			}
			got := h.reconcile(repaired)
			if got.State != c.want || !strings.Contains(got.Reason, c.told) || strings.Join(h.steered, ";") != c.steered {
				t.Errorf("the task is %s: %q; asked for %q", got.State, got.Reason, h.steered)
			}
			if told := strings.Join(h.sent, ";"); (told == "") != (c.told == "") || !strings.Contains(told, c.told) {
				t.Errorf("people are told %q", told)
			}
		})
	}
}

// A task in ERROR goes on as it was before when somebody put its stack right; an update brings the stack to what is on record first.
func TestAStackThatWasPutRight(t *testing.T) {
	for _, c := range []struct {
		name   string
		before task.State
		status stackops.Status
		mended bool
	}{
		{"of a task that ran", task.InProgress, "UPDATE_ROLLBACK_COMPLETE", true},
		{"of a task that was paused", task.Paused, "UPDATE_COMPLETE", true},
		{"not yet", task.InProgress, "UPDATE_ROLLBACK_FAILED", false},
		{"of a task that was to be stopped", "", "CREATE_COMPLETE", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			of := at(task.Errored)
			of.Return, of.Reason, of.Parameters = c.before, "UPDATE_ROLLBACK_FAILED", map[string]string{"srcBucket": "source"}
			h := newHub(t, of)
			h.stack(c.status, false)
			repaired := 0
			if c.mended {
				repaired = 1
			}
			got := h.reconcile(repaired)
			if !c.mended {
				if got.State != task.Errored || len(h.workflows.begun) > 0 {
					t.Errorf("the task is %s, begun %q", got.State, h.workflows.begun)
				}
				return
			}
			if got.State != task.Updating || got.Operation.After != c.before || got.Operation.Kind != task.Update || len(h.workflows.begun) != 1 {
				t.Fatalf("the task is %s with %+v, begun %q", got.State, got.Operation, h.workflows.begun)
			}
			if !got.Settle(task.Outcome{Operation: got.Operation.ID, OK: true}, noon) || got.State != c.before || got.Reason != "" || got.Parameters["srcBucket"] != "source" {
				t.Errorf("it goes on %s: %q with %v", got.State, got.Reason, got.Parameters)
			}
		})
	}
}

// Drift remembers where the task was, so that it comes back there.
func TestDriftRemembersWhereTheTaskWas(t *testing.T) {
	h := newHub(t, at(task.Paused))
	h.stack("UPDATE_ROLLBACK_FAILED", false)
	if got := h.reconcile(1); got.State != task.Errored || got.Return != task.Paused {
		t.Errorf("the task is %s and goes on %q", got.State, got.Return)
	}
	h.stack("UPDATE_ROLLBACK_COMPLETE", false)
	if got := h.reconcile(1); got.State != task.Updating || got.Operation.After != task.Paused {
		t.Errorf("the task is %s with %+v", got.State, got.Operation)
	}
}

// A one-time task whose proof came while it could not be done is done.
func TestAProofThatCameTooEarly(t *testing.T) {
	of := at(task.InProgress)
	of.Schedule.Kind, of.LastRun.State = task.Once, run.Done
	of.Agreement = task.Agreement{RunID: of.LastRun.ID, InSync: true, AsOf: of.LastRun.Started}
	h := newHub(t, of)
	h.stack("CREATE_COMPLETE", false)
	if got := h.reconcile(1); got.State != task.Done || len(h.tasks.Entries()) != 1 {
		t.Errorf("the task is %s", got.State)
	}
}

// The lost end of a rolled-back update halts nothing.
func TestALostRollbackOfATaskThatRuns(t *testing.T) {
	of := operating(task.Update)
	h := newHub(t, of)
	h.workflows.progress[of.Operation.ID] = stackops.Over
	h.stack("UPDATE_ROLLBACK_COMPLETE", true)
	if got := h.reconcile(1); got.State != task.InProgress || strings.Join(h.steered, ";") != "restore "+of.Operation.ID {
		t.Errorf("the task is %s; asked for %q", got.State, h.steered)
	}
}
