// Package stackguard is the custom resource that tidies up before a task's stack is deleted: what the stack did not make by
// itself would hold on to what it did. It does nothing until then. What cannot be tidied up holds up no deletion, and is said.
package stackguard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/datatransferhub/dth/lambda/customresource"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
)

// Stack is what is left of a stack at its end.
type Stack interface {
	// StopExecutions stops what runs of a state machine, and returns how many that were.
	StopExecutions(ctx context.Context, machine string) (int, error)
	// EndInstances ends the instances that carry a tag, waits until they are gone, and returns how many there were.
	EndInstances(ctx context.Context, tag, value string) (int, error)
	// AbortUploads aborts the multipart uploads that the task has on record or meant to begin, and returns how many there were.
	AbortUploads(ctx context.Context) (int, error)
}

// Resource implements customresource.Resource.
type Resource struct {
	Stack Stack
	Name  string // of the stack, the value of its instances' tag
	// Pause notes that the task is paused. A tick that is on its way, or a look of the monitor, starts no finder then.
	Pause func(ctx context.Context) error
}

// Properties are what the template gives.
type Properties struct {
	Machines []string
	Tag      string
}

// Create checks the properties, so that a mistake shows when a stack is made and not when it is to go.
func (r Resource) Create(_ context.Context, e customresource.Event) (customresource.Result, error) {
	_, err := Parse(e.ResourceProperties)
	return customresource.Result{ID: "guard-of-" + r.Name}, err
}

// Update is Create.
func (r Resource) Update(ctx context.Context, e customresource.Event) (customresource.Result, error) {
	return r.Create(ctx, e)
}

// Delete tidies up. First nobody may begin anything any more; then executions are stopped, which would start instances; then
// instances are ended, which would begin uploads; then uploads. A step that hangs leaves time for the others.
func (r Resource) Delete(ctx context.Context, e customresource.Event) (customresource.Result, error) {
	result := customresource.Result{ID: e.PhysicalResourceId}
	p, err := Parse(e.ResourceProperties)
	if err != nil {
		result.Note = fmt.Sprintf("nothing was tidied up: %v", err)
		return result, nil
	}
	var done, left []string
	step := func(what string, share float64, do func(ctx context.Context) (int, error)) {
		ctx, cancel := part(ctx, share)
		defer cancel()
		n, err := do(ctx)
		if n > 0 {
			done = append(done, fmt.Sprintf("%d %s", n, what))
		}
		if err != nil {
			left = append(left, fmt.Sprintf("%s may be left: %s", what, line(err)))
		}
	}
	if err := r.pause(ctx); err != nil {
		left = append(left, "finders may be started meanwhile: "+line(err))
	}
	step("executions", 0.2, func(ctx context.Context) (stopped int, all error) {
		for _, machine := range p.Machines {
			n, err := r.Stack.StopExecutions(ctx, machine)
			stopped, all = stopped+n, errors.Join(all, err)
		}
		return stopped, all
	})
	step("instances", 0.6, func(ctx context.Context) (int, error) { return r.Stack.EndInstances(ctx, p.Tag, r.Name) })
	step("uploads", 1, r.Stack.AbortUploads)
	if len(done) > 0 {
		result.Note = "ended " + strings.Join(done, ", ")
	}
	if len(left) > 0 {
		result.Note = strings.TrimPrefix(result.Note+"; ", "; ") + strings.Join(left, "; ")
	}
	return result, nil
}

func (r Resource) pause(ctx context.Context) error {
	ctx, cancel := part(ctx, 0.1)
	defer cancel()
	return r.Pause(ctx)
}

// line is an error on one line.
func line(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// part is a context that ends when a share of the time that is left is over.
func part(ctx context.Context, share float64) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Duration(share*float64(time.Until(deadline))))
}

// Parse reads the properties.
func Parse(properties json.RawMessage) (Properties, error) {
	var p Properties
	if err := json.Unmarshal(properties, &p); err != nil {
		return p, fmt.Errorf("the properties cannot be read: %w", err)
	}
	if p.Tag == "" {
		return p, fmt.Errorf("%s is required", wiring.PropTag)
	}
	for _, m := range p.Machines {
		if !strings.HasPrefix(m, "arn:") {
			return p, fmt.Errorf("%s: %q: ARNs of state machines are required", wiring.PropMachines, m)
		}
	}
	return p, nil
}
