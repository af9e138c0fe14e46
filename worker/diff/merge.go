package diff

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/list"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/store"
)

// batchSize is how many decisions a sink gets at once; pendingSize is what one ledger read takes. Positions are marked every
// markEvery names unless the configuration says otherwise; where one cannot be, it is tried again markAgain names later.
const (
	batchSize   = 500
	pendingSize = 100
	markEvery   = 2000
	markAgain   = 100
)

// merge is the state of one range. It counts by itself, so that ranges do not wait for each other.
type merge struct {
	p   *prefix
	d   *Differ
	ctx context.Context //nolint:containedctx // a merge lives as long as the call of Merge
	r   *list.Range

	tallies    map[tallyKey]run.Tally
	same       run.Tally
	batch      []Decision
	pending    []Decision // pairs that need the ledger or their attributes
	byTime     int64
	noChecksum int64

	every int    // names between marks; 0: positions are not worth marking
	names int    // since the last mark
	stray string // the last source key that was decided without a name
}

func (m *merge) run() error {
	s, sName, err := m.nextSource()
	if err != nil {
		return err
	}
	t, tName, err := m.nextDestination()
	if err != nil {
		return err
	}
	for s != nil || t != nil {
		order := -1
		switch {
		case s == nil:
			order = 1
		case t != nil:
			order = strings.Compare(sName, tName)
		}
		switch {
		case order < 0:
			err = m.wanted(Decision{Kind: New, Name: sName, Source: *s})
		case order > 0:
			err = m.decide(Decision{Kind: Extraneous, Name: tName, Destination: *t, Present: true})
		default:
			err = m.both(sName, s, t)
		}
		at := ""
		if m.names++; m.every > 0 && m.names >= m.every {
			at = m.position(sName, tName, order)
		}
		if err == nil && order <= 0 {
			s, sName, err = m.nextSource()
		}
		if err == nil && order >= 0 {
			t, tName, err = m.nextDestination()
		}
		if err == nil && at != "" {
			err = m.mark(at)
		}
		if err != nil {
			return err
		}
	}
	return m.finish()
}

// position is the source key of the name that was handled last, "" when the range cannot be marked there.
func (m *merge) position(sName, tName string, order int) string {
	name := sName
	if order > 0 {
		name = tName
	}
	at := strings.Clone(m.d.keys.Strip + name)
	if !m.r.Markable(at) {
		m.names = max(m.names-markAgain, 0)
		return ""
	}
	return at
}

// mark settles everything up to a position. Keys without a name are decided as they are read, which is before the
// other end has come as far: there is no mark until it has.
func (m *merge) mark(at string) error {
	if m.stray > at {
		m.names = max(m.names-markAgain, 0)
		return nil
	}
	if err := m.settle(); err != nil {
		return err
	}
	m.r.Mark(at, m.hand)
	return nil
}

// settle decides what is pending and hands the sinks what waits for them.
func (m *merge) settle() error {
	if err := m.resolve(); err != nil {
		return err
	}
	return m.flush()
}

// hand moves what was counted to the prefix.
func (m *merge) hand() {
	if m.same.Objects > 0 {
		m.tallies[tallyKey{Same, ""}] = m.same
	}
	t := Totals{Decisions: make(map[string]run.Tally, len(m.tallies)), ByTime: m.byTime, NoChecksum: m.noChecksum}
	for k, v := range m.tallies {
		t.Decisions[k.String()] = v
	}
	m.p.totals.add(&t)
	clear(m.tallies)
	m.same, m.byTime, m.noChecksum, m.names = run.Tally{}, 0, 0, 0
}

// nextSource returns the next source object that has a name at the destination. The others are decided here:
// nothing there can be their copy.
func (m *merge) nextSource() (*store.Object, string, error) {
	strip := m.d.keys.Strip
	for {
		s, err := m.r.Source.Next(m.ctx)
		if s == nil || err != nil {
			return nil, "", err
		}
		if len(s.Key) > len(strip) && s.Key[:len(strip)] == strip {
			return s, s.Key[len(strip):], nil
		}
		m.stray = strings.Clone(s.Key)
		if err := m.skip(Decision{Name: s.Key, Source: *s}, Unmappable); err != nil {
			return nil, "", err
		}
	}
}

// nextDestination returns the next destination object that a source object could be the origin of: not the
// marker that some tools write for the destination's folder itself.
func (m *merge) nextDestination() (*store.Object, string, error) {
	if m.r.Destination == nil {
		return nil, "", nil
	}
	add := len(m.d.keys.Add)
	for {
		t, err := m.r.Destination.Next(m.ctx)
		if t == nil || err != nil {
			return nil, "", err
		}
		if len(t.Key) > add {
			return t, t.Key[add:], nil
		}
	}
}

