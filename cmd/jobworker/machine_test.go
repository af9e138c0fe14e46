package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/datatransferhub/dth/worker/consume"
	"github.com/datatransferhub/dth/worker/notice"
)

// fleeting is an instance that is taken away after a while.
type fleeting struct {
	after  time.Duration
	notice *notice.Notice // nil: it stays
	began  time.Time
	group  bool
	refuse error // of Release

	mu              sync.Mutex
	beats, releases int
}

func (f *fleeting) Look(context.Context) (*notice.Notice, error) {
	if time.Since(f.began) < f.after {
		return nil, nil
	}
	return f.notice, nil
}

func (f *fleeting) Waits() bool { return f.group }

func (f *fleeting) Heartbeat(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.beats++
	return nil
}

func (f *fleeting) Release(context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.releases++
	return f.refuse
}

func TestLeaving(t *testing.T) {
	denied, broken := errors.New("denied"), errors.New("broken")
	scaling, rebalance := &notice.Notice{Kind: notice.Scaling}, &notice.Notice{Kind: notice.Rebalance}
	spot := &notice.Notice{Kind: notice.Spot, At: time.Date(2000, 1, 1, 0, 2, 10, 0, time.UTC)} // clocks of tests begin with 2000
	for name, c := range map[string]struct {
		here     *fleeting
		fails    error         // of the work
		drains   time.Duration // from its context's end
		worked   bool
		leaving  string // why, as the work is told
		by       time.Time
		beats    int
		released bool
		err      error
		says     string
	}{
		"it stays":             {here: &fleeting{group: true}, worked: true},
		"it may go some time":  {here: &fleeting{notice: rebalance, group: true}, worked: true, says: "may be taken away"},
		"the group shrinks":    {here: &fleeting{notice: scaling, after: 8 * time.Second, group: true}, worked: true, drains: 70 * time.Second, leaving: "scale-in", beats: 3, released: true},
		"nobody waits":         {here: &fleeting{notice: scaling, after: 8 * time.Second}, worked: true, drains: 70 * time.Second, leaving: "scale-in"},
		"an interruption":      {here: &fleeting{notice: spot, after: 8 * time.Second, group: true}, worked: true, drains: 70 * time.Second, leaving: "spot", by: spot.At, released: true},
		"gone before it began": {here: &fleeting{notice: scaling, group: true}, released: true, says: "does not begin"},
		"the work fails":       {here: &fleeting{notice: scaling, after: 8 * time.Second, group: true}, worked: true, fails: broken, leaving: "scale-in", err: broken},
		"the group is not told of an interruption": {here: &fleeting{notice: spot, group: true, refuse: denied}, released: true, says: "was not told"},
		"the group is not told":                    {here: &fleeting{notice: scaling, group: true, refuse: denied}, released: true, err: denied},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				here := c.here
				here.began = time.Now()
				ctx, stop := context.WithTimeout(t.Context(), 10*time.Minute)
				defer stop()
				worked := false
				var leaving *consume.Leaving
				var said bytes.Buffer
				m := machine{every: 5 * time.Second}
				err := m.until(ctx, here, slog.New(slog.NewTextHandler(&said, nil)), func(ctx context.Context) error {
					worked = true
					<-ctx.Done()
					errors.As(context.Cause(ctx), &leaving)
					time.Sleep(c.drains)
					return c.fails
				})
				if !errors.Is(err, c.err) || worked != c.worked || here.beats != c.beats || here.releases > 0 != c.released {
					t.Errorf("worked %v, %d heartbeats, %d releases, error %v", worked, here.beats, here.releases, err)
				}
				if c.leaving == "" && leaving != nil || c.leaving != "" && (leaving == nil || !strings.Contains(leaving.Why, c.leaving) || !leaving.By.Equal(c.by)) {
					t.Errorf("the work was told %+v", leaving)
				}
				if c.says != "" && strings.Count(said.String(), c.says) != 1 {
					t.Errorf("the log says %s", said.String())
				}
			})
		})
	}
}
