package finder

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/queue"
)

// Sender queues a message for every object that is to be copied. Set the fields before its first use.
type Sender struct {
	Queue queue.Sender
	RunID string
	// Listed says whether the destination was listed, so that a copy can expect what was seen there.
	Listed bool
	// Room blocks while the queue is fuller than it should be; nil: a queue without bounds.
	Room func(ctx context.Context) error
	// InFlight is how many sends are under way at once; 0 is 64.
	InFlight int

	once  sync.Once
	slots chan struct{} // one taken for each send under way
	sends sync.WaitGroup
	sent  atomic.Int64
	taken atomic.Int64 // since the last Settle began

	mu      sync.Mutex
	batch   *batch          // of the sends that began since the last Settle
	ctx     context.Context //nolint:containedctx // of the pass, from Begin to Flush
	waiting []string        // bodies that do not make a send yet
	err     error           // of the first send that failed
	bound   bound
}

// bound is how much a sender may take. It is guarded by the sender's lock.
type bound struct {
	full    func() // nil: there is no bound
	step    int64  // full is told when less than three quarters of it are left
	allowed int64  // in all
	taken   int64  // in all
	waiting int
	told    bool          // since the last Allow
	more    chan struct{} // closed when more is allowed, or sending has failed
}

// sendSize is how many messages one send takes.
const sendSize = 100

// Sent returns the number of queued messages.
func (s *Sender) Sent() int64 { return s.sent.Load() }

// Begin makes sends last as long as ctx. Messages of several prefixes share a send, so it must not end with the
// context of the call that happened to start it.
func (s *Sender) Begin(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ctx = ctx
}

// Decide queues the batch's copies. It returns before they are sent, unless as many sends as allowed are under
// way: then it waits. A send that failed fails the next call and Flush.
func (s *Sender) Decide(ctx context.Context, batch []diff.Decision) error {
	bodies := make([]string, 0, len(batch))
	for i := range batch {
		v := &batch[i]
		if v.Kind != diff.New && v.Kind != diff.Changed {
			continue
		}
		body, err := s.copyMessage(v)
		if err != nil {
			return err
		}
		bodies = append(bodies, body)
	}
	return s.put(ctx, bodies)
}

func (s *Sender) copyMessage(v *diff.Decision) (string, error) {
	m := message.Object{
		Run: s.RunID, Key: v.Source.Key, Size: v.Source.Size, ETag: v.Source.ETag, Modified: v.Source.Modified,
		Op: message.Copy, DestinationSeen: s.Listed, DestinationETag: v.Destination.ETag,
	}
	if v.Source.StorageClass != "STANDARD" {
		m.Class = v.Source.StorageClass
	}
	return m.Encode()
}

// Bound implements Bounded.
func (s *Sender) Bound(allowed int64, full func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bound.full, s.bound.step, s.bound.allowed, s.bound.more = full, allowed, allowed, make(chan struct{})
}

// Allow implements Bounded.
func (s *Sender) Allow(total int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := &s.bound
	if total > b.allowed {
		b.allowed, b.told = total, false
		b.wake()
	}
}

func (b *bound) wake() {
	if b.full != nil {
		close(b.more)
		b.more = make(chan struct{})
	}
}

// Taken implements Bounded.
func (s *Sender) Taken() (total int64, waiting bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bound.taken, s.bound.waiting > 0
}

