package queueaws_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/queue"
	"github.com/datatransferhub/dth/worker/queue/queueaws"
	"github.com/datatransferhub/dth/worker/queue/queuetest"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/standin"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

var moto *standin.Server

func TestMain(m *testing.M) {
	os.Exit(standin.Run(m, func(s *standin.Server) { moto = s }))
}

// visibility is short, because the stand-in's clock is the real one.
const visibility = time.Second

func options() queueaws.Options {
	return queueaws.Options{Visibility: visibility, Retry: retry.Policy{Attempts: 4, Base: time.Millisecond, Cap: 10 * time.Millisecond}}
}

func create(t *testing.T, cfg aws.Config, in *sqs.CreateQueueInput) (url, arn string) {
	t.Helper()
	client := sqs.NewFromConfig(cfg)
	made, err := client.CreateQueue(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	got, err := client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: made.QueueUrl, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	})
	if err != nil {
		t.Fatal(err)
	}
	return *made.QueueUrl, got.Attributes["QueueArn"]
}

func open(t *testing.T, cfg aws.Config, url string) *queueaws.Queue {
	t.Helper()
	q, err := queueaws.Open(t.Context(), standinaws.Only(t, cfg, queueaws.Actions()), url, options())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	return q
}

// name makes queue names of test names.
func name(t *testing.T) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, t.Name()[max(0, len(t.Name())-70):])
}

func TestContract(t *testing.T) {
	queuetest.Run(t, func(t *testing.T) queuetest.Fixture {
		cfg := standinaws.Config(t, moto.URL)
		deadURL, deadARN := create(t, cfg, queueaws.QueueInput(name(t)+"-dead", ""))
		url, _ := create(t, cfg, queueaws.QueueInput(name(t), deadARN))
		return queuetest.Fixture{
			Queue: open(t, cfg, url), Dead: open(t, cfg, deadURL), Visibility: visibility,
			Elapse:           func(d time.Duration) { time.Sleep(d + 100*time.Millisecond) },
			KeepsOldReceipts: true,
		}
	})
}

// refuser answers batch calls in place of the service: it lets entries fail as it is told, and remembers what got through.
type refuser struct {
	mu      sync.Mutex
	calls   int
	bodies  []string
	sizes   []int
	verdict func(call int, body string) (code string, senderFault bool) // "" takes the entry
}

func (f *refuser) step(r standinaws.Request, _ func() (*http.Response, error)) (*http.Response, error) {
	var in struct {
		Entries []struct {
			ID                         string `json:"Id"`
			MessageBody, ReceiptHandle string
		}
	}
	if err := json.Unmarshal(r.Body, &in); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	size := 0
	type entry struct {
		ID          string `json:"Id"`
		Code        string `json:",omitempty"`
		SenderFault bool
	}
	var out struct{ Successful, Failed []entry }
	for _, e := range in.Entries {
		body := e.MessageBody + e.ReceiptHandle
		size += len(body)
		switch code, fault := f.verdict(f.calls, body); code {
		case "":
			out.Successful = append(out.Successful, entry{ID: e.ID})
			f.bodies = append(f.bodies, body)
		case "unnamed":
		default:
			out.Failed = append(out.Failed, entry{e.ID, code, fault})
		}
	}
	f.sizes = append(f.sizes, size)
	answer, err := json.Marshal(out)
	return standinaws.Answer(r, http.StatusOK, string(answer)), err
}

func (f *refuser) queue(t *testing.T) *queueaws.Queue {
	t.Helper()
	return open(t, standinaws.Between(standinaws.Config(t, "http://127.0.0.1:1"), f.step), "http://127.0.0.1:1/q")
}

func numbered(n int) []string {
	bodies := make([]string, n)
	for i := range bodies {
		bodies[i] = fmt.Sprintf("m%03d", i)
	}
	return bodies
}

func TestEntriesThatAreRefusedForAWhileAreSentAgain(t *testing.T) {
	for _, code := range []string{"InternalError", "ServiceUnavailable", "ThrottlingException", "unnamed"} {
		t.Run(code, func(t *testing.T) {
			seen := map[string]int{}
			f := &refuser{verdict: func(_ int, body string) (string, bool) {
				seen[body]++
				if seen[body] <= 2 && (body == "m003" || body == "m017" || body == "m022") {
					return code, false
				}
				return "", false
			}}
			bodies := numbered(25)
			if err := f.queue(t).Send(t.Context(), bodies); err != nil {
				t.Fatal(err)
			}
			slices.Sort(f.bodies)
			if diff := cmp.Diff(bodies, f.bodies); diff != "" {
				t.Error(diff)
			}
			if f.calls != 9 {
				t.Errorf("%d calls, want 3 and 2 more for each refused entry", f.calls)
			}
		})
	}
}

func TestEntriesThatStayRefusedAreNamed(t *testing.T) {
	f := &refuser{verdict: func(_ int, body string) (string, bool) {
		switch body {
		case "m004":
			return "InvalidMessageContents", true
		case "m011", "m029":
			return "InternalError", false
		}
		return "", false
	}}
	err := f.queue(t).Send(t.Context(), numbered(30))
	var batch *queue.BatchError
	if !errors.As(err, &batch) {
		t.Fatalf("the error is %v", err)
	}
	if diff := cmp.Diff([]int{4, 11, 29}, batch.Failed); diff != "" {
		t.Error(diff)
	}
	if len(f.bodies) != 27 {
		t.Errorf("%d messages arrived", len(f.bodies))
	}
}

