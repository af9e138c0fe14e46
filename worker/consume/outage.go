package consume

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/queue"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/transfer"
)

// outage is the state of the endpoints as a whole. While one of them is out of reach, nothing is received, and what was
// received is held: a message has five receives, and they are for its own failures.
type outage struct {
	mu sync.Mutex
	up chan struct{} // closed when both ends answer again; nil while they do
}

func (o *outage) down() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.up != nil
}

// wait returns when both ends answer, as far as is known, or with the context's error.
func (o *outage) wait(ctx context.Context) error {
	o.mu.Lock()
	up := o.up
	o.mu.Unlock()
	if up == nil {
		return nil
	}
	select {
	case <-up:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// suspicious reports whether an outcome comes from an endpoint that is out of reach rather than from the object. Then a
// watch over the endpoint has begun, or the consumer stops.
func (c *Consumer) suspicious(work context.Context, out transfer.Outcome) bool {
	if out.Err == nil || out.Again != nil {
		return false
	}
	class := failure.ClassOf(out.Err)
	switch class {
	case failure.AccessDenied, failure.Network, failure.Server, failure.Throttled:
	default:
		if !class.Endpointwide() {
			return false
		}
	}
	if c.StopOnEndpoint && class.Endpointwide() {
		c.stop(out.Err)
		return false
	}
	err := c.Settler.Reach(work)
	if err == nil || work.Err() != nil {
		return false
	}
	if c.StopOnEndpoint && failure.ClassOf(err).Endpointwide() {
		c.stop(err)
		return false
	}
	c.watch(work, err)
	return true
}

// watch looks at the endpoints until both answer, unless somebody watches already.
func (c *Consumer) watch(work context.Context, err error) {
	c.outage.mu.Lock()
	defer c.outage.mu.Unlock()
	if c.outage.up != nil {
		return
	}
	up := make(chan struct{})
	c.outage.up = up
	c.Log.Error("an endpoint is out of reach; nothing is received until it answers", "error", err, "probeEvery", c.ProbeEvery)
	c.pending.Go(func() {
		since := time.Now()
		defer func() {
			c.outage.mu.Lock()
			c.outage.up = nil
			c.outage.mu.Unlock()
			close(up)
		}()
		for c.stopped.Err() == nil {
			if retry.Sleep(c.stopped, c.ProbeEvery) != nil {
				return
			}
			last := c.Settler.Reach(work)
			if last == nil {
				c.Log.Info("the endpoint answers again", "after", time.Since(since).Round(time.Second))
				return
			}
			if c.GiveUp > 0 && time.Since(since) > c.GiveUp {
				c.stop(last)
				return
			}
		}
	})
}

var errHeldTooLong = errors.New("the message was held for as long as its queue allows")

// hold waits with a message until the endpoints answer. An error means that it has to be given back: because the consumer
// stops, or because the queue would show the message to others soon.
func (c *Consumer) hold(ctx context.Context, m queue.Message) error {
	left := queue.MaxLease - time.Hour - c.leases.age(m)
	if left <= 0 {
		return errHeldTooLong
	}
	ctx, cancel := context.WithTimeoutCause(ctx, left, errHeldTooLong)
	defer cancel()
	return c.outage.wait(ctx)
}
