package workflow_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"testing"

	"github.com/datatransferhub/dth/plugins/s3/workflow"
)

type state struct {
	Type, Resource, Next, Default string
	TimeoutSeconds                int
	Choices                       []struct{ Next string }
	Retry                         []struct {
		ErrorEquals []string
		MaxAttempts int
		BackoffRate float64
	}
	Catch []struct {
		ErrorEquals []string
		Next        string
	}
	Seconds *int
	End     bool
}

func (s *state) next() (names []string) {
	for _, n := range append([]string{s.Next, s.Default}, followers(s)...) {
		if n != "" {
			names = append(names, n)
		}
	}
	return names
}

func followers(s *state) (names []string) {
	for _, c := range s.Choices {
		names = append(names, c.Next)
	}
	for _, c := range s.Catch {
		names = append(names, c.Next)
	}
	return names
}

// Every state is reached and leads on or ends; every task has a time-out, is retried with growing waits, and has its last error
// caught; only the placeholders that the template fills in are there, and no partition.
func TestDefinitions(t *testing.T) {
	for name, text := range map[string]string{"controller": workflow.Controller(), "monitor": workflow.Monitor()} {
		t.Run(name, func(t *testing.T) {
			var machine struct {
				StartAt string
				States  map[string]state
			}
			if err := json.Unmarshal([]byte(text), &machine); err != nil {
				t.Fatal(err)
			}
			reached := map[string]bool{}
			for open := []string{machine.StartAt}; len(open) > 0; open = open[1:] {
				s, there := machine.States[open[0]]
				if !there {
					t.Errorf("there is no state %q", open[0])
					continue
				}
				if !reached[open[0]] {
					reached[open[0]] = true
					open = append(open, s.next()...)
				}
			}
			for name, s := range machine.States {
				check(t, name, &s)
				if !reached[name] {
					t.Errorf("state %q is never reached", name)
				}
			}
			for _, p := range regexp.MustCompile(`\$\{[^}]*\}`).FindAllString(text, -1) {
				if !slices.Contains([]string{"${Partition}", "${Function}"}, p) {
					t.Errorf("nobody fills in %s", p)
				}
			}
			if regexp.MustCompile(`arn:aws`).MatchString(text) {
				t.Error("a partition is written down")
			}
		})
	}
}

func check(t *testing.T, name string, s *state) {
	t.Helper()
	ends := s.Type == "Succeed" || s.Type == "Fail" || s.End
	if ends != (len(s.next()) == 0) {
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
		if r.BackoffRate <= 1 || r.MaxAttempts < 3 {
			t.Errorf("task %q is retried %d times with waits that do not grow", name, r.MaxAttempts)
		}
	}
}
