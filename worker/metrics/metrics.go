// Package metrics gathers figures of a process and writes them, once a minute, as a line in CloudWatch's embedded metric
// format: whoever ships the log ships the metrics, and nothing is ever counted from texts.
//
// The format: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
package metrics

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Namespace and Dimension of all metrics.
const (
	Namespace = "DataTransferHub"
	Dimension = "StackName"
)

// Unit is a unit of CloudWatch.
type Unit string

// The units in use.
const (
	Count          Unit = "Count"
	Bytes          Unit = "Bytes"
	Milliseconds   Unit = "Milliseconds"
	BytesPerSecond Unit = "Bytes/Second"
)

// maxValues bounds the values of a metric in one line, by the format.
const maxValues = 100

// Emitter gathers figures and writes them. It is used by many goroutines.
type Emitter struct {
	out   io.Writer
	stack string
	about map[string]string // properties: searched for, but no dimensions
	now   func() time.Time

	mu     sync.Mutex
	counts map[string]*count
	gauges map[string]func() (float64, Unit)
	sample map[string]*sample
}

type count struct {
	unit Unit
	n    float64
}

// sample is a fair choice of the values of a minute, for percentiles.
type sample struct {
	unit   Unit
	seen   int64
	values []float64
}

// New returns an emitter that writes lines to out. About are properties of every line, such as which process wrote it.
func New(out io.Writer, stack string, about map[string]string, now func() time.Time) *Emitter {
	return &Emitter{
		out: out, stack: stack, about: about, now: now,
		counts: map[string]*count{}, gauges: map[string]func() (float64, Unit){}, sample: map[string]*sample{},
	}
}

// Add adds to a count. Each line tells what was added since the one before; a count is in every line once it was named.
func (e *Emitter) Add(name string, unit Unit, n float64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	c, ok := e.counts[name]
	if !ok {
		c = &count{unit: unit}
		e.counts[name] = c
	}
	c.n += n
}

// Gauge has a figure read whenever a line is written.
func (e *Emitter) Gauge(name string, unit Unit, read func() float64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gauges[name] = func() (float64, Unit) { return read(), unit }
}

// Observe adds a value of which many are seen, such as a duration. A line holds a hundred of them at most, chosen by chance.
func (e *Emitter) Observe(name string, unit Unit, value float64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s, ok := e.sample[name]
	if !ok {
		s = &sample{unit: unit}
		e.sample[name] = s
	}
	s.seen++
	if len(s.values) < maxValues {
		s.values = append(s.values, value)
	} else if i := rand.Int64N(s.seen); i < maxValues {
		s.values[i] = value
	}
}

// Flush writes a line and begins a new minute. When writing fails, the counts stay for the next line.
func (e *Emitter) Flush() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	line, err := e.line()
	if err != nil {
		return err
	}
	if _, err := e.out.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("writing metrics: %w", err)
	}
	for _, c := range e.counts {
		c.n = 0
	}
	clear(e.sample)
	return nil
}

type definition struct {
	Name string
	Unit Unit
}

func (e *Emitter) line() ([]byte, error) {
	values := map[string]any{}
	var defined []definition
	add := func(name string, unit Unit, value any) {
		values[name] = value
		defined = append(defined, definition{name, unit})
	}
	for name, c := range e.counts {
		add(name, c.unit, c.n)
	}
	for name, read := range e.gauges {
		value, unit := read()
		add(name, unit, value)
	}
	for name, s := range e.sample {
		add(name, s.unit, s.values)
	}
	slices.SortFunc(defined, func(a, b definition) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	for name, value := range maps.All(e.about) {
		values[name] = value
	}
	values[Dimension] = e.stack
	values["_aws"] = map[string]any{
		"Timestamp": e.now().UnixMilli(),
		"CloudWatchMetrics": []any{map[string]any{
			"Namespace": Namespace, "Dimensions": [][]string{{Dimension}}, "Metrics": defined,
		}},
	}
	return json.Marshal(values)
}
