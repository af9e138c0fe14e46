package consume_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/datatransferhub/dth/worker/consume"
	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/ledger/ledgersqlite"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/queue"
	"github.com/datatransferhub/dth/worker/queue/queuesqlite"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/run/runsqlite"
	"github.com/datatransferhub/dth/worker/transfer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// desk is a consumer on the embedded adapters, with a settler of the test's own.
type desk struct {
	t      *testing.T
	queue  *queuesqlite.Queue
	ledger *ledgersqlite.Ledger
	runs   *runsqlite.Runs
	settle func(ctx context.Context, m message.Object) transfer.Outcome
	reach  func(ctx context.Context) error // nil: both ends answer
	starts int

	mu       sync.Mutex
	receives []int // of the messages that were settled
}

func (d *desk) Settle(ctx context.Context, m message.Message, receives int) transfer.Outcome {
	d.mu.Lock()
	d.receives = append(d.receives, receives)
	d.mu.Unlock()
	return d.settle(ctx, m.(message.Object))
}

func (d *desk) Reach(ctx context.Context) error {
	if d.reach == nil {
		return nil
	}
	return d.reach(ctx)
}

func done(m message.Object) transfer.Outcome {
	return transfer.Outcome{Status: ledger.Done, Method: "stream", Size: m.Size, SourceETag: m.ETag}
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	ctx := context.Background()
	db, err := databasesqlite.Open(ctx, filepath.Join(t.TempDir(), "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	d := &desk{t: t, settle: func(_ context.Context, m message.Object) transfer.Outcome { return done(m) }}
	if d.queue, err = queuesqlite.Open(ctx, db, "task"); err != nil {
		t.Fatal(err)
	}
	if d.ledger, err = ledgersqlite.Open(ctx, db, "task"); err != nil {
		t.Fatal(err)
	}
	if d.runs, err = runsqlite.Open(ctx, db, "task"); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) send(keys ...string) {
	d.t.Helper()
	d.sendOf("run", keys...)
}

func (d *desk) sendOf(runID string, keys ...string) {
	d.t.Helper()
	var bodies []string
	for _, key := range keys {
		m := message.Object{Run: runID, Key: key, Size: 10, ETag: "e", Op: message.Copy}
		body, err := m.Encode()
		if err != nil {
			d.t.Fatal(err)
		}
		bodies = append(bodies, body)
	}
	if err := d.queue.Send(context.Background(), bodies); err != nil {
		d.t.Fatal(err)
	}
}

// run consumes until enough holds, then stops and drains.
func (d *desk) run(enough func() bool, change ...func(*consume.Config)) error {
	d.t.Helper()
	d.starts++
	c := consume.Config{
		Queue: d.queue, Ledger: d.ledger, Runs: d.runs, Settler: d, Worker: fmt.Sprintf("worker-%d", d.starts),
		HandBack: time.Millisecond, HandBackCap: 5 * time.Millisecond, Drain: 10 * time.Second,
	}
	for _, f := range change {
		f(&c)
	}
	ctx, stop := context.WithTimeout(context.Background(), 3*time.Minute)
	defer stop()
	go func() {
		for !enough() && ctx.Err() == nil {
			time.Sleep(2 * time.Millisecond)
		}
		stop()
	}()
	return consume.New(c).Run(ctx)
}

func (d *desk) empty() bool { return d.queue.Len() == 0 }

func (d *desk) rows(keys ...string) map[string]ledger.Record {
	d.t.Helper()
	rows, err := d.ledger.Get(context.Background(), keys)
	if err != nil {
		d.t.Fatal(err)
	}
	return rows
}

// counted returns the run's outcomes over all workers.
func (d *desk) counted() map[string]int64 {
	d.t.Helper()
	return d.countedOf("run")
}

func (d *desk) countedOf(runID string) map[string]int64 {
	d.t.Helper()
	all, err := d.runs.Counters(context.Background(), runID)
	if err != nil {
		d.t.Fatal(err)
	}
	out := map[string]int64{}
	for _, c := range all {
		for name, t := range c.Outcomes {
			if out[name] += t.Objects; out[name] == 0 {
				delete(out, name)
			}
		}
	}
	return out
}

func keys(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("k%04d", i)
	}
	return out
}

func TestEveryMessageIsSettledAndCounted(t *testing.T) {
	d := newDesk(t)
	d.send(keys(1500)...)
	if err := d.run(d.empty); err != nil {
		t.Fatal(err)
	}
	if n := len(d.rows(keys(1500)...)); n != 1500 {
		t.Errorf("%d records of 1500", n)
	}
	if got := d.counted(); got["DONE:stream"] != 1500 || len(got) != 1 {
		t.Errorf("counted %v", got)
	}
}

// A poison message never stops the worker; after five receives it lies in the dead-letter queue.
func TestPoisonGoesToTheDeadLetters(t *testing.T) {
	d := newDesk(t)
	poison := []string{"", "hello", `{"v":99,"kind":"object"}`, `{"v":1,"kind":"rocket"}`, `{"Event":"s3:TestEvent"}`, "\x00\xff"}
	if err := d.queue.Send(context.Background(), poison); err != nil {
		t.Fatal(err)
	}
	d.send(keys(50)...)
	if err := d.run(d.empty); err != nil {
		t.Fatal(err)
	}
	if n := d.queue.DeadLetters().Len(); n != int64(len(poison)) {
		t.Errorf("%d dead letters, want %d", n, len(poison))
	}
	if got := d.counted(); got["DONE:stream"] != 50 {
		t.Errorf("counted %v", got)
	}
}

func retryable(key string) error {
	return &failure.Error{Class: failure.Server, Op: "GetObject", Target: key, Detail: "try again"}
}

// An object that keeps failing is recorded before its last attempt ends, and its message becomes a dead letter.
func TestFifthFailureIsRecorded(t *testing.T) {
	d := newDesk(t)
	var tries atomic.Int64
	d.settle = func(_ context.Context, m message.Object) transfer.Outcome {
		if m.Key == "bad" {
			tries.Add(1)
			return transfer.Outcome{Err: retryable(m.Key)}
		}
		return done(m)
	}
	d.send("good", "bad")
	if err := d.run(d.empty); err != nil {
		t.Fatal(err)
	}
	rec := d.rows("bad")["bad"]
	if rec.Status != ledger.Failed || rec.ErrorClass != "server" || rec.Attempts != 5 || tries.Load() != 5 {
		t.Errorf("after %d tries the record is %+v", tries.Load(), rec)
	}
	if d.queue.DeadLetters().Len() != 1 {
		t.Errorf("%d dead letters, want 1", d.queue.DeadLetters().Len())
	}
	if got := d.counted(); got["FAILED"] != 1 || got["DONE:stream"] != 1 {
		t.Errorf("counted %v", got)
	}
}

func TestPermanentFailureIsRecordedAtOnce(t *testing.T) {
	d := newDesk(t)
	d.settle = func(context.Context, message.Object) transfer.Outcome {
		return transfer.Outcome{Status: ledger.Failed, Err: &failure.Error{Class: failure.AccessDenied, Op: "GetObject", Target: "bad"}}
	}
	d.send("bad")
	if err := d.run(d.empty); err != nil {
		t.Fatal(err)
	}
	if rec := d.rows("bad")["bad"]; rec.Attempts != 1 || rec.ErrorClass != "access_denied" || d.queue.DeadLetters().Len() != 0 {
		t.Errorf("record %+v, %d dead letters", rec, d.queue.DeadLetters().Len())
	}
}

// A message that is delivered again after its outcome was counted is not counted twice; its new outcome takes the
// place of the old one.
func TestRedeliveryIsCountedOnce(t *testing.T) {
	d := newDesk(t)
	fail := true
	d.settle = func(_ context.Context, m message.Object) transfer.Outcome {
		if m.Key == "k0003" && fail {
			return transfer.Outcome{Status: ledger.Failed, Err: &failure.Error{Class: failure.KMS}}
		}
		return done(m)
	}
	for range 3 { // another worker each time, as after a crash before the messages were deleted
		d.send(keys(20)...)
		if err := d.run(d.empty); err != nil {
			t.Fatal(err)
		}
		fail = false
	}
	if got := d.counted(); got["DONE:stream"] != 20 || len(got) != 1 {
		t.Errorf("counted %v", got)
	}
}

// A message of a run comes once more after one of another run has written the object's record in between: still the object is
// counted once in each.
func TestRedeliveryAfterAnotherRunIsCountedOnce(t *testing.T) {
	d := newDesk(t)
	heed := func(c *consume.Config) {
		c.Heed = func() ledger.Heed { return ledger.Heed{Runs: []string{"run", "other"}} }
	}
	for _, runID := range []string{"run", "other", "run", "run", "other", "run"} {
		d.sendOf(runID, keys(5)...)
		if err := d.run(d.empty, heed); err != nil {
			t.Fatal(err)
		}
	}
	if got := d.counted(); got["DONE:stream"] != 5 || len(got) != 1 {
		t.Errorf("counted %v", got)
	}
	if got := d.countedOf("other"); got["DONE:stream"] != 5 || len(got) != 1 {
		t.Errorf("of the other run counted %v", got)
	}
}

// Messages of a run that a newer one has overtaken are dropped, but for those that somebody had in hand before: he may have copied
// the object and died.
func TestSupersededMessagesThatWereInHandAreSettled(t *testing.T) {
	d := newDesk(t)
	var overtaken atomic.Bool
	d.settle = func(_ context.Context, m message.Object) transfer.Outcome {
		if overtaken.CompareAndSwap(false, true) {
			d.send("never seen")
			return transfer.Outcome{Err: &failure.Error{Class: failure.Network}}
		}
		return done(m)
	}
	d.send("in hand")
	err := d.run(d.empty, func(c *consume.Config) { c.Superseded = func(string) bool { return overtaken.Load() } })
	if err != nil {
		t.Fatal(err)
	}
	rows := d.rows("in hand", "never seen")
	if _, dropped := rows["never seen"]; dropped || rows["in hand"].Status != ledger.Done {
		t.Errorf("recorded are %+v", rows)
	}
}

// A source that changed becomes a new message, and is settled by it.
func TestChangedObjectIsSentAnew(t *testing.T) {
	d := newDesk(t)
	d.settle = func(_ context.Context, m message.Object) transfer.Outcome {
		if m.ETag == "e" {
			again := m
			again.ETag = "newer"
			return transfer.Outcome{Again: &again}
		}
		return done(m)
	}
	d.send(keys(5)...)
	if err := d.run(d.empty); err != nil {
		t.Fatal(err)
	}
	for key, rec := range d.rows(keys(5)...) {
		if rec.SourceETag != "newer" {
			t.Errorf("%s was settled with ETag %q", key, rec.SourceETag)
		}
	}
	if got := d.counted(); got["DONE:stream"] != 5 {
		t.Errorf("counted %v", got)
	}
}

// Stopping finishes what is under way and hands back the rest without using up receives.
func TestDrainHandsBackFresh(t *testing.T) {
	d := newDesk(t)
	var under sync.WaitGroup
	under.Add(8)
	release := make(chan struct{})
	var begun atomic.Int64
	d.settle = func(_ context.Context, m message.Object) transfer.Outcome {
		if begun.Add(1) <= 8 {
			under.Done()
			<-release
		}
		return done(m)
	}
	d.send(keys(200)...)
	stopped := make(chan struct{})
	go func() { under.Wait(); close(stopped); time.Sleep(50 * time.Millisecond); close(release) }()
	err := d.run(func() bool {
		select {
		case <-stopped:
			return true
		default:
			return false
		}
	}, func(c *consume.Config) { c.Concurrency = 8 })
	if err != nil {
		t.Fatal(err)
	}
	settled := int64(len(d.rows(keys(200)...)))
	if settled < 8 || settled+d.queue.Len() != 200 {
		t.Errorf("%d settled, %d in the queue, of 200", settled, d.queue.Len())
	}
	messages, err := d.queue.Receive(context.Background(), 300, 0)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(messages)) != 200-settled {
		t.Errorf("%d messages can be received at once, want %d", len(messages), 200-settled)
	}
	for _, m := range messages {
		if m.Receives != 1 {
			t.Fatalf("a message that was handed back was received %d times", m.Receives)
		}
	}
}

