package consume

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/datatransferhub/dth/worker/event"
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
	// superseded says that the message is dropped because its run was overtaken.
	superseded bool
	sequencer  string        // of an object: that of the event which its message answers
	remove     bool          // delete the message when the outcome is on record
	release    time.Duration // otherwise hand it back after this
}

// recorder writes outcomes: first the ledger rows, then the worker's counters that cover them, then the
// deletion of the messages. One batch is under way at a time, so that the counters' sequence number
// covers everything below it.
type recorder struct {
	c       *Consumer
	entries chan entry

	seq    int64
	totals map[string]*run.Counters  // by run
	known  map[string]int64          // highest sequence number of other workers' counters, by run and worker
	looked map[string]bool           // by run: known is of this batch
	aside  map[string][]run.Counters // by run: corrections that are to be in an item of their own, and may not be yet
	asides map[string]int            // by run: how many such items there are

	malformed, ignored, retries, throttles atomic.Int64
	deletes                                sync.WaitGroup

	mu      sync.Mutex
	asked   map[string]*tries          // by run; what has no row of its own
	gone    map[string]map[string]bool // by run: ids of dropped messages that are deleted
	pending []removal                  // that wait for others, to be deleted with them
	timer   *time.Timer                // that deletes them; nil: none wait
}

// tries are figures of a run that no ledger row tells. They are of this process and not exact under redelivery.
type tries struct{ retries, throttles int64 }

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

// maxCommit bounds one batch of outcomes.
const maxCommit = 500

