package logsaws_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/lambda/task/logsaws"
	"github.com/datatransferhub/dth/worker/standin"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

var moto *standin.Server

func TestMain(m *testing.M) { os.Exit(standin.Run(m, func(s *standin.Server) { moto = s })) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var began = time.Now().UTC().Truncate(time.Minute).Add(-time.Hour)

// write writes lines, a second apart from a minute on, to a stream that it makes.
func write(t *testing.T, group, stream string, minute int, lines ...string) {
	t.Helper()
	client := cloudwatchlogs.NewFromConfig(standinaws.Config(t, moto.URL))
	_, err := client.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &group})
	var there *types.ResourceAlreadyExistsException
	if err != nil && !errors.As(err, &there) {
		t.Fatal(err)
	}
	_, err = client.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &stream})
	must(t, err)
	in := &cloudwatchlogs.PutLogEventsInput{LogGroupName: &group, LogStreamName: &stream}
	for i, text := range lines {
		at := began.Add(time.Duration(minute)*time.Minute + time.Duration(i)*time.Second)
		in.LogEvents = append(in.LogEvents, types.InputLogEvent{Message: &text, Timestamp: aws.Int64(at.UnixMilli())})
	}
	_, err = client.PutLogEvents(t.Context(), in)
	must(t, err)
}

func open(t *testing.T) *logsaws.Logs {
	return logsaws.Open(standinaws.Only(t, standinaws.Config(t, moto.URL), logsaws.Actions()))
}

func taskOf(id string) task.Task {
	return task.Task{ID: id, Type: "S3", Stack: task.Stack{Name: task.StackName(id), ID: "arn:stack"}}
}

// Streams come the newest first, page by page, and are those of the task's own group.
func TestStreams(t *testing.T) {
	own := taskOf("t-streams")
	for i := range 5 {
		write(t, "/datatransferhub/DTH-t-streams/worker", fmt.Sprintf("w-%d", i), i, "x", "y")
	}
	write(t, "/datatransferhub/DTH-t-streams/finder", "f", 9, "x")
	write(t, "/datatransferhub/DTH-t-other/worker", "theirs", 9, "x")
	var names []string
	after := ""
	for pages := 1; ; pages++ {
		page, err := open(t).Streams(t.Context(), own, task.WorkerLog, 2, after)
		must(t, err)
		for _, s := range page.Streams {
			names = append(names, s.Name)
			if s.Name == "w-3" && (!s.First.Equal(began.Add(3*time.Minute)) || !s.End.Equal(began.Add(3*time.Minute+time.Second))) {
				t.Errorf("the stream is from %s to %s", s.First, s.End)
			}
		}
		if after = page.Next; after == "" || pages == 5 {
			break
		}
	}
	if want := []string{"w-4", "w-3", "w-2", "w-1", "w-0"}; !slices.Equal(names, want) {
		t.Errorf("the streams are %v, want %v", names, want)
	}
	if page, err := open(t).Streams(t.Context(), taskOf("t-new"), task.ControllerLog, 2, ""); err != nil || len(page.Streams) > 0 {
		t.Errorf("a task without logs has %v, %v", page, err)
	}
}

