package fleet_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datatransferhub/dth/worker/consume"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/s3sim"
	"github.com/datatransferhub/dth/worker/transfer"
)

const big = 5<<20 + 12345 // 21 parts

func TestGiantsAreSharedByWorkers(t *testing.T) {
	for name, destination := range map[string]s3sim.Options{"with checksums": {}, "with opaque ETags": {Quirks: s3sim.Quirks{OpaqueETags: true}}} {
		t.Run(name, func(t *testing.T) {
			y := newYard(t, s3sim.Options{}, destination)
			keys := append(awkward(), "plain")
			for i, key := range keys {
				y.src.PutBytes(key, data(big, byte(i)))
				y.send(y.wanted(key))
			}
			y.controller()
			for range 3 {
				y.worker()
			}
			y.settled()
			y.agree()
			for _, key := range keys {
				if r := y.row(key); r.Status != ledger.Done || r.Method != "giant" || r.Size != big || r.Bytes != big {
					t.Errorf("%.20q: %s by %s, %d of %d bytes", key, r.Status, r.Method, r.Bytes, r.Size)
				}
			}
			y.until("the counters are written", func() bool { return y.queue.Len() == 0 })
			y.counted("run", keys...)
		})
	}
}

// Workers are stopped without a moment to hand anything back; the messages they had reappear.
func TestGiantSurvivesItsWorkers(t *testing.T) {
	y := newYard(t, s3sim.Options{}, s3sim.Options{})
	y.src.PutBytes("giant", data(big, 1))
	y.send(y.wanted("giant"))
	y.controller()
	var parts atomic.Int64
	y.dstSim.SetFault(func(c s3sim.Call) s3sim.Fault {
		if c.Op == "UploadPart" {
			parts.Add(1)
			return s3sim.Fault{Latency: 20 * time.Millisecond}
		}
		return s3sim.Fault{}
	})
	for n := range 4 {
		stop := y.worker()
		if n == 3 {
			break
		}
		want := parts.Load() + 3
		y.until("some parts are copied", func() bool { return parts.Load() >= want || len(y.dst.Objects()) > 0 })
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
	y.settled()
	y.agree()
	y.counted("run", "giant")
}

func TestPartThatFailsForGood(t *testing.T) {
	for name, c := range map[string]struct {
		fault func(s3sim.Call) s3sim.Fault
		class string
	}{
		"five times": {func(c s3sim.Call) s3sim.Fault {
			if c.Op == "UploadPart" && c.Request.URL.Query().Get("partNumber") == "7" {
				return s3sim.Fault{Status: http.StatusInternalServerError}
			}
			return s3sim.Fault{}
		}, "server"},
		"for want of rights": {func(c s3sim.Call) s3sim.Fault {
			if c.Op == "UploadPart" && c.Request.URL.Query().Get("partNumber") == "7" {
				return s3sim.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}
			}
			return s3sim.Fault{}
		}, "access_denied"},
	} {
		t.Run(name, func(t *testing.T) {
			y := newYard(t, s3sim.Options{}, s3sim.Options{Fault: c.fault})
			y.src.PutBytes("giant", data(big, 1))
			y.src.PutBytes("other", data(big, 2))
			y.dstSim.SetFault(func(call s3sim.Call) s3sim.Fault {
				if call.Key == "giant" {
					return c.fault(call)
				}
				return s3sim.Fault{}
			})
			y.send(y.wanted("giant"), y.wanted("other"))
			y.controller()
			y.worker()
			y.until("the failure is on record", func() bool { return y.row("giant").Status == ledger.Failed })
			r := y.row("giant")
			if r.ErrorClass != c.class || !strings.Contains(r.Error, "UploadPart") {
				t.Errorf("%+v", r)
			}
			y.settled()
			if n := y.dst.OpenUploads(); n != 0 {
				t.Errorf("%d uploads are open", n)
			}
			if y.dst.Get("giant") != nil || y.row("other").Status != ledger.Done {
				t.Error("the giant was made of less than its parts, or kept the other one from being copied")
			}
			y.counted("run", "giant", "other")
		})
	}
}

// once lets a fault's action happen at the n-th part.
func atPart(n int64, act func()) func(s3sim.Call) s3sim.Fault {
	var parts atomic.Int64
	return func(c s3sim.Call) s3sim.Fault {
		if c.Op == "UploadPart" && parts.Add(1) == n {
			act()
		}
		return s3sim.Fault{}
	}
}

