package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/worker/preflight"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/s3sim"
)

// answer is what the run table holds for a request.
func (s *stack) answer(id string) (a task.Answer) {
	s.t.Helper()
	doc, err := s.runs.Answer(s.t.Context(), id)
	s.must(err)
	s.must(json.Unmarshal(doc, &a))
	return a
}

// A check prints each right that it looked at, and puts it on record for whoever asked. One that is missing is exit code 3.
func TestCheckIsAnswered(t *testing.T) {
	s := newStack(t, few)
	s.configure(map[string]string{"includeTags": "true", "srcEvent": ""})
	code, out, errs := s.call("--check", "--answer", "r-1")
	var said struct{ Findings []preflight.Finding }
	if err := json.Unmarshal([]byte(out), &said); err != nil || code != 0 || len(said.Findings) < 8 {
		t.Fatalf("exit code %d, %v: %s%s", code, err, out, errs)
	}
	a := s.answer("r-1")
	if a.State != task.Finished || len(a.Findings) != len(said.Findings) || a.Started.IsZero() || a.Finished.Before(a.Started) || a.Error != "" {
		t.Errorf("on record is %+v", a)
	}
	s.dst.SetFault(func(c s3sim.Call) s3sim.Fault {
		if c.Op == "PutObject" {
			return s3sim.Fault{Status: 403, Code: "AccessDenied"}
		}
		return s3sim.Fault{}
	})
	before := s.dst.Count("PutObject")
	if code, _, errs := s.call("--check", "--no-probe"); code != 0 || s.dst.Count("PutObject") != before {
		t.Errorf("without a probe: exit code %d, %d objects are written: %s", code, s.dst.Count("PutObject")-before, errs)
	}
	code, _, errs = s.call("--check", "--answer", "r-2")
	if code != 3 || !strings.Contains(errs, "destination: write: denied") || !strings.Contains(errs, "s3:PutObject") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	denied := 0
	a = s.answer("r-2")
	for _, f := range a.Findings {
		if f.Result == "denied" && f.Remedy != "" {
			denied++
		}
	}
	if a.State != task.Finished || denied != 2 { // writing, and writing tags
		t.Errorf("on record is %+v", a)
	}
	for _, args := range [][]string{{"--answer", "r-3"}, {"--no-probe", "--plan"}} {
		if code, _, errs := s.call(args...); code != 2 {
			t.Errorf("%v: exit code %d, %s", args, code, errs)
		}
	}
}

// When the last event was settled, the counters of the day's run tell.
func TestCheckTellsOfEvents(t *testing.T) {
	s := newStack(t, few)
	f := &program{runs: s.runs}
	if at, err := f.eventSeen(t.Context()); err != nil || !at.IsZero() {
		t.Errorf("before any: %v, %v", at, err)
	}
	day, seen := time.Now().UTC().Truncate(24*time.Hour), time.Now().UTC().Truncate(time.Second)
	s.must(s.runs.Create(t.Context(), run.Run{ID: "events-1", Trigger: run.TriggerEvent, State: run.Copying, Started: day}))
	s.must(s.runs.PutCounters(t.Context(), "events-1", run.Counters{Worker: "w", Seq: 1, Updated: seen}))
	if at, err := f.eventSeen(t.Context()); err != nil || !at.Equal(seen) {
		t.Errorf("%v, %v", at, err)
	}
}

// A plan tells how far it is while it lists, and then what it found.
func TestPlanIsAnswered(t *testing.T) {
	s := newStack(t, many)
	cmd, errs := s.finder("--plan", "--answer", "r-1")
	s.must(cmd.Start())
	seen := false
	for end := time.Now().Add(3 * time.Minute); !seen && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		doc, err := s.runs.Answer(t.Context(), "r-1")
		s.must(err)
		if doc == nil {
			continue
		}
		a := s.answer("r-1")
		if seen = a.State == task.Running && a.Listed > 0; a.State != task.Running {
			break
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, errs)
	}
	a := s.answer("r-1")
	if a.State != task.Finished || a.Plan == nil || a.Listed != a.Plan.Totals.ListedSource+a.Plan.Totals.ListedDestination || a.Plan.Totals.ListedSource != many || a.Plan.Estimate == nil {
		t.Errorf("on record is %+v", a)
	}
	if !seen {
		t.Logf("the plan took less than %s: its progress was not seen", answerEvery)
	}
	s.configure(map[string]string{"srcBucket": "nothing-there"})
	code, _, _ := s.call("--plan", "--answer", "r-2")
	if a := s.answer("r-2"); code != 3 || a.State != task.Broken || !strings.Contains(a.Error, "nothing-there") {
		t.Errorf("exit code %d, on record is %+v", code, a)
	}
}
