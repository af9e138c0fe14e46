package list

import (
	"context"
	"errors"
	"math"
	"runtime"
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
	p := &pass{
		Config: c, prefixes: c.Prefixes, units: map[*unit]struct{}{}, active: map[*keyRange]struct{}{},
		sides: []*Side{&c.Source}, sorting: make(chan struct{}, sortsAtOnce),
	}
	if c.Destination != nil {
		p.sides = append(p.sides, c.Destination)
	}
	p.shortest.Store(math.MaxInt64)
	p.group, p.ctx = errgroup.WithContext(ctx)
	p.dispatch()
	err := p.group.Wait()
	p.fetches.Wait()
	for u := range p.units {
		u.comparer.Discard()
	}
	return p.counts(), err
}

// pass is one walk over all prefixes. At most Concurrency ranges are merged or cut at once; whenever one of
// these places is free, dispatch fills it with the most useful thing there is to do.
type pass struct {
	Config
	sides   []*Side
	group   *errgroup.Group
	ctx     context.Context //nolint:containedctx // a pass lives as long as the call of Run that made it
	fetches sync.WaitGroup
	sorting chan struct{} // a place for each prefix that is sorted at once

	mu       sync.Mutex
	prefixes []string // not begun
	units    map[*unit]struct{}
	waiting  []*keyRange
	active   map[*keyRange]struct{}
	busy     int // merges, cuts and sorts under way

	listed   [2]atomic.Int64
	calls    atomic.Int64
	probes   atomic.Int64
	ranges   atomic.Int64
	sorted   atomic.Int64
	shortest atomic.Int64 // call, in nanoseconds
	alphabet alphabet
}

// unit is the work on one prefix.
type unit struct {
	prefix   string
	comparer Comparer
	ctx      context.Context //nolint:containedctx // ends the unit's ranges when one finds another order
	cancel   context.CancelCauseFunc

	open     int // ranges and cuts that are not done; guarded by pass.mu
	disorder bool
	listed   [2]int64 // guarded by pass.mu
}

var errDisorder = errors.New("the prefix is listed in another order")

func (p *pass) counts() Counts {
	return Counts{
		Source: p.listed[0].Load(), Destination: p.listed[1].Load(), Calls: p.calls.Load(), Probes: p.probes.Load(),
		Ranges: p.ranges.Load(), Sorted: p.sorted.Load(),
	}
}

// dispatch starts work while there is both work and room.
func (p *pass) dispatch() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.busy < p.Concurrency && p.ctx.Err() == nil {
		r := p.nextRange()
		if r != nil {
			p.active[r] = struct{}{}
			p.busy++
			p.group.Go(func() error { return p.merge(r) })
			continue
		}
		victim := p.victim()
		if victim == nil {
			return
		}
		victim.unit.open++
		p.busy++
		p.group.Go(func() error { return p.split(victim) })
	}
}

// nextRange returns a range that was cut off before, or else that of a new prefix. The caller holds mu.
func (p *pass) nextRange() *keyRange {
	if n := len(p.waiting); n > 0 {
		r := p.waiting[0]
		p.waiting[0] = nil
		p.waiting = p.waiting[1:]
		return r
	}
	if len(p.prefixes) == 0 {
		return nil
	}
	u := p.newUnit(p.prefixes[0])
	p.prefixes = p.prefixes[1:]
	u.open++
	return newRange(u, "")
}

func (p *pass) newUnit(prefix string) *unit {
	u := &unit{prefix: prefix, comparer: p.Comparer(prefix)}
	u.ctx, u.cancel = context.WithCancelCause(p.ctx)
	p.units[u] = struct{}{}
	return u
}

// victim reserves the range that most deserves to be cut. The caller holds mu.
func (p *pass) victim() *keyRange {
	for _, s := range p.sides {
		if !s.StartAfter {
			return nil
		}
	}
	minPages := p.minPages()
	if minPages == 0 {
		return nil
	}
	var best *keyRange
	most := 0
	for r := range p.active {
		if w := r.worth(minPages); w > most && !r.unit.disorder {
			best, most = r, w
		}
	}
	if best == nil {
		return nil
	}
	best.mu.Lock()
	best.splitting = true
	best.mu.Unlock()
	return best
}

// slow is how long every call must take for listers to wait for the network rather than for this machine.
const slow = 5 * time.Millisecond

