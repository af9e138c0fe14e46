package run

import (
	"cmp"
	"strings"

	"github.com/datatransferhub/dth/worker/ledger"
)

// Superseded returns the ids of the runs that a newer one has made superfluous: those that began before the newest run
// whose finder is through. That one has looked at both ends since and has queued again whatever still differed, so
// object messages of the older ones can be dropped. Runs that only count what events caused have no part in this; a retry
// has looked at nothing, so it supersedes nothing.
func Superseded(runs []Run) map[string]bool {
	var newest *Run
	for i := range runs {
		if runs[i].Through() && runs[i].IsPass() && (newest == nil || runs[i].compare(newest) > 0) {
			newest = &runs[i]
		}
	}
	out := map[string]bool{}
	for i := range runs {
		if newest != nil && !runs[i].OfEvents() && runs[i].compare(newest) < 0 {
			out[runs[i].ID] = true
		}
	}
	return out
}

// Through reports whether everything that the run is about is queued.
func (r *Run) Through() bool {
	switch r.State {
	case Copying, Proving, Done:
		return !r.OfEvents()
	}
	return false
}

// OfEvents reports whether the run only counts what events caused: it has no finder, and its queue never ends.
func (r *Run) OfEvents() bool { return r.Trigger == TriggerEvent }

// OfRetry reports whether the run only queued failed objects again.
func (r *Run) OfRetry() bool { return r.Trigger == TriggerRetry }

// IsPass reports whether the run lists and compares both ends.
func (r *Run) IsPass() bool { return !r.OfEvents() && !r.OfRetry() }

// compare orders runs as Latest does, the oldest first.
func (r *Run) compare(o *Run) int {
	return cmp.Or(r.Started.Compare(o.Started), strings.Compare(r.ID, o.ID))
}

// Settled returns how many objects of a run have an outcome, by the counters of its workers.
func Settled(counters []Counters) int64 {
	t := Total(counters)
	n := t.Superseded
	for outcome, tally := range t.Outcomes {
		if outcome != string(ledger.InProgress) { // a giant whose parts are on their way
			n += tally.Objects
		}
	}
	return n
}
