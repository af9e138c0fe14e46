package local

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/retry"
)

// Measure is one measurement of a task within a minute.
type Measure struct {
	Task  string
	Name  string // bytes, copied, failed, failed:CLASS
	At    time.Time
	Value float64
}

// Measures keeps measurements.
type Measures interface {
	// Add adds to what is on record of the same task, name and minute.
	Add(ctx context.Context, all []Measure) error
	// Sum returns the sums of a task, of all when it is empty, for each step between two times.
	Sum(ctx context.Context, task string, from, to time.Time, step time.Duration) ([]Measure, error)
	// Forget removes everything of a task when one is named, else what is older than a time.
	Forget(ctx context.Context, task string, before time.Time) error
}

// Metrics measures what the tasks of this process do, and implements task.Metrics.
type Metrics struct {
	Measures Measures
	Log      *slog.Logger
	Now      func() time.Time

	mu      sync.Mutex
	pending map[Measure]float64 // without Value
}

var _ task.Metrics = (*Metrics)(nil)

// keepMeasures is how long measurements are kept.
const keepMeasures = 400 * 24 * time.Hour

// Outcome measures what became of an object.
func (m *Metrics) Outcome(name string, r ledger.Record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.pending == nil {
		m.pending = map[Measure]float64{}
	}
	at := m.Now().UTC().Truncate(time.Minute)
	add := func(what string, n float64) { m.pending[Measure{Task: name, Name: what, At: at}] += n }
	switch {
	case r.Status == ledger.Failed:
		add("failed", 1)
		add("failed:"+r.Class(), 1)
	case r.Status == ledger.Done && r.Method != "none":
		add("copied", 1)
		add("bytes", float64(r.Size))
	}
}

// Run writes measurements every few seconds until ctx ends, and then what is left.
func (m *Metrics) Run(ctx context.Context) {
	for n := 0; ; n++ {
		ended := retry.Sleep(ctx, 2*time.Second) != nil
		if err := m.flush(context.WithoutCancel(ctx)); err != nil {
			m.Log.Warn("measurements are not on record yet", "error", err)
		}
		if ended {
			return
		}
		if n%1800 == 0 {
			if err := m.Measures.Forget(ctx, "", m.Now().Add(-keepMeasures)); err != nil {
				m.Log.Warn("old measurements stay", "error", err)
			}
		}
	}
}

func (m *Metrics) flush(ctx context.Context) error {
	m.mu.Lock()
	pending := m.pending
	m.pending = nil
	m.mu.Unlock()
	all := make([]Measure, 0, len(pending))
	for at, n := range pending {
		at.Value = n
		all = append(all, at)
	}
	if len(all) == 0 {
		return nil
	}
	err := m.Measures.Add(ctx, all)
	if err == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.pending == nil {
		m.pending = map[Measure]float64{}
	}
	for at, n := range pending {
		m.pending[at] += n
	}
	return err
}

// Series implements task.Metrics.
func (m *Metrics) Series(ctx context.Context, t task.Task, set task.MetricSet, from, to time.Time) ([]task.Series, error) {
	return m.series(ctx, t.ID, set, from, to)
}

// Total implements task.Metrics.
func (m *Metrics) Total(ctx context.Context, set task.MetricSet, from, to time.Time) ([]task.Series, error) {
	return m.series(ctx, "", set, from, to)
}

func (m *Metrics) series(ctx context.Context, name string, set task.MetricSet, from, to time.Time) ([]task.Series, error) {
	step := stepOf(to.Sub(from))
	from = from.Truncate(step)
	sums, err := m.Measures.Sum(ctx, name, from, to, step)
	if err != nil {
		return nil, err
	}
	lines := map[string]*task.Series{}
	var order []string
	line := func(name, unit string) *task.Series {
		if lines[name] == nil {
			lines[name] = &task.Series{Name: name, Unit: unit, Step: step}
			for at := from; at.Before(to); at = at.Add(step) {
				lines[name].Points = append(lines[name].Points, task.Point{At: at})
			}
			order = append(order, name)
		}
		return lines[name]
	}
	for _, name := range always(set) {
		line(name, unitOf(set))
	}
	for _, s := range sums {
		if of, ok := inSet(set, s.Name); ok {
			if i := int(s.At.Sub(from) / step); i >= 0 && i < len(line(of, unitOf(set)).Points) {
				lines[of].Points[i].Value += s.Value
			}
		}
	}
	slices.Sort(order)
	out := make([]task.Series, len(order))
	for i, name := range order {
		out[i] = *lines[name]
	}
	return out, nil
}

// always are the lines that a chart has also when nothing happened. One machine has neither instances nor messages that grow
// old: those charts are empty.
func always(set task.MetricSet) []string {
	switch set {
	case task.Throughput:
		return []string{"bytes"}
	case task.Objects:
		return []string{"copied", "failed"}
	case task.Failures, task.Backlog, task.Instances:
	}
	return nil
}

// inSet returns the line of a chart that a measurement belongs to.
func inSet(set task.MetricSet, name string) (string, bool) {
	class, failed := strings.CutPrefix(name, "failed:")
	switch set {
	case task.Throughput:
		return name, name == "bytes"
	case task.Objects:
		return name, name == "copied" || name == "failed"
	case task.Failures:
		return class, failed
	case task.Backlog, task.Instances:
	}
	return "", false
}

func unitOf(set task.MetricSet) string {
	if set == task.Throughput {
		return "Bytes"
	}
	return "Count"
}

// stepOf returns the shortest of some usual steps with which a stretch of time has few enough points.
func stepOf(span time.Duration) time.Duration {
	for _, step := range []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour} {
		if span/step < 300 {
			return step
		}
	}
	return 24 * time.Hour
}
