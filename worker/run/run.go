// Package run is the port to the records of a task's passes: one run item each, and one item of
// absolute counters per worker, so that counts stay exact although messages are delivered twice.
// runaws (DynamoDB) and runsqlite are the adapters; runtest holds the suite both pass.
package run

import (
	"context"
	"errors"
	"time"
)

// State is where a run is.
type State string

// The states of a run.
const (
	Finding State = "FINDING" // the finder lists and compares
	Copying State = "COPYING" // the finder is through; the queue drains
	Proving State = "PROVING" // a plan pass shows what is left
	Done    State = "DONE"    // both sides agree but for what is named
	Failed  State = "FAILED"  // the pass itself failed; Error says why
	Skipped State = "SKIPPED" // the gate was closed; Error says why
)

// Run is one pass of a task.
type Run struct {
	ID       string
	Trigger  string // schedule, once, manual, event
	State    State
	Started  time.Time
	Finished time.Time // zero while it goes on
	Finder   FinderTotals
	Version  string // of the finder
	Error    string

	// Remaining is what the proving pass found still different, by reason. Nil until proved.
	Remaining map[string]int64
}

// FinderTotals are the exact counts of one finder pass.
type FinderTotals struct {
	ListedSource      int64            `json:"listedSource"`
	ListedDestination int64            `json:"listedDestination"`
	Decisions         map[string]Tally `json:"decisions"` // new, changed:etag, same, skipped:archived, extraneous, ...
	Queued            int64            `json:"queued"`    // messages sent for this pass
	Ranges            int64            `json:"ranges"`    // key ranges the listing was split into
	ListCalls         int64            `json:"listCalls"`
	SortedRanges      int64            `json:"sortedRanges"`  // sides that had to be sorted on disk, because a store lists in another order
	DecidedByTime     int64            `json:"decidedByTime"` // pairs that only their modification times could decide
	NoChecksum        int64            `json:"noChecksum"`    // pairs to be compared by checksum that had none to compare
}

// Tally is a number of objects and their bytes.
type Tally struct {
	Objects int64 `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

// Counters are the absolute totals of one worker within one run. Each covers the ledger records of
// this worker up to sequence number Seq.
type Counters struct {
	Worker    string
	Seq       int64
	Outcomes  map[string]Tally // by ledger status, "DONE" split by method: DONE:stream
	Errors    map[string]int64 // failed objects by class
	Retries   int64
	Throttles int64
}

// ErrExists and ErrNotFound are told apart by callers.
var (
	ErrExists   = errors.New("run already exists")
	ErrNotFound = errors.New("no such run")
)

// Store keeps runs.
type Store interface {
	// Create writes a new run, or returns ErrExists.
	Create(ctx context.Context, r Run) error
	// Update replaces a run, or returns ErrNotFound. The time at which a run started never changes.
	Update(ctx context.Context, r Run) error
	// Get returns a run, or ErrNotFound.
	Get(ctx context.Context, id string) (Run, error)
	// Latest returns up to limit runs, the newest first (by Started, then ID).
	Latest(ctx context.Context, limit int) ([]Run, error)

	// PutCounters writes a worker's totals for a run, unless a record with a higher Seq is there.
	PutCounters(ctx context.Context, runID string, c Counters) error
	// Counters returns the totals of every worker of a run.
	Counters(ctx context.Context, runID string) ([]Counters, error)
}