// Work that is still not finished when the time for draining is over is cut off and handed back.
func TestDrainHasAnEnd(t *testing.T) {
	d := newDesk(t)
	begun := make(chan struct{})
	d.settle = func(ctx context.Context, m message.Object) transfer.Outcome {
		close(begun)
		<-ctx.Done()
		return transfer.Outcome{Err: &failure.Error{Class: failure.Canceled, Err: ctx.Err()}}
	}
	d.send("slow")
	err := d.run(func() bool {
		select {
		case <-begun:
			return true
		default:
			return false
		}
	}, func(c *consume.Config) { c.Drain = 20 * time.Millisecond })
	if err != nil || d.queue.Len() != 1 || len(d.rows("slow")) != 0 {
		t.Errorf("error %v, %d messages, records %v", err, d.queue.Len(), d.rows("slow"))
	}
}

// A machine that goes away leaves less time than draining may take: what is not finished by then is handed back fresh, and a
// receive that waits for messages is not waited for. By itself this work would end when the machine is gone.
func TestLeavingMachineHandsBackInTime(t *testing.T) {
	d := newDesk(t)
	begun := make(chan struct{})
	d.settle = func(ctx context.Context, m message.Object) transfer.Outcome {
		close(begun)
		select {
		case <-ctx.Done():
			return transfer.Outcome{Err: &failure.Error{Class: failure.Canceled, Err: ctx.Err()}}
		case <-time.After(25 * time.Second):
			return done(m)
		}
	}
	d.send("slow")
	ctx, stop := context.WithCancelCause(t.Context())
	defer stop(nil)
	c := consume.New(consume.Config{
		Queue: d.queue, Ledger: d.ledger, Runs: d.runs, Settler: d, Worker: "worker", FinishReceives: true, ReceiveWait: 20 * time.Second, Drain: time.Hour,
	})
	go func() {
		<-begun
		stop(&consume.Leaving{Why: "test", By: time.Now().Add(15*time.Second + 100*time.Millisecond)})
	}()
	if err := c.Run(ctx); err != nil {
		t.Error(err)
	}
	messages, err := d.queue.Receive(t.Context(), 10, 0)
	if err != nil || len(messages) != 1 || messages[0].Receives != 1 || len(d.rows("slow")) != 0 {
		t.Errorf("messages %v, %v, records %v", messages, err, d.rows("slow"))
	}
}

