package finder

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/store"
)

func key() *rapid.Generator[string] {
	pieces := []string{
		"a", "b", "/", "//", "0", "1", "9", "z", "é", "中", "😀", "\uffee", "\n", "\x01", " ", "+", "%2F", "\U0010FFFD", "-", "~", "a/b/c/d/e/", "\ue000",
	}
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 10).Draw(t, "pieces"), "")
	})
}

var epoch = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // test data

func anObject(prefix string) *rapid.Generator[store.Object] {
	return rapid.Custom(func(t *rapid.T) store.Object {
		return store.Object{
			Key: prefix + key().Draw(t, "key"), Size: rapid.Int64Range(0, 2).Draw(t, "size"),
			ETag:         rapid.SampledFrom([]string{"0cc175b9c0f1b6a831c399e269772661", "92eb5ffee6ae2fec3ad71c777531578f", "x-2", ""}).Draw(t, "etag"),
			Modified:     epoch.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "age")) * time.Hour),
			StorageClass: rapid.SampledFrom([]string{"STANDARD", "STANDARD", "GLACIER"}).Draw(t, "class"),
		}
	})
}

// naive decides about every object by maps, one by one, in the words of the specification.
func naive(j *job.Job, prefixes []string, source, destination []store.Object, rows map[string]ledger.Record) map[string]string {
	keys := j.KeyMap()
	filter, _ := job.NewFilter(j.Selection)
	there := map[string]store.Object{}
	for _, o := range destination {
		if from, ok := keys.Source(o.Key); ok && within(from, prefixes) {
			there[o.Key] = o
		}
	}
	out := map[string]string{}
	for _, s := range source {
		if !within(s.Key, prefixes) {
			continue
		}
		name, ok := keys.Destination(s.Key)
		d, present := there[name]
		delete(there, name)
		switch verdict, reason := equal(s, d, rows[s.Key]); {
		case !filter.Takes(s.Key, s.Size, s.Modified):
			out["skipped:"+s.Key] = diff.Filtered
		case !ok:
			out["skipped:"+s.Key] = diff.Unmappable
		case present && verdict:
		case s.Archived():
			out["skipped:"+s.Key] = diff.Archived
		case !present:
			out["new:"+s.Key] = ""
		default:
			out["changed:"+s.Key] = reason
		}
	}
	for k := range there {
		out["extraneous:"+k] = ""
	}
	return out
}

func within(key string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(key, p) })
}

func equal(s, d store.Object, row ledger.Record) (bool, string) {
	plain := len(s.ETag) == 32 && len(d.ETag) == 32
	switch {
	case s.Size != d.Size:
		return false, diff.BySize
	case s.ETag == d.ETag && s.ETag != "":
		return true, ""
	case row.Status == ledger.Done && row.SourceETag == s.ETag && row.DestinationETag == d.ETag:
		return true, ""
	case plain:
		return false, diff.ByETag
	case s.Modified.After(d.Modified):
		return false, diff.ByMtime
	}
	return true, ""
}

type rows map[string]ledger.Record

func (r rows) Get(_ context.Context, keys []string) (map[string]ledger.Record, error) {
	out := map[string]ledger.Record{}
	for _, k := range keys {
		if row, ok := r[k]; ok {
			out[k] = row
		}
	}
	return out, nil
}

func byUTF16(a, b string) bool {
	return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b))) < 0
}

