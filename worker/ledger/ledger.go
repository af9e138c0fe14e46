// Package ledger is the port to the table with one record per object: what became of it, when, how
// and why not. ledgeraws (DynamoDB) and ledgersqlite are the adapters; ledgertest holds the suite
// both pass.
package ledger

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/datatransferhub/dth/worker/failure"
)

// Status is the outcome that a record tells.
type Status string

// The statuses.
const (
	Done       Status = "DONE"
	Failed     Status = "FAILED"
	Gone       Status = "GONE"    // the source object vanished before it was copied
	Skipped    Status = "SKIPPED" // by a rule that Error names
	Deleted    Status = "DELETED" // tombstone
	InProgress Status = "IN_PROGRESS"
)

// Record is one object's record. Sizes are bytes; times are UTC with millisecond precision.
type Record struct {
	Key             string // source key
	Status          Status
	Size            int64
	SourceETag      string
	DestinationETag string
	Checksum        string // CRC64NVME of the content, base64; empty when it was not computed
	VerifiedBy      string // crc64nvme, etag, md5, server, size
	Sequencer       string // of the S3 event that led here; empty for listed objects
	RunID           string
	Attempts        int
	Method          string // server_side, stream, multipart, giant, delete
	ErrorClass      string
	Error           string
	StartedAt       time.Time
	FinishedAt      time.Time
	Bytes           int64  // moved through the worker
	Upload          string // of a giant in progress: the destination's UploadId, which tells this upload from another of the same version
	Worker          string
	Seq             int64 // position in the worker's own sequence of outcomes; with Worker, the revision
	// Before are records that this one replaced, of its own run and of runs that go on beside it, the latest first: if its
	// writer dies before it counts this one, or a message of such a run comes once more, whoever replaces it has to know
	// what was counted of the object.
	Before []Prior
	// Heed says of which other runs a record is not replaced unseen. It is not stored.
	Heed Heed
}

// Heed names records of other runs that may be counted once more: those of runs that are not closed, and those written so
// lately that nobody knows yet of which run they are.
type Heed struct {
	Runs  []string
	Since time.Time // zero: no record is too young
}

// Of reports whether a record, or what one remembers, is to be heeded.
func (h *Heed) Of(runID string, finished time.Time) bool {
	return slices.Contains(h.Runs, runID) || !h.Since.IsZero() && !finished.Before(h.Since)
}

// Prior is what is remembered of a record that was replaced.
type Prior struct {
	Run     string `json:"r"`
	Worker  string `json:"w"`
	Seq     int64  `json:"n"`
	Outcome string `json:"o"`
	Class   string `json:"c,omitempty"` // of the error, of a failed object
	Size    int64  `json:"s,omitempty"`
}

// maxPriors bounds how many are remembered: writers that died one after the other over one object.
const maxPriors = 5

// Replace sets what a record remembers of the one that it replaces, nil when there is none. Adapters call it in Put, as far
// as they know what is replaced.
func (r *Record) Replace(old *Record) {
	r.Before = nil
	if old == nil || old.Revision() == r.Revision() {
		return
	}
	for _, p := range old.history() {
		if len(r.Before) < maxPriors && (p.Run == r.RunID || r.Heed.Of(p.Run, old.FinishedAt)) {
			r.Before = append(r.Before, p)
		}
	}
}

// history is a record and what it remembers, each with its run.
func (r *Record) history() []Prior {
	return append([]Prior{{Run: r.RunID, Worker: r.Worker, Seq: r.Seq, Outcome: r.Outcome(), Class: r.Class(), Size: r.Size}}, r.Before...)
}

// Counted returns what may be counted of the object in a run, the latest first: a record itself, and what it remembers.
func (r *Record) Counted(runID string) (all []Prior) {
	for _, p := range r.history() {
		if p.Run == runID {
			all = append(all, p)
		}
	}
	return all
}

// Replaced reports whether a write is among those that this one replaced, as far as it remembers.
func (r *Record) Replaced(v Revision) bool {
	return slices.ContainsFunc(r.Before, func(p Prior) bool { return p.Worker == v.Worker && p.Seq == v.Seq })
}

// Elsewhere is the Error of a giant in progress whose outcome is counted in another run than the record's: that of its upload.
// The record's own run has left it to the other one, and counts it as skipped for that reason.
const Elsewhere = "elsewhere"

// Outcome is the name under which the record is counted: its status, of DONE and SKIPPED with how or why.
func (r *Record) Outcome() string {
	switch {
	case r.Status == InProgress && r.Error == Elsewhere:
		return string(Skipped) + ":" + Elsewhere
	case r.Status == Done && r.Method != "":
		return string(r.Status) + ":" + r.Method
	case r.Status == Skipped && r.Error != "":
		return string(r.Status) + ":" + r.Error
	}
	return string(r.Status)
}

// Class is the class under which a failed record is counted; empty for others.
func (r *Record) Class() string {
	if r.Status != Failed {
		return ""
	}
	return cmp.Or(r.ErrorClass, string(failure.Other))
}

// Revision identifies one write of a record. The zero Revision is "no record".
type Revision struct {
	Worker string
	Seq    int64
}

// Revision returns the revision that this record was written as.
func (r *Record) Revision() Revision { return Revision{r.Worker, r.Seq} }

// ErrConflict is returned by Put when the stored record is not the one that was expected.
var ErrConflict = errors.New("ledger record was written by somebody else meanwhile")

// Page is one page of failed records.
type Page struct {
	Records []Record
	Next    string // opaque; empty at the end
}

// Ledger is the table.
type Ledger interface {
	// Get returns the records of those keys that have one. Any number of keys may be asked for;
	// the adapter batches and repeats what the table left unprocessed.
	Get(ctx context.Context, keys []string) (map[string]Record, error)

	// Put writes a record and returns the one it replaced, nil when there was none. With expect
	// not nil, the write happens only when the stored revision is *expect; otherwise ErrConflict.
	// A record that is there already in this very revision counts as written: the answer to an
	// earlier attempt was lost. A record of the same run that this attempt replaced, one that remembers
	// such a record, and one that record.Heed names, is returned all the same; one that was expected,
	// or of another run, may not be known any more: then nil is.
	// Keys are UTF-8; of Error, what Bounded leaves is stored.
	Put(ctx context.Context, record Record, expect *Revision) (*Record, error)

	// Failures returns failed records, of one error class or of all when class is empty, in key
	// order within a class, the classes in order of their names. A page may be shorter than limit
	// although more follow. A failed record without a class is listed as failure.Other. It never
	// scans the table, and may lag behind Put for a moment.
	Failures(ctx context.Context, class string, limit int, after string) (Page, error)
}

// BatchPutter is implemented by ledgers that write many records cheaper than one by one. Outcomes
// has one entry a record: the replaced record, and ErrConflict where that one was refused.
type BatchPutter interface {
	PutBatch(ctx context.Context, puts []Put) ([]PutOutcome, error)
}

// Put is one conditional write of a batch.
type Put struct {
	Record Record
	Expect *Revision
}

// PutOutcome is the result of one Put of a batch.
type PutOutcome struct {
	Replaced *Record
	Err      error // nil or ErrConflict
}
