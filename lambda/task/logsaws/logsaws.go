// Package logsaws reads the logs of tasks' stacks in Amazon CloudWatch Logs.
package logsaws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"

	"github.com/datatransferhub/dth/lambda/task"
	ecr "github.com/datatransferhub/dth/plugins/ecr/wiring"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
)

// Actions returns the IAM actions on the log groups of tasks.
func Actions() []string { return []string{"logs:DescribeLogStreams", "logs:FilterLogEvents"} }

// Logs implements task.Logs.
type Logs struct{ client *cloudwatchlogs.Client }

var _ task.Logs = (*Logs)(nil)

// Open returns the logs. It makes no call.
func Open(cfg aws.Config) *Logs { return &Logs{cloudwatchlogs.NewFromConfig(cfg)} }

// group returns the log group of a source. Its name begins with that of the task's stack, so that nobody reads the logs of
// anything else.
func group(t *task.Task, source task.LogSource) (string, error) {
	programs := map[string]map[task.LogSource]string{
		"S3":  {task.FinderLog: wiring.LogFinder, task.WorkerLog: wiring.LogWorker, task.ControllerLog: wiring.Multipart},
		"ECR": {task.FinderLog: ecr.ImagePlan, task.WorkerLog: ecr.Container, task.ControllerLog: ecr.ImageControl},
	}[t.Type]
	if programs[source] == "" {
		return "", &task.Error{
			Code: task.Invalid, Field: "source", Value: string(source), Message: fmt.Sprintf("tasks of type %s have no such log", t.Type), Next: "ask for another source",
		}
	}
	return wiring.LogRoot + t.Stack.Name + "/" + programs[source], nil
}

// maxStreams is what DescribeLogStreams gives at once.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogStreams.html
const maxStreams = 50

// Streams implements task.Logs. CloudWatch Logs knows the time of a stream's last line with some delay.
func (l *Logs) Streams(ctx context.Context, t task.Task, source task.LogSource, first int, after string) (task.Streams, error) {
	name, err := group(&t, source)
	if err != nil {
		return task.Streams{}, err
	}
	in := &cloudwatchlogs.DescribeLogStreamsInput{
		LogGroupName: &name, OrderBy: types.OrderByLastEventTime, Descending: aws.Bool(true), Limit: aws.Int32(int32(min(first, maxStreams))), NextToken: token(after),
	}
	out, err := l.client.DescribeLogStreams(ctx, in)
	if gone(err) {
		return task.Streams{}, nil
	}
	if err != nil {
		return task.Streams{}, explain("listing the streams of log group "+name, after, err)
	}
	page := task.Streams{Next: aws.ToString(out.NextToken)}
	for _, s := range out.LogStreams {
		began := s.FirstEventTimestamp
		if began == nil {
			began = s.CreationTime
		}
		page.Streams = append(page.Streams, task.Stream{Name: aws.ToString(s.LogStreamName), First: moment(began), End: moment(s.LastEventTimestamp)})
	}
	return page, nil
}

// maxEmpty is how many pages without a line are read for one: CloudWatch Logs searches a bounded amount for each, and takes a
// few calls a second of an account.
const maxEmpty = 8

// Lines implements task.Logs. Times are those of the lines, in milliseconds.
func (l *Logs) Lines(ctx context.Context, t task.Task, q task.LogQuery) (task.Lines, error) {
	name, err := group(&t, q.Source)
	if err != nil {
		return task.Lines{}, err
	}
	in := &cloudwatchlogs.FilterLogEventsInput{
		LogGroupName: &name, StartTime: aws.Int64(q.From.UnixMilli()), EndTime: aws.Int64(last(q.To)), Limit: aws.Int32(int32(q.First)), NextToken: token(q.After),
	}
	if q.Stream != "" {
		if !streamName.MatchString(q.Stream) {
			return task.Lines{}, noStream(q.Stream, "a log stream's name has 1 to 512 characters without : and *")
		}
		in.LogStreamNames = []string{q.Stream}
	}
	find := search(q.Text)
	if find.pattern != "" {
		in.FilterPattern = &find.pattern
	}
	var page task.Lines
	for range maxEmpty {
		out, err := l.client.FilterLogEvents(ctx, in)
		switch {
		case gone(err) && q.Stream != "":
			return task.Lines{}, noStream(q.Stream, "the task has no such log stream")
		case gone(err):
			return task.Lines{}, nil
		case err != nil:
			return task.Lines{}, explain("searching log group "+name, q.After, err)
		}
		for _, e := range out.Events {
			if text := aws.ToString(e.Message); find.in(text) {
				page.Lines = append(page.Lines, task.Line{At: moment(e.Timestamp), Stream: aws.ToString(e.LogStreamName), Text: strings.TrimRight(text, "\n")})
			}
		}
		page.Next = aws.ToString(out.NextToken)
		if len(page.Lines) > 0 || page.Next == "" {
			break
		}
		in.NextToken = out.NextToken
	}
	return page, nil
}

// last is the last millisecond before a time: the end that CloudWatch Logs takes is included.
func last(to time.Time) int64 { return to.Add(-time.Nanosecond).UnixMilli() }

// streamName is what a log stream may be called.
// https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_LogStream.html
var streamName = regexp.MustCompile(`^[^:*]{1,512}$`)

func noStream(name, why string) error {
	return &task.Error{Code: task.Invalid, Field: "stream", Value: name, Message: why, Next: "choose one of the list of streams"}
}

// searched is a text that is looked for.
type searched struct {
	pattern string   // that CloudWatch Logs looks for; "": it gives all lines
	texts   []string // one of which a line contains
}

// maxPattern is the longest pattern that CloudWatch Logs takes, in characters.
const maxPattern = 1024

// search prepares the search for a text. Lines are JSON: a key with a quotation mark stands in them escaped, so both forms are
// looked for. What is too long for a pattern is looked for by its beginning, and by all of it in what comes back.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
func search(text string) searched {
	if text == "" {
		return searched{}
	}
	s := searched{texts: []string{text}}
	if written := inJSON(text); written != text {
		s.texts = append(s.texts, written)
	}
	if len(s.texts) == 1 {
		s.pattern = quote(text, maxPattern)
		return s
	}
	each := maxPattern/2 - len(`? `)
	s.pattern = "?" + quote(s.texts[0], each) + " ?" + quote(s.texts[1], each)
	return s
}

func (s searched) in(line string) bool {
	for _, text := range s.texts {
		if strings.Contains(line, text) {
			return true
		}
	}
	return len(s.texts) == 0
}

// quote writes a text as a term of a pattern of up to so many bytes, cut off between two characters.
func quote(text string, most int) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
		if b.Len()+utf8.RuneLen(r)+len(`\"`) > most {
			break
		}
		if r == '"' || r == '\\' {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String() + `"`
}

// inJSON is a text as it stands in a line of JSON.
func inJSON(text string) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // package slog does not
	if e.Encode(text) != nil {
		return text
	}
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(b.String()), `"`), `"`)
}

func token(after string) *string {
	if after == "" {
		return nil
	}
	return &after
}

func moment(millis *int64) time.Time {
	if millis == nil {
		return time.Time{}
	}
	return time.UnixMilli(*millis).UTC()
}

func gone(err error) bool {
	var missing *types.ResourceNotFoundException
	return errors.As(err, &missing)
}

// explain tells a token that CloudWatch Logs does not know (any more: they are good for a day) from other failures.
func explain(doing, after string, err error) error {
	var invalid *types.InvalidParameterException
	if after != "" && errors.As(err, &invalid) {
		return task.ErrCursor
	}
	return fmt.Errorf("%s: %w", doing, err)
}
