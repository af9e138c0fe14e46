package list

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf16"

	"pgregory.net/rapid"

	"github.com/datatransferhub/dth/worker/store"
)

func awkwardKey() *rapid.Generator[string] {
	pieces := []string{
		"a", "b", "/", "//", "0", "1", "9", "z", "é", "中", "😀", "\uffee", "\n", "\x01", " ", "+", "%2F", "\U0010FFFD", "-", "~", "\x7f",
		"\ue000", "\ufffe", "\uffff", "a/b/c/d/e/f/g/", "\U00010000",
	}
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 12).Draw(t, "pieces"), "")
	})
}

func byUTF16(a, b string) bool {
	return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b))) < 0
}

// Every key of both sides comes exactly once, whatever the keys, pages, orders, translations and cuts.
func TestEveryKeyOnce(tt *testing.T) {
	rapid.Check(tt, func(t *rapid.T) {
		keys := rapid.SliceOfNDistinct(awkwardKey(), 0, 60, func(s string) string { return s })
		source, names := keys.Draw(t, "source"), keys.Draw(t, "destination")
		strip := rapid.SampledFrom([]string{"", "a", "a/"}).Draw(t, "strip")
		add := rapid.SampledFrom([]string{"", "copy/", "中/"}).Draw(t, "add")
		var destination []string
		for _, n := range names {
			destination = append(destination, add+n)
		}
		prefixes := rapid.SampledFrom([][]string{nil, {"a"}, {"a/"}, {"😀"}, {"a", "b", "中"}}).Draw(t, "prefixes")
		page := rapid.IntRange(1, 7).Draw(t, "page")
		less := func(a, b string) bool { return a < b }
		careful := rapid.Bool().Draw(t, "undocumented order")
		if careful && rapid.Bool().Draw(t, "UTF-16") {
			less = byUTF16
		}
		src, dst := newOrdered(page, less, source...), newOrdered(page, less, destination...)
		// Calls take virtual time, so that ranges are cut as early and as often as can be.
		seed := rapid.Uint64().Draw(t, "seed")
		rnd := rand.New(rand.NewPCG(seed, seed))
		var mu sync.Mutex
		src.pause = func() {
			mu.Lock()
			d := time.Duration(6+rnd.IntN(20)) * time.Millisecond
			mu.Unlock()
			time.Sleep(d)
		}
		dst.pause = src.pause
		concurrency := rapid.IntRange(1, 9).Draw(t, "concurrency")

		want := [2][]string{}
		for _, k := range source {
			if selected(k, prefixes) {
				want[0] = append(want[0], k)
			}
		}
		for _, n := range names {
			if selected(strip+n, prefixes) {
				want[1] = append(want[1], add+n)
			}
		}
		sort.Strings(want[0])
		sort.Strings(want[1])
		var got *gathered
		var counts Counts
		var err error
		synctest.Test(tt, func(*testing.T) {
			got, counts, err = walkErr(Config{
				Source:      Side{Lister: src, StartAfter: true, ByteOrder: !careful},
				Destination: &Side{Lister: dst, Strip: strip, Add: add, StartAfter: true, ByteOrder: !careful},
				Prefixes:    prefixes, Concurrency: concurrency,
			})
		})
		if err != nil {
			t.Fatal(err)
		}
		for side := range want {
			if !slices.Equal(want[side], got.side[side]) {
				t.Fatalf("side %d: want %q, got %q", side, want[side], got.side[side])
			}
		}
		if counts.Source != int64(len(want[0])) || counts.Destination != int64(len(want[1])) {
			t.Fatalf("counts %+v, want %d and %d", counts, len(want[0]), len(want[1]))
		}
	})
}

func selected(key string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(key, p) {
			return true
		}
	}
	return len(prefixes) == 0
}

func shapes(n int) map[string][]string {
	out := map[string][]string{}
	for i := range n {
		out["numbered"] = append(out["numbered"], fmt.Sprintf("obj-%010d", i))
		out["hashed"] = append(out["hashed"], fmt.Sprintf("%08x-%d", uint32(i)*2654435761, i))
		out["dated"] = append(out["dated"], fmt.Sprintf("log/year=%d/month=%02d/day=%02d/h%02d-%07d.gz", 2020+i%4, i/4%12+1, i/48%28+1, i%24, i))
		out["deep"] = append(out["deep"], strings.Repeat("very/deep/", 20)+fmt.Sprintf("%07d", i))
		out["unicode"] = append(out["unicode"], fmt.Sprintf("写真（全）/%c%c/%d", rune(0x4e00+i%500), rune(0x1f600+i%60), i))
		out["one long folder"] = append(out["one long folder"], fmt.Sprintf("z-%07d", i))
		if i < n/1000 {
			out["one long folder"] = append(out["one long folder"], fmt.Sprintf("a/%d/b", i), fmt.Sprintf("{%d}", i))
		}
	}
	return out
}

