package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/mattn/go-isatty"

	"github.com/datatransferhub/dth/worker/solo"
	"github.com/datatransferhub/dth/worker/units"
)

// screen shows progress: one line that is written over on a terminal, a JSON line every few seconds elsewhere.
type screen struct {
	out      *os.File
	terminal bool

	mu     sync.Mutex
	shown  bool // a progress line stands on the terminal
	next   time.Time
	phase  solo.Phase
	speeds []sample
}

type sample struct {
	at      time.Time
	objects int64
	bytes   int64
}

// jsonEvery is how often progress is written where nobody looks at it live; window is what rates are taken over.
const (
	jsonEvery = 2 * time.Second
	window    = 5 * time.Second
)

func newScreen(out *os.File) *screen {
	return &screen{out: out, terminal: isatty.IsTerminal(out.Fd())}
}

// line prints a message above the progress.
func (s *screen) line(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	fmt.Fprintf(s.out, format+"\n", args...)
}

func (s *screen) clear() {
	if s.shown {
		fmt.Fprint(s.out, "\r\033[K")
		s.shown = false
	}
}

// end leaves the last progress line behind.
func (s *screen) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
}

func (s *screen) progress(p solo.Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	objects, bytes := s.speed(p)
	if s.terminal {
		fmt.Fprint(s.out, "\r\033[K"+s.text(p, objects, bytes))
		s.shown = true
		return
	}
	if now := time.Now(); now.After(s.next) || p.Phase != s.phase {
		s.next, s.phase = now.Add(jsonEvery), p.Phase
		_ = json.NewEncoder(s.out).Encode(map[string]any{ // progress that cannot be shown is no reason to stop
			"phase": p.Phase, "listed": p.Listed, "queued": p.Queued, "settled": p.Settled, "failed": p.Failed, "bytes": p.Bytes,
			"objectsPerSecond": int64(objects), "bytesPerSecond": int64(bytes), "seconds": int64(p.Elapsed.Seconds()),
		})
	}
}

// speed returns the rates of the last seconds.
func (s *screen) speed(p solo.Progress) (objects, bytes float64) {
	now := time.Now()
	s.speeds = append(s.speeds, sample{now, p.Settled, p.Bytes})
	for len(s.speeds) > 2 && now.Sub(s.speeds[0].at) > window {
		s.speeds = s.speeds[1:]
	}
	first := s.speeds[0]
	if d := now.Sub(first.at).Seconds(); d > 0 {
		return float64(p.Settled-first.objects) / d, float64(p.Bytes-first.bytes) / d
	}
	return 0, 0
}

func (s *screen) text(p solo.Progress, objects, bytes float64) string {
	parts := []string{string(p.Phase)}
	if p.Phase == solo.Listing {
		parts = append(parts, fmt.Sprintf("%d listed", p.Listed))
	}
	total := fmt.Sprint(p.Queued)
	if !p.QueuedComplete {
		total += "+"
	}
	parts = append(parts, fmt.Sprintf("%d/%s objects", p.Settled, total), units.FormatSize(p.Bytes), fmt.Sprintf("%.0f/s, %s/s", objects, units.FormatSize(int64(bytes))))
	if p.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", p.Failed))
	}
	if left := p.Queued - p.Settled; p.QueuedComplete && left > 0 && objects > 0 {
		parts = append(parts, "ETA "+(time.Duration(float64(left)/objects)*time.Second).String())
	}
	return strings.Join(parts, " | ")
}
