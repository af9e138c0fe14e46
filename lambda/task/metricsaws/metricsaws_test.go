package metricsaws_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go/encoding/cbor"
	"go.uber.org/goleak"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/lambda/task/metricsaws"
	"github.com/datatransferhub/dth/lambda/task/tasksim"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var now = time.Now().UTC().Truncate(time.Hour)

func newCloud(t *testing.T) *cloudwatch {
	return &cloudwatch{t: t, values: map[metric]map[time.Time][]float64{}}
}

// of opens the metrics of a hub with some tasks.
func (c *cloudwatch) of(tasks ...task.Task) *metricsaws.Metrics {
	cfg := standinaws.Only(c.t, standinaws.Between(standinaws.Config(c.t, "http://127.0.0.1:1"), c.step), metricsaws.Actions())
	cfg.RetryMaxAttempts = 1
	return metricsaws.Open(cfg, tasksim.New(tasks...), func() time.Time { return now })
}

func taskOf(id string) task.Task {
	return task.Task{
		ID: id, Type: "S3", State: task.InProgress, Created: now.Add(-48 * time.Hour), Updated: now.Add(-48 * time.Hour),
		Stack: task.Stack{Name: task.StackName(id), ID: "arn:" + id, Outputs: map[string]string{
			"QueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/q-" + id, "DeadLetterQueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/dead-" + id, "WorkersName": "w-" + id,
		}},
	}
}

// words draws series as text: name, unit, step and the points that are not 0, by minute.
func words(all []task.Series) (lines []string) {
	for _, s := range all {
		text := fmt.Sprintf("%s %s %s %d:", s.Name, s.Unit, s.Step, len(s.Points))
		for _, p := range s.Points {
			if p.Value != 0 {
				text += fmt.Sprintf(" %d=%g", int(p.At.Sub(now.Add(-time.Hour)).Minutes()), p.Value)
			}
		}
		lines = append(lines, text)
	}
	return lines
}

