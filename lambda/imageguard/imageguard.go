// Package imageguard is the custom resource that tidies up before an ECR task's stack is deleted: runs that are under way would
// write to what is going, and a bucket goes only when it is empty. It does nothing until then. What cannot be tidied up holds up
// no deletion, and is said.
package imageguard

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/datatransferhub/dth/lambda/customresource"
	"github.com/datatransferhub/dth/plugins/ecr/wiring"
)

// Stack is what is left of a stack at its end.
type Stack interface {
	// StopExecutions stops what runs of a state machine, and returns how many that were. Their Fargate tasks end with them.
	StopExecutions(ctx context.Context, machine string) (int, error)
	// Empty deletes the objects of a bucket, and returns how many there were. A bucket that is gone is empty.
	Empty(ctx context.Context, bucket string) (int, error)
}

// Resource implements customresource.Resource.
type Resource struct{ Stack Stack }

// Properties are what the template gives.
type Properties struct{ Machine, Bucket string }

// Parse reads the properties.
func Parse(properties json.RawMessage) (Properties, error) {
	var p Properties
	if err := json.Unmarshal(properties, &p); err != nil {
		return p, fmt.Errorf("the properties cannot be read: %w", err)
	}
	if !strings.HasPrefix(p.Machine, "arn:") || p.Bucket == "" {
		return p, fmt.Errorf("%s, an ARN, and %s are required; they are %q and %q", wiring.PropMachine, wiring.PropBucket, p.Machine, p.Bucket)
	}
	return p, nil
}

// Create checks the properties, so that a mistake shows when a stack is made and not when it is to go.
func (r Resource) Create(_ context.Context, e customresource.Event) (customresource.Result, error) {
	_, err := Parse(e.ResourceProperties)
	return customresource.Result{ID: "guard-of-" + path.Base(e.StackId)}, err
}

// Update is Create.
func (r Resource) Update(ctx context.Context, e customresource.Event) (customresource.Result, error) {
	return r.Create(ctx, e)
}

// Delete tidies up: executions first, which would write into the bucket.
func (r Resource) Delete(ctx context.Context, e customresource.Event) (customresource.Result, error) {
	result := customresource.Result{ID: e.PhysicalResourceId}
	p, err := Parse(e.ResourceProperties)
	if err != nil {
		result.Note = fmt.Sprintf("nothing was tidied up: %v", err)
		return result, nil
	}
	var notes []string
	note := func(what string, n int, err error) {
		if n > 0 {
			notes = append(notes, fmt.Sprintf("ended %d %s", n, what))
		}
		if err != nil {
			notes = append(notes, fmt.Sprintf("%s may be left: %s", what, strings.ReplaceAll(err.Error(), "\n", "; ")))
		}
	}
	n, err := r.Stack.StopExecutions(ctx, p.Machine)
	note("executions", n, err)
	n, err = r.Stack.Empty(ctx, p.Bucket)
	note("objects", n, err)
	result.Note = strings.Join(notes, "; ")
	return result, nil
}
