package reconcile

import (
	"context"
	"time"

	"github.com/datatransferhub/dth/lambda/stackops"
	"github.com/datatransferhub/dth/lambda/task"
)

// patience is how long a pause or a resume, and a note of one, is left to those who are at it.
const patience = 2 * time.Minute

// steering finishes or undoes a pause or a resume that broke off. The note of a pause is the first thing that pausing writes, and
// resuming takes it away only when the fleet has its size: what the note says is brought about as a whole.
func (h *Handler) steering(ctx context.Context, t *task.Task) (bool, error) {
	w := t.Steering
	if w == nil || !t.HasStack() || h.Now().Sub(w.Asked) < patience {
		return false, nil
	}
	records := h.Runs(t)
	if records == nil {
		return false, nil
	}
	note, err := records.Pause(ctx)
	if err != nil {
		return false, err
	}
	done := note.Paused == (w.To == task.Paused)
	switch {
	case note.Paused:
		err = h.Stacks.Pause(ctx, *t, w.ID)
	case w.To == task.InProgress:
		if err = h.Stacks.Resume(ctx, *t, w.ID); task.Is(err, task.WrongState) {
			done, err = false, nil // it stays paused, and says why in its log
		}
	}
	if err != nil {
		return false, err
	}
	return true, h.steered(ctx, t, done)
}

// steered brings the end of a pause or a resume into the record, where nobody else did.
func (h *Handler) steered(ctx context.Context, seen *task.Task, done bool) error {
	w := seen.Steering
	h.Log.Warn("a pause or resume broke off", "task", seen.ID, "to", w.To, "finished", done)
	_, err := task.Amend(ctx, h.Tasks, seen.ID, func(t *task.Task) (*task.Entry, error) {
		now := h.Now()
		if done {
			return t.Steered(w.ID, stackops.Actor, now), nil
		}
		if !t.NotSteered(w.ID, now) {
			return nil, nil
		}
		return &task.Entry{
			Task: t.ID, At: now, By: stackops.Actor, Action: "drift found",
			Note: "what " + w.By + " asked for broke off, and is undone: the task is not " + map[task.State]string{task.Paused: "paused", task.InProgress: "resumed"}[w.To],
		}, nil
	})
	return gone(err)
}

// paused compares the record with the note of a pause. The stack does what its note says, so the record follows it; a stack without
// any note was never told that its task is paused.
func (h *Handler) paused(ctx context.Context, t *task.Task) (bool, error) {
	if t.Steering != nil || !t.HasStack() || t.State != task.InProgress && t.State != task.Paused {
		return false, nil
	}
	records := h.Runs(t)
	if records == nil {
		return false, nil
	}
	note, err := records.Pause(ctx)
	switch {
	case err != nil, note.Paused == (t.State == task.Paused), h.Now().Sub(note.Since) < patience:
		return false, err
	case note.Since.IsZero():
		h.Log.Warn("the stack of a paused task was not told so", "task", t.ID)
		return true, h.Stacks.Pause(ctx, *t, "reconcile-"+t.ID)
	case note.Paused:
		return h.repair(ctx, t, drift{
			what: "its stack was paused beside the hub", reason: "the stack was paused beside the hub", next: "resume the task",
			amend: func(t *task.Task) { t.State = task.Paused },
		})
	}
	return h.repair(ctx, t, drift{
		what: "its stack was resumed beside the hub", reason: "the stack was resumed beside the hub", next: "pause the task if it should not run",
		amend: func(t *task.Task) { t.State = task.InProgress },
	})
}

// conclude makes a one-time task DONE whose proof came when it could not be done.
func (h *Handler) conclude(ctx context.Context, seen *task.Task) (bool, error) {
	if probe := seen.Clone(); !probe.Conclude(h.Now()) {
		return false, nil
	}
	concluded := false
	_, err := task.Amend(ctx, h.Tasks, seen.ID, func(t *task.Task) (*task.Entry, error) {
		from := t.State
		if concluded = t.Operation == nil && t.Conclude(h.Now()); !concluded {
			return nil, nil
		}
		return &task.Entry{
			Task: t.ID, At: t.Updated, By: stackops.Actor, Action: "run proved",
			Changes: []task.Change{{Field: "state", Before: string(from), After: string(t.State)}},
		}, nil
	})
	return concluded, gone(err)
}
