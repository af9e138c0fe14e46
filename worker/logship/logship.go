// Package logship ships a program's log to a service, without an agent: lines go to a spool on disk, and from there in
// batches to the service. Lines of embedded metrics are lines of the log like any other.
//
// The program never waits for the service. What it wrote survives its end, however it ends: the next start in the same folder
// ships it, to the stream of the process that wrote it. Lines are shipped at least once: when an answer is lost, or a process
// killed between an answer and its note of it, a batch arrives twice.
package logship

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/datatransferhub/dth/worker/retry"
)

// Sink is the service that takes logs.
type Sink interface {
	// Put takes a batch of a stream, which it makes when it is missing: in the order of time, within the limits of this
	// package. It returns soon after ctx has ended. Put may be called again with a batch that it failed with, unless the
	// error says by a method Permanent that this is of no use: then the batch is lost.
	Put(ctx context.Context, stream string, events []Event) (Rejected, error)
}

// Rejected are the events of a batch that a service did not take and never will.
type Rejected struct {
	Old int // too old, or older than the log group keeps
	New int // too far in the future
}

// Config says what is shipped where.
type Config struct {
	Sink   Sink
	Stream string // of this process; 1 to 512 characters, no colon, no asterisk
	Dir    string // the spool's folder; made when it is missing, used by one process at a time
	// Limit bounds the spool, in bytes: 0 is 64 MiB, the least is 4 MiB. When it is full, the oldest lines are dropped.
	Limit int64
	Echo  io.Writer     // gets every line at once, as it is; nil: nothing does
	Every time.Duration // between two batches; 0 is 5 s. A batch that is full does not wait
	Retry retry.Policy  // waits after failures, without an end of attempts; the zero value is 500 ms to 30 s
	Call  time.Duration // how long a call may take; 0 is 30 s
}

const (
	usualLimit = 64 << 20
	leastLimit = 4 << 20 // a segment that grows, one that is shipped, and a line too long for both
)

// Shipper is a log that is shipped. It is a writer for many goroutines that write whole lines each.
type Shipper struct {
	cfg   Config
	spool *spool
	own   *slog.Logger // what the shipper says of itself, in the same log
	told  time.Time    // when losses were told; of the goroutine that ships

	mu   sync.Mutex
	rest []byte // a line whose end has not been written yet

	whole   chan struct{} // a segment is whole
	closing chan struct{}
	done    chan struct{}
	stop    context.CancelFunc // of calls
	close   sync.Once
}

// Open opens the log and begins to ship what is left in its folder. The caller closes it. Errors name the folder, which
// cannot be used or is another process's, or the value of the configuration that is not allowed.
func Open(cfg Config) (*Shipper, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	spool, err := openSpool(cfg.Dir, cfg.Stream, cfg.Limit)
	if err != nil {
		return nil, err
	}
	s := &Shipper{cfg: cfg, spool: spool, whole: make(chan struct{}, 1), closing: make(chan struct{}), done: make(chan struct{})}
	s.own = slog.New(slog.NewJSONHandler(voice{s}, nil)).With("stream", cfg.Stream)
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	go s.run(ctx, spool.newest())
	return s, nil
}

func (c *Config) complete() error {
	if err := checkStream(c.Stream); err != nil {
		return err
	}
	if c.Limit == 0 {
		c.Limit = usualLimit
	}
	if c.Limit < leastLimit {
		return fmt.Errorf("spool of the log: a limit of %d bytes: the least is %d", c.Limit, leastLimit)
	}
	if c.Echo == nil {
		c.Echo = io.Discard
	}
	if c.Every <= 0 {
		c.Every = 5 * time.Second
	}
	if c.Retry.Base <= 0 {
		c.Retry = retry.Policy{Base: 500 * time.Millisecond, Cap: 30 * time.Second}
	}
	if c.Call <= 0 {
		c.Call = 30 * time.Second
	}
	return nil
}

// Write takes lines; one that has no end yet waits for it. The error is that of the spool, whose disk may be full: such a
// line is not shipped. Nothing is shipped of what is written after Close.
func (s *Shipper) Write(p []byte) (int, error) {
	_, _ = s.cfg.Echo.Write(p) // whether anybody reads along is no reason to lose a line
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rest = append(s.rest, p...)
	var failed error
	for {
		i := bytes.IndexByte(s.rest, '\n')
		if i < 0 {
			break
		}
		failed = errors.Join(failed, s.line(string(s.rest[:i])))
		s.rest = s.rest[i+1:]
	}
	if len(s.rest) > MaxText { // whoever writes such a line may never end it
		failed = errors.Join(failed, s.line(string(s.rest)))
		s.rest = nil
	}
	if failed != nil {
		return 0, failed
	}
	return len(p), nil
}

func (s *Shipper) line(line string) error {
	line = strings.TrimSuffix(line, "\r")
	if line == "" {
		return nil
	}
	whole, err := s.spool.append(newEvent(line, time.Now()))
	if whole {
		select {
		case s.whole <- struct{}{}:
		default: // it has been told
		}
	}
	return err
}

// voice is how the shipper speaks in its own log. That a word of it is lost is not worth another.
type voice struct{ *Shipper }

func (v voice) Write(p []byte) (int, error) {
	_, _ = v.cfg.Echo.Write(p) // as in Shipper.Write
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.line(string(bytes.TrimSuffix(p, []byte{'\n'}))); err != nil {
		v.spool.count(func(l *losses) { l.unwritten-- })
	}
	return len(p), nil
}

// Close ships what is left, and returns when that is done or ctx has ended; then the error says how many lines wait for the
// next start. It is for the end of the program: call it once nobody writes any more.
func (s *Shipper) Close(ctx context.Context) error {
	var err error
	s.close.Do(func() {
		s.mu.Lock()
		if len(s.rest) > 0 {
			_ = s.line(string(s.rest)) // a loss is said below
			s.rest = nil
		}
		s.mu.Unlock()
		close(s.closing)
		release := context.AfterFunc(ctx, s.stop)
		<-s.done
		release()
		s.stop()
		if left := s.spool.close(); left > 0 {
			err = fmt.Errorf("%d lines of the log are not shipped; they wait in %s for the next start there", left, s.cfg.Dir)
		}
	})
	return err
}
