// Package cron evaluates the schedule expressions of Amazon EventBridge: cron(minutes hours day-of-month month
// day-of-week year) and rate(value unit), in UTC.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
package cron

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Schedule is a parsed expression.
type Schedule struct {
	every time.Duration // of a rate; 0 for cron

	minutes, hours, months uint64
	years                  map[int]bool
	days                   dayRule
}

// The years that EventBridge takes.
const (
	firstYear = 1970
	lastYear  = 2199
)

// Parse reads an expression: cron(...), rate(...), or the six cron fields alone. Errors name the field and its value.
func Parse(text string) (*Schedule, error) {
	s := strings.TrimSpace(text)
	if inner, ok := call(s, "rate"); ok {
		return parseRate(inner)
	}
	if inner, ok := call(s, "cron"); ok {
		s = inner
	}
	fields := strings.Fields(s)
	if len(fields) != 6 {
		return nil, fmt.Errorf("%q has %d fields, a cron expression has six: minutes hours day-of-month month day-of-week year, such as 0 * * * ? *", text, len(fields))
	}
	return parseFields(fields)
}

func call(s, name string) (string, bool) {
	if inner, ok := strings.CutPrefix(s, name+"("); ok {
		return strings.CutSuffix(inner, ")")
	}
	return "", false
}

func parseRate(s string) (*Schedule, error) {
	fields := strings.Fields(s)
	refused := fmt.Errorf("rate(%s) is not allowed; write rate(1 hour), rate(5 minutes) or rate(2 days)", s)
	if len(fields) != 2 {
		return nil, refused
	}
	n, err := strconv.ParseInt(fields[0], 10, 32)
	unit := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[strings.TrimSuffix(fields[1], "s")]
	if err != nil || n < 1 || unit == 0 || (n == 1) == strings.HasSuffix(fields[1], "s") || n > int64(100*365*24*time.Hour/unit) {
		return nil, refused
	}
	return &Schedule{every: time.Duration(n) * unit}, nil
}

// field describes one of the cron fields.
type field struct {
	name     string
	min, max int
	names    []string // of the values from min on
}

func (f *field) refuse(value, why string) error {
	return fmt.Errorf("%s %q: %s; allowed are %d to %d, lists, ranges and steps", f.name, value, why, f.min, f.max)
}

func parseFields(in []string) (*Schedule, error) {
	s := &Schedule{years: map[int]bool{}}
	months := []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}
	var err error
	if s.minutes, err = bits(&field{"minutes", 0, 59, nil}, in[0]); err != nil {
		return nil, err
	}
	if s.hours, err = bits(&field{"hours", 0, 23, nil}, in[1]); err != nil {
		return nil, err
	}
	if s.months, err = bits(&field{"month", 1, 12, months}, in[3]); err != nil {
		return nil, err
	}
	if s.days, err = parseDays(in[2], in[4]); err != nil {
		return nil, err
	}
	err = each(&field{"year", firstYear, lastYear, nil}, in[5], func(y int) { s.years[y] = true })
	return s, err
}

func bits(f *field, text string) (uint64, error) {
	var set uint64
	err := each(f, text, func(n int) { set |= 1 << n })
	return set, err
}

// each calls take with every value that a field's text stands for.
func each(f *field, text string, take func(int)) error {
	for _, part := range strings.Split(text, ",") {
		span, stepText, stepped := strings.Cut(part, "/")
		step := 1
		if stepped {
			n, err := strconv.Atoi(stepText)
			if err != nil || n < 1 || n > f.max {
				return f.refuse(part, "the step is no number that fits")
			}
			step = n
		}
		from, to, err := f.span(span, stepped)
		if err != nil {
			return err
		}
		for n := from; n <= to; n += step {
			take(n)
		}
	}
	return nil
}

// span reads "*", a value or a range. A value with a step runs to the end.
func (f *field) span(text string, stepped bool) (from, to int, err error) {
	if text == "*" {
		return f.min, f.max, nil
	}
	a, b, isRange := strings.Cut(text, "-")
	if from, err = f.value(a); err != nil {
		return 0, 0, err
	}
	switch {
	case isRange:
		if to, err = f.value(b); err != nil {
			return 0, 0, err
		}
		if to < from {
			return 0, 0, f.refuse(text, "the range ends before it begins")
		}
	case stepped:
		to = f.max
	default:
		to = from
	}
	return from, to, nil
}

func (f *field) value(text string) (int, error) {
	for i, name := range f.names {
		if strings.EqualFold(text, name) {
			return f.min + i, nil
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || text == "" || text[0] == '+' || text[0] == '-' {
		return 0, f.refuse(text, "this is no value")
	}
	if n < f.min || n > f.max {
		return 0, f.refuse(text, "this is out of range")
	}
	return n, nil
}

// Next returns the first time after the given one; false when there is none any more. A rate counts from the
// given time.
func (s *Schedule) Next(after time.Time) (time.Time, bool) {
	after = after.UTC()
	if s.every > 0 {
		return after.Add(s.every), true
	}
	t := after.Truncate(time.Minute).Add(time.Minute)
	for t.Year() <= lastYear {
		switch {
		case !s.years[t.Year()]:
			t = time.Date(t.Year()+1, 1, 1, 0, 0, 0, 0, time.UTC)
		case s.months&(1<<int(t.Month())) == 0:
			t = time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, time.UTC)
		case !s.days.matches(t):
			t = time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, time.UTC)
		case s.hours&(1<<t.Hour()) == 0:
			t = t.Truncate(time.Hour).Add(time.Hour)
		case s.minutes&(1<<t.Minute()) == 0:
			t = t.Add(time.Minute)
		default:
			return t, true
		}
	}
	return time.Time{}, false
}
