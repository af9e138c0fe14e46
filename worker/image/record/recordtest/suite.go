// Package recordtest is the contract of record.Store as tests; each adapter runs it.
package recordtest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/worker/image/record"
)

func sample(image, tag string, s record.Status) record.Record {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
	r := record.Record{
		Key: record.Key{Image: image, Tag: tag}, Status: s, SourceDigest: "sha256:a", DestinationDigest: "sha256:b", MediaType: "m", Bytes: 1 << 40,
		Platforms: []string{"linux/amd64", "linux/arm64"}, Referrers: 2, RunID: "r", Attempts: 3, StartedAt: at, FinishedAt: at.Add(time.Second), Execution: "e",
	}
	if s == record.Failed {
		r.ErrorClass, r.ErrorMessage = "network", "it broke"
	}
	return r
}

// Run runs the suite. open returns an empty store.
func Run(t *testing.T, open func(t *testing.T) record.Store) {
	t.Run("a record is read as it was written, and replaced", func(t *testing.T) { readBack(t, open(t)) })
	t.Run("many keys", func(t *testing.T) { many(t, open(t)) })
	t.Run("pages", func(t *testing.T) { pages(t, open(t)) })
	t.Run("a record leaves the list of its old status", func(t *testing.T) { moves(t, open(t)) })
	t.Run("an older record replaces no newer one", func(t *testing.T) { older(t, open(t)) })
	t.Run("long texts", func(t *testing.T) { long(t, open(t)) })
}

func readBack(t *testing.T, s record.Store) {
	for _, r := range []record.Record{
		sample("ghcr.io/o/app", "1", record.Done), sample("a", "1", record.Failed), sample("a", "1", record.Unchanged),
		{Key: record.Key{Image: "least", Tag: "sha256:x"}, Status: record.Failed},
	} {
		if err := s.Put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		got, err := s.Get(t.Context(), []record.Key{r.Key, {Image: "none", Tag: "none"}})
		if err != nil || len(got) != 1 {
			t.Fatalf("%v %v", got, err)
		}
		if d := cmp.Diff(r, got[r.Key]); d != "" {
			t.Error(d)
		}
	}
}

func many(t *testing.T, s record.Store) {
	var keys []record.Key
	for i := range 230 {
		r := sample("a", fmt.Sprint(i), record.Done)
		keys = append(keys, r.Key)
		if err := s.Put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Get(t.Context(), append(keys, keys[0])) // one twice
	if err != nil || len(got) != len(keys) {
		t.Errorf("%d of %d, %v", len(got), len(keys), err)
	}
}

func pages(t *testing.T, s record.Store) {
	want := map[record.Status][]string{}
	for _, status := range record.Statuses() {
		for i := range 7 {
			r := sample(fmt.Sprintf("%s-%d", strings.ToLower(string(status)), i), "x", status)
			want[status] = append(want[status], r.Image)
			if err := s.Put(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, status := range append(record.Statuses(), "") {
		seen := map[record.Status][]string{}
		n, after := 0, ""
		for range 50 {
			p, err := s.List(t.Context(), status, 3, after)
			if err != nil || len(p.Records) > 3 {
				t.Fatalf("%d records, %v", len(p.Records), err)
			}
			for _, r := range p.Records {
				n++
				seen[r.Status] = append(seen[r.Status], r.Image)
			}
			if after = p.Next; after == "" {
				break
			}
		}
		if status == "" {
			if d := cmp.Diff(want, seen); d != "" || n != 7*len(record.Statuses()) {
				t.Errorf("all: %s", d)
			}
			continue
		}
		if d := cmp.Diff(map[record.Status][]string{status: want[status]}, seen); d != "" {
			t.Errorf("%s: %s", status, d)
		}
	}
	if _, err := s.List(t.Context(), "", 3, "nowhere"); !errors.Is(err, record.ErrPlace) {
		t.Errorf("a place that is none: %v", err)
	}
}

func moves(t *testing.T, s record.Store) {
	for _, status := range []record.Status{record.Failed, record.Done} {
		if err := s.Put(t.Context(), sample("a", "1", status)); err != nil {
			t.Fatal(err)
		}
	}
	for status, n := range map[record.Status]int{record.Failed: 0, record.Done: 1} {
		if p, err := s.List(t.Context(), status, 10, ""); err != nil || len(p.Records) != n {
			t.Errorf("%s: %d records, %v", status, len(p.Records), err)
		}
	}
}

// older puts records in each order that a task which was thought dead may bring about.
func older(t *testing.T, s record.Store) {
	first, second := sample("a", "1", record.Failed), sample("a", "1", record.Done)
	first.RunID, second.RunID = "r1", "r2"
	second.FinishedAt = first.FinishedAt.Add(300 * time.Millisecond) // 05.978 s after 05.678 s
	third := second
	third.RunID, third.FinishedAt = "r3", second.FinishedAt.Add(22*time.Millisecond) // 06 s sharp: no fraction is written somewhere
	unfinished := first
	unfinished.RunID, unfinished.FinishedAt = "r0", time.Time{}
	for _, step := range []struct{ put, want record.Record }{
		{unfinished, unfinished}, {first, first}, {unfinished, first}, {second, second}, {first, second}, {third, third}, {second, third}, {third, third},
	} {
		if err := s.Put(t.Context(), step.put); err != nil {
			t.Fatalf("a record of %s: %v", step.put.RunID, err)
		}
		got, err := s.Get(t.Context(), []record.Key{first.Key})
		if d := cmp.Diff(step.want, got[first.Key]); d != "" || err != nil {
			t.Errorf("after %s: %s %v", step.put.RunID, d, err)
		}
		if p, err := s.List(t.Context(), step.want.Status, 10, ""); err != nil || len(p.Records) != 1 {
			t.Errorf("after %s: %d records of its status, %v", step.put.RunID, len(p.Records), err)
		}
	}
}

func long(t *testing.T, s record.Store) {
	r := sample("a", "1", record.Failed)
	r.ErrorMessage = strings.Repeat("é", 5000)
	if err := s.Put(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	got, err := s.Get(t.Context(), []record.Key{r.Key})
	if m := got[r.Key].ErrorMessage; err != nil || m != record.Bounded(r.ErrorMessage) || len(m) > 2100 {
		t.Errorf("%d bytes, %v", len(m), err)
	}
}
