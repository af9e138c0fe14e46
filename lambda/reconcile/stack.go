package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/datatransferhub/dth/lambda/notify"
	"github.com/datatransferhub/dth/lambda/stackops"
	"github.com/datatransferhub/dth/lambda/task"
)

// drift is what a task's record lacks.
type drift struct {
	what   string // has happened, for the audit and for people; "": nothing that they need to know
	amend  func(t *task.Task)
	reason string
	next   string
}

// stack compares a task on which no operation is under way with its stack.
func (h *Handler) stack(ctx context.Context, t *task.Task) (bool, error) {
	if !t.HasStack() && h.Now().Sub(t.Updated) > memory {
		return false, nil
	}
	s, err := h.CloudFormation.Describe(ctx, cmp.Or(t.Stack.ID, t.Stack.Name))
	if err != nil {
		return false, err
	}
	if s.Status.Usable() && t.State == task.Errored && t.Return != "" {
		return h.mend(ctx, t, &s)
	}
	d, drifted := compare(t, &s)
	if !drifted {
		return false, nil
	}
	return h.repair(ctx, t, d)
}

// compare returns what the record of a task lacks.
func compare(t *task.Task, s *stackops.Stack) (drift, bool) {
	if !t.HasStack() {
		return leftOver(t, s)
	}
	switch {
	case s.Status.Gone():
		return drift{
			what: "its stack is gone", reason: "the stack is gone: somebody deleted it in CloudFormation", next: "clone the task to have it anew, or delete it",
			amend: func(t *task.Task) {
				t.Fail("")
				t.Stack.ID, t.Stack.Outputs = "", nil
			},
		}, true
	case s.Status.Moving():
		return drift{}, false // somebody is at work on it by hand
	case s.Status.Usable() && maps.Equal(s.Outputs, t.Stack.Outputs), !s.Status.Usable() && t.State == task.Errored:
		return drift{}, false
	case s.Status.Usable():
		return drift{amend: func(t *task.Task) { t.Stack.Outputs = s.Outputs }}, true
	}
	return drift{
		what: "its stack is " + string(s.Status), reason: fmt.Sprintf("the stack is %s: %s", s.Status, cmp.Or(s.StatusReason, "CloudFormation gives no reason")),
		next:  "look at the stack's events in CloudFormation's console; put the stack right there, and the task goes on within a quarter of an hour; or stop the task",
		amend: func(t *task.Task) { t.Fail(t.State) },
	}, true
}

// leftOver is what is wrong with a task without a stack that has one all the same.
func leftOver(t *task.Task, s *stackops.Stack) (drift, bool) {
	if s.Status.Gone() || s.Status.Moving() || s.Tags[stackops.TagTask] != t.ID {
		return drift{}, false
	}
	return drift{
		what: "its stack is still there", reason: fmt.Sprintf("the stack %s is still there, %s", s.Name, s.Status), next: "stop the task, which deletes the stack",
		amend: func(t *task.Task) {
			t.Fail("")
			t.Stack.ID, t.Stack.Outputs = s.ID, s.Outputs
		},
	}, true
}

// mend lets a task in ERROR go on whose stack is whole again, as somebody put it right. An update brings the stack to what is on record
// first, which nobody knows after a change that failed; when it is like that already, CloudFormation says so.
func (h *Handler) mend(ctx context.Context, seen *task.Task, s *stackops.Stack) (bool, error) {
	t, err := task.Amend(ctx, h.Tasks, seen.ID, func(t *task.Task) (*task.Entry, error) {
		if t.Operation != nil || t.Stack.ID != seen.Stack.ID || !t.Mend(stackops.Actor, h.Now()) {
			return nil, errStale
		}
		return &task.Entry{
			Task: t.ID, At: h.Now(), By: stackops.Actor, Action: "stack whole again", Note: fmt.Sprintf("the stack is %s; the task goes on when it is brought to what is on record", s.Status),
			Changes: []task.Change{{Field: "state", Before: string(task.Errored), After: string(t.State)}},
		}, nil
	})
	if errors.Is(err, errStale) || errors.Is(err, task.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	h.Log.Warn("the stack of a task in ERROR is whole again", "task", t.ID, "status", s.Status, "operation", t.Operation.ID)
	return true, h.Workflows.Begin(ctx, t)
}

// gone passes on what went wrong, but for a task that was deleted meanwhile.
func gone(err error) error {
	if errors.Is(err, task.ErrNotFound) {
		return nil
	}
	return err
}

// errStale ends a repair of a task that somebody works on meanwhile.
var errStale = errors.New("somebody works on the task meanwhile")

// repair brings a drift into the record, and tells people. It leaves a task alone that somebody stopped or edited since it was
// compared.
func (h *Handler) repair(ctx context.Context, seen *task.Task, d drift) (bool, error) {
	stored, err := task.Amend(ctx, h.Tasks, seen.ID, func(t *task.Task) (*task.Entry, error) {
		if t.Operation != nil || t.State != seen.State || t.Stack.ID != seen.Stack.ID || t.Steering != nil && seen.Steering == nil {
			return nil, errStale
		}
		d.amend(t)
		if d.what == "" {
			return nil, nil
		}
		t.Reason, t.NextStep, t.Updated = d.reason, d.next, h.Now()
		return &task.Entry{
			Task: t.ID, At: t.Updated, By: stackops.Actor, Action: "drift found", Note: d.reason,
			Changes: []task.Change{{Field: "state", Before: string(seen.State), After: string(t.State)}},
		}, nil
	})
	if errors.Is(err, errStale) || errors.Is(err, task.ErrNotFound) {
		return false, nil
	}
	if err != nil || d.what == "" {
		return err == nil, err
	}
	h.Log.Warn("drift found", "task", seen.ID, "what", d.what, "reason", d.reason)
	h.tell(ctx, notify.About(&stored, d.what, d.reason, d.next))
	return true, nil
}
