// Package reconcile compares tasks with their stacks, with the workflows of their operations and with the runs on record, and
// repairs what drifted: what events and workflows would have told, had they not been lost, and what people did by hand.
//
// One call looks at some tasks; its answer says whether there are more. A schedule has a state machine go through all.
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/datatransferhub/dth/lambda/notify"
	"github.com/datatransferhub/dth/lambda/stackops"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/worker/run"
)

// Verdict is what follows a call.
type Verdict string

// The verdicts.
const (
	Continue Verdict = "CONTINUE" // there are more tasks
	End      Verdict = "END"
	Failed   Verdict = "FAILED" // the end, and some tasks could not be looked at
)

// Bounds of a call.
const (
	perCall = 25               // tasks
	perTask = 20 * time.Second // for what is asked about one
	// grace is how old an operation is before its workflow is looked for: it is being started.
	grace = 10 * time.Minute
	// memory is for how long a task whose stack should be gone is held against CloudFormation.
	memory = 7 * 24 * time.Hour
)

// Execution is what goes from call to call.
type Execution struct {
	After    string `json:"after,omitempty"` // cursor
	Tasks    int    `json:"tasks,omitempty"` // looked at so far
	Repaired int    `json:"repaired,omitempty"`
	Failed   int    `json:"failed,omitempty"` // that could not be looked at
}

// Answer is what the state machine goes on with.
type Answer struct {
	Verdict   Verdict   `json:"verdict"`
	Execution Execution `json:"execution"`
}

// Workflows begins operations and tells how far they are.
type Workflows interface {
	task.Stacks
	Progress(ctx context.Context, operation string) (stackops.Progress, error)
}

// Runs are the records of a task's runs, as far as they are read.
type Runs interface {
	Latest(ctx context.Context, limit int) ([]run.Run, error)
	Counters(ctx context.Context, runID string) ([]run.Counters, error)
	Pause(ctx context.Context) (run.Pause, error)
}

// Stacks are the stacks of tasks, as far as they are steered. The same request again changes nothing.
type Stacks interface {
	stackops.Steered
	Resume(ctx context.Context, t task.Task, request string) error
}

// Handler looks at some tasks for each call.
type Handler struct {
	Tasks          task.Store
	CloudFormation stackops.Observer
	Workflows      Workflows
	Stacks         Stacks
	// Runs opens the records of a task's runs; nil: the task has none.
	Runs   func(t *task.Task) Runs
	Notify notify.Send
	Log    *slog.Logger
	Now    func() time.Time
}

// Handle looks at some tasks. One that cannot be looked at holds up no other; the last call tells that there were some.
func (h *Handler) Handle(ctx context.Context, e Execution) (Answer, error) {
	page, err := h.Tasks.List(ctx, task.Query{Sort: task.ByCreated, First: perCall, After: e.After})
	if err != nil {
		return Answer{}, fmt.Errorf("listing the tasks: %w", err)
	}
	for i := range page.Tasks {
		t := &page.Tasks[i]
		repaired, err := h.one(ctx, t.ID)
		if err != nil {
			h.Log.Error("a task could not be compared with its stack", "task", t.ID, "state", t.State, "error", err)
			e.Failed++
		}
		if repaired {
			e.Repaired++
		}
	}
	e.After, e.Tasks = page.Next, e.Tasks+len(page.Tasks)
	answer := Answer{Verdict: End, Execution: e}
	switch {
	case e.After != "":
		answer.Verdict = Continue
	case e.Failed > 0:
		answer.Verdict = Failed
	}
	h.Log.Info("compared", "tasks", e.Tasks, "repaired", e.Repaired, "failed", e.Failed, "verdict", answer.Verdict)
	return answer, nil
}

// one looks at a task, and reports whether something had drifted. Lists lag behind, so it is read anew.
func (h *Handler) one(ctx context.Context, id string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, perTask)
	defer cancel()
	t, err := h.Tasks.Get(ctx, id)
	if errors.Is(err, task.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if t.Operation != nil {
		return h.operation(ctx, &t)
	}
	for _, look := range []func(context.Context, *task.Task) (bool, error){h.stack, h.steering, h.paused, h.runs} {
		if repaired, err := look(ctx, &t); repaired || err != nil {
			return repaired, err
		}
	}
	return h.conclude(ctx, &t)
}

// operation looks after an operation that is under way, or should be.
func (h *Handler) operation(ctx context.Context, t *task.Task) (bool, error) {
	op := t.Operation
	if h.Now().Sub(op.Begun) < grace {
		return false, nil
	}
	progress, err := h.Workflows.Progress(ctx, op.ID)
	if err != nil {
		return false, err
	}
	switch progress {
	case stackops.Underway:
		return false, nil
	case stackops.NeverBegun:
		h.Log.Warn("an operation never began; it is begun now", "task", t.ID, "operation", op.ID)
		return true, h.Workflows.Begin(ctx, *t)
	}
	o, known, err := h.outcome(ctx, t)
	if err != nil || !known {
		return false, err
	}
	o.Operation = op.ID
	h.Log.Warn("the end of an operation was lost; it is written now", "task", t.ID, "operation", op.ID, "ok", o.OK, "reason", o.Reason)
	if err := stackops.Hold(ctx, h.Stacks, *t, &o); err != nil {
		return false, err
	}
	stored, written, err := stackops.Write(ctx, h.Tasks, t.ID, o, h.Now())
	if err != nil || !written || o.OK {
		return written, err
	}
	h.tell(ctx, notify.About(&stored, "an operation on its stack failed", o.Reason, o.NextStep))
	return true, nil
}

// tell tells people. What they are told of is on record already; that they cannot be told holds up nothing.
func (h *Handler) tell(ctx context.Context, m notify.Message) {
	if err := h.Notify(ctx, m); err != nil {
		h.Log.Error("people could not be told", "task", m.Task, "what", m.What, "error", err)
	}
}

// outcome returns the end of an operation whose workflow is over, by what became of the stack. It is not known while
// CloudFormation is at work.
func (h *Handler) outcome(ctx context.Context, t *task.Task) (o task.Outcome, known bool, err error) {
	op, stack := t.Operation, t.Stack.Name
	if t.Stack.ID != "" {
		stack = t.Stack.ID
	}
	s, err := h.CloudFormation.Describe(ctx, stack)
	if err != nil {
		return o, false, err
	}
	if s.Status.Moving() {
		return o, false, nil
	}
	if op.Kind != task.Create && !s.Status.Gone() {
		story, err := h.CloudFormation.Story(ctx, s.ID, op.ID)
		if err != nil {
			return o, false, err
		}
		if !story.Begun {
			return neverAsked(op.Kind, s), true, nil
		}
	}
	again := stackops.Judge(op.Kind, s.Status) == stackops.Again
	if again || op.Kind == task.Create && s.Status == stackops.NoStack && t.Stack.ID == "" {
		return neverAsked(op.Kind, s), true, nil
	}
	o, err = stackops.OutcomeOf(ctx, h.CloudFormation, op.Kind, stack, op.ID, s)
	return o, err == nil, err
}

// neverAsked is the outcome of an operation whose workflow ended before CloudFormation was asked for it.
func neverAsked(k task.Kind, s stackops.Stack) task.Outcome {
	o := task.Outcome{StackID: s.ID, Reason: "the workflow ended before it had asked CloudFormation"}
	switch k {
	case task.Create:
		o.Gone, o.NextStep = true, "clone the task, and delete this one"
	case task.Update:
		o.RolledBack, o.NextStep = s.Status.Usable(), "edit the task again"
	default:
		o.NextStep = "stop the task again"
	}
	return o
}
