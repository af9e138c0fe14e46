// Package metricsaws reads the measurements of tasks' stacks from Amazon CloudWatch.
package metricsaws

import (
	"context"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/metrics"
)

// Actions returns the IAM actions. CloudWatch takes no resource for them.
func Actions() []string { return []string{"cloudwatch:GetMetricData"} }

// Metrics implements task.Metrics.
type Metrics struct {
	client *cloudwatch.Client
	tasks  task.Store
	now    func() time.Time
}

var _ task.Metrics = (*Metrics)(nil)

// Open returns the metrics of the tasks in a store. It makes no call.
func Open(cfg aws.Config, tasks task.Store, now func() time.Time) *Metrics {
	return &Metrics{cloudwatch.NewFromConfig(cfg), tasks, now}
}

// line is one of a chart, and how it comes of metrics.
type line struct {
	name, unit string
	namespace  string
	metric     string
	images     string // what metric is of tasks that copy images; "": they have none
	dimension  string
	// of is the dimension's value for a task; "": the task has none.
	of func(t *task.Task) string
	// stat is what a step of one task is told by; steps of several tasks are added up, or the largest is taken.
	stat    string
	largest bool
}

const (
	sum     = "Sum"
	average = "Average"
)

// lines are those of a chart.
func lines(set task.MetricSet) []line {
	stack := func(t *task.Task) string { return t.Stack.Name }
	own := func(name, unit, metric, images string) line {
		return line{name: name, unit: unit, namespace: metrics.Namespace, metric: metric, images: images, dimension: metrics.Dimension, of: stack, stat: sum}
	}
	queue := func(name, metric, output string) line {
		return line{name: name, unit: "Count", namespace: "AWS/SQS", metric: metric, dimension: "QueueName", of: queueName(output), stat: average}
	}
	switch set {
	case task.Throughput:
		return []line{own("bytes", "Bytes", "TransferredBytes", "BytesCopied")}
	case task.Objects:
		return []line{own("copied", "Count", "TransferredObjects", "ImagesCopied"), own("failed", "Count", "FailedObjects", "ImagesFailed")}
	case task.Failures:
		var all []line
		for _, class := range failure.Classes() {
			all = append(all, own(string(class), "Count", metrics.FailuresOf(string(class)), ""))
		}
		return all
	case task.Backlog:
		oldest := queue("oldest", "ApproximateAgeOfOldestMessage", wiring.OutputQueue)
		oldest.unit, oldest.stat, oldest.largest = "Seconds", "Maximum", true
		return []line{
			queue("dead letters", "ApproximateNumberOfMessagesVisible", wiring.OutputDeadLetters), oldest,
			queue("under way", "ApproximateNumberOfMessagesNotVisible", wiring.OutputQueue), queue("waiting", "ApproximateNumberOfMessagesVisible", wiring.OutputQueue),
		}
	case task.Instances:
		workers := func(name, metric string) line {
			return line{
				name: name, unit: "Count", namespace: "AWS/AutoScaling", metric: metric, dimension: "AutoScalingGroupName", stat: average,
				of: func(t *task.Task) string { return t.Stack.Outputs[wiring.OutputWorkers] },
			}
		}
		return []line{workers("in service", "GroupInServiceInstances"), workers("wanted", "GroupDesiredCapacity")}
	}
	return nil
}

// metricOf is the metric of a task; "": it has none.
func (l *line) metricOf(t *task.Task) string {
	if t.Type == "ECR" {
		return l.images
	}
	return l.metric
}

// queueName is the name in the URL that an output of a stack has.
func queueName(output string) func(*task.Task) string {
	return func(t *task.Task) string {
		if url := t.Stack.Outputs[output]; url != "" {
			return path.Base(url)
		}
		return ""
	}
}

// Series implements task.Metrics. Charts of sums have a point for every step, those of gauges where there is a measurement.
func (m *Metrics) Series(ctx context.Context, t task.Task, set task.MetricSet, from, to time.Time) ([]task.Series, error) {
	return m.chart(ctx, []task.Task{t}, set, from, to)
}

