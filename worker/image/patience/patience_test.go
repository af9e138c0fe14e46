package patience_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image/patience"
)

type registry struct {
	host  string
	until time.Time
}

func (r registry) Host() string       { return r.host }
func (r registry) Limited() time.Time { return r.until }

var (
	enough = &failure.Error{Class: failure.Throttled}
	broken = &failure.Error{Class: failure.Network}
)

// The wait is as long as the registry says that serves again last, within the bound, which counts from the first try.
func TestWait(t *testing.T) {
	for name, c := range map[string]struct {
		err     error
		source  time.Duration // until it serves again
		end     time.Duration
		tried   time.Duration // how long ago it was tried first
		atLeast time.Duration
		atMost  time.Duration
		want    error
	}{
		"no limit is known":            {err: enough, atLeast: time.Second, atMost: time.Second},
		"the source":                   {err: enough, source: time.Minute, atLeast: time.Minute, atMost: time.Minute + time.Second},
		"the destination":              {err: enough, end: time.Minute, atLeast: time.Minute, atMost: time.Minute + time.Second},
		"both":                         {err: enough, source: time.Minute, end: 2 * time.Minute, atLeast: 2 * time.Minute, atMost: 2*time.Minute + time.Second},
		"another failure":              {err: broken, source: time.Hour, atLeast: time.Second, atMost: time.Second},
		"too long":                     {err: enough, source: time.Hour, want: patience.ErrTooLong},
		"too long with those before":   {err: enough, source: 10 * time.Minute, tried: 10 * time.Minute, want: patience.ErrTooLong},
		"just within what is accepted": {err: enough, source: 15 * time.Minute, atLeast: 15 * time.Minute, atMost: 15*time.Minute + time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				limited := func(d time.Duration) registry {
					if d == 0 {
						return registry{host: "h"}
					}
					return registry{"h", began.Add(d)}
				}
				err := patience.Policy{}.Wait(t.Context(), time.Second, c.err, began.Add(-c.tried), limited(c.source), limited(c.end))
				if took := time.Since(began); !errors.Is(err, c.want) || (c.want == nil) != (err == nil) || took < c.atLeast || took > c.atMost {
					t.Errorf("%v after %s", err, took)
				}
			})
		})
	}
}

func TestWaitIsToldAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		at := registry{"hub.example.com", time.Now().Add(time.Minute)}
		err := patience.Policy{Log: slog.New(slog.NewTextHandler(&said, nil))}.Wait(ctx, time.Second, enough, time.Now(), at)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(said.String(), "hub.example.com") || !strings.Contains(said.String(), "until=") {
			t.Errorf("%v: %s", err, said.String())
		}
		if hint := patience.Hint(enough, at); !strings.HasPrefix(hint, "hub.example.com says that it serves again at 20") || patience.Hint(broken, at) != "" || patience.Hint(enough, registry{}) != "" {
			t.Error(hint)
		}
	})
}
