// Package pass makes one whole pass over images in one process: plan, copy, and a second plan that proves agreement.
package pass

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
	"github.com/datatransferhub/dth/worker/image/copier"
	"github.com/datatransferhub/dth/worker/image/plan"
	"github.com/datatransferhub/dth/worker/image/record"
)

// Batches is how many batches are copied at once, when Config says nothing. So many tasks run at once on AWS.
const Batches = 10

// Config is a pass. Copier has Source, Destination and Open of Plan.
type Config struct {
	Plan    plan.Config
	Copier  *copier.Copier
	Batches int // at once; 0: Batches
	Prove   bool
	// OnPlan is told what is to be copied, and may leave batches out; OnBatch is told of each batch that is through, OnProve that all
	// are. nil: nobody is.
	OnPlan  func(r *plan.Result) error
	OnBatch func(s copier.Summary)
	OnProve func() error
}

// RunID names a run by when it began, as those of objects are named.
func RunID(began time.Time) string { return began.UTC().Format("20060102T150405.000000Z") }

// Result is what became of a pass.
type Result struct {
	Plan plan.Result // what was found
	copier.Summary
	Absent int // what a list names, and the source does not have
	Proved bool
	// Of the proof: images that differ still. Named have a record that says why, Newer were not planned, Left have neither.
	Named, Newer, Left int
}

// Agree reports whether the proof found both ends in agreement, and nothing that a list names is missing.
func (r *Result) Agree() bool { return r.Proved && r.Named+r.Newer+r.Left == 0 && r.Absent == 0 }

// Run makes the pass. What failed is in the result; the error says why the pass could not be made.
func Run(ctx context.Context, c Config) (*Result, error) {
	planned, err := plan.Make(ctx, c.Plan)
	if err != nil {
		return nil, err
	}
	if c.OnPlan != nil {
		if err := c.OnPlan(&planned); err != nil {
			return nil, err
		}
	}
	r := &Result{Plan: planned, Absent: len(planned.Absent)}
	if err := c.absent(ctx, planned.Absent); err != nil {
		return r, err
	}
	if err := c.copy(ctx, planned.Batches, r); err != nil {
		return r, err
	}
	if !c.Prove {
		return r, nil
	}
	if c.OnProve != nil {
		if err := c.OnProve(); err != nil {
			return r, err
		}
	}
	return r, c.prove(ctx, r)
}

// absent records what a list names and the source does not have.
func (c *Config) absent(ctx context.Context, all []plan.Absent) error {
	now := time.Now().UTC().Truncate(time.Millisecond)
	for _, a := range all {
		one := record.Record{
			Key: record.Key{Image: a.Name, Tag: a.Reference}, Status: record.Failed, RunID: c.Copier.RunID, Attempts: 1,
			ErrorClass: string(failure.ClassOf(a.Err)), ErrorMessage: a.Err.Error(), StartedAt: now, FinishedAt: now,
		}
		if err := c.Copier.Records.Put(ctx, one); err != nil {
			return err
		}
		if c.Copier.OnRecord != nil {
			c.Copier.OnRecord(one)
		}
	}
	return nil
}

func (c *Config) copy(ctx context.Context, batches []image.Batch, r *Result) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(c.Batches, 1))
	if c.Batches == 0 {
		g.SetLimit(Batches)
	}
	var mu sync.Mutex
	var failed error
	for _, b := range batches {
		g.Go(func() error {
			s, err := c.Copier.Batch(gctx, b)
			mu.Lock()
			defer mu.Unlock()
			r.Copied, r.Unchanged, r.Failed, r.Bytes = r.Copied+s.Copied, r.Unchanged+s.Unchanged, r.Failed+s.Failed, r.Bytes+s.Bytes
			failed = errors.Join(failed, err) // a batch that breaks stops no other
			if c.OnBatch != nil {
				c.OnBatch(s)
			}
			return nil
		})
	}
	_ = g.Wait() // no batch returns an error
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return failed
}

// prove plans once more, and sorts what differs still.
func (c *Config) prove(ctx context.Context, r *Result) error {
	again, err := plan.Make(ctx, c.Plan)
	if err != nil {
		return err
	}
	wanted := map[record.Key]bool{}
	for _, b := range r.Plan.Batches {
		for _, i := range b.Images {
			wanted[record.Key{Image: b.Name, Tag: i.Reference()}] = true
		}
	}
	for _, b := range again.Batches {
		keys := make([]record.Key, len(b.Images))
		for n, i := range b.Images {
			keys[n] = record.Key{Image: b.Name, Tag: i.Reference()}
		}
		on, err := c.Copier.Records.Get(ctx, keys)
		if err != nil {
			return err
		}
		for _, k := range keys {
			switch {
			case on[k].Status == record.Failed && on[k].RunID == c.Copier.RunID:
				r.Named++
			case !wanted[k]:
				r.Newer++
			default:
				r.Left++
			}
		}
	}
	r.Proved = true
	return nil
}
