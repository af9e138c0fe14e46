package finderlaunch

import (
	"context"
	"encoding/json"
	"fmt"
	"path"

	"github.com/datatransferhub/dth/lambda/customresource"
)

// FirstPass is the custom resource that starts the first finder of a stack when it is created.
type FirstPass struct{ Handler *Handler }

// Create starts the finder. The request's id makes that it is started once.
func (f FirstPass) Create(ctx context.Context, e customresource.Event) (customresource.Result, error) {
	request, err := json.Marshal(Request{Mode: Pass, ID: "first-" + e.RequestId})
	if err != nil {
		return customresource.Result{}, err
	}
	a, err := f.Handler.Handle(ctx, request)
	if err != nil {
		return customresource.Result{}, err
	}
	return customresource.Result{ID: "first-pass-of-" + path.Base(e.StackId), Note: fmt.Sprintf("instance %s was started", a.Instance)}, nil
}

// Update does nothing: the first pass was made.
func (f FirstPass) Update(_ context.Context, e customresource.Event) (customresource.Result, error) {
	return customresource.Result{ID: e.PhysicalResourceId}, nil
}

// Delete does nothing.
func (f FirstPass) Delete(_ context.Context, e customresource.Event) (customresource.Result, error) {
	return customresource.Result{ID: e.PhysicalResourceId}, nil
}