// minPages is how long a range must have proved before it is cut; 0 forbids cuts. Where calls take time, every
// lister that waits is a loss, so the first full page is enough. Where they take none, listing is bound
// by this machine: a few ranges keep it busy, and probes may only be a small part of its work.
// The caller holds mu.
func (p *pass) minPages() int {
	pages, probes := p.calls.Load()-p.probes.Load(), p.probes.Load()
	if time.Duration(p.shortest.Load()) > slow {
		if probes > 4*pages+500 {
			return 0 // they lead nowhere in this listing
		}
		return 1
	}
	if probes > pages/4 || len(p.active) >= 4*runtime.GOMAXPROCS(0) {
		return 0
	}
	return 8
}

// merge handles one range from beginning to end.
func (p *pass) merge(r *keyRange) error {
	u := r.unit
	p.ranges.Add(1)
	source := newStream(u.ctx, p, r, 0)
	var destination Stream
	if len(p.sides) > 1 {
		destination = newStream(u.ctx, p, r, 1)
	} else {
		r.take(1, &Side{}, nil, false)
	}
	err := u.comparer.Merge(u.ctx, source, destination)
	p.mu.Lock()
	delete(p.active, r)
	p.busy--
	p.mu.Unlock()
	return p.done(u, err)
}

// done ends one range or cut of a unit, and the unit with its last one.
func (p *pass) done(u *unit, err error) error {
	var order *OrderError
	p.mu.Lock()
	switch {
	case errors.As(err, &order):
		u.disorder = true
		u.cancel(errDisorder)
		u.open -= p.dropWaiting(u)
		err = nil
	case u.disorder:
		err = nil // the ranges of this prefix are stopped; what they say does not count
	}
	if err != nil {
		p.mu.Unlock()
		return err // the unit stays open: it must not be committed by whoever ends later
	}
	u.open--
	last := u.open == 0
	disorder := u.disorder
	p.mu.Unlock()
	switch {
	case last && disorder:
		err = p.anew(u)
	case last:
		err = p.commit(u, u.comparer)
	}
	if err == nil {
		p.dispatch()
	}
	return err
}

// dropWaiting forgets the ranges of a unit that nobody began. The caller holds mu.
func (p *pass) dropWaiting(u *unit) (dropped int) {
	kept := p.waiting[:0]
	for _, r := range p.waiting {
		if r.unit == u {
			dropped++
			continue
		}
		kept = append(kept, r)
	}
	clear(p.waiting[len(kept):])
	p.waiting = kept
	return dropped
}

func (p *pass) commit(u *unit, c Comparer) error {
	err := c.Commit(p.ctx)
	if err != nil {
		return err
	}
	u.cancel(nil)
	p.mu.Lock()
	delete(p.units, u)
	p.mu.Unlock()
	return nil
}

// anew handles a prefix whose order is not byte order once more, sorted on disk. What was counted of it
// is taken back.
func (p *pass) anew(u *unit) error {
	p.mu.Lock()
	for side, n := range u.listed {
		p.listed[side].Add(-n)
	}
	delete(p.units, u)
	u.comparer.Discard()
	again := p.newUnit(u.prefix)
	p.busy++
	p.mu.Unlock()
	p.group.Go(func() error {
		err := p.mergeSorted(again)
		p.mu.Lock()
		p.busy--
		p.mu.Unlock()
		if err == nil {
			err = p.commit(again, again.comparer)
		}
		if err == nil {
			p.dispatch()
		}
		return err
	})
	return nil
}

// push makes ranges that were cut off available.
func (p *pass) push(u *unit, parts []*keyRange) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if u.disorder {
		return
	}
	u.open += len(parts)
	p.waiting = append(p.waiting, parts...)
}

// room returns how many more ranges are useful: beyond twice as many as can be merged at once, they only cost.
func (p *pass) room() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return 2*p.Concurrency - len(p.active) - len(p.waiting)
}

// list makes one call and keeps count of calls and of the shortest: the one that waited for this machine least.
func (p *pass) list(ctx context.Context, l Lister, r store.ListRequest) (*store.Page, error) {
	p.calls.Add(1)
	began := time.Now()
	page, err := l.List(ctx, r)
	if err != nil {
		return nil, err
	}
	took := int64(time.Since(began))
	for {
		least := p.shortest.Load()
		if took >= least || p.shortest.CompareAndSwap(least, took) {
			return page, nil
		}
	}
}

// taken counts a page that a range has taken, and puts a free place to use: a range may have become worth cutting.
func (p *pass) taken(u *unit, side, n int) {
	p.mu.Lock()
	u.listed[side] += int64(n)
	free := p.busy < p.Concurrency
	p.mu.Unlock()
	p.listed[side].Add(int64(n))
	if p.OnCounts != nil {
		p.OnCounts(p.counts())
	}
	if free {
		p.dispatch()
	}
}