func TestDeletingWhatIsGoneIsNoError(t *testing.T) {
	f := &refuser{verdict: func(int, string) (string, bool) { return "ReceiptHandleIsInvalid", true }}
	if err := f.queue(t).Delete(t.Context(), []queue.Message{{Receipt: "r"}}); err != nil {
		t.Error(err)
	}
	if err := f.queue(t).Extend(t.Context(), []queue.Message{{Receipt: "r"}}, time.Minute); err == nil {
		t.Error("extending it is one")
	}
}

func TestCallsStayWithinTheLimitOfBytes(t *testing.T) {
	f := &refuser{verdict: func(int, string) (string, bool) { return "", false }}
	bodies := make([]string, 23)
	for i := range bodies {
		bodies[i] = strings.Repeat("x", 60<<10)
	}
	q := f.queue(t)
	if err := q.Send(t.Context(), bodies); err != nil {
		t.Fatal(err)
	}
	if len(f.bodies) != len(bodies) || slices.Max(f.sizes) > 256<<10 {
		t.Errorf("%d messages in calls of %v bytes", len(f.bodies), f.sizes)
	}
	if err := q.Send(t.Context(), []string{strings.Repeat("x", 256<<10+1)}); err == nil {
		t.Error("a body beyond the limit was sent")
	}
}

func TestConnectionsStayFew(t *testing.T) {
	var mu sync.Mutex
	opened := 0
	service := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		time.Sleep(2 * time.Millisecond)
		_, _ = io.WriteString(w, tenSent())
	}))
	service.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			mu.Lock()
			opened++
			mu.Unlock()
		}
	}
	service.Start()
	defer service.Close()
	// Without a client of its own, a configuration has the SDK's, which would keep ten connections.
	q, err := queueaws.Open(t.Context(), serviceConfig(service.URL), service.URL+"/q", queueaws.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	var g errgroup.Group
	for range 40 {
		g.Go(func() error { return q.Send(t.Context(), numbered(300)) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if opened > 100 {
		t.Errorf("%d connections were opened for 1,200 calls", opened)
	}
}

func TestSendEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	step := func(r standinaws.Request, _ func() (*http.Response, error)) (*http.Response, error) {
		cancel()
		return standinaws.Answer(r, http.StatusServiceUnavailable, ``), nil
	}
	q := open(t, standinaws.Between(standinaws.Config(t, "http://127.0.0.1:1"), step), "http://127.0.0.1:1/q")
	err := q.Send(ctx, numbered(5000))
	var batch *queue.BatchError
	if !errors.As(err, &batch) || len(batch.Failed) != 5000 {
		t.Errorf("the error is %v", err)
	}
}

func TestCallsThatFailAsAWhole(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		fails  int // calls that fail before one gets through; -1: all
		class  failure.Class
	}{
		{"throttled", 400, `{"__type":"com.amazonaws.sqs#ThrottlingException","message":"slow down"}`, 2, failure.None},
		{"unavailable", 503, `<html>`, 2, failure.None},
		{"always unavailable", 500, `{"__type":"InternalFailure"}`, -1, failure.Server},
		{"no queue", 400, `{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"gone"}`, -1, failure.NotFound},
		{"denied", 403, `{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"no"}`, -1, failure.AccessDenied},
		{"unknown keys", 403, `{"__type":"com.amazon.coral.service#UnrecognizedClientException"}`, -1, failure.BadCredentials},
		{"key refused", 400, `{"__type":"com.amazonaws.sqs#KmsDisabled"}`, -1, failure.KMS},
		{"connection lost", 0, "", 2, failure.None},
		{"connection always lost", 0, "", -1, failure.Network},
	} {
		t.Run(c.name, func(t *testing.T) {
			calls := 0
			step := func(r standinaws.Request, _ func() (*http.Response, error)) (*http.Response, error) {
				calls++
				switch {
				case c.fails >= 0 && calls > c.fails:
					return standinaws.Answer(r, http.StatusOK, `{"Successful":[{"Id":"0"}]}`), nil
				case c.status == 0:
					return nil, io.ErrUnexpectedEOF
				}
				return standinaws.Answer(r, c.status, c.body), nil
			}
			q := open(t, standinaws.Between(standinaws.Config(t, "http://127.0.0.1:1"), step), "http://127.0.0.1:1/q")
			err := q.Send(t.Context(), []string{"m"})
			if c.fails >= 0 {
				if err != nil || calls != c.fails+1 {
					t.Errorf("after %d calls: %v", calls, err)
				}
				return
			}
			var batch *queue.BatchError
			if !errors.As(err, &batch) || len(batch.Failed) != 1 || failure.ClassOf(err) != c.class {
				t.Errorf("the error is of class %q: %v", failure.ClassOf(err), err)
			}
			if want := 1; !c.class.Retryable() && calls != want {
				t.Errorf("%d calls although the answer will not change", calls)
			}
		})
	}
}

func TestSenderNeedsOnlyItsActions(t *testing.T) {
	cfg := standinaws.Config(t, moto.URL)
	url, _ := create(t, cfg, queueaws.QueueInput(name(t), ""))
	q, err := queueaws.Open(t.Context(), standinaws.Only(t, cfg, queueaws.SenderActions()), url, options())
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	if err := q.Send(t.Context(), []string{"m"}); err != nil {
		t.Error(err)
	}
	if d, err := q.Depth(t.Context()); err != nil || d.Visible != 1 {
		t.Errorf("%+v, %v", d, err)
	}
}
