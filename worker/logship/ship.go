package logship

import (
	"context"
	"errors"
	"time"
)

// sayAfter is the failure in a row that is told: what passes by itself is nobody's concern.
const sayAfter = 3

// tellEvery is the least time between two words about losses. They are lines of the log, and may be lost as well.
const tellEvery = time.Minute

// run ships what was found, and then what is written, until the log is closed.
func (s *Shipper) run(ctx context.Context, found uint64) {
	defer close(s.done)
	tick := time.NewTicker(s.cfg.Every)
	defer tick.Stop()
	for newest := found; ; newest = s.spool.newest() {
		s.drain(ctx, newest)
		s.tell()
		select {
		case <-tick.C:
		case <-s.whole:
		case <-s.closing:
			s.drain(ctx, s.spool.newest())
			s.told = time.Time{} // the last word is always said
			s.tell()
			s.drain(ctx, s.spool.newest())
			return
		}
	}
}

// drain ships the segments up to a number, unless ctx ends. So it comes to an end while others write.
func (s *Shipper) drain(ctx context.Context, newest uint64) {
	for ctx.Err() == nil {
		stream, events, found := s.spool.take(newest)
		if !found {
			return
		}
		for _, batch := range batches(events) {
			if !s.put(ctx, stream, batch) {
				return // the segment stays
			}
		}
		s.spool.shipped()
	}
}

// put ships a batch, however long it takes, and reports whether it is off the hands: taken, or refused for good.
func (s *Shipper) put(ctx context.Context, stream string, batch []Event) bool {
	waking := s.closing
	for failures := 1; ; failures++ {
		rejected, err := s.call(ctx, stream, batch)
		var final interface{ Permanent() bool }
		switch {
		case err == nil:
			s.spool.count(func(l *losses) { l.rejected.Old += rejected.Old; l.rejected.New += rejected.New })
			if failures > sayAfter {
				s.own.Info("the log is shipped again", "attempts", failures)
			}
			return true
		case ctx.Err() != nil:
			return false
		case errors.As(err, &final) && final.Permanent():
			s.spool.count(func(l *losses) { l.refused += len(batch); l.err = err })
			return true
		case failures == sayAfter:
			s.own.Warn("the log cannot be shipped; it waits in its spool", "error", err)
		}
		s.tell()
		if woken := s.wait(ctx, s.cfg.Retry.Delay(failures), waking); woken {
			waking, failures = nil, 0 // who ends tries at once, and then more often
		}
	}
}

func (s *Shipper) call(ctx context.Context, stream string, batch []Event) (Rejected, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Call)
	defer cancel()
	return s.cfg.Sink.Put(ctx, stream, batch)
}

// wait waits for d, and reports whether it was woken.
func (s *Shipper) wait(ctx context.Context, d time.Duration, waking <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-waking:
		return true
	}
	return false
}

// tell says in the log what of it was lost, and what keeps it from being shipped.
func (s *Shipper) tell() {
	if !s.told.IsZero() && time.Since(s.told) < tellEvery {
		return
	}
	l := s.spool.takeLosses()
	if l.lines() == 0 && l.err == nil {
		return
	}
	s.told = time.Now()
	said := []any{
		"lines", l.lines(), "spoolFull", l.full, "diskFailed", l.unwritten, "unreadable", l.unreadable, "refused", l.refused,
		"tooOld", l.rejected.Old, "tooNew", l.rejected.New,
	}
	if l.err != nil {
		said = append(said, "error", l.err)
	}
	s.own.Warn("lines of the log are lost", said...)
}
