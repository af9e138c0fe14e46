package finderlaunch

import (
	"context"
	"fmt"
	"time"

	"github.com/datatransferhub/dth/worker/closing"
	"github.com/datatransferhub/dth/worker/pass"
	"github.com/datatransferhub/dth/worker/run"
)

// Leases implements Alive on the run table.
type Leases struct {
	Runs run.Store
	Now  func() time.Time
}

// prober is the name under which a lease is asked for, to see who has it. It is given back at once.
const prober = "finderlaunch"

// Paused tells whether the task is paused.
func (l Leases) Paused(ctx context.Context) (bool, error) {
	p, err := l.Runs.Pause(ctx)
	return p.Paused, err
}

// Holders returns who holds a lease now.
func (l Leases) Holders(ctx context.Context) ([]string, error) {
	var holders []string
	for _, name := range LeaseNames() {
		got, free, err := l.Runs.Lease(ctx, name, prober, l.Now(), time.Millisecond)
		if err != nil {
			return nil, fmt.Errorf("looking who holds the lease %q: %w", name, err)
		}
		if !free {
			holders = append(holders, got.Holder)
			continue
		}
		if err := l.Runs.Unlease(ctx, name, prober); err != nil {
			return nil, fmt.Errorf("giving the lease %q back: %w", name, err)
		}
	}
	return holders, nil
}

// LeaseNames are the leases that a finder's instance holds while it works: one of passes, one of proofs.
func LeaseNames() []string { return []string{pass.LeaseName, closing.LeaseName} }
