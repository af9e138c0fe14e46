// Package fleet is one worker of a task: the consumer with all that makes it one of many. On AWS each instance runs one; on
// one machine a process runs one a task.
package fleet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/datatransferhub/dth/worker/consume"
	"github.com/datatransferhub/dth/worker/endpoint"
	"github.com/datatransferhub/dth/worker/finder"
	"github.com/datatransferhub/dth/worker/giant"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/multipart"
	"github.com/datatransferhub/dth/worker/queue"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/transfer"
)

// Source is the end that is read from.
type Source interface {
	transfer.Source
	Capabilities() endpoint.Capabilities
}

// Destination is the end that is written to.
type Destination interface {
	transfer.Destination
	Capabilities() endpoint.Capabilities
}

// Config is what a worker works with.
type Config struct {
	Job         *job.Job
	Source      Source
	Destination Destination
	// Shared says that the destination could copy from the source by itself, as far as addresses tell.
	Shared bool
	// PrefixFile is the bucket that holds the job's prefix list; nil: it is the source. Only tasks that follow events
	// need the list here.
	PrefixFile finder.Getter

	Queue   queue.Queue
	Ledger  ledger.Ledger
	Runs    run.Store
	Uploads multipart.Records
	// Controller makes sure that a controller looks after open uploads. It is called when a giant begins, and now and then
	// while uploads are open. Nil: one of the workers is the controller.
	Controller func(ctx context.Context, u multipart.Upload) error

	// Worker names this process in records. It must be another after every start.
	Worker    string
	Log       *slog.Logger
	OnOutcome func(ledger.Record)

	// Every is how often the fleet is looked at: runs, share of the bandwidth; 0 is a minute.
	Every time.Duration
	// Tune changes how the consumer and the copier work; nil: as they do by themselves.
	Tune func(*consume.Config, *transfer.Config)
}

// Worker is a worker that may run.
type Worker struct {
	Config
	consumer   *consume.Consumer
	pace       *transfer.Pace
	superseded atomic.Pointer[map[string]bool]
	open       atomic.Pointer[ledger.Heed]

	mu   sync.Mutex
	days map[string]bool // event runs that are on record
}

// New prepares a worker. It reads the prefix list where events are followed.
func New(ctx context.Context, c Config) (*Worker, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Every == 0 {
		c.Every = time.Minute
	}
	w := &Worker{Config: c, pace: transfer.NewPace(c.Job.BytesPerSecond), days: map[string]bool{}}
	filter, err := job.NewFilter(c.Job.Selection)
	if err != nil {
		return nil, err
	}
	events := &consume.Events{Job: c.Job, Filter: filter}
	if c.Job.Events != "" && c.Job.Events != job.EventsNone {
		if events.Prefixes, err = c.prefixes(ctx); err != nil {
			return nil, err
		}
	}
	copying := transfer.Config{
		Job: c.Job, Source: c.Source, Destination: c.Destination, SourceCan: c.Source.Capabilities(), DestCan: c.Destination.Capabilities(),
		Shared: c.Shared, Uploads: c.Uploads, Ledger: c.Ledger, Worker: c.Worker, Pace: w.pace, Fleet: c.Uploads != nil, Controller: c.Controller, Filter: filter,
	}
	consuming := consume.Config{
		Queue: c.Queue, Ledger: c.Ledger, Runs: c.Runs, Worker: c.Worker, Log: c.Log, Concurrency: c.Job.Concurrency,
		Events: events, Superseded: w.isSuperseded, Heed: w.heed, OnOutcome: c.OnOutcome, OnRun: w.noteRun,
	}
	if c.Tune != nil {
		c.Tune(&consuming, &copying)
	}
	if consuming.Settler == nil {
		consuming.Settler = transfer.New(copying)
	}
	w.consumer = consume.New(consuming)
	return w, nil
}

func (c *Config) prefixes(ctx context.Context) ([]string, error) {
	file := c.PrefixFile
	if file == nil {
		file = c.Source
	}
	return finder.Prefixes(ctx, c.Job, file)
}

// Stats returns the consumer's figures.
func (w *Worker) Stats() consume.Stats { return w.consumer.Stats() }

// Run works until ctx ends, then drains.
func (w *Worker) Run(ctx context.Context) error {
	w.lookAtRuns(ctx)
	background, stop := context.WithCancel(ctx)
	var loops sync.WaitGroup
	loops.Go(func() { w.loop(background) })
	loops.Go(func() { w.sweep(background) })
	err := w.consumer.Run(ctx)
	stop()
	loops.Wait()
	return err
}

