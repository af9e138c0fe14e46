package pass

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/datatransferhub/dth/worker/consume"
	"github.com/datatransferhub/dth/worker/finder"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/multipart"
	"github.com/datatransferhub/dth/worker/queue"
	"github.com/datatransferhub/dth/worker/run"
)

// DeadLetters says what is needed to put on record what lies in the dead-letter queue of a task: its own messages as well as
// events.
type DeadLetters struct {
	Job        *job.Job
	PrefixFile finder.Getter // holds the job's prefix list
	Queue      queue.Queue   // the dead-letter queue
	Ledger     ledger.Ledger
	Runs       run.Store
	Uploads    multipart.Records // nil: the task has no giants
	Holder     string            // names the reader in records
	Log        *slog.Logger
	Quiet      time.Duration // for how long the queue gives nothing until it is taken to be empty; 0 is 2 s
}

// Read reads the queue to its end, and returns of how many messages it made records and of how many it could make nothing.
func (d DeadLetters) Read(ctx context.Context) (recorded, unreadable int64, err error) {
	events := &consume.Events{Job: d.Job}
	if events.Filter, err = job.NewFilter(d.Job.Selection); err != nil {
		return 0, 0, err
	}
	if events.Prefixes, err = finder.Prefixes(ctx, d.Job, d.PrefixFile); err != nil {
		return 0, 0, err
	}
	reader := consume.DeadLetters{
		Queue: d.Queue, Ledger: d.Ledger, Runs: eventDays{d.Runs}, Uploads: d.Uploads, Events: events, Log: d.Log, Quiet: d.Quiet,
		// Another name at every start, because the sequence numbers of its records begin anew.
		Worker: fmt.Sprintf("finder-%s-%s", d.Holder, time.Now().UTC().Format("20060102T150405.000000Z")),
	}
	return reader.Read(ctx)
}

// eventDays is a store that has the run of a day's events when something is counted in it. A worker that dies of the first event of
// a day has not put it on record.
type eventDays struct{ run.Store }

// PutCounters implements run.Store.
func (s eventDays) PutCounters(ctx context.Context, runID string, c run.Counters) error {
	if day, is := consume.EventDay(runID); is {
		err := s.Create(ctx, run.Run{ID: runID, Trigger: run.TriggerEvent, State: run.Copying, Started: day})
		if err != nil && !errors.Is(err, run.ErrExists) {
			return fmt.Errorf("recording the run of a day's events: %w", err)
		}
	}
	return s.Store.PutCounters(ctx, runID, c)
}
