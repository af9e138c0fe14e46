package closing

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run"
)

// LeaseName is the name of the lease that a host holds while it closes a run: one at a time, and a sign of life.
const LeaseName = "closer"

const (
	leaseTime = 5 * time.Minute
	beat      = time.Minute
)

// ErrBusy says that somebody else is closing a run.
var ErrBusy = errors.New("another finder is closing a run")

// errLost ends a proof whose lease could not be renewed.
var errLost = errors.New("the lease for closing runs could not be renewed in time; another finder may close the run")

// Hold runs f while it holds the lease, and renews it each minute. The same holder may take over from itself at once.
func Hold(ctx context.Context, runs run.Store, holder string, f func(context.Context) error) error {
	in, held, err := runs.Lease(ctx, LeaseName, holder, time.Now(), leaseTime)
	if err != nil {
		return fmt.Errorf("taking the lease for closing runs: %w", err)
	}
	if !held {
		return fmt.Errorf("%w: %s, since %s", ErrBusy, in.Holder, in.Since.Format(time.RFC3339))
	}
	inner, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var renewing sync.WaitGroup
	renewing.Go(func() { renew(inner, stop, runs, holder) })
	err = f(inner)
	if cause := context.Cause(inner); errors.Is(cause, errLost) {
		err = errors.Join(cause, err)
	}
	stop(nil)
	renewing.Wait()
	return errors.Join(err, runs.Unlease(context.WithoutCancel(ctx), LeaseName, holder))
}

func renew(ctx context.Context, stop context.CancelCauseFunc, runs run.Store, holder string) {
	until := time.Now().Add(leaseTime)
	for retry.Sleep(ctx, beat) == nil {
		now := time.Now()
		_, held, err := runs.Lease(ctx, LeaseName, holder, now, leaseTime)
		switch {
		case err == nil && held:
			until = now.Add(leaseTime)
		case err == nil || now.After(until):
			stop(errLost)
			return
		}
	}
}
