package stackops_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/lambda/stackops"
	"github.com/datatransferhub/dth/lambda/task"
)

func TestUpdate(t *testing.T) {
	f := newFlow(t, given(task.Update)).stack(stackops.CreateComplete)
	if got := f.ends(task.InProgress, "", ""); got.PluginVersion != "1.2.3" || got.Parameters["srcBucket"] != "source" {
		t.Errorf("the task is %+v", got)
	}
	f.asked("update")
}

// A task that was paused stays so: its stack is made and changed as that of a paused task, and is paused again after a change
// that CloudFormation made or rolled back. One that runs goes on: a change that is rolled back writes schedule and fleet as they were
// in the template before, of a task that was made paused off and none, so they are brought back.
func TestTasksStayAsTheyAre(t *testing.T) {
	for _, c := range []struct {
		name                 string
		kind                 task.Kind
		after                task.State
		prepare              func(f *flow)
		state                task.State
		reason               string
		startPaused, steered string
	}{
		{"made paused", task.Create, task.Paused, func(*flow) {}, task.Paused, "", "true", ""},
		{"made to run", task.Create, task.InProgress, func(*flow) {}, task.InProgress, "", "false", ""},
		{"changed", task.Update, task.Paused, func(*flow) {}, task.Paused, "", "true", "pause " + id + "-2-update runs"},
		{"changed, when pausing fails at first", task.Update, task.Paused, func(f *flow) { f.stubborn = 3 }, task.Paused, "", "true", "pause " + id + "-2-update runs"},
		{"rolled back", task.Update, task.Paused, func(f *flow) { f.cf.FailNext("Queue (AWS::SQS::Queue) UPDATE_FAILED: no") }, task.Paused, "UPDATE_ROLLBACK_COMPLETE", "", "pause " + id + "-2-update runs"},
		{"changed while it runs", task.Update, task.InProgress, func(*flow) {}, task.InProgress, "", "false", ""},
		{"rolled back while it runs", task.Update, task.InProgress, func(f *flow) { f.cf.FailNext("Queue (AWS::SQS::Queue) UPDATE_FAILED: no") }, task.InProgress, "UPDATE_ROLLBACK_COMPLETE", "", "restore " + id + "-2-update runs"},
		{"rolled back when it is done, and nothing answers at first", task.Update, task.Done, func(f *flow) { f.stubborn = 3; f.cf.FailNext("Queue: no") }, task.Done, "UPDATE_ROLLBACK_COMPLETE", "", "restore " + id + "-2-update runs"},
		{"gone", task.Update, task.Paused, func(f *flow) { f.cf.Put(name, stackops.DeleteComplete, nil) }, task.Errored, "somebody deleted it", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			of := given(c.kind)
			of.Operation.After = c.after
			of.Parameters["startPaused"] = "false" // what somebody wrote there does not matter
			f := newFlow(t, of)
			if c.kind == task.Update {
				f.stack(stackops.CreateComplete)
				f.cf.Told(name, map[string]string{"RunTableName": "runs"})
			}
			c.prepare(f)
			f.ends(c.state, c.reason, "")
			if got := strings.Join(f.steered, ";"); got != c.steered {
				t.Errorf("steered by %q, want %q", got, c.steered)
			}
			if c.startPaused != "" && !slices.Contains(f.cf.Asked(name).Parameters, stackops.Parameter{Name: "startPaused", Value: c.startPaused}) {
				t.Errorf("asked for %v", f.cf.Asked(name).Parameters)
			}
		})
	}
}

// A status that lags behind is not taken for the end of the change.
func TestAStatusThatLagsBehind(t *testing.T) {
	f := newFlow(t, given(task.Update)).stack(stackops.CreateComplete)
	f.before = func(step string) {
		switch step {
		case "LOOK 0": // nothing is to be seen of the change
			f.cf.Put(name, stackops.CreateComplete, nil)
			f.cf.Record(name, id+"-2-update", stackops.Story{})
		case "LOOK 1":
			f.cf.Put(name, "UPDATE_ROLLBACK_COMPLETE", nil)
			f.cf.Record(name, id+"-2-update", stackops.Story{Begun: true, Failure: "Queue: no"})
		}
	}
	f.ends(task.InProgress, "UPDATE_ROLLBACK_COMPLETE: Queue: no", "goes on as before")
	f.asked("update")
}

