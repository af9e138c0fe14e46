package transfer

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/datatransferhub/dth/worker/failure"
)

// reachable is an end that can be asked whether it answers at all.
type reachable interface {
	Reach(ctx context.Context) error
}

// refreshable is an end whose credentials can be read anew. It may do so less often than it is told.
type refreshable interface {
	RefreshCredentials()
}

// reach is what is known of both ends as a whole. One look serves everybody who asked before it began: when an endpoint
// goes down, all objects under way ask at once.
type reach struct {
	mu      sync.Mutex
	looked  time.Time
	err     error
	granted [2]bool // an end has let this identity look at its bucket before
}

// refusesIdentity says that other credentials may help.
func refusesIdentity(class failure.Class) bool {
	return class == failure.BadCredentials || class == failure.AccessDenied
}

// refresh has the credentials of both ends read anew.
func (c *Copier) refresh() {
	for _, end := range []any{c.Source, c.Destination} {
		if r, ok := end.(refreshable); ok {
			r.RefreshCredentials()
		}
	}
}

// Reach reports why an end cannot be worked with at all, whatever the object; nil when both answer. An identity that may
// not look at a bucket may still read and write objects, so such a refusal counts only for an end that allowed it
// before.
func (c *Copier) Reach(ctx context.Context) error {
	asked := time.Now()
	c.reach.mu.Lock()
	defer c.reach.mu.Unlock()
	if c.reach.looked.After(asked) {
		return c.reach.err
	}
	looked := time.Now()
	c.refresh()
	c.reach.err = nil
	for i, end := range []struct {
		name string
		end  any
	}{{"source", c.Source}, {"destination", c.Destination}} {
		r, ok := end.end.(reachable)
		if !ok {
			continue
		}
		err := r.Reach(ctx)
		switch class := failure.ClassOf(err); {
		case err == nil:
			c.reach.granted[i] = true
		case class == failure.Canceled:
			return err // says nothing about the end
		case class == failure.AccessDenied && !c.reach.granted[i]:
		default:
			c.reach.err = fmt.Errorf("the %s cannot be reached or refuses this worker: %w", end.name, err)
		}
		if c.reach.err != nil {
			break
		}
	}
	c.reach.looked = looked
	return c.reach.err
}