func TestSourceOfAGiantVanishes(t *testing.T) {
	y := newYard(t, s3sim.Options{}, s3sim.Options{})
	y.src.PutBytes("giant", data(big, 1))
	y.dstSim.SetFault(atPart(4, func() { y.src.Delete("giant") }))
	y.send(y.wanted("giant"))
	y.controller()
	y.worker()
	y.until("it is on record", func() bool { return y.row("giant").Status == ledger.Gone })
	y.settled()
	y.agree()
	y.counted("run", "giant")
}

func TestSourceOfAGiantChanges(t *testing.T) {
	y := newYard(t, s3sim.Options{}, s3sim.Options{})
	y.src.PutBytes("giant", data(big, 1))
	y.dstSim.SetFault(atPart(4, func() { y.src.PutBytes("giant", data(big+1000, 2)) }))
	y.send(y.wanted("giant"))
	y.controller()
	y.worker()
	y.worker()
	y.until("it is on record", func() bool { return y.row("giant").Status == ledger.Done })
	y.settled()
	y.agree()
	y.counted("run", "giant")
}

func TestUploadThatSomebodyAborted(t *testing.T) {
	y := newYard(t, s3sim.Options{}, s3sim.Options{})
	y.src.PutBytes("giant", data(big, 1))
	destination := y.open(y.job.Destination)
	y.dstSim.SetFault(atPart(4, func() {
		go func() {
			open, err := destination.Uploads(context.Background(), "giant")
			if err != nil || len(open) != 1 {
				t.Errorf("%d uploads are open, %v", len(open), err)
				return
			}
			if err := destination.AbortUpload(context.Background(), "giant", open[0].ID); err != nil {
				t.Error(err)
			}
		}()
	}))
	y.send(y.wanted("giant"))
	y.controller()
	y.worker()
	y.until("it is on record", func() bool { return y.row("giant").Status == ledger.Done })
	y.settled()
	y.agree()
	y.counted("run", "giant")
}

// Every message of a giant is delivered twice, and the second time late.
func TestMessagesOfAGiantTwice(t *testing.T) {
	y := newYard(t, s3sim.Options{}, s3sim.Options{Quirks: s3sim.Quirks{OpaqueETags: true}})
	y.src.PutBytes("giant", data(big, 1))
	m := y.wanted("giant")
	y.send(m, m)
	y.controller()
	y.worker()
	y.worker()
	y.settled()
	y.agree()
	if t.Failed() {
		for _, o := range y.outcomes {
			t.Logf("%+v", o)
		}
	}
	y.send(m, message.Complete{Upload: message.Upload{Run: "run", Key: "giant", ETag: m.ETag, UploadID: "of long ago"}},
		message.Abort{Upload: message.Upload{Run: "run", Key: "giant", ETag: m.ETag, UploadID: "of long ago"}},
		message.Part{Upload: message.Upload{Run: "run", Key: "giant", ETag: m.ETag, UploadID: "of long ago"}, Number: 3, Of: 21, Offset: 0, Length: 256 << 10})
	y.settled()
	y.agree()
	y.counted("run", "giant")
	if n := y.dead(); n != 0 {
		t.Errorf("%d dead letters", n)
	}
}

// dead returns the number of dead letters.
func (y *yard) dead() int64 {
	y.t.Helper()
	d, err := y.queue.DeadLetters().Depth(context.Background())
	y.must(err)
	return d.Visible + d.InFlight + d.Delayed
}

func refused(op, key string) func(s3sim.Call) s3sim.Fault {
	return func(c s3sim.Call) s3sim.Fault {
		if c.Op == op && c.Key == key {
			return s3sim.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}
		}
		return s3sim.Fault{}
	}
}

