package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/datatransferhub/dth/lambda/local"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/units"
)

// board shows how the tasks are doing: on a terminal one line of those that are at work, elsewhere JSON lines; and what
// every run came to.
type board struct {
	screen   *screen
	announce func() // after the first run; nil: nothing is announced

	refused, blocker string // the sample's object that fails on purpose, and what is in its way

	mu     sync.Mutex
	order  []string
	tasks  map[string]local.Status
	next   map[string]time.Time         // when JSON is due
	failed map[string]map[string]string // by task: key, why
	ended  map[string]bool              // whether the latest run left nothing unexplained
	last   map[string]string            // what was said of the latest run
}

func newBoard(s *screen) *board {
	return &board{
		screen: s, tasks: map[string]local.Status{}, next: map[string]time.Time{}, failed: map[string]map[string]string{},
		ended: map[string]bool{}, last: map[string]string{},
	}
}

// change takes a new status of a task.
func (b *board) change(s local.Status) {
	b.mu.Lock()
	before, known := b.tasks[s.Task]
	if !known {
		b.order = append(b.order, s.Task)
	}
	b.tasks[s.Task] = s
	b.mu.Unlock()
	if s.State == local.Failed && s.Error != before.Error {
		b.screen.line("%s %s: %s; it is tried again", clock(), s.Task, strings.TrimPrefix(s.Error, fmt.Sprintf("task %q: ", s.Task)))
	}
	if b.screen.terminal {
		b.screen.status(b.line())
		return
	}
	now := time.Now()
	if s.State == local.Listing || s.State == local.Proving || now.Before(b.next[s.Task]) && s.State == before.State {
		return
	}
	if quiet := s.State == local.Done || s.State == local.Waiting || s.State == local.Paused; quiet {
		return // the run's own lines say it
	}
	b.next[s.Task] = now.Add(jsonEvery)
	b.screen.json(s)
}

// line is what a terminal shows of tasks at work.
func (b *board) line() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var parts []string
	for _, name := range b.order {
		switch s := b.tasks[name]; s.State {
		case local.Copying:
			parts = append(parts, fmt.Sprintf("%s: %d/%d objects, %s", name, s.Settled, s.Queued, units.FormatSize(s.Bytes)))
		case local.Listing, local.Proving:
			parts = append(parts, fmt.Sprintf("%s: %s", name, s.State))
		}
	}
	return strings.Join(parts, " | ")
}

// outcome remembers what failed.
func (b *board) outcome(task string, r ledger.Record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	of := b.failed[task]
	if of == nil {
		of = map[string]string{}
		b.failed[task] = of
	}
	if r.Status != ledger.Failed {
		delete(of, r.Key)
	} else if len(of) < maxNamed {
		of[r.Key] = fmt.Sprintf("failed: %q (%s): %s", r.Key, r.ErrorClass, r.Error)
	}
}

// maxNamed bounds how many failures a run names on the screen; the ledger has all.
const maxNamed = 10

// closed says what a run came to. A run that did nothing new is passed over.
func (b *board) closed(task string, r run.Run, counters []run.Counters) {
	s := summarizeRun(r, counters)
	b.mu.Lock()
	b.ended[task] = s.Failed == 0 && s.left() == 0
	said := fmt.Sprintf("%s, %d failed", s.agreement(), s.Failed)
	again := b.last[task] == said && s.Copied+s.Deleted+s.Gone == 0
	b.last[task] = said
	failed := b.failed[task]
	b.failed[task] = nil
	announce := b.announce
	b.announce = nil
	b.mu.Unlock()
	if again {
		return
	}
	b.screen.line("%s %s: run %s", clock(), task, r.ID)
	s.print(b.screen)
	for key, why := range failed {
		b.screen.line("%s", why)
		if key == b.refused {
			b.screen.line("        this one fails on purpose: %q lies at the destination, where a folder would have to be", b.blocker)
		}
	}
	if announce != nil {
		announce()
	}
}

// incomplete reports whether the latest run of a task left something that is on no record.
func (b *board) incomplete() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, whole := range b.ended {
		if !whole {
			return true
		}
	}
	return false
}

func clock() string { return time.Now().UTC().Format("15:04:05Z") }

// status shows a line that the next one replaces.
func (s *screen) status(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	if text != "" {
		fmt.Fprint(s.out, text)
		s.shown = true
	}
}

// json writes a line for programs.
func (s *screen) json(v any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = json.NewEncoder(s.out).Encode(v) // progress that cannot be shown is no reason to stop
}