// The bar: 200,000 objects at both ends and 100 ms a call take 5 s, in virtual time: some 50 calls one after the other
// instead of 200.
func TestLatencyIsHidden(t *testing.T) {
	for name, keys := range shapes(200_000) {
		for _, empty := range []bool{false, true} {
			if empty && name != "dated" && name != "deep" {
				continue
			}
			t.Run(fmt.Sprintf("%s, empty destination %v", name, empty), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					const latency = 100 * time.Millisecond
					src, dst := newBucket(1000, keys...), newBucket(1000, keys...)
					if empty {
						dst = newBucket(1000)
					}
					src.latency, dst.latency = latency, latency
					began := time.Now()
					got, counts := walk(t, Config{
						Source: Side{Lister: src, StartAfter: true, ByteOrder: true}, Destination: &Side{Lister: dst, StartAfter: true, ByteOrder: true},
					})
					rounds := int(time.Since(began) / latency)
					if len(got.side[0]) != len(keys) || len(got.side[1]) != len(dst.keys) {
						t.Fatalf("got %d and %d of %d", len(got.side[0]), len(got.side[1]), len(keys))
					}
					t.Logf("%d round trips one after the other, %+v", rounds, counts)
					if rounds > 50 {
						t.Errorf("%d calls one after the other, allowed are 50", rounds)
					}
					if pages := counts.Calls - counts.Probes; pages > 1000 {
						t.Errorf("%d pages were listed, 400 hold everything", pages)
					}
				})
			})
		}
	}
}

// Without latency, probes are a small part of the work.
func TestNoProbesWithoutNeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // time stands still while nobody sleeps
		for name, keys := range shapes(100_000) {
			_, counts := walk(t, Config{
				Source:      Side{Lister: newBucket(1000, keys...), StartAfter: true, ByteOrder: true},
				Destination: &Side{Lister: newBucket(1000, keys...), StartAfter: true, ByteOrder: true},
			})
			pages := counts.Calls - counts.Probes
			if t.Logf("%s: %+v", name, counts); counts.Probes > pages {
				t.Errorf("%s: %d probes for %d pages", name, counts.Probes, pages)
			}
		}
		_, counts := walk(t, Config{
			Source:      Side{Lister: newBucket(1000, shapes(6_000)["numbered"]...), StartAfter: true, ByteOrder: true},
			Destination: &Side{Lister: newBucket(1000), StartAfter: true, ByteOrder: true},
		})
		if counts.Probes != 0 {
			t.Errorf("a small bucket was probed %d times", counts.Probes)
		}
	})
}

func TestStoreOfAnotherOrderIsSorted(t *testing.T) {
	keys := []string{"a", "\uffee", "😀", "😀/x", "z"}
	src := newOrdered(2, byUTF16, keys...)
	got, counts := walk(t, Config{
		Source: Side{Lister: src, StartAfter: true}, Destination: &Side{Lister: newBucket(2, keys...), StartAfter: true}, SpillDir: t.TempDir(),
	})
	sort.Strings(keys)
	if !slices.Equal(got.side[0], keys) || !slices.Equal(got.side[1], keys) || counts.Sorted != 2 || counts.Source != 5 || got.discarded != 1 {
		t.Errorf("got %q, discarded %d, counts %+v", got.side, got.discarded, counts)
	}
}

// Only the prefix that is out of order is handled anew; the sort goes to disk and comes back whole.
func TestSortOnDisk(t *testing.T) {
	var keys []string
	for i := range 150_000 {
		keys = append(keys, fmt.Sprintf("b/%06d-%s", i*7919%150_000, strings.Repeat("x", 50)))
	}
	shuffled := newOrdered(1000, func(a, b string) bool { return a < b }, append(keys, "a/1", "a/2")...)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(keys), func(i, j int) {
		i, j = i+2, j+2 // a/1 and a/2 stay in front
		shuffled.keys[i], shuffled.keys[j] = shuffled.keys[j], shuffled.keys[i]
	})
	got, counts := walk(t, Config{
		Source: Side{Lister: shuffled}, Destination: &Side{Lister: newBucket(1000, keys...)}, Prefixes: []string{"a/", "b/"}, SpillDir: t.TempDir(),
	})
	sort.Strings(keys)
	if !slices.Equal(got.side[0], append([]string{"a/1", "a/2"}, keys...)) || !slices.Equal(got.side[1], keys) {
		t.Errorf("got %d and %d keys of %d", len(got.side[0]), len(got.side[1]), len(keys))
	}
	if counts.Sorted != 2 || got.discarded != 1 || counts.Ranges != 3 {
		t.Errorf("discarded %d, counts %+v", got.discarded, counts)
	}
}

