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
	Absent int // what a list names and the source does not have, and what could not be looked at
	Proved bool
	// Of the proof: images that differ still, or are only at the destination when such are to be deleted. Named have a record that
	// says why, Newer were not planned, Left have neither.
	Named, Newer, Left int
}

// Agree reports whether the proof found both ends in agreement, and nothing that a list names is missing.
func (r *Result) Agree() bool {
	return r.Proved && r.Named+r.Newer+r.Left == 0 && r.Absent == 0 && r.Plan.TooMany == nil
}

// Run makes the pass. What failed is in the result; the error says why the pass could not be made or, a *plan.TooManyError, that it
// would have deleted too much: then all else was done.
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
		return r, planned.TooMany
	}
	if c.OnProve != nil {
		if err := c.OnProve(); err != nil {
			return r, err
		}
	}
	if err := c.prove(ctx, r); err != nil {
		return r, err
	}
	return r, planned.TooMany
}

// absent records what cannot be planned.
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

// copy copies all batches: those of one repository one after the other, since each sends the layers that the ones before have not
// brought yet, and different repositories at once.
func (c *Config) copy(ctx context.Context, batches []image.Batch, r *Result) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(c.Batches, 1))
	if c.Batches == 0 {
		g.SetLimit(Batches)
	}
	var mu sync.Mutex
	var failed error
	for _, of := range byTarget(batches) {
		g.Go(func() error {
			for _, b := range of {
				s, err := c.Copier.Batch(gctx, b)
				mu.Lock()
				r.Add(s)
				failed = errors.Join(failed, err) // a batch that breaks stops no other
				if c.OnBatch != nil {
					c.OnBatch(s)
				}
				mu.Unlock()
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

// byTarget gathers the batches of each repository, in their order.
func byTarget(batches []image.Batch) (all [][]image.Batch) {
	place := map[string]int{}
	for _, b := range batches {
		n, ok := place[b.Target]
		if !ok {
			n = len(all)
			place[b.Target], all = n, append(all, nil)
		}
		all[n] = append(all[n], b)
	}
	return all
}

// prove plans once more, and sorts what differs still. What cannot be looked at any more is not proved.
func (c *Config) prove(ctx context.Context, r *Result) error {
	again, err := plan.Make(ctx, c.Plan)
	if err != nil {
		return err
	}
	wanted := map[record.Key]bool{}
	for _, k := range keysOf(&r.Plan) {
		wanted[k] = true
	}
	told := map[record.Key]bool{} // counted as Absent
	for _, a := range r.Plan.Absent {
		told[record.Key{Image: a.Name, Tag: a.Reference}] = true
	}
	var open []record.Key
	for _, k := range keysOf(&again) {
		if !told[k] {
			open = append(open, k)
		}
	}
	for _, a := range again.Absent {
		k := record.Key{Image: a.Name, Tag: a.Reference}
		if told[k] {
			continue
		}
		if !a.Missing() {
			wanted[k] = true
		}
		open = append(open, k)
	}
	on, err := c.Copier.Records.Get(ctx, open)
	if err != nil {
		return err
	}
	for _, k := range open {
		switch {
		case on[k].Status == record.Failed && on[k].RunID == c.Copier.RunID:
			r.Named++
		case !wanted[k]:
			r.Newer++
		default:
			r.Left++
		}
	}
	if again.TooMany != nil && r.Plan.TooMany == nil {
		r.Newer += again.Extraneous
	}
	r.Proved = true
	return nil
}

// keysOf returns what batches hold.
func keysOf(p *plan.Result) (all []record.Key) {
	for _, b := range p.Batches {
		for _, i := range b.Images {
			all = append(all, record.Key{Image: b.Name, Tag: i.Reference()})
		}
		for _, x := range b.Delete {
			all = append(all, record.Key{Image: b.Name, Tag: x.Reference()})
		}
	}
	return all
}
