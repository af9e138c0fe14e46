package task

import (
	"maps"
	"strings"
	"time"

	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/run"
)

// Queued returns how many objects a run has asked for, as far as is known: a finder that broke off had queued more than its record
// says, which shows when more is settled.
func Queued(r *run.Run, settled int64) int64 { return max(r.Finder.Queued, settled) }

// ProgressOf returns what the record of a run tells, at a time: the run, its objects and bytes by outcome, and how many have
// one.
func ProgressOf(r *run.Run, outcomes map[string]run.Tally, settled int64, told time.Time) Progress {
	p := Progress{
		Run: Run{
			ID: r.ID, Trigger: r.Trigger, State: r.State, Started: r.Started, Finished: r.Finished, Queued: Queued(r, settled),
			Settled: settled, Told: told, Error: r.Error, DeadLetters: r.DeadLetters,
		},
		Proved: r.Proved, Remaining: maps.Clone(r.Remaining), Named: r.Named, Newer: r.Newer,
	}
	for name, n := range outcomes {
		status, method, _ := strings.Cut(name, ":")
		switch {
		case status == string(ledger.Failed):
			p.Failed += n.Objects
		case status == string(ledger.Done) && method != "none": // none: it was there already
			p.Copied += n.Objects
			p.Bytes += n.Bytes
		}
	}
	return p
}
