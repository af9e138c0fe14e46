// Package diff compares both ends object by object: an ordered merge of two streams, and the rules by which two
// objects of one name are the same.
package diff

import (
	"context"
	"sync"

	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/list"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/store"
)

// Kind is what is to be done about a name.
type Kind string

// The kinds.
const (
	New        Kind = "new"        // only at the source
	Changed    Kind = "changed"    // at both ends, not the same
	Same       Kind = "same"       // at both ends
	Skipped    Kind = "skipped"    // at the source, but not to be copied
	Extraneous Kind = "extraneous" // only at the destination
)

// Reasons of changes and skips.
const (
	BySize     = "size"
	ByETag     = "etag"
	ByMtime    = "mtime" // the source is newer
	ByChecksum = "checksum"

	Archived   = "archived"   // the source's bytes need a restore first
	Filtered   = "filtered"   // by the job's own selection
	TooLarge   = "too_large"  // for the destination
	Unmappable = "unmappable" // no name would be left at the destination
)

// Decision is the result for one name. Objects are zero where there is none.
type Decision struct {
	Kind        Kind
	Reason      string
	Name        string // key without the sides' bases
	Source      store.Object
	Destination store.Object
	Present     bool // there is a destination object
}

// Sink takes decisions other than Same, in batches, from many ranges at once. The batch is the sink's.
type Sink interface {
	Decide(ctx context.Context, batch []Decision) error
}

// Header reads attributes that listings do not show.
type Header interface {
	Head(ctx context.Context, key, versionID string) (store.Info, error)
}

// Ledger reads records of earlier copies.
type Ledger interface {
	Get(ctx context.Context, keys []string) (map[string]ledger.Record, error)
}

// Config is what a Differ works with.
type Config struct {
	Job    *job.Job
	Filter *job.Filter
	// Largest is the size in bytes of the largest object that the destination takes; 0 is no limit.
	Largest             int64
	Ledger              Ledger // nil: no earlier copies are known
	Source, Destination Header // needed to compare checksums
	// KMS says of each end (source, destination) that its ETags are known to be no hashes.
	KMS [2]bool
	// ETagIsMD5 finds out by reading one object whether the ETags of an end (0 source, 1 destination) are
	// MD5s; nil: they are taken for such where they look it.
	ETagIsMD5 func(ctx context.Context, side int, o store.Object) (bool, error)
	Sink      Sink
}

// Differ is a list.Merger. Make a new one for every attempt: it keeps the totals.
type Differ struct {
	c Config

	mu        sync.Mutex
	decisions map[string]run.Tally
	byTime    int64

	trust [2]trust
}

// NewDiffer returns a differ.
func NewDiffer(c Config) *Differ { return &Differ{c: c, decisions: map[string]run.Tally{}} }

// Decisions returns the totals of all merged ranges, by kind and reason ("changed:etag"). ByTime is the number
// of pairs that only their times could decide.
func (d *Differ) Decisions() (totals map[string]run.Tally, byTime int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make(map[string]run.Tally, len(d.decisions))
	for k, v := range d.decisions {
		out[k] = v
	}
	return out, d.byTime
}

// Merge compares the two streams of one range.
func (d *Differ) Merge(ctx context.Context, source, destination list.Stream) error {
	m := &merge{d: d, ctx: ctx, tally: map[tallyKey]run.Tally{}}
	s, err := source.Next(ctx)
	if err != nil {
		return err
	}
	t, err := m.next(destination)
	if err != nil {
		return err
	}
	for s != nil || t != nil {
		switch {
		case t == nil || s != nil && s.Name < t.Name:
			err = m.onlySource(s)
			if err == nil {
				s, err = source.Next(ctx)
			}
		case s == nil || t.Name < s.Name:
			err = m.decide(Decision{Kind: Extraneous, Name: t.Name, Destination: t.Object, Present: true})
			if err == nil {
				t, err = m.next(destination)
			}
		default:
			err = m.both(s, t)
			if err == nil {
				s, err = source.Next(ctx)
			}
			if err == nil {
				t, err = m.next(destination)
			}
		}
		if err != nil {
			return err
		}
	}
	return m.finish()
}

// tallyKey avoids joining strings for every object.
type tallyKey struct {
	kind   Kind
	reason string
}

// merge is the state of one range.
type merge struct {
	d   *Differ
	ctx context.Context

	tally   map[tallyKey]run.Tally
	same    run.Tally
	batch   []Decision
	pending []Decision // pairs that need the ledger or their attributes
	byTime  int64
}

// batchSize is how many decisions a sink gets at once; pendingSize is what one ledger read takes.
const (
	batchSize   = 500
	pendingSize = 100
)

