package fleet_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/datatransferhub/dth/worker/consume"
	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/fleet"
	"github.com/datatransferhub/dth/worker/giant"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/ledger/ledgersqlite"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/multipart/multipartsqlite"
	"github.com/datatransferhub/dth/worker/queue/queuesqlite"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/run/runsqlite"
	"github.com/datatransferhub/dth/worker/s3sim"
	"github.com/datatransferhub/dth/worker/store/storeaws"
	"github.com/datatransferhub/dth/worker/transfer"
)

// A simulated store waits half a second for the rest of a request that it has refused.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if !given {
		_ = flag.Set("rapid.checks", "6") // a history takes a second
	}
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// tester is a test, or one of the checks of a property.
type tester interface {
	Helper()
	Cleanup(f func())
	Log(args ...any)
	Logf(format string, args ...any)
	Error(args ...any)
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Fatal(args ...any)
	Failed() bool
}

// yard is two simulated stores, the records of a task, and workers on them.
type yard struct {
	t              tester
	srcSim, dstSim *s3sim.Sim
	src, dst       *s3sim.Bucket
	job            job.Job
	secret         *secret

	queue   *queuesqlite.Queue
	ledger  ledger.Ledger
	runs    *runsqlite.Runs
	uploads *multipartsqlite.Records

	mu       sync.Mutex
	started  int
	outcomes []ledger.Record
	tune     func(*consume.Config, *transfer.Config)
	untuned  bool          // workers wait as long as they do by themselves
	patience time.Duration // of until; 0 is 3 minutes
}

// secret is a secret that can be rotated.
type secret struct {
	mu    sync.Mutex
	value string
}

func (s *secret) Secret(context.Context, string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, err := json.Marshal(map[string]string{"access_key_id": "test", "secret_access_key": s.value})
	return string(text), err
}

func (s *secret) set(v string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.value = v
}

func newYard(t *testing.T, source, destination s3sim.Options) *yard {
	t.Helper()
	return newYardIn(t, t.TempDir(), source, destination)
}

func newYardIn(t tester, dir string, source, destination s3sim.Options) *yard {
	t.Helper()
	ctx := context.Background()
	if destination.MinPartSize == 0 {
		destination.MinPartSize = 1
	}
	y := &yard{t: t, srcSim: s3sim.New(source), dstSim: s3sim.New(destination), job: job.Defaults(), secret: &secret{value: "right"}}
	y.src, y.dst = y.srcSim.Bucket("src"), y.dstSim.Bucket("dst")
	srcURL, err := y.srcSim.Start()
	y.must(err)
	dstURL, err := y.dstSim.Start()
	y.must(err)
	t.Cleanup(func() { y.srcSim.Close(); y.dstSim.Close() })
	y.job.Source = job.Endpoint{Provider: job.S3Compatible, Bucket: "src", URL: srcURL, Access: job.Access{Secret: "keys"}}
	y.job.Destination = job.Endpoint{Provider: job.S3Compatible, Bucket: "dst", URL: dstURL, Access: job.Access{Secret: "keys"}}
	y.job.Mode = job.ModeStream
	y.job.GiantThreshold = 1 << 20
	db, err := databasesqlite.Open(ctx, filepath.Join(dir, "records.db"))
	y.must(err)
	t.Cleanup(func() { db.Close() })
	y.queue, err = queuesqlite.Open(ctx, db, "task")
	y.must(err)
	y.ledger, err = ledgersqlite.Open(ctx, db, "task")
	y.must(err)
	y.runs, err = runsqlite.Open(ctx, db, "task")
	y.must(err)
	y.uploads, err = multipartsqlite.Open(ctx, db, "task")
	y.must(err)
	return y
}

func (y *yard) must(err error) {
	y.t.Helper()
	if err != nil {
		y.t.Fatal(err)
	}
}

func (y *yard) open(e job.Endpoint) *storeaws.Bucket {
	y.t.Helper()
	b, err := storeaws.Open(context.Background(), e, storeaws.Options{Secrets: y.secret, Progress: 2 * time.Second, RefreshEvery: 50 * time.Millisecond})
	y.must(err)
	y.t.Cleanup(b.Close)
	return b
}

// worker starts a worker and returns what stops it. Errors are told when it is stopped.
func (y *yard) worker() (stop func() error) {
	y.t.Helper()
	y.mu.Lock()
	y.started++
	name := fmt.Sprintf("worker-%d", y.started)
	y.mu.Unlock()
	w, err := fleet.New(context.Background(), fleet.Config{
		Job: &y.job, Source: y.open(y.job.Source), Destination: y.open(y.job.Destination), Queue: y.queue, Ledger: y.ledger, Runs: y.runs, Uploads: y.uploads,
		Worker: name, Log: slog.New(slog.NewTextHandler(&tlog{y.t}, &slog.HandlerOptions{Level: slog.LevelDebug})), OnOutcome: func(r ledger.Record) {
			y.mu.Lock()
			defer y.mu.Unlock()
			y.outcomes = append(y.outcomes, r)
		},
		Tune: func(c *consume.Config, x *transfer.Config) {
			if !y.untuned {
				c.HandBack, c.HandBackCap, c.ReceiveWait, c.ProbeEvery, c.Drain = 5*time.Millisecond, 20*time.Millisecond, 100*time.Millisecond, 20*time.Millisecond, 5*time.Second
				x.Backoff, x.Attempts = time.Millisecond, 2
			}
			x.PartSize = 256 << 10
			if y.tune != nil {
				y.tune(c, x)
			}
		},
	})
	y.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	var once sync.Once
	stop = func() (err error) {
		once.Do(func() { cancel(); err = <-ended })
		return err
	}
	y.t.Cleanup(func() { _ = stop() })
	return stop
}

