// Package pass makes one pass of a task that a fleet works on: it sees to it that one finder is at work and that the
// run before has drained, continues a pass that broke off, and keeps the run's record true whatever happens.
package pass

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/finder"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/queue"
	"github.com/datatransferhub/dth/worker/run"
)

// Queue is the queue as a finder uses it.
type Queue interface {
	queue.Sender
	Depth(ctx context.Context) (queue.Depth, error)
}

// Config describes a pass.
type Config struct {
	Job                 *job.Job
	Source, Destination finder.End
	// PrefixFile is the bucket that holds the job's prefix list; nil: it is the source.
	PrefixFile finder.Getter
	Queue      Queue
	Ledger     diff.Ledger
	Runs       run.Store
	// Progress returns when an open upload last got on; nil: uploads are not looked at.
	Progress func(ctx context.Context) (time.Time, error)
	// Check looks at both ends before anything is listed; its error fails the run. nil: nobody looks.
	Check func(ctx context.Context) error
	// DeadLetters turns what lies in the dead-letter queue into records, and returns of how many messages it could
	// and could not. It is called before anything is listed; nil: nobody looks.
	DeadLetters func(ctx context.Context) (recorded, unreadable int64, err error)
	// Sweep aborts uploads that somebody created for this task and died before recording, and returns how many. It is called
	// before anything is listed, because a fleet of no worker sweeps nothing; nil: nobody does.
	Sweep func(ctx context.Context) (int, error)

	// RunID is the id of a new run. Empty: an unfinished pass is continued, or a new run is given an id. An unfinished
	// pass of another id is given up for the one that is named.
	RunID   string
	Trigger string // schedule, once, manual, event; empty: schedule
	Version string
	// Holder names who makes the pass. The same name may take over from itself at once, so it is the name of a host,
	// or of what else can have one such process only.
	Holder string
	Force  bool // do not look whether the run before has drained

	Checkpoint  time.Duration // between checkpoints; 0 is 10 s
	SpillDir    string        // for sorting and for extraneous keys; empty: the system's
	Concurrency int           // ranges at once; 0 is 32
	// Sends is the number of sends to the queue at once; 0 is 8, each of which is ten calls side by side on SQS.
	Sends int
	// Room blocks while the queue is fuller than it should be; nil: a queue without bounds.
	Room       func(ctx context.Context) error
	OnProgress func(finder.Progress)
	Log        *slog.Logger
}

// Run makes a pass and returns its run: COPYING when everything is queued, SKIPPED when the pass before is not through
// with its work, both without an error. With an error it is FAILED; or FINDING still, when ctx ended or the lease was
// lost: then the next call continues.
func Run(ctx context.Context, c Config) (run.Run, error) {
	c.defaults()
	l, busy, err := c.lease(ctx)
	if err != nil {
		return run.Run{}, err
	}
	if busy != "" {
		return c.skip(ctx, busy)
	}
	defer l.giveBack(ctx)
	p := &pass{Config: c, lease: l}
	p.run, err = c.unfinished(ctx)
	if err != nil {
		return run.Run{}, err
	}
	if p.run.ID != "" {
		return p.resume(ctx)
	}
	if reason, err := c.gate(ctx, time.Now()); err != nil {
		return run.Run{}, err
	} else if reason != "" {
		return c.skip(ctx, reason)
	}
	return p.start(ctx)
}

func (c *Config) defaults() {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Trigger == "" {
		c.Trigger = "schedule"
	}
	if c.Sends <= 0 {
		c.Sends = 8
	}
}

// newRun returns a run that begins now.
func (c *Config) newRun(state run.State) run.Run {
	r := run.Run{ID: c.RunID, Trigger: c.Trigger, State: state, Started: time.Now().UTC(), Version: c.Version}
	if r.ID == "" {
		r.ID = r.Started.Format("20060102T150405.000000Z")
	}
	return r
}

