package finderlaunch

import (
	"context"
	"encoding/json"
	"fmt"
	"path"

	"github.com/datatransferhub/dth/lambda/customresource"
)

// FirstPass is the custom resource that starts the first finder of a stack when it is created. The stack of a paused task gets
// a note of its pause instead.
type FirstPass struct {
	Handler *Handler
	// Pause notes that the task is paused.
	Pause func(ctx context.Context) error
	// Signal tells the wait condition, which otherwise waits for the finder, at its URL.
	Signal func(ctx context.Context, url string, s customresource.Signal) error
}

// properties are the resource's, by the names of package wiring.
type properties struct {
	Paused string
	Signal string
}

// Create starts the finder. The request's id makes that it is started once.
func (f FirstPass) Create(ctx context.Context, e customresource.Event) (customresource.Result, error) {
	id := "first-pass-of-" + path.Base(e.StackId)
	var p properties
	if len(e.ResourceProperties) > 0 {
		if err := json.Unmarshal(e.ResourceProperties, &p); err != nil {
			return customresource.Result{}, fmt.Errorf("the properties cannot be read: %w", err)
		}
	}
	if p.Paused == "true" {
		const note = "the task begins paused; no finder is started"
		if err := f.Pause(ctx); err != nil {
			return customresource.Result{}, err
		}
		if err := f.Signal(ctx, p.Signal, customresource.Signal{UniqueID: "paused", Reason: note}); err != nil {
			return customresource.Result{}, fmt.Errorf("telling the wait condition: %w", err)
		}
		return customresource.Result{ID: id, Note: note}, nil
	}
	request, err := json.Marshal(Request{Mode: Pass, ID: "first-" + e.RequestId})
	if err != nil {
		return customresource.Result{}, err
	}
	a, err := f.Handler.Handle(ctx, request)
	if err != nil {
		return customresource.Result{}, err
	}
	return customresource.Result{ID: id, Note: fmt.Sprintf("instance %s was started", a.Instance)}, nil
}

// Update does nothing: the first pass was made, and whether the task is paused now is noted by who pauses and resumes it.
func (f FirstPass) Update(_ context.Context, e customresource.Event) (customresource.Result, error) {
	return customresource.Result{ID: e.PhysicalResourceId}, nil
}

// Delete does nothing.
func (f FirstPass) Delete(_ context.Context, e customresource.Event) (customresource.Result, error) {
	return customresource.Result{ID: e.PhysicalResourceId}, nil
}
