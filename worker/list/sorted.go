package list

import (
	"container/heap"
	"context"
	"errors"
	"sort"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/datatransferhub/dth/worker/store"
)

// Bounds of sorting: bytes of objects in memory at a time, pieces that are merged at once, and prefixes that are
// sorted at once. Together they keep it within some 40 MiB.
const (
	chunkBytes  = 8 << 20
	fanIn       = 64
	sortsAtOnce = 1
)

// mergeSorted handles a prefix whose pages came in another order than byte order (some stores compare UTF-16,
// directory buckets promise none): each side is listed by token from its beginning, sorted on disk, and
// both are merged as one range.
func (p *Pass) mergeSorted(u *unit) error {
	select {
	case p.sorting <- struct{}{}:
	case <-u.ctx.Done():
		return context.Cause(u.ctx)
	}
	defer func() { <-p.sorting }()
	p.ranges.Add(1)
	var both [2]*sorter
	defer func() {
		for _, s := range both {
			if s != nil {
				s.close()
			}
		}
	}()
	g, ctx := errgroup.WithContext(u.ctx)
	for side := range p.sides {
		both[side] = &sorter{dir: p.SpillDir}
		g.Go(func() error { return p.sortSide(ctx, u, side, both[side]) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	piece := &Range{Source: both[0], pass: p, unit: u}
	if both[1] != nil {
		piece.Destination = both[1]
	}
	if err := u.comparer.Merge(u.ctx, piece); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	piece.end()
	return nil
}

// sortSide lists one side of a prefix into a sorter.
func (p *Pass) sortSide(ctx context.Context, u *unit, side int, to *sorter) error {
	s := p.sides[side]
	prefix, some := s.prefix(u.prefix)
	if !some {
		return nil
	}
	settled, more := s.startAfter(u.settled)
	check := pageCheck{prefix: prefix}
	request := store.ListRequest{Prefix: prefix}
	for {
		page, err := p.list(ctx, s.Lister, request)
		if err != nil {
			return err
		}
		if err := check.unordered(page); err != nil {
			return err
		}
		for i := range page.Objects {
			if !more || page.Objects[i].Key <= settled {
				continue // settled before the pass was resumed
			}
			if err := to.add(&page.Objects[i]); err != nil {
				return err
			}
		}
		p.taken(u, side, len(page.Objects))
		if page.Next == "" {
			return to.begin()
		}
		request = store.ListRequest{Prefix: prefix, Token: page.Next}
	}
}

// unordered checks what must be true of a page in any order.
func (c *pageCheck) unordered(page *store.Page) error {
	if page.Next != "" && page.Next == c.token {
		return c.stuck("the token of the page before came again")
	}
	c.token = page.Next
	c.empty++
	for i := range page.Objects {
		if !strings.HasPrefix(page.Objects[i].Key, c.prefix) {
			return c.stuck("key " + page.Objects[i].Key + " does not carry the prefix")
		}
		c.last, c.empty = page.Objects[i].Key, 0
	}
	if page.Next != "" && c.empty > maxEmptyPages {
		return c.stuck("too many pages without objects")
	}
	return nil
}

// sorter is an external merge sort of objects by key, and then the stream of them.
type sorter struct {
	dir     string
	chunk   []store.Object
	bytes   int
	levels  [][]*run // written; a level's runs hold about fanIn times what those of the level before do
	runs    []*run   // once begun, a heap by their heads
	gave    bool
	current store.Object
}

func (s *sorter) add(o *store.Object) error {
	s.chunk = append(s.chunk, *o)
	const fixed = 128 // of an object without its strings, rounded up
	s.bytes += fixed + len(o.Key) + len(o.ETag)
	if s.bytes < chunkBytes {
		return nil
	}
	return s.spill()
}

// spill writes the chunk as a run.
func (s *sorter) spill() error {
	sort.Slice(s.chunk, func(i, j int) bool { return s.chunk[i].Key < s.chunk[j].Key })
	i := -1
	r, err := writeRun(s.dir, func() (*store.Object, error) {
		if i++; i == len(s.chunk) {
			return nil, nil
		}
		return &s.chunk[i], nil
	})
	if err != nil {
		return err
	}
	clear(s.chunk)
	s.chunk, s.bytes = s.chunk[:0], 0
	return s.put(r, 0)
}

// put adds a run to a level. Runs that become many are merged to one of the next level, so that the number of
// open files stays small and each object is written a few times at most.
func (s *sorter) put(r *run, level int) error {
	if level == len(s.levels) {
		s.levels = append(s.levels, nil)
	}
	s.levels[level] = append(s.levels[level], r)
	if len(s.levels[level]) < fanIn {
		return nil
	}
	part := &sorter{runs: s.levels[level]}
	s.levels[level] = nil
	defer part.close()
	if err := part.start(); err != nil {
		return err
	}
	whole, err := writeRun(s.dir, func() (*store.Object, error) { return part.Next(context.Background()) })
	if err != nil {
		return err
	}
	return s.put(whole, level+1)
}

// begin ends adding.
func (s *sorter) begin() error {
	if err := s.spill(); err != nil {
		return err
	}
	s.chunk = nil
	for _, level := range s.levels {
		s.runs = append(s.runs, level...)
	}
	s.levels = nil
	return s.start()
}

// start reads the first object of every run and makes a heap of them.
func (s *sorter) start() error {
	kept := s.runs[:0]
	var all error
	for _, r := range s.runs {
		more, err := r.advance()
		if more {
			kept = append(kept, r)
			continue
		}
		all = errors.Join(all, err, r.file.Close())
	}
	s.runs = kept
	heap.Init((*runHeap)(s))
	return all
}

func (s *sorter) Next(context.Context) (*store.Object, error) {
	if len(s.runs) == 0 {
		return nil, nil
	}
	top := s.runs[0]
	if s.gave && top.head.Key == s.current.Key {
		return nil, &StuckError{After: top.head.Key, Reason: "it came twice"}
	}
	s.current, s.gave = top.head, true
	more, err := top.advance()
	if err != nil {
		return nil, err
	}
	if more {
		heap.Fix((*runHeap)(s), 0)
		return &s.current, nil
	}
	heap.Pop((*runHeap)(s))
	return &s.current, top.file.Close()
}

// close gives the files back; their names are gone already.
func (s *sorter) close() {
	for _, level := range append(s.levels, s.runs) {
		for _, r := range level {
			_ = r.file.Close() // nobody reads them any more
		}
	}
	s.levels, s.runs = nil, nil
}

// runHeap orders runs by their heads.
type runHeap sorter

func (h *runHeap) Len() int           { return len(h.runs) }
func (h *runHeap) Less(i, j int) bool { return h.runs[i].head.Key < h.runs[j].head.Key }
func (h *runHeap) Swap(i, j int)      { h.runs[i], h.runs[j] = h.runs[j], h.runs[i] }
func (h *runHeap) Push(x any)         { h.runs = append(h.runs, x.(*run)) }
func (h *runHeap) Pop() any {
	n := len(h.runs) - 1
	r := h.runs[n]
	h.runs[n] = nil
	h.runs = h.runs[:n]
	return r
}
