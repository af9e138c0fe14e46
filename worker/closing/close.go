package closing

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/datatransferhub/dth/worker/finder"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/multipart"
	"github.com/datatransferhub/dth/worker/queue"
	"github.com/datatransferhub/dth/worker/run"
)

// Config says what is needed to close runs.
type Config struct {
	Finder finder.Config // of the proving pass; its sinks are set here
	Ledger ledger.Ledger
	Runs   run.Store
	// Queue tells how much is waiting.
	Queue interface {
		Depth(ctx context.Context) (queue.Depth, error)
	}
	Uploads multipart.Records // nil: the task has no giants
	// Report opens the report of a run; nil: none is written.
	Report func(runID string) (Report, error)
	Now    func() time.Time // nil: the machine's clock
}

func (c *Config) now() time.Time {
	if c.Now == nil {
		return time.Now()
	}
	return c.Now()
}

// Report is where a run report goes.
type Report interface {
	io.Writer
	// Publish makes a whole report of so many objects available, and returns where it is; "" when it was not worth keeping.
	// A run is closed after its report is published.
	Publish(ctx context.Context, objects int64) (place string, err error)
	// Discard lets go of a report: after Publish of what it needed, before it of all that was written.
	Discard()
}

// How long nothing of a run moves until nothing of it can be in a queue that other work keeps busy. A message is out of sight for
// fifteen minutes at a time, after a crash as after a failure.
const (
	quiet = 35 * time.Minute // when more is settled than its finder knows of
	// lost is for a run of which some is not settled, while other work gets on: an object that is not shared by parts takes less,
	// and those that are have a record. What is waited for was lost, or ended in a way that nobody counted.
	lost = 2 * time.Hour
	// forsaken is for one beside which nothing is seen to get on either: the queue holds events that ask for nothing, or there is
	// no worker.
	forsaken = 24 * time.Hour
)

// Drained reports why a run cannot be closed yet; "" when it can: its finder is through, all that it queued is settled,
// and no upload is open. A queue is no proof by itself: its numbers are estimates, and events keep it busy. Where a finder broke
// off and another went on, the number of what was queued is no proof either: then both have to agree. A run of which nothing
// moves any more does not wait for ever for what is not settled: Close says how much that is, and its proof what became of it.
func Drained(ctx context.Context, c Config, runID string) (why string, err error) {
	r, err := c.Runs.Get(ctx, runID)
	if err != nil {
		return "", err
	}
	if !r.Through() && !r.OfEvents() {
		return fmt.Sprintf("the run is %s", r.State), nil
	}
	counters, err := c.Runs.Counters(ctx, runID)
	if err != nil {
		return "", err
	}
	if settled := run.Settled(counters); settled < r.Finder.Queued || r.Continued {
		depth, err := c.Queue.Depth(ctx)
		if err != nil {
			return "", err
		}
		if depth.Visible+depth.InFlight+depth.Delayed > 0 {
			if ended, err := ended(ctx, c, &r, counters); err != nil || !ended {
				return fmt.Sprintf("%d of %d queued objects are settled", settled, r.Finder.Queued), err
			}
		}
	}
	if c.Uploads == nil {
		return "", nil
	}
	open, err := c.Uploads.Uploads(ctx)
	if err != nil {
		return "", err
	}
	for _, u := range open {
		if u.RunID == runID {
			return fmt.Sprintf("the upload of %s is open", u.SourceKey), nil
		}
	}
	return "", nil
}

// ended reports whether nothing of a run can be in the queue any more, although something is there.
func ended(ctx context.Context, c Config, r *run.Run, counters []run.Counters) (bool, error) {
	now, last := c.now(), lastSign(r, counters)
	if run.Settled(counters) >= r.Finder.Queued {
		return now.Sub(last) > quiet, nil
	}
	pause, err := c.Runs.Pause(ctx)
	if err != nil || pause.Paused {
		return false, err
	}
	if pause.Since.After(last) {
		last = pause.Since // nothing could move before
	}
	silent := now.Sub(last)
	if silent <= lost || silent > forsaken {
		return silent > forsaken, nil
	}
	return othersMove(ctx, c.Runs, r.ID, now)
}

// othersMove reports whether the queue is being worked off: whether an outcome of another run came lately.
func othersMove(ctx context.Context, runs run.Store, runID string, now time.Time) (bool, error) {
	others, err := runs.Open(ctx)
	if err != nil {
		return false, err
	}
	for i := range others {
		if others[i].ID == runID {
			continue
		}
		counters, err := runs.Counters(ctx, others[i].ID)
		if err != nil {
			return false, err
		}
		if now.Sub(run.Total(counters).Updated) < quiet {
			return true, nil
		}
	}
	return false, nil
}

