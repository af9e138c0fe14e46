package estimate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/estimate"
	"github.com/datatransferhub/dth/worker/finder"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/ledger/ledgersqlite"
	"github.com/datatransferhub/dth/worker/multipart/multipartsqlite"
	"github.com/datatransferhub/dth/worker/queue/queuesqlite"
	"github.com/datatransferhub/dth/worker/run/runsqlite"
	"github.com/datatransferhub/dth/worker/s3sim"
	"github.com/datatransferhub/dth/worker/solo"
	"github.com/datatransferhub/dth/worker/store/storeaws"
)

type secrets struct{}

func (secrets) Secret(context.Context, string) (string, error) {
	text, err := json.Marshal(map[string]string{"access_key_id": "test", "secret_access_key": "test-secret"})
	return string(text), err
}

// TestRequestsAreThoseOfTheEngine compares the requests of estimates with those that the stores were sent when the transfers were
// made.
func TestRequestsAreThoseOfTheEngine(t *testing.T) {
	for name, c := range map[string]struct {
		together bool // both buckets belong to one store
		long     bool // one more object, which no single call copies
		change   func(*job.Job)
	}{
		"streamed":               {false, false, func(*job.Job) {}},
		"with tags and deletion": {false, false, func(j *job.Job) { j.IncludeTags, j.DeleteExtraneous, j.MaxDeleteShare = true, true, 1 }},
		"giants from 64 MiB":     {false, false, func(j *job.Job) { j.GiantThreshold = 64 * job.MiB }},
		"server-side":            {true, true, func(*job.Job) {}},
		"stream within a store":  {true, false, func(j *job.Job) { j.Mode = job.ModeStream }},
	} {
		t.Run(name, func(t *testing.T) {
			y := newYard(t, c.together)
			c.change(&y.job)
			if c.long {
				y.src.Bucket("src").PutPattern("long", 5*job.GiB+1, 99)
			}
			planned := y.plan()
			before := y.calls()
			y.copy()
			made := y.calls()
			for op, n := range before {
				made[op] -= n
			}
			got, want := relevant(made), expected(planned.Requests)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("estimated (-) and made (+):\n%s", d)
			}
		})
	}
}

// yard is two buckets with objects of all the sizes that are treated in ways of their own.
type yard struct {
	t        *testing.T
	src, dst *s3sim.Sim
	job      job.Job
}

func newYard(t *testing.T, together bool) *yard {
	t.Helper()
	y := &yard{t: t, src: s3sim.Run(t, s3sim.Options{Keep: s3sim.KeepSums}), job: job.Defaults()}
	y.dst = y.src
	if !together {
		y.dst = s3sim.Run(t, s3sim.Options{Keep: s3sim.KeepSums})
	}
	from, to := y.src.Bucket("src"), y.dst.Bucket("dst")
	for i, size := range []int64{0, 1, 1000, 128 << 10, 300 << 10, 8<<20 - 1, 8 << 20, 9 << 20, 100 << 20, 128 << 20, 200 << 20} {
		o := from.PutPattern(fmt.Sprintf("new/%02d", i), size, uint64(i))
		o.Tags = map[string]string{"number": fmt.Sprint(i)}
	}
	for i := range 5 {
		from.PutBytes(fmt.Sprintf("same/%d", i), []byte("same"))
		to.PutBytes(fmt.Sprintf("same/%d", i), []byte("same"))
	}
	for i := range 3 {
		to.PutBytes(fmt.Sprintf("extraneous/%d", i), bytes.Repeat([]byte("x"), i))
	}
	access := job.Access{Secret: "keys"}
	y.job.Source = job.Endpoint{Provider: job.S3Compatible, Bucket: "src", URL: y.src.URL(), Access: access}
	y.job.Destination = job.Endpoint{Provider: job.S3Compatible, Bucket: "dst", URL: y.dst.URL(), Access: access}
	return y
}

func (y *yard) open() (source, destination *storeaws.Bucket) {
	y.t.Helper()
	var both [2]*storeaws.Bucket
	for i, e := range []job.Endpoint{y.job.Source, y.job.Destination} {
		b, err := storeaws.Open(y.t.Context(), e, storeaws.Options{Secrets: secrets{}})
		if err != nil {
			y.t.Fatal(err)
		}
		y.t.Cleanup(b.Close)
		both[i] = b
	}
	return both[0], both[1]
}

func (y *yard) plan() *estimate.Estimate {
	y.t.Helper()
	source, destination := y.open()
	plan := &finder.Plan{Rules: estimate.RulesOf(&y.job)}
	totals, err := finder.Pass(y.t.Context(), finder.Config{
		Job: &y.job, Source: source, Destination: destination, Sinks: func() []diff.Sink { return []diff.Sink{plan} },
	})
	if err != nil {
		y.t.Fatal(err)
	}
	return estimate.Of(estimate.Input{Job: &y.job, Totals: totals, Work: plan.Work(), Shared: destination.Shares(source)})
}

// copy makes the transfer, without its proof.
func (y *yard) copy() {
	y.t.Helper()
	must := func(err error) {
		y.t.Helper()
		if err != nil {
			y.t.Fatal(err)
		}
	}
	ctx := y.t.Context()
	db, err := databasesqlite.Open(ctx, filepath.Join(y.t.TempDir(), "records.db"))
	must(err)
	defer db.Close()
	q, err := queuesqlite.Open(ctx, db, "task")
	must(err)
	l, err := ledgersqlite.Open(ctx, db, "task")
	must(err)
	r, err := runsqlite.Open(ctx, db, "task")
	must(err)
	u, err := multipartsqlite.Open(ctx, db, "task")
	must(err)
	source, destination := y.open()
	_, err = solo.Run(ctx, solo.Config{
		Job: &y.job, Source: source, Destination: destination, Shared: destination.Shares(source), Queue: q, Ledger: l, Runs: r, Uploads: u,
		RunID: "run", Trigger: "manual", SpillDir: y.t.TempDir(),
	})
	must(err)
}

// calls returns what both stores were sent so far.
func (y *yard) calls() map[string]int64 {
	out := y.src.Stats().Operations
	if y.dst != y.src {
		for op, n := range y.dst.Stats().Operations {
			out[op] += n
		}
	}
	return out
}

// relevant leaves out looks at the buckets themselves, and listings: how often a range is probed is a matter of timing.
func relevant(all map[string]int64) map[string]int64 {
	out := map[string]int64{}
	for op, n := range all {
		switch op {
		case "HeadBucket", "GetBucketEncryption", "ListObjectsV2", "GetBucketLocation":
		default:
			if n != 0 {
				out[op] = n
			}
		}
	}
	return out
}

func expected(r estimate.Requests) map[string]int64 {
	s, d := r.Source, r.Destination
	return relevant(map[string]int64{
		"HeadObject": s.Head, "GetObject": s.Get, "GetObjectTagging": s.Tags,
		"PutObject": d.Put, "CreateMultipartUpload": d.Create, "UploadPart": d.Part, "CompleteMultipartUpload": d.Complete,
		"CopyObject": d.Copy, "UploadPartCopy": d.CopyPart, "DeleteObject": d.Delete,
	})
}
