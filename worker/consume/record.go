package consume

import (
	"context"
	"errors"
	"log/slog"
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
	run     string
	key     string
	op      message.Op // of an object; empty for parts and the like
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

	malformed, ignored, retries, throttles atomic.Int64
	deletes                                sync.WaitGroup

	mu      sync.Mutex
	asked   map[string]*tries // by run; what has no row of its own
	pending []queue.Message   // that wait for others, to be deleted with them
	timer   *time.Timer       // that deletes them; nil: none wait
}

// tries are figures of a run that no ledger row tells. They are of this process and not exact under redelivery.
type tries struct{ retries, throttles, superseded int64 }

func (r *recorder) of(runID string) *tries {
	t, ok := r.asked[runID]
	if !ok {
		t = &tries{}
		r.asked[runID] = t
	}
	return t
}

// saw counts what an outcome cost.
func (r *recorder) saw(runID string, out transfer.Outcome) {
	if out.Retries == 0 && out.Throttles == 0 {
		return
	}
	r.retries.Add(out.Retries)
	r.throttles.Add(out.Throttles)
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.of(runID)
	t.retries += out.Retries
	t.throttles += out.Throttles
}

// retry counts a message that was handed back.
func (r *recorder) retry(runID string) {
	r.retries.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.of(runID).retries++
}

// supersede counts a message of a run that was overtaken.
func (r *recorder) supersede(runID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.of(runID).superseded++
}

// maxCommit bounds one batch of outcomes.
const maxCommit = 500

func newRecorder(c *Consumer) *recorder {
	return &recorder{c: c, entries: make(chan entry, maxCommit), totals: map[string]*run.Counters{}, known: map[string]int64{}, asked: map[string]*tries{}}
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
	var puts []ledger.Put
	var rows []int // of batch, that have a record to be written
	var heed ledger.Heed
	if r.c.Heed != nil {
		heed = r.c.Heed()
	}
	for i := range batch {
		if batch[i].outcome.Status != "" {
			r.seq++
			rows = append(rows, i)
			put := ledger.Put{Record: r.row(&batch[i], r.seq), Expect: batch[i].outcome.Expect}
			put.Record.Heed = heed
			put.Record.Replace(batch[i].outcome.Found)
			puts = append(puts, put)
		}
	}
	outcomes := r.write(ctx, puts)
	touched := map[string]bool{}
	failed := map[int]bool{}
	var lost unrecorded
	for n, i := range rows {
		if err := outcomes[n].Err; err != nil {
			failed[i] = true
			lost.add(batch[i].key, r.unwritten(ctx, batch[i], err))
			continue
		}
		replaced := outcomes[n].Replaced
		if out := &batch[i].outcome; replaced == nil && out.Expect != nil {
			replaced = out.Found // the answer to the write was lost, which replaced what it expected
		}
		r.count(ctx, puts[n].Record, replaced)
		touched[puts[n].Record.RunID] = true
		if r.c.OnOutcome != nil {
			r.c.OnOutcome(puts[n].Record)
		}
	}
	lost.log(r.c.Log)
	for id := range touched {
		if err := r.flush(ctx, id); err != nil {
			// Without counters that cover them the messages must come again.
			r.c.Log.Error("writing counters failed", "run", id, "error", err)
			return
		}
	}
	settled := make([]entry, 0, len(batch))
	for i := range batch {
		if !failed[i] {
			settled = append(settled, batch[i])
		}
	}
	r.deletes.Go(func() { r.finish(ctx, settled) })
}

// unrecorded are outcomes of a batch that could not be recorded: mostly all of them, for one reason.
type unrecorded struct {
	objects int
	key     string // of the first
	err     error
}

func (u *unrecorded) add(key string, err error) {
	if err == nil {
		return
	}
	if u.objects++; u.err == nil {
		u.key, u.err = key, err
	}
}

func (u *unrecorded) log(log *slog.Logger) {
	if u.err != nil {
		log.Error("recording failed; the objects will be looked at again", "objects", u.objects, "first", u.key, "error", u.err)
	}
}

