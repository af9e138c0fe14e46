// Package customresource speaks CloudFormation's protocol of custom resources, so that a handler only creates, updates and
// deletes. Whatever happens, a stack gets an answer before its Lambda ends: one that waits for an answer that never comes is
// stuck for an hour.
//
// The protocol: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
package customresource

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/retry"
)

// Event is a request of CloudFormation.
type Event struct {
	RequestType           string // Create, Update, Delete
	ResponseURL           string
	StackId               string //nolint:revive // CloudFormation's spelling
	RequestId             string //nolint:revive // likewise
	ResourceType          string
	LogicalResourceId     string //nolint:revive // likewise
	PhysicalResourceId    string //nolint:revive // likewise
	ResourceProperties    json.RawMessage
	OldResourceProperties json.RawMessage
}

// IsRequest reports whether an event is a request of CloudFormation, for Lambdas that answer others, too.
func IsRequest(event json.RawMessage) bool {
	var e struct{ RequestType, ResponseURL string }
	return json.Unmarshal(event, &e) == nil && e.RequestType != "" && e.ResponseURL != ""
}

// Result is what a resource is after a request.
type Result struct {
	// ID is the physical id. When an update gives another, CloudFormation deletes the old one afterwards.
	ID   string
	Data map[string]string // attributes, for Fn::GetAtt
	// Note is told as the reason of a success, such as what a deletion had to leave behind.
	Note string
}

// Resource creates, updates and deletes.
type Resource interface {
	Create(ctx context.Context, e Event) (Result, error)
	Update(ctx context.Context, e Event) (Result, error)
	// Delete removes what is there. What is gone already is no error.
	Delete(ctx context.Context, e Event) (Result, error)
}

// What of a Lambda's time is kept back: a resource has to come to its end at margin before the end of all, its last words
// are waited for during grace, and the answer has the rest.
const (
	margin  = 15 * time.Second
	grace   = 3 * time.Second
	putTime = 3 * time.Second // of one try to answer
)

// notMade begins the physical id of a resource whose creation failed: there is nothing to delete.
const notMade = "not-made-"

// Handler returns the Lambda handler of a resource.
func Handler(r Resource, client *http.Client, log *slog.Logger) func(context.Context, Event) error {
	return func(ctx context.Context, e Event) error {
		log := log.With("request", e.RequestType, "resource", e.LogicalResourceId)
		if e.ResponseURL == "" {
			return errors.New("this is no request of CloudFormation: ResponseURL is missing")
		}
		result, err := handle(ctx, r, e)
		var broken *panicked
		switch {
		case errors.As(err, &broken):
			log.Error("the request failed", "error", err, "stack", string(broken.stack))
		case err != nil:
			log.Error("the request failed", "error", err)
		}
		return respond(ctx, client, e, result, err)
	}
}

// handle has the resource answer in time; a panic is an error like others. A resource that heeds the end of its context is
// heard still: what it says then, such as what a deletion had to leave behind, is better than that time was up.
func handle(ctx context.Context, r Resource, e Event) (Result, error) {
	if e.RequestType == "Delete" && strings.HasPrefix(e.PhysicalResourceId, notMade) {
		return Result{ID: e.PhysicalResourceId}, nil
	}
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-margin))
		defer cancel()
	}
	type answer struct {
		result Result
		err    error
	}
	done := make(chan answer, 1)
	go func() {
		var a answer
		defer func() {
			if p := recover(); p != nil {
				a = answer{err: &panicked{p, debug.Stack()}}
			}
			done <- a
		}()
		a.result, a.err = call(ctx, r, e)
	}()
	select {
	case a := <-done:
		return a.result, a.err
	case <-ctx.Done():
	}
	select {
	case a := <-done:
		return a.result, a.err
	case <-time.After(grace):
		return Result{}, fmt.Errorf("the request did not end in the time of its Lambda: %w", ctx.Err())
	}
}

func call(ctx context.Context, r Resource, e Event) (Result, error) {
	switch e.RequestType {
	case "Create":
		return r.Create(ctx, e)
	case "Update":
		return r.Update(ctx, e)
	case "Delete":
		return r.Delete(ctx, e)
	}
	return Result{}, fmt.Errorf("RequestType: %q: allowed are Create, Update and Delete", e.RequestType)
}

// panicked is a panic of a resource. CloudFormation is told what it said, the log also where.
type panicked struct {
	said  any
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v", p.said) }

// Bounds in bytes: of a reason, which people read in a table of events, and of the whole answer.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
const (
	maxReason = 1000
	maxAnswer = 4096
)

type response struct {
	Status             string
	Reason             string            `json:",omitempty"`
	PhysicalResourceId string            //nolint:revive // CloudFormation's spelling
	StackId            string            //nolint:revive // likewise
	RequestId          string            //nolint:revive // likewise
	LogicalResourceId  string            //nolint:revive // likewise
	Data               map[string]string `json:",omitempty"`
}

func respond(ctx context.Context, client *http.Client, e Event, result Result, failed error) error {
	body, err := encode(answerOf(e, result, failed))
	if err != nil {
		return err
	}
	// The answer goes out also when the time for the work is over.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), margin-grace-time.Second)
	defer cancel()
	policy := retry.Policy{Attempts: 6, Base: 200 * time.Millisecond, Cap: 3 * time.Second}
	return policy.Do(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, putTime)
		defer cancel()
		return put(ctx, client, e.ResponseURL, body)
	})
}

func answerOf(e Event, result Result, failed error) response {
	r := response{
		Status: "SUCCESS", Reason: result.Note, PhysicalResourceId: result.ID,
		StackId: e.StackId, RequestId: e.RequestId, LogicalResourceId: e.LogicalResourceId, Data: result.Data,
	}
	if failed != nil {
		r.Status, r.Reason = "FAILED", failed.Error()
		if r.Reason == "" {
			r.Reason = "the resource gave no reason" // a failure without one is no valid answer
		}
	}
	if r.PhysicalResourceId == "" {
		if r.PhysicalResourceId = e.PhysicalResourceId; r.PhysicalResourceId == "" {
			r.PhysicalResourceId = notMade + e.RequestId
		}
	}
	return r
}

// encode writes an answer that is not too long. A reason grows in JSON: its quotes, and up to sixfold what is no text.
func encode(r response) ([]byte, error) {
	reason := r.Reason
	for most := maxReason; ; most /= 2 {
		r.Reason = bounded(reason, most)
		var body bytes.Buffer
		e := json.NewEncoder(&body)
		e.SetEscapeHTML(false)
		if err := e.Encode(r); err != nil {
			return nil, err
		}
		if body.Len() <= maxAnswer || most < len("...") {
			return body.Bytes(), nil
		}
	}
}

// put sends the answer. The URL is signed without a content type. It is a secret as long as it is valid, so no error holds it.
func put(ctx context.Context, client *http.Client, address string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, address, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("the URL for the answer cannot be used: %w", withoutURL(err))
	}
	resp, err := client.Do(req)
	if err != nil {
		return &failure.Error{Class: failure.Network, Op: "answering", Target: "CloudFormation", Err: withoutURL(err)} // a try that was too slow is no end
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body) // only the status matters
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("answering CloudFormation: %s", resp.Status)
	}
	return nil
}

func withoutURL(err error) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		return wrapped.Err
	}
	return err
}

// bounded cuts a text to so many bytes, between two letters.
func bounded(s string, most int) string {
	if len(s) <= most {
		return s
	}
	cut := max(most-len("..."), 0)
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
}
