package pass

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/finder"
	"github.com/datatransferhub/dth/worker/run"
)

// queueDifferences makes the pass proper. The run's totals are true also after an error.
func (p *pass) queueDifferences(ctx context.Context) error {
	sender := &finder.Sender{Queue: p.Queue, RunID: p.run.ID, Listed: !p.Job.SkipCompare, InFlight: p.Sends, Room: p.Room}
	c := finder.Config{
		Job: p.Job, Source: p.Source, Destination: p.Destination, PrefixFile: p.PrefixFile, Ledger: p.Ledger,
		Concurrency: p.Concurrency, SpillDir: p.SpillDir, OnProgress: p.progress,
	}
	var extraneous *finder.Extraneous
	if p.Job.DeleteExtraneous {
		var err error
		if extraneous, err = finder.NewExtraneous(p.SpillDir); err != nil {
			return err
		}
		defer extraneous.Close()
		c.Sinks = func() []diff.Sink { return []diff.Sink{sender, extraneous} }
		p.Log.Info("with deleteExtraneous a pass that breaks off begins anew: the names to delete wait on this disk until all are known", "run", p.run.ID)
	} else {
		c.Sinks = func() []diff.Sink { return []diff.Sink{sender} }
		c.Checkpoints = p.checkpoints()
	}
	totals, err := finder.Pass(ctx, c)
	totals.Queued = sender.Sent()
	if err == nil {
		// A resumed pass has sent some objects twice, and a prefix that had to be sorted too: they are one each.
		totals.Queued = copies(totals)
	}
	if err == nil && extraneous != nil {
		before := sender.Sent()
		err = extraneous.Send(ctx, p.Job, totals.ListedDestination, sender)
		totals.Queued += sender.Sent() - before
	}
	p.run.Finder = totals
	return err
}

// copies returns how many objects the decisions want copied.
func copies(t run.FinderTotals) int64 {
	var n int64
	for name, tally := range t.Decisions {
		if kind, _, _ := strings.Cut(name, ":"); kind == string(diff.New) || kind == string(diff.Changed) {
			n += tally.Objects
		}
	}
	return n
}

func (p *pass) checkpoints() *finder.Checkpoints {
	return &finder.Checkpoints{
		From: p.from, Every: p.Checkpoint, Put: p.putCheckpoint,
		Unfit: func(why error) { p.Log.Warn("pass begins anew", "run", p.run.ID, "reason", why) },
	}
}

// putCheckpoint keeps a checkpoint while the lease is held: afterwards another finder keeps its own. One that is too large
// or cannot be written now costs a later pass time, nothing else.
func (p *pass) putCheckpoint(ctx context.Context, doc []byte) error {
	if !p.lease.held() {
		return errLost
	}
	err := p.Runs.PutCheckpoint(ctx, p.run.ID, doc)
	if err != nil && !errors.Is(err, context.Canceled) {
		p.Log.Warn("no checkpoint; the one before stays", "run", p.run.ID, "error", err)
	}
	return err
}

// progress remembers what was listed, for the record, and passes it on.
func (p *pass) progress(n finder.Progress) {
	p.lease.listed(n)
	if p.OnProgress != nil {
		p.OnProgress(n)
	}
}

// unfinished returns the newest run when its finder broke off; it is zero when there is nothing to continue. Older ones
// nobody will continue: their records say so from now on.
func (c *Config) unfinished(ctx context.Context) (run.Run, error) {
	open, err := c.Runs.Open(ctx)
	if err != nil {
		return run.Run{}, fmt.Errorf("reading the open runs: %w", err)
	}
	newest, err := c.newest(ctx, (*run.Run).IsPass)
	if err != nil {
		return run.Run{}, err
	}
	var found run.Run
	for i := range open {
		r := &open[i]
		switch {
		case r.State != run.Finding || !r.IsPass():
		case newest != nil && r.ID == newest.ID && (c.RunID == "" || c.RunID == r.ID):
			found = *r
		default:
			if err := c.giveUp(ctx, *r); err != nil {
				return run.Run{}, err
			}
		}
	}
	return found, nil
}

func (c *Config) giveUp(ctx context.Context, r run.Run) error {
	r.State, r.Error = run.Failed, "its finder broke off and was not continued"
	r.Finished = time.Now().UTC()
	if err := c.Runs.Update(ctx, r); err != nil {
		return fmt.Errorf("giving up run %s: %w", r.ID, err)
	}
	return c.Runs.DeleteCheckpoint(ctx, r.ID)
}

// newest returns the newest run that was not skipped and is wanted; nil when there is none.
func (c *Config) newest(ctx context.Context, wanted func(*run.Run) bool) (*run.Run, error) {
	const most = 10_000 // as many runs of events and retries do not come between two passes
	for limit := 20; ; limit = min(8*limit, most) {
		runs, err := c.Runs.Made(ctx, limit)
		if err != nil {
			return nil, fmt.Errorf("reading the runs before: %w", err)
		}
		for i := range runs {
			if wanted(&runs[i]) {
				return &runs[i], nil
			}
		}
		if len(runs) < limit || limit == most {
			return nil, nil
		}
	}
}
