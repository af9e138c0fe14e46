package fleet_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/datatransferhub/dth/worker/awssim"
	"github.com/datatransferhub/dth/worker/awssim/awssimaws"
	"github.com/datatransferhub/dth/worker/consume"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/ledger/ledgeraws"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/s3sim"
)

const eventsOfTheDay = "events-20261123"

// change is what happens to one object of the source, and to the event of it.
type change struct {
	Key    int
	Size   int  // -1: it is deleted
	Late   int  // after how many further changes the event is delivered
	Twice  bool // it is delivered once more, after all others
	Pause  int  // ms that pass until the next change
	Before bool // of two events that are delivered at a time, it is the first
}

// changes draws a history. It shrinks to few changes of one small object whose events arrive at once.
func changes() *rapid.Generator[[]change] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) change {
		return change{
			Key:   rapid.IntRange(0, 2).Draw(t, "key"),
			Size:  rapid.SampledFrom([]int{100, 101, 100, 102, -1, -1, big}).Draw(t, "size"),
			Late:  rapid.IntRange(0, 12).Draw(t, "late"),
			Twice: rapid.IntRange(0, 3).Draw(t, "twice") == 3,
			Pause: rapid.SampledFrom([]int{0, 0, 1, 5, 30}).Draw(t, "pause"), Before: rapid.Bool().Draw(t, "before"),
		}
	}), 4, 30)
}

// apply makes the n-th change and returns its event.
func (y *yard) apply(n int, c change) message.Object {
	key := fmt.Sprintf("k%d", c.Key)
	m := message.Object{Run: eventsOfTheDay, Key: key, Sequencer: fmt.Sprintf("%016X", n*16)}
	if c.Size < 0 {
		y.src.Delete(key)
		m.Op = message.Delete
		return m
	}
	o := y.src.PutBytes(key, data(c.Size, byte(n)))
	m.Op, m.Size, m.ETag, m.Modified = message.Copy, o.Size(), o.ETag, o.Modified
	return m
}

// play lets a history happen, its events arriving in the order that it says, and then those that arrive again.
func (y *yard) play(all []change) {
	due := make([][]message.Message, len(all)+13)
	var again []message.Message
	for n, c := range all {
		m := y.apply(n+1, c)
		at := n + c.Late
		if c.Before {
			due[at] = append([]message.Message{m}, due[at]...)
		} else {
			due[at] = append(due[at], m)
		}
		if c.Twice {
			again = append(again, m)
		}
		y.send(due[n]...)
		time.Sleep(time.Duration(c.Pause) * time.Millisecond)
	}
	for _, messages := range due[len(all):] {
		y.send(messages...)
	}
	y.send(again...)
}

// Whatever the order in which events arrive, how often, and to whom: the destination ends with what the source holds.
func TestLastWriterIsTheNewest(t *testing.T) {
	for name, c := range map[string]struct {
		quirks s3sim.Quirks
		table  bool // the ledger is a table of the cloud
	}{
		"conditional writes": {},
		"a table":            {table: true},
		"conditions ignored": {quirks: s3sim.Quirks{IgnoresWriteConditions: true}},
		"ignored, a table":   {quirks: s3sim.Quirks{IgnoresWriteConditions: true}, table: true},
		"conditions refused": {quirks: s3sim.Quirks{RefusesWriteConditions: true}},
		"opaque ETags":       {quirks: s3sim.Quirks{OpaqueETags: true}},
	} {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(r *rapid.T) { orderly(r, t.TempDir(), c.quirks, c.table) })
		})
	}
}

func orderly(t *rapid.T, dir string, quirks s3sim.Quirks, table bool) {
	y := newYardIn(t, dir, s3sim.Options{}, s3sim.Options{Quirks: quirks})
	if table {
		y.ledger = tableOf(t)
	}
	y.job.Events = job.EventsCreateAndDelete
	y.src.SetVersioned(rapid.Bool().Draw(t, "versioned"))
	all := changes().Draw(t, "changes")
	var calls atomic.Uint64
	slow := func(s3sim.Call) s3sim.Fault {
		// Calls overtake each other, some of them many others.
		n := calls.Add(1) * 2654435761 >> 7
		if n%5 == 0 {
			return s3sim.Fault{Latency: time.Duration(n%61) * time.Millisecond}
		}
		return s3sim.Fault{Latency: time.Duration(n%8) * time.Millisecond}
	}
	y.srcSim.SetFault(slow)
	y.dstSim.SetFault(slow)
	y.controller()
	y.worker()
	y.worker()
	y.play(all)
	y.settled()
	y.agree()
	y.counted(eventsOfTheDay, "k0", "k1", "k2")
	if n := y.dead(); n != 0 {
		t.Errorf("%d dead letters", n)
	}
}

// tableOf is the ledger in DynamoDB, simulated.
func tableOf(t tester) *ledgeraws.Ledger {
	t.Helper()
	sim := awssim.New(awssim.Options{})
	t.Cleanup(func() { sim.Close() })
	sim.CreateTable("ledger", awssim.Index{Hash: "ObjectKey"}, map[string]awssim.Index{ledgeraws.Index: {Hash: "FailureShard", Range: "ObjectKey"}})
	url, err := sim.Start()
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledgeraws.Open(context.Background(), awssimaws.Config(url), "ledger", retry.Policy{Attempts: 4, Base: time.Millisecond, Cap: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
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