// When a whole endpoint refuses, a run on a desk ends with the reason and loses nothing.
func TestRefusingEndpointStopsADesk(t *testing.T) {
	d := newDesk(t)
	d.settle = func(context.Context, message.Object) transfer.Outcome {
		return transfer.Outcome{Err: &failure.Error{Class: failure.BadCredentials, Op: "GetObject", Code: "InvalidAccessKeyId"}}
	}
	d.send(keys(30)...)
	err := d.run(func() bool { return false }, func(c *consume.Config) { c.StopOnEndpoint = true })
	if !failure.Is(err, failure.BadCredentials) {
		t.Errorf("error %v", err)
	}
	if d.queue.Len() != 30 {
		t.Errorf("%d messages are left of 30", d.queue.Len())
	}
}

func TestLedgerThatFailsKeepsTheMessage(t *testing.T) {
	d := newDesk(t)
	d.send("a")
	broken := &brokenLedger{Ledger: d.ledger}
	broken.failures.Store(3)
	if err := d.run(d.empty, func(c *consume.Config) { c.Ledger = broken }); err != nil {
		t.Fatal(err)
	}
	if got := d.counted(); got["DONE:stream"] != 1 || d.rows("a")["a"].Attempts != 4 {
		t.Errorf("counted %v, record %+v", got, d.rows("a")["a"])
	}
}

