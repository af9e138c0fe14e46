package plan

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
	"github.com/datatransferhub/dth/worker/image/patience"
)

// hopeless is how many calls in a row, each repeated as often as helps, a registry may leave without an answer, or answer with an
// error of its own, before no more are made: with thousands of images to look at, a run would last for hours.
const hopeless = 50

// doors remember of each registry whether it is worth asking.
type doors struct {
	mu  sync.Mutex
	all map[string]*door
}

type door struct {
	silent int       // calls in a row without an answer
	err    error     // why no more are made; nil: they are
	until  time.Time // when they are made again; zero: not in this run
}

// shut returns why a registry is not to be asked; nil when it is.
func (d *doors) shut(host string, now time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.all[host]
	if known == nil || !known.until.IsZero() && now.After(known.until) {
		return nil
	}
	return known.err
}

// heard notes how a call ended. until is when the registry serves again, when nobody waits for it.
func (d *doors) heard(host string, err error, until time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.all[host]
	if known == nil {
		known = &door{}
		d.all[host] = known
	}
	switch class := failure.ClassOf(err); {
	case !until.IsZero():
		known.err, known.until = err, until
	case class == failure.Network || class == failure.Server:
		if known.silent++; known.silent == hopeless {
			known.until = time.Time{}
			known.err = fmt.Errorf("%w; so ended %d calls in a row at %s, which is asked no more in this run", err, known.silent, host)
		}
	default:
		known.silent = 0
	}
}

// call makes one call at a registry, and repeats it while that helps. One that has had enough is waited for.
func (p *planner) call(ctx context.Context, at image.Registry, f func() error) error {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-p.slots }()
	if err := p.doors.shut(at.Host(), time.Now()); err != nil {
		return err
	}
	p.mu.Lock()
	p.result.Totals.ListCalls++
	p.mu.Unlock()
	until, err := p.repeat(ctx, at, f)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	p.doors.heard(at.Host(), err, until)
	return err
}

// repeat tries until a call succeeds, or fails for good. until is set when the registry serves again later than is waited for.
func (p *planner) repeat(ctx context.Context, at image.Registry, f func() error) (until time.Time, err error) {
	began := time.Now()
	for try := 1; ; try++ {
		err = f()
		var final interface{ Permanent() bool }
		if err == nil || try >= p.Retry.Attempts || !failure.ClassOf(err).Retryable() || errors.As(err, &final) && final.Permanent() {
			return time.Time{}, err
		}
		switch waited := p.patience.Wait(ctx, p.Retry.Delay(try), err, began, at); {
		case errors.Is(waited, patience.ErrTooLong):
			until = at.Limited()
			return until, fmt.Errorf("%w; %s", err, patience.Hint(err, at))
		case waited != nil:
			return time.Time{}, err
		}
	}
}
