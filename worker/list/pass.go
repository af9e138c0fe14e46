package list

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/datatransferhub/dth/worker/store"
)

// Run lists both sides to their ends and has every range merged. It returns exact counts.
func Run(ctx context.Context, c Config) (Counts, error) {
	if c.Concurrency <= 0 {
		c.Concurrency = 32
	}
	if len(c.Prefixes) == 0 {
		c.Prefixes = []string{""}
	}
	counts, err := attempt(ctx, c)
	var order *OrderError
	if !errors.As(err, &order) {
		return counts, err
	}
	return runSorted(ctx, c)
}

// pass is one attempt.
type pass struct {
	Config
	sides   []Side
	merger  Merger
	fetches sync.WaitGroup

	mu      sync.Mutex
	waiting []*keyRange
	active  map[*keyRange]bool
	wake    chan struct{} // closed and replaced when something changed
	failed  bool

	counted  [2]atomic.Int64
	calls    atomic.Int64
	ranges   atomic.Int64
	latency  atomic.Int64 // of a call, smoothed, in nanoseconds
	alphabet alphabet
}

func attempt(ctx context.Context, c Config) (Counts, error) {
	p := &pass{Config: c, merger: c.Merger(), active: map[*keyRange]bool{}, wake: make(chan struct{})}
	p.sides = []Side{c.Source}
	if c.Destination != nil {
		p.sides = append(p.sides, *c.Destination)
	}
	for _, prefix := range c.Prefixes {
		p.waiting = append(p.waiting, newRange(prefix, ""))
	}
	g, gctx := errgroup.WithContext(ctx)
	for range c.Concurrency {
		g.Go(func() error { return p.worker(gctx) })
	}
	err := g.Wait()
	p.fetches.Wait()
	return p.counts(), err
}

func (p *pass) counts() Counts {
	return Counts{Source: p.counted[0].Load(), Destination: p.counted[1].Load(), Calls: p.calls.Load(), Ranges: p.ranges.Load()}
}

// worker merges ranges, and while there are none cuts those of others.
func (p *pass) worker(ctx context.Context) error {
	for {
		r, victim, wait := p.take()
		switch {
		case r != nil:
			if err := p.merge(ctx, r); err != nil {
				return err
			}
		case victim != nil:
			if err := p.split(ctx, victim); err != nil {
				return err
			}
		case wait == nil:
			return nil
		default:
			select {
			case <-wait:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
}

// take returns a range to merge, or a range to cut, or something to wait for, or nothing at the end.
func (p *pass) take() (r, victim *keyRange, wait chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.waiting); n > 0 {
		r = p.waiting[0]
		p.waiting = p.waiting[1:]
		p.active[r] = true
		return r, nil, nil
	}
	if len(p.active) == 0 {
		return nil, nil, nil
	}
	if p.cuttable() {
		for candidate := range p.active {
			if victim == nil || candidate.weight() > victim.weight() {
				if candidate.splittable(p.minPages()) {
					if victim != nil {
						victim.release()
					}
					victim = candidate
				}
			}
		}
	}
	return nil, victim, p.wake
}

func (r *keyRange) release() {
	r.mu.Lock()
	r.splitting = false
	r.mu.Unlock()
}

func (p *pass) cuttable() bool {
	for _, s := range p.sides {
		if !s.StartAfter {
			return false
		}
	}
	return true
}

// minPages is how long a range must have proved before it is cut. Where calls take time, every lister that
// waits is a loss, so the first full page is enough; where they take none, probes are.
func (p *pass) minPages() int {
	if time.Duration(p.latency.Load()) > 10*time.Millisecond {
		return 1
	}
	return 12
}

// changed wakes the listers that wait for work.
func (p *pass) changed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.wake)
	p.wake = make(chan struct{})
}

func (p *pass) merge(ctx context.Context, r *keyRange) error {
	p.ranges.Add(1)
	source := newStream(ctx, p, r, 0, p.sides[0])
	var destination Stream
	if len(p.sides) > 1 {
		destination = newStream(ctx, p, r, 1, p.sides[1])
	} else {
		r.mu.Lock()
		r.ended[1] = true
		r.mu.Unlock()
	}
	err := p.merger.Merge(ctx, source, destination)
	p.mu.Lock()
	delete(p.active, r)
	p.mu.Unlock()
	p.changed()
	return err
}

// list makes one call and keeps count of calls and of how long they take.
func (p *pass) list(ctx context.Context, l Lister, r store.ListRequest) (*store.Page, error) {
	p.calls.Add(1)
	began := time.Now()
	page, err := l.List(ctx, r)
	took := int64(time.Since(began))
	if old := p.latency.Load(); old != 0 {
		took = (7*old + took) / 8
	}
	p.latency.Store(took)
	return page, err
}

func (p *pass) count(side, n int) {
	p.counted[side].Add(int64(n))
	if p.OnCounts != nil {
		p.OnCounts(p.counts())
	}
	p.mu.Lock()
	idle := len(p.waiting) == 0 && len(p.active) < p.Concurrency
	p.mu.Unlock()
	if idle {
		p.changed() // a range may have become worth cutting
	}
}
