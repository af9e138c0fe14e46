package closing_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/datatransferhub/dth/worker/awssim"
	"github.com/datatransferhub/dth/worker/closing"
	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/finder"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/ledger/ledgeraws"
	"github.com/datatransferhub/dth/worker/ledger/ledgersqlite"
	"github.com/datatransferhub/dth/worker/multipart"
	"github.com/datatransferhub/dth/worker/multipart/multipartaws"
	"github.com/datatransferhub/dth/worker/multipart/multipartsqlite"
	"github.com/datatransferhub/dth/worker/queue"
	"github.com/datatransferhub/dth/worker/queue/queueaws"
	"github.com/datatransferhub/dth/worker/queue/queuesqlite"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/run/runaws"
	"github.com/datatransferhub/dth/worker/run/runsqlite"
	"github.com/datatransferhub/dth/worker/s3sim"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
	"github.com/datatransferhub/dth/worker/store/storeaws"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// records are the ports of one adapter.
type records struct {
	queue interface {
		queue.Queue
		Depth(ctx context.Context) (queue.Depth, error)
	}
	ledger  ledger.Ledger
	runs    run.Store
	uploads multipart.Records
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func embedded(t *testing.T) records {
	db, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "records.db"))
	must(t, err)
	t.Cleanup(func() { db.Close() })
	var r records
	q, err := queuesqlite.Open(t.Context(), db, "task")
	must(t, err)
	r.queue = q
	r.ledger, err = ledgersqlite.Open(t.Context(), db, "task")
	must(t, err)
	r.runs, err = runsqlite.Open(t.Context(), db, "task")
	must(t, err)
	r.uploads, err = multipartsqlite.Open(t.Context(), db, "task")
	must(t, err)
	return r
}

func onAWS(t *testing.T) records {
	sim := awssim.Run(t, awssim.Options{})
	sim.CreateTable("ledger", awssim.Index{Hash: "ObjectKey"}, map[string]awssim.Index{"Failures": {Hash: "FailureShard", Range: "ObjectKey"}})
	sim.CreateTable("runs", awssim.Index{Hash: "PK", Range: "SK"}, nil)
	cfg := standinaws.Config(t, sim.URL())
	var r records
	q, err := queueaws.Open(t.Context(), cfg, sim.CreateQueue("objects", awssim.QueueOptions{}).URL(), queueaws.Options{})
	must(t, err)
	t.Cleanup(q.Close)
	l, err := ledgeraws.Open(t.Context(), cfg, "ledger", retry.Policy{})
	must(t, err)
	t.Cleanup(l.Close)
	r.queue, r.ledger, r.runs, r.uploads = q, l, runaws.Open(cfg, "runs", retry.Policy{}), multipartaws.Open(cfg, "runs", retry.Policy{})
	return r
}

type keys struct{}

func (keys) Secret(context.Context, string) (string, error) {
	return `{"access_key_id":"test","secret_access_key":"test"}`, nil
}

// memory is a report that is kept in memory; its publishing can fail.
type memory struct {
	bytes.Buffer
	published, discarded int
	fail                 error
}

func (m *memory) Publish(context.Context, int64) (string, error) {
	m.published++
	return "memory", m.fail
}
func (m *memory) Discard() { m.discarded++ }

func TestRunsAreClosedByProof(t *testing.T) {
	for name, open := range map[string]func(*testing.T) records{"embedded": embedded, "aws": onAWS} {
		t.Run(name, func(t *testing.T) { closeByProof(t, open(t)) })
	}
}

