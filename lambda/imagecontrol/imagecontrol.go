// Package imagecontrol is the door by which a hub, or a person with the AWS CLI, steers the stack of one ECR task. It takes the
// requests of package control: pause, resume, a run now, failed images again, a check, a plan, and what became of the latter two.
package imagecontrol

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"time"

	"github.com/datatransferhub/dth/lambda/control"
	"github.com/datatransferhub/dth/lambda/customresource"
	"github.com/datatransferhub/dth/lambda/imageplan"
	"github.com/datatransferhub/dth/worker/image/record"
	"github.com/datatransferhub/dth/worker/run"
)

// Stack is what the operations change in a stack.
type Stack interface {
	// Schedule switches what begins runs by itself on or off: the schedule and the rule of pushes, as far as there are any.
	Schedule(ctx context.Context, on bool) error
	// Begin begins an execution. One of that name that is there already is no error.
	Begin(ctx context.Context, name string, ask imageplan.Ask) error
}

// Handler answers requests.
type Handler struct {
	Stack Stack
	Runs  run.Store
	Log   *slog.Logger
	Now   func() time.Time
}

// Handle does what is asked for. The id of a request is the name of the execution that it begins, so that the same request
// never begins two.
func (h *Handler) Handle(ctx context.Context, event json.RawMessage) (control.Reply, error) {
	r, err := control.Parse(event)
	if err != nil {
		return control.Reply{}, err
	}
	reply := control.Reply{Operation: r.Operation, Request: r.Request}
	switch r.Operation {
	case control.Pause:
		err = h.pause(ctx)
	case control.Resume:
		if err = h.Runs.SetPaused(ctx, false, h.Now()); err == nil {
			err = h.Stack.Schedule(ctx, true)
		}
		if err == nil {
			err = h.run(ctx, r, imageplan.Ask{Trigger: imageplan.Manual}, &reply)
		}
	case control.Run:
		err = h.run(ctx, r, imageplan.Ask{Trigger: imageplan.Manual}, &reply)
	case control.Retry:
		err = h.retry(ctx, r, &reply)
	case control.Check:
		err = h.ask(ctx, r, imageplan.CheckMode)
	case control.Plan:
		err = h.ask(ctx, r, imageplan.PlanMode)
	case control.Answer:
		reply.Answer, err = h.Runs.Answer(ctx, r.Request)
	}
	if err != nil {
		h.Log.Warn("not done", "operation", r.Operation, "request", r.Request, "error", err)
		return reply, err
	}
	h.Log.Info("done", "operation", r.Operation, "request", r.Request, "run", reply.Run)
	return reply, nil
}

// pause lets nothing new begin. The note comes first: what is begun by anybody from then on sees it. A run that is under way goes
// on to its end.
func (h *Handler) pause(ctx context.Context) error {
	if err := h.Runs.SetPaused(ctx, true, h.Now()); err != nil {
		return err
	}
	return h.Stack.Schedule(ctx, false)
}

func (h *Handler) run(ctx context.Context, r control.Request, ask imageplan.Ask, reply *control.Reply) error {
	p, err := h.Runs.Pause(ctx)
	if err != nil {
		return err
	}
	if p.Paused {
		return &control.Refusal{Message: "the task is paused: nothing is begun for it; resume it first"}
	}
	reply.Run = r.Request
	return h.Stack.Begin(ctx, r.Request, ask)
}

// retry begins a run of failed images.
func (h *Handler) retry(ctx context.Context, r control.Request, reply *control.Reply) error {
	images, err := Images(r.Keys)
	if err != nil {
		return err
	}
	ask, err := imageplan.Keep(ctx, h.Runs, r.Request, imageplan.Ask{Trigger: imageplan.Retry, Images: images, Class: r.Class})
	var long *run.CheckpointSizeError
	if errors.As(err, &long) {
		return &control.Refusal{Message: fmt.Sprintf("keys: these %d are too long together; retry half of them, a class, or all", len(r.Keys))}
	}
	if err != nil {
		return err
	}
	return h.run(ctx, r, ask, reply)
}

// ask has a plan or a check made. They are made of a paused task, too.
func (h *Handler) ask(ctx context.Context, r control.Request, mode imageplan.Mode) error {
	return h.Stack.Begin(ctx, r.Request, imageplan.Ask{Mode: mode, Request: r.Request})
}

// Images reads the keys of a retry: a repository and a tag with a colon between them, or a repository and a digest with an @.
// The error names the key that is neither.
func Images(keys []string) ([]imageplan.Image, error) {
	var images []imageplan.Image
	for _, key := range keys {
		k, err := record.ParseKey(key)
		if err != nil {
			return nil, &control.Refusal{Message: "keys: " + err.Error()}
		}
		images = append(images, imageplan.Image{Name: k.Image, Tag: k.Tag})
	}
	return images, nil
}

// FirstRun is the custom resource that begins the first run of a stack when it is created. The stack of a paused task gets a note
// of its pause instead.
type FirstRun struct {
	Stack Stack
	// Pause notes that the task is paused.
	Pause func(ctx context.Context) error
}

// Create begins the run. The request's id makes that it is begun once.
func (f FirstRun) Create(ctx context.Context, e customresource.Event) (customresource.Result, error) {
	id := "first-run-of-" + path.Base(e.StackId)
	var p struct{ Paused string }
	if len(e.ResourceProperties) > 0 {
		if err := json.Unmarshal(e.ResourceProperties, &p); err != nil {
			return customresource.Result{}, fmt.Errorf("the properties cannot be read: %w", err)
		}
	}
	if p.Paused == "true" {
		return customresource.Result{ID: id, Note: "the task begins paused; no run is begun"}, f.Pause(ctx)
	}
	name := "first-" + e.RequestId
	if err := f.Stack.Begin(ctx, name, imageplan.Ask{Trigger: imageplan.Once}); err != nil {
		return customresource.Result{}, err
	}
	return customresource.Result{ID: id, Note: "execution " + name + " was begun"}, nil
}

// Update does nothing: the first run was begun, and whether the task is paused now is noted by who pauses and resumes it.
func (FirstRun) Update(_ context.Context, e customresource.Event) (customresource.Result, error) {
	return customresource.Result{ID: e.PhysicalResourceId}, nil
}

// Delete does nothing.
func (FirstRun) Delete(_ context.Context, e customresource.Event) (customresource.Result, error) {
	return customresource.Result{ID: e.PhysicalResourceId}, nil
}