// A refusal that comes when all parts are there ends the upload, its controller, and what waits for them.
func TestGiantThatIsRefusedAtItsEnd(t *testing.T) {
	for name, arm := range map[string]func(y *yard){
		"by the destination": func(y *yard) { y.dstSim.SetFault(refused("CompleteMultipartUpload", "giant")) },
		"by the source": func(y *yard) {
			// The source is looked at when the giant begins, and refuses when it is to be completed.
			var parts atomic.Int64
			y.srcSim.SetFault(func(c s3sim.Call) s3sim.Fault {
				if c.Op == "GetObject" {
					parts.Add(1)
				}
				if parts.Load() >= 21 {
					return refused("HeadObject", "giant")(c)
				}
				return s3sim.Fault{}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			y := newYard(t, s3sim.Options{}, s3sim.Options{})
			y.src.PutBytes("giant", data(big, 1))
			arm(y)
			y.send(y.wanted("giant"))
			y.controller()
			y.worker()
			y.until("the failure is on record", func() bool { return y.row("giant").Status == ledger.Failed })
			if r := y.row("giant"); r.ErrorClass != "access_denied" || r.Method != transfer.MethodGiant {
				t.Errorf("%+v", r)
			}
			y.settled()
			if n := y.dst.OpenUploads(); n != 0 {
				t.Errorf("%d uploads are open", n)
			}
			y.counted("run", "giant")
		})
	}
}

// Whoever dies between the end of an upload and the record of its object leaves a record that says "in progress" for ever.
func TestContestedGiantIsRecordedBeforeItsUploadEnds(t *testing.T) {
	y := newYard(t, s3sim.Options{}, s3sim.Options{})
	y.src.PutBytes("giant", data(big, 1))
	y.dstSim.SetFault(func(c s3sim.Call) s3sim.Fault {
		if c.Op == "CompleteMultipartUpload" {
			return s3sim.Fault{Status: http.StatusPreconditionFailed, Code: "PreconditionFailed"}
		}
		return s3sim.Fault{}
	})
	var failed, without atomic.Int64
	y.tune = func(c *consume.Config, _ *transfer.Config) {
		c.Ledger = &watchedLedger{Ledger: c.Ledger, put: func(r *ledger.Record) {
			if r.Status != ledger.Failed {
				return
			}
			if failed.Add(1) > 1 {
				return // asked to complete it twice at once, a second worker writes the same after the first
			}
			if open, err := y.uploads.Uploads(context.Background()); err != nil || len(open) != 1 {
				without.Add(1)
			}
		}}
	}
	y.send(y.wanted("giant"))
	y.controller()
	y.worker()
	y.until("the failure is on record", func() bool { return y.row("giant").Status == ledger.Failed })
	if failed.Load() == 0 || without.Load() > 0 {
		t.Errorf("of %d records, the first was written when the upload was gone: %t", failed.Load(), without.Load() > 0)
	}
	y.settled()
	if n := y.dst.OpenUploads(); n != 0 {
		t.Errorf("%d uploads are open", n)
	}
	y.counted("run", "giant")
}

// watchedLedger tells of every record before it is written.
type watchedLedger struct {
	ledger.Ledger
	put func(*ledger.Record)
}

func (w *watchedLedger) Put(ctx context.Context, r ledger.Record, expect *ledger.Revision) (*ledger.Record, error) {
	w.put(&r)
	return w.Ledger.Put(ctx, r, expect)
}

// An abort that is refused is asked for again; the object's own record does not wait for it, and it ends some day.
func TestRefusedAbortIsAskedForAgain(t *testing.T) {
	begin := func(t *testing.T) *yard {
		y := newYard(t, s3sim.Options{}, s3sim.Options{})
		y.src.PutBytes("giant", data(big, 1))
		y.dstSim.SetFault(func(c s3sim.Call) s3sim.Fault {
			if c.Op == "UploadPart" && c.Request.URL.Query().Get("partNumber") == "7" {
				return s3sim.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}
			}
			return refused("AbortMultipartUpload", "giant")(c)
		})
		y.send(y.wanted("giant"))
		y.controller()
		return y
	}
	noted := func(y *yard) bool {
		open, err := y.uploads.Uploads(context.Background())
		y.must(err)
		return len(open) == 1 && open[0].Failure != nil && y.row("giant").Status == ledger.Failed && y.queue.Len() == 0
	}
	t.Run("until it is allowed", func(t *testing.T) {
		y := begin(t)
		y.worker()
		y.until("the failure is on record, and the upload as well", func() bool { return noted(y) })
		y.dstSim.SetFault(nil)
		y.settled()
		if n := y.dst.OpenUploads(); n != 0 {
			t.Errorf("%d uploads are open", n)
		}
		y.counted("run", "giant")
	})
	t.Run("for a day", func(t *testing.T) {
		y := begin(t)
		var ahead atomic.Int64
		y.tune = func(_ *consume.Config, x *transfer.Config) {
			x.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		}
		y.worker()
		y.until("the failure is on record, and the upload as well", func() bool { return noted(y) })
		ahead.Store(int64(transfer.AbandonAfter + time.Minute))
		y.settled()
		if n := y.dst.OpenUploads(); n != 1 {
			t.Errorf("%d uploads are open", n)
		}
		if n := y.dead(); n != 0 {
			t.Errorf("%d dead letters", n)
		}
		y.counted("run", "giant")
	})
}

