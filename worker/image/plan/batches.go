package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/datatransferhub/dth/worker/image"
)

// cut is a batch, with its place among those of its repository.
type cut struct {
	image.Batch
	part  int
	bytes int64
}

// work is how much a batch holds.
func (c *cut) length() int { return len(c.Images) + len(c.Delete) }

// batches cuts the work of a repository.
func (p *planner) batches(b image.Batch, images []*image.Image) {
	var all []cut
	for _, i := range images {
		if i == nil {
			continue
		}
		n := len(all) - 1
		if n < 0 || all[n].length() == p.BatchImages || all[n].bytes+i.Bytes > p.BatchBytes {
			all = append(all, cut{Batch: b, part: len(all)})
			n++
		}
		all[n].Images, all[n].bytes = append(all[n].Images, *i), all[n].bytes+i.Bytes
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cuts = append(p.cuts, all...)
}

// order puts the first parts of all repositories before their second ones: those who copy several batches at once seldom have two of
// one repository then, whose shared layers both would send.
func (p *planner) order() {
	slices.SortFunc(p.cuts, func(a, b cut) int { return cmp.Or(cmp.Compare(a.part, b.part), strings.Compare(a.Name, b.Name)) })
	for _, c := range p.cuts {
		p.result.Batches = append(p.result.Batches, c.Batch)
	}
}
