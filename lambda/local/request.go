package local

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// Request is something that a person asks of a task. It is on disk before the answer to the call, so that no crash loses it.
type Request struct {
	ID     string // the same id is the same request, however often it is made
	Task   string
	Kind   RequestKind
	Body   json.RawMessage // what belongs to it; nil: nothing
	Asked  time.Time
	Done   bool
	Answer json.RawMessage // as far as there is one; nil: none yet
}

// RequestKind is what is asked for.
type RequestKind string

// The kinds of requests.
const (
	RunNow RequestKind = "run"   // a pass, in a run of the request's id
	Retry  RequestKind = "retry" // failed objects again, in a run of the request's id
	Check  RequestKind = "check" // whether both ends can be used
	Plan   RequestKind = "plan"  // what a pass would do
)

// Errors of requests.
var (
	ErrNoRequest = errors.New("no such request")
	ErrOther     = errors.New("a request of this id asks for something else")
)

// Requests keeps requests.
type Requests interface {
	// Add keeps a new request. One of the same id that asks for the same stays as it is; one that asks for something else is ErrOther.
	Add(ctx context.Context, r Request) error
	// Get returns a request, or ErrNoRequest.
	Get(ctx context.Context, id string) (Request, error)
	// Next returns the oldest request of a kind that is not done; one without an id when there is none. An empty task means
	// any.
	Next(ctx context.Context, task string, kind RequestKind) (Request, error)
	// Tell keeps an answer before its request is done, Done ends a request with an answer or with none.
	Tell(ctx context.Context, id string, answer json.RawMessage) error
	Done(ctx context.Context, id string, answer json.RawMessage) error
	// Forget removes the requests of a task.
	Forget(ctx context.Context, task string) error
}
