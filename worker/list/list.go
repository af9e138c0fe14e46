// Package list walks both ends of a transfer in parallel, range by range. A range is a piece of the key space
// that both sides list in order; ranges are found while listing, by cutting those that prove long where
// other listers would be idle. Whatever is cut, every key lies in exactly one range.
//
// Positions, bounds and prefixes are source keys. Keys of the destination are translated where they meet them,
// page by page, by the constant prefix that the two ends differ in.
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

// Side is one end as it is listed.
type Side struct {
	Lister Lister
	// Strip and Add translate: this side's key of the source key Strip+name is Add+name. Both are
	// empty at the source. Source keys without Strip have no counterpart.
	Strip, Add string
	// StartAfter says that a listing can begin after any key. Without it ranges cannot be cut.
	StartAfter bool
	// ByteOrder says that the store is documented to list in byte order of UTF-8. Elsewhere cuts keep
	// away from characters at which an order by UTF-16 could lose keys unseen.
	ByteOrder bool
}

// Stream gives the objects of one side within one range, in byte order of their keys.
type Stream interface {
	// Next returns the next object; nil at the end of the range. It is valid until the call after;
	// its strings share memory with those of the whole page, so what is kept for long is cloned.
	Next(ctx context.Context) (*store.Object, error)
}

// Comparer handles the ranges of one prefix.
type Comparer interface {
	// Merge handles one range; it is called for several at once. It reads both streams to their ends, calls Range.Mark
	// on its way where a pass is to be resumable, and Range.End at the end.
	Merge(ctx context.Context, r *Range) error
	// Commit is called once, after all ranges of the prefix were merged without an error.
	Commit(ctx context.Context) error
	// Count follows a Commit that succeeded: what Snapshot tells becomes part of the totals of the pass. It must be quick.
	Count()
	// Snapshot tells what was counted by way of Mark and End, and Resume takes that up in a new Comparer. They must
	// be quick. Marks, ends, counts and snapshots of a pass come one at a time.
	Snapshot() []byte
	Resume(totals []byte) error
	// Discard is called instead when the pass failed, or when a side turned out to list in another
	// order: then the prefix is handled anew by another Comparer.
	Discard()
}

// Counts are the figures of a pass: exact at its end.
type Counts struct {
	Source, Destination int64 // objects
	Calls               int64 // list calls, probes included
	Probes              int64 // list calls for a single key, which look for places to cut
	Ranges              int64
	Sorted              int64 // sides of prefixes that had to be sorted on disk
}

// OrderError says that a store does not list in byte order of UTF-8. It never leaves this package: the
// prefix is sorted on disk instead.
type OrderError struct{ After, Key string }

func (e *OrderError) Error() string {
	return fmt.Sprintf("key %q was listed after %q, which is not in byte order", e.Key, e.After)
}

// StuckError says that a store's pages lead nowhere: a token repeats, a key comes twice, or pages stay empty.
type StuckError struct{ Prefix, After, Reason string }

func (e *StuckError) Error() string {
	return fmt.Sprintf("listing of prefix %q does not advance beyond key %q: %s; check the provider setting of this endpoint",
		e.Prefix, e.After, e.Reason)
}

// Config describes a pass.
type Config struct {
	Source      Side
	Destination *Side // nil: only the source is listed
	// Prefixes are literal prefixes of source keys; they must not overlap. Empty means everything.
	Prefixes []string
	// Concurrency is the number of ranges at once; each has one call a side in flight. 0 is 32.
	Concurrency int
	// SpillDir is where listings in another order are sorted; empty: the system's place for temporary files.
	SpillDir string
	// Comparer returns the comparer of a prefix.
	Comparer func(prefix string) Comparer
	// OnCounts is told of every page how far the pass is; it must be quick.
	OnCounts func(Counts)
	// Marks says that snapshots will be taken, so that positions within ranges are worth marking.
	Marks bool
	// Resume is a snapshot of an earlier pass over the same ends and prefixes; nil: the pass begins.
	Resume *Snapshot
}

// prefix returns the prefix under which this side holds the counterparts of a source prefix; false when
// there can be none.
func (s *Side) prefix(source string) (string, bool) {
	switch {
	case len(source) >= len(s.Strip) && source[:len(s.Strip)] == s.Strip:
		return s.Add + source[len(s.Strip):], true
	case len(source) < len(s.Strip) && s.Strip[:len(source)] == source:
		return s.Add, true
	}
	return "", false
}

// startAfter returns the key of this side after which the counterparts of source keys behind a position
// begin: "" is the beginning. It is false when all of them are before it.
func (s *Side) startAfter(position string) (string, bool) {
	switch {
	case position == "":
		return "", true
	case len(position) >= len(s.Strip) && position[:len(s.Strip)] == s.Strip:
		return s.Add + position[len(s.Strip):], true
	default:
		return "", position < s.Strip
	}
}

// position returns the source key of one of this side's keys.
func (s *Side) position(key string) string {
	if s.Strip == s.Add {
		return key
	}
	return s.Strip + key[len(s.Add):]
}

// upTo returns how many of the objects, which are in order, lie at or before a position.
func (s *Side) upTo(objects []store.Object, position string) int {
	last, some := s.startAfter(position)
	if !some {
		return len(objects)
	}
	n := len(objects)
	for n > 0 && objects[n-1].Key > last {
		n--
	}
	return n
}
