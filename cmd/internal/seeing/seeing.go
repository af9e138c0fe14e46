// Package seeing is how the programs show what they do: metrics, a progress line a minute, and a line for each object, as
// many as a log can bear.
package seeing

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/datatransferhub/dth/worker/consume"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/metrics"
	"github.com/datatransferhub/dth/worker/queue"
	"github.com/datatransferhub/dth/worker/transfer"
)

// MetricsHelp is the help text of the flag --metrics.
const MetricsHelp = "where metrics go, a line a minute in CloudWatch's embedded metric format: a file, - for standard output, log for the log on standard error, or none"

// OpenMetrics opens what the flag --metrics names. The log is that of the program.
func OpenMetrics(name string, log io.Writer) (io.Writer, func() error, error) {
	nothing := func() error { return nil }
	switch name {
	case "none":
		return io.Discard, nothing, nil
	case "-":
		return os.Stdout, nothing, nil
	case "log":
		return log, nothing, nil
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
	// Backlog tells what the queue holds; nil, or an error: the progress line says nothing of it.
	Backlog func(ctx context.Context) (queue.Depth, error)

	sampler                *metrics.Sampler
	objects, bytes, failed atomic.Int64
	rate                   atomic.Int64 // bytes a second, in the line that is being written

	before consume.Stats // in the line before
}

// Begin names every metric, so that each is in the first line already, and starts what Outcome needs.
func (w *Worker) Begin() {
	w.sampler = metrics.NewSampler(perSecond, time.Now)
	for _, name := range []string{"TransferredObjects", "FailedObjects", "SkippedObjects", "DeletedObjects", "GoneObjects", "ServerSideCopies", "Retries", "Throttles", "UnreadableMessages"} {
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
	w.Emitter.Gauge("Throughput", metrics.BytesPerSecond, func() float64 { return float64(w.rate.Load()) })
	w.Emitter.Gauge("Memory", metrics.Bytes, metrics.Memory)
}

// Outcome takes the record of an object.
func (w *Worker) Outcome(r ledger.Record) {
	switch r.Status {
	case ledger.Done:
		w.copied(&r)
	case ledger.Failed:
		w.Emitter.Add("FailedObjects", metrics.Count, 1)
		w.Emitter.Add(metrics.FailuresOf(r.Class()), metrics.Count, 1)
		w.failed.Add(1)
		w.Log.Warn("object failed", "run", r.RunID, "key", r.Key, "size", r.Size, "class", r.Class(), "error", r.Error, "attempts", r.Attempts)
		return
	case ledger.Skipped:
		w.Emitter.Add("SkippedObjects", metrics.Count, 1)
	case ledger.Deleted:
		w.Emitter.Add("DeletedObjects", metrics.Count, 1)
	case ledger.Gone:
		w.Emitter.Add("GoneObjects", metrics.Count, 1)
	}
	if !w.sampler.Take() {
		return
	}
	said := []any{
		"run", r.RunID, "key", r.Key, "size", r.Size, "status", r.Status, "method", r.Method, "milliseconds", took(&r).Milliseconds(), "attempts", r.Attempts,
	}
	if r.Error != "" {
		said = append(said, "reason", r.Error)
	}
	w.Log.Info("object", said...)
}

// took is how long the work on an object took; 0 when that is not known.
func took(r *ledger.Record) time.Duration {
	if r.StartedAt.IsZero() {
		return 0
	}
	return max(r.FinishedAt.Sub(r.StartedAt), 0)
}

// copied counts an object that is in place. A giant's bytes came with its parts, and its time is that of many workers.
func (w *Worker) copied(r *ledger.Record) {
	if r.Method == transfer.MethodNone {
		return
	}
	w.Emitter.Add("TransferredObjects", metrics.Count, 1)
	w.objects.Add(1)
	if r.Method == transfer.MethodGiant {
		return
	}
	if r.Method == transfer.MethodServerSide {
		w.Emitter.Add("ServerSideCopies", metrics.Count, 1)
	}
	w.Part(r.Size)
	d := took(r)
	if d == 0 {
		return
	}
	w.Emitter.Observe("TransferTime", metrics.Milliseconds, float64(d)/float64(time.Millisecond))
	if r.Size > 0 {
		w.Emitter.Observe("TransferThroughput", metrics.BytesPerSecond, float64(r.Size)/d.Seconds())
	}
}

// Part takes bytes that arrived: of a part of a giant.
func (w *Worker) Part(bytes int64) {
	w.Emitter.Add("TransferredBytes", metrics.Bytes, float64(bytes))
	w.bytes.Add(bytes)
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
	now, before := w.Stats(), w.before
	w.before = now
	retries, throttles := now.Retries-before.Retries, now.Throttles-before.Throttles
	w.Emitter.Add("Retries", metrics.Count, float64(retries))
	w.Emitter.Add("Throttles", metrics.Count, float64(throttles))
	w.Emitter.Add("UnreadableMessages", metrics.Count, float64(now.Malformed-before.Malformed))
	objects, bytes, failed := w.objects.Swap(0), w.bytes.Swap(0), w.failed.Swap(0)
	seconds := max(d.Seconds(), 1e-3)
	w.rate.Store(int64(float64(bytes) / seconds))
	if err := w.Emitter.Flush(); err != nil {
		w.Log.Warn("metrics are told with the next line", "error", err)
	}
	said := []any{
		"objects", objects, "bytes", bytes, "failed", failed, "objectsPerSecond", int64(float64(objects) / seconds), "bytesPerSecond", w.rate.Load(),
		"active", now.Active, "limit", now.Limit, "retries", retries, "throttles", throttles, "endpointDown", now.Down, "linesLeftOut", w.sampler.LeftOut(),
	}
	w.Log.Info("progress", append(said, w.backlog()...)...)
}

// backlog says how many messages wait and how many workers hold. Nobody waits long for the answer.
func (w *Worker) backlog() []any {
	if w.Backlog == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	d, err := w.Backlog(ctx)
	if err != nil {
		return nil
	}
	return []any{"backlog", d.Visible + d.Delayed, "inFlight", d.InFlight}
}