// A pass decides about every object exactly what a comparison by maps decides, whatever the keys, prefixes, pages,
// orders and cuts, and every sink hears of it exactly once.
func TestPassEqualsNaiveComparison(tt *testing.T) {
	rapid.Check(tt, func(t *rapid.T) {
		j := job.Defaults()
		j.Source.Prefix = rapid.SampledFrom([]string{"", "a", "a/"}).Draw(t, "source prefix")
		j.StripSourcePrefix = rapid.Bool().Draw(t, "strip")
		j.Destination.Prefix = rapid.SampledFrom([]string{"", "copy", "中"}).Draw(t, "destination prefix")
		j.Selection.Prefixes = rapid.SampledFrom([][]string{nil, nil, {""}, {"a", "a/b", "b"}, {"中", "😀", "z"}}).Draw(t, "prefixes")
		j.Selection.Exclude = rapid.SampledFrom([][]string{nil, {"*z*"}}).Draw(t, "exclude")
		add := j.KeyMap().Add
		distinct := func(o store.Object) string { return o.Key }
		source := rapid.SliceOfNDistinct(anObject(""), 0, 50, distinct).Draw(t, "source")
		destination := rapid.SliceOfNDistinct(anObject(add), 0, 50, distinct).Draw(t, "destination")
		for _, s := range source { // make many pairs
			if to, ok := j.KeyMap().Destination(s.Key); ok && rapid.Bool().Draw(t, "copied") &&
				!slices.ContainsFunc(destination, func(d store.Object) bool { return d.Key == to }) {
				d := anObject("").Draw(t, "copy")
				d.Key = to
				destination = append(destination, d)
			}
		}
		recorded := rows{}
		for i, s := range source {
			if to, ok := j.KeyMap().Destination(s.Key); ok && i%3 == 0 {
				for _, d := range destination {
					if d.Key == to {
						status := []ledger.Status{ledger.Done, ledger.Failed, ledger.Skipped}[i/3%3]
						recorded[s.Key] = ledger.Record{Status: status, SourceETag: s.ETag, DestinationETag: d.ETag}
					}
				}
			}
		}
		page := rapid.IntRange(1, 6).Draw(t, "page")
		src, dst := newEnd(page, source...), newEnd(page, destination...)
		if rapid.Bool().Draw(t, "other providers") {
			src.provider, dst.provider = job.S3Compatible, job.S3Compatible
			if rapid.Bool().Draw(t, "UTF-16") {
				src.order(byUTF16)
			}
		}
		// Calls take virtual time, different at both ends, so that ranges are cut early and often.
		src.pause = func() { time.Sleep(7 * time.Millisecond) }
		dst.pause = func() { time.Sleep(time.Duration(6+len(destination)%20) * time.Millisecond) }

		prefixes := j.Selection.Prefixes
		if len(prefixes) == 0 {
			prefixes = []string{j.Source.Prefix}
		}
		want := naive(&j, prefixes, source, destination, recorded)
		got, plan, q := newRecorder(), &Plan{}, &outbox{}
		sender := &Sender{Queue: q, Listed: true, InFlight: 2}
		c := Config{
			Job: &j, Source: src, Destination: dst, Ledger: recorded, Concurrency: rapid.IntRange(1, 9).Draw(t, "concurrency"),
			Sinks: func() []diff.Sink { return []diff.Sink{Held(got, ""), plan, sender} },
		}
		var totals run.FinderTotals
		var err error
		synctest.Test(tt, func(*testing.T) { totals, err = Pass(context.Background(), c) })
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got.got); d != "" {
			t.Fatal(d)
		}
		checkTotals(t, want, totals, plan)
		// A prefix that is compared anew may have been queued in part before: what counts is that nothing is missing.
		queued := q.keys(message.Copy)
		for name := range want {
			kind, key, _ := strings.Cut(name, ":")
			if _, ok := slices.BinarySearch(queued, key); (kind == "new" || kind == "changed") && !ok {
				t.Fatalf("%s was not queued", name)
			}
		}
		if totals.SortedRanges == 0 && sender.Sent() != int64(len(queued)) {
			t.Fatalf("%d queued, %d counted", len(queued), sender.Sent())
		}
	})
}

func checkTotals(t *rapid.T, want map[string]string, totals run.FinderTotals, plan *Plan) {
	counts := map[string]int64{}
	for name, reason := range want {
		kind, _, _ := strings.Cut(name, ":")
		if reason != "" {
			kind += ":" + reason
		}
		counts[kind]++
	}
	got := map[string]int64{}
	for name, tally := range totals.Decisions {
		if name != "same" {
			got[name] = tally.Objects
		}
	}
	if d := cmp.Diff(counts, got); d != "" {
		t.Fatal(d)
	}
	var copies, planned, all int64
	for name, tally := range totals.Decisions {
		if !strings.HasPrefix(name, "extraneous") {
			all += tally.Objects
		}
		if name == "new" || strings.HasPrefix(name, "changed") {
			copies += tally.Objects
		}
	}
	for _, bin := range plan.Histogram() {
		planned += bin.Objects
	}
	if copies != planned || all != totals.ListedSource {
		t.Fatalf("%d copies, %d planned; %d decisions, %d listed", copies, planned, all, totals.ListedSource)
	}
}
