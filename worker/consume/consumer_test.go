package consume_test

import (
	"context"
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
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/ledger/ledgersqlite"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/queue/queuesqlite"
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
}

func (d *desk) Settle(ctx context.Context, m message.Message, _ int) transfer.Outcome {
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
