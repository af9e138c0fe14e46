package seeing

import (
	"log/slog"
	"sync"
	"time"

	"github.com/datatransferhub/dth/worker/finder"
	"github.com/datatransferhub/dth/worker/metrics"
	"github.com/datatransferhub/dth/worker/run"
)

// Finder shows what a finder does.
type Finder struct {
	Emitter *metrics.Emitter
	Log     *slog.Logger
	Every   time.Duration

	mu     sync.Mutex
	listed int64 // that metrics tell of
	next   time.Time
}

// Progress takes how far a pass is.
func (f *Finder) Progress(p finder.Progress) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if f.next.IsZero() {
		f.next = now.Add(f.Every)
	}
	if now.Before(f.next) {
		return
	}
	f.next = now.Add(f.Every)
	f.tell(p.Source + p.Destination)
	f.Log.Info("progress", "listedSource", p.Source, "listedDestination", p.Destination, "calls", p.Calls, "ranges", p.Ranges, "seconds", int64(p.Elapsed.Seconds()))
	f.flush()
}

// End takes the totals of a pass that is through.
func (f *Finder) End(t run.FinderTotals) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tell(t.ListedSource + t.ListedDestination)
	f.Emitter.Add("QueuedObjects", metrics.Count, float64(t.Queued))
	for name, n := range t.Decisions {
		if len(name) > 7 && name[:7] == "skipped" {
			f.Emitter.Add("SkippedObjects", metrics.Count, float64(n.Objects))
		}
	}
	f.Emitter.Gauge("Memory", metrics.Bytes, metrics.Memory)
	f.flush()
}

// tell adds what was listed since it was last told. A pass that is continued tells of what it listed before once more, as it
// cannot know what the metrics of its dead predecessor told.
func (f *Finder) tell(listed int64) {
	f.Emitter.Add("ListedObjects", metrics.Count, float64(listed-f.listed))
	f.listed = listed
}

func (f *Finder) flush() {
	if err := f.Emitter.Flush(); err != nil {
		f.Log.Warn("metrics are told with the next line", "error", err)
	}
}