// Lines are found by an object's key, in one stream or in all, within a time whose end is left out.
func TestLines(t *testing.T) {
	own := taskOf("t-lines")
	const group = "/datatransferhub/DTH-t-lines/worker"
	write(t, group, "a", 0, `{"msg":"object","key":"photos/1 a.jpg"}`, `{"msg":"object","key":"photos/2.jpg"}`, `{"msg":"object","key":"odd\"name"}`)
	write(t, group, "b", 10, `{"msg":"object","key":"photos/1 a.jpg"}`, `{"msg":"heart beat"}`)
	all := task.LogQuery{Source: task.WorkerLog, From: began, To: began.Add(time.Hour), First: 100}
	for name, c := range map[string]struct {
		change func(*task.LogQuery)
		want   []string // stream and second
	}{
		"all":              {func(*task.LogQuery) {}, []string{"a 0", "a 1", "a 2", "b 600", "b 601"}},
		"a key":            {func(q *task.LogQuery) { q.Text = "photos/1 a" }, []string{"a 0", "b 600"}},
		"a key to escape":  {func(q *task.LogQuery) { q.Text = `odd"name` }, []string{"a 2"}},
		"as it is written": {func(q *task.LogQuery) { q.Text = `"msg":"heart` }, []string{"b 601"}},
		"one stream":       {func(q *task.LogQuery) { q.Stream, q.Text = "b", "photos/1 a" }, []string{"b 600"}},
		"a time":           {func(q *task.LogQuery) { q.From, q.To = began.Add(time.Second), began.Add(10*time.Minute) }, []string{"a 1", "a 2"}},
		"nothing":          {func(q *task.LogQuery) { q.Text = "absent" }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			q := all
			c.change(&q)
			page, err := open(t).Lines(t.Context(), own, q)
			must(t, err)
			var got []string
			for _, l := range page.Lines {
				got = append(got, fmt.Sprintf("%s %d", l.Stream, int(l.At.Sub(began).Seconds())))
			}
			if !slices.Equal(got, c.want) || page.Next != "" {
				t.Errorf("found %v, more: %q", got, page.Next)
			}
		})
	}
	q, n := all, 0
	for q.First = 2; ; n++ {
		page, err := open(t).Lines(t.Context(), own, q)
		must(t, err)
		if q.After = page.Next; q.After == "" || n == 5 {
			break
		}
	}
	if n != 2 {
		t.Errorf("five lines are on %d pages of two", n+1)
	}
}

