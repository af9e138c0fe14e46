// Package patience waits for registries that have had enough requests, for those who plan and those who copy alike.
package patience

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/retry"
)

// MaxWait is how long is waited in all, when a Policy does not say it.
const MaxWait = 15 * time.Minute

// ErrTooLong says that a registry is to be left alone for longer than is waited for.
var ErrTooLong = errors.New("the registry's limit lasts longer than is waited for")

// Registry is one that may have had enough. Each image.Registry is one.
type Registry interface {
	Host() string
	// Limited returns when the registry will serve again, when it has said so; else the zero time.
	Limited() time.Time
}

// Policy bounds the waits. The zero value waits up to MaxWait, and tells nobody.
type Policy struct {
	MaxWait time.Duration // in all, for one thing; 0 is MaxWait
	Log     *slog.Logger  // nil: none
}

// Wait waits before something is tried again that failed with err: for d or, when a registry has had enough, until each of them
// serves again, and a part of d longer, so that not all who wait come at the same moment. began is when the thing was tried
// first. The error is ErrTooLong when the limit ends later than MaxWait after that, or that of ctx.
func (p Policy) Wait(ctx context.Context, d time.Duration, err error, began time.Time, of ...Registry) error {
	if !failure.Is(err, failure.Throttled) {
		return retry.Sleep(ctx, d)
	}
	host, until := last(of)
	if until.IsZero() {
		return retry.Sleep(ctx, d)
	}
	limit := p.MaxWait
	if limit == 0 {
		limit = MaxWait
	}
	if until.After(began.Add(limit)) {
		return ErrTooLong
	}
	if p.Log != nil {
		p.Log.Warn("a registry has had enough requests; waiting until it serves again", "registry", host, "until", until.UTC().Format(time.RFC3339))
	}
	return retry.Sleep(ctx, time.Until(until)+rand.N(d/2+1))
}

// last returns which of several registries serves again last, and when; the zero time when each serves.
func last(of []Registry) (host string, until time.Time) {
	for _, r := range of {
		if at := r.Limited(); at.After(until) {
			host, until = r.Host(), at
		}
	}
	return host, until
}

// Hint says of an error when a registry will serve again that has had enough; it is empty of other errors.
func Hint(err error, of ...Registry) string {
	if !failure.Is(err, failure.Throttled) {
		return ""
	}
	host, until := last(of)
	if until.IsZero() {
		return ""
	}
	return host + " says that it serves again at " + until.UTC().Format(time.RFC3339)
}
