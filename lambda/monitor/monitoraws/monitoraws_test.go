package monitoraws_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/datatransferhub/dth/lambda/finderlaunch"
	"github.com/datatransferhub/dth/lambda/monitor"
	"github.com/datatransferhub/dth/lambda/monitor/monitoraws"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

// serving answers every call of a configuration that may do what the package declares.
func serving(t *testing.T, handle func(r standinaws.Request) (status int, header http.Header, body string)) aws.Config {
	bus, launcher := monitoraws.Actions()
	cfg := standinaws.Only(t, standinaws.Config(t, "http://127.0.0.1:1"), slices.Concat(bus, launcher))
	cfg.RetryMaxAttempts = 1
	return standinaws.Between(cfg, func(r standinaws.Request, _ func() (*http.Response, error)) (*http.Response, error) {
		status, header, body := handle(r)
		if header == nil {
			header = http.Header{}
		}
		return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body))}, nil
	})
}

type entry struct {
	Source, DetailType, Detail string
	Resources                  []string
}

// bus takes events, ten a call; it refuses the entries of some runs so many times.
type bus struct {
	t        *testing.T
	refusals map[string]int
	calls    int
	taken    []string // kind and run
	last     entry
}

func (b *bus) serve(r standinaws.Request) (int, http.Header, string) {
	b.calls++
	var in struct{ Entries []entry }
	if err := json.Unmarshal(r.Body, &in); err != nil || len(in.Entries) == 0 || len(in.Entries) > 10 {
		b.t.Errorf("%d entries, %v", len(in.Entries), err)
	}
	failed := 0
	var results []string
	for _, e := range in.Entries {
		var d monitor.Detail
		if err := json.Unmarshal([]byte(e.Detail), &d); err != nil {
			b.t.Error(err)
		}
		if b.refusals[d.Run] > 0 {
			b.refusals[d.Run]--
			failed++
			results = append(results, `{"ErrorCode":"InternalFailure","ErrorMessage":"busy"}`)
			continue
		}
		b.taken, b.last = append(b.taken, e.DetailType+" "+d.Run), e
		results = append(results, `{"EventId":"e"}`)
	}
	return http.StatusOK, nil, fmt.Sprintf(`{"FailedEntryCount":%d,"Entries":[%s]}`, failed, strings.Join(results, ","))
}

func events(n int) (all []monitor.Event) {
	for i := range n {
		all = append(all, monitor.Event{Kind: "RunProgress", Detail: monitor.Detail{StackID: "id", Run: fmt.Sprint(i), State: run.Copying, Started: time.Unix(0, 0).UTC()}})
	}
	return all
}

// Every event is told, however many there are, and those that the bus refuses are told again.
func TestTell(t *testing.T) {
	b := &bus{t: t, refusals: map[string]int{"3": 1, "24": 2}}
	s := monitoraws.Open(serving(t, b.serve), "")
	if err := s.Tell(t.Context(), events(25)); err != nil {
		t.Fatal(err)
	}
	slices.Sort(b.taken)
	if len(b.taken) != 25 || len(slices.Compact(b.taken)) != 25 {
		t.Errorf("told %q", b.taken)
	}
	if b.last.Source != "datatransferhub.s3" || strings.Join(b.last.Resources, "") != "id" || !strings.Contains(b.last.Detail, `"state":"COPYING"`) {
		t.Errorf("told %+v", b.last)
	}
	before := b.calls
	if err := s.Tell(t.Context(), nil); err != nil || b.calls != before {
		t.Errorf("nothing was told by %d calls, %v", b.calls-before, err)
	}
}

func TestABusThatFails(t *testing.T) {
	s := monitoraws.Open(serving(t, func(standinaws.Request) (int, http.Header, string) {
		return http.StatusBadRequest, nil, `{"__type":"AccessDeniedException","message":"not allowed"}`
	}), "")
	if err := s.Tell(t.Context(), events(1)); err == nil || !strings.Contains(err.Error(), "not allowed") {
		t.Error(err)
	}
}

// A finder is asked for so that one request starts one, and an error of its launcher is one of ours.
func TestFindersAreAskedFor(t *testing.T) {
	status, header, body := http.StatusOK, http.Header{}, `{}`
	var path string
	var payload []byte
	s := monitoraws.Open(serving(t, func(r standinaws.Request) (int, http.Header, string) {
		path, payload = r.HTTP.URL.Path, r.Body
		return status, header, body
	}), "launcher")
	if err := s.Close(t.Context(), "run-1", "close-2"); err != nil || !strings.Contains(path, "/functions/launcher/invocations") {
		t.Errorf("%s: %v", path, err)
	}
	r, err := finderlaunch.Parse(payload)
	if err != nil || r != (finderlaunch.Request{Mode: finderlaunch.Close, Run: "run-1", ID: "close-2"}) {
		t.Errorf("asked for %s: %v", payload, err)
	}
	if err := s.Resume(t.Context(), "resume-1"); err != nil {
		t.Error(err)
	}
	if r, err = finderlaunch.Parse(payload); err != nil || r != (finderlaunch.Request{Mode: finderlaunch.Pass, ID: "resume-1"}) {
		t.Errorf("asked for %s: %v", payload, err)
	}
	header.Set("X-Amz-Function-Error", "Unhandled")
	body = `{"errorMessage":"no capacity"}`
	if err := s.Close(t.Context(), "run-1", "close-3"); err == nil || !strings.Contains(err.Error(), "no capacity") {
		t.Errorf("the launcher failed: %v", err)
	}
	status, body = http.StatusNotFound, `{"Type":"User","Message":"no such function"}`
	header.Del("X-Amz-Function-Error")
	var unwrapped interface{ HTTPStatusCode() int }
	if err := s.Close(t.Context(), "run-1", "close-4"); !errors.As(err, &unwrapped) || unwrapped.HTTPStatusCode() != http.StatusNotFound {
		t.Errorf("there is no launcher: %v", err)
	}
}