// loop keeps in step with the rest of the fleet.
func (w *Worker) loop(ctx context.Context) {
	for {
		w.share(ctx)
		if retry.Sleep(ctx, w.Every) != nil {
			return
		}
		w.lookAtRuns(ctx)
		if err := w.control(ctx); err != nil && ctx.Err() == nil {
			w.Log.Warn("looking after giants failed", "error", err)
		}
	}
}

// control sees to it that open uploads are looked after: by the controller, which may have ended in the moment that a
// giant began, or by one of the workers.
func (w *Worker) control(ctx context.Context) error {
	if w.Uploads == nil {
		return nil
	}
	if w.Controller != nil {
		open, err := w.Uploads.Uploads(ctx)
		if err != nil || len(open) == 0 {
			return err
		}
		return w.Controller(ctx, open[0])
	}
	_, mine, err := w.Runs.Lease(ctx, "giants", w.Worker, time.Now().UTC(), 3*w.Every)
	if err != nil || !mine {
		return err
	}
	_, err = giant.Tick(ctx, giant.Config{Uploads: w.Uploads, Queue: w.Queue})
	return err
}

// share takes this worker's part of the bandwidth that the fleet may use.
func (w *Worker) share(ctx context.Context) {
	if w.pace == nil {
		return
	}
	n, err := w.Runs.Present(ctx, w.Worker, time.Now().UTC(), 5*w.Every/2)
	if err != nil {
		w.Log.Warn("counting the fleet's workers failed; the share of the bandwidth stays as it is", "error", err)
		return
	}
	w.pace.Set(max(w.Job.BytesPerSecond/int64(max(n, 1)), 1))
}

// knownRuns is how many runs are looked at: messages of older ones have left the queue long ago.
const knownRuns = 50

func (w *Worker) lookAtRuns(ctx context.Context) {
	asOf := time.Now().Add(-clockDoubt)
	runs, err := w.Runs.Made(ctx, knownRuns)
	var unfinished []run.Run // of which there may be some behind those
	if err == nil {
		unfinished, err = w.Runs.Open(ctx)
	}
	if err != nil {
		w.Log.Warn("reading the runs failed; messages of superseded runs are not told apart for now", "error", err)
		return
	}
	old := run.Superseded(append(runs, unfinished...))
	w.superseded.Store(&old)
	open := ledger.Heed{Since: asOf}
	for i := range unfinished {
		open.Runs = append(open.Runs, unfinished[i].ID)
	}
	w.open.Store(&open)
}

// clockDoubt is how far the clocks of two workers may be apart.
const clockDoubt = time.Minute

// heed names the runs that are not closed. Of those that began since they were looked at, the age of their records tells.
func (w *Worker) heed() ledger.Heed {
	if open := w.open.Load(); open != nil {
		return *open
	}
	return ledger.Heed{}
}

func (w *Worker) isSuperseded(id string) bool {
	old := w.superseded.Load()
	return old != nil && (*old)[id]
}

// sweepEvery is how often uploads are looked for that were created and never recorded.
const sweepEvery = time.Hour

// sweep aborts uploads that some process created and died before recording, once at the start and then now and then.
func (w *Worker) sweep(ctx context.Context) {
	if w.Uploads == nil {
		return
	}
	for {
		n, err := giant.Sweep(ctx, w.Uploads, w.Destination, time.Now().Add(-giant.SweepAfter))
		if err != nil && ctx.Err() == nil {
			w.Log.Warn("looking for lost uploads failed", "error", err)
		}
		if n > 0 {
			w.Log.Info("lost uploads were aborted", "uploads", n)
		}
		if retry.Sleep(ctx, sweepEvery) != nil {
			return
		}
	}
}

// noteRun puts the run of a day's events on record before the first outcome is counted in it.
func (w *Worker) noteRun(ctx context.Context, id string) error {
	day, isDay := consume.EventDay(id)
	if !isDay {
		return nil
	}
	w.mu.Lock()
	known := w.days[id]
	w.mu.Unlock()
	if known {
		return nil
	}
	err := w.Runs.Create(ctx, run.Run{ID: id, Trigger: "event", State: run.Copying, Started: day})
	if err != nil && !errors.Is(err, run.ErrExists) {
		return fmt.Errorf("recording the run of a day's events: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.days[id] = true
	return nil
}
