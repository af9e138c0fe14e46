// Package consume is the worker's pipeline: it receives messages, has them settled, records the outcomes and
// deletes the messages, in that order, so that whatever dies in between is done again and never lost.
package consume

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/datatransferhub/dth/worker/event"
	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/queue"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/transfer"
)

// Settler settles messages; *transfer.Copier is one.
type Settler interface {
	// Settle settles one message, which was received this often.
	Settle(ctx context.Context, m message.Message, receives int) transfer.Outcome
	// Reach reports why an end cannot be worked with at all; nil when both ends answer.
	Reach(ctx context.Context) error
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
	// DeleteWait is how long the deletion of settled messages may wait for others, so that they share a call; 0: not at all.
	DeleteWait time.Duration
	// Receivers is the number of receive calls in flight; 0 is chosen from Concurrency.
	Receivers int
	// Batch is how many messages are asked for at once; 0 is 10, the most that SQS gives.
	Batch int
	// HandBack is the wait after the first failed receive; it grows fourfold, at most to HandBackCap.
	// 0 is 10 s, and 15 min for the cap.
	HandBack, HandBackCap time.Duration
	// StopOnEndpoint makes Run return the error when a whole endpoint refuses (wrong credentials,
	// bucket or region); otherwise the worker holds what it has and looks at the endpoint every ProbeEvery.
	StopOnEndpoint bool
	// ProbeEvery is how often an endpoint that is out of reach is looked at; 0 is a minute.
	ProbeEvery time.Duration
	// GiveUp makes Run return the error of an endpoint that stays out of reach for this long; 0 is never.
	GiveUp time.Duration
	// Events turns event messages of the source bucket into objects; nil: the queue carries none.
	Events *Events
	// Superseded reports whether a run was overtaken by a newer one, whose finder has listed everything anew; nil: none is.
	Superseded func(runID string) bool
	// Heed names the runs that are not closed, as far as it is known; nil: there is one run at a time.
	Heed func() ledger.Heed
	// FinishReceives has receive calls end by themselves when the consumer is stopped, up to ReceiveWait later: a queue
	// whose answer is cut off has handed out messages that nobody holds.
	FinishReceives bool
	// ReceiveWait is how long a receive waits for messages; 0 is 20 s.
	ReceiveWait time.Duration
	// Drain bounds how long objects under way may take to finish after the context ended.
	Drain time.Duration
	// OnRun is told of a run before this process writes its counters for the first time in a batch; nil: nobody cares. An
	// error keeps the messages of the batch in the queue.
	OnRun func(ctx context.Context, runID string) error
	// OnOutcome is told every recorded outcome, in no order.
	OnOutcome func(ledger.Record)
	// OnPart is told of every part of a giant that arrived, in bytes; nil: nobody cares.
	OnPart func(bytes int64)
	Log    *slog.Logger
}

// Consumer settles messages until it is stopped.
type Consumer struct {
	Config
	gate   *Gate
	leases *leases
	record *recorder
	outage outage

	stopped context.Context //nolint:containedctx // of Run: it ends when no more messages are wanted
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
	if c.ProbeEvery == 0 {
		c.ProbeEvery = time.Minute
	}
	if c.ReceiveWait == 0 {
		c.ReceiveWait = 20 * time.Second
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
	consumer := &Consumer{Config: c, gate: NewGate(low, high), leases: newLeases(c.Queue, c.Log)}
	consumer.record = newRecorder(consumer)
	return consumer
}

// Leaving is the cause with which a context ends whose machine goes away: everything is to be handed back by then.
type Leaving struct {
	Why string
	By  time.Time // zero: only Config.Drain bounds what is under way
}

func (l *Leaving) Error() string { return "the machine goes away: " + l.Why }

// handingBack is kept of a machine's last minutes for what follows the objects under way: fresh messages, records, counters.
const handingBack = 15 * time.Second

// Run receives and settles until ctx ends, then drains: objects under way finish within Config.Drain, and before the end that
// a *Leaving as its cause tells; what does not, and messages that were not begun, go back. It returns nil after a drain, or
// the error that stopped it.
func (c *Consumer) Run(ctx context.Context) error {
	ctx, c.stop = context.WithCancelCause(ctx)
	defer c.stop(nil)
	c.stopped = ctx
	// What is under way outlives ctx by the time for draining.
	work, endWork := context.WithCancel(context.WithoutCancel(ctx))
	defer endWork()
	defer context.AfterFunc(ctx, func() { leave(ctx, work, endWork) })()
	recorded := make(chan struct{})
	go func() { defer close(recorded); c.record.loop(work) }()
	leasing := make(chan struct{})
	go func() { defer close(leasing); c.leases.loop(work) }()

	// What an endpoint allows at the start shows later whether a refusal is the endpoint's or a single object's.
	if err := c.Settler.Reach(work); err != nil && !c.StopOnEndpoint && ctx.Err() == nil {
		c.watch(work, err)
	}
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
	var leaving *Leaving
	err := context.Cause(ctx)
	if err == nil || errors.As(err, &leaving) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// leave ends the work in time when ctx ended because the machine goes away: also receives, which may have yet to end.
func leave(ctx, work context.Context, endWork func()) {
	var l *Leaving
	if !errors.As(context.Cause(ctx), &l) || l.By.IsZero() {
		return
	}
	if retry.Sleep(work, time.Until(l.By)-handingBack) == nil {
		endWork()
	}
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
		if c.outage.wait(ctx) != nil || c.gate.Room(ctx) != nil {
			return
		}
		receiving := ctx
		if c.FinishReceives {
			receiving = work
		}
		messages, err := c.Queue.Receive(receiving, c.Batch, c.ReceiveWait)
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
				c.giveBack(context.WithoutCancel(work), messages[i:])
				return
			}
		}
	}
}

