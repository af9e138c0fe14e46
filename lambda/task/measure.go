package task

import (
	"context"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"
)

// LogStreams returns the log streams of a task's stack.
func (s *Service) LogStreams(ctx context.Context, c Caller, id string, source LogSource, first int, after string) (Streams, error) {
	if err := c.need(Viewer); err != nil {
		return Streams{}, err
	}
	first, err := clamp(first, 25, MaxPage)
	if err != nil {
		return Streams{}, err
	}
	t, err := s.logged(ctx, c, id, source)
	if err != nil {
		return Streams{}, err
	}
	page, err := s.Logs.Streams(ctx, t, source, first, after)
	if err != nil {
		return Streams{}, s.failed("listing the logs", err)
	}
	return page, nil
}

// LogLines returns lines of a task's logs.
func (s *Service) LogLines(ctx context.Context, c Caller, id string, q LogQuery) (Lines, error) {
	if err := c.need(Viewer); err != nil {
		return Lines{}, err
	}
	var err error
	if q.First, err = clamp(q.First, 100, 1000); err != nil {
		return Lines{}, err
	}
	if q.From, q.To, err = s.span(q.From, q.To, 24*time.Hour, 400*24*time.Hour); err != nil {
		return Lines{}, err
	}
	if len(q.Text) > 1024 || !utf8.ValidString(q.Text) {
		return Lines{}, invalid("query", q.Text, "allowed are up to 1024 bytes of UTF-8")
	}
	t, err := s.logged(ctx, c, id, q.Source)
	if err != nil {
		return Lines{}, err
	}
	page, err := s.Logs.Lines(ctx, t, q)
	if err != nil {
		return Lines{}, s.failed("reading the logs", err)
	}
	return page, nil
}

func (s *Service) logged(ctx context.Context, c Caller, id string, source LogSource) (Task, error) {
	if !slices.Contains([]LogSource{FinderLog, WorkerLog, ControllerLog}, source) {
		return Task{}, invalid("source", string(source), "allowed are FINDER, WORKER and CONTROLLER")
	}
	t, err := s.Get(ctx, c, id)
	if err == nil && !t.HasStack() {
		err = t.noStack()
	}
	return t, err
}

// Series returns the lines of a chart about a task, or about all of them when id is empty.
func (s *Service) Series(ctx context.Context, c Caller, id string, set MetricSet, from, to time.Time) ([]Series, error) {
	if err := c.need(Viewer); err != nil {
		return nil, err
	}
	if !slices.Contains([]MetricSet{Throughput, Objects, Failures, Backlog, Instances}, set) {
		return nil, invalid("set", string(set), "allowed are THROUGHPUT, OBJECTS, FAILURES, BACKLOG and INSTANCES")
	}
	from, to, err := s.span(from, to, time.Hour, 400*24*time.Hour)
	if err != nil {
		return nil, err
	}
	var lines []Series
	if id == "" {
		lines, err = s.Metrics.Total(ctx, set, from, to)
	} else {
		var t Task
		if t, err = s.get(ctx, id); err != nil {
			return nil, err
		}
		if !t.HasStack() {
			return nil, t.noStack()
		}
		lines, err = s.Metrics.Series(ctx, t, set, from, to)
	}
	if err != nil {
		return nil, s.failed("reading the metrics", err)
	}
	return lines, nil
}

// span completes and checks a stretch of time.
func (s *Service) span(from, to time.Time, standard, longest time.Duration) (time.Time, time.Time, error) {
	if to.IsZero() {
		to = s.Now()
	}
	if from.IsZero() {
		from = to.Add(-standard)
	}
	from, to = from.UTC(), to.UTC()
	switch {
	case !from.Before(to):
		return from, to, invalid("from", from.Format(time.RFC3339), "it has to be before to, which is "+to.Format(time.RFC3339))
	case to.Sub(from) > longest:
		return from, to, invalid("from", from.Format(time.RFC3339), fmt.Sprintf("at most %d days can be asked for", int(longest.Hours()/24)))
	}
	return from, to, nil
}