// brokenLedger refuses some writes.
type brokenLedger struct {
	ledger.Ledger
	failures atomic.Int64
}

func (b *brokenLedger) Put(ctx context.Context, r ledger.Record, e *ledger.Revision) (*ledger.Record, error) {
	if b.failures.Add(-1) >= 0 {
		return nil, errors.New("the table is not there")
	}
	return b.Ledger.Put(ctx, r, e)
}

// A store that refuses everything halves the limit each second, one that refuses a few at any speed leaves work to do, and
// good times bring the limit back.
func TestGateFollowsWhatAnEndTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := consume.NewGate(8, 64)
		ctx := t.Context()
		second := func(refused func(i int) bool) int { // a second of objects that take a tenth of it each
			for range 10 {
				n := g.Limit()
				for range n {
					if err := g.Acquire(ctx); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(100 * time.Millisecond)
				for i := range n {
					g.Release(refused(i))
				}
			}
			return g.Limit()
		}
		all := func(int) bool { return true }
		for _, want := range []int{18, 9, 4, 2, 1, 1} {
			if got := second(all); got != want {
				t.Errorf("limit %d while everything is refused, want %d", got, want)
			}
		}
		none := func(int) bool { return false }
		for range 10 {
			second(none)
		}
		if g.Limit() != 64 {
			t.Errorf("limit %d after ten good seconds, want 64", g.Limit())
		}
		fifth := func(i int) bool { return i%5 == 0 }
		for range 30 {
			second(fifth)
		}
		if got := g.Limit(); got < 16 {
			t.Errorf("limit %d where a fifth is refused at any speed", got)
		}
	})
}

