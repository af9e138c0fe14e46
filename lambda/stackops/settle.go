package stackops

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/datatransferhub/dth/lambda/notify"
	"github.com/datatransferhub/dth/lambda/task"
)

// Actor signs what the hub itself changes, in the audit.
const Actor = "hub"

// settle brings the end of the operation into the task's record.
func (h *Handler) settle(ctx context.Context, e Execution) (Answer, error) {
	o := e.Outcome
	if o == nil {
		o = broken(&e)
	}
	t, mine, err := h.current(ctx, &e)
	if err != nil {
		return Answer{}, err
	}
	if mine {
		if err := Hold(ctx, h.Stacks, t, o); err != nil {
			return Answer{}, err
		}
	}
	t, changed, err := Write(ctx, h.Tasks, e.Task, *o, h.Now())
	if err != nil {
		return Answer{}, err
	}
	if !changed {
		return h.end(e, "a newer operation took its place"), nil
	}
	if !o.OK {
		// What is on record is not written again by a repetition of this step, so this is the only try.
		if err := h.Notify(ctx, notify.About(&t, "its stack was not "+verb(e.Kind), o.Reason, o.NextStep)); err != nil {
			h.Log.Error("people could not be told of a failure", "task", e.Task, "error", err)
		}
	}
	return Answer{Next: End, Execution: e}, nil
}

// Hold brings the schedule and the fleet of a task back to how they were before its stack was changed. A change writes them as its
// template says: of a paused task, not as they are. One that is rolled back writes them as the template said before: of a task that
// was made paused and goes on since, off and none.
func Hold(ctx context.Context, stacks Steered, t task.Task, o *task.Outcome) error {
	op := t.Operation
	if op.Kind != task.Update || !o.OK && !o.RolledBack {
		return nil
	}
	if o.Outputs != nil {
		t.Stack.Outputs = o.Outputs
	}
	switch {
	case op.After == task.Paused:
		if err := stacks.Pause(ctx, t, op.ID); err != nil {
			return fmt.Errorf("pausing stack %s again: %w", t.Stack.Name, err)
		}
	case o.RolledBack:
		if err := stacks.Restore(ctx, t, op.ID); err != nil {
			return fmt.Errorf("bringing back the schedule and the fleet of stack %s: %w", t.Stack.Name, err)
		}
	}
	return nil
}

// broken is the outcome of an operation one of whose steps could not be made for hours.
func broken(e *Execution) *task.Outcome {
	why := "no step of the workflow says why"
	if e.Error != nil {
		why = e.Error.said()
	}
	return &task.Outcome{
		Operation: e.Operation, Reason: "the workflow could not go on: " + why,
		NextStep: "see that the hub can reach CloudFormation; the log of the Lambda stackops tells more. Then stop the task",
	}
}

// said is what the Lambda's own error says, or what Step Functions says of it.
func (s *StepError) said() string {
	var own struct {
		Message string `json:"errorMessage"`
	}
	if json.Unmarshal([]byte(s.Cause), &own) == nil && own.Message != "" {
		return own.Message
	}
	return cmp.Or(s.Cause, s.Error)
}

// errNothing ends an amendment that has nothing to write.
var errNothing = errors.New("nothing to write")

// Write brings an outcome into a task's record, and reports whether it did: where a newer operation took the place of that of
// the outcome, or the task is gone, nothing is written. It returns the task as it is stored then.
func Write(ctx context.Context, tasks task.Store, id string, o task.Outcome, now time.Time) (task.Task, bool, error) {
	t, err := task.Amend(ctx, tasks, id, func(t *task.Task) (*task.Entry, error) {
		if t.Operation == nil || t.Operation.ID != o.Operation {
			return nil, errNothing
		}
		from, kind := t.State, t.Operation.Kind
		t.Settle(o, now)
		return entry(t, from, kind, &o), nil
	})
	switch {
	case errors.Is(err, errNothing), errors.Is(err, task.ErrNotFound):
		return task.Task{}, false, nil
	case err != nil:
		return task.Task{}, false, fmt.Errorf("writing the end of operation %s: %w", o.Operation, err)
	}
	return t, true, nil
}

// entry tells the audit of an operation's end.
func entry(t *task.Task, from task.State, k task.Kind, o *task.Outcome) *task.Entry {
	e := &task.Entry{
		Task: t.ID, At: t.Updated, By: Actor, Action: "stack " + verb(k), Note: o.Reason,
		Changes: []task.Change{{Field: "state", Before: string(from), After: string(t.State)}},
	}
	if !o.OK {
		e.Action = "stack not " + verb(k)
	}
	return e
}

// verb is what an operation does to a stack.
func verb(k task.Kind) string {
	switch k {
	case task.Create:
		return "created"
	case task.Delete:
		return "deleted"
	}
	return "changed"
}
