// Package consume is the worker's pipeline: it receives messages, has them settled, records the outcomes and
// deletes the messages, in that order, so that whatever dies in between is done again and never lost.
package consume

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/queue"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/transfer"
)

// Settler settles one object; *transfer.Copier is one.
type Settler interface {
	Do(ctx context.Context, m message.Object) transfer.Outcome
}

// Config is what a Consumer works with.
type Config struct {
	Queue   queue.Queue
	Ledger  ledger.Ledger
	Runs    run.Store
	Settler Settler
	// Worker names this process in records. It must be another after every start, because the
	// sequence numbers of its records begin anew.
	Worker string
	// Concurrency is the number of objects under way; 0 adapts between 8 and 64.
	Concurrency int
	// Receivers is the number of receive calls in flight; 0 is chosen from Concurrency.
	Receivers int
	// Batch is how many messages are asked for at once; 0 is 10, the most that SQS gives.
	Batch int
	// HandBack is the wait after the first failed receive; it grows fourfold, at most to HandBackCap.
	// 0 is 10 s, and 15 min for the cap.
	HandBack, HandBackCap time.Duration
	// StopOnEndpoint makes Run return the error when a whole endpoint refuses (wrong credentials,
	// bucket or region); otherwise the worker holds what it has and tries once a minute.
	StopOnEndpoint bool
	// Drain bounds how long objects under way may take to finish after the context ended.
	Drain time.Duration
	// OnOutcome is told every recorded outcome, in no order.
	OnOutcome func(ledger.Record)
	Log       *slog.Logger
}

// Consumer settles messages until it is stopped.
type Consumer struct {
	Config
	gate   *Gate
	leases *leases
	record *recorder

	stop    context.CancelCauseFunc
	pending sync.WaitGroup
}

// New returns a consumer.
func New(c Config) *Consumer {
	if c.Batch == 0 {
		c.Batch = 10
	}
	if c.HandBack == 0 {
		c.HandBack = 10 * time.Second
	}
	if c.HandBackCap == 0 {
		c.HandBackCap = queue.Visibility
	}
	if c.Drain == 0 {
		c.Drain = 100 * time.Second // a Spot notice leaves 120
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	low, high := c.Concurrency, c.Concurrency
	if c.Concurrency == 0 {
		low, high = 8, 64
	}
	if c.Receivers == 0 {
		c.Receivers = max(2, high/c.Batch+1)
	}
	return &Consumer{Config: c, gate: NewGate(low, high), leases: newLeases(c.Queue, c.Log)}
}

// Run receives and settles until ctx ends, then drains: objects under way finish within Config.Drain,
// messages that were not begun go back. It returns nil after a drain, or the error that stopped it.
func (c *Consumer) Run(ctx context.Context) error {
	ctx, c.stop = context.WithCancelCause(ctx)
	defer c.stop(nil)
	// What is under way outlives ctx by the time for draining.
	work, endWork := context.WithCancel(context.WithoutCancel(ctx))
	defer endWork()
	c.record = newRecorder(c)
	recorded := make(chan struct{})
	go func() { defer close(recorded); c.record.loop(work) }()
	leasing := make(chan struct{})
	go func() { defer close(leasing); c.leases.loop(work) }()

	var receivers sync.WaitGroup
	for range c.Receivers {
		receivers.Go(func() { c.receive(ctx, work) })
	}
	receivers.Wait()
	c.drain(endWork)
	c.record.close()
	<-recorded
	endWork()
	<-leasing
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}

// drain waits for the objects under way, at most Config.Drain long.
func (c *Consumer) drain(endWork func()) {
	t := time.AfterFunc(c.Drain, endWork)
	defer t.Stop()
	c.pending.Wait()
}

// receive is one receiver's loop.
func (c *Consumer) receive(ctx, work context.Context) {
	policy := retry.Policy{Base: 200 * time.Millisecond, Cap: 20 * time.Second}
	failures := 0
	for ctx.Err() == nil {
		// Nothing is received that could not be begun soon: a message waits better in the queue.
		if err := c.gate.Room(ctx); err != nil {
			return
		}
		messages, err := c.Queue.Receive(ctx, c.Batch, 20*time.Second)
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			failures++
			c.Log.Warn("receiving failed", "error", err, "attempt", failures)
			if retry.Sleep(ctx, policy.Delay(failures)) != nil {
				return
			}
			continue
		}
		failures = 0
		c.leases.add(messages)
		for i := range messages {
			if !c.begin(ctx, work, messages[i]) {
				c.giveBack(work, messages[i:])
				return
			}
		}
	}
}

// begin starts one message when there is a free place; false when the consumer is stopping.
func (c *Consumer) begin(ctx, work context.Context, m queue.Message) bool {
	object, err := message.DecodeObject(m.Body)
	if err != nil {
		c.undecodable(work, m, err)
		return true
	}
	if c.gate.Acquire(ctx) != nil {
		return false
	}
	c.pending.Go(func() {
		out := c.Settler.Do(work, object)
		c.gate.Release(out.Throttles > 0)
		c.settled(work, m, object, out)
	})
	return true
}

