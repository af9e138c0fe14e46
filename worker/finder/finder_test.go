package finder

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/store"
)

func numbered(n int, prefix string) []store.Object {
	out := make([]store.Object, n)
	for i := range out {
		out[i] = store.Object{Key: fmt.Sprintf("%s%06d", prefix, i), Size: int64(i), ETag: fmt.Sprintf("%032x", i), Modified: epoch}
	}
	return out
}

func TestSenderQueuesWhatDiffers(t *testing.T) {
	j := job.Defaults()
	j.Destination.Prefix = "copy/"
	destination := numbered(2000, "copy/k")[500:]
	for i := range 300 {
		destination[i].ETag = strings.Repeat("f", 32)
	}
	q := &outbox{}
	s := &Sender{Queue: q, RunID: "r1", Listed: true, InFlight: 3}
	totals, err := Pass(t.Context(), Config{
		Job: &j, Source: newEnd(100, numbered(2000, "k")...), Destination: newEnd(100, destination...), Sinks: func() []diff.Sink { return []diff.Sink{s} },
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{}
	for _, o := range numbered(800, "k") {
		want = append(want, o.Key)
	}
	if !slices.Equal(q.keys(message.Copy), want) || s.Sent() != 800 {
		t.Errorf("queued %d, counted %d, want 800", len(q.sent), s.Sent())
	}
	for _, m := range q.sent {
		changed := m.Key >= "k000500"
		if m.Run != "r1" || !m.DestinationSeen || (m.DestinationETag != "") != changed || m.ETag == "" || m.Modified.IsZero() {
			t.Errorf("message %+v", m)
		}
	}
	if d := cmp.Diff(map[string]int64{"new": 500, "changed:etag": 300, "same": 1200}, objectsOf(totals)); d != "" {
		t.Error(d)
	}
}

func objectsOf(totals run.FinderTotals) map[string]int64 {
	out := map[string]int64{}
	for name, tally := range totals.Decisions {
		out[name] = tally.Objects
	}
	return out
}

func TestSkipCompareListsTheSourceAlone(t *testing.T) {
	j := job.Defaults()
	j.SkipCompare = true
	q, dst := &outbox{}, newEnd(10, numbered(5, "k")...)
	s := &Sender{Queue: q}
	totals, err := Pass(t.Context(), Config{Job: &j, Source: newEnd(10, numbered(50, "k")...), Destination: dst, Sinks: func() []diff.Sink { return []diff.Sink{s} }})
	if err != nil || len(q.sent) != 50 || dst.calls != 0 || totals.ListedDestination != 0 || q.sent[0].DestinationSeen {
		t.Errorf("sent %d after %d calls of the destination, %+v, %v", len(q.sent), dst.calls, totals, err)
	}
}

func TestFailedSendFailsThePass(t *testing.T) {
	j := job.Defaults()
	full := errors.New("queue is full")
	for _, n := range []int{1, 5000} {
		_, err := Pass(t.Context(), Config{
			Job: &j, Source: newEnd(100, numbered(n, "k")...), Destination: newEnd(100),
			Sinks: func() []diff.Sink { return []diff.Sink{&Sender{Queue: &outbox{err: full}, InFlight: 1}} },
		})
		if !errors.Is(err, full) {
			t.Errorf("%d objects: %v", n, err)
		}
	}
}

func TestExtraneousAreDeletedAfterThePass(t *testing.T) {
	tests := []struct {
		name   string
		share  float64
		source int
		fail   bool
		want   int
		tooBig bool
	}{
		{"within the share", 0.10, 19_000, false, 1000, false},
		{"just within", 0.05, 19_000, false, 1000, false},
		{"above", 0.04, 19_000, false, 0, true},
		{"empty source", 0.10, 0, false, 0, true},
		{"source that fails", 1, 0, true, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j := job.Defaults()
			j.DeleteExtraneous, j.MaxDeleteShare = true, tt.share
			j.Source.Prefix, j.StripSourcePrefix, j.Destination.Prefix = "from/", true, "to"
			src, dst := newEnd(1000, numbered(tt.source, "from/k")...), newEnd(1000, numbered(20_000, "to/k")...)
			if tt.fail {
				src.fail = errors.New("source is gone")
			}
			q := &outbox{}
			s := &Sender{Queue: q}
			x, err := NewExtraneous(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			defer x.Close()
			totals, err := Pass(t.Context(), Config{Job: &j, Source: src, Destination: dst, Sinks: func() []diff.Sink { return []diff.Sink{s, x} }})
			if (err != nil) != tt.fail {
				t.Fatal(err)
			}
			if err == nil {
				err = x.Send(t.Context(), &j, totals.ListedDestination, s)
			}
			var tooMany *TooManyError
			if errors.As(err, &tooMany) != tt.tooBig || err != nil && !tt.tooBig && !tt.fail {
				t.Errorf("got %v", err)
			}
			deletes := q.keys(message.Delete)
			if len(deletes) != tt.want || tt.want > 0 && deletes[0] != "from/k019000" {
				t.Errorf("deletes %d, want %d", len(deletes), tt.want)
			}
		})
	}
}

// A failure of either end, at any call, ends the pass with that error, and nothing keeps running.
func TestFailuresOfEnds(t *testing.T) {
	for from := range 25 { // the calls that each end takes at least
		j := job.Defaults()
		refused := errors.New("refused")
		src, dst := newEnd(20, numbered(600, "k")...), newEnd(20, numbered(500, "k")...)
		broken := []*end{src, dst}[from%2]
		broken.fail, broken.from = refused, from
		got := newRecorder()
		_, err := Pass(t.Context(), Config{Job: &j, Source: src, Destination: dst, Concurrency: 4, Sinks: func() []diff.Sink { return []diff.Sink{Held(got, ""), &Sender{Queue: &outbox{}}} }})
		if !errors.Is(err, refused) {
			t.Fatalf("after %d calls: %v", from, err)
		}
		if len(got.got) > 0 {
			t.Errorf("after %d calls: told %d decisions of a pass that failed", from, len(got.got))
		}
	}
}

func TestPrefixFile(t *testing.T) {
	j := job.Defaults()
	j.Selection.PrefixFileKey = "list.txt"
	objects := append(numbered(3, "a/"), append(numbered(3, "b/"), numbered(3, "c/")...)...)
	src := newEnd(10, objects...)
	src.files = map[string]string{"list.txt": "b/\r\n\r\na/00000\na/\n"}
	pass := func(c Config) (map[string]string, error) {
		got := newRecorder()
		c.Job, c.Source, c.Destination = &j, src, newEnd(10)
		c.Sinks = func() []diff.Sink { return []diff.Sink{got} }
		_, err := Pass(t.Context(), c)
		return got.got, err
	}
	got, err := pass(Config{})
	if len(got) != 6 || err != nil || slices.ContainsFunc(slices.Collect(maps.Keys(got)), func(k string) bool { return strings.Contains(k, "c/") }) {
		t.Errorf("got %v, %v", got, err)
	}
	j.Selection.PrefixFileKey = "absent.txt"
	if _, err := pass(Config{}); err == nil || src.calls != 2 && src.calls == 0 {
		t.Error("an absent list was no error")
	}
	j.Selection.PrefixFileBucket = "lists"
	if _, err := pass(Config{}); err == nil {
		t.Error("a list in a bucket that cannot be read was no error")
	}
	lists := newEnd(10)
	lists.files = map[string]string{"absent.txt": "c/"}
	if got, err := pass(Config{PrefixFile: lists}); len(got) != 3 || err != nil {
		t.Errorf("list of another bucket: %v, %v", got, err)
	}
	lists.files["absent.txt"] = "\n"
	if _, err := pass(Config{PrefixFile: lists}); err == nil {
		t.Error("an empty list was taken for everything")
	}
}

// Directory buckets list in no order and refuse start-after.
func TestDirectoryBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := job.Defaults()
		j.Source.Bucket = "fast--use1-az4--x-s3"
		src, dst := newEnd(10, numbered(500, "k")...), newEnd(10, numbered(400, "k")...)
		slices.Reverse(src.objects)
		src.noStartAfter = true
		src.pause = func() { time.Sleep(time.Second) }
		got := newRecorder()
		totals, err := Pass(t.Context(), Config{Job: &j, Source: src, Destination: dst, SpillDir: t.TempDir(), Sinks: func() []diff.Sink { return []diff.Sink{Held(got, "")} }})
		if err != nil || len(got.got) != 100 || totals.SortedRanges != 2 || totals.ListedSource != 500 || totals.ListedDestination != 400 {
			t.Errorf("%d decisions, %+v, %v", len(got.got), totals, err)
		}
	})
}