// Total implements task.Metrics. Tasks that were stopped before from are not asked for, nor are those that were deleted.
func (m *Metrics) Total(ctx context.Context, set task.MetricSet, from, to time.Time) ([]task.Series, error) {
	tasks, err := m.measured(ctx, from)
	if err != nil {
		return nil, err
	}
	if set == task.Failures {
		if tasks, err = m.failing(ctx, tasks, from, to); err != nil {
			return nil, err
		}
	}
	return m.chart(ctx, tasks, set, from, to)
}

// measured returns the tasks that may have measurements since a time.
func (m *Metrics) measured(ctx context.Context, from time.Time) (all []task.Task, err error) {
	q := task.Query{Sort: task.ByCreated, First: task.MaxPage}
	for {
		page, err := m.tasks.List(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("listing the tasks: %w", err)
		}
		for _, t := range page.Tasks {
			if t.HasStack() || t.Updated.After(from) {
				all = append(all, t)
			}
		}
		if q.After = page.Next; q.After == "" {
			return all, nil
		}
	}
}

// failing returns the tasks that had failures: each class is a metric of its own, and most tasks have none.
func (m *Metrics) failing(ctx context.Context, tasks []task.Task, from, to time.Time) ([]task.Task, error) {
	failed := slices.DeleteFunc(lines(task.Objects), func(l line) bool { return l.name != "failed" })
	g := gridOf(from, to, m.now())
	found := map[string]bool{}
	err := m.read(ctx, queries(tasks, failed, g), g, func(q query, _ int, value float64) {
		if value > 0 {
			found[q.task] = true
		}
	})
	return slices.DeleteFunc(slices.Clone(tasks), func(t task.Task) bool { return !found[t.ID] }), err
}

// chart draws the lines of a set over some tasks.
func (m *Metrics) chart(ctx context.Context, tasks []task.Task, set task.MetricSet, from, to time.Time) ([]task.Series, error) {
	g := gridOf(from, to, m.now())
	all := lines(set)
	values := make([][]*float64, len(all))
	for i := range all {
		values[i] = make([]*float64, g.points)
	}
	err := m.read(ctx, queries(tasks, all, g), g, func(q query, at int, value float64) {
		switch there := values[q.line][at]; {
		case there == nil:
			values[q.line][at] = &value
		case all[q.line].largest:
			*there = max(*there, value)
		default:
			*there += value
		}
	})
	if err != nil {
		return nil, err
	}
	var series []task.Series
	for i, l := range all {
		s := task.Series{Name: l.name, Unit: l.unit, Step: g.step}
		for n, v := range values[i] {
			if v == nil && l.stat == sum {
				v = new(float64)
			}
			if v != nil {
				s.Points = append(s.Points, task.Point{At: g.from.Add(time.Duration(n) * g.step), Value: *v})
			}
		}
		// A class of which there was no failure is no line.
		if set == task.Failures && !slices.ContainsFunc(s.Points, func(p task.Point) bool { return p.Value != 0 }) {
			continue
		}
		series = append(series, s)
	}
	return series, nil
}

// query asks for one metric of one task.
type query struct {
	task string // id
	line int
	ask  types.MetricDataQuery
}

func queries(tasks []task.Task, all []line, g grid) (list []query) {
	for i := range tasks {
		for n, l := range all {
			value, metric := l.of(&tasks[i]), l.metricOf(&tasks[i])
			if value == "" || metric == "" {
				continue
			}
			list = append(list, query{tasks[i].ID, n, types.MetricDataQuery{
				Id: aws.String(fmt.Sprintf("m%d", len(list))),
				MetricStat: &types.MetricStat{
					Period: aws.Int32(int32(g.step / time.Second)), Stat: aws.String(l.stat),
					Metric: &types.Metric{Namespace: aws.String(l.namespace), MetricName: &metric, Dimensions: []types.Dimension{{Name: aws.String(l.dimension), Value: &value}}},
				},
			}})
		}
	}
	return list
}
