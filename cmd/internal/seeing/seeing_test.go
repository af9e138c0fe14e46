package seeing_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/datatransferhub/dth/cmd/internal/seeing"
	"github.com/datatransferhub/dth/worker/consume"
	"github.com/datatransferhub/dth/worker/finder"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/metrics"
	"github.com/datatransferhub/dth/worker/queue"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lines reads JSON lines.
func lines(t *testing.T, from *bytes.Buffer) []map[string]any {
	t.Helper()
	var all []map[string]any
	for decoder := json.NewDecoder(from); ; {
		var line map[string]any
		if err := decoder.Decode(&line); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, line)
	}
}

// emitted reads metric lines. Each is as the format says, and each metric as the table says.
func emitted(t *testing.T, from *bytes.Buffer, by string) []map[string]any {
	t.Helper()
	table := map[string]metrics.Definition{}
	for _, d := range metrics.Table() {
		table[d.Name] = d
	}
	for line := range bytes.Lines(from.Bytes()) {
		if err := metrics.Check(line); err != nil {
			t.Errorf("%s\n%v", line, err)
		}
		var root struct {
			Meta struct {
				CloudWatchMetrics []struct {
					Metrics []struct {
						Name string
						Unit metrics.Unit
					}
				}
			} `json:"_aws"`
		}
		if err := json.Unmarshal(line, &root); err != nil {
			t.Fatal(err)
		}
		for _, m := range root.Meta.CloudWatchMetrics[0].Metrics {
			if d := table[m.Name]; d.Unit != m.Unit || d.By != "" && d.By != by {
				t.Errorf("%s has unit %s in a line of %s; the table has %+v", m.Name, m.Unit, by, d)
			}
		}
	}
	return lines(t, from)
}

// called returns the lines of one message.
func called(all []map[string]any, message string) []map[string]any {
	var some []map[string]any
	for _, line := range all {
		if line["msg"] == message {
			some = append(some, line)
		}
	}
	return some
}

func check(t *testing.T, what string, got map[string]any, want map[string]any) {
	t.Helper()
	for name, v := range want {
		if got[name] != v {
			t.Errorf("%s: %s is %v, want %v", what, name, got[name], v)
		}
	}
}

// worker is a seeing.Worker, running, with what it writes and is told.
type worker struct {
	seeing.Worker
	log, metrics bytes.Buffer
	stats        consume.Stats
	depth        queue.Depth
	depthErr     error
	end          func()
}

func begin(t *testing.T, stats consume.Stats) *worker {
	t.Helper()
	w := &worker{stats: stats, depth: queue.Depth{Visible: 40, InFlight: 7, Delayed: 2}}
	w.Worker = seeing.Worker{
		Emitter: metrics.New(&w.metrics, "s", nil, time.Now), Log: slog.New(slog.NewJSONHandler(&w.log, nil)), Every: time.Minute,
		Stats:   func() consume.Stats { return w.stats },
		Backlog: func(context.Context) (queue.Depth, error) { return w.depth, w.depthErr },
	}
	w.Begin()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); w.Run(ctx) }()
	w.end = func() { stop(); <-ended }
	return w
}

func TestWhatBecomesOfObjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, consume.Stats{Active: 3, Limit: 36, Retries: 5, Throttles: 2, Malformed: 1})
		began := time.Now()
		tell := func(key string, status ledger.Status, method string, size int64, class, text string) {
			w.Outcome(ledger.Record{
				Key: key, Status: status, Method: method, Size: size, ErrorClass: class, Error: text,
				StartedAt: began, FinishedAt: began.Add(1500 * time.Microsecond), RunID: "r", Attempts: 1,
			})
		}
		tell("a", ledger.Done, "stream", 100, "", "")
		tell("b", ledger.Done, "server_side", 1000, "", "")
		tell("c", ledger.Done, "none", 10_000, "", "")
		w.Part(5000)
		tell("giant", ledger.InProgress, "giant", 5000, "", "")
		tell("giant", ledger.Done, "giant", 5000, "", "")
		tell("f", ledger.Failed, "stream", 1, "kms", "the key is disabled")
		tell("s", ledger.Skipped, "none", 1, "", "archived")
		tell("g", ledger.Gone, "none", 0, "", "")
		tell("d", ledger.Deleted, "delete", 0, "", "")
		time.Sleep(61 * time.Second)
		synctest.Wait()
		w.stats.Down, w.stats.Retries, w.depthErr = true, 6, errors.New("not allowed")
		w.end()

		told := emitted(t, &w.metrics, "jobworker")
		if len(told) != 2 {
			t.Fatalf("%d metric lines", len(told))
		}
		check(t, "first metrics", told[0], map[string]any{
			"TransferredObjects": 3.0, "TransferredBytes": 6100.0, "FailedObjects": 1.0, "Failures.kms": 1.0, "SkippedObjects": 1.0, "GoneObjects": 1.0,
			"DeletedObjects": 1.0, "ServerSideCopies": 1.0, "Retries": 5.0, "Throttles": 2.0, "UnreadableMessages": 1.0, "ActiveTransfers": 3.0,
			"TransferLimit": 36.0, "EndpointDown": 0.0, "Throughput": 101.0,
		})
		if got := told[0]["TransferTime"].([]any); len(got) != 2 || got[0] != 1.5 {
			t.Errorf("TransferTime is %v", got)
		}
		check(t, "last metrics", told[1], map[string]any{
			"TransferredObjects": 0.0, "Failures.kms": 0.0, "Retries": 1.0, "Throttles": 0.0, "EndpointDown": 1.0, "Throughput": 0.0, "TransferTime": nil,
		})
		said := lines(t, &w.log)
		if n := len(called(said, "object")); n != 8 {
			t.Errorf("%d lines of objects, want 8", n)
		}
		check(t, "object", called(said, "object")[0], map[string]any{"level": "INFO", "key": "a", "status": "DONE", "method": "stream", "size": 100.0, "milliseconds": 1.0})
		warned := called(said, "object failed")
		if len(warned) != 1 {
			t.Fatalf("%d lines of failures, want 1", len(warned))
		}
		check(t, "failure", warned[0], map[string]any{"level": "WARN", "key": "f", "class": "kms", "error": "the key is disabled", "run": "r"})
		progress := called(said, "progress")
		if len(progress) != 2 {
			t.Fatalf("%d lines of progress, want 2", len(progress))
		}
		check(t, "progress", progress[0], map[string]any{
			"level": "INFO", "objects": 3.0, "failed": 1.0, "bytes": 6100.0, "bytesPerSecond": 101.0, "active": 3.0, "limit": 36.0, "linesLeftOut": 0.0,
			"backlog": 42.0, "inFlight": 7.0,
		})
		check(t, "last progress", progress[1], map[string]any{"objects": 0.0, "retries": 1.0, "backlog": nil})
	})
}

