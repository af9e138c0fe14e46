package finder

import (
	"cmp"
	"context"
	"math/bits"
	"slices"
	"sync"

	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/estimate"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/store"
)

// Plan is a sink that queues nothing and counts what a run would do. The zero value is ready for use.
type Plan struct {
	// Rules say how large objects are cut; the zero value has the defaults.
	Rules estimate.Rules

	mu        sync.Mutex
	histogram [65]Bin
	largest   []store.Object
	work      estimate.Work
}

// Bin counts the objects to copy of at least From bytes and less than twice as many.
type Bin struct {
	From    int64 `json:"from"`
	Objects int64 `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

// Requests are the calls of a run in short, when every body is streamed by a fleet and nothing fails; package estimate has them
// in full.
type Requests struct {
	Lists       int64 `json:"lists"`       // of one finder pass, at both ends
	Reads       int64 `json:"reads"`       // GET and HEAD at the source
	Writes      int64 `json:"writes"`      // PUT, parts, and beginning and end of multipart uploads
	Messages    int64 `json:"messages"`    // objects, and parts of giants; three queue calls carry ten at most
	TableWrites int64 `json:"tableWrites"` // ledger rows and upload records
}

// keepLargest is how many of the largest objects a plan names.
const keepLargest = 10

// Decide counts the copies of a batch.
func (p *Plan) Decide(_ context.Context, batch []diff.Decision) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range batch {
		v := &batch[i]
		if v.Kind != diff.New && v.Kind != diff.Changed {
			continue
		}
		bin := &p.histogram[bits.Len64(uint64(v.Source.Size))]
		bin.Objects++
		bin.Bytes += v.Source.Size
		p.keep(v.Source)
		p.work.Add(v.Source.Size, p.Rules)
	}
	return nil
}

func (p *Plan) keep(o store.Object) {
	if len(p.largest) == keepLargest && o.Size <= p.largest[keepLargest-1].Size {
		return
	}
	i, _ := slices.BinarySearchFunc(p.largest, o, func(a, b store.Object) int {
		return cmp.Or(cmp.Compare(b.Size, a.Size), cmp.Compare(a.Key, b.Key))
	})
	p.largest = slices.Insert(p.largest, i, o)
	p.largest = p.largest[:min(len(p.largest), keepLargest)]
}

// Branch counts one prefix by itself until it is committed.
func (p *Plan) Branch() diff.Branch {
	return &planBranch{Plan: Plan{Rules: p.Rules}, of: p}
}

type planBranch struct {
	Plan
	of *Plan
}

// Commit adds the branch to its plan.
func (b *planBranch) Commit(context.Context) error {
	p := b.of
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, bin := range b.histogram {
		p.histogram[i].Objects += bin.Objects
		p.histogram[i].Bytes += bin.Bytes
	}
	for _, o := range b.largest {
		p.keep(o)
	}
	p.work.Merge(b.work)
	return nil
}

// Discard forgets the branch.
func (*planBranch) Discard() {}

// Histogram returns the bins that hold something, by size.
func (p *Plan) Histogram() []Bin {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Bin
	for i, bin := range p.histogram {
		if bin.Objects > 0 {
			if i > 0 {
				bin.From = 1 << (i - 1)
			}
			out = append(out, bin)
		}
	}
	return out
}

// Largest returns the largest objects to copy, the largest first.
func (p *Plan) Largest() []store.Object {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.largest)
}

// Work returns what there is to copy.
func (p *Plan) Work() estimate.Work {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.work
}

// Requests returns the calls of a run that begins with a pass of these totals.
func (p *Plan) Requests(totals run.FinderTotals) Requests {
	w := p.Work()
	parted := w.Parted + w.Giants
	parts := w.Parts + w.GiantParts
	return Requests{
		Lists:       totals.ListCalls,
		Reads:       w.Whole + w.Rechecked + parts + 2*parted + w.Giants,
		Writes:      w.Whole + parts + 2*parted,
		Messages:    w.Objects + w.GiantParts + w.Giants,
		TableWrites: w.Objects + parts + 3*parted,
	}
}
