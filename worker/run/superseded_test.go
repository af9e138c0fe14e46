package run_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/datatransferhub/dth/worker/run"
)

func TestSuperseded(t *testing.T) {
	// Runs are written as their states, the oldest first; each is named by its place. A run of events is in brackets, a retry in
	// angles.
	for _, c := range []struct{ runs, want string }{
		{"", ""},
		{"FINDING", ""},
		{"COPYING", ""},
		{"COPYING FINDING", ""},
		{"COPYING FAILED SKIPPED", ""},
		{"COPYING COPYING", "0"},
		{"DONE PROVING FINDING", "0"},
		{"FAILED SKIPPED FINDING DONE SKIPPED FINDING", "0 1 2"},
		{"DONE COPYING DONE COPYING", "0 1 2"},
		{"COPYING (COPYING)", ""},
		{"(COPYING) COPYING (COPYING) DONE (DONE)", "1"},
		{"COPYING <COPYING>", ""},
		{"COPYING <DONE> <FINDING> FINDING", ""},
		{"DONE <COPYING> <FINDING> COPYING <COPYING>", "0 1 2"},
	} {
		var runs []run.Run
		start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		for i, state := range strings.Fields(c.runs) {
			r := run.Run{ID: string(rune('0' + i)), State: run.State(strings.Trim(state, "()<>")), Started: start.Add(time.Duration(i/2) * time.Hour)}
			if strings.HasPrefix(state, "(") {
				r.Trigger = run.TriggerEvent
			}
			if strings.HasPrefix(state, "<") {
				r.Trigger = run.TriggerRetry
			}
			runs = append(runs, r)
		}
		for range 2 { // in any order
			got := slices.Sorted(maps.Keys(run.Superseded(runs)))
			if strings.Join(got, " ") != c.want {
				t.Errorf("%s: %v, want %s", c.runs, got, c.want)
			}
			slices.Reverse(runs)
		}
	}
}

func TestSettled(t *testing.T) {
	got := run.Settled([]run.Counters{
		{Outcomes: map[string]run.Tally{"DONE:stream": {Objects: 5}, "IN_PROGRESS": {Objects: 100}, "FAILED": {Objects: 2}}, Superseded: 3},
		{Outcomes: map[string]run.Tally{"DELETED": {Objects: 1}}},
	})
	if got != 11 || run.Settled(nil) != 0 {
		t.Errorf("%d are settled", got)
	}
}