// Counters that cannot be written keep the messages of a batch in the queue, where they are seen again soon: not when their leases
// end, which are renewed as long as they are held.
func TestCountersThatCannotBeWrittenHandBack(t *testing.T) {
	refused := &failure.Error{Class: failure.AccessDenied, Op: "PutItem"}
	for name, arm := range map[string]func(c *consume.Config, fails func() error){
		"the counters": func(c *consume.Config, fails func() error) { c.Runs = &brokenRuns{Store: c.Runs, fails: fails} },
		"the run": func(c *consume.Config, fails func() error) {
			c.OnRun = func(context.Context, string) error { return fails() }
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.send(keys(5)...)
			d.sendOf("other", "x")
			var tries atomic.Int64
			err := d.run(d.empty, func(c *consume.Config) {
				arm(c, func() error {
					if tries.Add(1) <= 2 {
						return refused
					}
					return nil
				})
			})
			if err != nil {
				t.Fatal(err)
			}
			if n := d.queue.Len(); n != 0 {
				t.Fatalf("%d messages are held", n)
			}
			if got := d.counted(); got["DONE:stream"] != 5 || len(got) != 1 {
				t.Errorf("counted %v", got)
			}
			if got := d.countedOf("other"); got["DONE:stream"] != 1 || len(got) != 1 {
				t.Errorf("of the other run counted %v", got)
			}
		})
	}
}

// brokenRuns refuses some counters.
type brokenRuns struct {
	run.Store
	fails func() error
}

func (b *brokenRuns) PutCounters(ctx context.Context, id string, c run.Counters) error {
	if err := b.fails(); err != nil {
		return err
	}
	return b.Store.PutCounters(ctx, id, c)
}

