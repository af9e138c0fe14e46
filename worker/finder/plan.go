package finder

import (
	"cmp"
	"context"
	"math/bits"
	"slices"
	"sync"

	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/store"
)

// Plan is a sink that queues nothing and counts what a run would do.
type Plan struct {
	mu        sync.Mutex
	histogram [65]Bin
	largest   []store.Object
}

// Bin counts the objects to copy of at least From bytes and less than twice as many.
type Bin struct {
	From    int64 `json:"from"`
	Objects int64 `json:"objects"`
	Bytes   int64 `json:"bytes"`
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
	}
	return nil
}

func (p *Plan) keep(o store.Object) {
	if len(p.largest) == keepLargest && o.Size <= p.largest[keepLargest-1].Size {
		return
	}
	i, _ := slices.BinarySearchFunc(p.largest, o, func(a, b store.Object) int { return cmp.Compare(b.Size, a.Size) })
	p.largest = slices.Insert(p.largest, i, o)
	p.largest = p.largest[:min(len(p.largest), keepLargest)]
}

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
