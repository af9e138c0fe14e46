package logship

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A segment holds whatever lines there are, and what else is in it is counted.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"", "dth-log-1 ", "dth-log-1 s\n", "dth-log-1 s\n1 a\n", "dth-log-1 s\n1 a\n2 torn", "dth-log-1 s\nx\n-1 a\n1\n1 \n0 a\n\x00\x00",
		"dth-log-1 a:b\n1 a\n", "dth-log-2 s\n1 a\n", "dth-log-1 s\n99999999999999999999 a\n1 \xff\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, segment []byte) {
		stream, events, unreadable, err := decode(segment)
		if err != nil {
			if !errors.Is(err, errHead) || len(events) > 0 {
				t.Fatalf("%d events, %v", len(events), err)
			}
			return
		}
		if err := checkStream(stream); err != nil {
			t.Fatal(err)
		}
		again := appendHead(nil, stream)
		for _, e := range events {
			if e.Millis <= 0 || e.Text == "" || newEvent(e.Text, time.UnixMilli(e.Millis)).Text != e.Text {
				t.Fatalf("%+v is no event", e)
			}
			again = appendEvent(again, e)
		}
		if unreadable == 0 && len(again) > len(segment) {
			t.Fatalf("%d bytes became %d", len(segment), len(again))
		}
		stream2, events2, unreadable, err := decode(again)
		if stream2 != stream || !slices.Equal(events2, events) || unreadable != 0 || err != nil {
			t.Fatalf("decoded again: %q, %v, %d, %v", stream2, events2, unreadable, err)
		}
	})
}

// Whatever events there are: every batch keeps to the limits, all are there, and those of one time stay in their order.
func TestBatches(t *testing.T) {
	texts := map[int]string{}
	text := func(n int) string {
		if texts[n] == "" {
			b := make([]byte, n)
			for i := range b {
				b[i] = 'x'
			}
			texts[n] = string(b)
		}
		return texts[n]
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.SampledFrom([]int{0, 1, 5, 300, 10_001, 20_000}).Draw(t, "events")
		sizes := rapid.SliceOfN(rapid.SampledFrom([]int{1, 80, 4000, MaxText}), 1, 5).Draw(t, "sizes")
		steps := rapid.SliceOfN(rapid.SampledFrom([]int64{-7, 0, 0, 1, 1000, 12 * 3600_000, 30 * 3600_000}), 1, 5).Draw(t, "steps")
		events := make([]Event, n)
		millis := int64(1 << 40)
		for i := range events {
			millis += steps[i%len(steps)]
			events[i] = Event{millis, text(sizes[i%len(sizes)])}
		}
		want := slices.Clone(events)
		slices.SortStableFunc(want, func(a, b Event) int { return int(a.Millis - b.Millis) })
		var got []Event
		for _, batch := range batches(events) {
			size := 0
			for _, e := range batch {
				size += len(e.Text) + 26
			}
			if span := batch[len(batch)-1].Millis - batch[0].Millis; size > 1<<20 || len(batch) > 10_000 || span >= 24*3600_000 {
				t.Fatalf("a batch of %d events, %d bytes, %d ms", len(batch), size, span)
			}
			got = append(got, batch...)
		}
		if !slices.Equal(got, want) {
			t.Fatal("the batches are not the events in the order of time")
		}
	})
}

// Few batches do when few are needed.
func TestBatchesAreFull(t *testing.T) {
	events := make([]Event, 25_000)
	for i := range events {
		events[i] = Event{int64(i + 1), "short"}
	}
	if n := len(batches(events)); n != 3 {
		t.Errorf("25,000 short events are %d batches", n)
	}
}
