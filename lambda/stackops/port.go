package stackops

import (
	"context"
	"errors"
	"fmt"
)

// CloudFormation is what the workflow needs of it. A stack is named by its name or its id; by its id it can still be looked at
// when it is gone. Every request that changes something carries the token of its operation, and is safe to repeat with it.
// Errors that are not named here may pass: the workflow tries again.
type CloudFormation interface {
	// Create begins to create a stack and returns its id. ErrExists: a stack of this name is there; *Refused: it never will be
	// created like this.
	Create(ctx context.Context, c Change) (id string, err error)
	// Update begins to change a stack. ErrNoChange: it is like this already; ErrMissing; ErrBusy: CloudFormation is at work on
	// it, or it is in a status in which it takes no change; *Refused.
	Update(ctx context.Context, c Change) error
	// Delete begins to delete a stack; one that is gone is no error. ErrBusy; *Refused.
	Delete(ctx context.Context, stack, token string) error
	// CancelUpdate has a change that is under way rolled back. One that is over is no error.
	CancelUpdate(ctx context.Context, stack, token string) error
	Observer
}

// Observer looks at stacks.
type Observer interface {
	// Describe returns how a stack is; one that is not there has the status NoStack.
	Describe(ctx context.Context, stack string) (Stack, error)
	// Story returns what happened to a stack on behalf of a token.
	Story(ctx context.Context, stack, token string) (Story, error)
}

// Errors of CloudFormation that the workflow decides on.
var (
	ErrExists   = errors.New("a stack of this name is there already")
	ErrMissing  = errors.New("there is no such stack")
	ErrNoChange = errors.New("nothing is to be changed")
	ErrBusy     = errors.New("the stack takes no change in its present status")
)

// Refused says that CloudFormation will not do what it was asked for, however often it is asked.
type Refused struct {
	Doing   string // creating stack DTH-1
	Code    string // ValidationError
	Message string
}

func (e *Refused) Error() string { return fmt.Sprintf("%s: %s: %s", e.Doing, e.Code, e.Message) }

// Change is how a stack shall be.
type Change struct {
	Name        string
	TemplateURL string
	Token       string      // 1 to 128 letters, digits and hyphens
	Parameters  []Parameter // by name; those that are left out take the template's default
	Tags        map[string]string
}

// Parameter is one parameter of a stack.
type Parameter struct{ Name, Value string }

// Stack is how a stack is.
type Stack struct {
	ID           string // ARN
	Name         string
	Status       Status
	StatusReason string
	Outputs      map[string]string
	Tags         map[string]string
}

// Story is what happened to a stack on behalf of one request.
type Story struct {
	Begun   bool   // CloudFormation took the request
	Failure string // the first thing that failed: resource, type, what it said; "" when nothing did
}

// The tags of stacks, and by CloudFormation of everything in them.
const (
	TagTask = "DataTransferHubTask" // id of the task
	TagHub  = "DataTransferHub"     // name of the hub's own stack
)

// Progress is how far the workflow of an operation is.
type Progress string

// How far it can be.
const (
	NeverBegun Progress = "NEVER_BEGUN"
	Underway   Progress = "UNDERWAY"
	Over       Progress = "OVER" // by its end or by a failure
)