// settledOf is how many messages of a run have come to an end, by its counters.
func (y *yard) settledOf(runID string) int64 {
	y.t.Helper()
	all, err := y.runs.Counters(context.Background(), runID)
	y.must(err)
	return run.Settled(all)
}

// A pass and an event ask for the same giant. Its outcome is counted with the one who created the upload; the other's message has
// an end of its own, once, however often it is delivered.
func TestGiantOfAnotherRunIsCounted(t *testing.T) {
	y := newYard(t, s3sim.Options{}, s3sim.Options{})
	y.src.PutBytes("giant", data(big, 1))
	y.must(y.runs.Create(t.Context(), run.Run{ID: "run", Trigger: "once", State: run.Copying, Started: time.Now()}))
	ofEvent := y.wanted("giant")
	ofEvent.Run, ofEvent.Sequencer = eventsOfTheDay, "0A"
	stop := make(chan struct{})
	y.dstSim.SetFault(func(c s3sim.Call) s3sim.Fault {
		if c.Op == "UploadPart" {
			<-stop // nothing is copied before the other message has come
		}
		return s3sim.Fault{}
	})
	y.send(ofEvent)
	y.worker()
	y.until("the giant has begun", func() bool { return y.row("giant").Status == ledger.InProgress })
	y.send(y.wanted("giant"), y.wanted("giant"))
	y.until("the message of the pass is counted", func() bool { return y.settledOf("run") == 1 })
	close(stop)
	y.controller()
	y.settled()
	y.agree()
	all, err := y.runs.Counters(t.Context(), "run")
	y.must(err)
	if got := run.Total(all).Outcomes; len(got) != 1 || got["SKIPPED:"+ledger.Elsewhere].Objects != 1 {
		t.Errorf("the pass counts %v", got)
	}
	if r := y.row("giant"); r.Status != ledger.Done || r.RunID != eventsOfTheDay {
		t.Errorf("%+v", r)
	}
	y.counted(eventsOfTheDay, "giant")
}

// A pass begins a giant, and an event overwrites its object by a small one. When the upload is ended, the pass still waits for
// what became of its message.
func TestGiantThatAnotherRunReplacedIsCounted(t *testing.T) {
	y := newYard(t, s3sim.Options{}, s3sim.Options{})
	y.job.Events = job.EventsCreateAndDelete
	y.must(y.runs.Create(t.Context(), run.Run{ID: "run", Trigger: "once", State: run.Copying, Started: time.Now()}))
	y.src.PutBytes("giant", data(big, 1))
	stop := make(chan struct{})
	y.srcSim.SetFault(func(c s3sim.Call) s3sim.Fault {
		if c.Op == "GetObject" && c.Request.Header.Get("Range") != "" {
			<-stop
		}
		return s3sim.Fault{}
	})
	y.send(y.wanted("giant"))
	y.worker()
	y.until("the giant has begun", func() bool { return y.row("giant").Status == ledger.InProgress })
	small := y.src.PutBytes("giant", data(10, 2))
	y.send(message.Object{Run: eventsOfTheDay, Key: "giant", Op: message.Copy, Sequencer: "0B", Size: 10, ETag: small.ETag})
	y.until("the event is settled", func() bool { return y.row("giant").RunID == eventsOfTheDay })
	close(stop)
	y.controller()
	y.settled()
	y.agree()
	if n := y.settledOf("run"); n != 1 {
		all, err := y.runs.Counters(t.Context(), "run")
		t.Errorf("%d objects of the pass are settled: %+v, %v", n, all, err)
	}
}