// What a drained worker sends anew says that it was received before, and the next worker heeds it: one who had it may have begun
// and died.
func TestDrainTellsWhatWasReceivedBefore(t *testing.T) {
	created := `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventTime":"2026-11-23T10:00:00.000Z","eventName":"ObjectCreated:Put",` +
		`"s3":{"bucket":{"name":"src"},"object":{"key":"k","sequencer":"0A","size":5,"eTag":"e"}}}]}`
	filter, err := job.NewFilter(job.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	events := &consume.Events{Job: &job.Job{Events: job.EventsCreate, Source: job.Endpoint{Bucket: "src"}}, Filter: filter}
	object, err := message.Object{Run: "run", Key: "k", Size: 5, ETag: "e", Op: message.Copy}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{"object": object, "event": created} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			if err := d.queue.Send(t.Context(), []string{body}); err != nil {
				t.Fatal(err)
			}
			var tries atomic.Int64
			d.settle = func(ctx context.Context, _ message.Object) transfer.Outcome {
				if tries.Add(1) == 1 {
					return transfer.Outcome{Err: &failure.Error{Class: failure.Network}}
				}
				<-ctx.Done()
				return transfer.Outcome{Err: &failure.Error{Class: failure.Canceled, Err: ctx.Err()}}
			}
			follow := func(c *consume.Config) { c.Events, c.Drain = events, time.Millisecond }
			if err := d.run(func() bool { return tries.Load() == 2 }, follow); err != nil {
				t.Fatal(err)
			}
			waiting, err := d.queue.Receive(t.Context(), 10, 0)
			if err != nil || len(waiting) != 1 || waiting[0].Receives != 1 {
				t.Fatalf("waiting are %+v, %v", waiting, err)
			}
			m, err := message.Decode(waiting[0].Body)
			if err != nil || !message.WasSeen(m) {
				t.Fatalf("waiting is %s, %v", waiting[0].Body, err)
			}
			if err := d.queue.Extend(t.Context(), waiting, 0); err != nil {
				t.Fatal(err)
			}
			d.receives = nil
			d.settle = func(_ context.Context, m message.Object) transfer.Outcome { return done(m) }
			overtaken := func(c *consume.Config) { c.Superseded = func(id string) bool { return id == "run" } }
			if err := d.run(d.empty, follow, overtaken); err != nil {
				t.Fatal(err)
			}
			if len(d.receives) != 1 || d.receives[0] < 2 || d.rows("k")["k"].Status != ledger.Done {
				t.Errorf("settled as received %v times, recorded %+v", d.receives, d.rows("k"))
			}
		})
	}
}

// dropAgain is a queue whose first deletions fail, as if the worker had died before them: the messages are seen again.
type dropAgain struct {
	queue.Queue
	fails atomic.Int64
}

func (q *dropAgain) Delete(ctx context.Context, messages []queue.Message) error {
	if q.fails.Add(-1) >= 0 {
		return errors.Join(errors.New("no answer"), q.Extend(ctx, messages, 0))
	}
	return q.Queue.Delete(ctx, messages)
}

// Messages that are dropped because their run was overtaken are in its counters before they are deleted, each of them once: the
// run would wait for them for ever.
func TestDroppedMessagesAreCountedOnce(t *testing.T) {
	d := newDesk(t)
	d.send(keys(30)...)
	again := &dropAgain{Queue: d.queue}
	again.fails.Store(2)
	overtaken := func(c *consume.Config) {
		c.Superseded, c.Queue = func(string) bool { return true }, again
	}
	if err := d.run(d.empty, overtaken); err != nil {
		t.Fatal(err)
	}
	all, err := d.runs.Counters(t.Context(), "run")
	if err != nil || run.Settled(all) != 30 || run.Total(all).Superseded != 30 {
		t.Errorf("%d are settled, %+v, %v", run.Settled(all), all, err)
	}
	if n := len(d.rows(keys(30)...)); n != 0 {
		t.Errorf("%d were settled all the same", n)
	}
	// What comes afterwards does not bring them back.
	d.send("late")
	if err := d.run(d.empty, overtaken); err != nil {
		t.Fatal(err)
	}
	if all, err = d.runs.Counters(t.Context(), "run"); err != nil || run.Settled(all) != 31 {
		t.Errorf("%d are settled, %+v, %v", run.Settled(all), all, err)
	}
}

// Two runs record the same of an object at once: each counts its own message.
func TestRunsThatAgreeCountTheirMessages(t *testing.T) {
	d := newDesk(t)
	heed := func(c *consume.Config) {
		c.Heed = func() ledger.Heed { return ledger.Heed{Runs: []string{"run", "other"}} }
	}
	var met atomic.Int64
	d.settle = func(_ context.Context, m message.Object) transfer.Outcome {
		out := done(m)
		out.DestinationETag, out.Expect = "d", &ledger.Revision{}
		if m.Run == "run" {
			// It read that there is no record; by the time it writes its own, the other run's is there.
			met.Add(1)
			d.sendOf("other", m.Key)
			for len(d.rows(m.Key)) == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		return out
	}
	d.send(keys(3)...)
	if err := d.run(func() bool { return met.Load() >= 3 && d.empty() }, heed); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"run", "other"} {
		if got := d.countedOf(id); got["DONE:stream"] != 3 || len(got) != 1 {
			t.Errorf("of %s counted %v", id, got)
		}
	}
	if met.Load() != 3 {
		t.Errorf("%d were settled for 3 messages", met.Load())
	}
}