func closeByProof(t *testing.T, r records) {
	ctx := t.Context()
	srcSim, dstSim := s3sim.Run(t, s3sim.Options{}), s3sim.Run(t, s3sim.Options{})
	src, dst := srcSim.Bucket("src"), dstSim.Bucket("dst")
	j := job.Defaults()
	open := func(sim *s3sim.Sim, bucket string) (job.Endpoint, *storeaws.Bucket) {
		e := job.Endpoint{Provider: job.S3Compatible, Bucket: bucket, URL: sim.URL(), Access: job.Access{Secret: "keys"}}
		b, err := storeaws.Open(ctx, e, storeaws.Options{Secrets: keys{}})
		must(t, err)
		t.Cleanup(b.Close)
		return e, b
	}
	var source, destination *storeaws.Bucket
	j.Source, source = open(srcSim, "src")
	j.Destination, destination = open(dstSim, "dst")
	report := &memory{}
	c := closing.Config{
		Finder: finder.Config{Job: &j, Source: source, Destination: destination, Ledger: r.ledger}, Ledger: r.ledger, Runs: r.runs, Queue: r.queue, Uploads: r.uploads,
		Report: func(string) (closing.Report, error) { return report, nil },
	}

	hourAgo := time.Now().UTC().Add(-time.Hour)
	old := func(b *s3sim.Bucket, sim *s3sim.Sim, key string, size int64) {
		b.Put(s3sim.Object{Key: key, Content: sim.Pattern(size, 1), Modified: hourAgo.Add(-time.Hour)})
	}
	old(src, srcSim, "same", 1)
	old(dst, dstSim, "same", 1)
	old(src, srcSim, "changed", 5)
	old(dst, dstSim, "changed", 1)
	old(src, srcSim, "failed", 2)
	old(src, srcSim, "failed before", 2)
	old(src, srcSim, "missing", 3)
	old(dst, dstSim, "extra", 4)
	src.PutBytes("newer", []byte("5"))
	put := func(rec ledger.Record) {
		_, err := r.ledger.Put(ctx, rec, nil)
		must(t, err)
	}
	put(ledger.Record{Key: "failed", Status: ledger.Failed, ErrorClass: "kms", Error: "no key", RunID: "one", FinishedAt: time.Now().UTC(), Attempts: 5})
	put(ledger.Record{Key: "failed before", Status: ledger.Failed, ErrorClass: "kms", Error: "no key", RunID: "zero", FinishedAt: hourAgo.Add(-time.Hour)})

	if _, err := closing.Next(ctx, r.runs, time.Now()); !errors.Is(err, closing.ErrNothingToClose) {
		t.Errorf("without runs: %v", err)
	}
	one := run.Run{ID: "one", State: run.Finding, Started: hourAgo, Trigger: "schedule"}
	must(t, r.runs.Create(ctx, one))
	drained := func(want string) {
		t.Helper()
		why, err := closing.Drained(ctx, c, "one")
		must(t, err)
		if why != want {
			t.Errorf("drained: %q, want %q", why, want)
		}
	}
	drained("the run is FINDING")
	one.State, one.Found, one.Finder.Queued = run.Copying, time.Now().UTC(), 2
	must(t, r.runs.Update(ctx, one))
	must(t, r.queue.Send(ctx, []string{"message"}))
	drained("0 of 2 queued objects are settled")
	var waits *closing.NotDrainedError
	if _, err := closing.Close(ctx, c, "one"); !errors.As(err, &waits) {
		t.Errorf("closed too early: %v", err)
	}
	got, err := r.queue.Receive(ctx, 1, time.Second)
	must(t, err)
	must(t, r.queue.Delete(ctx, got))
	drained("")
	must(t, r.runs.PutCounters(ctx, "one", run.Counters{Worker: "w", Seq: 2, Outcomes: map[string]run.Tally{"DONE:stream": {Objects: 1, Bytes: 9}, "FAILED": {Objects: 1}}, Errors: map[string]int64{"kms": 1}}))
	up := multipart.Upload{SourceKey: "giant", DestinationKey: "giant", RunID: "one", ID: "u1", SourceETag: "e", Size: 10, PartSize: 10, Giant: true}
	_, err = r.uploads.PutUpload(ctx, up)
	must(t, err)
	drained("the upload of giant is open")
	must(t, r.uploads.DeleteUpload(ctx, up))
	drained("")

	next, err := closing.Next(ctx, r.runs, time.Now())
	must(t, err)
	report.fail = errors.New("the bucket is not there")
	if _, err := closing.Close(ctx, c, next.ID); err == nil || report.discarded != 1 {
		t.Errorf("a report that was not published: error %v, discarded %d times", err, report.discarded)
	}
	if again, err := r.runs.Get(ctx, "one"); err != nil || again.State != run.Proving || again.Proved {
		t.Errorf("after that the run is %+v, %v", again, err)
	}
	report.fail = nil
	report.Reset()
	closed, err := closing.Close(ctx, c, next.ID)
	must(t, err)
	if !closed.Proved || closed.State != run.Done || closed.Named != 1 || closed.Newer != 1 || closed.Report != "memory" || closed.Finished.IsZero() ||
		fmt.Sprint(closed.Remaining) != "map[changed:size:1 new:2]" {
		t.Errorf("closed as %+v", closed)
	}
	stored, err := r.runs.Get(ctx, "one")
	must(t, err)
	if !stored.Proved || fmt.Sprint(stored.Remaining) != fmt.Sprint(closed.Remaining) {
		t.Errorf("on record is %+v", stored)
	}
	checkReport(t, report.Bytes())
	before := report.published
	if _, err := closing.Close(ctx, c, "one"); err != nil || report.published != before {
		t.Errorf("closing a closed run: %v, published %d times", err, report.published-before)
	}
}

