package stackops

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/datatransferhub/dth/lambda/task"
)

// look looks once how far CloudFormation is.
func (h *Handler) look(ctx context.Context, e Execution) (Answer, error) {
	t, mine, err := h.current(ctx, &e)
	if err != nil {
		return Answer{}, err
	}
	if !mine {
		return h.abandon(ctx, &t, e)
	}
	s, err := h.CloudFormation.Describe(ctx, e.Stack)
	if err != nil {
		return Answer{}, err
	}
	switch Judge(e.Kind, s.Status) {
	case Wait:
		return h.wait(e, s), nil
	case Again:
		return again(e, fmt.Errorf("the stack is %s: %w", s.Status, ErrBusy)), nil
	}
	if e.Kind == task.Update && e.Looks < staleLooks && !s.Status.Gone() {
		story, err := h.CloudFormation.Story(ctx, s.ID, e.Operation)
		if err != nil {
			return Answer{}, err
		}
		if !story.Begun {
			return h.wait(e, s), nil
		}
	}
	o, err := h.outcome(ctx, e.Kind, e.Stack, e.Operation, s)
	if err != nil {
		return Answer{}, err
	}
	return known(e, o), nil
}

// staleLooks is how many looks do not believe that a change is over of which CloudFormation has no event yet: what they see is
// the end of the change before.
const staleLooks = 3

// wait waits for the next look: longer each time, in another execution before this one has too many events, and not for ever.
func (h *Handler) wait(e Execution, s Stack) Answer {
	if h.Now().Sub(e.Begun) > longest {
		return known(e, task.Outcome{
			StackID: s.ID, Reason: fmt.Sprintf("the stack is still %s after %s", s.Status, longest), NextStep: "look at the stack's events in CloudFormation's console; stop the task when they are over",
		})
	}
	answer := Answer{Next: Look, Wait: pause(e.Looks), Execution: e}
	if answer.Execution.Looks++; answer.Execution.Looks%MaxLooks == 0 {
		answer.Next, answer.Wait = Continue, 0
		answer.Execution.Continuation++
	}
	return answer
}

// outcome returns the end of an operation whose stack has come to rest.
func (h *Handler) outcome(ctx context.Context, k task.Kind, stack, operation string, s Stack) (task.Outcome, error) {
	return OutcomeOf(ctx, h.CloudFormation, k, stack, operation, s)
}

// OutcomeOf returns the end of an operation on a stack that has come to rest: Judge says Succeeded or Failed of it. The
// outcome names no operation.
func OutcomeOf(ctx context.Context, c Observer, k task.Kind, stack, operation string, s Stack) (task.Outcome, error) {
	if Judge(k, s.Status) == Succeeded {
		return task.Outcome{OK: true, Gone: k == task.Delete, StackID: s.ID, Outputs: s.Outputs}, nil
	}
	if s.Status.Gone() {
		return deletedByHand(), nil
	}
	story, err := c.Story(ctx, cmp.Or(s.ID, stack), operation)
	if err != nil && !errors.Is(err, ErrMissing) {
		return task.Outcome{}, err
	}
	return failure(k, s, story), nil
}

func deletedByHand() task.Outcome {
	return task.Outcome{Gone: true, Reason: "the stack is gone: somebody deleted it in CloudFormation", NextStep: "clone the task to have it anew, or delete it"}
}

// failure is the outcome of an operation that failed.
func failure(k task.Kind, s Stack, story Story) task.Outcome {
	o := task.Outcome{StackID: s.ID, Reason: cmp.Or(story.Failure, s.StatusReason, "CloudFormation gives no reason")}
	switch {
	case k == task.Delete:
		o.NextStep = "put right what the reason names, then stop the task again"
	case k == task.Create:
		o.NextStep = "stop the task, which deletes what is left of its stack; put right what the reason names, and clone the task"
	case s.Status.Restored():
		o.RolledBack, o.Outputs = true, s.Outputs
		o.NextStep = "the task goes on as before; put right what the reason names, and edit it again"
	case s.Status == UpdateRollbackFailed:
		o.NextStep = "continue the rollback of the stack in CloudFormation's console and edit the task again, or stop the task"
	default:
		o.NextStep = "stop the task, which deletes its stack; clone it to have it anew"
	}
	o.Reason = fmt.Sprintf("%s: %s", s.Status, o.Reason)
	return o
}
