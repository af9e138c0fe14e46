// Package list walks both ends of a transfer in parallel, range by range. A range is a piece of the key space
// that both sides list in order; ranges are found while listing, by cutting those that prove long where
// other listers would be idle. Whatever is cut, every key lies in exactly one range.
package list

import (
	"context"
	"fmt"

	"github.com/datatransferhub/dth/worker/store"
)

// Lister reads pages of one bucket.
type Lister interface {
	// List returns one page. Pages of one listing are in the store's order, which is checked here.
	List(ctx context.Context, r store.ListRequest) (*store.Page, error)
}

// Side is one end as it is listed. Keys of both ends are compared without their bases, so that "a" under
// destination base "copy/" stands beside "a" at the source.
type Side struct {
	Lister Lister
	Base   string // in front of every key of this side
	// StartAfter says that a listing can begin after any key. Without it ranges cannot be cut.
	StartAfter bool
}

// Entry is a listed object and its key without the side's base.
type Entry struct {
	Name string
	store.Object
}

// Stream gives the entries of one side within one range, in byte order of their names.
type Stream interface {
	// Next returns the next entry; nil at the end of the range. The entry is valid until the call after.
	Next(ctx context.Context) (*Entry, error)
}

// Merger handles one range. It must read both streams to their ends. The destination is nil when only the
// source is listed.
type Merger interface {
	Merge(ctx context.Context, source, destination Stream) error
}

// Counts are the exact figures of a pass.
type Counts struct {
	Source, Destination int64 // entries
	Calls               int64 // list calls, probes included
	Ranges              int64
	Sorted              int64 // sides that had to be sorted on disk
}

// OrderError says that a store does not list in byte order of UTF-8.
type OrderError struct{ After, Key string }

func (e *OrderError) Error() string {
	return fmt.Sprintf("key %q was listed after %q, which is not in byte order", e.Key, e.After)
}

// Config describes a pass.
type Config struct {
	Source      Side
	Destination *Side // nil: only the source is listed
	// Prefixes are the literal prefixes, without the sides' bases, that are listed; they must not
	// overlap. Empty means everything.
	Prefixes []string
	// Concurrency is the number of ranges at once; each has one call a side in flight. 0 is 32.
	Concurrency int
	// SpillDir is where listings in another order are sorted; empty: the system's place for temporary files.
	SpillDir string
	// Merger returns the merger of an attempt. When a store turns out to list in another order,
	// everything is begun anew, with a new merger, so that nothing is counted twice.
	Merger func() Merger
	// OnCounts is told now and then how far the pass is; it must be quick.
	OnCounts func(Counts)
}