// lastSign is when a run was last heard of: by its finder, or by an outcome.
func lastSign(r *run.Run, counters []run.Counters) time.Time {
	last := r.Started
	for _, at := range []time.Time{r.Found, run.Total(counters).Updated} {
		if at.After(last) {
			last = at
		}
	}
	return last
}

// NotDrainedError says that a run cannot be closed yet.
type NotDrainedError struct{ Run, Why string }

func (e *NotDrainedError) Error() string {
	return fmt.Sprintf("run %s cannot be closed yet: %s", e.Run, e.Why)
}

// Close proves a run and puts its end on record. A run that was closed before is returned as it is.
func Close(ctx context.Context, c Config, runID string) (run.Run, error) {
	r, err := c.Runs.Get(ctx, runID)
	if err != nil || r.Proved {
		return r, err
	}
	why, err := Drained(ctx, c, runID)
	if err != nil {
		return r, err
	}
	if why != "" {
		return r, &NotDrainedError{runID, why}
	}
	r.State = run.Proving
	if err := c.Runs.Update(ctx, r); err != nil {
		return r, err
	}
	counters, err := c.Runs.Counters(ctx, r.ID)
	if err != nil {
		return r, err
	}
	r.Unaccounted = max(r.Finder.Queued-run.Settled(counters), 0)
	proof, place, err := prove(ctx, c, r, counters)
	if err != nil {
		return r, err // it stays PROVING: the next call proves it again
	}
	r.State, r.Finished, r.Proved, r.Report = run.Done, c.now().UTC(), true, place
	r.Named, r.Newer, r.Remaining = proof.Named, proof.Newer, proof.Remaining
	return r, c.Runs.Update(ctx, r)
}

// prove compares both ends and has the report published.
func prove(ctx context.Context, c Config, r run.Run, counters []run.Counters) (p Proof, place string, err error) {
	since, err := provedSince(ctx, c.Runs, r)
	if err != nil {
		return p, "", err
	}
	if c.Report == nil {
		p, err = Prove(ctx, c.Finder, c.Ledger, since, nil)
		return p, "", err
	}
	w, err := c.Report(r.ID)
	if err != nil {
		return p, "", fmt.Errorf("opening the run report: %w", err)
	}
	defer w.Discard()
	c.Finder.TellSame = c.Finder.Job.ReportAll
	buffered := bufio.NewWriterSize(w, 64<<10)
	lines := newReport(buffered, r, run.Total(counters))
	if p, err = Prove(ctx, c.Finder, c.Ledger, since, lines.line); err != nil {
		return p, "", err
	}
	if err = errors.Join(lines.end(p), buffered.Flush()); err != nil {
		return p, "", err
	}
	if place, err = w.Publish(ctx, lines.lines); err != nil {
		return p, "", fmt.Errorf("publishing the run report: %w", err)
	}
	return p, place, nil
}

// provedSince is when a run began to look at its ends. A retry looks at none: it belongs to the pass before, whose failures it
// takes up; what came to the source since that pass, no retry was asked for.
func provedSince(ctx context.Context, runs run.Store, r run.Run) (time.Time, error) {
	if !r.OfRetry() {
		return r.Started, nil
	}
	const page = 100
	at := r
	for {
		before, err := runs.Before(ctx, at.Started, at.ID, page)
		if err != nil {
			return r.Started, fmt.Errorf("looking for the pass before retry %s: %w", r.ID, err)
		}
		for i := range before {
			if before[i].IsPass() && before[i].Through() {
				return before[i].Started, nil
			}
		}
		if len(before) < page {
			return r.Started, nil
		}
		at = before[len(before)-1]
	}
}

// ErrNothingToClose says that no run waits to be closed.
var ErrNothingToClose = errors.New("no run waits to be closed")

// Next returns the oldest run that waits to be closed, or ErrNothingToClose. Runs of events are closed with their day.
func Next(ctx context.Context, runs run.Store, now time.Time) (run.Run, error) {
	open, err := runs.Open(ctx)
	if err != nil {
		return run.Run{}, err
	}
	for _, r := range open {
		if r.State != run.Finding && (!r.OfEvents() || now.Sub(r.Started) > EventDay) {
			return r, nil
		}
	}
	return run.Run{}, ErrNothingToClose
}

// EventDay is after which time from its beginning a run of events is over: it counts those of one day, and those that come late.
const EventDay = 25 * time.Hour