// controller looks after giants until the test ends.
func (y *yard) controller() {
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() {
		for ctx.Err() == nil {
			if _, err := giant.Tick(ctx, giant.Config{Uploads: y.uploads, Queue: y.queue, AskEvery: 50 * time.Millisecond}); err != nil && ctx.Err() == nil {
				y.t.Errorf("controller: %v", err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
	y.t.Cleanup(func() { cancel(); ended.Wait() })
}

func (y *yard) send(messages ...message.Message) {
	y.t.Helper()
	for _, m := range messages {
		body, err := m.Encode()
		y.must(err)
		y.must(y.queue.Send(context.Background(), []string{body}))
	}
}

// wanted is the message of a finder that saw this source object and nothing at the destination.
func (y *yard) wanted(key string) message.Object {
	o := y.src.Get(key)
	return message.Object{Run: "run", Key: key, Size: o.Size(), ETag: o.ETag, Modified: o.Modified, Op: message.Copy, DestinationSeen: true}
}

// settled waits until the queue is empty and no upload is on record.
func (y *yard) settled() {
	y.t.Helper()
	y.until("everything is settled", func() bool {
		open, err := y.uploads.Uploads(context.Background())
		y.must(err)
		return len(open) == 0 && y.queue.Len() == 0
	})
}

func (y *yard) until(what string, holds func() bool) {
	y.t.Helper()
	for end := time.Now().Add(cmp.Or(y.patience, 3*time.Minute)); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			n := map[string]int{}
			for _, o := range y.outcomes {
				n[o.Outcome()+" "+o.Key+" "+o.SourceETag]++
			}
			for k, v := range n {
				y.t.Logf("%d %s", v, k)
			}
			y.t.Fatalf("it never came about that %s; %d messages, %d outcomes", what, y.queue.Len(), len(y.outcomes))
		}
	}
}

func (y *yard) row(key string) ledger.Record {
	y.t.Helper()
	rows, err := y.ledger.Get(context.Background(), []string{key})
	y.must(err)
	return rows[key]
}

// agree fails unless the destination holds exactly what the source does, and no upload is open.
func (y *yard) agree() {
	y.t.Helper()
	there := map[string]bool{}
	for _, o := range y.src.Objects() {
		there[o.Key] = true
		copied := y.dst.Get(o.Key)
		switch {
		case copied == nil:
			y.t.Errorf("%q is missing", o.Key)
		case !bytes.Equal(content(y.t, copied), content(y.t, o)):
			y.t.Errorf("%q has other bytes", o.Key)
		}
	}
	for _, o := range y.dst.Objects() {
		if !there[o.Key] {
			y.t.Errorf("%q is only at the destination", o.Key)
		}
	}
	if n := y.dst.OpenUploads(); n != 0 {
		y.t.Errorf("%d uploads are open", n)
	}
}

// counted compares the counters of a run with its ledger rows.
func (y *yard) counted(runID string, keys ...string) {
	y.t.Helper()
	rows, err := y.ledger.Get(context.Background(), keys)
	y.must(err)
	want := map[string]int64{}
	for _, r := range rows {
		if r.RunID == runID {
			want[r.Outcome()]++
		}
	}
	all, err := y.runs.Counters(context.Background(), runID)
	y.must(err)
	got := map[string]int64{}
	for name, n := range run.Total(all).Outcomes {
		got[name] = n.Objects
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		y.t.Errorf("counters of %s say %v, the ledger %v", runID, got, want)
	}
}

func content(t tester, o *s3sim.Object) []byte {
	t.Helper()
	var data bytes.Buffer
	if err := o.Content.WriteRange(&data, 0, o.Size()); err != nil {
		t.Fatalf("reading %q: %v", o.Key, err)
	}
	return data.Bytes()
}

func data(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7) ^ seed ^ byte(i>>8)
	}
	return b
}

// awkward are keys that have broken message formats, shells and templates before.
func awkward() []string {
	return []string{`quo"te`, `back\slash`, "new\nline", "$(reboot)", "s3:TestEvent", `{"Records":[]}`, "plus+plus %2F", "emoji😀", "a//b/", strings.Repeat("k", 1000)}
}

// tlog shows logs with the test that they belong to.
type tlog struct{ t tester }

func (l *tlog) Write(p []byte) (int, error) {
	l.t.Helper()
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}
