package failure

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestClassOf(t *testing.T) {
	classed := &Error{Class: KMS, Op: "GetObject", Target: "b/k"}
	for _, tt := range []struct {
		name string
		err  error
		want Class
	}{
		{"none", nil, None},
		{"classed", classed, KMS},
		{"wrapped", fmt.Errorf("copying: %w", classed), KMS},
		{"joined", errors.Join(errors.New("x"), classed), KMS},
		{"canceled", fmt.Errorf("copying: %w", context.Canceled), Canceled},
		{"out of time", context.DeadlineExceeded, Canceled},
		{"a class says more than its cause", &Error{Class: Network, Err: context.DeadlineExceeded}, Network},
		{"unknown", errors.New("x"), Other},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := ClassOf(tt.err); got != tt.want || !Is(tt.err, tt.want) {
				t.Errorf("class %q, want %q", got, tt.want)
			}
		})
	}
}

// What is done about each class: a new class needs a decision here.
func TestWhatClassesMean(t *testing.T) {
	retryable := []Class{Throttled, Network, Server, Checksum, Other}
	endpointwide := []Class{BadCredentials, NoSuchBucket, WrongRegion}
	recorded := []Class{AccessDenied, Archived, Canceled, Changed, Conflict, DestinationRefuses, KMS, NotFound, TooLarge}
	all := slices.Concat(retryable, endpointwide, recorded)
	slices.Sort(all)
	if d := cmp.Diff(all, Classes()); d != "" {
		t.Errorf("classes without a decision:\n%s", d)
	}
	for _, c := range append(Classes(), None) {
		if got := c.Retryable(); got != slices.Contains(retryable, c) {
			t.Errorf("%q: retryable %v", c, got)
		}
		if got := c.Endpointwide(); got != slices.Contains(endpointwide, c) {
			t.Errorf("%q: endpointwide %v", c, got)
		}
	}
}

func TestErrorText(t *testing.T) {
	cause := errors.New("connection reset")
	for want, e := range map[string]*Error{
		"GetObject b/k: AccessDenied: no (HTTP 403)": {Class: AccessDenied, Op: "GetObject", Target: "b/k", Status: 403, Code: "AccessDenied", Detail: "no", Err: cause},
		"GetObject b/k: SlowDown (HTTP 503)":         {Class: Throttled, Op: "GetObject", Target: "b/k", Status: 503, Code: "SlowDown"},
		"PutObject b/k: too long":                    {Class: DestinationRefuses, Op: "PutObject", Target: "b/k", Detail: "too long"},
		"HeadObject b: connection reset":             {Class: Network, Op: "HeadObject", Target: "b", Err: cause},
		"HeadObject b: network":                      {Class: Network, Op: "HeadObject", Target: "b"},
	} {
		if got := e.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if !errors.Is(&Error{Err: cause}, cause) {
		t.Error("the cause is lost")
	}
}