// unwritten handles an outcome that is not on record. When somebody else wrote the record meanwhile, the object is looked
// at again, which a fresh message asks for: the present one has done nothing wrong. Otherwise its message is handed back, and
// the error returned.
func (r *recorder) unwritten(ctx context.Context, e entry, err error) error {
	conflict := errors.Is(err, ledger.ErrConflict)
	var row *ledger.Record
	if conflict {
		row = r.agreeing(ctx, &e)
	}
	if row != nil {
		if !r.covered(ctx, row.RunID, row.Worker, row.Seq) {
			// Its writer may be dead. Then the present message is the one that has the object counted.
			r.c.release(ctx, e.message, r.c.HandBack)
			return nil
		}
		e.outcome.Follow = nil // whoever was first sends it
		r.deletes.Go(func() { r.finish(ctx, []entry{e}) })
		return nil
	}
	if undo := e.outcome.Undo; conflict && undo != nil {
		if undoErr := undo(ctx); undoErr != nil {
			conflict, err = false, undoErr
		}
	}
	if conflict {
		look := message.Object{Run: e.run, Key: e.key, Op: message.Copy, Look: true, Sequencer: e.outcome.Sequencer}
		if e.op == message.Delete {
			look.Op, look.Look = message.Delete, false
		}
		if err = r.c.send(ctx, transfer.Outcome{Again: &look}); err == nil {
			r.deletes.Go(func() {
				r.finish(ctx, []entry{{message: e.message, remove: true, outcome: transfer.Outcome{After: e.outcome.After}}})
			})
			return nil
		}
	}
	r.c.release(ctx, e.message, r.c.HandBack)
	return err
}

// agreeing returns the record that somebody else wrote when it says the same: two messages about one version. Otherwise nil.
func (r *recorder) agreeing(ctx context.Context, e *entry) *ledger.Record {
	rows, err := r.c.Ledger.Get(ctx, []string{e.key})
	row, there := rows[e.key]
	o := &e.outcome
	if err != nil || !there || row.Status != o.Status || row.SourceETag != o.SourceETag {
		return nil
	}
	if row.Status == ledger.InProgress || row.Status == ledger.Done && row.DestinationETag == o.DestinationETag {
		return &row
	}
	return nil
}