// An update that is asked for twice, and has nothing to do the second time, succeeded.
func TestNothingToUpdate(t *testing.T) {
	f := newFlow(t, given(task.Update)).stack(stackops.UpdateComplete)
	f.cf.Refuse(stackops.ErrNoChange)
	f.ends(task.InProgress, "", "")
	f.asked("update")
}

// What goes wrong with an update: a stack that is whole leaves the task at work with the settings that it had.
func TestUpdatesThatFail(t *testing.T) {
	for _, c := range []struct {
		name         string
		prepare      func(f *flow)
		state        task.State
		reason, next string
	}{
		{"rolled back", func(f *flow) { f.cf.FailNext("Finder (AWS::EC2::LaunchTemplate) UPDATE_FAILED: bad type") }, task.InProgress, "UPDATE_ROLLBACK_COMPLETE: Finder (AWS::EC2::LaunchTemplate) UPDATE_FAILED: bad type", "goes on as before"},
		{"refused", func(f *flow) {
			f.cf.Refuse(&stackops.Refused{Doing: "changing stack", Code: "ValidationError", Message: "no template"})
		}, task.InProgress, "no template", "edit the task again"},
		{"a rollback that failed", func(f *flow) { f.cf.Put(name, "UPDATE_ROLLBACK_FAILED", nil) }, task.Errored, "UPDATE_ROLLBACK_FAILED", "continue the rollback"},
		{"a creation that had failed", func(f *flow) { f.cf.Put(name, "ROLLBACK_COMPLETE", nil) }, task.Errored, "ROLLBACK_COMPLETE", "stop the task"},
		{"deleted by hand", func(f *flow) { f.cf.Put(name, stackops.DeleteComplete, nil) }, task.Errored, "somebody deleted it", "clone the task"},
		{"deleted by hand, and said to be busy", func(f *flow) {
			f.cf.Put(name, stackops.DeleteComplete, nil)
			f.cf.Refuse(stackops.ErrBusy)
		}, task.Errored, "somebody deleted it", "clone the task"},
		{"deleted by hand meanwhile", func(f *flow) {
			f.before = func(step string) {
				if step == "LOOK 1" {
					f.cf.Put(name, stackops.DeleteInProgress, nil)
				}
				if step == "LOOK 3" {
					f.cf.Put(name, stackops.DeleteComplete, nil)
				}
			}
		}, task.Errored, "somebody deleted it", "clone the task"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFlow(t, given(task.Update)).stack(stackops.CreateComplete)
			c.prepare(f)
			got := f.ends(c.state, c.reason, c.next)
			if got.PluginVersion != "1.2.2" || got.Parameters["srcBucket"] != "before" {
				t.Errorf("the settings before are not back: %s, %v", got.PluginVersion, got.Parameters)
			}
			if gone := strings.Contains(c.name, "deleted"); got.HasStack() == gone {
				t.Errorf("the stack on record is %+v", got.Stack)
			}
		})
	}
}

// A change that somebody makes by hand is waited for.
func TestAStackThatIsBusy(t *testing.T) {
	f := newFlow(t, given(task.Update)).stack("UPDATE_IN_PROGRESS")
	f.before = func(step string) {
		if len(f.cf.Calls()) == 3 && step == "BEGIN 0" {
			f.cf.Put(name, stackops.UpdateComplete, nil)
		}
	}
	f.ends(task.InProgress, "", "")
	f.asked("update", "update", "update", "update")
}

func TestAStackThatIsBusyForEver(t *testing.T) {
	f := newFlow(t, given(task.Update)).stack("UPDATE_IN_PROGRESS")
	f.ends(task.Errored, "did not begin in 180 attempts", "CloudFormation's console")
}

func TestDelete(t *testing.T) {
	for _, from := range []stackops.Status{"CREATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "UPDATE_ROLLBACK_FAILED", "DELETE_FAILED", "CREATE_IN_PROGRESS", "REVIEW_IN_PROGRESS"} {
		t.Run(string(from), func(t *testing.T) {
			f := newFlow(t, given(task.Delete)).stack(from)
			if got := f.ends(task.Stopped, "", ""); got.HasStack() || got.Stack.Outputs != nil {
				t.Errorf("the stack on record is %+v", got.Stack)
			}
			f.asked("delete")
		})
	}
}

