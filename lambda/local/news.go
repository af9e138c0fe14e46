package local

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/worker/run"
)

// news collects which tasks have something to tell, so that a task's record is written once a second at most, however fast
// objects are copied.
type news struct {
	mu    sync.Mutex
	tasks map[string]Status
}

func newNews() *news { return &news{tasks: map[string]Status{}} }

// hear returns a listener that notes the news and passes them on.
func (n *news) hear(also func(Status)) func(Status) {
	return func(s Status) {
		n.mu.Lock()
		n.tasks[s.Task] = s
		n.mu.Unlock()
		if also != nil {
			also(s)
		}
	}
}

func (n *news) take() map[string]Status {
	n.mu.Lock()
	defer n.mu.Unlock()
	taken := n.tasks
	n.tasks = map[string]Status{}
	return taken
}

// back returns news that could not be told. Newer ones of the same task win.
func (n *news) back(s Status) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, newer := n.tasks[s.Task]; !newer {
		n.tasks[s.Task] = s
	}
}

// tell brings the news of runs into the tasks' records until ctx ends. The first time it looks at all tasks: a run may have
// been closed right before the process before died.
func (p *Provider) tell(ctx context.Context) {
	if all, err := p.all(ctx); err == nil {
		for i := range all {
			p.news.back(Status{Task: all[i].ID})
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
		for id, s := range p.news.take() {
			if err := p.observe(ctx, id, s); err != nil && ctx.Err() == nil {
				p.Log.Warn("the news of a task are not on record yet", "task", id, "error", err)
				p.news.back(s)
			}
		}
	}
}

// observe brings a task's latest run into its record. The run's own record is what counts; the status only says where to look,
// and what is wrong with the task as a whole.
func (p *Provider) observe(ctx context.Context, id string, s Status) error {
	progress, found, err := p.latest(ctx, id)
	if err != nil {
		return err
	}
	now := p.Now().UTC()
	_, err = task.Amend(ctx, p.Store, id, func(t *task.Task) (*task.Entry, error) {
		from := t.State
		if found {
			t.Observe(progress, now)
		}
		switch {
		case s.State == Failed && s.Error != "":
			t.Health, t.Reason, t.NextStep = task.Failing, s.Error, triedAgain
		case s.State != "" && t.State != task.Errored && t.Operation == nil:
			if t.NextStep == triedAgain { // and did not fail again
				t.Health = healthBy(t)
			}
			if t.Health != task.Failing {
				t.Reason, t.NextStep = "", ""
			}
		}
		if t.State == from {
			return nil, nil
		}
		return &task.Entry{
			Task: id, At: now, By: "hub", Action: "state changed",
			Changes: []task.Change{{Field: "state", Before: string(from), After: string(t.State)}},
		}, nil
	})
	if errors.Is(err, task.ErrNotFound) {
		return nil // deleted meanwhile
	}
	return err
}

// triedAgain is the next step of a task whose stack does not work, and tells such a task from others that are failing.
const triedAgain = "it is tried again by itself; mend what the reason names, or edit the task, or a clone of it where it cannot be changed"

// healthBy returns how a task was doing by what is known of its runs, whatever stood in the way of its stack meanwhile.
func healthBy(t *task.Task) task.Health {
	switch last := t.LastRun; {
	case last != nil && last.State == run.Failed:
		return task.Failing
	case last != nil && !last.Finished.IsZero() && last.Failed > 0, t.Agreement.Behind > 0:
		return task.Attention
	case t.Agreement.Checked.IsZero():
		return task.Unknown
	}
	return task.Healthy
}

// latest returns how the newest run of a task is doing that was not skipped.
func (p *Provider) latest(ctx context.Context, id string) (task.Progress, bool, error) {
	r, err := p.OpenRecords(ctx, id, "")
	if err != nil {
		return task.Progress{}, false, err
	}
	if r.Close != nil {
		defer r.Close()
	}
	runs, err := r.Runs.Latest(ctx, 20)
	if err != nil {
		return task.Progress{}, false, err
	}
	for i := range runs {
		if runs[i].State == run.Skipped || runs[i].OfEvents() {
			continue
		}
		counters, err := r.Runs.Counters(ctx, runs[i].ID)
		if err != nil {
			return task.Progress{}, false, err
		}
		return task.ProgressOf(&runs[i], run.Total(counters).Outcomes, run.Settled(counters), p.Now().UTC()), true, nil
	}
	return task.Progress{}, false, nil
}