// write puts the rows, as a batch where the ledger can, else many at a time.
func (r *recorder) write(ctx context.Context, puts []ledger.Put) []ledger.PutOutcome {
	outcomes := make([]ledger.PutOutcome, len(puts))
	if len(puts) == 0 {
		return outcomes
	}
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
		Key: e.key, Status: o.Status, Size: o.Size, SourceETag: o.SourceETag, DestinationETag: o.DestinationETag,
		Checksum: o.Checksum, VerifiedBy: o.VerifiedBy, RunID: e.run, Sequencer: o.Sequencer, Attempts: e.message.Receives, Method: o.Method,
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

// count adds a record to this worker's totals of its run. When a record of the same run was counted for the object already,
// it takes the place of that one, also when one of another run was written in between.
func (r *recorder) count(ctx context.Context, rec ledger.Record, replaced *ledger.Record) {
	t := r.totalsOf(rec.RunID)
	addOutcome(t, ledger.Prior{Outcome: rec.Outcome(), Class: rec.Class(), Size: rec.Size}, 1)
	var counted []ledger.Prior
	if replaced != nil {
		counted = replaced.Counted(rec.RunID)
	}
	switch {
	case len(counted) == 0:
	case r.covered(ctx, rec.RunID, counted[0].Worker, counted[0].Seq):
		addOutcome(t, counted[0], -1)
	default:
		// Its writer may be about to count it, or dead. Which of the two, its counters will tell.
		pending := correction(counted[0])
		for _, p := range counted[1:] {
			pending.Before = append(pending.Before, correction(p))
		}
		t.Pending = append(t.Pending, pending)
	}
	t.Seq = max(t.Seq, rec.Seq)
}

func correction(p ledger.Prior) run.Correction {
	return run.Correction{Worker: p.Worker, Seq: p.Seq, Outcome: p.Outcome, Error: p.Class, Bytes: p.Size}
}

func addOutcome(t *run.Counters, p ledger.Prior, n int64) {
	tally := t.Outcomes[p.Outcome]
	tally.Objects += n
	tally.Bytes += n * p.Size
	t.Outcomes[p.Outcome] = tally
	if p.Class != "" {
		t.Errors[p.Class] += n
	}
}

// covered reports whether a record is already in the counters of the worker that wrote it.
func (r *recorder) covered(ctx context.Context, runID, worker string, seq int64) bool {
	if worker == r.c.Worker {
		return true // this process counts every record that it writes
	}
	name := runID + "\x00" + worker
	if known, ok := r.known[name]; ok && seq <= known {
		return true
	}
	all, err := r.c.Runs.Counters(ctx, runID)
	if err != nil {
		r.c.Log.Warn("reading counters failed", "run", runID, "error", err)
		return false
	}
	for _, c := range all {
		r.known[runID+"\x00"+c.Worker] = c.Seq
	}
	return seq <= r.known[name]
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
	r.mu.Lock()
	t.Retries, t.Throttles, t.Superseded = r.of(runID).retries, r.of(runID).throttles, r.of(runID).superseded
	r.mu.Unlock()
	t.Updated = time.Now().UTC()
	if r.c.OnRun != nil {
		if err := r.c.OnRun(ctx, runID); err != nil {
			return err
		}
	}
	return retry.Calls().Do(ctx, func() error { return r.c.Runs.PutCounters(ctx, runID, *t) })
}

// finish does what was left until the outcomes are on record, and deletes or hands back their messages.
func (r *recorder) finish(ctx context.Context, settled []entry) {
	var remove []queue.Message
	for _, e := range settled {
		if err := r.after(ctx, &e.outcome); err != nil {
			r.c.Log.Warn("what follows an object failed; its message reappears", "key", e.key, "error", err)
			r.c.release(ctx, e.message, r.c.HandBack)
			continue
		}
		if e.remove {
			remove = append(remove, e.message)
		} else {
			r.c.release(ctx, e.message, e.release)
		}
	}
	r.remove(ctx, remove)
}

// deleteBatch is how many messages a queue deletes with one call.
const deleteBatch = 10

// remove deletes messages, as many with a call as the queue takes: those that do not fill one wait for others, as long as
// DeleteWait says. A worker that dies meanwhile has them delivered once more.
func (r *recorder) remove(ctx context.Context, messages []queue.Message) {
	if len(messages) == 0 {
		return
	}
	r.mu.Lock()
	r.pending = append(r.pending, messages...)
	if n := len(r.pending); r.c.DeleteWait > 0 && n < deleteBatch {
		if r.timer == nil {
			r.deletes.Add(1)
			r.timer = time.AfterFunc(r.c.DeleteWait, func() {
				defer r.deletes.Done()
				r.removePending(ctx)
			})
		}
		r.mu.Unlock()
		return
	}
	r.mu.Unlock()
	r.removePending(ctx)
}

func (r *recorder) removePending(ctx context.Context) {
	r.mu.Lock()
	messages := r.pending
	r.pending = nil
	if r.timer != nil && r.timer.Stop() {
		r.deletes.Done() // it will not run
	}
	r.timer = nil
	r.mu.Unlock()
	if len(messages) == 0 {
		return
	}
	if err := r.c.Queue.Delete(ctx, messages); err != nil {
		r.c.Log.Warn("deleting messages failed; they will be seen twice", "error", err)
	}
	r.c.leases.remove(messages)
}

// after does what an outcome asks for when it is on record.
func (r *recorder) after(ctx context.Context, out *transfer.Outcome) error {
	if err := r.c.queue(ctx, out.Follow); err != nil {
		return err
	}
	if out.After == nil {
		return nil
	}
	return out.After(ctx)
}