func TestObjectsSurviveTheDisk(t *testing.T) {
	objects := []store.Object{
		{Key: "a"},
		{Key: "b\x00\n", Size: 1 << 60, ETag: "e-3", Modified: time.Date(2024, 2, 29, 1, 2, 3, 4e6, time.UTC), StorageClass: "GLACIER", Restored: true},
		{Key: "c", Modified: time.Date(1850, 1, 1, 0, 0, 0, 0, time.UTC)},
	}
	s := &sorter{dir: t.TempDir()}
	defer s.close()
	for _, i := range []int{2, 0, 1} {
		if err := s.add(&objects[i]); err != nil {
			t.Fatal(err)
		}
		if err := s.spill(); err != nil { // a run each
			t.Fatal(err)
		}
	}
	if err := s.begin(); err != nil {
		t.Fatal(err)
	}
	for _, want := range objects {
		got, err := s.Next(t.Context())
		if err != nil || got == nil || *got != want {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
	if got, err := s.Next(t.Context()); got != nil || err != nil {
		t.Errorf("more than was put in: %+v, %v", got, err)
	}
}

// Where a side cannot begin after a key, each prefix is one range.
func TestWithoutStartAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src, dst := newBucket(10, shapes(2_000)["dated"]...), newBucket(10, shapes(2_000)["dated"]...)
		src.latency, dst.latency = time.Second, time.Second
		got, counts := walk(t, Config{Source: Side{Lister: src, StartAfter: true}, Destination: &Side{Lister: dst}, Prefixes: []string{"log/year=2020", "log/year=2021"}})
		if counts.Ranges != 2 || counts.Probes != 0 || len(got.side[0]) != 1000 || len(got.side[1]) != 1000 {
			t.Errorf("%+v", counts)
		}
	})
}

func TestOnlySource(t *testing.T) {
	got, counts := walk(t, Config{Source: Side{Lister: newBucket(2, "a", "b", "c"), StartAfter: true}})
	if !slices.Equal(got.side[0], []string{"a", "b", "c"}) || counts.Destination != 0 {
		t.Errorf("got %q, %+v", got.side, counts)
	}
}

// pages gives fixed pages, one after the other, the last one again and again.
type pages struct {
	all  []*store.Page
	next int
}

func (p *pages) List(context.Context, store.ListRequest) (*store.Page, error) {
	page := p.all[min(p.next, len(p.all)-1)]
	p.next++
	return page, nil
}

func TestListingsThatLeadNowhere(t *testing.T) {
	object := func(keys ...string) (out []store.Object) {
		for _, k := range keys {
			out = append(out, store.Object{Key: k})
		}
		return out
	}
	tests := map[string][]*store.Page{
		"a token again":      {{Objects: object("a"), Next: "t"}, {Objects: object("b"), Next: "t"}},
		"a key twice":        {{Objects: object("a"), Next: "t"}, {Objects: object("a")}},
		"twice on one page":  {{Objects: object("a", "a")}},
		"twice when sorted":  {{Objects: object("b", "a", "b")}},
		"empty pages, token": {{Next: "t"}, {Next: "t"}},
	}
	for name, all := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Run(t.Context(), Config{Source: Side{Lister: &pages{all: all}}, Comparer: (&gathered{}).comparer, SpillDir: t.TempDir()})
			var stuck *StuckError
			if !errors.As(err, &stuck) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A failure anywhere stops everything: nothing is committed twice, nothing keeps running.
func TestFailureStopsThePass(t *testing.T) {
	refused := errors.New("refused")
	for from := range 40 {
		src := newBucket(10, shapes(2_000)["hashed"]...)
		src.fail, src.from = refused, from
		src.pause = runtime.Gosched
		g := &gathered{}
		_, err := Run(t.Context(), Config{
			Source: Side{Lister: src, StartAfter: true}, Destination: &Side{Lister: newBucket(10, "a"), StartAfter: true},
			Comparer: g.comparer, Concurrency: 8,
		})
		if !errors.Is(err, refused) {
			t.Fatalf("after %d calls: %v", from, err)
		}
		if g.discarded != 1 || len(g.side[0]) > 0 {
			t.Fatalf("after %d calls: discarded %d, committed %d keys", from, g.discarded, len(g.side[0]))
		}
	}
}

func TestCanceledPass(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the machine goes away")
	src := newBucket(10, shapes(2_000)["dated"]...)
	src.pause = func() { cancel(why) }
	if _, err := Run(ctx, Config{Source: Side{Lister: src, StartAfter: true}, Comparer: (&gathered{}).comparer}); err == nil {
		t.Error("a canceled pass had a result")
	}
}

// So many pieces that they are merged on two levels come back whole and in order.
func TestManyRuns(t *testing.T) {
	const n = fanIn*fanIn + 100
	s := &sorter{dir: t.TempDir()}
	defer s.close()
	for i := range n {
		if err := s.add(&store.Object{Key: fmt.Sprintf("%05d", i*7919%n), Size: int64(i)}); err != nil {
			t.Fatal(err)
		}
		if err := s.spill(); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.levels) != 3 {
		t.Errorf("%d levels", len(s.levels))
	}
	if err := s.begin(); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		o, err := s.Next(t.Context())
		if err != nil || o == nil || o.Key != fmt.Sprintf("%05d", i) {
			t.Fatalf("object %d is %+v, %v", i, o, err)
		}
	}
	if o, err := s.Next(t.Context()); o != nil || err != nil {
		t.Errorf("more than was put in: %+v, %v", o, err)
	}
}
