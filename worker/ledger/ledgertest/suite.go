// Package ledgertest is the contract of package ledger as tests. Every adapter passes it.
package ledgertest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/ledger"
)

// Run runs the suite. open is called once a test and returns an empty ledger.
func Run(t *testing.T, open func(t *testing.T) ledger.Ledger) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, l ledger.Ledger)
	}{
		{"a record is read as it was written", roundTrip},
		{"any key of an object is a key", keys},
		{"what has no record is left out", absent},
		{"many keys are read, some of them twice", many},
		{"a write returns what it replaced", replaces},
		{"records of a run that were replaced are remembered", remembers},
		{"records of runs that go on beside it are remembered", beside},
		{"a write happens only on the expected revision", conditional},
		{"the same revision again counts as written", again},
		{"long error texts are cut", bounded},
		{"failures are listed by class, key by key", failures},
		{"failures of all classes are listed", allFailures},
		{"an object that succeeds leaves the list", leaves},
		{"a wrong cursor is refused", cursor},
		{"batches keep their order and their conflicts", batch},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// besidesBefore compares records without what they replaced.
func besidesBefore() cmp.Option { return cmpopts.IgnoreFields(ledger.Record{}, "Before") }

func sample(key string, seq int64) ledger.Record {
	at := time.Date(2026, 2, 3, 4, 5, 6, 789e6, time.UTC)
	return ledger.Record{
		Key: key, Status: ledger.Done, Size: 1 << 45, SourceETag: "0123456789abcdef0123456789abcdef-17", DestinationETag: "d41d8cd98f00b204e9800998ecf8427e",
		Checksum: "rosUhgp5mIg=", VerifiedBy: "crc64nvme", Sequencer: "0055AED6DCD90281E5", Upload: "2~upload-id", RunID: "r1", Attempts: 2, Method: "stream",
		StartedAt: at, FinishedAt: at.Add(1500 * time.Millisecond), Bytes: 1<<45 + 1, Worker: "w1", Seq: seq,
	}
}

func failed(key string, class failure.Class, seq int64) ledger.Record {
	r := sample(key, seq)
	r.Status, r.ErrorClass, r.Error = ledger.Failed, string(class), "it did not work"
	return r
}

func put(t *testing.T, l ledger.Ledger, r ledger.Record, expect *ledger.Revision) *ledger.Record {
	t.Helper()
	old, err := l.Put(t.Context(), r, expect)
	if err != nil {
		t.Fatalf("writing %q: %v", r.Key, err)
	}
	return old
}

func get(t *testing.T, l ledger.Ledger, keys ...string) map[string]ledger.Record {
	t.Helper()
	got, err := l.Get(t.Context(), keys)
	if err != nil {
		t.Fatalf("reading: %v", err)
	}
	return got
}

func roundTrip(t *testing.T, l ledger.Ledger) {
	full := sample("full", 9)
	full.Status, full.ErrorClass, full.Error = ledger.Failed, string(failure.KMS), "key \"k\"\nis \x01 disabled ÄÖ 🌍"
	bare := ledger.Record{Key: "bare", Status: ledger.InProgress, Worker: "w", Seq: 1}
	for _, r := range []ledger.Record{full, bare} {
		put(t, l, r, nil)
		if diff := cmp.Diff(map[string]ledger.Record{r.Key: r}, get(t, l, r.Key)); diff != "" {
			t.Error(diff)
		}
	}
}

func keys(t *testing.T, l ledger.Ledger) {
	names := []string{"a", "a/", "a//b", "/", " ", "+%2F", `q"\`, "\x01\x7f", "ÄÖ/世界 🌍", strings.Repeat("k", 1024), "e\u0301", "\u00e9", "\uffff"}
	for i, key := range names {
		if i%2 == 0 {
			put(t, l, sample(key, int64(i)), nil)
		} else {
			put(t, l, failed(key, failure.Other, int64(i)), nil)
		}
	}
	got := get(t, l, names...)
	for i, key := range names {
		if r, ok := got[key]; !ok || r.Seq != int64(i) || r.Key != key {
			t.Errorf("record of %q is %+v", key, r)
		}
	}
	for _, key := range []string{"", "not \xff UTF-8"} {
		if _, err := l.Put(t.Context(), sample(key, 1), nil); err == nil || failure.ClassOf(err).Retryable() {
			t.Errorf("key %q: %v", key, err)
		}
	}
	if got := get(t, l, "", "not \xff UTF-8"); len(got) != 0 {
		t.Errorf("impossible keys have records: %v", got)
	}
}

func absent(t *testing.T, l ledger.Ledger) {
	put(t, l, sample("there", 1), nil)
	got := get(t, l, "there", "not there")
	if _, ok := got["there"]; !ok || len(got) != 1 {
		t.Errorf("got %v", got)
	}
	if got := get(t, l); len(got) != 0 {
		t.Errorf("no keys gave %v", got)
	}
}

func many(t *testing.T, l ledger.Ledger) {
	var names []string
	for i := range 130 {
		key := fmt.Sprintf("k%03d", i)
		names = append(names, key)
		if i%5 == 0 {
			put(t, l, sample(key, int64(i)), nil)
		}
	}
	names = append(names, "k000", "k000", "k005")
	got := get(t, l, names...)
	if len(got) != 26 {
		t.Errorf("%d records, want 26", len(got))
	}
	for key, r := range got {
		if r.Key != key || fmt.Sprintf("k%03d", r.Seq) != key {
			t.Errorf("under %q is %+v", key, r)
		}
	}
}

func replaces(t *testing.T, l ledger.Ledger) {
	first, second := failed("k", failure.Network, 1), sample("k", 2)
	if old := put(t, l, first, nil); old != nil {
		t.Errorf("the first write replaced %+v", old)
	}
	if diff := cmp.Diff(&first, put(t, l, second, nil), besidesBefore()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(second, get(t, l, "k")["k"], besidesBefore()); diff != "" {
		t.Error(diff)
	}
}

// remembers: a chain of writers that replace each other's records of one run is remembered, one of another run is not.
func remembers(t *testing.T, l ledger.Ledger) {
	put(t, l, failed("k", failure.Network, 1), nil)
	var last ledger.Record
	for seq := int64(2); seq < 9; seq++ {
		last = sample("k", seq)
		if seq%2 == 0 {
			put(t, l, last, nil)
			continue
		}
		before := get(t, l, "k")["k"]
		expect := before.Revision()
		last.Replace(&before) // whoever expects a record knows it
		put(t, l, last, &expect)
	}
	got := get(t, l, "k")["k"].Before
	if len(got) != 5 || got[0].Seq != 7 || got[4].Seq != 3 || got[0].Worker != last.Worker || got[0].Outcome != last.Outcome() || got[0].Size != last.Size {
		t.Errorf("remembered are %+v", got)
	}
	other := sample("k", 9)
	other.RunID = "another"
	put(t, l, other, nil)
	if got := get(t, l, "k")["k"].Before; len(got) != 0 {
		t.Errorf("of another run %+v is remembered", got)
	}
}

// beside writes the record of one key in the name of several runs, as messages of theirs come.
func beside(t *testing.T, l ledger.Ledger) {
	seq := int64(0)
	write := func(runID string, heed ledger.Heed) *ledger.Record {
		seq++
		r := sample("k", seq)
		r.RunID, r.Heed, r.FinishedAt = runID, heed, r.FinishedAt.Add(time.Duration(seq)*time.Second)
		return put(t, l, r, nil)
	}
	seqs := func(r *ledger.Record, runID string) (all []int64) {
		if r == nil {
			return nil
		}
		for _, p := range r.Counted(runID) {
			all = append(all, p.Seq)
		}
		return all
	}
	open := ledger.Heed{Runs: []string{"a", "b"}}
	write("a", open)                                                        // 1
	write("b", open)                                                        // 2: remembers 1
	write("c", open)                                                        // 3: remembers 2 and 1
	if got := seqs(write("a", open), "a"); !slices.Equal(got, []int64{1}) { // 4
		t.Errorf("of run a, %v is known", got)
	}
	if got := seqs(write("b", open), "b"); !slices.Equal(got, []int64{2}) { // 5
		t.Errorf("of run b, %v is known", got)
	}
	if got := seqs(write("a", open), "a"); !slices.Equal(got, []int64{4, 1}) { // 6
		t.Errorf("of run a, %v is known later", got)
	}
	write("d", ledger.Heed{}) // 7: knows of no other run
	if got := get(t, l, "k")["k"].Before; len(got) != 0 {
		t.Errorf("of closed runs %+v is remembered", got)
	}
	write("e", ledger.Heed{Since: sample("k", 0).FinishedAt}) // 8: 7 is too young for anybody to know its run
	if got := seqs(write("d", ledger.Heed{}), "d"); !slices.Equal(got, []int64{7}) {
		t.Errorf("of run d, %v is known", got)
	}
}

func conditional(t *testing.T, l ledger.Ledger) {
	first, second, third := sample("k", 1), sample("k", 2), sample("k", 3)
	third.Worker = "w2"
	refused := func(r ledger.Record, expect ledger.Revision) {
		t.Helper()
		if _, err := l.Put(t.Context(), r, &expect); !errors.Is(err, ledger.ErrConflict) {
			t.Errorf("expecting %+v: %v", expect, err)
		}
	}
	refused(second, first.Revision())
	if old := put(t, l, first, &ledger.Revision{}); old != nil {
		t.Errorf("the first write replaced %+v", old)
	}
	refused(second, ledger.Revision{})
	refused(second, ledger.Revision{Worker: "w1", Seq: 7})
	refused(second, ledger.Revision{Worker: "other", Seq: 1})
	expect := first.Revision()
	if diff := cmp.Diff(&first, put(t, l, second, &expect), besidesBefore()); diff != "" {
		t.Error(diff)
	}
	refused(third, first.Revision())
	if diff := cmp.Diff(second, get(t, l, "k")["k"], besidesBefore()); diff != "" {
		t.Errorf("refused writes changed the record: %s", diff)
	}
}

func again(t *testing.T, l ledger.Ledger) {
	first, second := sample("k", 1), sample("k", 2)
	put(t, l, first, nil)
	expect := first.Revision()
	put(t, l, second, &expect)
	if old := put(t, l, second, &expect); old != nil {
		t.Errorf("the second time it replaced %+v", old)
	}
	if old := put(t, l, second, nil); old != nil {
		t.Errorf("the third time it replaced %+v", old)
	}
}

func bounded(t *testing.T, l ledger.Ledger) {
	r := failed("k", failure.Other, 1)
	r.Error = "x" + strings.Repeat("ü", ledger.MaxError)
	put(t, l, r, nil)
	got := get(t, l, "k")["k"].Error
	if len(got) > ledger.MaxError || len(got) < ledger.MaxError-4 || !strings.HasPrefix(r.Error, got) {
		t.Errorf("%d bytes are stored", len(got))
	}
}

// list pages through the failures of a class, and checks the pages.
func list(t *testing.T, l ledger.Ledger, class string, limit int) []ledger.Record {
	t.Helper()
	var out []ledger.Record
	after := ""
	for range 1000 {
		page, err := l.Failures(t.Context(), class, limit, after)
		if err != nil {
			t.Fatalf("failures after %q: %v", after, err)
		}
		if len(page.Records) > limit {
			t.Fatalf("a page of %d, %d were asked for", len(page.Records), limit)
		}
		out = append(out, page.Records...)
		if page.Next == "" {
			return out
		}
		after = page.Next
	}
	t.Fatal("the pages do not end")
	return nil
}

func keysOf(records []ledger.Record) []string {
	var out []string
	for _, r := range records {
		out = append(out, r.Key)
	}
	return out
}

func failures(t *testing.T, l ledger.Ledger) {
	var want []string
	for i := range 40 {
		key := fmt.Sprintf("k%02d", (i*7)%40)
		put(t, l, failed(key, failure.AccessDenied, int64(i)), nil)
		want = append(want, key)
	}
	slices.Sort(want)
	put(t, l, failed("k05x", failure.Network, 50), nil)
	put(t, l, sample("k06x", 51), nil)
	for _, limit := range []int{7, 100} {
		got := list(t, l, string(failure.AccessDenied), limit)
		if diff := cmp.Diff(want, keysOf(got)); diff != "" {
			t.Errorf("%d a page: %s", limit, diff)
		}
	}
	got := list(t, l, string(failure.Network), 10)
	if diff := cmp.Diff([]ledger.Record{failed("k05x", failure.Network, 50)}, got); diff != "" {
		t.Error(diff)
	}
	if got := list(t, l, string(failure.KMS), 10); len(got) != 0 {
		t.Errorf("a class without failures has %v", got)
	}
}

func allFailures(t *testing.T, l ledger.Ledger) {
	put(t, l, failed("z", failure.AccessDenied, 1), nil)
	put(t, l, failed("m", failure.TooLarge, 2), nil)
	put(t, l, failed("b", failure.Network, 3), nil)
	put(t, l, failed("a", failure.Network, 4), nil)
	put(t, l, failed("n", "", 5), nil)
	put(t, l, sample("fine", 6), nil)
	want := []string{"z", "a", "b", "n", "m"}
	for _, limit := range []int{2, 10} {
		if diff := cmp.Diff(want, keysOf(list(t, l, "", limit))); diff != "" {
			t.Errorf("%d a page: %s", limit, diff)
		}
	}
	if diff := cmp.Diff([]string{"n"}, keysOf(list(t, l, string(failure.Other), 10))); diff != "" {
		t.Errorf("without a class: %s", diff)
	}
}

func leaves(t *testing.T, l ledger.Ledger) {
	put(t, l, failed("k", failure.Network, 1), nil)
	put(t, l, sample("k", 2), nil)
	if got := list(t, l, string(failure.Network), 10); len(got) != 0 {
		t.Errorf("still listed: %v", got)
	}
	put(t, l, failed("k", failure.KMS, 3), nil)
	put(t, l, failed("k", failure.Server, 4), nil)
	if got := list(t, l, string(failure.KMS), 10); len(got) != 0 {
		t.Errorf("still listed under its earlier class: %v", got)
	}
}

func cursor(t *testing.T, l ledger.Ledger) {
	if _, err := l.Failures(t.Context(), "", 10, "no cursor!"); err == nil {
		t.Error("it was taken")
	}
}

func batch(t *testing.T, l ledger.Ledger) {
	b, ok := l.(ledger.BatchPutter)
	if !ok {
		return // writing one by one is allowed
	}
	put(t, l, sample("old", 1), nil)
	outcomes, err := b.PutBatch(t.Context(), []ledger.Put{
		{Record: sample("new", 2)},
		{Record: sample("old", 3), Expect: &ledger.Revision{}},
		{Record: sample("old", 4), Expect: &ledger.Revision{Worker: "w1", Seq: 1}},
		{Record: sample("old", 5)},
	})
	if err != nil {
		t.Fatal(err)
	}
	first, second := sample("old", 1), sample("old", 4)
	want := []ledger.PutOutcome{{}, {Err: ledger.ErrConflict}, {Replaced: &first}, {Replaced: &second}}
	if len(outcomes) != len(want) {
		t.Fatalf("%d outcomes", len(outcomes))
	}
	for i, w := range want {
		if diff := cmp.Diff(w.Replaced, outcomes[i].Replaced, besidesBefore()); diff != "" || !errors.Is(outcomes[i].Err, w.Err) {
			t.Errorf("outcome %d: %v %s", i, outcomes[i].Err, diff)
		}
	}
}
