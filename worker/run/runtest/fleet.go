package runtest

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/worker/run"
)

func wantCheckpoint(t *testing.T, s run.Store, id string, want []byte) {
	t.Helper()
	if got, err := s.Checkpoint(t.Context(), id); err != nil || !bytes.Equal(got, want) || (got == nil) != (want == nil) {
		t.Errorf("checkpoint of %s has %d bytes, want %d, %v", id, len(got), len(want), err)
	}
}

func checkpoint(t *testing.T, s run.Store) {
	create(t, s, sample("r", start()))
	wantCheckpoint(t, s, "r", nil)
	large := bytes.Repeat([]byte("photos/2024/\x00\xff"), 100_000) // packs well
	for _, doc := range [][]byte{[]byte("{}"), large, {0xff, 0, 1}} {
		if err := s.PutCheckpoint(t.Context(), "r", doc); err != nil {
			t.Fatal(err)
		}
		wantCheckpoint(t, s, "r", doc)
	}
	wantCheckpoint(t, s, "other", nil)
	for range 2 { // what is gone can be deleted
		if err := s.DeleteCheckpoint(t.Context(), "r"); err != nil {
			t.Fatal(err)
		}
		wantCheckpoint(t, s, "r", nil)
	}
	check(t, s, sample("r", start()))
}

// Answers belong to requests; runs and checkpoints of the same id are something else.
func answers(t *testing.T, s run.Store) {
	create(t, s, sample("r", start()))
	if err := s.PutCheckpoint(t.Context(), "r", []byte("checkpoint")); err != nil {
		t.Fatal(err)
	}
	want := func(id string, doc []byte) {
		t.Helper()
		if got, err := s.Answer(t.Context(), id); err != nil || !bytes.Equal(got, doc) || (got == nil) != (doc == nil) {
			t.Errorf("answer to %s has %d bytes, want %d, %v", id, len(got), len(doc), err)
		}
	}
	want("r", nil)
	long := bytes.Repeat([]byte(`{"key":"photos/2024/\u00e9"},`), 40_000) // packs well
	for _, doc := range [][]byte{[]byte(`{"state":"RUNNING"}`), long, []byte(`{"state":"DONE"}`)} {
		if err := s.PutAnswer(t.Context(), "r", doc); err != nil {
			t.Fatal(err)
		}
		want("r", doc)
	}
	want("other", nil)
	wantCheckpoint(t, s, "r", []byte("checkpoint"))
	check(t, s, sample("r", start()))
}

func checkpointSize(t *testing.T, s run.Store) {
	noise := make([]byte, 1<<20)
	if _, err := rand.NewChaCha8([32]byte{1}).Read(noise); err != nil {
		t.Fatal(err)
	}
	if err := s.PutCheckpoint(t.Context(), "r", noise[:10]); err != nil {
		t.Fatal(err)
	}
	var size *run.CheckpointSizeError
	switch err := s.PutCheckpoint(t.Context(), "r", noise); {
	case err == nil:
		wantCheckpoint(t, s, "r", noise) // this store takes more
	case errors.As(err, &size):
		wantCheckpoint(t, s, "r", noise[:10])
	default:
		t.Error(err)
	}
}

