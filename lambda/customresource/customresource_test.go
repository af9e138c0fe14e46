package customresource_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datatransferhub/dth/lambda/customresource"
)

const address = "https://bucket.example/answer?X-Amz-Signature=s3cret"

type do func(ctx context.Context) (customresource.Result, error)

// resource does one thing whatever it is asked for, and notes what that was.
type resource struct {
	do    do
	calls []string
}

func (r *resource) call(ctx context.Context, name string) (customresource.Result, error) {
	r.calls = append(r.calls, name)
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

// cloudFormation is where answers go. The first so many tries are refused, or hang.
type cloudFormation struct {
	refusals, hangs int
	tries           int
	answers         [][]byte
	wrong           string // what no request of ours may be
}

func (c *cloudFormation) RoundTrip(r *http.Request) (*http.Response, error) {
	c.tries++
	if c.tries <= c.hangs {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if r.Method != http.MethodPut || r.Header.Get("Content-Type") != "" || r.URL.String() != address {
		c.wrong = r.Method + " " + r.URL.String()
	}
	status := http.StatusOK
	if c.tries <= c.refusals+c.hangs {
		status = http.StatusServiceUnavailable
	} else {
		c.answers = append(c.answers, body)
	}
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

type answer struct {
	Status, Reason, PhysicalResourceId, StackId, RequestId, LogicalResourceId string //nolint:revive // CloudFormation's spelling
	Data                                                                      map[string]string
}

// handle has a request handled by a Lambda that has a minute, on a clock of the test's own.
func (c *cloudFormation) handle(t *testing.T, r customresource.Resource, event string, log io.Writer) (answer, error) {
	t.Helper()
	var e customresource.Event
	if err := json.Unmarshal([]byte(event), &e); err != nil {
		t.Fatal(err)
	}
	e.ResponseURL, e.LogicalResourceId, e.StackId = address, "Logical", "stack"
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := customresource.Handler(r, &http.Client{Transport: c}, slog.New(slog.NewTextHandler(log, nil)))(ctx, e); err != nil {
		return answer{}, err
	}
	if ctx.Err() != nil {
		t.Error("the answer came when the Lambda's time was over")
	}
	var a answer
	if len(c.answers) != 1 || c.wrong != "" || json.Unmarshal(c.answers[0], &a) != nil {
		t.Fatalf("answered %s (%s)", c.answers, c.wrong)
	}
	if len(c.answers[0]) > 4096 || a.LogicalResourceId != "Logical" || a.StackId != "stack" {
		t.Errorf("answered %s", c.answers[0])
	}
	return a, nil
}

func ended(ctx context.Context) (customresource.Result, error) {
	<-ctx.Done()
	time.Sleep(time.Second) // tidying up takes its time
	return customresource.Result{Note: "left the bucket alone"}, nil
}

func TestAnswers(t *testing.T) {
	good := func(context.Context) (customresource.Result, error) {
		return customresource.Result{ID: "id-1", Data: map[string]string{"A": "b"}}, nil
	}
	failing := func(text string) do {
		return func(context.Context) (customresource.Result, error) { return customresource.Result{}, errors.New(text) }
	}
	const created, updated, deleted = `{"RequestType":"Create","RequestId":"r"}`, `{"RequestType":"Update","RequestId":"r","PhysicalResourceId":"id-0"}`, `{"RequestType":"Delete","RequestId":"r","PhysicalResourceId":"id-0"}`
	for _, c := range []struct {
		name, event              string
		do                       do
		status, id, reason, call string
	}{
		{"created", created, good, "SUCCESS", "id-1", "", "create"},
		{"updated", updated, good, "SUCCESS", "id-1", "", "update"},
		{"deleted", deleted, func(context.Context) (customresource.Result, error) { return customresource.Result{Note: "left"}, nil }, "SUCCESS", "id-0", "left", "delete"},
		{"failed", created, failing("srcBucket: " + strings.Repeat("ü", 2000)), "FAILED", "not-made-r", "srcBucket: ü", "create"},
		{"failed with what grows in JSON", created, failing("srcPrefix: " + strings.Repeat("\x00<\"", 1000)), "FAILED", "not-made-r", "srcPrefix: ", "create"},
		{"failed without a word", created, failing(""), "FAILED", "not-made-r", "gave no reason", "create"},
		{"what was not made is not deleted", `{"RequestType":"Delete","RequestId":"s","PhysicalResourceId":"not-made-r"}`, good, "SUCCESS", "not-made-r", "", ""},
		{"a panic", updated, func(context.Context) (customresource.Result, error) { panic("oh") }, "FAILED", "id-0", "panic: oh", "update"},
		{"one that is slow and heeds its end", deleted, ended, "SUCCESS", "id-0", "left the bucket alone", "delete"},
		{"one that hangs", created, func(context.Context) (customresource.Result, error) {
			time.Sleep(10 * time.Minute)
			return customresource.Result{}, nil
		}, "FAILED", "not-made-r", "did not end in the time", "create"},
		{"unknown", `{"RequestType":"Look","RequestId":"r"}`, good, "FAILED", "not-made-r", "Create, Update and Delete", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &resource{do: c.do}
				a, err := (&cloudFormation{refusals: 2}).handle(t, r, c.event, io.Discard)
				if err != nil {
					t.Fatal(err)
				}
				if a.Status != c.status || a.PhysicalResourceId != c.id || !strings.Contains(a.Reason, c.reason) || len(a.Reason) > 1000 || a.Status == "FAILED" && a.Reason == "" {
					t.Errorf("answered %+v", a)
				}
				time.Sleep(time.Hour) // what still hangs comes to its end
				synctest.Wait()
				if strings.Join(r.calls, " ") != c.call {
					t.Errorf("called %q", r.calls)
				}
			})
		})
	}
}