func checkReport(t *testing.T, text []byte) {
	t.Helper()
	var lines []closing.Line
	for dec := json.NewDecoder(bytes.NewReader(text)); dec.More(); {
		var l closing.Line
		must(t, dec.Decode(&l))
		lines = append(lines, l)
	}
	if len(lines) < 3 || lines[0].Kind != "header" || lines[len(lines)-1].Kind != "trailer" {
		t.Fatalf("the report is %s", text)
	}
	objects := map[string]closing.Line{}
	for _, l := range lines[1 : len(lines)-1] {
		objects[l.Key] = l
	}
	if n := lines[len(lines)-1].Objects; n == nil || *n != int64(len(objects)) {
		t.Errorf("the trailer counts %v of %d objects", n, len(objects))
	}
	for key, want := range map[string]string{
		"failed": "new FAILED kms no key", "failed before": "new FAILED kms no key", "missing": "new   ", "changed": "changed   ", "newer": "new   ", "extra": "extraneous   ",
	} {
		l, ok := objects[key]
		if got := fmt.Sprintf("%s %s %s %s", l.Decision, l.Status, l.Class, l.Error); !ok || got != want {
			t.Errorf("%q is reported as %q (%v), want %q", key, got, ok, want)
		}
	}
	if _, ok := objects["same"]; ok {
		t.Error("an object that is the same is reported")
	}
}

// The run that counts a day's events is closed when its day is over, and keeps no other from being closed.
func TestRunsOfEventsAreClosedAfterTheirDay(t *testing.T) {
	r := embedded(t)
	now := time.Now().UTC()
	day := run.Run{ID: "events-1", Trigger: run.TriggerEvent, State: run.Copying, Started: now.Add(-20 * time.Hour)}
	must(t, r.runs.Create(t.Context(), day))
	must(t, r.runs.Create(t.Context(), run.Run{ID: "pass", State: run.Copying, Started: now}))
	if next, err := closing.Next(t.Context(), r.runs, now); err != nil || next.ID != "pass" {
		t.Errorf("within the day %q is next, %v", next.ID, err)
	}
	next, err := closing.Next(t.Context(), r.runs, now.Add(6*time.Hour))
	must(t, err)
	why, err := closing.Drained(t.Context(), closing.Config{Runs: r.runs, Queue: r.queue, Uploads: r.uploads}, next.ID)
	if err != nil || next.ID != "events-1" || why != "" {
		t.Errorf("after it %q is next, not drained because %q, %v", next.ID, why, err)
	}
}

func TestOneClosesAtATime(t *testing.T) {
	r := embedded(t)
	calls := 0
	err := closing.Hold(t.Context(), r.runs, "one", func(ctx context.Context) error {
		calls++
		if err := closing.Hold(ctx, r.runs, "two", func(context.Context) error { calls++; return nil }); !errors.Is(err, closing.ErrBusy) {
			t.Errorf("while one is at work: %v", err)
		}
		return errors.New("its own")
	})
	if err == nil || err.Error() != "its own" || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
	must(t, closing.Hold(t.Context(), r.runs, "two", func(context.Context) error { calls++; return nil }))
	if calls != 2 {
		t.Error("the lease was not given back")
	}
}

func TestReportFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "reports")
	for _, c := range []struct {
		objects int64
		publish bool
		want    []string
	}{{0, false, nil}, {0, true, nil}, {1, false, nil}, {1, true, []string{"run.jsonl"}}} {
		r, err := closing.Files(dir)("run")
		must(t, err)
		_, err = r.Write([]byte("line\n"))
		must(t, err)
		if c.publish {
			place, err := r.Publish(t.Context(), c.objects)
			must(t, err)
			if (place != "") != (c.want != nil) {
				t.Errorf("published %d objects at %q", c.objects, place)
			}
		}
		r.Discard()
		entries, err := os.ReadDir(dir)
		must(t, err)
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		if fmt.Sprint(names) != fmt.Sprint(c.want) {
			t.Errorf("%+v left %v", c, names)
		}
	}
}

