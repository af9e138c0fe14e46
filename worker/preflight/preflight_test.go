package preflight

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/worker/failure"
)

// bucket is an end that answers with an error.
type bucket struct{ err error }

func (b bucket) Reach(context.Context) error { return b.err }
func (bucket) Name() string                  { return "photos" }
func (bucket) Address() string               { return "https://s3.example.com/photos" }

func TestEveryFindingNamesTheSetting(t *testing.T) {
	names := Names{End: "source", Region: "--src-region", Endpoint: "--src-endpoint", Credentials: "--src-profile", Anonymous: "--src-anonymous", Rights: "s3:GetObject"}
	chain := fmt.Errorf("outer: %w", fmt.Errorf("middle: %w", errors.New("no role is attached")))
	tests := []struct {
		err  error
		says []string
	}{
		{&failure.Error{Class: failure.NoSuchBucket}, []string{"photos", "does not exist", "--src-region", "--src-endpoint"}},
		{&failure.Error{Class: failure.WrongRegion, Detail: "the bucket is in region eu-west-1, not us-east-1"}, []string{"eu-west-1", "--src-region"}},
		{&failure.Error{Class: failure.BadCredentials, Err: chain}, []string{"no credentials", "no role is attached", "--src-profile", "--src-anonymous"}},
		{&failure.Error{Class: failure.BadCredentials, Status: 403, Code: "InvalidAccessKeyId"}, []string{"InvalidAccessKeyId", "--src-profile"}},
		{&failure.Error{Class: failure.AccessDenied, Status: 403}, []string{"s3:ListBucket", "s3:GetObject", "--src-profile"}},
		{&failure.Error{Class: failure.Network, Detail: "connection refused"}, []string{"cannot be reached", "connection refused", "--src-endpoint"}},
		{&failure.Error{Class: failure.Server, Op: "ListObjectsV2", Code: "InternalError"}, []string{"InternalError"}},
		{errors.New("something else"), []string{"something else"}},
	}
	for _, tt := range tests {
		err := Check(context.Background(), bucket{tt.err}, names)
		var finding *Error
		if !errors.As(err, &finding) || finding.End != "source" || !errors.Is(err, tt.err) {
			t.Errorf("%v: %v", tt.err, err)
			continue
		}
		for _, s := range tt.says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("%q does not say %q", err, s)
			}
		}
	}
	if err := Check(context.Background(), bucket{}, names); err != nil {
		t.Errorf("a bucket that is well: %v", err)
	}
	stopped, stop := context.WithCancel(context.Background())
	stop()
	if err := Check(stopped, bucket{errors.New("canceled")}, names); !errors.Is(err, context.Canceled) {
		t.Errorf("after a signal: %v", err)
	}
}
