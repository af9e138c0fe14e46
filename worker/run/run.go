// Package run is the port to the records of a task's passes: one run item each, and one item of
// absolute counters per worker, so that counts stay exact although messages are delivered twice. Beside them it
// keeps what the processes of a task agree by: the finder's checkpoint, leases, and who is at work.
// runaws (DynamoDB) and runsqlite are the adapters; runtest holds the suite both pass.
package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
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

// Open reports whether a run in this state is not at its end.
func (s State) Open() bool { return s == Finding || s == Copying || s == Proving }

// The triggers of runs that no pass made.
const (
	TriggerEvent = "event" // workers count in it what events caused
	TriggerRetry = "retry" // failed objects were queued again, and nothing was listed
)

// Run is one pass of a task.
type Run struct {
	ID       string
	Trigger  string // schedule, once, manual, event, retry
	State    State
	Started  time.Time
	Found    time.Time // when its finder was through; zero before
	Finished time.Time // zero while it goes on
	Finder   FinderTotals
	// Continued says that a finder broke off and another went on: what the first had queued since its last checkpoint is not
	// among Finder.Queued when it was copied before the other came there.
	Continued bool
	Version   string // of the finder
	Error     string

	// DeadLetters is how many dead letters the finder turned into FAILED records before it listed; Unreadable how
	// many it could make nothing of.
	DeadLetters, Unreadable int64

	// Proved says that a pass after the copies has compared both ends. Remaining is what it found different without
	// a reason on record, by decision: empty when both ends agree, nil until proved. Newer is what was written since
	// the run began, Named what the ledger gives a reason for.
	Proved       bool
	Remaining    map[string]int64
	Named, Newer int64
	// Unaccounted is how many of the queued objects had no outcome when the run was closed: their messages were lost, ended
	// uncounted, or could not be told apart from others in the queue. What became of the objects, the proof says.
	Unaccounted int64
	Report      string // where the run report went; empty when none was asked for
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
	// Superseded is how many messages were dropped because a newer run had looked at both ends since.
	Superseded int64
	// Dropped are the ids of those of them that may not be deleted yet: one that comes again is not counted again.
	Dropped []string  `json:",omitempty"`
	Updated time.Time // when the worker wrote these counters
	// Pending are records that this worker replaced before their writers had counted them.
	Pending []Correction
}

// Correction is a record that another worker replaced. It is to be taken off the totals once the counters of its writer
// cover it; if they never do, because the writer died before, it was never counted.
type Correction struct {
	Worker  string
	Seq     int64
	Outcome string
	Error   string // class, of a failed object
	Bytes   int64
	// Before are the records that this one had replaced itself, the latest first. If its writer never counted it, the first
	// of them that is covered is to be taken off in its place: whoever counted that one has seen to those before it.
	Before []Correction `json:",omitempty" dynamodbav:",omitempty"`
}

// applies returns what of a correction is to be taken off, nil when nothing is. covered are the highest sequence numbers that
// counters cover, by worker.
func (c *Correction) applies(covered map[string]int64) *Correction {
	if covered[c.Worker] >= c.Seq {
		return c
	}
	for i := range c.Before {
		if b := &c.Before[i]; covered[b.Worker] >= b.Seq {
			return b
		}
	}
	return nil
}

// Totals are the counters of a run over all workers.
type Totals struct {
	Outcomes                       map[string]Tally
	Errors                         map[string]int64
	Retries, Throttles, Superseded int64
	Updated                        time.Time // of the latest counters; zero when there are none
}

// Total adds up the counters of all workers of a run. Outcomes and errors of which nothing is left are not in it.
func Total(all []Counters) Totals {
	t := Totals{Outcomes: map[string]Tally{}, Errors: map[string]int64{}}
	covered := make(map[string]int64, len(all))
	for _, c := range all {
		covered[c.Worker] = c.Seq
		for name, n := range c.Outcomes {
			t.add(name, n.Objects, n.Bytes)
		}
		for class, n := range c.Errors {
			t.Errors[class] += n
		}
		t.Retries += c.Retries
		t.Throttles += c.Throttles
		t.Superseded += c.Superseded
		if c.Updated.After(t.Updated) {
			t.Updated = c.Updated
		}
	}
	type record struct {
		worker string
		seq    int64
	}
	seen := map[record]bool{}
	for _, c := range all {
		for i := range c.Pending {
			// A record is replaced once. A correction that is there twice is on its way from one item to another.
			which := record{c.Pending[i].Worker, c.Pending[i].Seq}
			p := c.Pending[i].applies(covered)
			if p == nil || seen[which] {
				continue
			}
			seen[which] = true
			t.add(p.Outcome, -1, -p.Bytes)
			if p.Error != "" {
				t.Errors[p.Error]--
			}
		}
	}
	maps.DeleteFunc(t.Outcomes, func(_ string, n Tally) bool { return n.Objects == 0 })
	maps.DeleteFunc(t.Errors, func(_ string, n int64) bool { return n == 0 })
	return t
}

