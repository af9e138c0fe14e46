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

// quiet is how long after its last outcome a run of which more is settled than its finder knows of has nothing in a queue that
// other work keeps busy: a message is out of sight for fifteen minutes at a time, after a crash as after a failure.
const quiet = 35 * time.Minute

// Drained reports why a run cannot be closed yet; "" when it can: its finder is through, all that it queued is settled,
// and no upload is open. A queue is no proof by itself: its numbers are estimates, and events keep it busy. Where a finder broke
// off and another went on, the number of what was queued is no proof either: then both have to agree.
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
		idle := settled >= r.Finder.Queued && time.Since(lastSign(&r, counters)) > quiet
		if depth.Visible+depth.InFlight+depth.Delayed > 0 && !idle {
			return fmt.Sprintf("%d of %d queued objects are settled", settled, r.Finder.Queued), nil
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

// lastSign is when a run was last heard of: by its finder, or by an outcome.
func lastSign(r *run.Run, counters []run.Counters) time.Time {
	if told := run.Total(counters).Updated; told.After(r.Found) {
		return told
	}
	return r.Found
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
	proof, place, err := prove(ctx, c, r)
	if err != nil {
		return r, err // it stays PROVING: the next call proves it again
	}
	r.State, r.Finished, r.Proved, r.Report = run.Done, time.Now().UTC(), true, place
	r.Named, r.Newer, r.Remaining = proof.Named, proof.Newer, proof.Remaining
	return r, c.Runs.Update(ctx, r)
}

// prove compares both ends and has the report published.
func prove(ctx context.Context, c Config, r run.Run) (p Proof, place string, err error) {
	since, err := provedSince(ctx, c.Runs, r)
	if err != nil {
		return p, "", err
	}
	if c.Report == nil {
		p, err = Prove(ctx, c.Finder, c.Ledger, since, nil)
		return p, "", err
	}
	counters, err := c.Runs.Counters(ctx, r.ID)
	if err != nil {
		return p, "", err
	}
	w, err := c.Report(r.ID)
	if err != nil {
		return p, "", fmt.Errorf("opening the run report: %w", err)
	}
	defer w.Discard()
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
	latest, err := runs.Latest(ctx, 100)
	if err != nil {
		return run.Run{}, err
	}
	for i := len(latest) - 1; i >= 0; i-- {
		r := latest[i]
		waits := r.State == run.Copying || r.State == run.Proving
		if waits && (!r.OfEvents() || now.Sub(r.Started) > 25*time.Hour) {
			return r, nil
		}
	}
	return run.Run{}, ErrNothingToClose
}