func TestKMSEndsAreComparedByTime(t *testing.T) {
	j := job.Defaults()
	src, dst := newEnd(10, numbered(4, "k")...), newEnd(10, numbered(4, "k")...)
	for i := range dst.objects {
		dst.objects[i].ETag = strings.Repeat("e", 32)
	}
	dst.kms = true
	totals, err := Pass(t.Context(), Config{Job: &j, Source: src, Destination: dst})
	if err != nil || totals.Decisions["same"].Objects != 4 || totals.DecidedByTime != 4 {
		t.Errorf("%+v, %v", totals, err)
	}
}

func TestPlan(t *testing.T) {
	j := job.Defaults()
	var objects []store.Object
	for i, size := range []int64{0, 1, 1000, 1023, 1024, 200 * job.MiB, job.GiB, 5 * job.TiB} {
		objects = append(objects, store.Object{Key: fmt.Sprint(i), Size: size})
	}
	plan := &Plan{}
	totals, err := Pass(t.Context(), Config{Job: &j, Source: newEnd(3, objects...), Destination: newEnd(3), Sinks: func() []diff.Sink { return []diff.Sink{plan} }})
	if err != nil {
		t.Fatal(err)
	}
	want := []Bin{
		{0, 1, 0}, {1, 1, 1}, {512, 2, 2023}, {1024, 1, 1024}, {128 * job.MiB, 1, 200 * job.MiB}, {job.GiB, 1, job.GiB}, {4 * job.TiB, 1, 5 * job.TiB},
	}
	if d := cmp.Diff(want, plan.Histogram()); d != "" {
		t.Error(d)
	}
	if l := plan.Largest(); len(l) != 8 || l[0].Size != 5*job.TiB || l[7].Size != 0 {
		t.Errorf("largest %v", l)
	}
	// Parts: 200 MiB has 4 of 64 MiB, 1 GiB has 16, 5 TiB has 9,987 of 525 MiB.
	const parts = 4 + 16 + 9987
	r := plan.Requests(totals)
	// Large objects are looked at before and after, giants also when they are completed.
	if r.Reads != 5+parts+2*3+2 || r.Writes != 5+parts+6 || r.Messages != 8+16+9987+2 || r.TableWrites != 8+parts+9 || r.Lists != totals.ListCalls {
		t.Errorf("requests %+v", r)
	}
}

// Decisions that exceed what is kept in memory come back from the disk.
func TestHeldOnDisk(t *testing.T) {
	j := job.Defaults()
	got := newRecorder()
	_, err := Pass(t.Context(), Config{
		Job: &j, Source: newEnd(1000, numbered(20_000, "k")...), Destination: newEnd(1000),
		Sinks: func() []diff.Sink { return []diff.Sink{Held(got, t.TempDir())} },
	})
	if err != nil || len(got.got) != 20_000 {
		t.Errorf("told %d of 20000, %v", len(got.got), err)
	}
}
