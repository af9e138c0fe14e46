package stackops

import (
	"context"
	"errors"
	"fmt"

	"github.com/datatransferhub/dth/lambda/task"
)

// begin asks CloudFormation for what the operation needs. An execution that continues another has asked already.
func (h *Handler) begin(ctx context.Context, e Execution) (Answer, error) {
	if e.Asked {
		return Answer{Next: Look, Wait: 1, Execution: e}, nil
	}
	t, mine, err := h.current(ctx, &e)
	if err != nil {
		return Answer{}, err
	}
	if !mine {
		return h.end(e, "a newer operation took its place"), nil
	}
	switch e.Kind {
	case task.Create:
		return h.create(ctx, t, e)
	case task.Update:
		return h.update(ctx, t, e)
	case task.Delete:
		return h.remove(ctx, t, e)
	}
	return known(e, task.Outcome{Reason: fmt.Sprintf("%q is no operation on stacks", e.Kind), NextStep: "stop the task"}), nil
}

// asked goes on to the first look.
func asked(e Execution) Answer {
	e.Asked = true
	return Answer{Next: Look, Wait: pause(e.Looks), Execution: e}
}

// again asks once more after a while, for as long as the workflow's patience lasts.
func again(e Execution, why error) Answer {
	e.Asked = false
	if e.Begins++; e.Begins >= maxBegins {
		return known(e, task.Outcome{
			Reason: fmt.Sprintf("CloudFormation did not begin in %d attempts: %v", e.Begins, why), NextStep: "look at the stack in CloudFormation's console, then try again",
		})
	}
	return Answer{Next: Begin, Wait: pause(e.Begins), Execution: e}
}

func (h *Handler) create(ctx context.Context, t task.Task, e Execution) (Answer, error) {
	change, err := h.Templates.Change(&t)
	if err != nil {
		return known(e, task.Outcome{Gone: true, Reason: err.Error(), NextStep: "clone the task with other parameters, and delete this one"}), nil
	}
	id, err := h.CloudFormation.Create(ctx, change)
	if errors.Is(err, ErrExists) {
		return h.adopt(ctx, t, e)
	}
	if refused := (*Refused)(nil); errors.As(err, &refused) {
		return known(e, task.Outcome{Gone: true, Reason: refused.Error(), NextStep: "put right what CloudFormation names, clone the task, and delete this one"}), nil
	}
	if err != nil {
		return Answer{}, fmt.Errorf("creating stack %s: %w", t.Stack.Name, err)
	}
	return h.created(ctx, e, id)
}

// adopt goes on with a stack of the right name that is there: that of an attempt whose answer was lost, when its tag says so.
func (h *Handler) adopt(ctx context.Context, t task.Task, e Execution) (Answer, error) {
	s, err := h.CloudFormation.Describe(ctx, t.Stack.Name)
	if err != nil {
		return Answer{}, err
	}
	switch {
	case s.Status.Gone():
		return again(e, ErrExists), nil
	case s.Tags[TagTask] != t.ID:
		return known(e, task.Outcome{
			Gone: true, Reason: fmt.Sprintf("a stack %s that is not this task's is there already", t.Stack.Name), NextStep: "delete that stack in CloudFormation, or clone the task, and delete this one",
		}), nil
	}
	return h.created(ctx, e, s.ID)
}

// created puts the stack's id on record, so that whoever stops the task now finds the stack. When somebody stopped it in this
// very moment, and saw no stack yet, the stack is deleted here.
func (h *Handler) created(ctx context.Context, e Execution, id string) (Answer, error) {
	e.Stack = id
	_, err := task.Amend(ctx, h.Tasks, e.Task, func(t *task.Task) (*task.Entry, error) {
		if t.Operation == nil || t.Operation.ID != e.Operation {
			return nil, errNothing
		}
		t.Stack.ID = id
		return nil, nil
	})
	switch {
	case err == nil:
		return asked(e), nil
	case !errors.Is(err, errNothing) && !errors.Is(err, task.ErrNotFound):
		return Answer{}, fmt.Errorf("noting the stack of task %s: %w", e.Task, err)
	}
	t, _, err := h.current(ctx, &e)
	if err != nil {
		return Answer{}, err
	}
	return h.abandon(ctx, &t, e)
}