// skip records a pass that was not made.
func (c *Config) skip(ctx context.Context, reason string) (run.Run, error) {
	r := c.newRun(run.Skipped)
	r.Finished, r.Error = r.Started, reason
	if err := c.Runs.Create(ctx, r); err != nil {
		return run.Run{}, fmt.Errorf("recording the skipped run %s: %w", r.ID, err)
	}
	c.Log.Warn("pass skipped", "run", r.ID, "reason", reason)
	return r, nil
}

// pass is a pass under way.
type pass struct {
	Config
	lease *lease
	run   run.Run
	from  []byte // checkpoint
}

func (p *pass) start(ctx context.Context) (run.Run, error) {
	p.run = p.newRun(run.Finding)
	if err := p.Runs.Create(ctx, p.run); err != nil {
		return run.Run{}, fmt.Errorf("recording run %s: %w", p.run.ID, err)
	}
	p.Log.Info("pass begins", "run", p.run.ID, "version", p.Version)
	return p.make(ctx)
}

func (p *pass) resume(ctx context.Context) (run.Run, error) {
	var err error
	if p.from, err = p.Runs.Checkpoint(ctx, p.run.ID); err != nil {
		return p.run, err
	}
	p.run.Version, p.run.Continued = p.Version, true
	p.Log.Info("pass goes on", "run", p.run.ID, "version", p.Version, "checkpoint", len(p.from) > 0)
	return p.make(ctx)
}

// make lists, compares and queues, and records what became of it.
func (p *pass) make(ctx context.Context) (run.Run, error) {
	leased, stop := p.lease.heart(ctx, p.run)
	err := p.check(leased)
	if err == nil {
		p.deadLetters(leased)
		p.sweep(leased)
		err = p.queueDifferences(leased)
	}
	lost := stop()
	switch {
	case err == nil:
		p.run.State, p.run.Found = run.Copying, time.Now().UTC()
	case lost != nil:
		return p.run, lost // the record is another's now
	case ctx.Err() != nil:
		p.Log.Warn("pass stopped; the next one goes on from here", "run", p.run.ID)
	default:
		p.run.State, p.run.Error, p.run.Finished = run.Failed, err.Error(), time.Now().UTC()
	}
	return p.run, errors.Join(err, p.record(context.WithoutCancel(ctx)))
}

func (p *pass) check(ctx context.Context) error {
	if p.Check == nil {
		return nil
	}
	return p.Check(ctx)
}

// record writes the run as it is now. Once it is not FINDING any more, its checkpoint is of no use.
func (p *pass) record(ctx context.Context) error {
	if err := p.Runs.Update(ctx, p.run); err != nil {
		return fmt.Errorf("recording the end of run %s: %w", p.run.ID, err)
	}
	if p.run.State == run.Finding {
		return nil
	}
	p.Log.Info("pass ends", "run", p.run.ID, "state", p.run.State, "totals", p.run.Finder)
	if err := p.Runs.DeleteCheckpoint(ctx, p.run.ID); err != nil {
		p.Log.Warn("a checkpoint is left over", "run", p.run.ID, "error", err)
	}
	return nil
}

// deadLetters has dead letters recorded. That they cannot be read is no reason not to copy: the next pass tries again.
func (p *pass) deadLetters(ctx context.Context) {
	if p.DeadLetters == nil {
		return
	}
	recorded, unreadable, err := p.DeadLetters(ctx)
	p.run.DeadLetters += recorded
	p.run.Unreadable += unreadable
	if err != nil {
		p.Log.Warn("dead letters are not recorded yet", "run", p.run.ID, "error", err)
	}
}

// sweep has lost uploads aborted. That it does not work is no reason not to copy: workers and the next pass try again.
func (p *pass) sweep(ctx context.Context) {
	if p.Sweep == nil {
		return
	}
	n, err := p.Sweep(ctx)
	if err != nil {
		p.Log.Warn("looking for lost uploads failed", "run", p.run.ID, "error", err)
	}
	if n > 0 {
		p.Log.Info("lost uploads were aborted", "run", p.run.ID, "uploads", n)
	}
}