// A stack that is gone, or never was, leaves nothing to delete.
func TestNothingToDelete(t *testing.T) {
	f := newFlow(t, given(task.Delete)).stack(stackops.DeleteComplete)
	f.ends(task.Stopped, "", "")
	f.asked()
	f = newFlow(t, given(task.Delete)) // there never was one
	f.ends(task.Stopped, "", "")
	f.asked()
	f = newFlow(t, given(task.Delete)).stack(stackops.DeleteInProgress) // somebody is at it
	f.before = func(step string) {
		if step == "LOOK 1" {
			f.cf.Put(name, stackops.DeleteComplete, nil)
		}
	}
	f.ends(task.Stopped, "", "")
	f.asked()
}

// A stack of the right name that is not the task's stays.
func TestSomebodyElsesStackStays(t *testing.T) {
	f := newFlow(t, given(task.Delete))
	f.cf.Put(name, stackops.CreateComplete, map[string]string{stackops.TagTask: "t-another"})
	f.ends(task.Stopped, "", "")
	f.asked()
}

// Its id on record makes a stack the task's, also when somebody took its tags away.
func TestAStackWithoutTags(t *testing.T) {
	f := newFlow(t, given(task.Delete)).stack(stackops.CreateComplete)
	f.cf.Tag(name, nil)
	f.ends(task.Stopped, "", "")
	f.asked("delete")
}

func TestADeletionThatFails(t *testing.T) {
	f := newFlow(t, given(task.Delete)).stack(stackops.CreateComplete)
	f.cf.FailNext("Guard (Custom::StackGuard) DELETE_FAILED: no answer")
	if got := f.ends(task.Errored, "DELETE_FAILED: Guard", "stop the task again"); !got.HasStack() {
		t.Error("the stack is forgotten")
	}
	f = newFlow(t, given(task.Delete)).stack(stackops.CreateComplete)
	f.cf.Refuse(&stackops.Refused{Doing: "deleting stack", Code: "ValidationError", Message: "TerminationProtection is enabled"})
	f.ends(task.Errored, "TerminationProtection", "stop the task again")
}

// A change under way is cut short when the task is stopped.
func TestStopDuringUpdate(t *testing.T) {
	f := newFlow(t, given(task.Delete)).stack(stackops.UpdateInProgress)
	f.ends(task.Stopped, "", "")
	f.asked("cancel", "delete", "delete")
}

// stop asks for the deletion of the task's stack, as a person does in between.
func (f *flow) stop() {
	f.t.Helper()
	_, err := task.Amend(f.t.Context(), f.tasks, id, func(t *task.Task) (*task.Entry, error) {
		t.State, t.Operation = task.Stopping, given(task.Delete).Operation
		return nil, nil
	})
	must(f.t, err)
}

// A task that is stopped while its stack is being created, at whatever step, is stopped and has no stack; the workflow of the
// creation changes nothing any more.
func TestStopDuringStart(t *testing.T) {
	for _, at := range []string{"BEGIN 0", "LOOK 0", "LOOK 1", "LOOK 2", "SETTLE 2"} {
		for _, first := range []string{"create", "delete"} {
			t.Run(at+" "+first, func(t *testing.T) {
				f := newFlow(t, given(task.Create))
				deleting := func() {
					stopped := f.get()
					f.before = func(string) {}
					f.run(stackops.Of(&stopped))
				}
				reached := false
				f.before = func(step string) {
					if reached = step == at; reached {
						f.before = func(string) {}
						f.stop()
						if first == "delete" {
							deleting()
						}
					}
				}
				of := given(task.Create)
				f.run(stackops.Of(&of))
				if first == "create" {
					deleting()
				}
				for range 3 { // whoever deletes last does not wait for it
					_, err := f.cf.Describe(t.Context(), name)
					must(t, err)
				}
				if got := f.get(); got.State != task.Stopped || got.Operation != nil || !f.cf.Status(name).Gone() {
					t.Errorf("the task is %s, its stack %s; asked for %q", got.State, f.cf.Status(name), f.cf.Calls())
				}
			})
		}
	}
}

// The worst moment: the stop sees no stack, because the creation has not been asked for yet, and is through before it is.
func TestStopInTheMomentOfCreation(t *testing.T) {
	f := newFlow(t, given(task.Create))
	f.tasks.Meanwhile(func() { // after CreateStack, before its id is on record
		f.stop()
		stopped := f.get()
		stopped.State, stopped.Operation = task.Stopped, nil
		_, err := f.tasks.Update(t.Context(), stopped, nil)
		must(t, err)
	})
	of := given(task.Create)
	f.run(stackops.Of(&of))
	f.asked("create", "delete")
	if got := f.get(); got.State != task.Stopped || got.HasStack() {
		t.Errorf("the task is %+v", got)
	}
}

