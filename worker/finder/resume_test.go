package finder

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/store"
)

// keptDocs remembers checkpoints.
type keptDocs struct {
	mu  sync.Mutex
	all [][]byte
}

func (k *keptDocs) put(_ context.Context, doc []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all = append(k.all, doc)
	return nil
}

func (k *keptDocs) latest() []byte {
	if len(k.all) == 0 {
		return nil
	}
	return k.all[len(k.all)-1]
}

// slowly makes every send take virtual time, so that messages are under way when a pass dies.
type slowly struct {
	*outbox
	takes time.Duration
}

func (s slowly) Send(ctx context.Context, bodies []string) error {
	time.Sleep(s.takes)
	return s.outbox.Send(ctx, bodies)
}

// A pass that dies again and again and is continued from its checkpoints ends with the totals of one that was left alone,
// and has queued everything that differs.
func TestResumedPassEqualsUninterrupted(tt *testing.T) {
	rapid.Check(tt, func(t *rapid.T) {
		j := job.Defaults()
		j.Source.Prefix = rapid.SampledFrom([]string{"", "a", "a/"}).Draw(t, "source prefix")
		j.StripSourcePrefix = rapid.Bool().Draw(t, "strip")
		j.Destination.Prefix = rapid.SampledFrom([]string{"", "copy", "中"}).Draw(t, "destination prefix")
		j.Selection.Prefixes = rapid.SampledFrom([][]string{nil, nil, {""}, {"a", "a/b", "b"}, {"0", "a", "b", "z", "中", "😀"}}).Draw(t, "prefixes")
		add := j.KeyMap().Add
		distinct := func(o store.Object) string { return o.Key }
		source := rapid.SliceOfNDistinct(anObject(""), 0, 80, distinct).Draw(t, "source")
		destination := rapid.SliceOfNDistinct(anObject(add), 0, 80, distinct).Draw(t, "destination")
		page := rapid.IntRange(1, 6).Draw(t, "page")
		less := func(a, b string) bool { return a < b }
		provider := job.AmazonS3
		if rapid.Bool().Draw(t, "other providers") {
			provider = job.S3Compatible
			if rapid.Bool().Draw(t, "UTF-16") {
				less = byUTF16
			}
		}
		concurrency := rapid.IntRange(1, 9).Draw(t, "concurrency")
		markEvery := rapid.IntRange(1, 6).Draw(t, "names between marks")
		// Calls take virtual time, different at both ends, so that ranges are cut early and often.
		ends := func() (*end, *end) {
			src, dst := newEnd(page, source...).order(less), newEnd(page, destination...)
			src.provider, dst.provider = provider, provider
			src.pause = func() { time.Sleep(7 * time.Millisecond) }
			dst.pause = func() { time.Sleep(time.Duration(6+len(destination)%20) * time.Millisecond) }
			return src, dst
		}
		pass := func(src, dst *end, q *outbox, docs *keptDocs, stop time.Duration) (totals run.FinderTotals, err error) {
			s := &Sender{Queue: slowly{q, 9 * time.Millisecond}, Listed: true, InFlight: 2}
			c := Config{Job: &j, Source: src, Destination: dst, Concurrency: concurrency, Sinks: func() []diff.Sink { return []diff.Sink{s} }}
			if docs != nil {
				c.Checkpoints = &Checkpoints{
					From: docs.latest(), Put: docs.put, Every: 10 * time.Millisecond, MarkEvery: markEvery,
					Unfit: func(why error) { t.Error(why) },
				}
			}
			synctest.Test(tt, func(*testing.T) {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				if stop > 0 {
					defer time.AfterFunc(stop, cancel).Stop()
				}
				totals, err = Pass(ctx, c)
			})
			return totals, err
		}

		src, dst := ends()
		queue := &outbox{}
		want, err := pass(src, dst, queue, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		docs, resumed := &keptDocs{}, &outbox{}
		died := errors.New("killed")
		var got run.FinderTotals
		for tries := 0; ; tries++ {
			src, dst := ends()
			var stop time.Duration
			switch life := rapid.IntRange(0, 3).Draw(t, "end of life"); {
			case tries == 6 || life == 0:
			case life == 1: // on call
				stop = time.Duration(rapid.IntRange(1, 200).Draw(t, "stopped after ms")) * time.Millisecond
			default: // suddenly
				broken := []*end{src, dst}[life%2]
				broken.fail, broken.from = died, rapid.IntRange(0, 30).Draw(t, "calls before the end")
			}
			got, err = pass(src, dst, resumed, docs, stop)
			if err == nil {
				break
			}
			if !errors.Is(err, died) && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		compareTotals(t, want, got, less("\uffee", "😀"))
		sent := slices.Compact(resumed.keys(message.Copy))
		if d := cmp.Diff(slices.Compact(queue.keys(message.Copy)), sent); d != "" {
			t.Fatal(d)
		}
	})
}

// compareTotals leaves out what depends on how often was tried. Whether it is noticed that a store lists in another order
// depends on where ranges are cut.
func compareTotals(t *rapid.T, want, got run.FinderTotals, ordered bool) {
	if ordered && want.SortedRanges != got.SortedRanges {
		t.Fatalf("%d sides were sorted, want %d", got.SortedRanges, want.SortedRanges)
	}
	if want.ListCalls > 0 && got.ListCalls == 0 {
		t.Fatal("no calls were counted")
	}
	for _, r := range []*run.FinderTotals{&want, &got} {
		r.Ranges, r.ListCalls, r.SortedRanges = 0, 0, 0
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
}

// A pass that is stopped on call sends hardly anything twice, and its successor lists hardly anything again.
func TestStoppedPassIsContinuedWhereItWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 300_000
		j := job.Defaults()
		objects := numbered(n, "k")
		docs, q := &keptDocs{}, &outbox{}
		var calls []int
		for stop := 10 * time.Second; ; stop *= 100 {
			src, dst := newEnd(1000, objects...), newEnd(1000)
			src.pause = func() { time.Sleep(500 * time.Millisecond) }
			ctx, cancel := context.WithTimeout(t.Context(), stop)
			s := &Sender{Queue: q}
			totals, err := Pass(ctx, Config{
				Job: &j, Source: src, Destination: dst, Concurrency: 8, Sinks: func() []diff.Sink { return []diff.Sink{s} },
				Checkpoints: &Checkpoints{From: docs.latest(), Put: docs.put},
			})
			cancel()
			calls = append(calls, src.calls)
			if err == nil {
				if totals.Decisions["new"].Objects != n || totals.ListedSource != n || int(totals.ListCalls) < calls[0]+calls[1] {
					t.Errorf("totals %+v", totals)
				}
				break
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
		}
		sent := q.keys(message.Copy)
		twice := len(sent) - len(slices.Compact(slices.Clone(sent)))
		t.Logf("%d calls, %d sent, %d of them twice", calls, len(sent), twice)
		if distinct := len(sent) - twice; distinct != n || twice > 8*(markLength+pageLength) || len(calls) != 2 {
			t.Errorf("%d calls, %d distinct messages, %d sent twice", calls, distinct, twice)
		}
	})
}

// What a range may have sent behind its last mark.
const (
	markLength = 2000
	pageLength = 1000
)

func TestUnfitCheckpoints(t *testing.T) {
	j := job.Defaults()
	pass := func(docs *keptDocs, from []byte) (why error) {
		t.Helper()
		q := &outbox{}
		totals, err := Pass(t.Context(), Config{
			Job: &j, Source: newEnd(10, numbered(50, "k")...), Destination: newEnd(10), Sinks: func() []diff.Sink { return []diff.Sink{&Sender{Queue: q}} },
			Checkpoints: &Checkpoints{From: from, Put: docs.put, Every: time.Hour, Unfit: func(err error) { why = err }},
		})
		if err != nil || totals.ListedSource != 50 || len(q.sent) != 50 {
			t.Errorf("listed %d, sent %d, %v", totals.ListedSource, len(q.sent), err)
		}
		return why
	}
	of, err := digest(&j, []string{""})
	if err != nil {
		t.Fatal(err)
	}
	for doc, fits := range map[string]bool{
		"": true, "{": false, `{"v":0}`: false, `{"v":1,"of":"x"}`: false,
		fmt.Sprintf(`{"v":2,"of":%q}`, of): false, fmt.Sprintf(`{"v":1,"of":%q}`, of): true,
	} {
		why := pass(&keptDocs{}, []byte(doc))
		var unfit *UnfitError
		if (why == nil) != fits || !fits && !errors.As(why, &unfit) {
			t.Errorf("%q: %v", doc, why)
		}
	}
}

func TestCheckpointsNeedSinksThatSettle(t *testing.T) {
	j := job.Defaults()
	_, err := Pass(t.Context(), Config{
		Job: &j, Source: newEnd(10), Destination: newEnd(10), Sinks: func() []diff.Sink { return []diff.Sink{&Plan{}} },
		Checkpoints: &Checkpoints{Put: (&keptDocs{}).put},
	})
	if err == nil {
		t.Error("a plan took checkpoints")
	}
}

// No checkpoint is kept while something of it is not in the queue.
func TestCheckpointWaitsForTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := job.Defaults()
		docs, refused := &keptDocs{}, errors.New("queue is gone")
		src := newEnd(1000, numbered(100_000, "k")...)
		src.pause = func() { time.Sleep(time.Second) }
		_, err := Pass(t.Context(), Config{
			Job: &j, Source: src, Destination: newEnd(1000), Concurrency: 1,
			Sinks: func() []diff.Sink {
				return []diff.Sink{&Sender{Queue: slowly{&outbox{err: refused}, time.Hour}, InFlight: 1000}}
			},
			Checkpoints: &Checkpoints{Put: docs.put, MarkEvery: 10},
		})
		if !errors.Is(err, refused) || len(docs.all) > 1 { // the first is of the time before anything was sent
			t.Errorf("%d checkpoints, %v", len(docs.all), err)
		}
	})
}
