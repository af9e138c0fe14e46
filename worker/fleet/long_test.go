//go:build long

package fleet_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/s3sim"
)

// TestOutageCostsNoReceives at full length: two minutes of refused requests over five thousand messages, with the waits that a
// worker has when nobody tunes it. No clock can be put forward here, so only make chaos takes the time.
func TestLongOutageCostsNoReceives(t *testing.T) {
	y := newYard(t, s3sim.Options{}, s3sim.Options{})
	y.untuned, y.patience = true, 10*time.Minute
	const n, outage = 5000, 2 * time.Minute
	keys := y.fill(n)
	y.worker()
	y.until("some are copied", func() bool { return y.dst.Len() > n/50 })
	var refusals atomic.Int64
	y.dstSim.SetFault(func(s3sim.Call) s3sim.Fault {
		refusals.Add(1)
		return s3sim.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}
	})
	began, before := time.Now(), y.dst.Len()
	time.Sleep(outage)
	left := y.queue.Len()
	y.dstSim.SetFault(nil)
	y.settled()
	t.Logf("%d of %d objects were copied before an outage of %s, in which %d requests were refused; %d messages were left, all settled %s after it began",
		before, n, outage, refusals.Load(), left, time.Since(began).Round(time.Second))
	if left == 0 || refusals.Load() == 0 {
		t.Error("the outage met nothing")
	}
	if n := y.dead(); n != 0 {
		t.Errorf("%d dead letters", n)
	}
	y.counted("run", keys...)
	rows, err := y.ledger.Get(t.Context(), keys)
	y.must(err)
	attempts := map[int]int{}
	for key, r := range rows {
		if attempts[r.Attempts]++; r.Status != ledger.Done {
			t.Fatalf("%s: %s, %s", key, r.Status, r.Error)
		}
	}
	t.Logf("records by the receives of their messages: %v", attempts)
	if len(rows) != n || attempts[1] < n*99/100 {
		t.Errorf("of %d records, %d needed one receive", len(rows), attempts[1])
	}
	y.agree()
}