// abandon ends the execution of a creation that nobody wants any more. t is the zero task when it is gone.
func (h *Handler) abandon(ctx context.Context, t *task.Task, e Execution) (Answer, error) {
	unwanted := t.ID == "" || t.State == task.Stopping || t.State == task.Stopped
	if !unwanted || e.Kind != task.Create {
		return h.end(e, "a newer operation took its place"), nil
	}
	err := h.CloudFormation.Delete(ctx, e.Stack, e.Operation)
	if errors.Is(err, ErrBusy) {
		return h.wait(e, Stack{ID: e.Stack}), nil // the next look comes here again
	}
	if err != nil {
		return Answer{}, fmt.Errorf("deleting the stack of a task that was stopped: %w", err)
	}
	return h.end(e, "the task was stopped meanwhile; its stack is deleted"), nil
}

func (h *Handler) update(ctx context.Context, t task.Task, e Execution) (Answer, error) {
	change, err := h.Templates.Change(&t)
	if err != nil {
		return known(e, task.Outcome{RolledBack: true, Reason: err.Error(), NextStep: "edit the task with other parameters"}), nil
	}
	change.Name = e.Stack
	err = h.CloudFormation.Update(ctx, change)
	refused := (*Refused)(nil)
	switch {
	case err == nil:
		return asked(e), nil
	case errors.Is(err, ErrNoChange):
		return h.unchanged(ctx, e)
	case errors.Is(err, ErrMissing):
		return known(e, deletedByHand()), nil
	case errors.Is(err, ErrBusy):
		return h.busy(ctx, e, err)
	case errors.As(err, &refused):
		return known(e, task.Outcome{RolledBack: true, Reason: refused.Error(), NextStep: "put right what CloudFormation names, and edit the task again"}), nil
	}
	return Answer{}, fmt.Errorf("changing stack %s: %w", t.Stack.Name, err)
}

// unchanged settles an update that found nothing to do.
func (h *Handler) unchanged(ctx context.Context, e Execution) (Answer, error) {
	s, err := h.CloudFormation.Describe(ctx, e.Stack)
	if err != nil {
		return Answer{}, err
	}
	return known(e, task.Outcome{OK: true, StackID: s.ID, Outputs: s.Outputs}), nil
}

// busy goes on with a stack that takes no change: it is being changed by the very request whose answer was lost, or by
// somebody else; or it is in a status that nothing but deleting it leads out of.
func (h *Handler) busy(ctx context.Context, e Execution, why error) (Answer, error) {
	story, err := h.CloudFormation.Story(ctx, e.Stack, e.Operation)
	if err != nil {
		return Answer{}, err
	}
	if story.Begun {
		return asked(e), nil
	}
	s, err := h.CloudFormation.Describe(ctx, e.Stack)
	if err != nil {
		return Answer{}, err
	}
	switch {
	case s.Status.Gone():
		return known(e, deletedByHand()), nil
	case s.Status.Moving() || s.Status.Usable():
		return again(e, why), nil
	}
	return known(e, failure(e.Kind, s, Story{})), nil
}

func (h *Handler) remove(ctx context.Context, t task.Task, e Execution) (Answer, error) {
	s, err := h.CloudFormation.Describe(ctx, e.Stack)
	if err != nil {
		return Answer{}, err
	}
	switch {
	case s.Status == NoStack && e.Stack == t.Stack.Name && e.Begins < lateCreation:
		return again(e, ErrMissing), nil
	case s.Status.Gone():
		return known(e, task.Outcome{OK: true, Gone: true}), nil
	case s.ID != t.Stack.ID && s.Tags[TagTask] != t.ID:
		h.Log.Warn("a stack of the task's name is not the task's, and stays", "task", t.ID, "stack", s.ID)
		return known(e, task.Outcome{OK: true, Gone: true}), nil
	case s.Status == DeleteInProgress:
		e.Stack = s.ID
		return asked(e), nil
	case s.Status == UpdateInProgress:
		if err := h.CloudFormation.CancelUpdate(ctx, s.ID, e.Operation); err != nil {
			h.Log.Warn("the change under way cannot be cut short; it is waited for", "stack", s.ID, "error", err)
		}
		return again(e, ErrBusy), nil
	}
	e.Stack = s.ID
	err = h.CloudFormation.Delete(ctx, s.ID, e.Operation)
	refused := (*Refused)(nil)
	switch {
	case err == nil:
		return asked(e), nil
	case errors.Is(err, ErrBusy):
		return again(e, err), nil
	case errors.As(err, &refused):
		return known(e, task.Outcome{StackID: s.ID, Reason: refused.Error(), NextStep: "put right what CloudFormation names, then stop the task again"}), nil
	}
	return Answer{}, fmt.Errorf("deleting stack %s: %w", t.Stack.Name, err)
}

// lateCreation is how often a stack whose id nobody has seen is looked for before it counts as never made: its creation may
// have been asked for in the moment in which the task was stopped.
const lateCreation = 2
