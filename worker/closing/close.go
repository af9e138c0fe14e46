package closing

import (
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
	// Report takes the run report; nil: none is written.
	Report     io.Writer
	ReportedTo string // what the run record says of where it went
}

// Drained reports why a run cannot be closed yet; "" when it can: its finder is through, all that it queued is settled,
// and no upload is open. A queue is no proof by itself: its numbers are estimates, and events keep it busy.
func Drained(ctx context.Context, c Config, runID string) (why string, err error) {
	r, err := c.Runs.Get(ctx, runID)
	if err != nil {
		return "", err
	}
	if !r.Through() {
		return fmt.Sprintf("the run is %s", r.State), nil
	}
	counters, err := c.Runs.Counters(ctx, runID)
	if err != nil {
		return "", err
	}
	if settled := run.Settled(counters); settled < r.Finder.Queued {
		depth, err := c.Queue.Depth(ctx)
		if err != nil {
			return "", err
		}
		if depth.Visible+depth.InFlight+depth.Delayed > 0 {
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
	counters, err := c.Runs.Counters(ctx, runID)
	if err != nil {
		return r, err
	}
	rep := newReport(c.Report, r, run.Total(counters))
	proof, err := Prove(ctx, c.Finder, c.Ledger, r.Started, rep.line)
	if err == nil {
		err = rep.end(proof)
	}
	if err != nil {
		// It stays PROVING: the next call proves it again.
		return r, err
	}
	r.State, r.Finished, r.Proved = run.Done, time.Now().UTC(), true
	r.Named, r.Newer, r.Remaining = proof.Named, proof.Newer, proof.Remaining
	if c.Report != nil {
		r.Report = c.ReportedTo
	}
	return r, c.Runs.Update(ctx, r)
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