// One worker replaces ten thousand records whose writers had not counted them. What it remembers of them stays small, whatever
// became of the writers, and the counts are exact all along.
func TestManyCorrectionsStaySmall(t *testing.T) {
	d := newDesk(t)
	const n = 10_000
	var puts []ledger.Put
	for i, key := range keys(n) {
		writer := "alive"
		if i%2 == 0 {
			writer = "slow"
		}
		puts = append(puts, ledger.Put{Record: ledger.Record{
			Key: key, Status: ledger.Failed, ErrorClass: "kms", Size: 10, SourceETag: "e", RunID: "run", Worker: writer, Seq: int64(i + 1), FinishedAt: time.Now(),
		}})
	}
	if _, err := d.ledger.PutBatch(t.Context(), puts); err != nil {
		t.Fatal(err)
	}
	counts := func(writer string) {
		err := d.runs.PutCounters(context.Background(), "run", run.Counters{
			Worker: writer, Seq: n, Outcomes: map[string]run.Tally{"FAILED": {Objects: n / 2, Bytes: n / 2 * 10}}, Errors: map[string]int64{"kms": n / 2},
		})
		if err != nil {
			t.Error(err)
		}
	}
	check := func(when string) {
		t.Helper()
		all, err := d.runs.Counters(t.Context(), "run")
		if err != nil {
			t.Fatal(err)
		}
		total := run.Total(all)
		if want := (run.Tally{Objects: n, Bytes: n * 10}); total.Outcomes["DONE:stream"] != want || len(total.Outcomes) != 1 || len(total.Errors) != 0 {
			t.Errorf("%s: counted %+v, %+v", when, total.Outcomes, total.Errors)
		}
	}
	d.send(keys(n)...)
	var settled, largest atomic.Int64
	d.settle = func(_ context.Context, m message.Object) transfer.Outcome {
		if settled.Add(1) == n/3 {
			counts("alive")
		}
		return done(m)
	}
	err := d.run(d.empty, func(c *consume.Config) {
		c.Runs = &watchedRuns{Store: c.Runs, put: func(counters run.Counters) {
			text, err := json.Marshal(counters)
			if err != nil {
				t.Error(err)
			}
			largest.Store(max(largest.Load(), int64(len(text))))
		}}
	})
	if err != nil {
		t.Fatal(err)
	}
	if largest.Load() > 40_000 {
		t.Errorf("counters of %d bytes were written", largest.Load())
	}
	t.Logf("the largest counters have %d bytes", largest.Load())
	check("with writers that died")
	counts("slow") // it was about to, all the time
	check("when all have counted")
}

// watchedRuns tells of counters before they are written.
type watchedRuns struct {
	run.Store
	put func(run.Counters)
}

func (w *watchedRuns) PutCounters(ctx context.Context, id string, c run.Counters) error {
	w.put(c)
	return w.Store.PutCounters(ctx, id, c)
}

// Somebody else writes the record while an object is deleted: the fresh message says that it is a look, which no order of events
// keeps from being taken.
func TestDeletionThatLostItsConditionLooksAgain(t *testing.T) {
	d := newDesk(t)
	var looks atomic.Int64
	d.settle = func(_ context.Context, m message.Object) transfer.Outcome {
		if m.Look {
			looks.Add(1)
			return transfer.Outcome{Settled: true}
		}
		return transfer.Outcome{Status: ledger.Deleted, Method: "delete", Expect: &ledger.Revision{Worker: "another", Seq: 1}}
	}
	body, err := message.Object{Run: "events", Key: "k", Op: message.Delete, Sequencer: "0A"}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.queue.Send(t.Context(), []string{body}); err != nil {
		t.Fatal(err)
	}
	if err := d.run(func() bool { return looks.Load() > 0 && d.empty() }); err != nil || looks.Load() != 1 {
		t.Errorf("%d looks, %v", looks.Load(), err)
	}
}
