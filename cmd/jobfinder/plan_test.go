package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/worker/estimate"
	"github.com/datatransferhub/dth/worker/run"
)

// A plan queues nothing, and reckons with the fleet of the configuration and the prices that it is given.
func TestPlanIsPriced(t *testing.T) {
	s := newStack(t, few)
	s.configure(map[string]string{"srcPrefix": "00", "maxCapacity": "7", "finderInstanceType": "c7g.large"})
	prices := filepath.Join(t.TempDir(), "ours.yaml")
	s.must(os.WriteFile(prices, []byte("asOf: 2026-10-01\nprices:\n  - {id: SQS.requests, price: 1000, currency: CHF}\n"), 0o600))
	code, out, errs := s.call("--plan", "--json", "--prices", prices)
	var said struct {
		Totals    run.FinderTotals
		Histogram []struct{ Objects int64 }
		Largest   []any
		Estimate  estimate.Estimate
	}
	if err := json.Unmarshal([]byte(out), &said); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v\n%s%s", code, err, out, errs)
	}
	e := said.Estimate
	work := said.Totals.Decisions["new"].Objects + said.Totals.Decisions["changed:mtime"].Objects + said.Totals.Decisions["changed:etag"].Objects
	if work == 0 || e.Requests.Destination.Put != work || e.Requests.Source.Get != work || len(said.Histogram) == 0 || len(said.Largest) == 0 {
		t.Errorf("%d objects to copy, %+v", work, e.Requests)
	}
	// Of the parameter's three types, the cheapest.
	if want := (estimate.Fleet{Region: "us-east-1", MaxWorkers: 7, Instance: "c7g.large", Finder: "c7g.large"}); e.Fleet != want {
		t.Errorf("the fleet is %+v, want %+v", e.Fleet, want)
	}
	if len(e.Totals) != 2 || e.Totals[0].Currency != "USD" || e.Totals[1].Currency != "CHF" || e.Prices.Table != "ours.yaml" {
		t.Errorf("%+v, %+v", e.Totals, e.Prices)
	}
	if s.queued() != 0 {
		t.Errorf("%d messages are queued", s.queued())
	}
	for _, args := range [][]string{{"--prices", prices}, {"--plan", "--prices", "/nonexistent"}} {
		if code, _, errs := s.call(args...); code != 2 || !strings.Contains(errs, "--prices") {
			t.Errorf("%v: exit code %d, %s", args, code, errs)
		}
	}
}
