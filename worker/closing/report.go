package closing

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/run"
)

// Line is one line of a run report, which is JSON Lines: a header, a line for every object that both ends do not agree on, or for
// every object where the job asks for it,
// and a trailer with the number of those, so that a report that was cut off is noticed.
type Line struct {
	Kind string `json:"kind"` // header, object, trailer
	Run  string `json:"run"`

	// Of an object.
	Key             string     `json:"key,omitempty"`
	Decision        string     `json:"decision,omitempty"` // of the proving pass: new, changed, skipped, extraneous; same where all are reported
	Reason          string     `json:"reason,omitempty"`   // size, etag, archived, filtered, ...
	Status          string     `json:"status,omitempty"`   // of its record
	Size            int64      `json:"size,omitempty"`     // bytes
	SourceETag      string     `json:"sourceETag,omitempty"`
	DestinationETag string     `json:"destinationETag,omitempty"`
	Class           string     `json:"class,omitempty"`
	Error           string     `json:"error,omitempty"`
	Attempts        int        `json:"attempts,omitempty"`
	FinishedAt      *time.Time `json:"finishedAt,omitempty"`

	// Of the header and the trailer.
	Started   *time.Time           `json:"started,omitempty"`
	Finder    *run.FinderTotals    `json:"finder,omitempty"`
	Outcomes  map[string]run.Tally `json:"outcomes,omitempty"`
	Errors    map[string]int64     `json:"errors,omitempty"`
	Objects   *int64               `json:"objects,omitempty"` // lines between header and trailer
	Named     int64                `json:"named,omitempty"`
	Newer     int64                `json:"newer,omitempty"`
	Remaining map[string]int64     `json:"remaining,omitempty"`
	// Unaccounted is how many queued objects had no outcome when the run was closed.
	Unaccounted int64 `json:"unaccounted,omitempty"`
}

type report struct {
	enc   *json.Encoder
	run   run.Run
	lines int64
	err   error
}

func newReport(w io.Writer, r run.Run, t run.Totals) *report {
	rep := &report{run: r, enc: json.NewEncoder(w)}
	rep.write(Line{Kind: "header", Run: r.ID, Started: &r.Started, Finder: &r.Finder, Outcomes: t.Outcomes, Errors: t.Errors})
	return rep
}

func (r *report) write(l Line) {
	if r.err != nil {
		return
	}
	if err := r.enc.Encode(l); err != nil {
		r.err = fmt.Errorf("writing the run report: %w", err)
	}
}

// line reports one object.
func (r *report) line(v diff.Decision, row *ledger.Record) error {
	l := Line{
		Kind: "object", Run: r.run.ID, Key: v.Source.Key, Decision: string(v.Kind), Reason: v.Reason, Size: v.Source.Size,
		SourceETag: v.Source.ETag, DestinationETag: v.Destination.ETag,
	}
	if v.Kind == diff.Extraneous {
		l.Key, l.Size = v.Destination.Key, v.Destination.Size
	}
	if row != nil {
		at := row.FinishedAt
		l.Status, l.Class, l.Error, l.Attempts, l.FinishedAt = string(row.Status), row.ErrorClass, row.Error, row.Attempts, &at
	}
	r.lines++
	r.write(l)
	return r.err
}

func (r *report) end(p Proof) error {
	n := r.lines
	r.write(Line{Kind: "trailer", Run: r.run.ID, Objects: &n, Named: p.Named, Newer: p.Newer, Remaining: p.Remaining, Unaccounted: r.run.Unaccounted})
	return r.err
}
