// Package metrics gathers figures of a process and writes them, once a minute, as a line in CloudWatch's embedded metric
// format: whoever ships the log ships the metrics, and nothing is ever counted from texts.
//
// The format: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
package metrics

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
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

// Emitter gathers figures and writes them. It is used by many goroutines, none of which waits for the writer. What is counted
// is in exactly one line that was written whole.
type Emitter struct {
	out   io.Writer
	stack string
	about map[string]string // properties: searched for, but no dimensions
	now   func() time.Time

	writing sync.Mutex // one line is written at a time
	torn    bool       // the line before was written in part

	mu     sync.Mutex
	counts map[string]*count
	gauges map[string]func() (float64, Unit)
	sample map[string]*sample
}

type count struct {
	unit Unit
	n    float64
}

// sample is the values of a minute, for percentiles.
type sample struct {
	unit Unit
	distribution
}

// takes reports whether CloudWatch takes a value.
func takes(v float64) bool { return math.Abs(v) <= maxMagnitude }

// New returns an emitter that writes lines to out. The stack is the value of the dimension; empty is "unnamed", as the format
// takes no empty one. About are properties of every line, such as which process wrote it.
func New(out io.Writer, stack string, about map[string]string, now func() time.Time) *Emitter {
	return &Emitter{
		out: out, stack: cmp.Or(stack, "unnamed"), about: about, now: now,
		counts: map[string]*count{}, gauges: map[string]func() (float64, Unit){}, sample: map[string]*sample{},
	}
}

// Add adds to a count. Each line tells what was added since the one before; a count is in every line once it was named.
// A number that CloudWatch does not take is dropped.
func (e *Emitter) Add(name string, unit Unit, n float64) {
	if !takes(n) {
		return
	}
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

// Observe adds a value of which many are seen, such as a duration. Of more than a hundred in a line's time, a hundred are told
// that divide all of them into equal parts, less than one per cent off; the least and the greatest are exact. Values that
// CloudWatch does not take are dropped, and negative ones, of a clock that was set back.
func (e *Emitter) Observe(name string, unit Unit, value float64) {
	if !takes(value) || value < 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s, ok := e.sample[name]
	if !ok {
		s = &sample{unit: unit}
		e.sample[name] = s
	}
	s.add(value)
}

// Flush writes a line and begins a new minute. When writing fails, what was counted stays for the next line.
func (e *Emitter) Flush() error {
	e.writing.Lock()
	defer e.writing.Unlock()
	f := e.take()
	line, err := e.line(f)
	if err == nil {
		err = e.write(line)
	}
	if err != nil {
		e.takeBack(f)
		return fmt.Errorf("writing metrics: %w", err)
	}
	return nil
}

// figures are what one line tells.
type figures struct {
	counts map[string]count
	gauges map[string]func() (float64, Unit)
	sample map[string]*sample
}

// take takes what was counted since the line before. Counts are known from then on, at 0.
func (e *Emitter) take() figures {
	e.mu.Lock()
	defer e.mu.Unlock()
	f := figures{map[string]count{}, maps.Clone(e.gauges), e.sample}
	for name, c := range e.counts {
		f.counts[name] = *c
		c.n = 0
	}
	e.sample = map[string]*sample{}
	return f
}

// takeBack puts back what was not written.
func (e *Emitter) takeBack(f figures) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, c := range f.counts {
		e.counts[name].n += c.n
	}
	for name, s := range f.sample {
		if newer := e.sample[name]; newer != nil {
			s.merge(&newer.distribution)
		}
		e.sample[name] = s
	}
}

// write writes a whole line. What is left of one that was torn is ended first, so that it spoils no other.
func (e *Emitter) write(line []byte) error {
	line = append(line, '\n')
	if e.torn {
		line = append([]byte{'\n'}, line...)
	}
	n, err := e.out.Write(line)
	if n == len(line) {
		e.torn = false
		return nil // whoever reads it has it, whatever the writer says
	}
	e.torn = e.torn || n > 0
	return cmp.Or(err, io.ErrShortWrite)
}

type definition struct {
	Name string
	Unit Unit
}

func (e *Emitter) line(f figures) ([]byte, error) {
	values := map[string]any{}
	defined := []definition{}
	add := func(name string, unit Unit, value any) {
		values[name] = value
		defined = append(defined, definition{name, unit})
	}
	for name, c := range f.counts {
		add(name, c.unit, c.n)
	}
	for name, read := range f.gauges {
		if value, unit := read(); takes(value) {
			add(name, unit, value)
		}
	}
	for name, s := range f.sample {
		add(name, s.unit, s.values())
	}
	slices.SortFunc(defined, func(a, b definition) int { return strings.Compare(a.Name, b.Name) })
	for name, value := range e.about {
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
