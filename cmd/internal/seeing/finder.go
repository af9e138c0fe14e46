package seeing

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/finder"
	"github.com/datatransferhub/dth/worker/metrics"
	"github.com/datatransferhub/dth/worker/pass"
	"github.com/datatransferhub/dth/worker/queue"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/store"
)

// Finder shows what a finder does. What it lists and queues is counted at the ends and the queue themselves, so that a pass
// that is continued tells only of what this process did.
type Finder struct {
	Emitter *metrics.Emitter
	Log     *slog.Logger
	Every   time.Duration

	mu   sync.Mutex
	seen finder.Progress
}

// Begin names the metrics and writes a line of them and one of progress from now on, each Every. The function that it returns
// ends that, and writes the last line of metrics with the totals of the pass.
func (f *Finder) Begin() (end func(run.FinderTotals)) {
	for _, name := range []string{"ListedObjects", "QueuedObjects", "SkippedObjects"} {
		f.Emitter.Add(name, metrics.Count, 0)
	}
	f.Emitter.Gauge("Memory", metrics.Bytes, metrics.Memory)
	ctx, stop := context.WithCancel(context.Background())
	var loop sync.WaitGroup
	loop.Go(func() {
		tick := time.NewTicker(f.Every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				f.tell()
			}
		}
	})
	return func(t run.FinderTotals) {
		stop()
		loop.Wait()
		for name, n := range t.Decisions {
			if kind, _, _ := strings.Cut(name, ":"); kind == string(diff.Skipped) {
				f.Emitter.Add("SkippedObjects", metrics.Count, float64(n.Objects))
			}
		}
		f.flush()
	}
}

// Progress takes how far a pass is.
func (f *Finder) Progress(p finder.Progress) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen = p
}

func (f *Finder) tell() {
	f.mu.Lock()
	p := f.seen
	f.mu.Unlock()
	f.Log.Info("progress", "listedSource", p.Source, "listedDestination", p.Destination, "calls", p.Calls, "ranges", p.Ranges, "seconds", int64(p.Elapsed.Seconds()))
	f.flush()
}

func (f *Finder) flush() {
	if err := f.Emitter.Flush(); err != nil {
		f.Log.Warn("metrics are told with the next line", "error", err)
	}
}

// Listing returns an end whose listed objects are counted.
func (f *Finder) Listing(e finder.End) finder.End { return listing{e, f} }

type listing struct {
	finder.End
	show *Finder
}

// List implements list.Lister. A page of a single object is no step of the listing: it looks for a place to divide the keys.
func (l listing) List(ctx context.Context, r store.ListRequest) (*store.Page, error) {
	page, err := l.End.List(ctx, r)
	if err == nil && r.MaxKeys != 1 {
		l.show.Emitter.Add("ListedObjects", metrics.Count, float64(len(page.Objects)))
	}
	return page, err
}

// Queueing returns a queue whose messages are counted.
func (f *Finder) Queueing(q pass.Queue) pass.Queue { return queueing{q, f} }

type queueing struct {
	pass.Queue
	show *Finder
}

// Send implements queue.Sender.
func (q queueing) Send(ctx context.Context, bodies []string) error {
	err := q.Queue.Send(ctx, bodies)
	sent := len(bodies)
	var partly *queue.BatchError
	switch {
	case errors.As(err, &partly):
		sent -= len(partly.Failed)
	case err != nil:
		sent = 0
	}
	q.show.Emitter.Add("QueuedObjects", metrics.Count, float64(sent))
	return err
}
