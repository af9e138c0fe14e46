package metricsaws

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

// grid is the steps of a chart.
type grid struct {
	from, to time.Time
	step     time.Duration
	points   int
}

// CloudWatch keeps points of a minute for 15 days, of five minutes for 63 days and of an hour for 455 days, and gives none for
// shorter steps than it keeps.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html
const (
	keptMinutes     = 15 * 24 * time.Hour
	keptFiveMinutes = 63 * 24 * time.Hour
)

// mostPoints is how many points a line of a chart has at most, so that it can be told apart.
const mostPoints = 300

// gridOf returns the shortest steps with few enough points, as CloudWatch still has them.
func gridOf(from, to, now time.Time) grid {
	shortest := time.Minute
	switch age := now.Sub(from); {
	case age >= keptFiveMinutes-time.Hour:
		shortest = time.Hour
	case age >= keptMinutes-time.Hour:
		shortest = 5 * time.Minute
	}
	step := 24 * time.Hour
	for _, s := range []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour} {
		if s >= shortest && to.Sub(from)/s < mostPoints {
			step = s
			break
		}
	}
	g := grid{from: from.UTC().Truncate(step), to: to.UTC(), step: step}
	g.points = int((g.to.Sub(g.from) + step - 1) / step)
	return g
}

// at is the number of the step that begins at a time; false when it is outside.
func (g grid) at(t time.Time) (int, bool) {
	n := int(t.Sub(g.from) / g.step)
	return n, !t.Before(g.from) && n < g.points
}

// Limits of GetMetricData: metrics in one request, and pages of answers, of which 500 metrics with 300 points need two.
const (
	maxQueries = 500
	maxPages   = 20
)

// read asks for metrics and calls f with each point.
func (m *Metrics) read(ctx context.Context, all []query, g grid, f func(q query, at int, value float64)) error {
	for part := range slices.Chunk(all, maxQueries) {
		in := &cloudwatch.GetMetricDataInput{StartTime: &g.from, EndTime: &g.to, ScanBy: types.ScanByTimestampAscending}
		asked := map[string]query{}
		for _, q := range part {
			in.MetricDataQueries = append(in.MetricDataQueries, q.ask)
			asked[*q.ask.Id] = q
		}
		if err := m.pages(ctx, in, func(r *types.MetricDataResult) {
			q, known := asked[aws.ToString(r.Id)]
			for i := range min(len(r.Timestamps), len(r.Values)) {
				if at, inside := g.at(r.Timestamps[i]); inside && known {
					f(q, at, r.Values[i])
				}
			}
		}); err != nil {
			return err
		}
	}
	return nil
}

// pages reads the pages of one request. Points of a metric may come on several.
func (m *Metrics) pages(ctx context.Context, in *cloudwatch.GetMetricDataInput, f func(*types.MetricDataResult)) error {
	for range maxPages {
		out, err := m.client.GetMetricData(ctx, in)
		if err != nil {
			return fmt.Errorf("reading metrics: %w", err)
		}
		for i := range out.MetricDataResults {
			r := &out.MetricDataResults[i]
			if r.StatusCode == types.StatusCodeInternalError || r.StatusCode == types.StatusCodeForbidden {
				return fmt.Errorf("reading metrics: CloudWatch answers %s%s", r.StatusCode, words(r.Messages))
			}
			f(r)
		}
		if in.NextToken = out.NextToken; aws.ToString(in.NextToken) == "" {
			return nil
		}
	}
	return fmt.Errorf("reading metrics: CloudWatch gives more than %d pages for %d metrics", maxPages, len(in.MetricDataQueries))
}

func words(messages []types.MessageData) (text string) {
	for _, m := range messages {
		text += fmt.Sprintf("; %s: %s", aws.ToString(m.Code), aws.ToString(m.Value))
	}
	return text
}
