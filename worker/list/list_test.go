package list

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/datatransferhub/dth/worker/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bucket lists keys from memory, in pages, as a store would.
type bucket struct {
	keys  []string // in the order of less
	less  func(a, b string) bool
	page  int
	delay func()

	mu    sync.Mutex
	calls int
}

func newBucket(page int, keys ...string) *bucket {
	b := &bucket{keys: slices.Clone(keys), page: page, less: func(a, b string) bool { return a < b }}
	return b.sorted()
}

func (b *bucket) sorted() *bucket {
	sort.Slice(b.keys, func(i, j int) bool { return b.less(b.keys[i], b.keys[j]) })
	return b
}

func (b *bucket) List(ctx context.Context, r store.ListRequest) (*store.Page, error) {
	b.mu.Lock()
	b.calls++
	b.mu.Unlock()
	if b.delay != nil {
		b.delay()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	i := sort.Search(len(b.keys), func(i int) bool { return b.less(r.StartAfter, b.keys[i]) })
	if r.StartAfter == "" {
		i = 0
	}
	if r.Token != "" {
		i, _ = strconv.Atoi(r.Token)
	} else if r.Prefix != "" {
		i = max(i, sort.Search(len(b.keys), func(i int) bool { return !b.less(b.keys[i], r.Prefix) }))
	}
	limit := b.page
	if r.MaxKeys > 0 {
		limit = min(limit, r.MaxKeys)
	}
	page := &store.Page{}
	for ; i < len(b.keys) && len(page.Objects) < limit; i++ {
		if strings.HasPrefix(b.keys[i], r.Prefix) {
			page.Objects = append(page.Objects, store.Object{Key: b.keys[i]})
		}
	}
	for j := i; j < len(b.keys); j++ {
		if strings.HasPrefix(b.keys[j], r.Prefix) {
			page.Next = strconv.Itoa(i)
			break
		}
	}
	return page, nil
}

// collector gathers what the ranges give, each side's names as often as they come.
type collector struct {
	mu   sync.Mutex
	side [2][]string
}

func (c *collector) Merge(ctx context.Context, streams ...Stream) error {
	for side, s := range streams {
		if s == nil {
			continue
		}
		last := ""
		for {
			e, err := s.Next(ctx)
			if err != nil {
				return err
			}
			if e == nil {
				break
			}
			if last != "" && e.Name <= last {
				return fmt.Errorf("%q after %q", e.Name, last)
			}
			last = e.Name
			c.mu.Lock()
			c.side[side] = append(c.side[side], e.Name)
			c.mu.Unlock()
		}
	}
	return nil
}

type mergeFunc func(ctx context.Context, a, b Stream) error

func (f mergeFunc) Merge(ctx context.Context, a, b Stream) error { return f(ctx, a, b) }

func runBoth(t interface{ Fatal(...any) }, src, dst *bucket, base string, prefixes []string, concurrency int) (*collector, Counts) {
	var c *collector
	counts, err := Run(context.Background(), Config{
		Source: Side{Lister: src, StartAfter: true}, Destination: &Side{Lister: dst, Base: base, StartAfter: true},
		Prefixes: prefixes, Concurrency: concurrency, SpillDir: os.TempDir(),
		Merger: func() Merger {
			c = &collector{}
			mine := c
			return mergeFunc(func(ctx context.Context, a, b Stream) error { return mine.Merge(ctx, a, b) })
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(c.side[0])
	sort.Strings(c.side[1])
	return c, counts
}

func awkwardKey() *rapid.Generator[string] {
	pieces := []string{"a", "b", "/", "//", "0", "1", "9", "z", "é", "中", "😀", "\uffee", "\n", "\x01", " ", "+", "%2F", "\U0010FFFD", "-", "~", "\x7f"}
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 12).Draw(t, "pieces"), "")
	})
}

