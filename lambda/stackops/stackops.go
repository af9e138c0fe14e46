// Package stackops holds the steps of the workflow that creates, changes and deletes the stack of a task: begin asks
// CloudFormation for it, look waits for its end, and settle brings the end into the task's record.
//
// The record is written before the workflow begins, and says which operation is the task's. An execution whose operation is
// no longer the task's ends without a trace in the record. Every step is safe to repeat.
package stackops

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/datatransferhub/dth/lambda/notify"
	"github.com/datatransferhub/dth/lambda/task"
)

// Step is what an invocation of the Lambda is for.
type Step string

// The steps, and what else an answer may go on with.
const (
	Begin    Step = "BEGIN"
	Look     Step = "LOOK"
	Settle   Step = "SETTLE"
	Continue Step = "CONTINUE" // look as another execution
	End      Step = "END"
)

// MaxLooks is how many looks one execution makes: a look with its wait takes 11 of the 25,000 events that Step Functions gives
// an execution, and more when it has to be repeated
// (https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html).
const MaxLooks = 1000

// Patience of the workflow.
const (
	firstWait = 5 * time.Second
	lastWait  = 60 * time.Second
	// maxBegins is how often an operation is asked for that CloudFormation does not begin, a minute apart: a change that is
	// rolled back because the task is stopped meanwhile takes its time.
	maxBegins = 180
	// longest is how long an operation may take. CloudFormation gives up on its own resources much sooner.
	longest = 36 * time.Hour
)

// Execution is what a workflow carries from step to step. It holds no parameters: they are read from the task's record.
type Execution struct {
	Task         string    `json:"task"`      // id
	Operation    string    `json:"operation"` // id; names the first execution
	Kind         task.Kind `json:"kind"`
	Begun        time.Time `json:"begun"` // the operation
	Stack        string    `json:"stack"` // name; its id from when it is known
	Asked        bool      `json:"asked,omitempty"`
	Begins       int       `json:"begins,omitempty"`
	Looks        int       `json:"looks,omitempty"`
	Continuation int       `json:"continuation,omitempty"`
	// Outcome is what settle writes; nil until the end is known.
	Outcome *task.Outcome `json:"outcome,omitempty"`
	// Error is why a step could not be made at all, as the state machine tells it.
	Error *StepError `json:"error,omitempty"`
}

// StepError is what Step Functions says of a task that failed.
type StepError struct{ Error, Cause string }

// Name is the name of the execution that goes on.
func (e *Execution) Name() string {
	if e.Continuation == 0 {
		return e.Operation
	}
	return fmt.Sprintf("%s-%d", e.Operation, e.Continuation)
}

// Of returns the execution that begins a task's operation.
func Of(t *task.Task) Execution {
	op := t.Operation
	e := Execution{Task: t.ID, Operation: op.ID, Kind: op.Kind, Begun: op.Begun, Stack: t.Stack.Name}
	if t.Stack.ID != "" {
		e.Stack = t.Stack.ID
	}
	return e
}

// Call is what the state machine invokes the Lambda with.
type Call struct {
	Step      Step      `json:"step"`
	Execution Execution `json:"execution"`
}

// Answer is what the state machine goes on with.
type Answer struct {
	Next      Step      `json:"next"`
	Wait      int       `json:"wait"` // seconds before Next
	Name      string    `json:"name"` // of the execution that continues
	Execution Execution `json:"execution"`
}

// Handler makes one step for each call.
type Handler struct {
	CloudFormation CloudFormation
	Tasks          task.Store
	Templates      Templates
	Stacks         Steered
	Notify         notify.Send // tells people that an operation failed
	Log            *slog.Logger
	Now            func() time.Time
}

// Steered are the stacks of tasks, as far as they are steered beside CloudFormation. The same request again changes nothing.
type Steered interface {
	// Pause lets nothing new begin; Restore brings back what CloudFormation took from a task that is not paused.
	Pause(ctx context.Context, t task.Task, request string) error
	Restore(ctx context.Context, t task.Task, request string) error
}

// Handle makes a step. An error means that it is to be made again.
func (h *Handler) Handle(ctx context.Context, c Call) (Answer, error) {
	e := c.Execution
	log := h.Log.With("task", e.Task, "operation", e.Operation, "kind", e.Kind, "step", c.Step)
	answer, err := h.step(ctx, c.Step, e)
	if err != nil {
		log.Error("the step failed; it is tried again", "error", err)
		return Answer{}, err
	}
	answer.Name = answer.Execution.Name()
	log.Info("step made", "next", answer.Next, "wait", answer.Wait, "stack", answer.Execution.Stack)
	return answer, nil
}

func (h *Handler) step(ctx context.Context, s Step, e Execution) (Answer, error) {
	switch s {
	case Begin:
		return h.begin(ctx, e)
	case Look:
		return h.look(ctx, e)
	case Settle:
		return h.settle(ctx, e)
	}
	return Answer{}, fmt.Errorf("step: %q: allowed are %s, %s and %s", s, Begin, Look, Settle)
}

// current returns the task while the execution's operation is the task's; ok is false when it is no longer, or the task is
// gone.
func (h *Handler) current(ctx context.Context, e *Execution) (t task.Task, ok bool, err error) {
	t, err = h.Tasks.Get(ctx, e.Task)
	if errors.Is(err, task.ErrNotFound) {
		return t, false, nil
	}
	if err != nil {
		return t, false, fmt.Errorf("reading task %s: %w", e.Task, err)
	}
	return t, t.Operation != nil && t.Operation.ID == e.Operation, nil
}

// end ends an execution whose operation is no longer the task's.
func (h *Handler) end(e Execution, why string) Answer {
	h.Log.Info("nothing more is to be done", "task", e.Task, "operation", e.Operation, "reason", why)
	return Answer{Next: End, Execution: e}
}

// known goes on to settle, now that the end is known.
func known(e Execution, o task.Outcome) Answer {
	o.Operation = e.Operation
	e.Outcome = &o
	return Answer{Next: Settle, Execution: e}
}

// pause is the wait after so many steps of a kind: it grows from 5 seconds to a minute.
func pause(n int) int {
	wait := firstWait
	for range n {
		if wait += wait / 2; wait >= lastWait {
			return int(lastWait.Seconds())
		}
	}
	return int(wait.Seconds())
}
