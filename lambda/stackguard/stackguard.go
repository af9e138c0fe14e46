// Package stackguard is the custom resource that tidies up before a task's stack is deleted: what the stack did not make by
// itself would hold on to what it did. It does nothing until then. What cannot be tidied up holds up no deletion, and is said.
package stackguard

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/datatransferhub/dth/lambda/customresource"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
)

// Stack is what is left of a stack at its end.
type Stack interface {
	// StopExecutions stops what runs of a state machine, and returns how many that were.
	StopExecutions(ctx context.Context, machine string) (int, error)
	// EndInstances ends the instances that carry a tag, waits until they are gone, and returns how many there were.
	EndInstances(ctx context.Context, tag, value string) (int, error)
	// AbortUploads aborts the multipart uploads that the task has on record, and returns how many there were.
	AbortUploads(ctx context.Context) (int, error)
}

// Resource implements customresource.Resource.
type Resource struct {
	Stack Stack
	Name  string // of the stack, the value of its instances' tag
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

// Delete tidies up: executions first, which would start instances; then instances, which would begin uploads; then uploads.
func (r Resource) Delete(ctx context.Context, e customresource.Event) (customresource.Result, error) {
	result := customresource.Result{ID: e.PhysicalResourceId}
	p, err := Parse(e.ResourceProperties)
	if err != nil {
		result.Note = fmt.Sprintf("nothing was tidied up: %v", err)
		return result, nil
	}
	var done, left []string
	note := func(what string, n int, err error) {
		if n > 0 {
			done = append(done, fmt.Sprintf("%d %s", n, what))
		}
		if err != nil {
			left = append(left, fmt.Sprintf("%s may be left: %v", what, err))
		}
	}
	for _, machine := range p.Machines {
		n, err := r.Stack.StopExecutions(ctx, machine)
		note("executions", n, err)
	}
	n, err := r.Stack.EndInstances(ctx, p.Tag, r.Name)
	note("instances", n, err)
	n, err = r.Stack.AbortUploads(ctx)
	note("uploads", n, err)
	if len(done) > 0 {
		result.Note = "ended " + strings.Join(done, ", ")
	}
	if len(left) > 0 {
		result.Note = strings.TrimPrefix(result.Note+"; ", "; ") + strings.Join(left, "; ")
	}
	return result, nil
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