// undecodable leaves a message for the dead-letter queue: its receives are used up at once, because waiting mends nothing.
// One that a newer release may know is handed back for a while, so that a worker of that release gets it.
func (c *Consumer) undecodable(work context.Context, m queue.Message, err error) {
	c.record.malformed.Add(1)
	c.Log.Warn("message cannot be read", "id", m.ID, "receives", m.Receives, "error", err)
	var wait time.Duration
	if errors.Is(err, message.ErrUnknown) {
		wait = c.handBackDelay(m.Receives)
	}
	c.release(work, m, wait)
}

// giveBack returns messages that were never begun. A fresh message takes the place of each, so that
// stopping does not use up its receives.
func (c *Consumer) giveBack(work context.Context, messages []queue.Message) {
	bodies := make([]string, len(messages))
	for i := range messages {
		bodies[i] = messages[i].Body
	}
	c.leases.remove(messages)
	if err := c.Queue.Send(work, bodies); err != nil {
		c.Log.Warn("handing back fresh failed; the messages reappear by themselves", "error", err)
		return
	}
	if err := c.Queue.Delete(work, messages); err != nil {
		c.Log.Warn("deleting handed-back messages failed; they will be seen twice", "error", err)
	}
}

// release makes a message visible again after d.
func (c *Consumer) release(ctx context.Context, m queue.Message, d time.Duration) {
	c.leases.remove([]queue.Message{m})
	if err := c.Queue.Extend(ctx, []queue.Message{m}, d); err != nil {
		c.Log.Warn("handing back failed; the message reappears by itself", "id", m.ID, "error", err)
	}
}

func (c *Consumer) handBackDelay(receives int) time.Duration {
	d := c.HandBack
	for i := 1; i < receives && d < c.HandBackCap; i++ {
		d *= 4
	}
	return min(d, c.HandBackCap)
}

// settled takes an outcome where it belongs: to the ledger, to the queue as another message, or back.
func (c *Consumer) settled(work context.Context, m queue.Message, o message.Object, out transfer.Outcome) {
	class := failure.ClassOf(out.Err)
	switch {
	case out.Again != nil:
		c.replace(work, m, out.Again)
	case out.Status != "":
		c.record.add(entry{message: m, object: o, outcome: out, remove: true})
	case class == failure.Canceled:
		c.giveBack(context.WithoutCancel(work), []queue.Message{m})
	case class.Endpointwide() && c.StopOnEndpoint:
		c.giveBack(work, []queue.Message{m})
		c.stop(out.Err)
	case class.Endpointwide():
		c.Log.Error("an endpoint refuses this worker; it holds on and tries again", "error", out.Err)
		c.hold(work, m, o)
	case m.Receives >= queue.MaxReceives:
		// The outcome is on record before the attempt ends; the message itself goes to the dead letters.
		out.Status = ledger.Failed
		c.record.add(entry{message: m, object: o, outcome: out, release: c.HandBack})
	default:
		c.record.retried.Add(1)
		c.Log.Warn("object failed for now", "key", o.Key, "receives", m.Receives, "error", out.Err)
		c.release(work, m, c.handBackDelay(m.Receives))
	}
}

// holdFor is how long the worker waits before it tries an endpoint again that refused it.
const holdFor = time.Minute

// hold keeps a message whose endpoint refuses everything, and tries it again after a while. Its place stays
// taken, so that a worker whose endpoint refuses stops receiving by itself.
func (c *Consumer) hold(work context.Context, m queue.Message, o message.Object) {
	if err := retry.Sleep(work, holdFor); err != nil {
		c.giveBack(context.WithoutCancel(work), []queue.Message{m})
		return
	}
	c.settled(work, m, o, c.Settler.Do(work, o))
}

// replace puts a new message in the place of one whose object changed.
func (c *Consumer) replace(work context.Context, m queue.Message, again *message.Object) {
	body, err := again.Encode()
	if err == nil {
		err = c.Queue.Send(work, []string{body})
	}
	if err != nil {
		c.Log.Warn("sending the changed object anew failed; its old message reappears", "key", again.Key, "error", err)
		c.release(work, m, c.handBackDelay(m.Receives))
		return
	}
	c.record.replaced.Add(1)
	c.leases.remove([]queue.Message{m})
	if err := c.Queue.Delete(work, []queue.Message{m}); err != nil {
		c.Log.Warn("deleting a replaced message failed; it will be seen twice", "id", m.ID, "error", err)
	}
}

// Idle reports whether nothing is under way or waiting to be recorded.
func (c *Consumer) Idle() bool { return c.leases.count() == 0 }