func newRecorder(c *Consumer) *recorder {
	return &recorder{
		c: c, entries: make(chan entry, maxCommit), totals: map[string]*run.Counters{}, known: map[string]int64{}, asked: map[string]*tries{},
		gone: map[string]map[string]bool{}, looked: map[string]bool{}, aside: map[string][]run.Counters{}, asides: map[string]int{},
	}
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

// commit writes one batch. Entries whose record could not be written, or whose counters, stay in the queue: their messages
// reappear.
func (r *recorder) commit(ctx context.Context, batch []entry) {
	b := &commit{batch: batch, kept: make([]bool, len(batch)), touched: map[string]bool{}}
	clear(r.looked)
	if r.c.Heed != nil {
		b.heed = r.c.Heed()
	}
	var rows []int
	for i := range batch {
		if batch[i].outcome.Status != "" {
			rows = append(rows, i)
		}
	}
	// Of two runs that record the same of an object at once, the second writes upon what the first has written.
	if agreeing := r.record(ctx, b, rows, true); len(agreeing) > 0 {
		r.record(ctx, b, agreeing, false)
	}
	b.lost.log(r.c.Log)
	r.countDropped(b, 1)
	uncounted := map[string]bool{}
	for id := range b.touched {
		if err := r.flush(ctx, id); err != nil {
			r.c.Log.Error("writing counters failed; the messages that they cover come again", "run", id, "error", err)
			uncounted[id] = true
		}
	}
	settled, again := make([]entry, 0, len(batch)), []entry(nil)
	for i := range batch {
		switch e := &batch[i]; {
		case b.kept[i]:
		case uncounted[e.run] && (e.outcome.Status != "" || e.superseded):
			again = append(again, *e)
		default:
			settled = append(settled, *e)
		}
	}
	r.countDropped(&commit{batch: again}, -1)
	r.deletes.Go(func() {
		for i := range again {
			r.c.release(ctx, again[i].message, r.c.handBackDelay(again[i].message.Receives))
		}
		r.finish(ctx, settled)
	})
}

// commit is a batch on its way.
type commit struct {
	batch   []entry
	heed    ledger.Heed
	kept    []bool          // of the batch: dealt with already, because there is no record
	touched map[string]bool // runs whose counters changed
	lost    unrecorded
}

// record writes the records of some entries and counts them. It returns those that another run was faster with, to be written
// upon its record, when that may be tried.
func (r *recorder) record(ctx context.Context, b *commit, rows []int, mayAgree bool) (agreeing []int) {
	puts := make([]ledger.Put, 0, len(rows))
	for _, i := range rows {
		r.seq++
		put := ledger.Put{Record: r.row(&b.batch[i], r.seq), Expect: b.batch[i].outcome.Expect}
		put.Record.Heed = b.heed
		put.Record.Replace(b.batch[i].outcome.Found)
		puts = append(puts, put)
	}
	outcomes := r.write(ctx, puts)
	for n, i := range rows {
		e := &b.batch[i]
		if err := outcomes[n].Err; err != nil {
			if mayAgree && r.agreed(ctx, e, err) {
				agreeing = append(agreeing, i)
				continue
			}
			b.kept[i] = true
			b.lost.add(e.key, r.unwritten(ctx, *e, err))
			continue
		}
		replaced := outcomes[n].Replaced
		if out := &e.outcome; replaced == nil && out.Expect != nil {
			replaced = out.Found // the answer to the write was lost, which replaced what it expected
		}
		r.count(ctx, puts[n].Record, replaced)
		b.touched[puts[n].Record.RunID] = true
		if r.c.OnOutcome != nil {
			r.c.OnOutcome(puts[n].Record)
		}
	}
	return agreeing
}

// agreed reports whether an outcome was refused because another run has recorded the same meanwhile. Then it expects that
// record: each run counts its own message, and whoever has read the other's record in between looks again.
func (r *recorder) agreed(ctx context.Context, e *entry, err error) bool {
	o := &e.outcome
	if !errors.Is(err, ledger.ErrConflict) {
		return false
	}
	row := r.agreeing(ctx, e)
	if row == nil || countedBy(row, e) {
		return false
	}
	revision := row.Revision()
	o.Expect, o.Found, o.Follow, o.Undo = &revision, row, nil, nil // whoever was first sends what follows
	if event.Compare(row.Sequencer, o.Sequencer) > 0 {
		o.Sequencer = row.Sequencer
	}
	return true
}

// maxDropped bounds how many dropped messages are remembered whose deletion did not succeed.
const maxDropped = 2000

// countDropped counts the messages of a batch that were dropped because their run was overtaken, or takes them off again.
func (r *recorder) countDropped(b *commit, n int64) {
	for i := range b.batch {
		e := &b.batch[i]
		if !e.superseded {
			continue
		}
		t := r.totalsOf(e.run)
		t.Superseded += n
		if n > 0 {
			t.Dropped = append(t.Dropped, e.message.ID)
			t.Dropped = t.Dropped[max(0, len(t.Dropped)-maxDropped):]
			b.touched[e.run] = true
		} else {
			t.Dropped = slices.DeleteFunc(t.Dropped, func(id string) bool { return id == e.message.ID })
		}
	}
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
		if !countedBy(row, &e) || !r.covered(ctx, row.RunID, row.Worker, row.Seq) {
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
		// The order of events is for events: the look of a pass is not to be dropped because of a newer event than it knew of.
		look := message.Object{Run: e.run, Key: e.key, Op: message.Copy, Look: true, Sequencer: e.sequencer}
		if e.op == message.Delete {
			look.Op = message.Delete
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

// countedBy reports whether the run of an outcome counts its object without it, given the record that agrees with it: a giant that
// was begun for that run is counted when it is completed, whoever's record says that it is in progress.
func countedBy(row *ledger.Record, e *entry) bool {
	return row.RunID == e.run || e.outcome.Status == ledger.InProgress && e.outcome.Reason == ""
}

// agreeing returns the record that somebody else wrote when it says the same: two messages about one version. Otherwise nil.
func (r *recorder) agreeing(ctx context.Context, e *entry) *ledger.Record {
	rows, err := r.c.Ledger.Get(ctx, []string{e.key})
	row, there := rows[e.key]
	o := &e.outcome
	if err != nil || !there || row.Status != o.Status || row.SourceETag != o.SourceETag || row.Upload != "" && row.Upload != o.Upload {
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
		StartedAt: o.Started, FinishedAt: time.Now().UTC(), Bytes: o.Bytes, Worker: r.c.Worker, Seq: seq, Upload: o.Upload,
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
	if r.looked[runID] {
		return false // by what was known at this batch: its counters will tell whether it comes to be
	}
	if err := r.look(ctx, runID); err != nil {
		r.c.Log.Warn("reading counters failed", "run", runID, "error", err)
		return false
	}
	return seq <= r.known[name]
}

// look reads how far the counters of other workers of a run have come. Once a batch is enough.
func (r *recorder) look(ctx context.Context, runID string) error {
	all, err := r.c.Runs.Counters(ctx, runID)
	if err != nil {
		return err
	}
	for _, c := range all {
		r.known[runID+"\x00"+c.Worker] = c.Seq
	}
	r.looked[runID] = true
	return nil
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
	t.Retries, t.Throttles = r.of(runID).retries, r.of(runID).throttles
	gone := r.gone[runID]
	delete(r.gone, runID)
	r.mu.Unlock()
	t.Dropped = slices.DeleteFunc(t.Dropped, func(id string) bool { return gone[id] })
	t.Updated = time.Now().UTC()
	if r.c.OnRun != nil {
		if err := r.c.OnRun(ctx, runID); err != nil {
			return err
		}
	}
	if err := r.shorten(ctx, runID, t); err != nil {
		return err
	}
	return r.put(ctx, runID, *t)
}

func (r *recorder) put(ctx context.Context, runID string, c run.Counters) error {
	return retry.Calls().Do(ctx, func() error { return r.c.Runs.PutCounters(ctx, runID, c) })
}

// pendingSize is the most of corrections, in bytes, that is written with every batch. DynamoDB takes 400 KB in an item, and the
// price of a write goes by its size.
const pendingSize = 16 << 10

// shorten keeps the corrections of a run few. One whose writer has counted its record by now is carried out; where that is not
// enough, because the writers died, corrections get an item of their own, which is not written again. They are out of the
// worker's own item only when they are in the other; while they are in both, they are one.
func (r *recorder) shorten(ctx context.Context, runID string, t *run.Counters) error {
	if sizeOf(t.Pending) > pendingSize {
		if err := r.look(ctx, runID); err != nil {
			return err
		}
		t.Pending = slices.DeleteFunc(t.Pending, func(p run.Correction) bool {
			counted := r.known[runID+"\x00"+p.Worker] >= p.Seq
			if counted {
				addOutcome(t, ledger.Prior{Outcome: p.Outcome, Class: p.Error, Size: p.Bytes}, -1)
			}
			return counted
		})
	}
	for sizeOf(t.Pending) > pendingSize {
		n, size := 0, 0
		for n < len(t.Pending) && size < pendingSize {
			size += sizeOf(t.Pending[n : n+1])
			n++
		}
		r.aside[runID] = append(r.aside[runID], run.Counters{
			Worker: fmt.Sprintf("%s+%d", r.c.Worker, r.asides[runID]), Outcomes: map[string]run.Tally{}, Errors: map[string]int64{},
			Updated: t.Updated, Pending: slices.Clone(t.Pending[:n]),
		})
		r.asides[runID]++
		t.Pending = slices.Clone(t.Pending[n:])
	}
	// One whose writing failed may be there all the same: it is written again as it was.
	for len(r.aside[runID]) > 0 {
		if err := r.put(ctx, runID, r.aside[runID][0]); err != nil {
			return err
		}
		r.aside[runID] = r.aside[runID][1:]
	}
	return nil
}

// sizeOf estimates how large corrections are in an item.
func sizeOf(all []run.Correction) (size int) {
	for i := range all {
		size += 64 + len(all[i].Worker) + len(all[i].Outcome) + len(all[i].Error) + sizeOf(all[i].Before)
	}
	return size
}

// finish does what was left until the outcomes are on record, and deletes or hands back their messages.
func (r *recorder) finish(ctx context.Context, settled []entry) {
	var remove []removal
	for _, e := range settled {
		err := r.after(ctx, &e.outcome)
		var left *transfer.LeftError
		if errors.As(err, &left) {
			r.c.Log.Warn("an upload stays open", "key", e.key, "upload", left.Upload.ID, "forgotten", left.Forgotten, "error", left.Err)
			err = nil
		}
		if err != nil {
			r.c.Log.Warn("what follows an object failed; its message reappears", "key", e.key, "error", err)
			r.c.release(ctx, e.message, r.c.HandBack)
			continue
		}
		if e.remove {
			gone := removal{message: e.message}
			if e.superseded {
				gone.dropped = e.run
			}
			remove = append(remove, gone)
		} else {
			r.c.release(ctx, e.message, e.release)
		}
	}
	r.remove(ctx, remove)
}

// removal is a message that is to be deleted.
type removal struct {
	message queue.Message
	dropped string // the run that counts it as dropped; empty for others
}

// deleteBatch is how many messages a queue deletes with one call.
const deleteBatch = 10

// remove deletes messages, as many with a call as the queue takes: those that do not fill one wait for others, as long as
// DeleteWait says. A worker that dies meanwhile has them delivered once more.
func (r *recorder) remove(ctx context.Context, messages []removal) {
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
	removals := r.pending
	r.pending = nil
	if r.timer != nil && r.timer.Stop() {
		r.deletes.Done() // it will not run
	}
	r.timer = nil
	r.mu.Unlock()
	if len(removals) == 0 {
		return
	}
	messages := make([]queue.Message, len(removals))
	for i := range removals {
		messages[i] = removals[i].message
	}
	err := r.c.Queue.Delete(ctx, messages)
	if err != nil {
		r.c.Log.Warn("deleting messages failed; they will be seen twice", "error", err)
	}
	r.c.leases.remove(messages)
	if err == nil {
		r.forget(removals)
	}
}

// forget notes the dropped messages that cannot come again.
func (r *recorder) forget(removals []removal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range removals {
		id := removals[i].dropped
		if id == "" {
			continue
		}
		if r.gone[id] == nil {
			r.gone[id] = map[string]bool{}
		}
		r.gone[id][removals[i].message.ID] = true
	}
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
