package main

import (
	"context"
	"errors"
	"testing"

	"github.com/datatransferhub/dth/worker/run"
)

// pauses is a run store that knows of pauses alone.
type pauses struct {
	run.Store
	now run.Pause
	err error
}

func (p pauses) Pause(context.Context) (run.Pause, error) { return p.now, p.err }

func TestPausedFleetSleepsOn(t *testing.T) {
	broken := errors.New("no table")
	for _, tt := range []struct {
		runs  pauses
		calls int
		err   error
	}{{pauses{}, 1, nil}, {pauses{now: run.Pause{Paused: true}}, 0, nil}, {pauses{err: broken}, 0, broken}} {
		calls := 0
		wake := unlessPaused(tt.runs, func(context.Context) (bool, error) { calls++; return true, nil })
		if woken, err := wake(t.Context()); woken != (tt.calls > 0) || !errors.Is(err, tt.err) || calls != tt.calls {
			t.Errorf("%+v: woken %v with %d calls, %v", tt.runs.now, woken, calls, err)
		}
	}
}