// both compares two objects of one name as far as listings go.
func (m *merge) both(name string, s, t *store.Object) error {
	c := &m.d.c
	mode := c.Job.Compare
	if mode == job.CompareSizeETag && s.Size == t.Size && s.ETag == t.ETag && s.ETag != "" && c.Filter.Takes(s.Key, s.Size, s.Modified) {
		if c.TellSame {
			return m.decide(Decision{Kind: Same, Name: name, Source: *s, Destination: *t, Present: true})
		}
		m.same.Objects++ // nearly all objects of most passes
		m.same.Bytes += s.Size
		return nil
	}
	v := Decision{Kind: Changed, Name: name, Source: *s, Destination: *t, Present: true}
	switch {
	case !c.Filter.Takes(s.Key, s.Size, s.Modified):
		return m.skip(v, Filtered)
	case s.Size != t.Size:
		v.Reason = BySize
	case mode == job.CompareSize:
		v.Kind = Same
	case mode == job.CompareSizeMtime && newer(&v):
		v.Reason = ByMtime
	case mode == job.CompareSizeMtime:
		v.Kind = Same
	default:
		return m.postpone(v)
	}
	return m.wanted(v)
}

// wanted decides about an object that would be copied unless a rule forbids it.
func (m *merge) wanted(v Decision) error {
	if v.Kind == Same && m.d.c.TellSame {
		v.Reason = ""
		return m.decide(v)
	}
	if v.Kind == Same {
		m.same.Objects++
		m.same.Bytes += v.Source.Size
		return nil
	}
	if reason := m.d.refuses(&v); reason != "" {
		return m.skip(v, reason)
	}
	return m.decide(v)
}

// maxKey is the longest key in bytes.
const maxKey = 1024

func (d *Differ) refuses(v *Decision) string {
	switch o := &v.Source; {
	case !d.c.Filter.Takes(o.Key, o.Size, o.Modified):
		return Filtered
	case !utf8.ValidString(o.Key):
		return Unmappable
	case len(d.keys.Add)+len(v.Name) > maxKey:
		return KeyTooLong
	case o.Archived():
		return Archived
	case d.c.Largest > 0 && o.Size > d.c.Largest:
		return TooLarge
	}
	return ""
}

func (m *merge) skip(v Decision, reason string) error {
	v.Kind, v.Reason = Skipped, reason
	if reason == Unmappable && !m.d.c.Filter.Takes(v.Source.Key, v.Source.Size, v.Source.Modified) {
		v.Reason = Filtered
	}
	return m.decide(v)
}

// postpone keeps a pair until enough of them make a batch.
func (m *merge) postpone(v Decision) error {
	v.detach()
	m.pending = append(m.pending, v)
	if len(m.pending) < pendingSize {
		return nil
	}
	return m.resolve()
}

// decide counts a decision other than Same and hands it to the sinks.
func (m *merge) decide(v Decision) error {
	k := tallyKey{v.Kind, v.Reason}
	t := m.tallies[k]
	t.Objects++
	if v.Kind == Extraneous {
		t.Bytes += v.Destination.Size
	} else {
		t.Bytes += v.Source.Size
	}
	m.tallies[k] = t
	if len(m.p.sinks) == 0 {
		return nil
	}
	v.detach()
	m.batch = append(m.batch, v)
	if len(m.batch) < batchSize {
		return nil
	}
	return m.flush()
}

// detach gives a decision strings of its own. Those of a listing share the memory of their whole page, so a few
// kept decisions would keep many pages.
func (v *Decision) detach() {
	var (
		a, b = v.Source.Key, v.Source.ETag
		c, d = v.Destination.Key, v.Destination.ETag
		own  = a + b + c + d
	)
	name := len(v.Name)
	v.Source.Key, own = own[:len(a)], own[len(a):]
	v.Source.ETag, own = own[:len(b)], own[len(b):]
	v.Destination.Key, own = own[:len(c)], own[len(c):]
	v.Destination.ETag = own
	key := v.Source.Key
	if key == "" {
		key = v.Destination.Key
	}
	v.Name = key[len(key)-name:]
}

func (m *merge) flush() error {
	if len(m.batch) == 0 {
		return nil
	}
	m.names = m.every // what was handed over should soon be marked, or a resumed pass hands it over again
	batch := m.batch
	m.batch = make([]Decision, 0, min(2*len(batch), batchSize))
	for i, s := range m.p.sinks {
		mine := batch
		if i+1 < len(m.p.sinks) {
			mine = append([]Decision(nil), batch...) // each may keep and change its own
		}
		if err := s.Decide(m.ctx, mine); err != nil {
			return err
		}
	}
	return nil
}

// finish decides what is pending.
func (m *merge) finish() error {
	if err := m.settle(); err != nil {
		return err
	}
	m.r.End(m.hand)
	return nil
}

// newer reports whether the source object was written after the destination's.
func newer(v *Decision) bool { return v.Source.Modified.After(v.Destination.Modified) }
