package solo

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/ledger"
)

// proof sorts what is still different after a run: named by a record of the run (it failed, was skipped or is gone),
// newer than the run, or unexplained.
type proof struct {
	ledger ledger.Ledger
	runID  string
	since  time.Time

	mu           sync.Mutex
	named, newer int64
	remaining    map[string]int64
}

func newProof(l ledger.Ledger, runID string, since time.Time) *proof {
	return &proof{ledger: l, runID: runID, since: since, remaining: map[string]int64{}}
}

// Decide implements diff.Sink.
func (p *proof) Decide(ctx context.Context, batch []diff.Decision) error {
	var keys []string
	for i := range batch {
		if differs(&batch[i]) {
			keys = append(keys, batch[i].Source.Key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	rows, err := p.ledger.Get(ctx, keys)
	if err != nil {
		return fmt.Errorf("reading the ledger: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range batch {
		v := &batch[i]
		row, recorded := rows[v.Source.Key]
		switch {
		case !differs(v):
		case v.Source.Modified.After(p.since):
			p.newer++
		case recorded && row.RunID == p.runID && row.Status != ledger.Done && row.Status != ledger.Deleted:
			p.named++
		case v.Reason != "":
			p.remaining[string(v.Kind)+":"+v.Reason]++
		default:
			p.remaining[string(v.Kind)]++
		}
	}
	return nil
}

func differs(v *diff.Decision) bool { return v.Kind == diff.New || v.Kind == diff.Changed }
