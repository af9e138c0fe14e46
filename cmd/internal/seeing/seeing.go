// Package seeing is how the programs show what they do: metrics, a progress line a minute, and a line for each object, as
// many as a log can bear.
package seeing

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/datatransferhub/dth/worker/consume"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/metrics"
)

// MetricsHelp is the help text of the flag --metrics.
const MetricsHelp = "where metrics go, a line a minute in CloudWatch's embedded metric format: a file, - for standard output, log for standard error, or none"

// OpenMetrics opens what the flag --metrics names.
func OpenMetrics(name string) (io.Writer, func() error, error) {
	nothing := func() error { return nil }
	switch name {
	case "none":
		return io.Discard, nothing, nil
	case "-":
		return os.Stdout, nothing, nil
	case "log":
		return os.Stderr, nothing, nil
	case "":
		return nil, nil, fmt.Errorf("--metrics: give a file, -, log or none")
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("--metrics: %w", err)
	}
	return f, f.Close, nil
}

// perSecond is how many objects a second have a line in the log; the ledger has them all.
const perSecond = 100

// Worker shows what a worker does.
type Worker struct {
	Emitter *metrics.Emitter
	Log     *slog.Logger
	Every   time.Duration
	Stats   func() consume.Stats

	sampler                *metrics.Sampler
	objects, bytes, failed atomic.Int64

	mu     sync.Mutex
	before consume.Stats
}

// Begin names every metric, so that each is in the first line already, and starts what Outcome needs.
func (w *Worker) Begin() {
	w.sampler = metrics.NewSampler(perSecond, time.Now)
	for _, name := range []string{"TransferredObjects", "FailedObjects", "SkippedObjects", "DeletedObjects", "GoneObjects", "ServerSideCopies", "Retries", "Throttles"} {
		w.Emitter.Add(name, metrics.Count, 0)
	}
	w.Emitter.Add("TransferredBytes", metrics.Bytes, 0)
	stats := func(f func(consume.Stats) float64) func() float64 {
		return func() float64 { return f(w.Stats()) }
	}
	w.Emitter.Gauge("ActiveTransfers", metrics.Count, stats(func(s consume.Stats) float64 { return float64(s.Active) }))
	w.Emitter.Gauge("TransferLimit", metrics.Count, stats(func(s consume.Stats) float64 { return float64(s.Limit) }))
	w.Emitter.Gauge("EndpointDown", metrics.Count, stats(func(s consume.Stats) float64 {
		if s.Down {
			return 1
		}
		return 0
	}))
	w.Emitter.Gauge("Memory", metrics.Bytes, metrics.Memory)
}

// Outcome takes the record of an object.
func (w *Worker) Outcome(r ledger.Record) {
	took := r.FinishedAt.Sub(r.StartedAt)
	switch r.Status {
	case ledger.Done:
		if r.Bytes > 0 || r.Method != "none" {
			w.Emitter.Add("TransferredObjects", metrics.Count, 1)
			w.Emitter.Add("TransferredBytes", metrics.Bytes, float64(r.Size))
			w.Emitter.Observe("TransferTime", metrics.Milliseconds, float64(took.Milliseconds()))
			w.objects.Add(1)
			w.bytes.Add(r.Size)
			if s := took.Seconds(); s > 0 && r.Size > 0 {
				w.Emitter.Observe("TransferThroughput", metrics.BytesPerSecond, float64(r.Size)/s)
			}
		}
		if r.Method == "server_side" {
			w.Emitter.Add("ServerSideCopies", metrics.Count, 1)
		}
	case ledger.Failed:
		w.Emitter.Add("FailedObjects", metrics.Count, 1)
		w.failed.Add(1)
		w.Log.Warn("object failed", "run", r.RunID, "key", r.Key, "size", r.Size, "class", r.ErrorClass, "error", r.Error, "attempts", r.Attempts)
		return
	case ledger.Skipped:
		w.Emitter.Add("SkippedObjects", metrics.Count, 1)
	case ledger.Deleted:
		w.Emitter.Add("DeletedObjects", metrics.Count, 1)
	case ledger.Gone:
		w.Emitter.Add("GoneObjects", metrics.Count, 1)
	}
	if w.sampler.Take() {
		w.Log.Info("object", "run", r.RunID, "key", r.Key, "size", r.Size, "status", r.Status, "method", r.Method, "milliseconds", took.Milliseconds(), "attempts", r.Attempts)
	}
}

// Run writes metrics and progress each minute until ctx ends, and once more then.
func (w *Worker) Run(ctx context.Context) {
	tick := time.NewTicker(w.Every)
	defer tick.Stop()
	for began := time.Now(); ; began = time.Now() {
		select {
		case <-tick.C:
			w.minute(time.Since(began))
		case <-ctx.Done():
			w.minute(time.Since(began))
			return
		}
	}
}

func (w *Worker) minute(d time.Duration) {
	w.mu.Lock()
	now := w.Stats()
	w.Emitter.Add("Retries", metrics.Count, float64(now.Retries-w.before.Retries))
	w.Emitter.Add("Throttles", metrics.Count, float64(now.Throttles-w.before.Throttles))
	retries, throttles := now.Retries-w.before.Retries, now.Throttles-w.before.Throttles
	w.before = now
	w.mu.Unlock()
	objects, bytes, failed := w.objects.Swap(0), w.bytes.Swap(0), w.failed.Swap(0)
	seconds := max(d.Seconds(), 1e-3)
	w.Log.Info("progress", "objects", objects, "bytes", bytes, "failed", failed, "objectsPerSecond", int64(float64(objects)/seconds),
		"bytesPerSecond", int64(float64(bytes)/seconds), "active", now.Active, "limit", now.Limit, "retries", retries, "throttles", throttles,
		"endpointDown", now.Down, "linesLeftOut", w.sampler.LeftOut())
	if err := w.Emitter.Flush(); err != nil {
		w.Log.Warn("metrics are told with the next line", "error", err)
	}
}
