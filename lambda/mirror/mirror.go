// Package mirror brings what plugins tell of their runs on the event bus into the records of tasks. Events are delivered at
// least once and in any order; what is older than what is on record changes nothing.
package mirror

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/datatransferhub/dth/lambda/monitor"
	"github.com/datatransferhub/dth/lambda/notify"
	"github.com/datatransferhub/dth/lambda/stackops"
	"github.com/datatransferhub/dth/lambda/task"
	ecr "github.com/datatransferhub/dth/plugins/ecr/wiring"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
	"github.com/datatransferhub/dth/worker/run"
)

// Event is an event about a run.
type Event struct {
	Kind   string // RunStarted, RunProgress, RunClosed
	At     time.Time
	Detail monitor.Detail
}

// Kinds returns the detail types of the events that the mirror wants.
func Kinds() []string { return []string{wiring.RunStarted, wiring.RunProgress, wiring.RunClosed} }

// Sources returns who tells the events that the mirror wants.
func Sources() []string { return []string{wiring.EventSource, ecr.EventSource} }

var (
	runID   = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)
	stackID = regexp.MustCompile(`^arn:[a-z-]+:cloudformation:[a-z0-9-]+:[0-9]{12}:stack/[A-Za-z0-9-]+/[A-Za-z0-9-]+$`)
)

// states are those that a run can be told to be in.
var states = []run.State{run.Finding, run.Copying, run.Proving, run.Done, run.Failed, run.Skipped}

// Parse reads an event as EventBridge delivers it. Errors name the field, its value and what is allowed.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html
func Parse(event json.RawMessage) (Event, error) {
	var envelope struct {
		Kind   string         `json:"detail-type"`
		Source string         `json:"source"`
		Time   time.Time      `json:"time"`
		Detail monitor.Detail `json:"detail"`
	}
	if err := json.Unmarshal(event, &envelope); err != nil {
		return Event{}, fmt.Errorf("this is no event about a run: %w", err)
	}
	e := Event{envelope.Kind, envelope.Time, envelope.Detail}
	switch d := &e.Detail; {
	case !slices.Contains(Sources(), envelope.Source):
		return e, fmt.Errorf("source: %q: allowed are %s", envelope.Source, strings.Join(Sources(), ", "))
	case !slices.Contains(Kinds(), e.Kind):
		return e, fmt.Errorf("detail-type: %q: allowed are %s", e.Kind, strings.Join(Kinds(), ", "))
	case e.At.IsZero():
		return e, errors.New("time: it is required")
	case !stackID.MatchString(d.StackID):
		return e, fmt.Errorf("detail.stackId: %q: required is the ARN of a stack", d.StackID)
	case !runID.MatchString(d.Run):
		return e, fmt.Errorf("detail.run: %q: allowed are 1 to 128 letters, digits, dots, hyphens and underscores", d.Run)
	case !slices.Contains(states, d.State):
		return e, fmt.Errorf("detail.state: %q: allowed are %v", d.State, states)
	case d.Started.IsZero():
		return e, errors.New("detail.started: it is required")
	}
	return e, nil
}

// Progress returns what the event says of its run.
func (e *Event) Progress() task.Progress {
	d := &e.Detail
	r := run.Run{
		ID: d.Run, Trigger: d.Trigger, State: d.State, Started: d.Started, Finished: d.Finished, Finder: d.Finder, Error: d.Error,
		Proved: d.Proved, Remaining: d.Remaining, Named: d.Named, Newer: d.Newer,
	}
	return task.ProgressOf(&r, d.Outcomes, d.Settled, e.At)
}

// Recorder brings the news of runs into the records of tasks.
type Recorder struct {
	Tasks  task.Store
	Notify notify.Send
	Log    *slog.Logger
	Now    func() time.Time
}

// Handler takes events, one a call.
type Handler struct{ Recorder }

// Handle brings an event into the record of its task. Events of stacks that belong to no task of this hub are left alone:
// plugins can be launched without one. An error means that the event is to be delivered again.
func (h *Handler) Handle(ctx context.Context, event json.RawMessage) error {
	e, err := Parse(event)
	if err != nil {
		// It will be no better the next time.
		h.Log.Error("an event is dropped", "error", err)
		return nil
	}
	t, err := h.Tasks.ByStack(ctx, e.Detail.StackID)
	if errors.Is(err, task.ErrNotFound) {
		h.Log.Info("the stack of an event belongs to no task", "stack", e.Detail.StackID, "run", e.Detail.Run)
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for the task of stack %s: %w", e.Detail.StackID, err)
	}
	changed, err := h.Record(ctx, t.ID, e.Progress())
	if err != nil {
		return err
	}
	h.Log.Info("event taken", "task", t.ID, "run", e.Detail.Run, "kind", e.Kind, "state", e.Detail.State, "news", changed)
	return nil
}

// Record brings the news of a run into a task's record, and reports whether they were any. People are told of a run that ended
// in a way that they have to look at before that is on record, rather twice than never; that they cannot be told holds up
// nothing.
func (r *Recorder) Record(ctx context.Context, id string, p task.Progress) (changed bool, err error) {
	told := false
	_, err = task.Amend(ctx, r.Tasks, id, func(t *task.Task) (*task.Entry, error) {
		from := t.State
		if changed = t.Observe(p, r.Now()); !changed {
			return nil, nil
		}
		if m, bad := trouble(t, &p); bad && !told {
			told = true
			if err := r.Notify(ctx, m); err != nil {
				r.Log.Error("people could not be told of a run", "task", id, "run", p.ID, "error", err)
			}
		}
		if t.State == from {
			return nil, nil
		}
		return &task.Entry{
			Task: id, At: t.Updated, By: stackops.Actor, Action: "run proved",
			Changes: []task.Change{{Field: "state", Before: string(from), After: string(t.State)}},
		}, nil
	})
	if errors.Is(err, task.ErrNotFound) {
		return false, nil // deleted meanwhile
	}
	if err != nil {
		return false, fmt.Errorf("recording run %s of task %s: %w", p.ID, id, err)
	}
	return changed, nil
}

// trouble returns what people have to be told of the end of a run.
func trouble(t *task.Task, p *task.Progress) (notify.Message, bool) {
	const look = "look at the failed objects on the task's page; retry them when the cause is mended"
	switch left := p.Left(); {
	case p.Finished.IsZero():
		return notify.Message{}, false
	case p.State == run.Failed:
		return notify.About(t, "its run "+p.ID+" failed", p.Error, "put right what the reason names; the next run begins by the schedule, or by hand"), true
	case p.Failed > 0:
		return notify.About(t, fmt.Sprintf("%d objects of its run %s failed", p.Failed, p.ID), "", look), true
	case left > 0:
		return notify.About(t, fmt.Sprintf("%d objects differ after its run %s", left, p.ID), "", "run the task once more; if they differ still, look at the run's report"), true
	}
	return notify.Message{}, false
}