// next skips the destination's own folder marker: a name that no source key can have.
func (m *merge) next(s list.Stream) (*list.Entry, error) {
	if s == nil {
		return nil, nil
	}
	e, err := s.Next(m.ctx)
	if err == nil && e != nil && e.Name == "" {
		return s.Next(m.ctx)
	}
	return e, err
}

func (m *merge) onlySource(s *list.Entry) error {
	return m.wanted(Decision{Kind: New, Name: s.Name, Source: s.Object})
}

// wanted decides about an object that would be copied, unless a rule forbids it.
func (m *merge) wanted(v Decision) error {
	if reason := m.d.refuses(&v); reason != "" {
		v.Kind, v.Reason = Skipped, reason
	}
	return m.decide(v)
}

func (d *Differ) refuses(v *Decision) string {
	switch o := &v.Source; {
	case v.Name == "":
		return Unmappable
	case !d.c.Filter.Takes(o.Key, o.Size, o.Modified):
		return Filtered
	case o.Archived():
		return Archived
	case d.c.Largest > 0 && o.Size > d.c.Largest:
		return TooLarge
	}
	return ""
}

// both compares two objects of one name as far as listings go.
func (m *merge) both(s, t *list.Entry) error {
	v := Decision{Kind: Changed, Name: s.Name, Source: s.Object, Destination: t.Object, Present: true}
	mode := m.d.c.Job.Compare
	if s.Size == t.Size && mode == job.CompareSizeETag && s.ETag == t.ETag && s.ETag != "" {
		if m.d.c.Job.Selection.Filters() && !m.d.c.Filter.Takes(s.Key, s.Size, s.Modified) {
			return m.wanted(v)
		}
		m.same.Objects++
		m.same.Bytes += s.Size
		return nil
	}
	switch {
	case !m.d.c.Filter.Takes(s.Key, s.Size, s.Modified):
		return m.wanted(v)
	case s.Size != t.Size:
		v.Reason = BySize
	case mode == job.CompareSize:
		v.Kind = Same
	case mode == job.CompareSizeMtime && s.Modified.After(t.Modified):
		v.Reason = ByMtime
	case mode == job.CompareSizeMtime:
		v.Kind = Same
	default:
		return m.postpone(v)
	}
	if v.Kind == Same {
		return m.decide(v)
	}
	return m.wanted(v)
}

// postpone keeps a pair until enough of them make a batch.
func (m *merge) postpone(v Decision) error {
	m.pending = append(m.pending, v)
	if len(m.pending) < pendingSize {
		return nil
	}
	return m.resolve()
}

// resolve decides the pairs that listings alone could not.
func (m *merge) resolve() error {
	if len(m.pending) == 0 {
		return nil
	}
	pairs := m.pending
	m.pending = nil
	if m.d.c.Job.Compare == job.CompareChecksum {
		var err error
		if pairs, err = m.byChecksum(pairs); err != nil {
			return err
		}
	}
	return m.byETag(pairs)
}

func (m *merge) decide(v Decision) error {
	if v.Kind == Same {
		m.same.Objects++
		m.same.Bytes += v.Source.Size
		return nil
	}
	k := tallyKey{v.Kind, v.Reason}
	t := m.tally[k]
	t.Objects++
	if v.Kind == Extraneous {
		t.Bytes += v.Destination.Size
	} else {
		t.Bytes += v.Source.Size
	}
	m.tally[k] = t
	m.batch = append(m.batch, v)
	if len(m.batch) < batchSize {
		return nil
	}
	return m.flush()
}

func (m *merge) flush() error {
	if len(m.batch) == 0 || m.d.c.Sink == nil {
		m.batch = m.batch[:0]
		return nil
	}
	batch := m.batch
	m.batch = nil
	return m.d.c.Sink.Decide(m.ctx, batch)
}

// finish decides what is pending and adds the range's totals to those of the pass. Totals of a range that
// failed are never added.
func (m *merge) finish() error {
	if err := m.resolve(); err != nil {
		return err
	}
	if err := m.flush(); err != nil {
		return err
	}
	d := m.d
	d.mu.Lock()
	defer d.mu.Unlock()
	if m.same.Objects > 0 {
		m.tally[tallyKey{Same, ""}] = m.same
	}
	for k, v := range m.tally {
		name := string(k.kind)
		if k.reason != "" {
			name += ":" + k.reason
		}
		t := d.decisions[name]
		t.Objects += v.Objects
		t.Bytes += v.Bytes
		d.decisions[name] = t
	}
	d.byTime += m.byTime
	return nil
}

// newer reports whether the source object was written after the destination's.
func newer(v *Decision) bool { return v.Source.Modified.After(v.Destination.Modified) }

// trust remembers whether an end's ETags are MD5s.
type trust struct {
	mu    sync.Mutex
	known bool
	md5   bool
}
