package pass_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/ledger/ledgersqlite"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/pass"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/run/runsqlite"
)

// failed is a task of which objects have failed.
type failed struct {
	pass.RetryConfig
	t      rapid.TB
	queue  *outbox
	runs   *runsqlite.Runs
	ledger *ledgersqlite.Ledger
	seq    int64
	calls  int
}

func newFailed(t *testing.T, tb rapid.TB, folder string) *failed {
	t.Helper()
	db, err := databasesqlite.Open(t.Context(), filepath.Join(folder, "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	f := &failed{t: tb, queue: &outbox{}}
	f.runs, err = runsqlite.Open(t.Context(), db, "task")
	f.must(err)
	f.ledger, err = ledgersqlite.Open(t.Context(), db, "task")
	f.must(err)
	f.RetryConfig = pass.RetryConfig{RunID: "again", Queue: f.queue, Ledger: f.ledger, Runs: f.runs, Version: "v1", Holder: "call"}
	return f
}

func (f *failed) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// record writes what became of an object in a run.
func (f *failed) record(t *testing.T, runID, key, class string) {
	f.seq++
	r := ledger.Record{Key: key, RunID: runID, Status: ledger.Done, SourceETag: "e", Worker: "w", Seq: f.seq, FinishedAt: time.Now().UTC()}
	if class != "" {
		r.Status, r.ErrorClass, r.Error = ledger.Failed, class, "no"
	}
	_, err := f.ledger.Put(t.Context(), r, nil)
	f.must(err)
}

func (f *failed) retry(t *testing.T) (run.Run, error) {
	f.calls++
	c := f.RetryConfig
	c.Holder = fmt.Sprint("call-", f.calls)
	return pass.Retry(t.Context(), c)
}

// However often a retry breaks off, is called again and has its objects settled meanwhile, also as failures of other classes:
// it queues what was chosen and nothing else, and its run counts every object once.
func TestRetryCountsEachObjectOnce(t *testing.T) {
	classes := []string{"kms", "access_denied", "other"}
	rapid.Check(t, func(rt *rapid.T) {
		f := newFailed(t, rt, t.TempDir())
		of := map[string]string{} // key: class that it failed with
		for i := range rapid.IntRange(0, 450).Draw(rt, "objects") {
			key := fmt.Sprintf("photos/%03d", i)
			of[key] = classes[i%len(classes)]
			f.record(t, "before", key, of[key])
		}
		switch rapid.IntRange(0, 2).Draw(rt, "choice") {
		case 0:
			f.Choose.Class = "kms"
		case 1:
			for i := 0; i < 400; i += 2 {
				f.Choose.Keys = append(f.Choose.Keys, fmt.Sprintf("photos/%03d", i))
			}
		}
		want := 0
		for key, class := range of {
			if (f.Choose.Class == "" || f.Choose.Class == class) && (f.Choose.Keys == nil || slices.Contains(f.Choose.Keys, key)) {
				want++
			}
		}
		var r run.Run
		for tries := 0; ; tries++ {
			left := rapid.IntRange(0, 6).Draw(rt, "pages until it breaks off")
			if tries > 20 {
				left = 1000
			}
			f.queue.breakAfter = left
			f.Until = time.Time{}
			if rapid.Bool().Draw(rt, "the time is up") && tries <= 20 {
				f.Until = time.Now()
			}
			var err error
			if r, err = f.retry(t); err == nil && r.State != run.Finding {
				break
			}
			if err != nil && !errors.Is(err, errBroken) {
				rt.Fatal(err)
			}
			sent, _ := f.queue.keys(message.Copy)
			for i, key := range sent {
				switch rapid.IntRange(0, 3).Draw(rt, "outcome") {
				case 0:
					f.record(t, "again", key, "")
				case 1:
					f.record(t, "again", key, classes[i%len(classes)])
				}
			}
		}
		sent, _ := f.queue.keys(message.Copy)
		if len(sent) != want || r.Finder.Queued != int64(want) {
			rt.Fatalf("%d objects were chosen, %d are queued, %d are counted; %+v", want, len(sent), r.Finder.Queued, r)
		}
		if r.State != run.Copying {
			rt.Fatalf("the run is %s", r.State)
		}
		n := len(f.queue.sent)
		again, err := f.retry(t)
		if err != nil || again.State != r.State || len(f.queue.sent) != n {
			rt.Fatalf("once more: %+v, %v, %d messages more", again, err, len(f.queue.sent)-n)
		}
	})
}

func TestRetryOfSomethingElse(t *testing.T) {
	f := newFailed(t, t, t.TempDir())
	for i := range 300 {
		f.record(t, "before", fmt.Sprintf("k%03d", i), "kms")
	}
	f.queue.breakAfter = 1
	f.Choose.Class = "kms"
	if _, err := f.retry(t); !errors.Is(err, errBroken) {
		t.Fatal(err)
	}
	var choice *pass.RetryChoiceError
	f.Choose.Class = "other"
	if _, err := f.retry(t); !errors.As(err, &choice) || !strings.Contains(err.Error(), "a retry of class kms") {
		t.Errorf("another class: %v", err)
	}
	f.must(f.runs.Create(t.Context(), run.Run{ID: "r1", Trigger: "schedule", State: run.Copying, Started: time.Now()}))
	f.RunID = "r1"
	if _, err := f.retry(t); !errors.As(err, &choice) || !strings.Contains(err.Error(), "trigger schedule") {
		t.Errorf("a pass: %v", err)
	}
	f.RunID = "r2"
	if _, held, err := f.runs.Lease(t.Context(), pass.RetryLease, "somebody", time.Now(), time.Minute); err != nil || !held {
		t.Fatal(err)
	}
	if _, err := f.retry(t); !errors.Is(err, pass.ErrRetrying) {
		t.Errorf("while another one queues: %v", err)
	}
}

// A failed delete is asked for once more where the task deletes; what is at the source again is copied then.
func TestRetryOfDeletes(t *testing.T) {
	for _, deletes := range []bool{true, false} {
		f := newFailed(t, t, t.TempDir())
		_, err := f.ledger.Put(t.Context(), ledger.Record{Key: "k", RunID: "before", Status: ledger.Failed, ErrorClass: "access_denied", Worker: "w", Seq: 1}, nil)
		f.must(err)
		f.Deletes = deletes
		_, err = f.retry(t)
		f.must(err)
		if m := f.queue.sent[0]; len(f.queue.sent) != 1 || (m.Op == message.Delete) != deletes || m.Look == deletes || m.Run != "again" {
			t.Errorf("deletes %v: %+v", deletes, f.queue.sent)
		}
	}
}

// A retry is neither continued as a pass, nor does it keep one from beginning.
func TestPassBesideARetry(t *testing.T) {
	k := newTask(t, 10)
	k.create(t, run.Run{ID: "queuing", Trigger: run.TriggerRetry, State: run.Finding, Started: time.Now().UTC()})
	k.create(t, run.Run{ID: "draining", Trigger: run.TriggerRetry, State: run.Copying, Started: time.Now().UTC(), Finder: run.FinderTotals{Queued: 5}})
	k.queue.depth.Visible = 5
	if r := mustRun(t, k.Config); r.ID == "queuing" || r.State != run.Copying || k.states(t) != "FINDING COPYING COPYING" {
		t.Errorf("%+v, runs are %s", r, k.states(t))
	}
}