// A finder broke off after it had queued more than its checkpoint says; the next one found what was copied meanwhile in place. Then
// as many outcomes as it knows of are no sign that nothing waits.
func TestContinuedRunWaitsForItsQueue(t *testing.T) {
	for name, c := range map[string]struct {
		run     run.Run
		updated time.Duration // since the last outcome
		waiting int
		closes  bool
	}{
		"nothing waits":                {run.Run{Continued: true}, time.Second, 0, true},
		"something waits":              {run.Run{Continued: true}, time.Second, 1, false},
		"others' work waits, for long": {run.Run{Continued: true}, time.Hour, 1, true},
		"one finder made it":           {run.Run{}, time.Second, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := embedded(t)
			at := time.Now().UTC().Add(-c.updated)
			c.run.ID, c.run.State, c.run.Started, c.run.Found, c.run.Finder.Queued = "one", run.Copying, at, at, 2
			must(t, r.runs.Create(t.Context(), c.run))
			must(t, r.runs.PutCounters(t.Context(), "one", run.Counters{Worker: "w", Seq: 3, Outcomes: map[string]run.Tally{"DONE:stream": {Objects: 3}}, Updated: at}))
			for range c.waiting {
				must(t, r.queue.Send(t.Context(), []string{"message"}))
			}
			why, err := closing.Drained(t.Context(), closing.Config{Runs: r.runs, Queue: r.queue}, "one")
			must(t, err)
			if (why == "") != c.closes {
				t.Errorf("it cannot be closed because %q", why)
			}
		})
	}
}

// bench is a task whose ends hold one object each of the same, and one that is missing at the destination.
func bench(t *testing.T, r records) closing.Config {
	t.Helper()
	srcSim, dstSim := s3sim.Run(t, s3sim.Options{}), s3sim.Run(t, s3sim.Options{})
	j := job.Defaults()
	open := func(sim *s3sim.Sim, names ...string) (job.Endpoint, *storeaws.Bucket) {
		for _, key := range names {
			sim.Bucket("bucket").Put(s3sim.Object{Key: key, Content: sim.Pattern(1, 1), Modified: time.Now().Add(-48 * time.Hour)})
		}
		e := job.Endpoint{Provider: job.S3Compatible, Bucket: "bucket", URL: sim.URL(), Access: job.Access{Secret: "keys"}}
		b, err := storeaws.Open(t.Context(), e, storeaws.Options{Secrets: keys{}})
		must(t, err)
		t.Cleanup(b.Close)
		return e, b
	}
	var source, destination *storeaws.Bucket
	j.Source, source = open(srcSim, "copied", "missing")
	j.Destination, destination = open(dstSim, "copied")
	return closing.Config{Finder: finder.Config{Job: &j, Source: source, Destination: destination, Ledger: r.ledger}, Ledger: r.ledger, Runs: r.runs, Queue: r.queue, Uploads: r.uploads}
}

