package list

import (
	"context"
	"errors"
)

// unit is the work on one prefix.
type unit struct {
	prefix   string
	comparer Comparer
	ctx      context.Context //nolint:containedctx // ends the unit's ranges when one finds another order
	cancel   context.CancelCauseFunc

	// The rest is guarded by the pass's lock.
	pieces   int // ranges and cuts that are not done
	disorder bool
	listed   [2]int64 // objects of pages that were taken
	counted  [2]int64 // of those, the ones that are settled
	sorting  bool     // the prefix is sorted on disk
	settled  string   // then: the last position that is settled
	over     bool     // then: all of it is
}

var errDisorder = errors.New("the prefix is listed in another order")

func (p *Pass) newUnit(prefix string) *unit {
	u := &unit{prefix: prefix, comparer: p.Comparer(prefix)}
	u.ctx, u.cancel = context.WithCancelCause(p.ctx)
	p.units[u] = struct{}{}
	return u
}

// done ends one range or cut of a unit, and the unit with its last one.
func (p *Pass) done(u *unit, err error) error {
	var order *OrderError
	p.mu.Lock()
	switch {
	case errors.As(err, &order):
		u.disorder = true
		u.cancel(errDisorder)
		u.pieces -= p.dropWaiting(u)
		err = nil
	case u.disorder:
		err = nil // the ranges of this prefix are stopped; what they say does not count
	}
	if err != nil {
		p.mu.Unlock()
		return err // the unit stays open: it must not be committed by whoever ends later
	}
	u.pieces--
	last := u.pieces == 0
	disorder := u.disorder
	p.mu.Unlock()
	switch {
	case last && disorder:
		p.anew(u)
	case last:
		err = p.commit(u, u.comparer)
	}
	if err == nil {
		p.dispatch()
	}
	return err
}

// dropWaiting forgets the ranges of a unit that nobody began. The caller holds mu.
func (p *Pass) dropWaiting(u *unit) (dropped int) {
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

func (p *Pass) commit(u *unit, c Comparer) error {
	err := c.Commit(p.ctx)
	if err != nil {
		return err
	}
	u.cancel(nil)
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.units, u)
	for side, n := range u.listed {
		p.committed[side] += n
	}
	c.Count()
	return nil
}

// anew handles a prefix whose order is not byte order once more, sorted on disk. What was counted of it
// is taken back.
func (p *Pass) anew(u *unit) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for side, n := range u.listed {
		p.listed[side].Add(-n)
	}
	for r := range p.active {
		if r.unit == u {
			delete(p.active, r)
		}
	}
	delete(p.units, u)
	u.comparer.Discard()
	p.startSort(p.newUnit(u.prefix))
}

// startSort has a prefix sorted and merged. The caller holds mu.
func (p *Pass) startSort(u *unit) {
	u.sorting = true
	p.busy++
	p.group.Go(func() error {
		err := p.mergeSorted(u)
		p.mu.Lock()
		p.busy--
		p.mu.Unlock()
		if err == nil {
			err = p.commit(u, u.comparer)
		}
		if err == nil {
			p.dispatch()
		}
		return err
	})
}
