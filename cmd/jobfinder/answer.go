package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/datatransferhub/dth/cmd/internal/command"
	"github.com/datatransferhub/dth/lambda/task"
)

// answerEvery is how often the progress of a plan is written for whoever asked for it.
const answerEvery = 3 * time.Second

// answering writes what becomes of a check or a plan to the run table, where a hub reads it.
type answering struct {
	put    func(ctx context.Context, doc []byte) error
	log    *slog.Logger
	every  time.Duration
	listed atomic.Int64 // objects, at both ends

	answer task.Answer
}

// answered carries out what was asked for, and writes its progress and its end. Without an id to answer to, it only carries
// it out.
func (p *program) answered(ctx context.Context, carryOut func(ctx context.Context, a *answering) error) error {
	a := &answering{log: p.log, every: answerEvery}
	if p.options.answer == "" {
		return carryOut(ctx, a)
	}
	a.put = func(ctx context.Context, doc []byte) error { return p.runs.PutAnswer(ctx, p.options.answer, doc) }
	a.answer = task.Answer{State: task.Running, Started: time.Now().UTC()}
	if err := a.write(ctx); err != nil {
		return err
	}
	stop := a.tick(ctx)
	err := carryOut(ctx, a)
	stop()
	a.answer.State, a.answer.Listed = task.Finished, a.listed.Load()
	if err != nil && a.answer.Findings == nil { // what a check refuses is what it has found
		a.answer.State, a.answer.Error = task.Broken, err.Error()
		if ctx.Err() != nil {
			a.answer.Error = "it was stopped; ask for it again"
		}
	}
	a.answer.Finished = time.Now().UTC()
	// Also after a signal: somebody waits.
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	return errors.Join(err, a.write(bounded))
}

func (a *answering) write(ctx context.Context) error {
	doc, err := json.Marshal(a.answer)
	if err != nil {
		return err
	}
	return a.put(ctx, doc)
}

// tick writes the progress now and then, until it is stopped.
func (a *answering) tick(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var ticking sync.WaitGroup
	progress := &answering{put: a.put, answer: a.answer}
	ticking.Go(func() {
		t := time.NewTicker(a.every)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
			}
			progress.answer.Listed = a.listed.Load()
			if err := progress.write(ctx); err != nil && ctx.Err() == nil {
				a.log.Warn("the progress is not on record; it is written again", "error", err)
			}
		}
	})
	return func() { cancel(); ticking.Wait() }
}

// unreachable says that an end cannot be used.
func unreachable(err error) error {
	if err == nil {
		return nil
	}
	return &command.ExitError{Code: command.Unreachable, Err: err}
}
