// Package solo runs a whole transfer in one process: finder, queue, workers and proof. It is what `dth copy` and the
// local hub run; on AWS the same parts are processes of their own.
package solo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/datatransferhub/dth/worker/closing"
	"github.com/datatransferhub/dth/worker/consume"
	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/finder"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/multipart"
	"github.com/datatransferhub/dth/worker/queue"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/transfer"
)

// Source is a source as all parts see it.
type Source interface {
	finder.End
	transfer.Source
	// Reach tells a wrong bucket, region, address or identity apart before any work is begun.
	Reach(ctx context.Context) error
}

// Destination is a destination as all parts see it.
type Destination interface {
	finder.End
	transfer.Destination
	Reach(ctx context.Context) error
}

// Queue is the embedded queue.
type Queue interface {
	queue.Queue
	Len() int64
	// Purge deletes what an earlier pass has queued: the next pass finds it again.
	Purge(ctx context.Context) error
}

// Config describes a transfer.
type Config struct {
	Job         *job.Job
	Source      Source
	Destination Destination
	// Shared says that the destination could copy from the source by itself, as far as addresses tell.
	Shared  bool
	Queue   Queue
	Ledger  ledger.Ledger
	Runs    run.Store
	Uploads multipart.Records
	// Resumable says that the records outlive the process, so that uploads under way may stay open when
	// it is stopped.
	Resumable bool
	RunID     string
	Trigger   string
	Version   string
	SpillDir  string
	// HandBack is the wait after the first failed receive of an object; 0 is a second.
	HandBack time.Duration
	// Drain is how long objects under way may take to finish when the transfer is stopped; 0 is 10 s.
	Drain time.Duration
	// Prove compares both ends again after the last copy.
	Prove bool
	// ListConcurrency is the number of ranges listed at once; 0 is 32.
	ListConcurrency int
	// PrefixFile is where the job's prefix list is read from; nil: the source.
	PrefixFile finder.Getter
	// Sinks get every decision but "same", beside the queue.
	Sinks      []diff.Sink
	OnOutcome  func(ledger.Record)
	OnProgress func(Progress)
	Log        *slog.Logger
}

// Phase is what a transfer is doing.
type Phase string

// The phases.
const (
	Listing Phase = "listing" // copying has begun already
	Copying Phase = "copying"
	Proving Phase = "proving"
)

// Progress is how far a transfer is. Numbers are of this process.
type Progress struct {
	Phase          Phase
	Listed         int64 // at the source
	Queued         int64
	Settled        int64
	Bytes          int64 // moved
	Failed         int64
	Elapsed        time.Duration
	QueuedComplete bool // Queued will not grow any more
}

// Result is what a transfer did.
type Result struct {
	Run      run.Run
	Counters []run.Counters
	// Proved tells whether both ends were compared again. Run.Remaining is what was different then, but for
	// Named objects whose records say why, and Newer ones that were written after the run began.
	Proved  bool
	Named   int64
	Newer   int64
	Seconds float64
}

// maxQueued bounds the messages that wait, so that a pass over a large bucket does not fill the disk with them.
const maxQueued = 200_000

// Transfer is one transfer under way.
type transferring struct {
	Config
	began   time.Time
	settled atomic.Int64
	bytes   atomic.Int64
	failed  atomic.Int64
	listed  atomic.Int64
	phase   atomic.Value
	sender  *finder.Sender
}

// Run makes one pass, copies everything it finds, and proves the agreement. When ctx ends it drains and returns
// the context's error; a Result that is not nil tells what was done until then.
func Run(ctx context.Context, c Config) (*Result, error) {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.HandBack == 0 {
		c.HandBack = time.Second
	}
	if c.Drain == 0 {
		c.Drain = 10 * time.Second
	}
	t := &transferring{Config: c, began: time.Now()}
	t.phase.Store(Listing)
	if err := c.Queue.Purge(ctx); err != nil {
		return nil, err
	}
	if err := t.sweep(ctx); err != nil {
		return nil, err
	}
	r := run.Run{ID: c.RunID, Trigger: c.Trigger, State: run.Finding, Started: t.began.UTC(), Version: c.Version}
	if err := c.Runs.Create(ctx, r); err != nil {
		return nil, fmt.Errorf("recording run %s: %w", c.RunID, err)
	}
	stopProgress := t.watch()
	defer stopProgress()
	err := t.findAndCopy(ctx, &r)
	res := &Result{}
	if err == nil && c.Prove {
		t.phase.Store(Proving)
		err = t.prove(ctx, &r, res)
	}
	return t.close(ctx, r, res, err)
}

// findAndCopy runs finder and workers side by side until the queue is empty.
func (t *transferring) findAndCopy(ctx context.Context, r *run.Run) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	consumer := consume.New(t.consumer())
	working, stop := context.WithCancel(ctx)
	defer stop()
	var consumed sync.WaitGroup
	consumed.Go(func() {
		if err := consumer.Run(working); err != nil {
			cancel(err)
		}
	})
	totals, err := t.find(ctx)
	r.Finder = totals
	if err == nil {
		t.phase.Store(Copying)
		r.State = run.Copying
		if err = t.Runs.Update(ctx, *r); err == nil {
			err = t.drained(ctx, consumer)
		}
	}
	stop()
	consumed.Wait()
	// The reason why the workers stopped explains more than the cancellation it caused.
	if cause := context.Cause(ctx); cause != nil && (err == nil || failure.ClassOf(err) == failure.Canceled) {
		err = cause
	}
	return err
}