// More than a hundred objects a second are a sample of them in the log, and whole in the metrics; failures are all there.
func TestManyObjects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := begin(t, consume.Stats{})
		time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
		for range 3 {
			for range 250 {
				w.Outcome(ledger.Record{Key: "k", Status: ledger.Done, Method: "stream", Size: 1})
				w.Outcome(ledger.Record{Key: "k", Status: ledger.Failed})
			}
			time.Sleep(time.Second)
		}
		w.end()
		said := lines(t, &w.log)
		if n := len(called(said, "object")); n != 300 {
			t.Errorf("%d lines of objects in three seconds, want 300", n)
		}
		if n := len(called(said, "object failed")); n != 750 {
			t.Errorf("%d lines of failures, want 750", n)
		}
		check(t, "progress", called(said, "progress")[0], map[string]any{"linesLeftOut": 450.0, "objects": 750.0, "failed": 750.0})
		check(t, "metrics", emitted(t, &w.metrics, "jobworker")[0], map[string]any{"TransferredObjects": 750.0, "FailedObjects": 750.0, "Failures.other": 750.0})
	})
}

// end lists pages of two objects.
type end struct{ finder.End }

func (end) List(_ context.Context, r store.ListRequest) (*store.Page, error) {
	if r.Prefix == "broken" {
		return nil, errors.New("broken")
	}
	return &store.Page{Objects: make([]store.Object, 2)}, nil
}

// line takes all messages, or not all.
type line struct{ err error }

func (l line) Send(context.Context, []string) error       { return l.err }
func (l line) Depth(context.Context) (queue.Depth, error) { return queue.Depth{}, nil }

func TestFinder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log, out bytes.Buffer
		f := &seeing.Finder{Emitter: metrics.New(&out, "s", nil, time.Now), Log: slog.New(slog.NewJSONHandler(&log, nil)), Every: time.Minute}
		told := f.Begin()
		for _, r := range []store.ListRequest{{}, {MaxKeys: 1000}, {MaxKeys: 1}, {Prefix: "broken"}} {
			if _, err := f.Listing(end{}).List(t.Context(), r); err != nil && r.Prefix == "" {
				t.Error(err)
			}
		}
		f.Progress(finder.Progress{})
		time.Sleep(61 * time.Second)
		synctest.Wait()
		for _, err := range []error{nil, &queue.BatchError{Failed: []int{1}}, errors.New("no queue")} {
			if got := f.Queueing(line{err}).Send(t.Context(), make([]string, 10)); !errors.Is(got, err) {
				t.Errorf("error %v, want %v", got, err)
			}
		}
		told(run.FinderTotals{Decisions: map[string]run.Tally{"skipped:archived": {Objects: 3}, "skipped": {Objects: 1}, "new": {Objects: 50}}})
		got := emitted(t, &out, "jobfinder")
		if len(got) != 2 || len(called(lines(t, &log), "progress")) != 1 {
			t.Fatalf("%d metric lines, log %s", len(got), log.String())
		}
		check(t, "first line", got[0], map[string]any{"ListedObjects": 4.0, "QueuedObjects": 0.0, "SkippedObjects": 0.0})
		check(t, "last line", got[1], map[string]any{"ListedObjects": 0.0, "QueuedObjects": 19.0, "SkippedObjects": 4.0})
	})
}

func TestOpenMetrics(t *testing.T) {
	file := filepath.Join(t.TempDir(), "metrics")
	for range 2 {
		w, closing, err := seeing.OpenMetrics(file, os.Stderr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, "x"); err != nil {
			t.Error(err)
		}
		if err := closing(); err != nil {
			t.Error(err)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "xx" {
		t.Errorf("%q, %v", text, err)
	}
	for name, want := range map[string]io.Writer{"-": os.Stdout, "log": os.Stderr, "none": io.Discard} {
		if w, _, err := seeing.OpenMetrics(name, os.Stderr); err != nil || w != want {
			t.Errorf("%s: %v, %v", name, w, err)
		}
	}
	for _, name := range []string{"", t.TempDir()} {
		if _, _, err := seeing.OpenMetrics(name, os.Stderr); err == nil {
			t.Errorf("%q was opened", name)
		}
	}
}
