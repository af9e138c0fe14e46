package consume

import (
	"context"
	"sync"
	"time"
)

// Gate limits the objects under way by additive increase and multiplicative decrease. The limit grows by one for every
// limit's worth of objects that went through. Once a second it shrinks by half the share of objects that an end asked to
// come later: to a half when all were refused, hardly when few were, as Data Center TCP does (RFC 8257, section 3.3).
// Halving at every refusal would leave one object under way at a store that refuses a few requests at any speed.
type Gate struct {
	mu        sync.Mutex
	limit     float64
	low, high int
	active    int
	free      chan struct{} // closed and replaced when a place becomes free

	began         time.Time // of the second that is counted
	went, refused int       // objects in it
}

// NewGate returns a gate whose limit starts in the middle between low and high.
func NewGate(low, high int) *Gate {
	return &Gate{limit: float64(low+high) / 2, low: low, high: high, free: make(chan struct{}), began: time.Now()}
}

// Acquire takes a place, or returns the context's error.
func (g *Gate) Acquire(ctx context.Context) error { return g.wait(ctx, true) }

// Room waits until a place is free without taking it.
func (g *Gate) Room(ctx context.Context) error { return g.wait(ctx, false) }

func (g *Gate) wait(ctx context.Context, take bool) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		g.mu.Lock()
		if g.active < max(1, int(g.limit)) {
			if take {
				g.active++
			}
			g.mu.Unlock()
			return nil
		}
		free := g.free
		g.mu.Unlock()
		select {
		case <-free:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Release gives a place back. throttled says that an end asked for less meanwhile.
func (g *Gate) Release(throttled bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.active--
	g.went++
	if throttled {
		g.refused++
	} else {
		g.limit = min(g.limit+1/g.limit, float64(g.high))
	}
	if now := time.Now(); now.Sub(g.began) >= time.Second {
		share := float64(g.refused) / float64(g.went)
		g.limit = max(g.limit*(1-share/2), 1)
		g.began, g.went, g.refused = now, 0, 0
	}
	close(g.free)
	g.free = make(chan struct{})
}

// Limit returns the present limit, for progress and metrics.
func (g *Gate) Limit() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return max(1, int(g.limit))
}

// Active returns the number of places taken.
func (g *Gate) Active() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.active
}
