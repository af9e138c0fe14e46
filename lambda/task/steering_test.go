package task_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/worker/run"
)

// A pause is on record before the stack is asked, and stays there when nobody knows how far the stack came: the same call finishes it
// with the same request, and nothing is edited meanwhile.
func TestAPauseThatBreaksOff(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	made := o.create(input("Photos"))
	o.engine.fail = errors.New("connection reset")
	if _, err := o.Pause(ctx, operator, made.ID); !task.Is(err, task.Unavailable) {
		t.Errorf("the error is %v", err)
	}
	got := o.must(o.Get(ctx, viewer, made.ID))
	if got.State != task.InProgress || got.Steering == nil || got.Steering.To != task.Paused || got.Steering.By != "olaf" {
		t.Fatalf("it is %s with %+v", got.State, got.Steering)
	}
	if _, err := o.Update(ctx, admin, task.UpdateInput{ID: made.ID, Parameters: parameters("maxCapacity", "5")}); !task.Is(err, task.WrongState) || !strings.Contains(err.Error(), "being paused") {
		t.Errorf("an edit in between: %v", err)
	}
	o.engine.fail = nil
	paused := o.must(o.Pause(ctx, operator, made.ID))
	if paused.State != task.Paused || paused.Steering != nil || len(o.engine.asked) != 1 || o.engine.asked[0] != "pause "+got.Steering.ID {
		t.Errorf("it is %s with %+v; asked %q, want that of %s", paused.State, paused.Steering, o.engine.asked, got.Steering.ID)
	}
}

// What the stack refuses is not on record, and whoever asked is told why.
func TestAResumeThatIsRefused(t *testing.T) {
	o := newOffice(t)
	quiet := input("Quiet")
	quiet.Start = false
	made := o.create(quiet)
	o.engine.fail = &task.Error{Code: task.WrongState, Message: "the task stays paused: no capacity"}
	if _, err := o.Resume(t.Context(), operator, made.ID); !task.Is(err, task.WrongState) || !strings.Contains(err.Error(), "no capacity") {
		t.Errorf("the error is %v", err)
	}
	if got := o.must(o.Get(t.Context(), viewer, made.ID)); got.State != task.Paused || got.Steering != nil {
		t.Errorf("it is %s with %+v", got.State, got.Steering)
	}
}

// A stop has the last word over a pause that is under way.
func TestStopDuringAPause(t *testing.T) {
	o := newOffice(t)
	made := o.create(input("Photos"))
	o.engine.during = func() { o.must(o.Stop(t.Context(), admin, made.ID)) }
	if _, err := o.Pause(t.Context(), operator, made.ID); !task.Is(err, task.WrongState) {
		t.Errorf("the error is %v", err)
	}
	if got := o.must(o.Get(t.Context(), viewer, made.ID)); got.State != task.Stopping || got.Steering != nil {
		t.Errorf("it is %s with %+v", got.State, got.Steering)
	}
}

// The end of a run that comes while the task is being paused makes it neither DONE nor lost.
func TestAProofDuringAPause(t *testing.T) {
	o := newOffice(t)
	once := input("Once")
	once.Parameters = parameters("ec2CronExpression", "")
	made := o.create(once)
	o.engine.fail = errors.New("no answer")
	_, _ = o.Pause(t.Context(), operator, made.ID)
	proved := o.must(task.Amend(t.Context(), o.Store, made.ID, func(t *task.Task) (*task.Entry, error) { t.Observe(told("1", 0, 50, run.Done), o.now); return nil, nil }))
	if proved.State != task.InProgress {
		t.Fatalf("it is %s", proved.State)
	}
	undone := o.must(task.Amend(t.Context(), o.Store, made.ID, func(t *task.Task) (*task.Entry, error) {
		t.NotSteered(t.Steering.ID, o.now)
		return nil, nil
	}))
	if undone.State != task.Done {
		t.Errorf("when the pause is withdrawn it is %s", undone.State)
	}
}