// admit waits until so many more may be taken.
func (s *Sender) admit(ctx context.Context, n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := &s.bound
	for b.full != nil && s.err == nil && b.taken+int64(n) > b.allowed {
		more := b.more
		b.waiting++
		s.mu.Unlock()
		b.full()
		select {
		case <-more:
		case <-ctx.Done():
		}
		s.mu.Lock()
		b.waiting--
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	b.taken += int64(n)
	if b.full != nil && !b.told && b.allowed-b.taken < b.step*3/4 {
		b.told = true
		b.full()
	}
	return nil
}

// put adds bodies to those that wait and sends what makes whole sends.
func (s *Sender) put(ctx context.Context, bodies []string) error {
	if err := s.admit(ctx, len(bodies)); err != nil {
		return err
	}
	s.mu.Lock()
	err := s.err
	if s.ctx != nil {
		ctx = s.ctx
	}
	s.waiting = append(s.waiting, bodies...)
	s.taken.Add(int64(len(bodies)))
	var ready [][]string
	for err == nil && len(s.waiting) >= sendSize {
		ready = append(ready, s.waiting[:sendSize:sendSize])
		s.waiting = s.waiting[sendSize:]
	}
	into := s.join(len(ready))
	s.mu.Unlock()
	for _, chunk := range ready {
		if err == nil {
			err = s.start(ctx, chunk, into)
		}
		if err != nil {
			s.giveBack(chunk, into)
		}
	}
	return err
}

// batch is the sends that began between two calls of Settle. It is guarded by the sender's lock.
type batch struct {
	open   int
	sealed bool
	done   chan struct{} // closed when sealed and nothing is open
	before *batch        // nil when that is done
}

// join adds n sends to the present batch. The caller holds mu: bodies are always either waiting or part of a batch.
func (s *Sender) join(n int) *batch {
	if s.batch == nil {
		s.batch = &batch{done: make(chan struct{})}
	}
	s.batch.open += n
	return s.batch
}

func (b *batch) leave() {
	b.open--
	if b.sealed && b.open == 0 {
		close(b.done)
	}
}

// giveBack lets bodies wait that could not be sent now.
func (s *Sender) giveBack(bodies []string, from *batch) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = append(bodies, s.waiting...)
	from.leave()
}

// start sends in the background, as soon as there is a free slot and room in the queue.
func (s *Sender) start(ctx context.Context, bodies []string, of *batch) error {
	s.once.Do(func() {
		n := s.InFlight
		if n <= 0 {
			n = 64
		}
		s.slots = make(chan struct{}, n)
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if s.Room != nil {
		if err := s.Room(ctx); err != nil {
			<-s.slots
			return err
		}
	}
	// The caller's context ends with its range; what it has handed over is sent all the same.
	sending := context.WithoutCancel(ctx)
	s.sends.Go(func() {
		defer func() { <-s.slots }()
		err := s.Queue.Send(sending, bodies)
		if err != nil {
			err = fmt.Errorf("queuing objects: %w", err)
		} else {
			s.sent.Add(int64(len(bodies)))
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		of.leave()
		if s.err == nil && err != nil {
			s.err = err
			s.bound.wake() // whoever waits for room
		}
	})
	return nil
}

// Unsettled returns how many messages were taken since the last Settle began.
func (s *Sender) Unsettled() int64 { return s.taken.Load() }

// Settle sends what waits, and returns when the queue has everything that was taken before the call.
func (s *Sender) Settle(ctx context.Context) error {
	b, err := s.seal(ctx)
	if err != nil {
		return err
	}
	for at := b; at != nil; at = at.before {
		select {
		case <-at.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b.before = nil
	return s.err
}

// seal sends what waits, and ends the present batch.
func (s *Sender) seal(ctx context.Context) (*batch, error) {
	s.mu.Lock()
	rest, err := s.waiting, s.err
	s.waiting = nil
	s.taken.Store(0)
	b := s.join(1)
	b.sealed = true
	s.batch = &batch{done: make(chan struct{}), before: b}
	s.mu.Unlock()
	if err == nil && len(rest) > 0 {
		if err = s.start(ctx, rest, b); err == nil {
			return b, nil
		}
	}
	s.giveBack(rest, b)
	return b, err
}

// Flush sends what waits, and returns when nothing is under way any more. The error is that of the first send that
// failed.
func (s *Sender) Flush(ctx context.Context) error {
	_, err := s.seal(ctx)
	s.sends.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ctx = nil
	if s.err == nil {
		s.err = err
	}
	return s.err
}

// SendDeletes queues deletions of destination objects by the source keys that they would be copies of, and waits for
// them.
func (s *Sender) SendDeletes(ctx context.Context, keys job.KeyMap, names []string) error {
	bodies := make([]string, 0, len(names))
	for _, name := range names {
		m := message.Object{Run: s.RunID, Key: keys.Strip + name, Op: message.Delete}
		body, err := m.Encode()
		if err != nil {
			return err
		}
		bodies = append(bodies, body)
	}
	if err := s.put(ctx, bodies); err != nil {
		return err
	}
	return s.Flush(ctx)
}