// Charts are drawn of the task's own metrics; sums have a point for each minute, gauges where there is one.
func TestCharts(t *testing.T) {
	c := newCloud(t)
	c.page = 2 // points of a metric come on several
	for _, id := range []string{"t-a", "t-b"} {
		factor := map[string]float64{"t-a": 1, "t-b": 10}[id]
		own := func(name string, minute int, value float64) {
			c.put(metric{"DataTransferHub", name, "StackName", "DTH-" + id}, minute, value*factor)
		}
		own("TransferredBytes", 3, 100)
		own("TransferredBytes", 3, 50) // another worker's line of the same minute
		own("TransferredBytes", 5, 7)
		own("TransferredObjects", 3, 4)
		own("FailedObjects", 4, 2)
		own("Failures.throttled", 4, 0)
		own("Failures.access_denied", 4, 2)
		c.put(metric{"AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", "q-" + id}, 10, 30*factor)
		c.put(metric{"AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "QueueName", "q-" + id}, 10, 2*factor)
		c.put(metric{"AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", "dead-" + id}, 10, 1*factor)
		c.put(metric{"AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", "q-" + id}, 10, 600*factor)
		c.put(metric{"AWS/AutoScaling", "GroupInServiceInstances", "AutoScalingGroupName", "w-" + id}, 10, 3*factor)
		c.put(metric{"AWS/AutoScaling", "GroupDesiredCapacity", "AutoScalingGroupName", "w-" + id}, 10, 4*factor)
	}
	gone := taskOf("t-b")
	gone.ID, gone.Stack.ID = "t-gone", "" // stopped two days ago: its metrics are of before
	from := now.Add(-time.Hour)
	m := c.of(taskOf("t-a"), taskOf("t-b"), gone)
	for set, want := range map[task.MetricSet]struct{ one, all []string }{
		task.Throughput: {[]string{"bytes Bytes 1m0s 60: 3=150 5=7"}, []string{"bytes Bytes 1m0s 60: 3=1650 5=77"}},
		task.Objects: {
			[]string{"copied Count 1m0s 60: 3=4", "failed Count 1m0s 60: 4=2"}, []string{"copied Count 1m0s 60: 3=44", "failed Count 1m0s 60: 4=22"},
		},
		task.Failures: {[]string{"access_denied Count 1m0s 60: 4=2"}, []string{"access_denied Count 1m0s 60: 4=22"}},
		task.Backlog: {
			[]string{"dead letters Count 1m0s 1: 10=1", "oldest Seconds 1m0s 1: 10=600", "under way Count 1m0s 1: 10=2", "waiting Count 1m0s 1: 10=30"},
			[]string{"dead letters Count 1m0s 1: 10=11", "oldest Seconds 1m0s 1: 10=6000", "under way Count 1m0s 1: 10=22", "waiting Count 1m0s 1: 10=330"},
		},
		task.Instances: {
			[]string{"in service Count 1m0s 1: 10=3", "wanted Count 1m0s 1: 10=4"}, []string{"in service Count 1m0s 1: 10=33", "wanted Count 1m0s 1: 10=44"},
		},
	} {
		one, err := m.Series(t.Context(), taskOf("t-a"), set, from, now)
		must(t, err)
		if got := words(one); !slices.Equal(got, want.one) {
			t.Errorf("%s of one task: %q", set, got)
		}
		all, err := m.Total(t.Context(), set, from, now)
		must(t, err)
		if got := words(all); !slices.Equal(got, want.all) {
			t.Errorf("%s of all: %q", set, got)
		}
	}
	if all, err := newCloud(t).of().Total(t.Context(), task.Throughput, from, now); err != nil || len(all) != 1 || len(all[0].Points) != 60 {
		t.Errorf("a hub without tasks has %q, %v", words(all), err)
	}
}

// A task that copies images has figures of its own, which are added to those of others; it has neither queue nor fleet.
func TestChartsOfImages(t *testing.T) {
	c := newCloud(t)
	images := taskOf("t-i")
	images.Type, images.Stack.Outputs = "ECR", map[string]string{"RunTableName": "runs"}
	for name, value := range map[string]float64{"BytesCopied": 1000, "ImagesCopied": 5, "ImagesFailed": 2, "TransferredBytes": 9, "FailedObjects": 9} {
		c.put(metric{"DataTransferHub", name, "StackName", "DTH-t-i"}, 3, value)
	}
	c.put(metric{"DataTransferHub", "TransferredBytes", "StackName", "DTH-t-a"}, 3, 1)
	from, m := now.Add(-time.Hour), c.of(taskOf("t-a"), images)
	for set, want := range map[task.MetricSet][]string{
		task.Throughput: {"bytes Bytes 1m0s 60: 3=1000"}, task.Objects: {"copied Count 1m0s 60: 3=5", "failed Count 1m0s 60: 3=2"}, task.Failures: nil,
		task.Instances: {"in service Count 1m0s 0:", "wanted Count 1m0s 0:"},
	} {
		one, err := m.Series(t.Context(), images, set, from, now)
		must(t, err)
		if got := words(one); !slices.Equal(got, want) {
			t.Errorf("%s: %q", set, got)
		}
	}
	all, err := m.Total(t.Context(), task.Throughput, from, now)
	must(t, err)
	if got := words(all); !slices.Equal(got, []string{"bytes Bytes 1m0s 60: 3=1001"}) {
		t.Errorf("of all: %q", got)
	}
}

// A request holds 500 metrics; classes are asked for of tasks alone that had failures.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
func TestManyTasksTakeFewCalls(t *testing.T) {
	var tasks []task.Task
	for i := range 501 {
		tasks = append(tasks, taskOf(fmt.Sprintf("t-%d", i)))
	}
	for set, want := range map[task.MetricSet]int{task.Throughput: 2, task.Failures: 2} {
		c := newCloud(t)
		if _, err := c.of(tasks...).Total(t.Context(), set, now.Add(-time.Hour), now); err != nil || c.calls != want {
			t.Errorf("%s takes %d calls, want %d; %v", set, c.calls, want, err)
		}
	}
}

// Steps are as fine as CloudWatch still has the points, and few enough to draw.
func TestSteps(t *testing.T) {
	const day = 24 * time.Hour
	m := newCloud(t).of()
	for _, c := range []struct {
		ago, span, step time.Duration
		points          int
	}{
		{time.Hour, time.Hour, time.Minute, 60},
		{day, day, 5 * time.Minute, 288},
		{20 * day, time.Hour, 5 * time.Minute, 12},
		{70 * day, time.Hour, time.Hour, 1},
		{7 * day, 7 * day, time.Hour, 168},
		{400 * day, 400 * day, day, 401},
	} {
		from := now.Add(-c.ago)
		all, err := m.Series(t.Context(), taskOf("t-none"), task.Throughput, from, from.Add(c.span))
		must(t, err)
		s := all[0]
		if s.Step != c.step || len(s.Points) < c.points-1 || len(s.Points) > c.points+1 || s.Points[0].At.After(from) {
			t.Errorf("%s long, %s ago: %d points of %s from %s on", c.span, c.ago, len(s.Points), s.Step, s.Points[0].At)
		}
	}
}

// What CloudWatch cannot tell is an error, not a chart of nothing.
func TestErrors(t *testing.T) {
	for name, c := range map[string]struct {
		with func(*cloudwatch)
		want string
	}{
		"a metric that it does not give": {func(c *cloudwatch) { c.status = "Forbidden" }, "Forbidden; Why: because"},
		"pages without an end": {func(c *cloudwatch) {
			c.page = 1
			for minute := range 59 {
				c.put(metric{"DataTransferHub", "TransferredBytes", "StackName", "DTH-t-1"}, minute, 1)
			}
		}, "more than 20 pages for 1 metrics"},
	} {
		cloud := newCloud(t)
		c.with(cloud)
		if _, err := cloud.of(taskOf("t-1")).Total(t.Context(), task.Throughput, now.Add(-time.Hour), now); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	cfg := standinaws.Between(standinaws.Config(t, "http://127.0.0.1:1"), func(r standinaws.Request, _ func() (*http.Response, error)) (*http.Response, error) {
		return reply(r, http.StatusBadRequest, cbor.Map{"__type": cbor.String("com.amazonaws.cloudwatch#InvalidParameterValueException"), "message": cbor.String("too much")}), nil
	})
	m := metricsaws.Open(cfg, tasksim.New(), func() time.Time { return now })
	if _, err := m.Series(t.Context(), taskOf("t-1"), task.Throughput, now.Add(-time.Hour), now); err == nil || !strings.Contains(err.Error(), "too much") {
		t.Errorf("a refusal is told as %v", err)
	}
	broken := tasksim.New()
	broken.Fail(errors.New("no table"))
	if _, err := metricsaws.Open(cfg, broken, time.Now).Total(t.Context(), task.Objects, now.Add(-time.Hour), now); err == nil || !strings.Contains(err.Error(), "no table") {
		t.Errorf("a store that does not answer is told as %v", err)
	}
}
