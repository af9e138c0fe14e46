package list

import (
	"sync"
)

// key-space positions are names without bases; after is exclusive, hi inclusive.
type keyRange struct {
	prefix string // literal prefix that all names of the range carry
	after  string

	mu        sync.Mutex
	hi        string // valid when bounded
	bounded   bool
	probeHi   string // no name beyond this was seen when it was probed, "" if unknown; a hint only
	pos       [2]string
	ended     [2]bool
	pages     int // taken since the range was made or last cut, of the longer side
	truncated bool
	splitting bool
}

func newRange(prefix, after string) *keyRange {
	return &keyRange{prefix: prefix, after: after, pos: [2]string{after, after}}
}

// take accepts a page of one side: it cuts off what lies beyond the range, moves the side's position and
// reports whether the side is at its end. Positions and bounds change under one lock, so that whatever
// a cut gives away has not been taken before.
func (r *keyRange) take(side int, entries []Entry, more bool) ([]Entry, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(entries); n > 0 && r.bounded && entries[n-1].Name > r.hi {
		for n > 0 && entries[n-1].Name > r.hi {
			n--
		}
		entries, more = entries[:n], false
	}
	if n := len(entries); n > 0 {
		r.pos[side] = entries[n-1].Name
	}
	if more {
		r.pages++
		r.truncated = true
	} else {
		r.ended[side] = true
		if r.bounded {
			r.pos[side] = r.hi
		}
	}
	return entries, !more
}

// state returns what a splitter needs: the lowest name that can be cut at, and the upper end.
func (r *keyRange) state() (low, high string, bounded bool, side int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	low = max(r.pos[0], r.pos[1])
	if r.ended[0] {
		side = 1
	}
	if low < r.prefix {
		low = r.prefix
	}
	high, bounded = r.hi, r.bounded
	if r.probeHi != "" && (!bounded || r.probeHi < high) {
		high, bounded = r.probeHi, true
	}
	return low, high, bounded, side
}

// splittable reports whether a cut is worth its probes, and reserves the range for the caller.
func (r *keyRange) splittable(minPages int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.splitting || !r.truncated || r.pages < minPages || r.ended[0] && r.ended[1] {
		return false
	}
	r.splitting = true
	return true
}

func (r *keyRange) weight() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.bounded {
		return r.pages + 1<<20 // nobody knows how long: probably the longest
	}
	return r.pages
}

// cut ends the range at the first usable boundary and returns the ranges behind it. Boundaries ascend; those
// that a side has passed already are not usable.
func (r *keyRange) cut(boundaries []string, probeHi string) []*keyRange {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.splitting = false
	r.pages = 0
	if probeHi != "" {
		r.probeHi = probeHi
	}
	usable := boundaries[:0:0]
	for _, b := range boundaries {
		passed := b <= r.pos[0] || b <= r.pos[1] || r.ended[0] && r.ended[1]
		if !passed && (!r.bounded || b < r.hi) && (len(usable) == 0 || b > usable[len(usable)-1]) {
			usable = append(usable, b)
		}
	}
	if len(usable) == 0 {
		return nil
	}
	var parts []*keyRange
	for i, b := range usable {
		part := newRange(r.prefix, b)
		if i+1 < len(usable) {
			part.hi, part.bounded = usable[i+1], true
		} else {
			part.hi, part.bounded, part.probeHi = r.hi, r.bounded, r.probeHi
		}
		parts = append(parts, part)
	}
	r.hi, r.bounded, r.probeHi = usable[0], true, ""
	// A side that had come to the end of its listing has nothing behind the cut either, but the
	// other side may; the new ranges ask both.
	return parts
}