// A run of whose objects one ended uncounted is closed although events keep the queue busy; what is not accounted for is said, and
// the proof finds it. It is not closed as long as it moves, as the task is paused, or as nobody works the queue off.
func TestARunThatNeverDrains(t *testing.T) {
	for name, open := range map[string]func(*testing.T) records{"embedded": embedded, "aws": onAWS} {
		t.Run(name, func(t *testing.T) {
			ctx, r := t.Context(), open(t)
			c, report := bench(t, r), &memory{}
			c.Report = func(string) (closing.Report, error) { return report, nil }
			now := time.Now().UTC()
			began := now.Add(-30 * time.Hour)
			day := run.Run{ID: "events-today", Trigger: run.TriggerEvent, State: run.Copying, Started: now.Add(-time.Hour)}
			must(t, r.runs.Create(ctx, day))
			must(t, r.runs.Create(ctx, run.Run{ID: "r", State: run.Copying, Started: began, Found: began, Finder: run.FinderTotals{Queued: 2}}))
			must(t, r.queue.Send(ctx, []string{"an event"}))
			seq := int64(0)
			moved := func(id string, objects int64, ago time.Duration) {
				seq++
				must(t, r.runs.PutCounters(ctx, id, run.Counters{Worker: "w", Seq: seq, Outcomes: map[string]run.Tally{"DONE:stream": {Objects: objects}}, Updated: now.Add(-ago)}))
			}
			for _, c2 := range []struct {
				name       string
				run, other time.Duration
				closes     bool
			}{
				{"it moved an hour ago", time.Hour, time.Minute, false},
				{"nobody works the queue off", 3 * time.Hour, 2 * time.Hour, false},
				{"events get on", 3 * time.Hour, time.Minute, true},
				{"nothing moved for a day", 25 * time.Hour, 25 * time.Hour, true},
			} {
				moved("r", 1, c2.run)
				moved(day.ID, 5, c2.other)
				why, err := closing.Drained(ctx, c, "r")
				must(t, err)
				if (why == "") != c2.closes {
					t.Errorf("%s: %q", c2.name, why)
				}
			}
			must(t, r.runs.SetPaused(ctx, true, now.Add(-time.Hour)))
			if why, err := closing.Drained(ctx, c, "r"); err != nil || why == "" {
				t.Errorf("paused: %q, %v", why, err)
			}
			must(t, r.runs.SetPaused(ctx, false, now.Add(-time.Minute)))
			if why, err := closing.Drained(ctx, c, "r"); err != nil || why == "" {
				t.Errorf("just resumed: %q, %v", why, err)
			}
			must(t, r.runs.SetPaused(ctx, true, now.Add(-50*time.Hour)))
			must(t, r.runs.SetPaused(ctx, false, now.Add(-49*time.Hour)))
			got, err := closing.Close(ctx, c, "r")
			must(t, err)
			if got.State != run.Done || got.Unaccounted != 1 || got.Remaining["new"] != 1 {
				t.Errorf("the run is %+v", got)
			}
			if stored, err := r.runs.Get(ctx, "r"); err != nil || stored.Unaccounted != 1 {
				t.Errorf("on record is %+v, %v", stored, err)
			}
			if text := report.String(); !strings.Contains(text, `"unaccounted":1`) || !strings.Contains(text, `"missing"`) {
				t.Errorf("the report is %s", text)
			}
		})
	}
}

// The oldest run that waits is found however many passes were skipped meanwhile.
func TestNextBehindSkippedRuns(t *testing.T) {
	r := embedded(t)
	now := time.Now().UTC()
	must(t, r.runs.Create(t.Context(), run.Run{ID: "long", State: run.Copying, Started: now.Add(-time.Hour)}))
	for i := range 250 {
		must(t, r.runs.Create(t.Context(), run.Run{ID: fmt.Sprint("skipped-", i), State: run.Skipped, Started: now.Add(time.Duration(i-250) * time.Second)}))
	}
	if next, err := closing.Next(t.Context(), r.runs, now); err != nil || next.ID != "long" {
		t.Errorf("next is %+v, %v", next, err)
	}
}

// Where the job asks for it, the report names every object: also those that both ends agree on, with what their records say.
func TestAReportOfEveryObject(t *testing.T) {
	r := embedded(t)
	c, report := bench(t, r), &memory{}
	c.Report = func(string) (closing.Report, error) { return report, nil }
	c.Finder.Job.ReportAll = true
	now := time.Now().UTC()
	must(t, r.runs.Create(t.Context(), run.Run{ID: "r", State: run.Copying, Started: now.Add(-time.Minute), Found: now}))
	_, err := r.ledger.Put(t.Context(), ledger.Record{Key: "copied", RunID: "r", Status: ledger.Done, Method: "stream", FinishedAt: now, Worker: "w", Seq: 1}, nil)
	must(t, err)
	got, err := closing.Close(t.Context(), c, "r")
	must(t, err)
	if got.Remaining["new"] != 1 || len(got.Remaining) != 1 || got.Named != 0 {
		t.Errorf("the run is %+v", got)
	}
	var objects []string
	for line := range strings.Lines(report.String()) {
		var l closing.Line
		must(t, json.Unmarshal([]byte(line), &l))
		if l.Kind == "object" {
			objects = append(objects, l.Key+" "+l.Decision+" "+l.Status)
		}
	}
	if want := "copied same DONE; missing new "; strings.Join(objects, "; ") != want {
		t.Errorf("the report names %q, want %q", objects, want)
	}
}
