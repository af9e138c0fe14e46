package run_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/worker/run"
)

func TestTotalTakesCorrectionsOnlyOfWhatWasCounted(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	got := run.Total([]run.Counters{
		{
			Worker: "a", Seq: 5, Outcomes: map[string]run.Tally{"FAILED": {Objects: 2, Bytes: 30}, "GONE": {Objects: 2, Bytes: 7}},
			Errors: map[string]int64{"kms": 2}, Retries: 1, Throttles: 2, Superseded: 3, Updated: at,
		},
		{
			Worker: "b", Seq: 9, Outcomes: map[string]run.Tally{"DONE:stream": {Objects: 4, Bytes: 40}}, Updated: at.Add(time.Minute), Retries: 1,
			Pending: []run.Correction{
				{Worker: "a", Seq: 5, Outcome: "FAILED", Error: "kms", Bytes: 10},
				{Worker: "a", Seq: 4, Outcome: "GONE", Bytes: 7},
				{Worker: "a", Seq: 6, Outcome: "FAILED", Error: "kms", Bytes: 10}, // not counted yet
				{Worker: "dead", Seq: 1, Outcome: "DONE:stream", Bytes: 10},       // never counted
				{Worker: "dead", Seq: 2, Outcome: "DONE:stream", Bytes: 10, Before: []run.Correction{
					{Worker: "dead", Seq: 1, Outcome: "DONE:stream", Bytes: 10}, // nor this one
					{Worker: "a", Seq: 3, Outcome: "GONE", Bytes: 0},            // but the one before was
					{Worker: "a", Seq: 2, Outcome: "GONE", Bytes: 0},            // which saw to this one
				}},
			},
		},
	})
	want := run.Totals{
		Outcomes: map[string]run.Tally{"FAILED": {Objects: 1, Bytes: 20}, "DONE:stream": {Objects: 4, Bytes: 40}},
		Errors:   map[string]int64{"kms": 1}, Retries: 2, Throttles: 2, Superseded: 3, Updated: at.Add(time.Minute),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
