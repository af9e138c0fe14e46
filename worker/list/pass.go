package list

import (
	"context"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/datatransferhub/dth/worker/store"
)

// New returns a pass that can be run once.
func New(c Config) *Pass {
	if c.Concurrency <= 0 {
		c.Concurrency = 32
	}
	if len(c.Prefixes) == 0 {
		c.Prefixes = []string{""}
	}
	p := &Pass{
		Config: c, prefixes: c.Prefixes, units: map[*unit]struct{}{}, active: map[*keyRange]struct{}{},
		sides: []*Side{&c.Source}, sorting: make(chan struct{}, sortsAtOnce),
	}
	if c.Destination != nil {
		p.sides = append(p.sides, c.Destination)
	}
	p.shortest.Store(math.MaxInt64)
	return p
}

// Run lists both sides to their ends and has every range merged. It returns exact counts.
func Run(ctx context.Context, c Config) (Counts, error) { return New(c).Run(ctx) }

// Run makes the pass.
func (p *Pass) Run(ctx context.Context) (Counts, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	err := p.begin(ctx)
	if err != nil {
		stop()
	}
	p.dispatch()
	if waitErr := p.group.Wait(); err == nil {
		err = waitErr
	}
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx) // what was not begun any more has met no error
	}
	p.fetches.Wait()
	for u := range p.units {
		u.comparer.Discard()
	}
	return p.counts(), err
}

func (p *Pass) begin(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.group, p.ctx = errgroup.WithContext(ctx)
	if p.Resume != nil {
		if err := p.resume(p.Resume); err != nil {
			return err
		}
	}
	p.started = true
	return nil
}

// Pass is one walk over all prefixes. At most Concurrency ranges are merged or cut at once; whenever one of
// these places is free, dispatch fills it with the most useful thing there is to do.
type Pass struct {
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
	// started says that the fields above are in place; committed counts the objects of prefixes that are done.
	started   bool
	committed [2]int64

	listed   [2]atomic.Int64
	calls    atomic.Int64
	probes   atomic.Int64
	ranges   atomic.Int64
	sorted   atomic.Int64
	shortest atomic.Int64 // call, in nanoseconds
	alphabet alphabet
}

func (p *Pass) counts() Counts {
	return Counts{
		Source: p.listed[0].Load(), Destination: p.listed[1].Load(), Calls: p.calls.Load(), Probes: p.probes.Load(),
		Ranges: p.ranges.Load(), Sorted: p.sorted.Load(),
	}
}

// dispatch starts work while there is both work and room.
func (p *Pass) dispatch() {
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
		victim.unit.pieces++
		p.busy++
		p.group.Go(func() error { return p.split(victim) })
	}
}

// nextRange returns a range that was cut off before, or else that of a new prefix. The caller holds mu.
func (p *Pass) nextRange() *keyRange {
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
	u.pieces++
	return newRange(u, "")
}

// startsAnywhere reports whether listings of all sides can begin after any key.
func (p *Pass) startsAnywhere() bool {
	for _, s := range p.sides {
		if !s.StartAfter {
			return false
		}
	}
	return true
}

// victim reserves the range that most deserves to be cut. The caller holds mu.
func (p *Pass) victim() *keyRange {
	if !p.startsAnywhere() {
		return nil
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
func (p *Pass) minPages() int {
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
func (p *Pass) merge(r *keyRange) error {
	u := r.unit
	p.ranges.Add(1)
	piece := &Range{Source: newStream(u.ctx, p, r, 0), pass: p, unit: u, key: r}
	if len(p.sides) > 1 {
		piece.Destination = newStream(u.ctx, p, r, 1)
	} else {
		r.take(1, &Side{}, nil, false)
	}
	err := u.comparer.Merge(u.ctx, piece)
	p.mu.Lock()
	if err == nil {
		piece.end()
		delete(p.active, r) // one that failed stays, for the snapshot of the pass that it ends
	}
	p.busy--
	p.mu.Unlock()
	return p.done(u, err)
}

// cut cuts a range and makes the parts available, in one moment: a snapshot has them or has not, and never a
// shortened range without its parts. More ranges than can be merged twice at once only cost.
func (p *Pass) cut(r *keyRange, boundaries []string, limit string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.unit.disorder {
		return
	}
	parts := r.cut(boundaries, limit, 2*p.Concurrency-len(p.active)-len(p.waiting))
	r.unit.pieces += len(parts)
	p.waiting = append(p.waiting, parts...)
}

// list makes one call and keeps count of calls and of the shortest: the one that waited for this machine least.
func (p *Pass) list(ctx context.Context, l Lister, r store.ListRequest) (*store.Page, error) {
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
func (p *Pass) taken(u *unit, side, n int) {
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
