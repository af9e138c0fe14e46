package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/datatransferhub/dth/worker/pass"
	"github.com/datatransferhub/dth/worker/run"
)

// waking is a queue that wakes the fleet with the first messages that it takes.
type waking struct {
	pass.Queue
	wake func(ctx context.Context) (bool, error)
	log  *slog.Logger

	once sync.Once
	done sync.WaitGroup
}

// wakeTime bounds a call; a fleet that is not woken is started by the backlog's alarm a few minutes later.
const wakeTime = 30 * time.Second

// Send implements queue.Sender.
func (w *waking) Send(ctx context.Context, bodies []string) error {
	if err := w.Queue.Send(ctx, bodies); err != nil {
		return err
	}
	w.once.Do(func() {
		w.done.Go(func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), wakeTime)
			defer cancel()
			switch woken, err := w.wake(ctx); {
			case err != nil:
				w.log.Warn("the fleet is not woken; the backlog's alarm will do it", "error", err)
			case woken:
				w.log.Info("the fleet has its first worker")
			}
		})
	})
	return nil
}

// unlessPaused lets a fleet sleep while the task is paused: a pass that was under way may end, but what it queues waits.
func unlessPaused(runs run.Store, wake func(ctx context.Context) (bool, error)) func(ctx context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		if p, err := runs.Pause(ctx); err != nil || p.Paused {
			return false, err
		}
		return wake(ctx)
	}
}
