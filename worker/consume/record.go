package consume

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/queue"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/transfer"
)

// entry is a settled message on its way into the ledger.
type entry struct {
	message queue.Message
	object  message.Object
	outcome transfer.Outcome
	remove  bool          // delete the message when the outcome is on record
	release time.Duration // otherwise hand it back after this
}

// recorder writes outcomes: first the ledger rows, then the worker's counters that cover them, then the
// deletion of the messages. One batch is under way at a time, so that the counters' sequence number
// covers everything below it.
type recorder struct {
	c       *Consumer
	entries chan entry

	seq    int64
	totals map[string]*run.Counters // by run
	known  map[string]int64         // highest sequence number of other workers' counters, by run and worker

	malformed, retried, replaced atomic.Int64
	deletes                      sync.WaitGroup
}

// maxCommit bounds one batch of outcomes.
const maxCommit = 500

func newRecorder(c *Consumer) *recorder {
	return &recorder{c: c, entries: make(chan entry, maxCommit), totals: map[string]*run.Counters{}, known: map[string]int64{}}
}

func (r *recorder) add(e entry) { r.entries <- e }
func (r *recorder) close()      { close(r.entries) }

// loop commits what has gathered, until the channel is closed and empty.
func (r *recorder) loop(ctx context.Context) {
	// Outcomes are written even when the time for draining is over: they are true.
	ctx = context.WithoutCancel(ctx)
	defer r.deletes.Wait()
	for first := range r.entries {
		batch := r.gather(first)
		r.commit(ctx, batch)
	}
}

// gather takes what is there; under load that is a large batch by itself. A lone outcome waits a moment
// for company, which costs nobody anything: its object is already in place.
func (r *recorder) gather(first entry) []entry {
	batch := append(make([]entry, 0, 64), first)
	wait := time.NewTimer(5 * time.Millisecond)
	defer wait.Stop()
	for len(batch) < maxCommit {
		select {
		case e, ok := <-r.entries:
			if !ok {
				return batch
			}
			batch = append(batch, e)
		case <-wait.C:
			return batch
		}
	}
	return batch
}

// commit writes one batch. Entries whose record could not be written stay in the queue: their
// messages reappear.
func (r *recorder) commit(ctx context.Context, batch []entry) {
	puts := make([]ledger.Put, len(batch))
	for i := range batch {
		r.seq++
		puts[i].Record = r.row(&batch[i], r.seq)
	}
	outcomes := r.write(ctx, puts)
	touched := map[string]bool{}
	var settled []entry
	for i := range batch {
		if outcomes[i].Err != nil {
			r.c.Log.Error("recording failed; the object will be looked at again", "key", batch[i].object.Key, "error", outcomes[i].Err)
			r.c.release(ctx, batch[i].message, r.c.HandBack)
			continue
		}
		r.count(ctx, puts[i].Record, outcomes[i].Replaced)
		touched[puts[i].Record.RunID] = true
		settled = append(settled, batch[i])
		if r.c.OnOutcome != nil {
			r.c.OnOutcome(puts[i].Record)
		}
	}
	for id := range touched {
		if err := r.flush(ctx, id); err != nil {
			// Without counters that cover them the messages must come again.
			r.c.Log.Error("writing counters failed", "run", id, "error", err)
			return
		}
	}
	r.deletes.Go(func() { r.finish(ctx, settled) })
}

// write puts the rows, as a batch where the ledger can, else many at a time.
func (r *recorder) write(ctx context.Context, puts []ledger.Put) []ledger.PutOutcome {
	outcomes := make([]ledger.PutOutcome, len(puts))
	if batcher, ok := r.c.Ledger.(ledger.BatchPutter); ok {
		var err error
		policy := retry.Calls()
		err = policy.Do(ctx, func() error { outcomes, err = batcher.PutBatch(ctx, puts); return err })
		if err != nil {
			outcomes = make([]ledger.PutOutcome, len(puts))
			for i := range outcomes {
				outcomes[i].Err = err
			}
		}
		return outcomes
	}
	var g errgroup.Group
	g.SetLimit(64)
	for i := range puts {
		g.Go(func() error {
			outcomes[i].Replaced, outcomes[i].Err = r.c.Ledger.Put(ctx, puts[i].Record, puts[i].Expect)
			return nil
		})
	}
	_ = g.Wait() // errors are in outcomes
	return outcomes
}

