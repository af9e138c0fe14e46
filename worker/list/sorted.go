package list

import (
	"bufio"
	"container/heap"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"

	"github.com/datatransferhub/dth/worker/store"
)

// chunk is how many entries are sorted in memory at a time.
const chunk = 100_000

// runSorted handles stores that list in another order than byte order (some compare UTF-16): each side is
// listed from its beginning by token, sorted on disk, and merged as one range.
func runSorted(ctx context.Context, c Config) (Counts, error) {
	dir, err := os.MkdirTemp(c.SpillDir, "dth-sort-")
	if err != nil {
		return Counts{}, fmt.Errorf("a place to sort a listing: %w", err)
	}
	defer os.RemoveAll(dir)
	counts := Counts{}
	sides := []Side{c.Source}
	if c.Destination != nil {
		sides = append(sides, *c.Destination)
	}
	streams := make([]Stream, 2)
	for i, side := range sides {
		s, err := sortSide(ctx, side, c, dir, &counts)
		if err != nil {
			return counts, err
		}
		defer s.close()
		streams[i] = s
		if i == 0 {
			counts.Source = s.total
		} else {
			counts.Destination = s.total
		}
		counts.Sorted++
	}
	counts.Ranges = 1
	return counts, c.Merger().Merge(ctx, streams[0], streams[1])
}

// sortSide lists one side and writes it as sorted runs.
func sortSide(ctx context.Context, side Side, c Config, dir string, counts *Counts) (*sorted, error) {
	out := &sorted{}
	entries := make([]Entry, 0, chunk)
	flush := func() error {
		sort.Slice(entries, func(i, j int) bool { return entries[i].Name < entries[j].Name })
		err := out.spill(dir, entries)
		entries = entries[:0]
		return err
	}
	for _, prefix := range c.Prefixes {
		r := store.ListRequest{Prefix: side.Base + prefix}
		for {
			page, err := side.Lister.List(ctx, r)
			if err != nil {
				return nil, err
			}
			counts.Calls++
			for _, o := range page.Objects {
				if len(o.Key) < len(side.Base) {
					return nil, fmt.Errorf("listing with prefix %q gave key %q", side.Base, o.Key)
				}
				entries = append(entries, Entry{o.Key[len(side.Base):], o})
			}
			out.total += int64(len(page.Objects))
			if len(entries) >= chunk {
				if err := flush(); err != nil {
					return nil, err
				}
			}
			if page.Next == "" {
				break
			}
			if page.Next == r.Token {
				return nil, fmt.Errorf("listing of prefix %q gave one token twice", r.Prefix)
			}
			r = store.ListRequest{Prefix: r.Prefix, Token: page.Next}
		}
	}
	if err := flush(); err != nil {
		return nil, err
	}
	return out, out.begin()
}

// sorted merges the runs of one side.
type sorted struct {
	runs  []*spilled
	files []*os.File
	total int64
	last  Entry
	gave  bool
}

type spilled struct {
	decoder *gob.Decoder
	head    Entry
}

func (s *sorted) spill(dir string, entries []Entry) error {
	f, err := os.CreateTemp(dir, "run-")
	if err != nil {
		return fmt.Errorf("sorting a listing on disk: %w", err)
	}
	s.files = append(s.files, f)
	w := bufio.NewWriterSize(f, 1<<20)
	enc := gob.NewEncoder(w)
	for i := range entries {
		if err := enc.Encode(&entries[i]); err != nil {
			return fmt.Errorf("sorting a listing on disk: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("sorting a listing on disk: %w", err)
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}

func (s *sorted) begin() error {
	for _, f := range s.files {
		r := &spilled{decoder: gob.NewDecoder(bufio.NewReaderSize(f, 64<<10))}
		more, err := r.advance()
		if err != nil {
			return err
		}
		if more {
			s.runs = append(s.runs, r)
		}
	}
	heap.Init((*runHeap)(s))
	return nil
}

func (r *spilled) advance() (bool, error) {
	r.head = Entry{}
	err := r.decoder.Decode(&r.head)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	return err == nil, err
}

func (s *sorted) Next(context.Context) (*Entry, error) {
	if len(s.runs) == 0 {
		return nil, nil
	}
	top := s.runs[0]
	if s.gave && top.head.Name == s.last.Name {
		return nil, fmt.Errorf("listing gave key %q twice", top.head.Key)
	}
	s.last, s.gave = top.head, true
	more, err := top.advance()
	if err != nil {
		return nil, fmt.Errorf("reading a sorted listing: %w", err)
	}
	if more {
		heap.Fix((*runHeap)(s), 0)
	} else {
		heap.Pop((*runHeap)(s))
	}
	return &s.last, nil
}

func (s *sorted) close() {
	for _, f := range s.files {
		_ = f.Close() // it is about to be removed
	}
}

// runHeap orders the runs by their heads.
type runHeap sorted

func (h *runHeap) Len() int           { return len(h.runs) }
func (h *runHeap) Less(i, j int) bool { return h.runs[i].head.Name < h.runs[j].head.Name }
func (h *runHeap) Swap(i, j int)      { h.runs[i], h.runs[j] = h.runs[j], h.runs[i] }
func (h *runHeap) Push(x any)         { h.runs = append(h.runs, x.(*spilled)) }
func (h *runHeap) Pop() any {
	n := len(h.runs) - 1
	r := h.runs[n]
	h.runs = h.runs[:n]
	return r
}
