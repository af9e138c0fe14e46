// Package asl holds definitions in Amazon States Language against the rules of this product, in tests.
package asl

import (
	"encoding/json"
	"regexp"
	"slices"
	"testing"
)

type machine struct {
	StartAt string
	States  map[string]state
}

type state struct {
	Type, Next, Default string
	ItemProcessor       *machine // of a map
	TimeoutSeconds      int
	Choices             []struct{ Next string }
	Retry               []struct {
		ErrorEquals []string
		MaxAttempts *int
		BackoffRate float64
	}
	Catch []struct {
		ErrorEquals []string
		Next        string
	}
	End bool
}

// next returns the names of the states that may follow.
func (s *state) next() (names []string) {
	all := []string{s.Next, s.Default}
	for _, c := range s.Choices {
		all = append(all, c.Next)
	}
	for _, c := range s.Catch {
		all = append(all, c.Next)
	}
	return slices.DeleteFunc(all, func(n string) bool { return n == "" })
}

var placeholder = regexp.MustCompile(`\$\{[^}]*\}`)

// Check fails the test unless every state of a definition, those of its maps included, is reached and leads on or ends; every task has a time-out, is
// retried with growing waits, and has its last error caught; and only the placeholders that somebody fills in are there, and
// no partition.
func Check(t *testing.T, definition string, placeholders ...string) {
	t.Helper()
	var m machine
	if err := json.Unmarshal([]byte(definition), &m); err != nil {
		t.Fatal(err)
	}
	m.check(t)
	for _, p := range placeholder.FindAllString(definition, -1) {
		if !slices.Contains(placeholders, p) {
			t.Errorf("nobody fills in %s", p)
		}
	}
	if regexp.MustCompile(`arn:aws`).MatchString(definition) {
		t.Error("a partition is written down")
	}
}

func (m *machine) check(t *testing.T) {
	t.Helper()
	reached := m.reach(t)
	for name, s := range m.States {
		check(t, name, &s)
		if s.ItemProcessor != nil {
			s.ItemProcessor.check(t)
		}
		if !reached[name] {
			t.Errorf("state %q is never reached", name)
		}
	}
}

// reach returns the states that an execution can come to.
func (m *machine) reach(t *testing.T) map[string]bool {
	t.Helper()
	reached := map[string]bool{}
	for open := []string{m.StartAt}; len(open) > 0; open = open[1:] {
		s, there := m.States[open[0]]
		if !there {
			t.Errorf("there is no state %q", open[0])
			continue
		}
		if !reached[open[0]] {
			reached[open[0]] = true
			open = append(open, s.next()...)
		}
	}
	return reached
}

func check(t *testing.T, name string, s *state) {
	t.Helper()
	ends := s.Type == "Succeed" || s.Type == "Fail" || s.End
	leads := s.Next != "" || s.Default != "" || len(s.Choices) > 0
	if ends == leads {
		t.Errorf("state %q neither ends nor leads on, or both", name)
	}
	if s.Type != "Task" {
		return
	}
	last := len(s.Catch) - 1
	if s.TimeoutSeconds == 0 || len(s.Retry) == 0 || last < 0 || !slices.Contains(s.Catch[last].ErrorEquals, "States.ALL") {
		t.Errorf("task %q lacks a time-out, retries, or a catch of every error", name)
	}
	for _, r := range s.Retry {
		if r.MaxAttempts != nil && *r.MaxAttempts == 0 && !slices.Contains(r.ErrorEquals, "States.ALL") {
			continue // an error that does not go away
		}
		if r.BackoffRate <= 1 || r.MaxAttempts == nil || *r.MaxAttempts < 3 {
			t.Errorf("task %q has retries of %v that are too few, or come with waits that do not grow", name, r.ErrorEquals)
		}
	}
}
