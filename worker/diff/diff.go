// Package diff compares both ends object by object: an ordered merge of two streams, and the rules by which two
// objects of one name are the same.
package diff

import (
	"context"
	"maps"
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

	Archived   = "archived"     // the source's bytes need a restore first
	Filtered   = "filtered"     // by the job's own selection
	TooLarge   = "too_large"    // for the destination
	Unmappable = "unmappable"   // the key does not carry the stripped prefix, nothing is left of it, or it is no UTF-8
	KeyTooLong = "key_too_long" // with the destination's prefix
)

// Decision is the result for one name. Objects are zero where there is none.
type Decision struct {
	Kind        Kind
	Reason      string
	Name        string // key without what the key map strips or adds; the source key where it maps to nothing
	Source      store.Object
	Destination store.Object
	Present     bool // there is a destination object
}

// Sink takes decisions other than Same, in batches, from many ranges at once. A batch is the sink's to keep.
//
// When a store turns out to list in another order than byte order, the prefix is compared anew, and a plain
// Sink is told again of what it was told before. A Brancher is not.
type Sink interface {
	Decide(ctx context.Context, batch []Decision) error
}

// Brancher is a Sink that takes decisions prefix by prefix, each with a way back.
type Brancher interface {
	Sink
	Branch() Branch
}

// Branch is what a Brancher takes decisions of one prefix with. Exactly one of Commit and Discard is called at
// its end.
type Branch interface {
	Sink
	Commit(ctx context.Context) error
	Discard()
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
	Source, Destination Header // to compare checksums; nil: they cannot be
	// KMS says of each end (source, destination) that its ETags are known to be no hashes.
	KMS [2]bool
	// ETagIsMD5 finds out by reading an object whether an end's (0 source, 1 destination) ETags are MD5s; nil: those
	// that look it are taken for such.
	ETagIsMD5 func(ctx context.Context, side int, o store.Object) (bool, error)
	Sinks     []Sink
}

// Totals are exact for the prefixes that are committed.
type Totals struct {
	Decisions  map[string]run.Tally // by kind and reason: "changed:etag"
	ByTime     int64                // pairs that only their modification times could decide
	NoChecksum int64                // pairs to be compared by checksum that had none to compare
}

// Differ compares the prefixes of a pass.
type Differ struct {
	c    Config
	keys job.KeyMap

	mu     sync.Mutex
	totals Totals

	trust [2]trust // source, destination
}

// NewDiffer returns a differ.
func NewDiffer(c Config) *Differ {
	return &Differ{c: c, keys: c.Job.KeyMap(), totals: Totals{Decisions: map[string]run.Tally{}}}
}

// Totals returns the totals so far.
func (d *Differ) Totals() Totals {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.totals
	t.Decisions = maps.Clone(t.Decisions)
	return t
}

// Comparer returns the comparer of a prefix: a list.Config wants it.
func (d *Differ) Comparer(string) list.Comparer {
	p := &prefix{d: d, tallies: map[tallyKey]run.Tally{}}
	for _, s := range d.c.Sinks {
		if b, ok := s.(Brancher); ok {
			branch := b.Branch()
			p.branches = append(p.branches, branch)
			s = branch
		}
		p.sinks = append(p.sinks, s)
	}
	return p
}

// tallyKey avoids joining strings for every object.
type tallyKey struct {
	kind   Kind
	reason string
}

// prefix is the comparison of one prefix. What it counts becomes part of the totals by Commit.
type prefix struct {
	d        *Differ
	sinks    []Sink
	branches []Branch

	mu         sync.Mutex
	tallies    map[tallyKey]run.Tally
	byTime     int64
	noChecksum int64
}

// Merge compares the two streams of one range.
func (p *prefix) Merge(ctx context.Context, source, destination list.Stream) error {
	m := &merge{p: p, d: p.d, ctx: ctx, source: source, destination: destination, tallies: map[tallyKey]run.Tally{}}
	if err := m.run(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	addTallies(p.tallies, m.tallies)
	p.byTime += m.byTime
	p.noChecksum += m.noChecksum
	return nil
}

// Commit adds the prefix to the totals and to the sinks that wait for it.
func (p *prefix) Commit(ctx context.Context) error {
	for len(p.branches) > 0 {
		b := p.branches[0]
		p.branches = p.branches[1:] // this one is ended, whatever comes of it
		if err := b.Commit(ctx); err != nil {
			return err
		}
	}
	p.d.mu.Lock()
	defer p.d.mu.Unlock()
	t := &p.d.totals
	for k, v := range p.tallies {
		name := string(k.kind)
		if k.reason != "" {
			name += ":" + k.reason
		}
		t.Decisions[name] = sum(t.Decisions[name], v)
	}
	t.ByTime += p.byTime
	t.NoChecksum += p.noChecksum
	return nil
}

// Discard forgets the prefix.
func (p *prefix) Discard() {
	for _, b := range p.branches {
		b.Discard()
	}
	p.branches = nil
}

func addTallies(to, from map[tallyKey]run.Tally) {
	for k, v := range from {
		to[k] = sum(to[k], v)
	}
}

func sum(a, b run.Tally) run.Tally {
	return run.Tally{Objects: a.Objects + b.Objects, Bytes: a.Bytes + b.Bytes}
}