func (t *Totals) add(outcome string, objects, bytes int64) {
	n := t.Outcomes[outcome]
	n.Objects += objects
	n.Bytes += bytes
	t.Outcomes[outcome] = n
}

// Lease says who may do what only one process may do at a time.
type Lease struct {
	Holder string
	Since  time.Time // when this holder took it
	Until  time.Time // when it ends unless it is renewed
}

// Pause says whether the task is paused: nothing new is begun for it, and no clock runs against what is open.
type Pause struct {
	Paused bool
	Since  time.Time // when it was paused or resumed; zero: it never was
}

// CheckpointSizeError says that a checkpoint or an answer is larger than its store takes. The one before stays as it was.
type CheckpointSizeError struct{ Size, Limit int }

func (e *CheckpointSizeError) Error() string {
	return fmt.Sprintf("a document of %d bytes, packed, is larger than the %d that fit", e.Size, e.Limit)
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
	// Before returns up to limit of the runs that come after a run, there or not, in the order of Latest.
	Before(ctx context.Context, started time.Time, id string, limit int) ([]Run, error)

	// Open returns all runs that are open, the oldest first. However many came after them, it reads little more than those.
	Open(ctx context.Context) ([]Run, error)
	// Made returns up to limit runs that are not SKIPPED, in the order of Latest: a long run has a skipped one for every tick of
	// its schedule.
	Made(ctx context.Context, limit int) ([]Run, error)

	// PutCounters writes a worker's totals for a run, unless a record with a higher Seq is there.
	PutCounters(ctx context.Context, runID string, c Counters) error
	// Counters returns the totals of every worker of a run.
	Counters(ctx context.Context, runID string) ([]Counters, error)

	// PutCheckpoint writes or replaces the checkpoint of a run's finder. One that is too large is refused with a
	// *CheckpointSizeError.
	PutCheckpoint(ctx context.Context, runID string, doc []byte) error
	// Checkpoint returns the checkpoint of a run's finder; nil when there is none.
	Checkpoint(ctx context.Context, runID string) ([]byte, error)
	// DeleteCheckpoint forgets a checkpoint. One that is gone is no error.
	DeleteCheckpoint(ctx context.Context, runID string) error

	// PutAnswer writes or replaces what there is to say about a request of that id, as JSON. One that is too large is
	// refused with a *CheckpointSizeError.
	PutAnswer(ctx context.Context, id string, doc []byte) error
	// Answer returns what PutAnswer wrote last; nil when nothing is on record.
	Answer(ctx context.Context, id string) ([]byte, error)

	// Lease takes or renews the lease of that name for ttl from now, and reports whether the holder has it. It can be had
	// when nobody has it, when it has ended, and by its holder. The lease returned is the one in force.
	Lease(ctx context.Context, name, holder string, now time.Time, ttl time.Duration) (Lease, bool, error)
	// Unlease gives a lease back. One that another holds stays theirs, and that is no error.
	Unlease(ctx context.Context, name, holder string) error

	// SetPaused notes that the task is paused, or resumed. What is so already keeps the time since when it is.
	SetPaused(ctx context.Context, paused bool, now time.Time) error
	// Pause returns what SetPaused noted.
	Pause(ctx context.Context) (Pause, error)

	// Present notes that a worker is at work, and returns how many have noted so less than ttl ago, this one
	// included. Workers that have been silent for long are forgotten.
	Present(ctx context.Context, worker string, now time.Time, ttl time.Duration) (int, error)
}

// Forget is after how many times its ttl a silent worker is forgotten by Present.
const Forget = 10
