package list

import (
	"context"
	"fmt"

	"github.com/datatransferhub/dth/worker/store"
)

// stream lists one side of one range, one page ahead of its reader.
type stream struct {
	p     *pass
	r     *keyRange
	side  int
	bound Side

	entries []Entry
	next    int
	last    string // name of the last entry, to check the order
	started bool
	ended   bool
	token   string
	future  chan fetched
}

type fetched struct {
	page *store.Page
	err  error
}

func newStream(ctx context.Context, p *pass, r *keyRange, side int, s Side) *stream {
	st := &stream{p: p, r: r, side: side, bound: s, last: r.after, future: make(chan fetched, 1)}
	request := store.ListRequest{Prefix: s.Base + r.prefix}
	if r.after != "" {
		request.StartAfter = s.Base + r.after
	}
	st.fetch(ctx, request)
	return st
}

// fetch asks for a page. Its answer waits in the future, so that nobody has to take it.
func (s *stream) fetch(ctx context.Context, r store.ListRequest) {
	s.p.fetches.Go(func() {
		page, err := s.p.list(ctx, s.bound.Lister, r)
		s.future <- fetched{page, err}
	})
}

func (s *stream) Next(ctx context.Context) (*Entry, error) {
	for s.next == len(s.entries) {
		if s.ended {
			return nil, nil
		}
		if err := s.turn(ctx); err != nil {
			return nil, err
		}
	}
	s.next++
	return &s.entries[s.next-1], nil
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
	if f.page.Next != "" && f.page.Next == s.token {
		return fmt.Errorf("listing after key %q gave the token of the page before again", s.bound.Base+s.last)
	}
	s.token = f.page.Next
	entries, err := s.check(f.page)
	if err != nil {
		return err
	}
	s.p.observe(entries)
	s.entries, s.ended = s.r.take(s.side, entries, f.page.Next != "")
	s.next = 0
	s.p.count(s.side, len(s.entries))
	if !s.ended {
		s.fetch(ctx, store.ListRequest{Prefix: s.bound.Base + s.r.prefix, Token: f.page.Next})
	}
	return nil
}

// check turns a page into entries, and makes sure that it goes on where the one before ended.
func (s *stream) check(page *store.Page) ([]Entry, error) {
	entries := s.entries[:0]
	if cap(entries) < len(page.Objects) {
		entries = make([]Entry, 0, len(page.Objects))
	}
	for i := range page.Objects {
		o := &page.Objects[i]
		if len(o.Key) < len(s.bound.Base) || o.Key[:len(s.bound.Base)] != s.bound.Base {
			return nil, fmt.Errorf("listing with prefix %q gave key %q", s.bound.Base, o.Key)
		}
		name := o.Key[len(s.bound.Base):]
		if name <= s.last && (s.started || s.r.after != "") {
			if name == s.last {
				return nil, fmt.Errorf("listing gave key %q twice", o.Key)
			}
			return nil, &OrderError{After: s.last, Key: name}
		}
		s.last, s.started = name, true
		entries = append(entries, Entry{Name: name, Object: *o})
	}
	return entries, nil
}
