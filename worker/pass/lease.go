package pass

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/datatransferhub/dth/worker/finder"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run"
)

// LeaseName is the name of the lease that a finder holds.
const LeaseName = "finder"

// A lease ends leaseTime after it was last renewed, which is done every beat. Whoever waits for one that another holds
// knows after patience whether that one is alive.
const (
	leaseTime = 5 * time.Minute
	beat      = time.Minute
	patience  = beat + 30*time.Second
)

// LostError says that another finder took the lease, because this one did not renew it in time. The run is the other's
// now.
type LostError struct{ Holder string }

func (e *LostError) Error() string {
	if e.Holder == "" {
		return "the lease could not be renewed in time; another finder may go on with this pass"
	}
	return fmt.Sprintf("finder %s has taken over, because this one did not renew its lease in time", e.Holder)
}

var errLost = errors.New("the lease is lost")

// lease is a lease that is held.
type lease struct {
	c *Config

	mu    sync.Mutex
	until time.Time
	lost  error
	seen  finder.Progress
}

// lease takes the lease. When another finder has it and is alive, busy says so; one that does not renew its lease is
// waited for.
func (c *Config) lease(ctx context.Context) (_ *lease, busy string, _ error) {
	var first run.Lease
	began := time.Now()
	for {
		now := time.Now()
		if now.Sub(began) > leaseTime && now.Before(first.Until) {
			now = first.Until // whoever wrote that has been silent for as long as a lease takes; our clock is behind
		}
		got, held, err := c.Runs.Lease(ctx, LeaseName, c.Holder, now, leaseTime)
		if err != nil {
			return nil, "", err
		}
		if held {
			return &lease{c: c, until: got.Until}, "", nil
		}
		if first.Holder != "" && (got.Holder != first.Holder || got.Until.After(first.Until)) {
			return nil, fmt.Sprintf("finder %s is at work since %s", got.Holder, got.Since.UTC().Format(time.RFC3339)), nil
		}
		if first.Holder == "" {
			first = got
			c.Log.Info("another finder has the lease; waiting to see whether it is alive", "holder", got.Holder, "until", got.Until)
		}
		if err := retry.Sleep(ctx, min(max(got.Until.Sub(now), time.Second), patience)); err != nil {
			return nil, "", err
		}
	}
}

// giveBack ends the lease, so that the next finder need not wait for it.
func (l *lease) giveBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := l.c.Runs.Unlease(ctx, LeaseName, l.c.Holder); err != nil {
		l.c.Log.Warn("the lease was not given back; it ends by itself", "error", err)
	}
}

// held reports whether the lease is still held, as far as this clock tells.
func (l *lease) held() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.lost == nil && time.Now().Before(l.until)
}

func (l *lease) listed(n finder.Progress) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = n
}

// heart renews the lease and keeps the run's record up to date until stop is called. The context that it returns ends
// when the lease is lost; stop returns the error then.
func (l *lease) heart(ctx context.Context, r run.Run) (_ context.Context, stop func() error) {
	leased, cancel := context.WithCancelCause(ctx)
	beating, stopBeating := context.WithCancel(ctx)
	var ended sync.WaitGroup
	ended.Go(func() {
		tick := time.NewTicker(beat)
		defer tick.Stop()
		for {
			select {
			case <-beating.Done():
				return
			case <-tick.C:
			}
			if err := l.beat(beating, r); err != nil {
				cancel(err)
				return
			}
		}
	})
	return leased, func() error {
		stopBeating()
		ended.Wait()
		cancel(nil)
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.lost
	}
}

// beat renews the lease once. Its error says that the lease is lost.
func (l *lease) beat(ctx context.Context, r run.Run) error {
	now := time.Now()
	got, held, err := l.c.Runs.Lease(ctx, LeaseName, l.c.Holder, now, leaseTime)
	l.mu.Lock()
	switch {
	case err == nil && held:
		l.until = got.Until
	case err == nil:
		l.lost = &LostError{got.Holder}
	case ctx.Err() == nil && !now.Before(l.until):
		l.lost = &LostError{}
	}
	lost, n := l.lost, l.seen
	l.mu.Unlock()
	if lost != nil {
		l.c.Log.Error("the lease is lost", "error", lost)
		return lost
	}
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		l.c.Log.Warn("the lease was not renewed; trying again", "error", err)
		return nil
	}
	r.Finder.ListedSource, r.Finder.ListedDestination, r.Finder.ListCalls, r.Finder.Ranges = n.Source, n.Destination, n.Calls, n.Ranges
	if err := l.c.Runs.Update(ctx, r); err != nil {
		l.c.Log.Warn("the progress of the run is not recorded", "run", r.ID, "error", err)
	}
	l.c.Log.Info("listing", "run", r.ID, "source", n.Source, "destination", n.Destination, "calls", n.Calls)
	return nil
}