// begin starts one message when there is a free place; false when the consumer is stopping.
func (c *Consumer) begin(ctx, work context.Context, m queue.Message) bool {
	content, ok := c.read(work, m)
	if !ok {
		return ctx.Err() == nil
	}
	if c.gate.Acquire(ctx) != nil {
		return false
	}
	c.pending.Go(func() { c.settle(ctx, work, m, content) })
	return true
}

// settle has a message settled. It holds a place of the gate.
func (c *Consumer) settle(ctx, work context.Context, m queue.Message, content message.Message) {
	receives := m.Receives
	if message.WasSeen(content) {
		receives = max(receives, 2)
	}
	for tries := 1; ; tries++ {
		out := c.Settler.Settle(work, content, receives)
		if !c.suspicious(work, out) {
			if tries == 1 && failure.Is(out.Err, failure.AccessDenied) && !c.StopOnEndpoint {
				continue // the endpoint may have refused everybody a moment ago: what it refuses twice is refused
			}
			c.gate.Release(out.Throttles > 0)
			c.settled(work, m, content, out)
			return
		}
		c.gate.Release(out.Throttles > 0)
		// The endpoint is out of reach: the message stays here, and nothing is held against it.
		if c.hold(ctx, m) != nil || c.gate.Acquire(ctx) != nil {
			c.giveBack(context.WithoutCancel(work), []queue.Message{m})
			return
		}
	}
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
	bodies := make([]string, 0, len(messages))
	for i := range messages {
		bodies = append(bodies, c.fresh(messages[i])...)
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

// fresh returns what takes the place of a message. That it was received before is told by no queue any more, so the new one says
// it: the one who had it may have begun, and died. An event cannot say it; the objects that it asks for do.
func (c *Consumer) fresh(m queue.Message) []string {
	if m.Receives <= 1 {
		return []string{m.Body}
	}
	var seen []message.Message
	if content, err := message.Decode(m.Body); err == nil {
		seen = append(seen, content)
	} else if n, err := event.Decode(m.Body); err == nil && c.Events != nil {
		for _, r := range n.Records {
			if o, nothing := c.Events.Object(r); nothing == "" {
				seen = append(seen, o)
			}
		}
	}
	bodies := make([]string, 0, len(seen))
	for _, content := range seen {
		body, err := message.Seen(content).Encode()
		if err != nil {
			return []string{m.Body}
		}
		bodies = append(bodies, body)
	}
	if len(bodies) == 0 {
		return []string{m.Body}
	}
	return bodies
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
func (c *Consumer) settled(work context.Context, m queue.Message, content message.Message, out transfer.Outcome) {
	runID, key := content.Names()
	e := entry{message: m, run: runID, key: key, outcome: out, remove: true}
	if object, ok := content.(message.Object); ok {
		e.op, e.sequencer = object.Op, object.Sequencer
	}
	c.record.saw(runID, out)
	switch class := failure.ClassOf(out.Err); {
	case out.Status != "" || out.Settled || out.Again != nil:
		if err := c.send(work, out); err != nil {
			c.Log.Warn("sending the messages that follow failed; the message reappears", "key", key, "error", err)
			c.release(work, m, c.handBackDelay(m.Receives))
			return
		}
		if out.Settled && out.Bytes > 0 && c.OnPart != nil {
			c.OnPart(out.Bytes)
		}
		c.record.add(e)
	case class == failure.Canceled:
		c.giveBack(context.WithoutCancel(work), []queue.Message{m})
	case m.Receives >= queue.MaxReceives && e.op != "":
		// The outcome is on record before the attempt ends; the message itself goes to the dead letters.
		e.outcome.Status = ledger.Failed
		e.remove, e.release = false, c.HandBack
		c.record.add(e)
	default:
		c.record.retry(runID)
		c.Log.Warn("failed for now", "key", key, "receives", m.Receives, "error", out.Err)
		c.release(work, m, c.handBackDelay(m.Receives))
	}
}

// send queues what has to be on its way before an outcome counts.
func (c *Consumer) send(ctx context.Context, out transfer.Outcome) error {
	if out.Again == nil {
		return c.queue(ctx, out.Send)
	}
	return c.queue(ctx, append(out.Send, *out.Again))
}

func (c *Consumer) queue(ctx context.Context, messages []message.Message) error {
	if len(messages) == 0 {
		return nil
	}
	bodies := make([]string, len(messages))
	for i, m := range messages {
		var err error
		if bodies[i], err = m.Encode(); err != nil {
			return err
		}
	}
	return c.Queue.Send(ctx, bodies)
}

// Idle reports whether nothing is under way or waiting to be recorded.
func (c *Consumer) Idle() bool { return c.leases.count() == 0 }

// Stats are figures of a consumer for metrics and progress.
type Stats struct {
	Active    int // messages under way
	Limit     int // as many may be
	Retries   int64
	Throttles int64
	Malformed int64 // messages that cannot be read
	Ignored   int64 // events that ask for nothing
	Down      bool  // an endpoint is out of reach
}

// Stats returns the figures since Run began. It may be called while Run runs.
func (c *Consumer) Stats() Stats {
	r := c.record
	return Stats{
		Active: c.gate.Active(), Limit: c.gate.Limit(), Retries: r.retries.Load(), Throttles: r.throttles.Load(),
		Malformed: r.malformed.Load(), Ignored: r.ignored.Load(), Down: c.outage.down(),
	}
}
