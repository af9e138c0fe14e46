package fleet_test

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/s3sim"
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
