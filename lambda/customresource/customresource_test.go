package customresource_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datatransferhub/dth/lambda/customresource"
)

type resource struct {
	do func(ctx context.Context) (customresource.Result, error)

	mu    sync.Mutex // one that is too slow is still at work when its answer is out
	calls []string
}

func (r *resource) call(ctx context.Context, name string) (customresource.Result, error) {
	r.mu.Lock()
	r.calls = append(r.calls, name)
	r.mu.Unlock()
	return r.do(ctx)
}

func (r *resource) Create(ctx context.Context, _ customresource.Event) (customresource.Result, error) {
	return r.call(ctx, "create")
}

func (r *resource) Update(ctx context.Context, _ customresource.Event) (customresource.Result, error) {
	return r.call(ctx, "update")
}

func (r *resource) Delete(ctx context.Context, _ customresource.Event) (customresource.Result, error) {
	return r.call(ctx, "delete")
}

func TestAnswers(t *testing.T) {
	good := func(context.Context) (customresource.Result, error) {
		return customresource.Result{ID: "id-1", Data: map[string]string{"A": "b"}}, nil
	}
	for _, c := range []struct {
		name, event              string
		do                       func(context.Context) (customresource.Result, error)
		status, id, reason, call string
	}{
		{"created", `{"RequestType":"Create","RequestId":"r"}`, good, "SUCCESS", "id-1", "", "create"},
		{"updated", `{"RequestType":"Update","RequestId":"r","PhysicalResourceId":"id-0"}`, good, "SUCCESS", "id-1", "", "update"},
		{"deleted", `{"RequestType":"Delete","RequestId":"r","PhysicalResourceId":"id-0"}`, func(context.Context) (customresource.Result, error) {
			return customresource.Result{Note: "left the bucket alone"}, nil
		}, "SUCCESS", "id-0", "left the bucket alone", "delete"},
		{"failed", `{"RequestType":"Create","RequestId":"r"}`, func(context.Context) (customresource.Result, error) {
			return customresource.Result{}, errors.New("srcBucket: " + strings.Repeat("ü", 2000))
		}, "FAILED", "not-made-r", "srcBucket: ü", "create"},
		{"what was not made is not deleted", `{"RequestType":"Delete","RequestId":"s","PhysicalResourceId":"not-made-r"}`, good, "SUCCESS", "not-made-r", "", ""},
		{"a panic", `{"RequestType":"Update","RequestId":"r","PhysicalResourceId":"id-0"}`, func(context.Context) (customresource.Result, error) { panic("oh") }, "FAILED", "id-0", "panic: oh", "update"},
		{"too slow", `{"RequestType":"Create","RequestId":"r"}`, func(ctx context.Context) (customresource.Result, error) {
			<-ctx.Done()
			time.Sleep(10 * time.Millisecond)
			return customresource.Result{}, nil
		}, "FAILED", "not-made-r", "did not end in the time", "create"},
		{"unknown", `{"RequestType":"Look","RequestId":"r"}`, good, "FAILED", "not-made-r", "Create, Update and Delete", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got map[string]any
			refusals := int32(2)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if atomic.AddInt32(&refusals, -1) >= 0 {
					w.WriteHeader(http.StatusServiceUnavailable)
					return
				}
				body, _ := io.ReadAll(r.Body)
				if r.Method != http.MethodPut || r.Header.Get("Content-Type") != "" || json.Unmarshal(body, &got) != nil {
					t.Errorf("the answer came as %s %v: %s", r.Method, r.Header, body)
				}
			}))
			defer server.Close()
			var e customresource.Event
			if err := json.Unmarshal([]byte(c.event), &e); err != nil {
				t.Fatal(err)
			}
			e.ResponseURL, e.LogicalResourceId, e.StackId = server.URL, "Logical", "stack"
			r := &resource{do: c.do}
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second+500*time.Millisecond)
			defer cancel()
			if err := customresource.Handler(r, server.Client(), slog.New(slog.DiscardHandler))(ctx, e); err != nil {
				t.Fatal(err)
			}
			reason, _ := got["Reason"].(string)
			if got["Status"] != c.status || got["PhysicalResourceId"] != c.id || !strings.Contains(reason, c.reason) || len(reason) > 1000 || got["LogicalResourceId"] != "Logical" || got["StackId"] != "stack" {
				t.Errorf("answered %v", got)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			if strings.Join(r.calls, " ") != c.call {
				t.Errorf("called %q", r.calls)
			}
		})
	}
}

func TestNoRequest(t *testing.T) {
	h := customresource.Handler(&resource{}, http.DefaultClient, slog.New(slog.DiscardHandler))
	if err := h(t.Context(), customresource.Event{RequestType: "Create"}); err == nil {
		t.Error("an event without a URL for the answer was taken")
	}
}