// An address that hangs is tried again; one that stays dead is an error, which holds no signature of the address.
func TestTheAddressForAnswersFails(t *testing.T) {
	good := func(context.Context) (customresource.Result, error) { return customresource.Result{ID: "id-1"}, nil }
	synctest.Test(t, func(t *testing.T) {
		if a, err := (&cloudFormation{hangs: 2}).handle(t, &resource{do: good}, `{"RequestType":"Create"}`, io.Discard); err != nil || a.Status != "SUCCESS" {
			t.Errorf("%+v, %v", a, err)
		}
	})
	for name, c := range map[string]*cloudFormation{"hangs": {hangs: 1 << 20}, "refuses": {refusals: 1 << 20}} {
		synctest.Test(t, func(t *testing.T) {
			_, err := c.handle(t, &resource{do: good}, `{"RequestType":"Create"}`, io.Discard)
			if err == nil || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "CloudFormation") {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

func TestAPanicIsLoggedWithItsPlace(t *testing.T) {
	var log bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		r := &resource{do: func(context.Context) (customresource.Result, error) { panic("oh") }}
		if _, err := (&cloudFormation{}).handle(t, r, `{"RequestType":"Create"}`, &log); err != nil {
			t.Error(err)
		}
	})
	if !strings.Contains(log.String(), "customresource_test.go") || strings.Contains(log.String(), "s3cret") {
		t.Errorf("the log says %s", &log)
	}
}

func TestNoRequest(t *testing.T) {
	h := customresource.Handler(&resource{}, http.DefaultClient, slog.New(slog.DiscardHandler))
	if err := h(t.Context(), customresource.Event{RequestType: "Create"}); err == nil {
		t.Error("an event without a URL for the answer was taken")
	}
}

// Whatever a request holds, it is answered with a whole document that is not too long, unless it names itself at greater
// length than CloudFormation does.
func FuzzHandler(f *testing.F) {
	f.Add([]byte(`{"RequestType":"Create","RequestId":"r","ResourceProperties":{"A":"b"}}`), "a reason", false)
	f.Add([]byte(`{"RequestType":"Delete","PhysicalResourceId":"not-made-r"}`), "\x00\xff\u2028", true)
	f.Add([]byte(`{"RequestType":1}`), "", true)
	f.Fuzz(func(t *testing.T, event []byte, reason string, fails bool) {
		var e customresource.Event
		if json.Unmarshal(event, &e) != nil || len(event) > 2000 {
			return
		}
		e.ResponseURL = address
		r := &resource{do: func(context.Context) (customresource.Result, error) {
			if fails {
				return customresource.Result{}, errors.New(reason)
			}
			return customresource.Result{Note: reason}, nil
		}}
		c := &cloudFormation{}
		if err := customresource.Handler(r, &http.Client{Transport: c}, slog.New(slog.DiscardHandler))(t.Context(), e); err != nil {
			t.Fatal(err)
		}
		var a answer
		if len(c.answers) != 1 || json.Unmarshal(c.answers[0], &a) != nil || a.PhysicalResourceId == "" || a.Status != "SUCCESS" && (a.Status != "FAILED" || a.Reason == "") {
			t.Errorf("%s is answered with %s", event, c.answers)
		}
		if len(event) < 400 && len(c.answers[0]) > 4096 {
			t.Errorf("the answer has %d bytes", len(c.answers[0]))
		}
	})
}
