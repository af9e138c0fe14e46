package diff

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/list"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	hashA = "0cc175b9c0f1b6a831c399e269772661"
	hashB = "92eb5ffee6ae2fec3ad71c777531578f"
	parts = "92eb5ffee6ae2fec3ad71c777531578f-2"
)

var (
	older = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // test data
	later = older.Add(time.Hour)                        //nolint:gochecknoglobals // test data
)

// objects is a stream from memory. It scribbles over what it gave before, as a stream may.
type objects struct {
	all  []store.Object
	next int
	one  store.Object
}

func (o *objects) Next(context.Context) (*store.Object, error) {
	if o.next == len(o.all) {
		return nil, nil
	}
	o.one = o.all[o.next]
	o.next++
	return &o.one, nil
}

type rows map[string]ledger.Record

func (r rows) Get(_ context.Context, keys []string) (map[string]ledger.Record, error) {
	if len(keys) > 100 {
		return nil, fmt.Errorf("%d keys in one read", len(keys))
	}
	out := map[string]ledger.Record{}
	for _, k := range keys {
		if row, ok := r[k]; ok {
			out[k] = row
		}
	}
	return out, nil
}

type heads map[string]store.Info

func (h heads) Head(_ context.Context, key, _ string) (store.Info, error) {
	info, ok := h[key]
	if !ok {
		return info, &failure.Error{Class: failure.NotFound, Op: "HeadObject", Target: key}
	}
	return info, nil
}

// sink remembers "name kind:reason" of every decision.
type sink struct {
	mu  sync.Mutex
	all map[string]Decision
	err error
}

func (s *sink) Decide(_ context.Context, batch []Decision) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range batch {
		if _, twice := s.all[v.Name]; twice {
			return fmt.Errorf("%s was decided twice", v.Name)
		}
		s.all[v.Name] = v
	}
	return s.err
}

// compare merges one range and returns each decision as "kind:reason".
func compare(t *testing.T, c Config, source, destination []store.Object) (map[string]string, Totals) {
	t.Helper()
	filter, err := job.NewFilter(c.Job.Selection)
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{all: map[string]Decision{}}
	c.Filter, c.Sinks = filter, []Sink{s}
	d := NewDiffer(c)
	p := d.Comparer("")
	if err := p.Merge(t.Context(), &list.Range{Source: &objects{all: source}, Destination: &objects{all: destination}}); err != nil {
		t.Fatal(err)
	}
	if got := d.Totals(); len(got.Decisions) > 0 {
		t.Errorf("counted before the prefix was committed: %v", got)
	}
	if err := p.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.Count()
	got := map[string]string{}
	for name, v := range s.all {
		if got[name] = string(v.Kind); v.Reason != "" {
			got[name] += ":" + v.Reason
		}
	}
	return got, d.Totals()
}

func object(key string, size int64, etag string, modified time.Time) store.Object {
	return store.Object{Key: key, Size: size, ETag: etag, Modified: modified}
}