// The stack of a task that was stopped cannot be deleted while it is rolled back: that is waited for.
func TestStopDuringRollback(t *testing.T) {
	f := newFlow(t, given(task.Create))
	f.cf.FailNext("no capacity")
	f.before = func(step string) {
		if step == "LOOK 2" {
			f.stop()
			stopped := f.get()
			stopped.State, stopped.Operation = task.Stopped, nil
			_, err := f.tasks.Update(t.Context(), stopped, nil)
			must(t, err)
			f.cf.Put(name, "ROLLBACK_IN_PROGRESS", nil)
		}
		if step == "LOOK 4" {
			f.cf.Put(name, "ROLLBACK_COMPLETE", nil)
		}
	}
	of := given(task.Create)
	f.run(stackops.Of(&of))
	f.asked("create", "delete", "delete", "delete")
	if got := f.cf.Status(name); got != stackops.DeleteInProgress {
		t.Errorf("the stack is %s", got)
	}
}

// An execution of an operation that is no longer the task's, or whose task is gone, leaves no trace.
func TestLateExecutions(t *testing.T) {
	for _, step := range []stackops.Step{stackops.Begin, stackops.Look, stackops.Settle} {
		late := given(task.Update)
		e := stackops.Of(&late)
		e.Outcome = &task.Outcome{Operation: e.Operation, OK: true}
		now := given(task.Delete)
		f := newFlow(t, now)
		for _, id := range []string{now.ID, "t-gone"} {
			e.Task = id
			a, err := f.h.Handle(t.Context(), stackops.Call{Step: step, Execution: e})
			if err != nil || a.Next != stackops.End {
				t.Errorf("%s: %+v, %v", step, a, err)
			}
		}
		if got := f.get(); got.State != task.Stopping || got.Revision != now.Revision || len(f.cf.Calls()) > 0 {
			t.Errorf("%s: the task is %+v", step, got)
		}
	}
}

// The news of a run, which come at any time, do not get in the way.
func TestRecordsThatOthersWrite(t *testing.T) {
	f := newFlow(t, given(task.Create))
	f.before = func(step string) {
		if strings.HasPrefix(step, "SETTLE") {
			f.tasks.Meanwhile(func() {
				got := f.get()
				got.Health = task.Healthy
				_, err := f.tasks.Update(t.Context(), got, nil)
				must(t, err)
			})
		}
	}
	if got := f.ends(task.InProgress, "", ""); got.Health != task.Healthy {
		t.Error("what somebody else wrote is gone")
	}
}

// A workflow one of whose steps never works says so in the record; what the Lambda said is in it.
func TestBrokenSteps(t *testing.T) {
	for cause, want := range map[string]string{
		`{"errorMessage":"throttled","errorType":"errorString"}`: "could not go on: throttled",
		"not JSON": "could not go on: not JSON",
		"":         "could not go on: States.Timeout",
	} {
		f := newFlow(t, given(task.Create))
		e := stackops.Of(new(given(task.Create)))
		e.Error = &stackops.StepError{Error: "States.Timeout", Cause: cause}
		a, err := f.h.Handle(t.Context(), stackops.Call{Step: stackops.Settle, Execution: e})
		if got := f.get(); err != nil || a.Next != stackops.End || got.State != task.Errored || !strings.HasSuffix(got.Reason, want) {
			t.Errorf("%q: %q, %v", cause, got.Reason, err)
		}
	}
}

// What cannot be read or written is an error, upon which the state machine tries again.
func TestFailuresAreTriedAgain(t *testing.T) {
	f := newFlow(t, given(task.Create))
	f.tasks.Fail(errors.New("no table"))
	e := stackops.Of(new(given(task.Create)))
	for _, step := range []stackops.Step{stackops.Begin, stackops.Look, stackops.Settle, "DANCE"} {
		if _, err := f.h.Handle(t.Context(), stackops.Call{Step: step, Execution: e}); err == nil {
			t.Errorf("%s: no error", step)
		}
	}
	f.tasks.Fail(nil)
	f.cf.Throttle(100)
	for _, step := range []stackops.Step{stackops.Begin, stackops.Look} {
		if _, err := f.h.Handle(t.Context(), stackops.Call{Step: step, Execution: e}); err == nil || !strings.Contains(err.Error(), "rate exceeded") {
			t.Errorf("%s: %v", step, err)
		}
	}
}
