// Package runtest is the contract of package run as tests. Every adapter passes it.
package runtest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/worker/run"
)

// Run runs the suite. open is called once a test and returns an empty store.
func Run(t *testing.T, open func(t *testing.T) run.Store) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, s run.Store)
	}{
		{"a run is read as it was written", roundTrip},
		{"a run is created once", once},
		{"what is not there cannot be read or updated", missing},
		{"the latest come first", latest},
		{"an update keeps a run's place", update},
		{"open runs are found however many came after them", opened},
		{"runs that were skipped are passed over", made},
		{"nothing left is not the same as not proved", remaining},
		{"counters of a lower number change nothing", counters},
		{"counters of runs and workers are apart", apart},
		{"a checkpoint is read as it was written", checkpoint},
		{"a checkpoint that does not fit leaves the one before", checkpointSize},
		{"an answer is read as it was written", answers},
		{"a lease has one holder", lease},
		{"a lease that ended can be taken", leaseEnds},
		{"leases of two names are apart", leaseNames},
		{"one of many at once gets a lease", leaseRace},
		{"a pause keeps its time", pauses},
		{"workers at work are counted", present},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func start() time.Time { return time.Date(2026, 2, 3, 4, 5, 6, 789e6, time.UTC) }

func sample(id string, started time.Time) run.Run {
	return run.Run{
		ID: id, Trigger: "schedule", State: run.Finding, Started: started, Version: "1.0",
		Finder: run.FinderTotals{
			ListedSource: 1 << 40, ListedDestination: 2, Queued: 3, Ranges: 4, ListCalls: 5, SortedRanges: 6, DecidedByTime: 7, NoChecksum: 8,
			Decisions: map[string]run.Tally{"new": {Objects: 9, Bytes: 1 << 50}, "changed:etag": {Objects: 1}},
		},
	}
}

func create(t *testing.T, s run.Store, r run.Run) {
	t.Helper()
	if err := s.Create(t.Context(), r); err != nil {
		t.Fatalf("creating %s: %v", r.ID, err)
	}
}

func check(t *testing.T, s run.Store, want run.Run) {
	t.Helper()
	got, err := s.Get(t.Context(), want.ID)
	if err != nil {
		t.Fatalf("reading %s: %v", want.ID, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func roundTrip(t *testing.T, s run.Store) {
	full := sample("full", start())
	full.State, full.Finished, full.Error = run.Failed, start().Add(time.Hour), "the source cannot be reached: \"why\""
	full.Found = start().Add(time.Minute)
	full.Remaining, full.Proved, full.Named, full.Newer = map[string]int64{"archived": 3}, true, 4, 5
	full.DeadLetters, full.Unreadable, full.Unaccounted, full.Report = 6, 7, 8, "s3://reports/run-full.jsonl"
	for _, r := range []run.Run{full, {ID: "bare", State: run.Skipped, Started: start()}} {
		create(t, s, r)
		check(t, s, r)
	}
}

func once(t *testing.T, s run.Store) {
	first := sample("r", start())
	create(t, s, first)
	for _, at := range []time.Time{start(), start().Add(time.Second)} {
		second := sample("r", at)
		second.Trigger = "manual"
		if err := s.Create(t.Context(), second); !errors.Is(err, run.ErrExists) {
			t.Errorf("creating again: %v", err)
		}
	}
	if err := s.Create(t.Context(), first); !errors.Is(err, run.ErrExists) {
		t.Errorf("creating the very same again: %v", err)
	}
	check(t, s, first)
	all, err := s.Latest(t.Context(), 10)
	if err != nil || len(all) != 1 {
		t.Errorf("listed are %v, %v", all, err)
	}
}

func missing(t *testing.T, s run.Store) {
	if _, err := s.Get(t.Context(), "none"); !errors.Is(err, run.ErrNotFound) {
		t.Errorf("reading: %v", err)
	}
	if err := s.Update(t.Context(), sample("none", start())); !errors.Is(err, run.ErrNotFound) {
		t.Errorf("updating: %v", err)
	}
	if all, err := s.Latest(t.Context(), 10); err != nil || len(all) != 0 {
		t.Errorf("listed are %v, %v", all, err)
	}
	if c, err := s.Counters(t.Context(), "none"); err != nil || len(c) != 0 {
		t.Errorf("counters are %v, %v", c, err)
	}
}

func ids(runs []run.Run) []string {
	var out []string
	for _, r := range runs {
		out = append(out, r.ID)
	}
	return out
}

func latest(t *testing.T, s run.Store) {
	for i, n := range []int{3, 0, 4, 1, 2} {
		create(t, s, sample(fmt.Sprintf("r%d", i), start().Add(time.Duration(n)*time.Minute)))
	}
	create(t, s, sample("r5", start().Add(2*time.Minute)))
	for limit, want := range map[int][]string{2: {"r2", "r0"}, 4: {"r2", "r0", "r5", "r4"}, 50: {"r2", "r0", "r5", "r4", "r3", "r1"}} {
		got, err := s.Latest(t.Context(), limit)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, ids(got)); diff != "" {
			t.Errorf("the latest %d: %s", limit, diff)
		}
	}
	var paged []string
	for at, id := start().Add(time.Hour), ""; ; {
		got, err := s.Before(t.Context(), at, id, 2)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) == 0 {
			break
		}
		paged = append(paged, ids(got)...)
		at, id = got[len(got)-1].Started, got[len(got)-1].ID
	}
	if diff := cmp.Diff([]string{"r2", "r0", "r5", "r4", "r3", "r1"}, paged); diff != "" {
		t.Errorf("page by page: %s", diff)
	}
}

func update(t *testing.T, s run.Store) {
	old, r := sample("old", start()), sample("r", start().Add(time.Minute))
	create(t, s, old)
	create(t, s, r)
	old.State, old.Finished, old.Finder.Queued, old.Continued = run.Done, start().Add(2*time.Hour), 77, true
	old.Finder.Decisions = map[string]run.Tally{"same": {Objects: 5, Bytes: 6}}
	if err := s.Update(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	check(t, s, old)
	got, err := s.Latest(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]run.Run{r, old}, got); diff != "" {
		t.Error(diff)
	}
	moved := old
	moved.Started = start().Add(time.Hour)
	if err := s.Update(t.Context(), moved); err == nil || errors.Is(err, run.ErrNotFound) {
		t.Errorf("moving a run in time: %v", err)
	}
	check(t, s, old)
}

func opened(t *testing.T, s run.Store) {
	at := start()
	want := func(what string, want ...string) {
		t.Helper()
		got, err := s.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, ids(got)); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	want("nothing is open")
	all := map[run.State]run.Run{}
	for i, state := range []run.State{run.Proving, run.Finding, run.Done, run.Copying, run.Failed} {
		r := sample(string(state), at.Add(time.Duration(i)*time.Minute))
		r.State = state
		all[state] = r
		create(t, s, r)
	}
	for i := range 120 { // more than a batch
		create(t, s, run.Run{ID: fmt.Sprintf("skipped-%d", i), State: run.Skipped, Started: at.Add(time.Hour + time.Duration(i)*time.Minute)})
	}
	want("as created", "PROVING", "FINDING", "COPYING")
	change := func(r run.Run, to run.State) {
		t.Helper()
		r.State = to
		if err := s.Update(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	change(all[run.Finding], run.Copying)
	change(all[run.Proving], run.Done)
	want("after updates", "FINDING", "COPYING")
	change(all[run.Finding], run.Failed)
	change(all[run.Copying], run.Done)
	want("all are over")
}

func made(t *testing.T, s run.Store) {
	at := start()
	for i := range 250 {
		r := run.Run{ID: fmt.Sprintf("r%03d", i), State: run.Skipped, Started: at.Add(time.Duration(i) * time.Minute)}
		if i%100 == 7 {
			r.State = run.Done
		}
		create(t, s, r)
	}
	for limit, want := range map[int][]string{1: {"r207"}, 2: {"r207", "r107"}, 10: {"r207", "r107", "r007"}} {
		got, err := s.Made(t.Context(), limit)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, ids(got)); diff != "" {
			t.Errorf("up to %d: %s", limit, diff)
		}
	}
}

func remaining(t *testing.T, s run.Store) {
	r := sample("r", start())
	create(t, s, r)
	if got, err := s.Get(t.Context(), "r"); err != nil || got.Remaining != nil {
		t.Errorf("before the proof %v is left, %v", got.Remaining, err)
	}
	r.Remaining = map[string]int64{}
	if err := s.Update(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	check(t, s, r)
}

func totals(worker string, seq, done int64) run.Counters {
	return run.Counters{
		Worker: worker, Seq: seq, Outcomes: map[string]run.Tally{"DONE:stream": {Objects: done, Bytes: done << 32}, "GONE": {Objects: 1}},
		Errors: map[string]int64{"kms": 2}, Retries: 3, Throttles: 4, Superseded: 5, Dropped: []string{"id", "another"}, Updated: start().Add(time.Duration(seq) * time.Minute),
		Pending: []run.Correction{{
			Worker: "other", Seq: seq, Outcome: "FAILED", Error: "kms", Bytes: 1 << 40,
			Before: []run.Correction{{Worker: "dead", Seq: 4, Outcome: "DONE:stream", Bytes: 1}},
		}},
	}
}

func wantCounters(t *testing.T, s run.Store, runID string, want ...run.Counters) {
	t.Helper()
	got, err := s.Counters(t.Context(), runID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func counters(t *testing.T, s run.Store) {
	create(t, s, sample("r", start()))
	for _, c := range []run.Counters{totals("w", 5, 5), totals("w", 9, 9), totals("w", 7, 7), totals("w", 8, 8)} {
		if err := s.PutCounters(t.Context(), "r", c); err != nil {
			t.Fatalf("counters up to %d: %v", c.Seq, err)
		}
	}
	wantCounters(t, s, "r", totals("w", 9, 9))
	if err := s.PutCounters(t.Context(), "r", totals("w", 9, 10)); err != nil {
		t.Fatal(err)
	}
	wantCounters(t, s, "r", totals("w", 9, 10))
}

func apart(t *testing.T, s run.Store) {
	create(t, s, sample("r", start()))
	for _, c := range []struct {
		run string
		c   run.Counters
	}{{"r", totals("b", 1, 1)}, {"r", totals("a", 2, 2)}, {"r2", totals("a", 3, 3)}, {"r", totals("a#x", 4, 4)}} {
		if err := s.PutCounters(t.Context(), c.run, c.c); err != nil {
			t.Fatal(err)
		}
	}
	wantCounters(t, s, "r", totals("a", 2, 2), totals("a#x", 4, 4), totals("b", 1, 1))
	wantCounters(t, s, "r2", totals("a", 3, 3))
	check(t, s, sample("r", start()))
}