// The pass that a resume begins with may be through before the record says that the task goes on: it is done then. The pass of before the
// pause is not its end.
func TestAProofDuringAResume(t *testing.T) {
	for begun, want := range map[time.Duration]task.State{-time.Hour: task.InProgress, time.Minute: task.Done} {
		of := task.Task{State: task.Paused, Settings: task.Settings{Schedule: task.Schedule{Kind: task.Once}}, Steering: &task.Steering{ID: "r", To: task.InProgress, Asked: noon}}
		p := told("1", 0, 0, run.Done)
		p.Started, p.Finished, p.Told = noon.Add(begun), noon.Add(begun+time.Second), noon.Add(begun+time.Second)
		of.Observe(p, noon)
		if e := of.Steered("r", "olaf", noon.Add(time.Hour)); e == nil || of.State != want || e.Changes[0].After != string(want) {
			t.Errorf("begun %s after it was asked for: it is %s, %+v", begun, of.State, e)
		}
	}
}

// A run that is proved while the stack is changed, or the task in ERROR, is the end of a one-time task all the same; one that was
// proved before somebody asked for another is not.
func TestAProofDuringAnUpdate(t *testing.T) {
	for _, c := range []struct {
		name  string
		ends  func(o *office, t task.Task) task.Task
		state task.State
	}{
		{"changed", func(o *office, t task.Task) task.Task { return o.settle(t, task.Outcome{OK: true}) }, task.Done},
		{"rolled back", func(o *office, t task.Task) task.Task { return o.settle(t, task.Outcome{RolledBack: true}) }, task.Done},
		{"in error, and mended", func(o *office, t task.Task) task.Task {
			t = o.settle(t, task.Outcome{Reason: "UPDATE_ROLLBACK_FAILED"})
			if t.State != task.Errored || t.Return != task.InProgress {
				o.t.Errorf("it is %s and goes on %q", t.State, t.Return)
			}
			return o.settle(o.must(o.Update(o.t.Context(), admin, task.UpdateInput{ID: t.ID, Parameters: t.Parameters})), task.Outcome{OK: true})
		}, task.Done},
		{"run again meanwhile", func(o *office, t task.Task) task.Task {
			t = o.must(task.Amend(o.t.Context(), o.Store, t.ID, func(t *task.Task) (*task.Entry, error) {
				t.Wanted = t.LastRun.Finished.Add(1)
				return nil, nil
			}))
			return o.settle(t, task.Outcome{OK: true})
		}, task.InProgress},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := newOffice(t)
			once := input("Once")
			once.Parameters = parameters("ec2CronExpression", "")
			made := o.create(once)
			edited := o.must(o.Update(t.Context(), admin, task.UpdateInput{ID: made.ID, Parameters: parameters("ec2CronExpression", "", "maxCapacity", "5")}))
			proved := o.must(task.Amend(t.Context(), o.Store, made.ID, func(t *task.Task) (*task.Entry, error) { t.Observe(told("1", 0, 50, run.Done), o.now); return nil, nil }))
			if edited.State != task.Updating || proved.State != task.Updating {
				t.Fatalf("it is %s, then %s", edited.State, proved.State)
			}
			if got := c.ends(o, proved); got.State != c.state {
				t.Errorf("it ends %s", got.State)
			}
		})
	}
}

// A paused task that came into ERROR is paused when it is edited, also with the parameters that it has.
func TestAnEditLeadsOutOfError(t *testing.T) {
	o := newOffice(t)
	made := o.create(input("Photos"))
	o.must(o.Pause(t.Context(), operator, made.ID))
	edited := o.must(o.Update(t.Context(), admin, task.UpdateInput{ID: made.ID, Parameters: parameters("maxCapacity", "5")}))
	failed := o.settle(edited, task.Outcome{Reason: "UPDATE_ROLLBACK_FAILED", NextStep: "continue the rollback"})
	if failed.State != task.Errored || failed.Return != task.Paused {
		t.Fatalf("it is %s and goes on %q", failed.State, failed.Return)
	}
	again := o.must(o.Update(t.Context(), admin, task.UpdateInput{ID: made.ID, Parameters: failed.Parameters}))
	if again.State != task.Updating || again.Operation.After != task.Paused || again.Edition != failed.Edition {
		t.Fatalf("the same parameters once more make it %s with %+v", again.State, again.Operation)
	}
	if got := o.settle(again, task.Outcome{OK: true}); got.State != task.Paused || got.Return != "" || got.Reason != "" {
		t.Errorf("it ends %s: %q", got.State, got.Reason)
	}
}

