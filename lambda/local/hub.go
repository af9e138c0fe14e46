package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run"
)

// Hub runs tasks side by side, each as a stack of its own.
type Hub struct {
	// Open opens what a task's stack is made of. An end that cannot be reached is an error; it is tried again.
	Open func(ctx context.Context, t Task) (Parts, error)
	// OpenImages is the same for a task that copies images; nil: there are none.
	OpenImages func(ctx context.Context, t Task) (ImageParts, error)
	Version    string
	Log        *slog.Logger
	// Once makes one pass of every task, proves it, and ends.
	Once bool
	Beat time.Duration // how often runs are looked at; 0 is half a second
	// Retry is the time until a task that failed as a whole is started again; 0 is ten seconds.
	Retry time.Duration
	Now   func() time.Time // nil: time.Now
	// Requests are what people ask of tasks; nil: nobody asks for anything.
	Requests Requests

	// OnChange is told of every change of a task, OnClosed of every run that was proved, OnOutcome of every object. nil:
	// nobody is.
	OnChange  func(Status)
	OnClosed  func(task string, r run.Run, counters []run.Counters)
	OnOutcome func(task string, r ledger.Record)
}

// Change is a new list of tasks.
type Change struct {
	Tasks []Task
	// Applied is closed when tasks that are gone or different have drained, and the new ones begin; nil: nobody waits for it.
	Applied chan<- struct{}
}

// stacks are the tasks at work.
type stacks struct {
	hub     *Hub
	running map[string]*running
	ended   chan *running
}

type running struct {
	task Task
	stop context.CancelFunc
	done chan struct{}
	err  error
}

// Run runs the tasks until ctx ends, or until all are through with one pass when Once is set. Each list that changed brings
// replaces the one before: tasks that are gone or different are drained, new ones begin, the others go on undisturbed.
// The error is that of tasks in Once mode.
func (h *Hub) Run(ctx context.Context, tasks []Task, changed <-chan Change) error {
	if h.Log == nil {
		h.Log = slog.New(slog.DiscardHandler)
	}
	if h.Retry == 0 {
		h.Retry = 10 * time.Second
	}
	s := &stacks{hub: h, running: map[string]*running{}, ended: make(chan *running)}
	var failed error
	for s.replace(ctx, tasks); ; {
		if h.Once && len(s.running) == 0 {
			return failed
		}
		select {
		case <-ctx.Done():
			s.replace(ctx, nil)
			return errors.Join(failed, ctx.Err())
		case next := <-changed:
			s.replace(ctx, next.Tasks)
			if next.Applied != nil {
				close(next.Applied)
			}
		case r := <-s.ended:
			delete(s.running, r.task.Name)
			failed = errors.Join(failed, r.err)
		}
	}
}

// replace stops what is not wanted any more, waits for it, and starts what is new.
func (s *stacks) replace(ctx context.Context, tasks []Task) {
	wanted := map[string]Task{}
	for _, t := range tasks {
		wanted[t.Name] = t
	}
	var leaving []*running
	for name, r := range s.running {
		if t, ok := wanted[name]; ok && t.equal(&r.task) {
			continue
		}
		r.stop()
		leaving = append(leaving, r)
		delete(s.running, name)
	}
	for _, r := range leaving {
		<-r.done
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if _, runs := s.running[name]; !runs && ctx.Err() == nil {
			s.running[name] = s.start(ctx, wanted[name])
		}
	}
}

// equal reports whether two tasks ask for the same.
func (t *Task) equal(o *Task) bool {
	return t.Name == o.Name && t.Type == o.Type && t.Schedule == o.Schedule && maps.Equal(t.Parameters, o.Parameters) &&
		t.SrcProfile == o.SrcProfile && t.DstProfile == o.DstProfile && t.Events == o.Events && t.Paused == o.Paused
}

func (s *stacks) start(ctx context.Context, t Task) *running {
	ctx, stop := context.WithCancel(ctx)
	r := &running{task: t, stop: stop, done: make(chan struct{})}
	go func() {
		r.err = s.hub.keep(ctx, t)
		close(r.done)
		select {
		case s.ended <- r:
		case <-ctx.Done(): // whoever stopped it waits for done
		}
		stop()
	}()
	return r
}

// keep runs a task, and again after a failure of the task as a whole.
func (h *Hub) keep(ctx context.Context, t Task) error {
	for {
		err := h.stack(ctx, t)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			err = fmt.Errorf("task %q: %w", t.Name, err)
			h.Log.Error("task failed", "task", t.Name, "error", err)
			if h.OnChange != nil {
				h.OnChange(Status{Task: t.Name, State: Failed, Error: err.Error()})
			}
		}
		if h.Once {
			return err
		}
		if retry.Sleep(ctx, h.Retry) != nil {
			return nil
		}
	}
}

func (h *Hub) stack(ctx context.Context, t Task) error {
	if t.Type == Images {
		return h.images(ctx, t)
	}
	parts, err := h.Open(ctx, t)
	if err != nil {
		return err
	}
	if parts.Close != nil {
		defer parts.Close()
	}
	s := &Stack{
		Task: t, Parts: parts, Version: h.Version, Log: h.Log.With("task", t.Name), Once: h.Once, Beat: h.Beat, Now: h.Now,
		OnChange: h.OnChange, OnClosed: h.OnClosed, OnOutcome: h.OnOutcome, Requests: h.Requests,
	}
	return s.Run(ctx)
}

func (h *Hub) images(ctx context.Context, t Task) error {
	if h.OpenImages == nil {
		return errors.New("tasks that copy images are not run here")
	}
	parts, err := h.OpenImages(ctx, t)
	if err != nil {
		return err
	}
	if parts.Close != nil {
		defer parts.Close()
	}
	s := &ImageStack{
		Task: t, ImageParts: parts, Version: h.Version, Log: h.Log.With("task", t.Name), Once: h.Once, Beat: h.Beat, Now: h.Now,
		OnChange: h.OnChange, OnClosed: h.OnClosed, OnOutcome: h.OnOutcome, Requests: h.Requests,
	}
	return s.Run(ctx)
}
