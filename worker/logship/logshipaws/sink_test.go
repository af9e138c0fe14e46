package logshipaws_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"github.com/datatransferhub/dth/worker/logship"
	"github.com/datatransferhub/dth/worker/logship/logshipaws"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/standin"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

var moto *standin.Server

func TestMain(m *testing.M) {
	os.Exit(standin.Run(m, func(s *standin.Server) { moto = s }))
}

// group makes a log group for a test.
func group(t *testing.T) (cfg aws.Config, name string) {
	t.Helper()
	cfg = standinaws.Config(t, moto.URL)
	name = "/dth/" + t.Name()
	if _, err := cloudwatchlogs.NewFromConfig(cfg).CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &name}); err != nil {
		t.Fatal(err)
	}
	return cfg, name
}

func sink(t *testing.T, cfg aws.Config, name string) *logshipaws.Sink {
	t.Helper()
	s, err := logshipaws.Open(standinaws.Only(t, cfg, logshipaws.Actions()), name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// texts are the messages of a stream.
func texts(t *testing.T, cfg aws.Config, group, stream string) (lines []string) {
	t.Helper()
	client := cloudwatchlogs.NewFromConfig(cfg)
	for in := (&cloudwatchlogs.GetLogEventsInput{LogGroupName: &group, LogStreamName: &stream, StartFromHead: aws.Bool(true)}); ; {
		out, err := client.GetLogEvents(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range out.Events {
			lines = append(lines, *e.Message)
		}
		if len(out.Events) == 0 {
			return lines
		}
		in.NextToken = out.NextForwardToken
	}
}

func TestPutMakesStreams(t *testing.T) {
	cfg, name := group(t)
	s := sink(t, cfg, name)
	now := time.Now().UnixMilli()
	for _, stream := range []string{"a", "b", "a"} {
		r, err := s.Put(t.Context(), stream, []logship.Event{{Millis: now - 5, Text: "one"}, {Millis: now, Text: `{"two":"é"}`}})
		if err != nil || r != (logship.Rejected{}) {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	for stream, want := range map[string][]string{"a": {"one", `{"two":"é"}`, "one", `{"two":"é"}`}, "b": {"one", `{"two":"é"}`}} {
		got := texts(t, cfg, name, stream)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("stream %s has %q", stream, got)
		}
	}
}

// Another process may make the stream between the two calls.
func TestStreamThatIsThereAlready(t *testing.T) {
	cfg, name := group(t)
	between := standinaws.Between(cfg, func(r standinaws.Request, next func() (*http.Response, error)) (*http.Response, error) {
		if r.Operation == "CreateLogStream" {
			if _, err := cloudwatchlogs.NewFromConfig(cfg).CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &name, LogStreamName: aws.String("s")}); err != nil {
				t.Error(err)
			}
		}
		return next()
	})
	if _, err := sink(t, between, name).Put(t.Context(), "s", []logship.Event{{Millis: time.Now().UnixMilli(), Text: "x"}}); err != nil {
		t.Error(err)
	}
}

func TestMissingGroupIsNamed(t *testing.T) {
	_, err := sink(t, standinaws.Config(t, moto.URL), "/none").Put(t.Context(), "s", []logship.Event{{Millis: time.Now().UnixMilli(), Text: "x"}})
	var final interface{ Permanent() bool }
	if err == nil || !strings.Contains(err.Error(), "/none") || errors.As(err, &final) {
		t.Errorf("%v", err) // the group may yet be made
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, tt := range []struct{ region, group, says string }{
		{"us-east-1", "", "1 to 512"}, {"us-east-1", "a b", "1 to 512"}, {"us-east-1", strings.Repeat("x", 513), "1 to 512"}, {"", "/dth", "AWS_REGION"},
	} {
		if _, err := logshipaws.Open(aws.Config{Region: tt.region}, tt.group); err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%q in %q: %v", tt.group, tt.region, err)
		}
	}
}

// What the service says of single events and of whole batches is understood.
func TestAnswers(t *testing.T) {
	cfg := standinaws.Config(t, "http://127.0.0.1:1")
	for _, tt := range []struct {
		status    int
		body      string
		want      logship.Rejected
		fails     bool
		permanent bool
	}{
		{200, `{}`, logship.Rejected{}, false, false},
		{200, `{"rejectedLogEventsInfo":{}}`, logship.Rejected{}, false, false},
		{200, `{"rejectedLogEventsInfo":{"tooOldLogEventEndIndex":2,"expiredLogEventEndIndex":3,"tooNewLogEventStartIndex":4}}`, logship.Rejected{Old: 3, New: 1}, false, false},
		{200, `{"rejectedLogEventsInfo":{"tooOldLogEventEndIndex":99,"tooNewLogEventStartIndex":-1}}`, logship.Rejected{Old: 5, New: 5}, false, false},
		{400, `{"__type":"InvalidParameterException","message":"no"}`, logship.Rejected{}, true, true},
		{400, `{"__type":"ThrottlingException","message":"slower"}`, logship.Rejected{}, true, false},
		{400, `{"__type":"AccessDeniedException","message":"no"}`, logship.Rejected{}, true, false},
		{500, `{"__type":"ServiceUnavailableException","message":"later"}`, logship.Rejected{}, true, false},
	} {
		calls := 0
		answering := standinaws.Between(cfg, func(r standinaws.Request, _ func() (*http.Response, error)) (*http.Response, error) {
			calls++
			return standinaws.Answer(r, tt.status, tt.body), nil
		})
		got, err := sink(t, answering, "/dth").Put(t.Context(), "s", make([]logship.Event, 5))
		var final interface{ Permanent() bool }
		if got != tt.want || (err != nil) != tt.fails || errors.As(err, &final) != tt.permanent || calls != 1 {
			t.Errorf("%s: %+v, %v, %d calls", tt.body, got, err, calls)
		}
	}
}

// A log is shipped through throttling, failures and lost answers: every line arrives, and only those of lost answers twice.
func TestLogOverFaultyService(t *testing.T) {
	cfg, name := group(t)
	var calls, doubled atomic.Int64
	faulty := standinaws.Between(cfg, func(r standinaws.Request, next func() (*http.Response, error)) (*http.Response, error) {
		switch calls.Add(1) % 5 {
		case 1:
			return standinaws.Answer(r, http.StatusBadRequest, `{"__type":"ThrottlingException","message":"slower"}`), nil
		case 2:
			return nil, errors.New("connection reset")
		case 3:
			resp, err := next()
			if err != nil || resp.StatusCode != http.StatusOK || r.Operation != "PutLogEvents" {
				return resp, err
			}
			doubled.Add(1)
			return nil, errors.Join(errors.New("the answer is lost"), resp.Body.Close())
		}
		return next()
	})
	log, err := logship.Open(logship.Config{
		Sink: sink(t, faulty, name), Stream: "s", Dir: t.TempDir(), Every: 10 * time.Millisecond, Retry: retry.Policy{Base: time.Millisecond, Cap: 5 * time.Millisecond},
	})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for i := range 2000 {
		line := fmt.Sprintf(`{"msg":"line","n":"%04d","text":%q}`, i, strings.Repeat("é", 400))
		want = append(want, line)
		if _, err := fmt.Fprintln(log, line); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := slices.DeleteFunc(texts(t, cfg, name, "s"), func(line string) bool { return !strings.Contains(line, `"n":`) })
	again := len(got)
	slices.Sort(got)
	if got = slices.Compact(got); !slices.Equal(got, want) {
		t.Errorf("%d different lines arrived, want %d", len(got), len(want))
	}
	if again > len(want) && doubled.Load() == 0 {
		t.Errorf("%d lines arrived, and no answer was lost", again)
	}
}