// row turns an outcome into its ledger record.
func (r *recorder) row(e *entry, seq int64) ledger.Record {
	o := &e.outcome
	rec := ledger.Record{
		Key: e.object.Key, Status: o.Status, Size: o.Size, SourceETag: o.SourceETag, DestinationETag: o.DestinationETag,
		Checksum: o.Checksum, VerifiedBy: o.VerifiedBy, RunID: e.object.Run, Attempts: e.message.Receives, Method: o.Method,
		StartedAt: o.Started, FinishedAt: time.Now().UTC(), Bytes: o.Bytes, Worker: r.c.Worker, Seq: seq,
	}
	if o.Err != nil {
		rec.ErrorClass, rec.Error = string(failure.ClassOf(o.Err)), o.Err.Error()
	}
	if o.Reason != "" {
		rec.Error = o.Reason
	}
	return rec
}

// count adds a record to this worker's totals of its run. A record that replaces one of the same run
// which is already counted takes the place of that one.
func (r *recorder) count(ctx context.Context, rec ledger.Record, replaced *ledger.Record) {
	t := r.totalsOf(rec.RunID)
	addRecord(t, rec, 1)
	if replaced != nil && replaced.RunID == rec.RunID && r.covered(ctx, replaced) {
		addRecord(t, *replaced, -1)
	}
	t.Seq = max(t.Seq, rec.Seq)
}

func addRecord(t *run.Counters, rec ledger.Record, n int64) {
	name := OutcomeName(rec)
	tally := t.Outcomes[name]
	tally.Objects += n
	tally.Bytes += n * rec.Size
	t.Outcomes[name] = tally
	if rec.Status == ledger.Failed {
		t.Errors[rec.ErrorClass] += n
	}
}

// OutcomeName is the name under which a record is counted: its status, DONE and SKIPPED with how or why.
func OutcomeName(rec ledger.Record) string {
	switch {
	case rec.Status == ledger.Done && rec.Method != "":
		return string(rec.Status) + ":" + rec.Method
	case rec.Status == ledger.Skipped && rec.Error != "":
		return string(rec.Status) + ":" + rec.Error
	}
	return string(rec.Status)
}

// covered reports whether a record is already in the counters of the worker that wrote it.
func (r *recorder) covered(ctx context.Context, rec *ledger.Record) bool {
	if rec.Worker == r.c.Worker {
		return true // this process counts every record that it writes
	}
	name := rec.RunID + "\x00" + rec.Worker
	if seq, ok := r.known[name]; ok && rec.Seq <= seq {
		return true
	}
	all, err := r.c.Runs.Counters(ctx, rec.RunID)
	if err != nil {
		r.c.Log.Warn("reading counters failed", "run", rec.RunID, "error", err)
		return false
	}
	for _, c := range all {
		r.known[rec.RunID+"\x00"+c.Worker] = c.Seq
	}
	return rec.Seq <= r.known[name]
}

func (r *recorder) totalsOf(runID string) *run.Counters {
	t, ok := r.totals[runID]
	if !ok {
		t = &run.Counters{Worker: r.c.Worker, Outcomes: map[string]run.Tally{}, Errors: map[string]int64{}}
		r.totals[runID] = t
	}
	return t
}

func (r *recorder) flush(ctx context.Context, runID string) error {
	t := r.totalsOf(runID)
	t.Retries = r.retried.Load()
	return retry.Calls().Do(ctx, func() error { return r.c.Runs.PutCounters(ctx, runID, *t) })
}

// finish deletes or hands back the messages of recorded outcomes.
func (r *recorder) finish(ctx context.Context, settled []entry) {
	var remove []queue.Message
	for _, e := range settled {
		if e.remove {
			remove = append(remove, e.message)
		} else {
			r.c.release(ctx, e.message, e.release)
		}
	}
	if len(remove) == 0 {
		return
	}
	if err := r.c.Queue.Delete(ctx, remove); err != nil {
		var batch *queue.BatchError
		if !errors.As(err, &batch) {
			r.c.Log.Warn("deleting messages failed; they will be seen twice", "error", err)
		}
	}
	r.c.leases.remove(remove)
}