// A deletion that failed leads nowhere but to a person: nothing goes on by itself that was to be stopped.
func TestADeletionThatFailedGoesNowhere(t *testing.T) {
	o := newOffice(t)
	stopping := o.must(o.Stop(t.Context(), admin, o.create(input("Photos")).ID))
	if got := o.settle(stopping, task.Outcome{Reason: "DELETE_FAILED"}); got.State != task.Errored || got.Return != "" || got.Mend("hub", o.now) {
		t.Errorf("it is %s and goes on %q", got.State, got.Return)
	}
}

// A parameter that is given and empty is another than one that is left out, which has the default.
func TestAParameterThatIsEmptied(t *testing.T) {
	o := newOffice(t)
	made := o.create(input("Photos"))
	got := o.must(o.Update(t.Context(), admin, task.UpdateInput{ID: made.ID, Parameters: parameters("ec2CronExpression", "")}))
	if got.State != task.Updating || got.Schedule.Kind != task.Once {
		t.Errorf("it is %s and runs %s", got.State, got.Schedule.Kind)
	}
}

// The id of a task that was deleted comes back with its token; the ids of its operations do not.
func TestATokenAfterItsTaskWasDeleted(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	in := input("Photos")
	in.ClientToken = "one"
	first := o.create(in)
	o.settle(o.must(o.Stop(ctx, admin, first.ID)), task.Outcome{OK: true, Gone: true})
	o.must(o.Delete(ctx, admin, first.ID))
	second := o.must(o.Create(ctx, admin, in))
	if second.ID != first.ID || len(o.engine.begun) != 3 {
		t.Fatalf("made is %s after %s, begun %+v", second.ID, first.ID, o.engine.begun)
	}
	if a, b := o.engine.begun[0].ID, o.engine.begun[2].ID; a == b || len(b) > 70 {
		t.Errorf("the creations are %s and %s; names of executions are never free again", a, b)
	}
}

// A token says which creation it was of for as long as its task lives, however the task is now.
func TestATokenOfAnotherCreation(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	in := input("Photos")
	in.ClientToken = "one"
	made := o.create(in)
	o.settle(o.must(o.Update(ctx, admin, task.UpdateInput{ID: made.ID, Parameters: parameters("destBucket", "archive", "maxCapacity", "7")})), task.Outcome{OK: true})
	if again := o.must(o.Create(ctx, admin, in)); again.ID != made.ID || again.Parameters["maxCapacity"] != "7" {
		t.Errorf("the same creation gives %+v", again)
	}
	for name, change := range map[string]func(*task.CreateInput){
		"parameters":         func(in *task.CreateInput) { in.Parameters = parameters("maxCapacity", "7") },
		"an empty parameter": func(in *task.CreateInput) { in.Parameters = parameters("ec2CronExpression", "") },
		"name":               func(in *task.CreateInput) { in.Name = "Other" },
		"start":              func(in *task.CreateInput) { in.Start = false },
	} {
		other := in
		change(&other)
		if _, err := o.Create(ctx, admin, other); !task.Is(err, task.Conflict) {
			t.Errorf("another %s: %v", name, err)
		}
	}
}

// One token of two wishes asks for two things.
func TestOneTokenOfTwoWishes(t *testing.T) {
	o := newOffice(t)
	made := o.create(input("Photos"))
	o.must(o.Run(t.Context(), operator, made.ID, "now"))
	o.must(o.Retry(t.Context(), operator, made.ID, task.Retry{}, "now"))
	_, run, _ := strings.Cut(o.engine.asked[0], " ")
	if strings.HasSuffix(o.engine.asked[1], run) {
		t.Errorf("asked was %q", o.engine.asked)
	}
	page, err := o.Audit(t.Context(), viewer, made.ID, 1, "")
	if err != nil || page.Entries[0].Action != "asked to retry" || !strings.Contains(page.Entries[0].Note, "in run r-") {
		t.Errorf("audited is %+v, %v", page.Entries, err)
	}
}
