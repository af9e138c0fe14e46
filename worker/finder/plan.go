package finder

import (
	"cmp"
	"context"
	"math/bits"
	"slices"
	"sync"

	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/store"
	"github.com/datatransferhub/dth/worker/transfer"
)

// Plan is a sink that queues nothing and counts what a run would do. The zero value is ready for use.
type Plan struct {
	// GiantThreshold is the job's, in bytes; 0 is the default.
	GiantThreshold int64

	mu        sync.Mutex
	histogram [65]Bin
	largest   []store.Object
	requests  Requests
}

// Bin counts the objects to copy of at least From bytes and less than twice as many.
type Bin struct {
	From    int64 `json:"from"`
	Objects int64 `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

// Requests is an estimate of the calls that a run makes when every body is streamed and nothing fails.
// Server-side copies take the place of a read and a write each.
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
		p.requests.add(v.Source.Size, p.giant())
	}
	return nil
}

func (p *Plan) giant() int64 { return cmp.Or(p.GiantThreshold, job.DefaultGiantThreshold) }

// add counts what one object of a size takes.
func (r *Requests) add(size, giant int64) {
	r.Messages++
	r.TableWrites++ // the object's row
	if size < min(transfer.MultipartFrom, giant) {
		r.Reads++
		r.Writes++
		return
	}
	part := transfer.PartSizeFor(size, 0)
	parts := (size + part - 1) / part
	r.Reads += parts + 1       // attributes first
	r.Writes += parts + 2      // create and complete
	r.TableWrites += parts + 3 // intent, upload, and its removal
	if size >= giant {
		r.Messages += parts + 1 // and one that completes it
	}
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
	return &planBranch{Plan: Plan{GiantThreshold: p.GiantThreshold}, of: p}
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
	r, more := &p.requests, b.requests
	r.Reads += more.Reads
	r.Writes += more.Writes
	r.Messages += more.Messages
	r.TableWrites += more.TableWrites
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

// Requests returns the estimate of a run that begins with a pass of these totals.
func (p *Plan) Requests(totals run.FinderTotals) Requests {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.requests
	r.Lists = totals.ListCalls
	return r
}
