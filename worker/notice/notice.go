// Package notice watches for the end of the machine that a process runs on: a Spot interruption, or an Auto Scaling group
// that shrinks. Whoever is told drains, as on SIGTERM, and lets the machine go.
package notice

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/datatransferhub/dth/worker/retry"
)

// Kind says who takes the machine away.
type Kind string

// The kinds.
const (
	Spot    Kind = "spot interruption" // about two minutes before, whatever is done
	Scaling Kind = "scale-in"          // the group waits until it is told to go on, or for its hook's time-out
	// Rebalance is no end yet: the machine is more likely to be interrupted than others. Objects are small pieces of work, so
	// nothing is won by stopping before it is.
	Rebalance Kind = "rebalance recommendation"
)

// Notice says that the machine will go away.
type Notice struct {
	Kind Kind
	At   time.Time // when it goes, of Rebalance when that was said; zero when that is not known
}

// Ends reports whether the machine will go away; false for none.
func (n *Notice) Ends() bool { return n != nil && n.Kind != Rebalance }

// ErrOff says that there is nothing that could give notice, because this is no such machine.
var ErrOff = errors.New("no notices on this machine")

// Source tells of notices.
type Source interface {
	// Look returns the present notice, nil when there is none, or an error, which may be ErrOff.
	Look(ctx context.Context) (*Notice, error)
}

// maxSilence is how many looks in a row may fail until it is said once.
const maxSilence = 5

// Watch looks every so often until there is a notice that the machine ends, which it returns. Others are said once. It
// returns nil when ctx ends, or when the first look finds that there is nothing to look at.
func Watch(ctx context.Context, s Source, every time.Duration, log *slog.Logger) *Notice {
	failed, warned := 0, false
	for first := true; ; first = false {
		n, err := s.Look(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case n.Ends():
			return n
		case n != nil && !warned:
			log.Info("this machine may be taken away before others; the worker goes on", "by", n.Kind, "at", n.At)
			failed, warned = 0, true
		case errors.Is(err, ErrOff) && first:
			log.Info("the end of this machine is not watched for: it tells of none", "reason", err)
			return nil
		case err != nil:
			if failed++; failed == maxSilence {
				log.Warn("looking for the end of this machine fails; it is tried again", "error", err)
			}
		default:
			failed = 0
		}
		if retry.Sleep(ctx, every) != nil {
			return nil
		}
	}
}
