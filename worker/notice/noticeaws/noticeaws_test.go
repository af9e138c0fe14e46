package noticeaws_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/datatransferhub/dth/worker/notice"
	"github.com/datatransferhub/dth/worker/notice/noticeaws"
)

// ec2 answers as the instance metadata service, version 2 only, and as Auto Scaling.
type ec2 struct {
	mu    sync.Mutex
	paths map[string]string
	calls []url.Values // of Auto Scaling
	fail  int          // status of every answer
}

func (e *ec2) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	const token = "a-token"
	path, isData := strings.CutPrefix(r.URL.Path, "/latest/meta-data/")
	switch {
	case r.Method == http.MethodPut && r.URL.Path == "/latest/api/token":
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
		_, _ = io.WriteString(w, token)
	case isData && r.Header.Get("X-Aws-Ec2-Metadata-Token") != token:
		w.WriteHeader(http.StatusUnauthorized)
	case isData && e.fail != 0:
		w.WriteHeader(e.fail)
	case isData:
		text, there := e.paths[path]
		if !there {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(w, text)
	default:
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		e.calls = append(e.calls, form)
		action := form.Get("Action")
		_, _ = io.WriteString(w, "<"+action+"Response><"+action+"Result/></"+action+"Response>")
	}
}

func (e *ec2) set(path, text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.paths[path] = text
}

func start(t *testing.T) (*ec2, *noticeaws.Machine) {
	t.Helper()
	e := &ec2{paths: map[string]string{"instance-id": "i-0123", "autoscaling/target-lifecycle-state": "InService"}}
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.URL)
	cfg := aws.Config{Region: "us-east-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("t", "t", "")}
	cfg.ConfigSources = append(cfg.ConfigSources, endpoint(server.URL))
	return e, noticeaws.Open(cfg, "workers", "drain")
}

// endpoint is the metadata service's place as the SDK's loader gives it.
type endpoint string

func (e endpoint) GetEC2IMDSEndpoint() (string, bool, error) { return string(e), true, nil }

func TestNoticesOfAnInstance(t *testing.T) {
	e, m := start(t)
	look := func(what string, want *notice.Notice) {
		t.Helper()
		got, err := m.Look(t.Context())
		if err != nil || (got == nil) != (want == nil) || got != nil && (got.Kind != want.Kind || !got.At.Equal(want.At)) {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
	look("in service", nil)
	e.set("autoscaling/target-lifecycle-state", "Terminated")
	look("the group shrinks", &notice.Notice{Kind: notice.Scaling})
	e.set("spot/instance-action", `{"action":"terminate","time":"2026-11-23T17:00:00Z"}`)
	look("a Spot interruption", &notice.Notice{Kind: notice.Spot, At: time.Date(2026, 11, 23, 17, 0, 0, 0, time.UTC)})
	e.set("spot/instance-action", `soon`)
	if _, err := m.Look(t.Context()); err == nil || errors.Is(err, notice.ErrOff) {
		t.Errorf("a notice that cannot be read: %v", err)
	}
}

func TestGroupIsToldAboutDraining(t *testing.T) {
	e, m := start(t)
	if !m.Waits() {
		t.Error("a group with a hook waits")
	}
	for _, err := range []error{m.Heartbeat(t.Context()), m.Release(t.Context())} {
		if err != nil {
			t.Error(err)
		}
	}
	if len(e.calls) != 2 || e.calls[0].Get("Action") != "RecordLifecycleActionHeartbeat" || e.calls[1].Get("Action") != "CompleteLifecycleAction" {
		t.Fatalf("calls %v", e.calls)
	}
	for _, c := range e.calls {
		if c.Get("AutoScalingGroupName") != "workers" || c.Get("LifecycleHookName") != "drain" || c.Get("InstanceId") != "i-0123" {
			t.Errorf("call %v", c)
		}
	}
	if e.calls[1].Get("LifecycleActionResult") != "CONTINUE" {
		t.Errorf("call %v", e.calls[1])
	}
}

func TestElsewhereNoticesAreOff(t *testing.T) {
	nobody := httptest.NewServer(http.NotFoundHandler())
	nobody.Close()
	cfg := aws.Config{Region: "us-east-1"}
	cfg.ConfigSources = append(cfg.ConfigSources, endpoint(nobody.URL))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := noticeaws.Open(cfg, "", "").Look(ctx); !errors.Is(err, notice.ErrOff) {
		t.Errorf("where nobody answers: %v", err)
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	if _, err := noticeaws.Open(cfg, "", "").Look(ctx); !errors.Is(err, notice.ErrOff) {
		t.Errorf("where it is switched off: %v", err)
	}
}
