// Package retry repeats what failed for a while, with exponential backoff and full jitter.
package retry

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/datatransferhub/dth/worker/failure"
)

// Policy bounds the repeats. The wait before attempt n is a random part of Base x 2^(n-1), at most Cap.
type Policy struct {
	Attempts  int
	Base, Cap time.Duration
}

// Calls returns the policy of single calls to a store, a queue or a table: about a minute in all.
//
// It is a function because Go has no constants of struct type.
func Calls() Policy { return Policy{Attempts: 8, Base: 200 * time.Millisecond, Cap: 20 * time.Second} }

// Delay returns the wait after the n-th failed attempt (n from 1).
func (p Policy) Delay(n int) time.Duration {
	d := p.Base
	for i := 1; i < n && d < p.Cap; i++ {
		d *= 2
	}
	d = min(d, p.Cap)
	// Never less than half: a jitter down to nothing would hammer a store that asks for patience.
	return d/2 + rand.N(d/2+1)
}

// Do runs f until it succeeds, fails with a class that is not retryable or with an error that says so by a method
// Permanent, or the attempts are used up; it returns the last error.
func (p Policy) Do(ctx context.Context, f func() error) error {
	for n := 1; ; n++ {
		err := f()
		var final interface{ Permanent() bool }
		if err == nil || n >= p.Attempts || !failure.ClassOf(err).Retryable() || errors.As(err, &final) && final.Permanent() {
			return err
		}
		if Sleep(ctx, p.Delay(n)) != nil {
			return err
		}
	}
}

// Sleep waits for d or for the end of ctx, whose error it returns.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
