package list

import (
	"context"
	"fmt"
	"strings"

	"github.com/datatransferhub/dth/worker/store"
)

// stream lists one side of one range, one page ahead of its reader.
type stream struct {
	p      *Pass
	r      *keyRange
	side   int
	s      *Side
	prefix string

	objects []store.Object
	next    int
	given   int64
	ended   bool
	future  chan fetched
	check   pageCheck
}

type fetched struct {
	page *store.Page
	err  error
}

func newStream(ctx context.Context, p *Pass, r *keyRange, side int) *stream {
	st := &stream{p: p, r: r, side: side, s: p.sides[side], future: make(chan fetched, 1)}
	prefix, some := st.s.prefix(r.unit.prefix)
	after, more := st.s.startAfter(r.after)
	if !some || !more || !r.has(side) {
		r.take(side, st.s, nil, false)
		st.ended = true
		return st
	}
	st.prefix = prefix
	st.check = pageCheck{prefix: prefix, last: after, begun: after != ""}
	st.fetch(ctx, store.ListRequest{Prefix: prefix, StartAfter: after})
	return st
}

// fetch asks for a page. Its answer waits in the future, so that nobody has to take it.
func (s *stream) fetch(ctx context.Context, r store.ListRequest) {
	s.p.fetches.Go(func() {
		page, err := s.p.list(ctx, s.s.Lister, r)
		s.future <- fetched{page, err}
	})
}

func (s *stream) Next(ctx context.Context) (*store.Object, error) {
	for s.next == len(s.objects) {
		if s.ended {
			return nil, nil
		}
		if err := s.turn(ctx); err != nil {
			return nil, err
		}
	}
	s.next++
	s.given++
	return &s.objects[s.next-1], nil
}

func (s *stream) upTo(position string) int64 {
	if s.next > 0 && s.s.position(s.objects[s.next-1].Key) > position {
		return s.given - 1
	}
	return s.given
}

// turn takes the page that was asked for, and asks for the one after it.
func (s *stream) turn(ctx context.Context) error {
	var f fetched
	select {
	case f = <-s.future:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if f.err != nil {
		return f.err
	}
	if err := s.check.page(f.page); err != nil {
		return err
	}
	s.objects, s.ended = s.r.take(s.side, s.s, f.page.Objects, f.page.Next != "")
	s.next = 0
	if !s.ended {
		s.fetch(ctx, store.ListRequest{Prefix: s.prefix, Token: f.page.Next})
	}
	s.p.alphabet.observe(s.objects)
	s.p.taken(s.r.unit, s.side, len(s.objects))
	return nil
}

// maxEmptyPages is how many pages without objects may follow each other. Stores give some where many
// objects were deleted or filtered out.
const maxEmptyPages = 1000

// pageCheck makes sure that the pages of a listing go on where the ones before ended.
type pageCheck struct {
	prefix string
	last   string // key
	begun  bool   // last is a key, or what the listing was to start after
	paged  bool   // a page with keys was seen
	token  string
	empty  int
}

// page checks one page: its keys ascend in byte order, carry the prefix, and its token is a new one.
func (c *pageCheck) page(page *store.Page) error {
	if page.Next != "" && page.Next == c.token {
		return c.stuck("the token of the page before came again")
	}
	c.token = page.Next
	objects := page.Objects
	if len(objects) == 0 {
		if c.empty++; page.Next != "" && c.empty > maxEmptyPages {
			return c.stuck("too many pages without objects")
		}
		return nil
	}
	c.empty = 0
	if first := objects[0].Key; c.begun && first <= c.last {
		if !c.paged {
			return &OrderError{After: c.last, Key: first} // it does not begin where it was asked to
		}
		return c.disorder(first)
	}
	last := objects[0].Key
	for i := range objects[1:] {
		key := objects[i+1].Key
		if key <= last {
			c.last = last
			return c.disorder(key)
		}
		last = key
	}
	// Between two keys with a prefix, in order, there are none without it.
	for _, key := range []string{objects[0].Key, last} {
		if !strings.HasPrefix(key, c.prefix) {
			return fmt.Errorf("listing of prefix %q gave key %q", c.prefix, key)
		}
	}
	c.last, c.begun, c.paged = last, true, true
	return nil
}

func (c *pageCheck) disorder(key string) error {
	if key == c.last {
		return c.stuck("it came twice")
	}
	return &OrderError{After: c.last, Key: key}
}

func (c *pageCheck) stuck(reason string) error {
	return &StuckError{Prefix: c.prefix, After: c.last, Reason: reason}
}
