// Package closing ends a run: it sees whether everything that was queued is settled, proves by another pass that both ends
// agree, and writes the report.
package closing

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/finder"
	"github.com/datatransferhub/dth/worker/ledger"
)

// Proof is what a pass after the copies found.
type Proof struct {
	// Named objects differ, and a record written since the run began says why. Newer ones were written at the source since
	// then.
	Named, Newer int64
	// Remaining are those without a reason, by decision: none when both ends agree.
	Remaining map[string]int64
}

// Prove compares both ends and queues nothing. Of the configuration, Sinks is replaced. also is told of every object that
// differs, and of its record, once and in order within a prefix; nil: nobody is told.
func Prove(ctx context.Context, c finder.Config, l ledger.Ledger, since time.Time, also func(diff.Decision, *ledger.Record) error) (Proof, error) {
	s := &sorter{ledger: l, since: since, also: also, proof: Proof{Remaining: map[string]int64{}}}
	c.Sinks = func() []diff.Sink { return []diff.Sink{finder.Held(s, c.SpillDir)} }
	compared := *c.Job
	compared.SkipCompare = false // a proof looks at both sides, also of a transfer that does not
	c.Job = &compared
	if _, err := finder.Pass(ctx, c); err != nil {
		return Proof{}, fmt.Errorf("proving the agreement: %w", err)
	}
	return s.proof, nil
}

// sorter sorts what is still different.
type sorter struct {
	ledger ledger.Ledger
	since  time.Time
	also   func(diff.Decision, *ledger.Record) error

	mu    sync.Mutex
	proof Proof
}

// Decide implements diff.Sink.
func (s *sorter) Decide(ctx context.Context, batch []diff.Decision) error {
	var keys []string
	for i := range batch {
		if batch[i].Source.Key != "" {
			keys = append(keys, batch[i].Source.Key)
		}
	}
	rows, err := s.ledger.Get(ctx, keys)
	if err != nil {
		return fmt.Errorf("reading the ledger: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range batch {
		var row *ledger.Record
		if r, ok := rows[batch[i].Source.Key]; ok {
			row = &r
		}
		s.sort(&batch[i], row)
		if s.also == nil {
			continue
		}
		if err := s.also(batch[i], row); err != nil {
			return err
		}
	}
	return nil
}

func (s *sorter) sort(v *diff.Decision, row *ledger.Record) {
	switch {
	case v.Kind != diff.New && v.Kind != diff.Changed:
	case v.Source.Modified.After(s.since):
		s.proof.Newer++
	case names(row, s.since):
		s.proof.Named++
	case v.Reason != "":
		s.proof.Remaining[string(v.Kind)+":"+v.Reason]++
	default:
		s.proof.Remaining[string(v.Kind)]++
	}
}

// names reports whether a record gives a reason why its object differs.
func names(row *ledger.Record, since time.Time) bool {
	if row == nil || row.FinishedAt.Before(since) {
		return false
	}
	switch row.Status {
	case ledger.Failed, ledger.Gone, ledger.Skipped:
		return true
	}
	return false
}
