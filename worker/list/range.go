package list

import (
	"sync"

	"github.com/datatransferhub/dth/worker/store"
)

// keyRange is the source keys k of one prefix with after < k <= hi, as far as they are bounded.
type keyRange struct {
	unit  *unit
	after string

	settled string // all up to here is; guarded by the pass's lock
	over    bool   // all of it is; guarded by the pass's lock

	mu        sync.Mutex
	hi        string // valid when bounded
	bounded   bool
	limit     string    // nothing was seen beyond it by probes; "" when unknown. A hint: it cuts nothing off
	pos       [2]string // last position that a side has taken
	ended     [2]bool   // a side holds nothing of this range beyond pos
	pages     [2]int    // taken since the range was made or last probed, and not the last of their side
	futile    int       // cuts that found nothing to give away
	splitting bool
}

func newRange(u *unit, after string) *keyRange {
	return &keyRange{unit: u, after: after, settled: after, pos: [2]string{after, after}}
}

// take accepts a page of one side: it cuts off what lies beyond the range, moves the side's position and
// reports whether the side is at its end. Positions and bounds change under one lock, so whatever a cut
// gives away has not been taken before.
func (r *keyRange) take(side int, s *Side, objects []store.Object, more bool) (kept []store.Object, ended bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bounded {
		if n := s.upTo(objects, r.hi); n < len(objects) {
			objects, more = objects[:n], false
		}
	}
	if n := len(objects); n > 0 {
		r.pos[side] = s.position(objects[n-1].Key)
	}
	if more {
		r.pages[side]++
	} else {
		r.ended[side] = true
	}
	return objects, !more
}

// has reports whether a side may hold something of the range.
func (r *keyRange) has(side int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.ended[side]
}

// worth is how much a cut of the range promises; 0 when it is not worth its probes. Ranges without an
// upper end promise more: nobody knows how long they are. Others are pieces that a cut has left, and must
// prove longer.
func (r *keyRange) worth(minPages int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	pages, open := max(r.pages[0], r.pages[1]), !r.bounded && r.limit == ""
	if !open {
		minPages *= 2
	}
	if r.splitting || pages < minPages<<r.futile || r.ended[0] && r.ended[1] {
		return 0
	}
	if open {
		return pages + 1<<30
	}
	return pages
}

// gap is what a splitter looks at: positions above low, up to high when bounded.
type gap struct {
	low, high string
	bounded   bool
	side      int // to probe: the one with more keys, as far as can be seen
}

func (r *keyRange) gap() gap {
	r.mu.Lock()
	defer r.mu.Unlock()
	g := gap{low: max(r.pos[0], r.pos[1], r.unit.prefix), high: r.hi, bounded: r.bounded}
	more := r.pages[1] - r.pages[0]
	if more == 0 && r.pos[1] < r.pos[0] {
		more = 1 // it is further behind
	}
	if r.futile%2 == 1 {
		more = -more // the other side may know better
	}
	if r.ended[0] || !r.ended[1] && more > 0 {
		g.side = 1
	}
	if r.limit != "" && (!g.bounded || r.limit < g.high) {
		g.high, g.bounded = r.limit, true
	}
	return g
}

// cut ends the range at the first usable boundary and returns the ranges behind it, at most most. Boundaries
// ascend; those that a side has passed meanwhile are not usable. limit is what the probes found to be the
// end, "" if they found none.
func (r *keyRange) cut(boundaries []string, limit string, most int) []*keyRange {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.splitting, r.pages = false, [2]int{}
	if limit != "" {
		r.limit = limit
	}
	var usable []string
	for _, b := range boundaries {
		passed := b <= r.pos[0] || b <= r.pos[1] || r.ended[0] && r.ended[1]
		if !passed && (!r.bounded || b < r.hi) {
			usable = append(usable, b)
		}
	}
	usable = thin(usable, most)
	if len(usable) == 0 {
		r.futile++
		return nil
	}
	r.futile = 0
	parts := make([]*keyRange, len(usable))
	for i, b := range usable {
		part := newRange(r.unit, b)
		// A side that was at its end has nothing behind the cut either and need not be asked.
		part.ended = r.ended
		if i+1 < len(usable) {
			part.hi, part.bounded = usable[i+1], true
		} else {
			part.hi, part.bounded, part.limit = r.hi, r.bounded, r.limit
		}
		parts[i] = part
	}
	r.hi, r.bounded, r.limit = usable[0], true, ""
	return parts
}

// thin keeps at most n of the elements, evenly spread, the first among them.
func thin[T any](all []T, n int) []T {
	if len(all) <= n {
		return all
	}
	out := make([]T, 0, max(n, 0))
	for i := range n {
		out = append(out, all[i*len(all)/n])
	}
	return out
}
