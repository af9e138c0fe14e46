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

	"github.com/datatransferhub/dth/worker/notice"
	"github.com/datatransferhub/dth/worker/notice/noticeaws"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

// ec2 answers as the instance metadata service, version 2 only, and as Auto Scaling.
type ec2 struct {
	mu    sync.Mutex
	paths map[string]string
	calls []url.Values // of Auto Scaling
	fail  int          // status of every answer

	refusal string // of Auto Scaling; empty: it agrees
	old     bool   // version 1 of the metadata only
	asked   int    // in version 1
}

func (e *ec2) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	const token = "a-token"
	path, isData := strings.CutPrefix(r.URL.Path, "/latest/meta-data/")
	switch {
	case e.old && !isData:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case e.old:
		e.asked++
		_, _ = io.WriteString(w, `{"action":"terminate","time":"2026-11-23T17:00:00Z"}`)
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
		if e.refusal != "" {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, e.refusal)
			return
		}
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
	cfg := standinaws.Config(t, server.URL)
	cfg.ConfigSources = append(cfg.ConfigSources, endpoint(server.URL))
	// Calls of the metadata service have no names and need no rights.
	return e, noticeaws.Open(standinaws.Only(t, cfg, append(noticeaws.Actions(), standinaws.Action("", ""))), "workers", "drain")
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
	e.set("events/recommendations/rebalance", `{"noticeTime":"2026-11-23T16:50:00Z"}`)
	look("a recommendation", &notice.Notice{Kind: notice.Rebalance, At: time.Date(2026, 11, 23, 16, 50, 0, 0, time.UTC)})
	e.set("autoscaling/target-lifecycle-state", "Warmed:Terminated")
	look("the warm pool shrinks", &notice.Notice{Kind: notice.Scaling})
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

// Whom the group does not wait for needs no permission to go; another refusal is an error.
func TestReleaseThatIsRefused(t *testing.T) {
	e, m := start(t)
	answer := func(code, text string) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.refusal = "<ErrorResponse><Error><Type>Sender</Type><Code>" + code + "</Code><Message>" + text + "</Message></Error></ErrorResponse>"
	}
	answer("ValidationError", "No active Lifecycle Action found with instance ID i-0123")
	if err := m.Release(t.Context()); err != nil {
		t.Errorf("nobody waits: %v", err)
	}
	answer("ValidationError", "AutoScalingGroup name not found - workers")
	if err := m.Release(t.Context()); err == nil || !strings.Contains(err.Error(), "workers") {
		t.Errorf("no such group: %v", err)
	}
	answer("AccessDenied", "not authorized: No active Lifecycle Action")
	if err := m.Release(t.Context()); err == nil {
		t.Error("a refusal for want of rights is none")
	}
}

// Metadata are read in version 2 only: an answer without a token could be anybody's.
func TestFirstVersionIsNotUsed(t *testing.T) {
	e, m := start(t)
	e.old = true
	if n, err := m.Look(t.Context()); n != nil || e.asked != 0 {
		t.Errorf("version 1 was asked %d times, for %+v, %v", e.asked, n, err)
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