// What cannot be is refused, and names the field.
func TestRefusals(t *testing.T) {
	write(t, "/datatransferhub/DTH-t-no/finder", "f", 0, "x")
	q := task.LogQuery{Source: task.FinderLog, From: began, To: began.Add(time.Hour), First: 1}
	for name, c := range map[string]struct {
		kind   string
		stream string
		field  string
	}{
		"a stream's form": {"S3", "a:b", "stream"},
		"a kind of task":  {"Other", "", "source"},
	} {
		own := taskOf("t-no")
		own.Type, q.Stream = c.kind, c.stream
		_, err := open(t).Lines(t.Context(), own, q)
		var told *task.Error
		if !errors.As(err, &told) || told.Code != task.Invalid || told.Field != c.field || told.Next == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type asked struct {
	FilterPattern, NextToken, LogGroupName string
	StartTime, EndTime                     int64
}

// answering opens logs whose service gives these answers, one after the other, the last one for good.
func answering(t *testing.T, seen *[]asked, answers ...func(standinaws.Request) *http.Response) *logsaws.Logs {
	cfg := standinaws.Only(t, standinaws.Config(t, "http://127.0.0.1:1"), logsaws.Actions())
	cfg.RetryMaxAttempts = 1
	return logsaws.Open(standinaws.Between(cfg, func(r standinaws.Request, _ func() (*http.Response, error)) (*http.Response, error) {
		var a asked
		must(t, json.Unmarshal(r.Body, &a))
		*seen = append(*seen, a)
		return answers[min(len(*seen), len(answers))-1](r), nil
	}))
}

func body(status int, text string) func(standinaws.Request) *http.Response {
	return func(r standinaws.Request) *http.Response { return standinaws.Answer(r, status, text) }
}

var query = task.LogQuery{Source: task.WorkerLog, From: began, To: began.Add(time.Hour), First: 10}

// A search over much text answers with empty pages first; a few are read for one answer, and no more.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
func TestEmptyPages(t *testing.T) {
	var seen []asked
	found := body(200, `{"events":[{"logStreamName":"s","timestamp":1700000000123,"message":"has the key","ingestionTime":1700000000999,"eventId":"1"}],"nextToken":"t-2","searchedLogStreams":[]}`)
	page, err := answering(t, &seen, body(200, `{"events":[],"nextToken":"t-1"}`), found).Lines(t.Context(), taskOf("t-1"), query)
	must(t, err)
	if len(page.Lines) != 1 || !page.Lines[0].At.Equal(time.UnixMilli(1700000000123)) || page.Next != "t-2" || len(seen) != 2 || seen[1].NextToken != "t-1" {
		t.Errorf("the page is %+v after %+v", page, seen)
	}
	if seen[0].EndTime-seen[0].StartTime != time.Hour.Milliseconds()-1 || seen[0].LogGroupName != "/datatransferhub/DTH-t-1/worker" {
		t.Errorf("asked for %+v", seen[0])
	}
	seen = nil
	page, err = answering(t, &seen, body(200, `{"events":[],"nextToken":"on"}`)).Lines(t.Context(), taskOf("t-1"), query)
	if err != nil || page.Next != "on" || len(page.Lines) > 0 || len(seen) != 8 {
		t.Errorf("%d calls, then %+v, %v", len(seen), page, err)
	}
}

func TestErrors(t *testing.T) {
	for name, c := range map[string]struct {
		after, stream string
		answer        string
		want          func(error) bool
	}{
		"an old cursor":  {"old", "", `{"__type":"InvalidParameterException","message":"The specified nextToken is invalid."}`, func(err error) bool { return errors.Is(err, task.ErrCursor) }},
		"no such stream": {"", "x", `{"__type":"ResourceNotFoundException","message":"The specified log stream does not exist."}`, func(err error) bool { return task.Is(err, task.Invalid) }},
		"no group":       {"", "", `{"__type":"ResourceNotFoundException","message":"The specified log group does not exist."}`, func(err error) bool { return err == nil }},
		"anything else":  {"", "", `{"__type":"ThrottlingException","message":"Rate exceeded"}`, func(err error) bool { return err != nil && strings.Contains(err.Error(), "/worker") }},
	} {
		t.Run(name, func(t *testing.T) {
			var seen []asked
			q := query
			q.After, q.Stream = c.after, c.stream
			if _, err := answering(t, &seen, body(400, c.answer)).Lines(t.Context(), taskOf("t-1"), q); !c.want(err) {
				t.Errorf("the error is %v", err)
			}
		})
	}
	var seen []asked
	if _, err := answering(t, &seen, body(400, `{"__type":"InvalidParameterException"}`)).Streams(t.Context(), taskOf("t-1"), task.FinderLog, 1, "old"); !errors.Is(err, task.ErrCursor) {
		t.Errorf("streams with an old cursor: %v", err)
	}
}

// patternOf returns what CloudWatch Logs is asked to look for.
func patternOf(t *testing.T, text string) string {
	var seen []asked
	q := query
	q.Text = text
	_, err := answering(t, &seen, body(200, `{"events":[]}`)).Lines(t.Context(), taskOf("t-1"), q)
	must(t, err)
	return seen[0].FilterPattern
}

func TestPatterns(t *testing.T) {
	for text, want := range map[string]string{
		"":        "",
		"a/b c":   `"a/b c"`,
		"<ü>&":    `"<ü>&"`,
		`say "x"`: `?"say \"x\"" ?"say \\\"x\\\""`,
	} {
		if got := patternOf(t, text); got != want {
			t.Errorf("%s is looked for by %s, want %s", text, got, want)
		}
	}
}

// However odd the text, the pattern is a term or two, and not too long.
func FuzzPattern(f *testing.F) {
	f.Add("photos/1.jpg")
	f.Add(strings.Repeat(`"\`, 500))
	f.Add(strings.Repeat("語", 340))
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1024 {
			return
		}
		pattern := patternOf(t, strings.ToValidUTF8(text, "?"))
		if len(pattern) > 1024 || text != "" && !strings.HasSuffix(pattern, `"`) {
			t.Errorf("%d bytes: %s", len(pattern), pattern)
		}
	})
}

// The programs of a task that copies images have logs of their own.
func TestLogsOfImages(t *testing.T) {
	own := taskOf("t-images")
	own.Type = "ECR"
	for source, program := range map[task.LogSource]string{task.FinderLog: "imageplan", task.WorkerLog: "copier", task.ControllerLog: "imagecontrol"} {
		write(t, "/datatransferhub/DTH-t-images/"+program, "s", 1, "of "+program)
		page, err := open(t).Lines(t.Context(), own, task.LogQuery{Source: source, From: began, To: began.Add(time.Hour), First: 10})
		must(t, err)
		if len(page.Lines) != 1 || page.Lines[0].Text != "of "+program {
			t.Errorf("%s: %+v", source, page.Lines)
		}
	}
}
