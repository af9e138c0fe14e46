package list

import "fmt"

// Snapshot is how far a pass is: enough to go on from there in another process. It holds for a position only what the
// comparers have settled, so whatever is behind is listed again.
type Snapshot struct {
	Begun  int      `json:"begun"`  // of the prefixes, in their order
	Open   []Open   `json:"open"`   // of those, the ones that are not committed
	Listed [2]int64 `json:"listed"` // objects of the committed ones, of each side
	// Calls, Probes and Ranges are those of the pass, however much of their work was lost.
	Calls  int64 `json:"calls"`
	Probes int64 `json:"probes"`
	Ranges int64 `json:"ranges"`
	Sorted int64 `json:"sorted"`
}

// Open is a prefix that was begun. Keys are bytes, so that any key survives being written as JSON.
type Open struct {
	Prefix []byte   `json:"prefix"`
	Totals []byte   `json:"totals"` // the comparer's
	Listed [2]int64 `json:"listed"` // objects that the totals are about
	Rest   []Span   `json:"rest,omitempty"`
	// Sort says that the prefix is sorted on disk: it is listed anew, and compared from behind Settled on.
	Sort    bool   `json:"sort,omitempty"`
	Settled []byte `json:"settled,omitempty"`
}

// Span is the rest of a range: what lies behind After, up to To where there is one.
type Span struct {
	After []byte `json:"after,omitempty"`
	To    []byte `json:"to,omitempty"`
}

// Snapshot returns how far the pass is; false before Run has begun. While it is taken no range advances, is cut or
// ends, and also is called, for what else has to agree with it.
func (p *Pass) Snapshot(also func()) (Snapshot, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.started {
		return Snapshot{}, false
	}
	s := Snapshot{
		Begun: len(p.Prefixes) - len(p.prefixes), Listed: p.committed,
		Calls: p.calls.Load(), Probes: p.probes.Load(), Ranges: p.ranges.Load(), Sorted: p.sorted.Load(),
	}
	open := make(map[*unit]*Open, len(p.units))
	for u := range p.units {
		open[u] = u.open()
	}
	add := func(r *keyRange) {
		if o := open[r.unit]; o != nil && !o.Sort && !r.over {
			o.Rest = append(o.Rest, r.span())
		}
	}
	for r := range p.active {
		add(r)
	}
	for _, r := range p.waiting {
		add(r)
	}
	for _, o := range open {
		s.Open = append(s.Open, *o)
	}
	if also != nil {
		also()
	}
	return s, true
}

// open is what a snapshot says of a unit, without its ranges.
func (u *unit) open() *Open {
	o := &Open{Prefix: []byte(u.prefix)}
	switch {
	case u.disorder:
		o.Sort = true // what its ranges have counted does not count
	case u.sorting && !u.over:
		o.Sort, o.Settled, o.Totals = true, []byte(u.settled), u.comparer.Snapshot()
	case u.sorting:
		o.Listed, o.Totals = u.listed, u.comparer.Snapshot()
	default:
		o.Listed, o.Totals = u.counted, u.comparer.Snapshot()
	}
	return o
}

// span is what is not settled of a range. The caller holds the pass's lock, without which ranges are not cut.
func (r *keyRange) span() Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Span{After: []byte(r.settled)}
	if r.bounded {
		s.To = []byte(r.hi)
	}
	return s
}

// resume takes up what a snapshot says. The caller holds mu.
func (p *Pass) resume(s *Snapshot) error {
	if s.Begun < 0 || s.Begun > len(p.Prefixes) {
		return fmt.Errorf("a snapshot has begun %d of %d prefixes", s.Begun, len(p.Prefixes))
	}
	p.prefixes = p.Prefixes[s.Begun:]
	p.committed = s.Listed
	for side, n := range s.Listed {
		p.listed[side].Store(n)
	}
	p.calls.Store(s.Calls)
	p.probes.Store(s.Probes)
	p.ranges.Store(s.Ranges)
	p.sorted.Store(s.Sorted)
	for i := range s.Open {
		if err := p.reopen(&s.Open[i]); err != nil {
			return fmt.Errorf("prefix %q of a snapshot: %w", s.Open[i].Prefix, err)
		}
	}
	return nil
}

func (p *Pass) reopen(o *Open) error {
	u := p.newUnit(string(o.Prefix))
	if len(o.Totals) > 0 {
		if err := u.comparer.Resume(o.Totals); err != nil {
			return err
		}
	}
	if o.Sort {
		u.settled = string(o.Settled)
		p.startSort(u)
		return nil
	}
	u.counted, u.listed = o.Listed, o.Listed
	for side, n := range o.Listed {
		p.listed[side].Add(n)
	}
	for _, s := range o.Rest {
		r := newRange(u, string(s.After))
		if s.To != nil {
			r.hi, r.bounded = string(s.To), true
		}
		u.pieces++
		p.waiting = append(p.waiting, r)
	}
	if u.pieces == 0 { // all that was left to do was to commit it
		u.pieces++
		p.group.Go(func() error { return p.done(u, nil) })
	}
	return nil
}

// Range is a range in the hands of a Comparer. One that a test makes from two streams belongs to no pass.
type Range struct {
	Source      Stream
	Destination Stream // nil when only the source is listed

	pass  *Pass
	unit  *unit
	key   *keyRange // nil when the prefix is sorted
	given [2]int64  // settled
	ended bool
}

// counting is a stream that knows how much of it was given.
type counting interface {
	// upTo returns how many objects at or before a position it has given. At most the last one is behind it.
	upTo(position string) int64
}

// Marks reports whether positions within the range are worth marking.
func (r *Range) Marks() bool {
	return r.pass != nil && r.pass.Marks && (r.key == nil || r.pass.startsAnywhere())
}

// Markable reports whether Mark can be called for a position: whether both ends can begin to list behind it without
// losing anything. What is sorted on disk is not listed from a position on.
func (r *Range) Markable(position string) bool {
	return r.key == nil || r.pass.fits(position) && r.pass.usable(position)
}

// Mark says that all of the range up to a position, which is a source key, is settled, and nothing behind it: every
// decision was counted and has been taken by the sinks. In the same moment add counts them for Comparer.Snapshot.
func (r *Range) Mark(position string, add func()) {
	if r.pass == nil {
		add()
		return
	}
	r.pass.mu.Lock()
	defer r.pass.mu.Unlock()
	add()
	if r.key == nil {
		r.unit.settled = position
		return
	}
	r.key.settled = position
	for side, s := range []Stream{r.Source, r.Destination} {
		if c, ok := s.(counting); ok {
			n := c.upTo(position)
			r.unit.counted[side] += n - r.given[side]
			r.given[side] = n
		}
	}
}

// End says of the whole range what Mark says of its beginning. It is the last thing that Merge does.
func (r *Range) End(add func()) {
	if r.pass == nil {
		add()
		return
	}
	r.pass.mu.Lock()
	defer r.pass.mu.Unlock()
	add()
	r.end()
}

// end marks the range as done, once. The caller holds the pass's lock.
func (r *Range) end() {
	if r.ended {
		return
	}
	r.ended = true
	if r.key == nil {
		r.unit.over = true
		r.pass.sorted.Add(int64(len(r.pass.sides)))
		return
	}
	r.key.over = true
	for side, s := range []Stream{r.Source, r.Destination} {
		if c, ok := s.(*stream); ok {
			r.unit.counted[side] += c.given - r.given[side]
		}
	}
}
