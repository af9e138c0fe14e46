package fleet_test

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datatransferhub/dth/worker/consume"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/s3sim"
)

const eventsOfTheDay = "events-20261123"

// history is what happens to a source bucket, and the events of it.
type history struct {
	y      *yard
	rand   *rand.Rand
	n      int
	events []message.Message
}

// step changes one of a few objects and keeps the event.
func (h *history) step() {
	h.n++
	key := fmt.Sprintf("k%d", h.rand.IntN(3))
	m := message.Object{Run: eventsOfTheDay, Key: key, Sequencer: fmt.Sprintf("%016X", h.n*16)}
	if h.rand.IntN(3) == 0 {
		h.y.src.Delete(key)
		m.Op = message.Delete
	} else {
		size := 100 + h.rand.IntN(3)
		if h.rand.IntN(6) == 0 {
			size = big
		}
		o := h.y.src.PutBytes(key, data(size, byte(h.n)))
		m.Op, m.Size, m.ETag, m.Modified = message.Copy, o.Size(), o.ETag, o.Modified
	}
	h.events = append(h.events, m)
}

// deliver sends some of the events in any order, and some of them twice.
func (h *history) deliver(all bool) {
	h.rand.Shuffle(len(h.events), func(i, j int) { h.events[i], h.events[j] = h.events[j], h.events[i] })
	n := len(h.events)
	if !all {
		n = h.rand.IntN(n + 1)
	}
	for _, m := range h.events[:n] {
		h.y.send(m)
		if h.rand.IntN(4) == 0 {
			h.y.send(m)
		}
	}
	h.events = h.events[n:]
}

// Whatever the order in which events arrive, how often, and to whom: the destination ends with what the source holds.
func TestLastWriterIsTheNewest(t *testing.T) {
	for name, quirks := range map[string]s3sim.Quirks{
		"conditional writes": {},
		"conditions ignored": {IgnoresWriteConditions: true},
		"conditions refused": {RefusesWriteConditions: true},
		"opaque ETags":       {OpaqueETags: true},
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(5) {
				t.Run(fmt.Sprint(seed), func(t *testing.T) { orderly(t, seed, quirks) })
			}
		})
	}
}

func orderly(t *testing.T, seed uint64, quirks s3sim.Quirks) {
	y := newYard(t, s3sim.Options{}, s3sim.Options{Quirks: quirks})
	y.job.Events = job.EventsCreateAndDelete
	y.src.SetVersioned(seed%2 == 0)
	h := &history{y: y, rand: rand.New(rand.NewPCG(seed, 1))}
	var calls atomic.Uint64
	slow := func(s3sim.Call) s3sim.Fault {
		// Calls overtake each other.
		return s3sim.Fault{Latency: time.Duration(calls.Add(1)*2654435761%8) * time.Millisecond}
	}
	y.srcSim.SetFault(slow)
	y.dstSim.SetFault(slow)
	y.controller()
	y.worker()
	y.worker()
	for range 12 {
		for range 1 + h.rand.IntN(3) {
			h.step()
		}
		if h.rand.IntN(2) == 0 {
			h.deliver(false)
		}
		time.Sleep(time.Duration(h.rand.IntN(10)) * time.Millisecond)
	}
	h.deliver(true)
	y.settled()
	y.agree()
	y.counted(eventsOfTheDay, "k0", "k1", "k2")
	if n := y.dead(); n != 0 {
		t.Errorf("%d dead letters", n)
	}
}

func TestOldDeleteDoesNotDelete(t *testing.T) {
	y := newYard(t, s3sim.Options{}, s3sim.Options{})
	y.job.Events = job.EventsCreateAndDelete
	o := y.src.PutBytes("k", data(10, 1))
	y.worker()
	y.send(message.Object{Run: eventsOfTheDay, Key: "k", Op: message.Copy, Sequencer: "0B", Size: 10, ETag: o.ETag})
	y.settled()
	y.send(message.Object{Run: eventsOfTheDay, Key: "k", Op: message.Delete, Sequencer: "0A"})
	y.settled()
	y.agree()
	// One whose order is not known is answered by a look.
	y.send(message.Object{Run: eventsOfTheDay, Key: "k", Op: message.Delete})
	y.settled()
	y.agree()
	if r := y.row("k"); r.Status != ledger.Done || r.Sequencer != "0B" {
		t.Errorf("%+v", r)
	}
}

// A deletion leaves a tombstone, and what is created after it is copied.
func TestTombstones(t *testing.T) {
	y := newYard(t, s3sim.Options{}, s3sim.Options{})
	y.job.Events = job.EventsCreateAndDelete
	y.dst.PutBytes("k", data(10, 1))
	y.worker()
	y.send(message.Object{Run: eventsOfTheDay, Key: "k", Op: message.Delete, Sequencer: "0A"})
	y.settled()
	y.agree()
	if r := y.row("k"); r.Status != ledger.Deleted || r.Sequencer != "0A" {
		t.Errorf("%+v", r)
	}
	o := y.src.PutBytes("k", data(20, 2))
	y.send(message.Object{Run: eventsOfTheDay, Key: "k", Op: message.Copy, Sequencer: "0C", Size: 20, ETag: o.ETag})
	y.settled()
	y.agree()
	if _, err := y.runs.Get(t.Context(), eventsOfTheDay); err != nil {
		t.Errorf("the run of the day's events: %v", err)
	}
	if day, is := consume.EventDay(eventsOfTheDay); !is || day.Day() != 23 {
		t.Errorf("%v, %v", day, is)
	}
}