// Every key of both sides comes exactly once, whatever the keys, pages and cuts.
func TestEveryKeyOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOfDistinct(awkwardKey(), func(s string) string { return s })
		source, names := keys.Draw(t, "source"), keys.Draw(t, "destination")
		base := rapid.SampledFrom([]string{"", "copy/"}).Draw(t, "base")
		destination := []string{"zzz outside", "cop"}
		if base == "" {
			destination = nil
		}
		for _, n := range names {
			destination = append(destination, base+n)
		}
		prefix := rapid.SampledFrom([]string{"", "a", "a/", "😀"}).Draw(t, "prefix")
		page := rapid.IntRange(1, 7).Draw(t, "page")
		src, dst := newBucket(page, source...), newBucket(page, destination...)
		src.delay = func() { time.Sleep(20 * time.Microsecond) }
		got, counts := runBoth(t, src, dst, base, []string{prefix}, rapid.IntRange(1, 8).Draw(t, "concurrency"))
		want := [2][]string{}
		for i, list := range [][]string{source, names} {
			for _, k := range list {
				if strings.HasPrefix(k, prefix) {
					want[i] = append(want[i], k)
				}
			}
			sort.Strings(want[i])
			if !slices.Equal(want[i], got.side[i]) {
				t.Fatalf("side %d: want %q, got %q", i, want[i], got.side[i])
			}
		}
		if counts.Source != int64(len(want[0])) || counts.Destination != int64(len(want[1])) {
			t.Fatalf("counts %+v, want %d and %d", counts, len(want[0]), len(want[1]))
		}
	})
}

func shapes(n int) map[string][]string {
	out := map[string][]string{}
	for i := range n {
		out["numbered"] = append(out["numbered"], fmt.Sprintf("obj-%010d", i))
		out["hashed"] = append(out["hashed"], fmt.Sprintf("%08x-%d", uint32(i)*2654435761, i))
		out["dated"] = append(out["dated"], fmt.Sprintf("log/year=%d/month=%02d/day=%02d/h%02d-%04d.gz", 2020+i%4, i%12+1, i%28+1, i%24, i))
		out["deep"] = append(out["deep"], strings.Repeat("very/deep/", 20)+fmt.Sprintf("%07d", i))
		out["unicode"] = append(out["unicode"], fmt.Sprintf("写真/%c%c/%d", rune(0x4e00+i%500), rune(0x1f600+i%60), i))
	}
	return out
}

// With latency, listers work side by side: the longest chain of calls is a small part of all calls.
func TestRangesAreFoundInParallel(t *testing.T) {
	for name, keys := range shapes(40_000) {
		t.Run(name, func(t *testing.T) {
			src, dst := newBucket(1000, keys...), newBucket(1000, keys...)
			const latency = 30 * time.Millisecond
			src.delay = func() { time.Sleep(latency) }
			dst.delay = src.delay
			began := time.Now()
			got, counts := runBoth(t, src, dst, "", nil, 32)
			rounds := time.Since(began) / latency
			if len(got.side[0]) != len(keys) || len(got.side[1]) != len(keys) {
				t.Fatalf("got %d and %d of %d", len(got.side[0]), len(got.side[1]), len(keys))
			}
			t.Logf("%d calls, %d ranges, about %d round trips one after the other", counts.Calls, counts.Ranges, rounds)
			if counts.Ranges < 8 {
				t.Errorf("only %d ranges were found", counts.Ranges)
			}
		})
	}
}

func TestStoreOfAnotherOrderIsSorted(t *testing.T) {
	keys := []string{"a", "\uffee", "😀", "😀/x", "z"}
	src := newBucket(2, keys...)
	src.less = func(a, b string) bool {
		return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b))) < 0
	}
	src.sorted()
	got, counts := runBoth(t, src, newBucket(2, keys...), "", nil, 4)
	sort.Strings(keys)
	if !slices.Equal(got.side[0], keys) || !slices.Equal(got.side[1], keys) || counts.Sorted != 2 || counts.Source != 5 {
		t.Errorf("got %q, counts %+v", got.side, counts)
	}
}

func TestPrefixesAreListedAlone(t *testing.T) {
	src := newBucket(2, "a/1", "a/2", "a0", "b/1", "b/2", "b/3", "c/1")
	got, _ := runBoth(t, src, newBucket(2, "b/1", "c/9"), "", []string{"a/", "b/"}, 4)
	if want := []string{"a/1", "a/2", "b/1", "b/2", "b/3"}; !slices.Equal(got.side[0], want) {
		t.Errorf("got %q", got.side[0])
	}
	if !slices.Equal(got.side[1], []string{"b/1"}) {
		t.Errorf("destination %q", got.side[1])
	}
}

type failing struct{ after int }

func (f *failing) List(context.Context, store.ListRequest) (*store.Page, error) {
	return &store.Page{Objects: []store.Object{{Key: "a"}}, Next: "same"}, nil
}

func TestRepeatedTokenIsAnError(t *testing.T) {
	_, err := Run(context.Background(), Config{
		Source: Side{Lister: &failing{}}, Merger: func() Merger {
			return mergeFunc(func(ctx context.Context, a, _ Stream) error {
				for {
					if e, err := a.Next(ctx); err != nil || e == nil {
						return err
					}
				}
			})
		},
	})
	if err == nil {
		t.Error("a listing that never ends was taken for one")
	}
}