func (t *transferring) consumer() consume.Config {
	return consume.Config{
		Queue: t.Queue, Ledger: t.Ledger, Runs: t.Runs, Settler: t.copier(), Worker: t.RunID,
		Concurrency: t.Job.Concurrency, Receivers: 2, Batch: 100, HandBack: t.HandBack, HandBackCap: 30 * time.Second,
		StopOnEndpoint: true, Drain: t.Drain, Log: t.Log,
		OnOutcome: func(rec ledger.Record) {
			t.settled.Add(1)
			t.bytes.Add(rec.Size)
			if rec.Status == ledger.Failed {
				t.failed.Add(1)
			}
			if t.OnOutcome != nil {
				t.OnOutcome(rec)
			}
		},
	}
}

func (t *transferring) copier() *transfer.Copier {
	return transfer.New(transfer.Config{
		Job: t.Job, Source: t.Source, Destination: t.Destination, SourceCan: t.Source.Capabilities(), DestCan: t.Destination.Capabilities(),
		Shared: t.Shared, Uploads: t.Uploads, Ledger: t.Ledger, Worker: t.RunID, Pace: transfer.NewPace(t.Job.BytesPerSecond), Backoff: t.HandBack,
	})
}

// find makes the finder pass into the queue.
func (t *transferring) find(ctx context.Context) (run.FinderTotals, error) {
	t.sender = &finder.Sender{Queue: t.Queue, RunID: t.RunID, Listed: !t.Job.SkipCompare, Room: t.room}
	all := append([]diff.Sink{t.sender}, t.Sinks...)
	var extraneous *finder.Extraneous
	if t.Job.DeleteExtraneous {
		var err error
		if extraneous, err = finder.NewExtraneous(t.SpillDir); err != nil {
			return run.FinderTotals{}, err
		}
		defer extraneous.Close()
		all = append(all, extraneous)
	}
	totals, err := finder.Pass(ctx, finder.Config{
		Job: t.Job, Source: t.Source, Destination: t.Destination, PrefixFile: t.PrefixFile, Ledger: t.Ledger, SpillDir: t.SpillDir, Concurrency: t.ListConcurrency,
		Sinks:      func() []diff.Sink { return all },
		OnProgress: func(p finder.Progress) { t.listed.Store(p.Source) },
	})
	t.listed.Store(totals.ListedSource)
	if err == nil && extraneous != nil {
		err = extraneous.Send(ctx, t.Job, totals.ListedDestination, t.sender)
	}
	totals.Queued = t.sender.Sent()
	return totals, err
}

// room waits while the queue is full.
func (t *transferring) room(ctx context.Context) error {
	for t.Queue.Len() > maxQueued {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// drained waits until every message is settled and its record written.
func (t *transferring) drained(ctx context.Context, c *consume.Consumer) error {
	for t.Queue.Len() > 0 || !c.Idle() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// prove compares both ends once more, without queuing anything.
func (t *transferring) prove(ctx context.Context, r *run.Run, res *Result) error {
	r.State = run.Proving
	proof, err := closing.Prove(ctx, finder.Config{
		Job: t.Job, Source: t.Source, Destination: t.Destination, PrefixFile: t.PrefixFile, Ledger: t.Ledger, SpillDir: t.SpillDir, Concurrency: t.ListConcurrency,
	}, t.Ledger, t.began, nil)
	if err != nil {
		return err
	}
	res.Proved, res.Newer, res.Named = true, proof.Newer, proof.Named
	r.Proved, r.Newer, r.Named, r.Remaining = true, proof.Newer, proof.Named, proof.Remaining
	return nil
}

// close writes the run's end and cleans up what must not stay open.
func (t *transferring) close(ctx context.Context, r run.Run, res *Result, err error) (*Result, error) {
	ctx = context.WithoutCancel(ctx)
	if err == nil || !t.Resumable {
		if abortErr := t.abortUploads(ctx); abortErr != nil {
			t.Log.Warn("aborting unfinished uploads failed", "error", abortErr)
		}
	}
	r.Finished = time.Now().UTC()
	r.State = run.Done
	if err != nil {
		r.State, r.Error = run.Failed, err.Error()
	}
	counters, countErr := t.Runs.Counters(ctx, t.RunID)
	updateErr := t.Runs.Update(ctx, r)
	res.Run, res.Counters, res.Seconds = r, counters, time.Since(t.began).Seconds()
	return res, errors.Join(err, countErr, updateErr)
}

// watch reports progress a few times a second until the returned function is called.
func (t *transferring) watch() (stop func()) {
	if t.OnProgress == nil {
		return func() {}
	}
	done := make(chan struct{})
	var ended sync.WaitGroup
	ended.Go(func() {
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				t.OnProgress(t.progress())
			case <-done:
				t.OnProgress(t.progress())
				return
			}
		}
	})
	return func() { close(done); ended.Wait() }
}

func (t *transferring) progress() Progress {
	p := Progress{
		Phase: t.phase.Load().(Phase), Listed: t.listed.Load(), Settled: t.settled.Load(), Bytes: t.bytes.Load(),
		Failed: t.failed.Load(), Elapsed: time.Since(t.began),
	}
	p.QueuedComplete = p.Phase != Listing
	p.Queued = p.Settled + t.Queue.Len()
	return p
}
