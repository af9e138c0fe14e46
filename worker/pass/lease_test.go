package pass_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datatransferhub/dth/worker/pass"
	"github.com/datatransferhub/dth/worker/run"
)

// Two finders at once: the second finds the first alive, and records that it did nothing.
func TestSecondFinderSkips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newTask(t, 20_000)
		k.src.takes = 30 * time.Second
		second := k.Config
		second.Holder = "host-b"
		ended := make(chan run.Run)
		go func() {
			r, err := pass.Run(t.Context(), k.Config)
			if err != nil {
				t.Error(err)
			}
			ended <- r
		}()
		time.Sleep(10 * time.Second)
		r := mustRun(t, second)
		if r.State != run.Skipped || !strings.Contains(r.Error, "host-a") {
			t.Errorf("the second: %+v", r)
		}
		if r := <-ended; r.State != run.Copying || r.Finder.Queued != 20_000 {
			t.Errorf("the first: %+v", r)
		}
	})
}

// A finder that died holds its lease until it ends; the next one waits for that, and continues.
func TestDeadFindersLeaseIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, ahead := range []time.Duration{0, 24 * time.Hour} { // of the dead one's clock
			k := newTask(t, 10)
			now := time.Now()
			k.create(t, run.Run{ID: "broken", State: run.Finding, Started: now})
			if _, held, err := k.runs.Lease(t.Context(), pass.LeaseName, "host-b", now.Add(ahead), 5*time.Minute); !held || err != nil {
				t.Fatal(err)
			}
			if r := mustRun(t, k.Config); r.ID != "broken" || r.State != run.Copying {
				t.Errorf("%+v", r)
			}
			if waited := time.Since(now); waited < 5*time.Minute || waited > 10*time.Minute {
				t.Errorf("waited %v for a lease of five minutes", waited)
			}
		}
	})
}

// On the same host nobody waits: what ran there is dead.
func TestRestartTakesItsOwnLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newTask(t, 10)
		if _, held, err := k.runs.Lease(t.Context(), pass.LeaseName, "host-a", time.Now(), 5*time.Minute); !held || err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if r := mustRun(t, k.Config); r.State != run.Copying || time.Since(began) > time.Minute {
			t.Errorf("%+v after %v", r, time.Since(began))
		}
	})
}

// A finder whose lease was taken stops, and leaves the record to the one that took it.
func TestLostLeaseStopsThePass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newTask(t, 20_000)
		k.src.takes = 30 * time.Second
		k.RunID = "r"
		ended := make(chan error)
		go func() {
			_, err := pass.Run(t.Context(), k.Config)
			ended <- err
		}()
		time.Sleep(65 * time.Second)
		if stored, err := k.runs.Get(t.Context(), "r"); err != nil || stored.Finder.ListedSource == 0 || stored.State != run.Finding {
			t.Errorf("while it lists the record is %+v, %v", stored, err)
		}
		if err := k.runs.Unlease(t.Context(), pass.LeaseName, "host-a"); err != nil {
			t.Fatal(err)
		}
		if _, held, err := k.runs.Lease(t.Context(), pass.LeaseName, "host-b", time.Now(), time.Hour); !held || err != nil {
			t.Fatal(err)
		}
		var lost *pass.LostError
		if err := <-ended; !errors.As(err, &lost) || lost.Holder != "host-b" {
			t.Errorf("the pass ended with %v", err)
		}
		if stored, err := k.runs.Get(t.Context(), "r"); err != nil || stored.State != run.Finding || stored.Error != "" {
			t.Errorf("the record is %+v, %v", stored, err)
		}
		if l, _, err := k.runs.Lease(t.Context(), pass.LeaseName, "host-c", time.Now(), time.Hour); err != nil || l.Holder != "host-b" {
			t.Errorf("the lease is %+v, %v", l, err)
		}
	})
}
