package pass

import (
	"context"
	"fmt"
	"time"

	"github.com/datatransferhub/dth/worker/run"
)

// stuck is how long a queue may make no progress before a new pass begins nevertheless.
const stuck = 30 * time.Minute

// gate returns why there should be no pass now; "" when there is no reason. The run before is still draining when not
// all of its messages are settled, the queue holds something, and something got on lately. A queue that events alone
// keep busy, or that has stopped, is no reason.
func (c *Config) gate(ctx context.Context, now time.Time) (string, error) {
	if c.Force {
		return "", nil
	}
	before, err := c.before(ctx)
	if err != nil || before == nil || before.State != run.Copying {
		return "", err
	}
	counters, err := c.Runs.Counters(ctx, before.ID)
	if err != nil {
		return "", err
	}
	settled := run.Settled(counters)
	if settled >= before.Finder.Queued {
		return "", nil
	}
	depth, err := c.Queue.Depth(ctx)
	if err != nil {
		return "", fmt.Errorf("looking whether run %s has drained: %w", before.ID, err)
	}
	if depth.Visible+depth.InFlight+depth.Delayed == 0 {
		return "", nil
	}
	last, err := c.progressed(ctx, before, counters)
	if err != nil {
		return "", err
	}
	if idle := now.Sub(last); idle >= stuck {
		c.Log.Warn("the run before makes no progress; a new pass begins", "run", before.ID, "settled", settled,
			"queued", before.Finder.Queued, "idle", idle.Round(time.Second).String())
		return "", nil
	}
	return fmt.Sprintf("run %s is still copying: %d of the %d objects that it queued are settled, and the last progress was at %s; the next pass is tried on schedule",
		before.ID, settled, before.Finder.Queued, last.UTC().Format(time.RFC3339)), nil
}

// before returns the newest pass that was made; nil when there is none.
func (c *Config) before(ctx context.Context) (*run.Run, error) {
	return c.newest(ctx, func(r *run.Run) bool { return r.State != run.Failed && r.IsPass() })
}

// progressed returns when something last got on with a run: an object, a part of an upload, or its finder.
func (c *Config) progressed(ctx context.Context, r *run.Run, counters []run.Counters) (time.Time, error) {
	last := r.Started
	later := func(t time.Time) {
		if t.After(last) {
			last = t
		}
	}
	later(r.Found)
	for _, w := range counters {
		later(w.Updated)
	}
	if c.Progress != nil {
		t, err := c.Progress(ctx)
		if err != nil {
			return last, fmt.Errorf("looking for progress of open uploads: %w", err)
		}
		later(t)
	}
	return last, nil
}
