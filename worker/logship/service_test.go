package logship_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"go.uber.org/goleak"

	"github.com/datatransferhub/dth/worker/logship"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service is a log service that holds every call against the limits of PutLogEvents.
type service struct {
	t *testing.T

	mu      sync.Mutex
	calls   int
	streams map[string][]logship.Event
	// answer, if there is one, says what becomes of a call (counted from 1): whether its events are taken, and the answer.
	answer func(ctx context.Context, call int, events []logship.Event) (taken bool, r logship.Rejected, err error)
}

func newService(t *testing.T) *service { return &service{t: t, streams: map[string][]logship.Event{}} }

func (s *service) Put(ctx context.Context, stream string, events []logship.Event) (logship.Rejected, error) {
	s.mu.Lock()
	s.calls++
	call, answer := s.calls, s.answer
	s.mu.Unlock()
	if err := check(events); err != nil {
		s.t.Errorf("a call that the service refuses: %v", err)
	}
	taken, rejected, err := true, logship.Rejected{}, error(nil)
	if answer != nil {
		taken, rejected, err = answer(ctx, call, events)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if taken {
		s.streams[stream] = append(s.streams[stream], events...)
	}
	return rejected, err
}

// set changes what becomes of calls.
func (s *service) set(answer func(context.Context, int, []logship.Event) (bool, logship.Rejected, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *service) called() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// texts are the lines of a stream, in the order in which they came, without what the shipper says of itself.
func (s *service) texts(stream string) (lines []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.streams[stream] {
		if !strings.Contains(e.Text, `"stream":`) {
			lines = append(lines, e.Text)
		}
	}
	return lines
}

// said are the lines that the shipper wrote of itself, by message.
func (s *service) said(stream, msg string) (found []map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.streams[stream] {
		var line map[string]any
		if json.Unmarshal([]byte(e.Text), &line) == nil && line["msg"] == msg {
			found = append(found, line)
		}
	}
	return found
}

func check(events []logship.Event) error {
	if len(events) == 0 || len(events) > 10_000 {
		return fmt.Errorf("%d events", len(events))
	}
	size := 0
	for _, e := range events {
		size += len(e.Text) + 26
		if e.Text == "" || !utf8.ValidString(e.Text) || strings.Contains(e.Text, "\n") || e.Millis <= 0 {
			return fmt.Errorf("event %d %.80q", e.Millis, e.Text)
		}
	}
	if size > 1_048_576 {
		return fmt.Errorf("%d bytes", size)
	}
	if !slices.IsSortedFunc(events, func(a, b logship.Event) int { return int(a.Millis - b.Millis) }) {
		return errors.New("not in the order of time")
	}
	if span := events[len(events)-1].Millis - events[0].Millis; span > 24*60*60*1000 {
		return fmt.Errorf("events lie %d ms apart", span)
	}
	return nil
}

// open opens a log with the usual settings of these tests.
func open(t *testing.T, s *service, change func(*logship.Config)) *logship.Shipper {
	t.Helper()
	cfg := logship.Config{Sink: s, Stream: "this", Dir: t.TempDir()}
	if change != nil {
		change(&cfg)
	}
	log, err := logship.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// closing closes a log that has all the time it needs.
func closing(t *testing.T, log *logship.Shipper) {
	t.Helper()
	if err := log.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func write(t *testing.T, log *logship.Shipper, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if n, err := log.Write([]byte(line + "\n")); err != nil || n != len(line)+1 {
			t.Fatalf("writing %.80q: %d, %v", line, n, err)
		}
	}
}

func numbered(from, to int) (lines []string) {
	for i := from; i < to; i++ {
		lines = append(lines, fmt.Sprintf("line %05d", i))
	}
	return lines
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%d lines arrived, want %d; the first: %.200q", len(got), len(want), got[:min(3, len(got))])
	}
}

var errDown = errors.New("the service is down")

// down fails the first calls, all if n is negative.
func down(n int) func(context.Context, int, []logship.Event) (bool, logship.Rejected, error) {
	return func(_ context.Context, call int, _ []logship.Event) (bool, logship.Rejected, error) {
		if n < 0 || call <= n {
			return false, logship.Rejected{}, errDown
		}
		return true, logship.Rejected{}, nil
	}
}

// buffer is a writer for many.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
