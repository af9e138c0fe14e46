package retry

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/datatransferhub/dth/worker/failure"
)

func TestDo(t *testing.T) {
	passing, lasting := &failure.Error{Class: failure.Throttled}, &failure.Error{Class: failure.AccessDenied}
	for _, tt := range []struct {
		name     string
		attempts int
		answers  []error // the last one is given for ever
		calls    int
		want     error
	}{
		{"at once", 5, []error{nil}, 1, nil},
		{"after two failures", 5, []error{passing, passing, nil}, 3, nil},
		{"never", 5, []error{passing}, 5, passing},
		{"of no use", 5, []error{lasting}, 1, lasting},
		{"of no use any more", 5, []error{passing, lasting}, 2, lasting},
		{"one attempt", 1, []error{passing}, 1, passing},
		{"no attempts are one", 0, []error{passing}, 1, passing},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls := 0
				p := Policy{Attempts: tt.attempts, Base: time.Second, Cap: 10 * time.Second}
				err := p.Do(t.Context(), func() error {
					calls++
					return tt.answers[min(calls, len(tt.answers))-1]
				})
				if calls != tt.calls || !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
					t.Errorf("%d calls, %v; want %d, %v", calls, err, tt.calls, tt.want)
				}
			})
		})
	}
}

// A canceled wait ends at once with the failure that was waited for, not with the cancellation.
func TestDoIsCanceledWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		passing := &failure.Error{Class: failure.Network}
		calls := 0
		time.AfterFunc(time.Minute, cancel)
		begin := time.Now()
		err := Policy{Attempts: 9, Base: time.Hour, Cap: time.Hour}.Do(ctx, func() error { calls++; return passing })
		if !errors.Is(err, passing) || calls != 1 || time.Since(begin) != time.Minute {
			t.Errorf("%v after %d calls and %s", err, calls, time.Since(begin))
		}
	})
}

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		if err := Sleep(t.Context(), time.Hour); err != nil || time.Since(begin) != time.Hour {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := Sleep(ctx, time.Hour); !errors.Is(err, context.Canceled) || time.Since(begin) != time.Hour {
			t.Errorf("canceled: %v after %s", err, time.Since(begin))
		}
	})
}

// The wait doubles up to its cap, and jitter takes at most half of it.
func TestDelay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Policy{
			Base: time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "base")),
			Cap:  time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "cap")),
		}
		n := rapid.IntRange(1, 1000).Draw(t, "n")
		full := p.Cap
		if n < 30 {
			full = min(p.Base<<(n-1), p.Cap)
		}
		if p.Base == 0 {
			full = 0
		}
		if d := p.Delay(n); d < full/2 || d > full {
			t.Fatalf("%s for attempt %d; want %s to %s", d, n, full/2, full)
		}
	})
}

// Calls gives up within about a minute or two: a caller holds a message meanwhile.
func TestCallsGiveUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		if err := Calls().Do(t.Context(), func() error { return errors.New("x") }); err == nil {
			t.Error("no error")
		}
		if d := time.Since(begin); d < 10*time.Second || d > 2*time.Minute {
			t.Errorf("gave up after %s", d)
		}
	})
}
