package list

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/datatransferhub/dth/worker/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bucket lists keys from memory, in pages, as a store would.
type bucket struct {
	keys    []string // in the order of less
	less    func(a, b string) bool
	page    int
	latency time.Duration
	pause   func() // lets others run before an answer

	mu    sync.Mutex
	calls int
	fail  error // given from the call of this number on
	from  int
}

func newBucket(page int, keys ...string) *bucket {
	return newOrdered(page, func(a, b string) bool { return a < b }, keys...)
}

func newOrdered(page int, less func(a, b string) bool, keys ...string) *bucket {
	b := &bucket{keys: slices.Clone(keys), page: page, less: less}
	sort.Slice(b.keys, func(i, j int) bool { return less(b.keys[i], b.keys[j]) })
	return b
}

func (b *bucket) List(ctx context.Context, r store.ListRequest) (*store.Page, error) {
	b.mu.Lock()
	b.calls++
	fail := b.fail != nil && b.calls > b.from
	b.mu.Unlock()
	if fail {
		return nil, b.fail
	}
	if b.pause != nil {
		b.pause()
	}
	if b.latency > 0 {
		select {
		case <-time.After(b.latency):
		case <-ctx.Done():
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	i := 0
	switch {
	case r.Token != "":
		i, _ = strconv.Atoi(r.Token)
	case r.StartAfter != "":
		i = sort.Search(len(b.keys), func(i int) bool { return b.less(r.StartAfter, b.keys[i]) })
	}
	limit := b.page
	if r.MaxKeys > 0 {
		limit = min(limit, r.MaxKeys)
	}
	page := &store.Page{}
	if r.Prefix != "" && r.Token == "" { // keys of a prefix lie together in every order used here
		first := slices.IndexFunc(b.keys[i:], func(k string) bool { return strings.HasPrefix(k, r.Prefix) })
		if first < 0 {
			return page, nil
		}
		i += first
	}
	for ; i < len(b.keys) && strings.HasPrefix(b.keys[i], r.Prefix); i++ {
		if len(page.Objects) == limit {
			page.Next = strconv.Itoa(i)
			break
		}
		page.Objects = append(page.Objects, store.Object{Key: b.keys[i]})
	}
	return page, nil
}

// collector gathers what ranges give, each side's keys as often as they come, and gives it on with its prefix.
type collector struct {
	all  *gathered
	side [2][]string
}

type gathered struct {
	mu        sync.Mutex
	side      [2][]string
	discarded int
}

func (g *gathered) comparer(string) Comparer { return &collector{all: g} }

func (c *collector) Merge(ctx context.Context, r *Range) error {
	streams := []Stream{r.Source, r.Destination}
	var mine [2][]string
	// The side that is further behind goes on, as in a merge.
	for streams[0] != nil || streams[1] != nil {
		side := 0
		if streams[0] == nil || streams[1] != nil && len(mine[1]) < len(mine[0]) {
			side = 1
		}
		o, err := streams[side].Next(ctx)
		if err != nil {
			return err
		}
		if o == nil {
			streams[side] = nil
			continue
		}
		if n := len(mine[side]); n > 0 && o.Key <= mine[side][n-1] {
			return fmt.Errorf("%q after %q", o.Key, mine[side][n-1])
		}
		mine[side] = append(mine[side], o.Key)
	}
	r.End(func() {
		for side := range mine {
			c.side[side] = append(c.side[side], mine[side]...)
		}
	})
	return nil
}

func (c *collector) Commit(context.Context) error { return nil }

func (c *collector) Count() {
	for side := range c.side {
		c.all.side[side] = append(c.all.side[side], c.side[side]...)
	}
}

func (c *collector) Discard() {
	c.all.mu.Lock()
	defer c.all.mu.Unlock()
	c.all.discarded++
}

func (c *collector) Snapshot() []byte {
	b, err := json.Marshal(c.side)
	if err != nil {
		panic(err)
	}
	return b
}

func (c *collector) Resume(totals []byte) error { return json.Unmarshal(totals, &c.side) }

// walk lists both buckets and returns the keys in order.
func walk(t *testing.T, c Config) (*gathered, Counts) {
	t.Helper()
	g, counts, err := walkErr(c)
	if err != nil {
		t.Fatal(err)
	}
	return g, counts
}

func walkErr(c Config) (*gathered, Counts, error) {
	g := &gathered{}
	c.Comparer = g.comparer
	counts, err := Run(context.Background(), c)
	sort.Strings(g.side[0])
	sort.Strings(g.side[1])
	return g, counts, err
}
