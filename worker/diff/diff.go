// Package diff compares both ends object by object: an ordered merge of two streams, and the rules by which two
// objects of one name are the same.
package diff

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
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
	// MarkEvery is how many names lie between two positions that a resumed pass can begin at; 0 is 2000.
	MarkEvery int
	// TellSame has sinks be told of what is the same, too.
	TellSame bool
}

// Totals are exact for what they are about: of a Differ, the prefixes that are committed.
type Totals struct {
	Decisions  map[string]run.Tally `json:"decisions"`  // by kind and reason: "changed:etag"
	ByTime     int64                `json:"byTime"`     // pairs that only their modification times could decide
	NoChecksum int64                `json:"noChecksum"` // pairs to be compared by checksum that had none to compare
}

func (t *Totals) add(more *Totals) {
	for name, v := range more.Decisions {
		t.Decisions[name] = sum(t.Decisions[name], v)
	}
	t.ByTime += more.ByTime
	t.NoChecksum += more.NoChecksum
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

// Resume adds the totals of a pass that is continued. Call it before the first prefix.
func (d *Differ) Resume(t Totals) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.totals.add(&t)
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
	p := &prefix{d: d, totals: Totals{Decisions: map[string]run.Tally{}}}
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

func (k tallyKey) String() string {
	if k.reason == "" {
		return string(k.kind)
	}
	return string(k.kind) + ":" + k.reason
}

// prefix is the comparison of one prefix. What it counts becomes part of the differ's totals by Count.
type prefix struct {
	d        *Differ
	sinks    []Sink
	branches []Branch
	totals   Totals // of what is settled; its user sees to it that one at a time comes here
}

// Merge compares the two streams of one range.
func (p *prefix) Merge(ctx context.Context, r *list.Range) error {
	m := &merge{p: p, d: p.d, ctx: ctx, r: r, tallies: map[tallyKey]run.Tally{}}
	if r.Marks() {
		m.every = cmp.Or(p.d.c.MarkEvery, markEvery)
	}
	return m.run()
}

// Commit hands the prefix to the sinks that wait for it.
func (p *prefix) Commit(ctx context.Context) error {
	for len(p.branches) > 0 {
		b := p.branches[0]
		p.branches = p.branches[1:] // this one is ended, whatever comes of it
		if err := b.Commit(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Count adds the prefix to the totals.
func (p *prefix) Count() {
	p.d.mu.Lock()
	defer p.d.mu.Unlock()
	p.d.totals.add(&p.totals)
}

// Snapshot tells what is settled of the prefix.
func (p *prefix) Snapshot() []byte {
	doc, err := json.Marshal(&p.totals)
	if err != nil {
		panic(err) // numbers and texts: there is nothing that could fail
	}
	return doc
}

// Resume adds what a snapshot tells.
func (p *prefix) Resume(totals []byte) error {
	var t Totals
	if err := json.Unmarshal(totals, &t); err != nil {
		return fmt.Errorf("totals of a prefix: %w", err)
	}
	p.totals.add(&t)
	return nil
}

// Discard forgets the prefix.
func (p *prefix) Discard() {
	for _, b := range p.branches {
		b.Discard()
	}
	p.branches = nil
}

func sum(a, b run.Tally) run.Tally {
	return run.Tally{Objects: a.Objects + b.Objects, Bytes: a.Bytes + b.Bytes}
}
