package finder

import (
	"context"
	"strconv"
	"testing"

	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/store"
)

// readyEnd gives pages that are there already, so that only the pass itself is measured.
type readyEnd struct{ *end }

func (e readyEnd) List(_ context.Context, r store.ListRequest) (*store.Page, error) {
	from := 0
	if r.Token != "" {
		from, _ = strconv.Atoi(r.Token)
	} else if r.StartAfter != "" {
		low, high := 0, len(e.objects)
		for low < high {
			if mid := (low + high) / 2; e.objects[mid].Key <= r.StartAfter {
				low = mid + 1
			} else {
				high = mid
			}
		}
		from = low
	}
	limit := 1000
	if r.MaxKeys > 0 {
		limit = r.MaxKeys
	}
	to := min(from+limit, len(e.objects))
	page := &store.Page{Objects: e.objects[from:to]}
	if to < len(e.objects) {
		page.Next = strconv.Itoa(to)
	}
	return page, nil
}

// BenchmarkPass measures a pass without its list calls: nanoseconds for each key of each side.
func BenchmarkPass(b *testing.B) {
	const n = 300_000
	j := job.Defaults()
	src, dst := readyEnd{newEnd(1000, numbered(n, "data/2024/part-")...)}, readyEnd{newEnd(1000, numbered(n, "data/2024/part-")...)}
	empty := readyEnd{newEnd(1000)}
	for name, d := range map[string]readyEnd{"same": dst, "new": empty} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s := &Sender{Queue: sink{}}
				if _, err := Pass(b.Context(), Config{Job: &j, Source: src, Destination: d, Sinks: func() []diff.Sink { return []diff.Sink{s} }}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/object")
		})
	}
}

type sink struct{}

func (sink) Send(context.Context, []string) error { return nil }