func wantLease(t *testing.T, s run.Store, name, holder string, now time.Time, want run.Lease, held bool) {
	t.Helper()
	got, ok, err := s.Lease(t.Context(), name, holder, now, time.Minute)
	if err != nil || ok != held {
		t.Errorf("lease for %s: %v, %v", holder, ok, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lease for %s: %s", holder, diff)
	}
}

func at(seconds int) time.Time { return start().Add(time.Duration(seconds) * time.Second) }

func unlease(t *testing.T, s run.Store, name, holder string) {
	t.Helper()
	if err := s.Unlease(t.Context(), name, holder); err != nil {
		t.Error(err)
	}
}

func lease(t *testing.T, s run.Store) {
	wantLease(t, s, "finder", "a", at(0), run.Lease{Holder: "a", Since: at(0), Until: at(60)}, true)
	wantLease(t, s, "finder", "b", at(30), run.Lease{Holder: "a", Since: at(0), Until: at(60)}, false)
	wantLease(t, s, "finder", "a", at(50), run.Lease{Holder: "a", Since: at(0), Until: at(110)}, true)
	wantLease(t, s, "finder", "b", at(70), run.Lease{Holder: "a", Since: at(0), Until: at(110)}, false)
	unlease(t, s, "finder", "b")
	wantLease(t, s, "finder", "b", at(71), run.Lease{Holder: "a", Since: at(0), Until: at(110)}, false)
	unlease(t, s, "finder", "a")
	unlease(t, s, "finder", "a")
	wantLease(t, s, "finder", "b", at(72), run.Lease{Holder: "b", Since: at(72), Until: at(132)}, true)
}

func leaseEnds(t *testing.T, s run.Store) {
	wantLease(t, s, "finder", "a", at(0), run.Lease{Holder: "a", Since: at(0), Until: at(60)}, true)
	wantLease(t, s, "finder", "b", at(59), run.Lease{Holder: "a", Since: at(0), Until: at(60)}, false)
	wantLease(t, s, "finder", "b", at(60), run.Lease{Holder: "b", Since: at(60), Until: at(120)}, true)
	wantLease(t, s, "finder", "a", at(61), run.Lease{Holder: "b", Since: at(60), Until: at(120)}, false)
	// A holder that comes back late finds it still its own when nobody took it.
	wantLease(t, s, "finder", "b", at(500), run.Lease{Holder: "b", Since: at(60), Until: at(560)}, true)
}

func leaseNames(t *testing.T, s run.Store) {
	wantLease(t, s, "finder", "a", at(0), run.Lease{Holder: "a", Since: at(0), Until: at(60)}, true)
	wantLease(t, s, "monitor", "b", at(1), run.Lease{Holder: "b", Since: at(1), Until: at(61)}, true)
	unlease(t, s, "monitor", "b")
	wantLease(t, s, "finder", "b", at(2), run.Lease{Holder: "a", Since: at(0), Until: at(60)}, false)
}

func leaseRace(t *testing.T, s run.Store) {
	var wg sync.WaitGroup
	var holders atomic.Int64
	for i := range 8 {
		wg.Go(func() {
			_, held, err := s.Lease(t.Context(), "finder", fmt.Sprint("host-", i), at(0), time.Minute)
			if err != nil {
				t.Error(err)
			}
			if held {
				holders.Add(1)
			}
		})
	}
	wg.Wait()
	if n := holders.Load(); n != 1 {
		t.Errorf("%d hold the lease", n)
	}
}

func present(t *testing.T, s run.Store) {
	for _, c := range []struct {
		worker string
		at     int
		want   int
	}{
		{"a", 0, 1},
		{"b", 10, 2},
		{"a", 20, 2},
		{"c", 69, 3},
		{"c", 70, 2},   // b has been silent too long
		{"b", 71, 3},   // and is back
		{"d", 5000, 1}, // the others are forgotten
		{"a", 5001, 2},
	} {
		got, err := s.Present(t.Context(), c.worker, at(c.at), time.Minute)
		if err != nil || got != c.want {
			t.Errorf("%s at %d s: %d at work, want %d, %v", c.worker, c.at, got, c.want, err)
		}
	}
}

func pauses(t *testing.T, s run.Store) {
	for i, step := range []struct {
		set  string // pause, resume or nothing
		want run.Pause
	}{
		{"", run.Pause{}},
		{"resume", run.Pause{}}, // it never was paused
		{"pause", run.Pause{Paused: true, Since: at(2)}},
		{"pause", run.Pause{Paused: true, Since: at(2)}},
		{"resume", run.Pause{Since: at(4)}},
		{"resume", run.Pause{Since: at(4)}},
		{"pause", run.Pause{Paused: true, Since: at(6)}},
	} {
		if step.set != "" {
			if err := s.SetPaused(t.Context(), step.set == "pause", at(i)); err != nil {
				t.Fatal(err)
			}
		}
		got, err := s.Pause(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("step %d, %q: %s", i, step.set, diff)
		}
	}
}
