package reconcile

import (
	"context"
	"slices"
	"time"

	"github.com/datatransferhub/dth/lambda/mirror"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/worker/run"
)

// How long nothing may be heard of a task's runs before their records are read.
const (
	silentRun  = 15 * time.Minute // of one that is open: it is told of every five minutes
	silentTask = time.Hour        // of a new one, where the last is closed
	latest     = 20               // runs that are read
)

// runs brings the news into the record that were lost on their way.
func (h *Handler) runs(ctx context.Context, t *task.Task) (repaired bool, err error) {
	if !t.HasStack() || !h.silent(t) {
		return false, nil
	}
	records := h.Runs(t)
	if records == nil {
		return false, nil
	}
	all, err := records.Latest(ctx, latest)
	if err != nil {
		return false, err
	}
	recorder := mirror.Recorder{Tasks: h.Tasks, Notify: h.Notify, Log: h.Log, Now: h.Now}
	for _, r := range slices.Backward(all) { // the oldest first
		if !isNews(t, &r) {
			continue
		}
		counters, err := records.Counters(ctx, r.ID)
		if err != nil {
			return repaired, err
		}
		told := r.Finished
		if told.IsZero() {
			told = h.Now()
		}
		p := task.ProgressOf(&r, run.Total(counters).Outcomes, run.Settled(counters), told)
		changed, err := recorder.Record(ctx, t.ID, p)
		if err != nil {
			return repaired, err
		}
		if changed {
			h.Log.Warn("the news of a run were lost; they are on record now", "task", t.ID, "run", r.ID, "state", r.State)
		}
		repaired = repaired || changed
	}
	return repaired, nil
}

// silent tells whether nothing was heard of a task's runs for longer than it should be.
func (h *Handler) silent(t *task.Task) bool {
	last := t.LastRun
	switch {
	case last == nil:
		return h.Now().Sub(t.Updated) > silentTask
	case last.Finished.IsZero():
		return h.Now().Sub(last.Told) > silentRun
	}
	return h.Now().Sub(last.Told) > silentTask
}

// isNews tells whether a run may say something that the task's record does not.
func isNews(t *task.Task, r *run.Run) bool {
	last := t.LastRun
	switch {
	case r.State == run.Skipped || r.OfEvents():
		return false
	case last == nil || r.Started.After(last.Started):
		return true
	case r.ID == last.ID:
		return last.Finished.IsZero()
	}
	return r.Proved && r.Started.After(t.Agreement.AsOf)
}