func TestSizeETag(t *testing.T) {
	done := func(source, destination string) rows {
		return rows{"k": {Status: ledger.Done, SourceETag: source, DestinationETag: destination}}
	}
	withStatus := func(s ledger.Status) rows {
		return rows{"k": {Status: s, SourceETag: hashA, DestinationETag: hashB}}
	}
	tests := []struct {
		name         string
		source, dest store.Object
		ledger       rows
		kms          [2]bool
		want         string // "" is same
		byTime       int64
	}{
		{"sizes differ", object("k", 1, hashA, older), object("k", 2, hashA, later), done(hashA, hashA), [2]bool{}, "changed:size", 0},
		{"equal", object("k", 1, hashA, later), object("k", 1, hashA, older), nil, [2]bool{}, "", 0},
		{"equal but for capitals", object("k", 1, "0CC175B9C0F1B6A831C399E269772661", later), object("k", 1, hashA, older), nil, [2]bool{}, "", 0},
		{"equal, with KMS", object("k", 1, parts, later), object("k", 1, parts, older), nil, [2]bool{true, true}, "", 0},
		{"hashes differ", object("k", 1, hashA, older), object("k", 1, hashB, later), nil, [2]bool{}, "changed:etag", 0},
		{"hashes differ, copy recorded", object("k", 1, hashA, later), object("k", 1, hashB, older), done(hashA, hashB), [2]bool{}, "", 0},
		{"another source recorded", object("k", 1, hashA, older), object("k", 1, hashB, later), done(parts, hashB), [2]bool{}, "changed:etag", 0},
		{"another destination recorded", object("k", 1, hashA, older), object("k", 1, hashB, later), done(hashA, parts), [2]bool{}, "changed:etag", 0},
		{"a failed copy recorded", object("k", 1, hashA, older), object("k", 1, hashB, later), withStatus(ledger.Failed), [2]bool{}, "changed:etag", 0},
		{"a skipped copy recorded", object("k", 1, hashA, older), object("k", 1, hashB, later), withStatus(ledger.Skipped), [2]bool{}, "changed:etag", 0},
		{"a copy under way recorded", object("k", 1, hashA, older), object("k", 1, hashB, later), withStatus(ledger.InProgress), [2]bool{}, "changed:etag", 0},
		{"no hash, source newer", object("k", 1, hashA, later), object("k", 1, parts, older), nil, [2]bool{}, "changed:mtime", 1},
		{"no hash, source older", object("k", 1, hashA, older), object("k", 1, parts, later), nil, [2]bool{}, "", 1},
		{"no hash, as old", object("k", 1, parts, older), object("k", 1, hashA, older), nil, [2]bool{}, "", 1},
		{"source with KMS, newer", object("k", 1, hashA, later), object("k", 1, hashB, older), nil, [2]bool{true, false}, "changed:mtime", 1},
		{"destination with KMS, source older", object("k", 1, hashA, older), object("k", 1, hashB, later), nil, [2]bool{false, true}, "", 1},
		{"no ETags at all", object("k", 1, "", older), object("k", 1, "", later), nil, [2]bool{}, "", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j := job.Defaults()
			got, totals := compare(t, Config{Job: &j, Ledger: tt.ledger, KMS: tt.kms}, []store.Object{tt.source}, []store.Object{tt.dest})
			if got["k"] != tt.want || totals.ByTime != tt.byTime {
				t.Errorf("got %q, %d by time; want %q, %d", got["k"], totals.ByTime, tt.want, tt.byTime)
			}
			name := tt.want
			if name == "" {
				name = "same"
			}
			if d := cmp.Diff(map[string]run.Tally{name: {Objects: 1, Bytes: 1}}, totals.Decisions); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestOtherModes(t *testing.T) {
	full := func(etag, algorithm, value string) store.Info {
		return store.Info{ETag: etag, Checksum: store.Checksum{Algorithm: algorithm, Value: value}}
	}
	composite := full(hashB, "CRC32C", "x")
	composite.Checksum.Composite = true
	tests := []struct {
		name         string
		mode         job.CompareMode
		source, dest store.Object
		a, b         heads
		want         string
		noChecksum   int64
	}{
		{"size, other content", job.CompareSize, object("k", 1, hashA, later), object("k", 1, hashB, older), nil, nil, "", 0},
		{"size, other size", job.CompareSize, object("k", 1, hashA, older), object("k", 2, hashA, later), nil, nil, "changed:size", 0},
		{"time, newer", job.CompareSizeMtime, object("k", 1, hashA, later), object("k", 1, hashA, older), nil, nil, "changed:mtime", 0},
		{"time, older", job.CompareSizeMtime, object("k", 1, hashA, older), object("k", 1, hashB, later), nil, nil, "", 0},
		{
			"checksum, equal", job.CompareChecksum, object("k", 1, hashA, later), object("k", 1, hashB, older),
			heads{"k": full(hashA, "CRC64NVME", "x")},
			heads{"k": full(hashB, "CRC64NVME", "x")},
			"", 0,
		},
		{
			"checksum, other", job.CompareChecksum, object("k", 1, hashA, older), object("k", 1, hashA, later),
			heads{"k": full(hashA, "CRC64NVME", "x")},
			heads{"k": full(hashA, "CRC64NVME", "y")},
			"changed:checksum", 0,
		},
		{"checksum, other size", job.CompareChecksum, object("k", 1, hashA, older), object("k", 2, hashA, later), heads{}, heads{}, "changed:size", 0},
		{
			"checksum, two algorithms", job.CompareChecksum, object("k", 1, hashA, older), object("k", 1, hashA, later),
			heads{"k": full(hashA, "CRC64NVME", "x")},
			heads{"k": full(hashA, "SHA256", "y")},
			"", 1,
		},
		{
			"checksum of parts", job.CompareChecksum, object("k", 1, hashA, older), object("k", 1, hashB, later),
			heads{"k": full(hashA, "CRC32C", "x")},
			heads{"k": composite},
			"changed:etag", 1,
		},
		{
			"checksum of a newer version", job.CompareChecksum, object("k", 1, hashA, older), object("k", 1, hashB, later),
			heads{"k": full(parts, "CRC32C", "x")},
			heads{"k": full(hashB, "CRC32C", "x")},
			"changed:etag", 1,
		},
		{
			"checksum, vanished", job.CompareChecksum, object("k", 1, hashA, older), object("k", 1, hashA, later),
			heads{},
			heads{"k": full(hashA, "CRC64NVME", "x")},
			"", 1,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j := job.Defaults()
			j.Compare = tt.mode
			got, totals := compare(t, Config{Job: &j, Source: tt.a, Destination: tt.b}, []store.Object{tt.source}, []store.Object{tt.dest})
			if got["k"] != tt.want || totals.NoChecksum != tt.noChecksum {
				t.Errorf("got %q, %d without; want %q, %d", got["k"], totals.NoChecksum, tt.want, tt.noChecksum)
			}
		})
	}
}

func TestSkipsAndWhatIsOnlyOnOneSide(t *testing.T) {
	archived := object("archived", 1, hashA, older)
	archived.StorageClass = "GLACIER"
	restored := archived
	restored.Key, restored.Restored = "restored", true
	archivedThere := object("archived there", 1, hashA, older)
	coldCopy := archivedThere
	coldCopy.StorageClass = "DEEP_ARCHIVE"
	j := job.Defaults()
	j.Selection.Exclude = []string{"no/**"}
	source := []store.Object{
		archived, archivedThere, object("big", 101, hashA, older), object("bad \xff", 1, hashA, older), object("new", 1, hashA, older),
		object("no/new", 1, hashA, older), object("no/there", 1, hashA, older), restored,
	}
	destination := []store.Object{coldCopy, object("gone", 7, hashA, older), object("no/gone", 1, hashA, older), object("no/there", 5, hashB, older)}
	byKey := func(a, b store.Object) int {
		switch {
		case a.Key < b.Key:
			return -1
		case a.Key > b.Key:
			return 1
		}
		return 0
	}
	slices.SortFunc(source, byKey)
	slices.SortFunc(destination, byKey)
	got, totals := compare(t, Config{Job: &j, Largest: 100}, source, destination)
	want := map[string]string{
		"archived": "skipped:archived", "big": "skipped:too_large", "bad \xff": "skipped:unmappable", "new": "new", "restored": "new",
		"no/new": "skipped:filtered", "no/there": "skipped:filtered", "gone": "extraneous", "no/gone": "extraneous",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if totals.Decisions["same"].Objects != 1 || totals.Decisions["extraneous"].Bytes != 8 || totals.Decisions["skipped:filtered"].Objects != 2 {
		t.Errorf("totals %+v", totals)
	}
}

func TestKeyMap(t *testing.T) {
	j := job.Defaults()
	j.Source.Prefix, j.StripSourcePrefix, j.Destination.Prefix = "a/", true, "copy"
	long := "a/" + string(make([]byte, 1021))
	got, _ := compare(t, Config{Job: &j},
		[]store.Object{object("a", 1, hashA, older), object("a/", 1, hashA, older), object(long, 1, hashA, older), object("a/1", 1, hashA, older), object("b", 1, hashA, older)},
		[]store.Object{object("copy/", 0, hashA, older), object("copy/1", 1, hashA, older), object("copy/2", 1, hashA, older)})
	want := map[string]string{
		"a": "skipped:unmappable", "a/": "skipped:unmappable", "b": "skipped:unmappable", "2": "extraneous", long[2:]: "skipped:key_too_long",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// Rows are read in batches of 100, for every pair that needs one and for no other.
func TestLedgerBatches(t *testing.T) {
	j := job.Defaults()
	var source, destination []store.Object
	recorded := rows{}
	for i := range 1234 {
		key := fmt.Sprintf("k%04d", i)
		source = append(source, object(key, 1, hashA, later))
		destination = append(destination, object(key, 1, parts, older))
		if i%3 == 0 {
			recorded[key] = ledger.Record{Status: ledger.Done, SourceETag: hashA, DestinationETag: parts}
		}
	}
	got, totals := compare(t, Config{Job: &j, Ledger: recorded}, source, destination)
	if len(got) != 1234-len(recorded) || totals.Decisions["same"].Objects != int64(len(recorded)) {
		t.Errorf("%d decisions, totals %+v", len(got), totals)
	}
	for name := range maps.Keys(got) {
		if _, ok := recorded[name]; ok {
			t.Errorf("%s has a row and was decided %q", name, got[name])
		}
	}
}

func TestSinkFailureFailsTheRange(t *testing.T) {
	j := job.Defaults()
	filter, err := job.NewFilter(j.Selection)
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("queue is full")
	d := NewDiffer(Config{Job: &j, Filter: filter, Sinks: []Sink{&sink{all: map[string]Decision{}, err: full}}})
	p := d.Comparer("")
	err = p.Merge(t.Context(), &list.Range{Source: &objects{all: []store.Object{object("k", 1, hashA, older)}}})
	if !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	p.Discard()
	if got := d.Totals(); len(got.Decisions) > 0 {
		t.Errorf("a failed range was counted: %v", got)
	}
}

// BenchmarkMerge compares objects that are the same, and objects of which all are new.
func BenchmarkMerge(b *testing.B) {
	const n = 100_000
	all := make([]store.Object, n)
	for i := range all {
		all[i] = object(fmt.Sprintf("data/2024/03/file-%09d.parquet", i), int64(i), fmt.Sprintf("%032x", i), older)
	}
	other := slices.Clone(all)
	for i := range other {
		other[i].Key, other[i].ETag = fmt.Sprintf("data/2024/03/file-%09d.parquet", i), fmt.Sprintf("%032x", i)
	}
	for name, destination := range map[string][]store.Object{"same": other, "new": nil} {
		b.Run(name, func(b *testing.B) {
			j := job.Defaults()
			filter, err := job.NewFilter(j.Selection)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				d := NewDiffer(Config{Job: &j, Filter: filter, Sinks: []Sink{nothing{}}})
				if err := d.Comparer("").Merge(b.Context(), &list.Range{Source: &objects{all: all}, Destination: &objects{all: destination}}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/key")
		})
	}
}

type nothing struct{}

func (nothing) Decide(context.Context, []Decision) error { return nil }
