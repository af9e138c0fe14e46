package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/datatransferhub/dth/worker/awssim"
	"github.com/datatransferhub/dth/worker/consume"
	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/finder"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/ledger/ledgeraws"
	"github.com/datatransferhub/dth/worker/ledger/ledgersqlite"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/metrics"
	"github.com/datatransferhub/dth/worker/multipart"
	"github.com/datatransferhub/dth/worker/multipart/multipartaws"
	"github.com/datatransferhub/dth/worker/pass"
	"github.com/datatransferhub/dth/worker/queue"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/run/runaws"
	"github.com/datatransferhub/dth/worker/run/runsqlite"
	"github.com/datatransferhub/dth/worker/s3sim"
	"github.com/datatransferhub/dth/worker/store"
	"github.com/datatransferhub/dth/worker/store/storeaws"
	"github.com/datatransferhub/dth/worker/transfer"
)

// binary is the finder, built once.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "dth-test-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "jobfinder")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building jobfinder: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// A million are for a pass that is killed twice, many are enough for one to be stopped in its middle, few are enough for all else.
const million, many, few = 1_000_000, 400_000, 40_000

// stack is two stores, a queue and tables, all simulated, with a configuration that names them.
type stack struct {
	t        *testing.T
	src, dst *s3sim.Sim
	aws      *awssim.Sim
	queue    *awssim.Queue
	dead     *awssim.Queue
	runs     *runaws.Runs
	ledger   *ledgeraws.Ledger
	uploads  *multipartaws.Records
	behind   atomic.Int64 // of the destination's clock
	file     string
}

// The source holds so many objects. A sixteenth of them is missing at its destination; a hundredth has another ETag there,
// and is decided by time.
func newStack(t *testing.T, objects int64) *stack {
	t.Helper()
	// A pass takes long enough to be killed.
	const latency, queueLatency = 2 * time.Millisecond, 25 * time.Millisecond
	s := &stack{t: t, aws: awssim.Run(t, awssim.Options{}), file: filepath.Join(t.TempDir(), "config.json")}
	s.src = s3sim.Run(t, s3sim.Options{Latency: latency})
	s.dst = s3sim.Run(t, s3sim.Options{Latency: latency, Now: func() time.Time { return time.Now().Add(-time.Duration(s.behind.Load())) }})
	s.aws.SetFault(func(awssim.Call) awssim.Fault { return awssim.Fault{Latency: queueLatency} })
	s.src.Bucket("source-bucket").Fill(s3sim.Synthetic{N: objects, Format: s3sim.Hex, Size: 100, ChangedEvery: 100})
	s.dst.Bucket("destination-bucket").Fill(s3sim.Synthetic{N: objects, Format: s3sim.Hex, Size: 100, Prefix: "copy/", MissingEvery: 16})
	s.dead = s.aws.CreateQueue("dead", awssim.QueueOptions{})
	s.queue = s.aws.CreateQueue("objects", awssim.QueueOptions{MaxReceives: 5, DeadLetters: s.dead})
	cfg := aws.Config{Region: "us-east-1", BaseEndpoint: aws.String(s.aws.URL()), Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
	tables := dynamodb.NewFromConfig(cfg)
	_, err := tables.CreateTable(t.Context(), ledgeraws.TableInput("ledger"))
	s.must(err)
	_, err = tables.CreateTable(t.Context(), runaws.TableInput("runs"))
	s.must(err)
	s.runs = runaws.Open(cfg, "runs", retry.Policy{})
	s.uploads = multipartaws.Open(cfg, "runs", retry.Policy{})
	s.ledger, err = ledgeraws.Open(t.Context(), cfg, "ledger", retry.Policy{})
	s.must(err)
	t.Cleanup(s.ledger.Close)
	s.configure(map[string]string{})
	return s
}

func (s *stack) configure(more map[string]string) {
	s.t.Helper()
	parameters := map[string]string{
		"srcType": "S3_Compatible", "srcBucket": "source-bucket", "srcEndpoint": s.src.URL(),
		"destType": "S3_Compatible", "destBucket": "destination-bucket", "destEndpoint": s.dst.URL(), "destPrefix": "copy",
	}
	for name, value := range more {
		parameters[name] = value
	}
	document, err := json.Marshal(map[string]any{
		"stackName": "test", "region": "us-east-1", "queueUrl": s.queue.URL(), "deadLetterQueueUrl": s.dead.URL(), "ledgerTable": "ledger", "runTable": "runs", "parameters": parameters,
	})
	s.must(err)
	s.must(os.WriteFile(s.file, document, 0o600))
}

func (s *stack) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// finder returns a call of the program with the standard environment of the SDK.
func (s *stack) finder(args ...string) (cmd *exec.Cmd, stderr *bytes.Buffer) {
	cmd = exec.Command(binary, append([]string{"--config", s.file, "--checkpoint", "1s"}, args...)...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") }),
		"AWS_ENDPOINT_URL="+s.aws.URL(), "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=/nonexistent", "AWS_SHARED_CREDENTIALS_FILE=/nonexistent")
	stderr = &bytes.Buffer{}
	cmd.Stderr = stderr
	return cmd, stderr
}

// whole makes a pass to its end and returns its run.
func (s *stack) whole(args ...string) run.Run {
	s.t.Helper()
	cmd, stderr := s.finder(args...)
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("%v\n%s", err, stderr)
	}
	return s.latest()
}

func (s *stack) latest() run.Run {
	s.t.Helper()
	runs, err := s.runs.Latest(s.t.Context(), 1)
	s.must(err)
	if len(runs) == 0 {
		s.t.Fatal("no run is recorded")
	}
	return runs[0]
}

// listed returns how many bytes both stores have answered with. Probes hardly count: they give a key each.
func (s *stack) listed() int64 { return s.src.Stats().BytesOut + s.dst.Stats().BytesOut }

func (s *stack) queued() int {
	visible, inFlight, delayed := s.queue.Depth()
	return visible + inFlight + delayed
}

// half starts a pass, sends it a signal when so many messages are queued, and returns its exit code.
func (s *stack) half(signal syscall.Signal, enough int) int {
	s.t.Helper()
	cmd, stderr := s.finder()
	s.must(cmd.Start())
	for deadline := time.Now().Add(3 * time.Minute); s.queued() < enough; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Errorf("%d messages after a minute\n%s", s.queued(), stderr)
			break
		}
	}
	s.must(cmd.Process.Signal(signal))
	_ = cmd.Wait() // the state says it
	if s.latest().State != run.Finding {
		s.t.Fatalf("the pass was through before it could be stopped: %+v\n%s", s.latest(), stderr)
	}
	return cmd.ProcessState.ExitCode()
}

// settled returns how many messages the checkpoint of a run answers for.
func (s *stack) settled(id string) (n int) {
	s.t.Helper()
	doc, err := s.runs.Checkpoint(s.t.Context(), id)
	s.must(err)
	var checkpoint struct {
		Totals diff.Totals
		List   struct{ Open []struct{ Totals []byte } }
	}
	s.must(json.Unmarshal(doc, &checkpoint))
	all := []diff.Totals{checkpoint.Totals}
	for _, open := range checkpoint.List.Open {
		var t diff.Totals
		if len(open.Totals) > 0 {
			s.must(json.Unmarshal(open.Totals, &t))
		}
		all = append(all, t)
	}
	for _, t := range all {
		for name, tally := range t.Decisions {
			if name == "new" || strings.HasPrefix(name, "changed") {
				n += int(tally.Objects)
			}
		}
	}
	return n
}

// distinct returns how many objects the queue's messages are about.
func (s *stack) distinct() int {
	s.t.Helper()
	keys := map[string]bool{}
	for _, body := range s.queue.Bodies() {
		m, err := message.Decode(body)
		s.must(err)
		keys[m.(message.Object).Key] = true
	}
	return len(keys)
}

// A finder that is killed, and killed again, in a pass over a million keys is continued by the next one from its last checkpoint: the
// totals are those of an undisturbed pass, what is sent twice is what was sent since the checkpoint, which is bounded by number,
// and the workers' counters do not change by it.
func TestKilledFinderIsContinued(t *testing.T) {
	s := newStack(t, million)
	again, settled := 0, 0
	for _, enough := range []int{20_000, 55_000} {
		if code := s.half(syscall.SIGKILL, enough); code != -1 {
			t.Fatalf("exit code %d", code)
		}
		settled = s.settled(s.latest().ID)
		unsettled := s.queued() - again - settled
		t.Logf("killed with %d messages in the queue; the checkpoint answers for %d", s.queued()-again, settled)
		if settled == 0 {
			t.Error("no checkpoint was kept")
		}
		if unsettled < 0 || unsettled > finder.MaxAhead {
			t.Errorf("%d messages will be sent again, and no more than %d may", unsettled, finder.MaxAhead)
		}
		again += unsettled
	}
	before := s.listed()
	got := s.whole("--json")
	if got.State != run.Copying {
		t.Errorf("the run is %+v", got)
	}
	// Those of newStack's stores.
	const missing, byTime = million / 16, million / 100
	f := got.Finder
	if f.ListedSource != million || f.ListedDestination != million-missing || f.Decisions["new"].Objects != missing ||
		f.Decisions["same"].Objects != million-missing || f.DecidedByTime != byTime || f.Queued != missing {
		t.Errorf("the totals are %+v", f)
	}
	if n := s.distinct(); int64(n) != f.Queued || s.queued() != n+again {
		t.Errorf("%d messages about %d objects, want %d and %d sent twice", s.queued(), n, f.Queued, again)
	}
	last := s.listed() - before
	t.Logf("%d bytes of listings in three lives, %d in the last; %d messages were sent twice", s.listed(), last, again)
	if last > s.listed()/2 {
		t.Error("the last life has listed again what the checkpoint answers for")
	}
	if runs, err := s.runs.Latest(t.Context(), 10); err != nil || len(runs) != 1 {
		t.Errorf("runs are %v, %v", runs, err)
	}
	counters := drain(t, got, s.queue.Bodies())
	if outcomes := run.Total(counters).Outcomes; len(outcomes) != 1 || outcomes["DONE:stream"].Objects != f.Queued || run.Settled(counters) != f.Queued {
		t.Errorf("the workers have counted %v for %d objects in %d messages", outcomes, f.Queued, s.queued())
	}
}

// settler copies nothing and says that it did.
type settler struct{}

func (settler) Settle(_ context.Context, m message.Message, _ int) transfer.Outcome {
	o := m.(message.Object)
	return transfer.Outcome{Status: ledger.Done, Method: "stream", Size: o.Size, Bytes: o.Size, SourceETag: o.ETag, DestinationETag: o.ETag}
}

func (settler) Reach(context.Context) error { return nil }

// inbox is a queue that gives each message once.
type inbox struct {
	queue.Queue
	mu      sync.Mutex
	bodies  []string
	next    int
	deleted int
	empty   chan struct{} // closed when all are deleted
}

func (q *inbox) Receive(ctx context.Context, limit int, _ time.Duration) ([]queue.Message, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var got []queue.Message
	for ; len(got) < limit && q.next < len(q.bodies); q.next++ {
		id := strconv.Itoa(q.next)
		got = append(got, queue.Message{ID: id, Receipt: id, Body: q.bodies[q.next], Receives: 1, Sent: time.Now()})
	}
	if len(got) == 0 {
		q.mu.Unlock()
		_ = retry.Sleep(ctx, 10*time.Millisecond) // the caller looks at its context
		q.mu.Lock()
	}
	return got, nil
}

func (q *inbox) Delete(_ context.Context, messages []queue.Message) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.deleted += len(messages); q.deleted == len(q.bodies) {
		close(q.empty)
	}
	return nil
}

func (q *inbox) Extend(context.Context, []queue.Message, time.Duration) error { return nil }

// drain settles messages of a run, as two workers with a ledger do, and returns what they have counted.
func drain(t *testing.T, r run.Run, bodies []string) []run.Counters {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	db, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "records.db"))
	must(err)
	defer db.Close()
	rows, err := ledgersqlite.Open(t.Context(), db, "task")
	must(err)
	runs, err := runsqlite.Open(t.Context(), db, "task")
	must(err)
	must(runs.Create(t.Context(), r))
	q := &inbox{bodies: bodies, empty: make(chan struct{})}
	ctx, stop := context.WithCancel(t.Context())
	var workers sync.WaitGroup
	for _, name := range []string{"a", "b"} {
		workers.Go(func() {
			c := consume.New(consume.Config{
				Queue: q, Ledger: rows, Runs: runs, Settler: settler{}, Worker: name, Concurrency: 64, Batch: 100, Receivers: 2, Log: slog.New(slog.DiscardHandler),
			})
			if err := c.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	select {
	case <-q.empty:
	case <-time.After(4 * time.Minute):
		t.Errorf("%d of %d messages are settled after four minutes", q.deleted, len(bodies))
	}
	stop()
	workers.Wait()
	counters, err := runs.Counters(t.Context(), r.ID)
	must(err)
	return counters
}

// SIGTERM ends a finder with its last checkpoint written, so that hardly anything is sent twice.
func TestStoppedFinderIsContinued(t *testing.T) {
	s := newStack(t, many)
	if code := s.half(syscall.SIGTERM, 10_000); code != 143 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
	stopped := s.latest()
	unsettled := s.queued() - s.settled(stopped.ID)
	t.Logf("%d of %d messages will be sent again", unsettled, s.queued())
	// Of each range, what lies behind its last mark.
	if unsettled < 0 || unsettled > 5_000 {
		t.Errorf("%d messages will be sent again", unsettled)
	}
	got := s.whole("--holder", "another-host") // at once: the lease was given back
	if got.ID != stopped.ID || got.State != run.Copying || int64(s.distinct()) != got.Finder.Queued || s.queued() != s.distinct()+unsettled {
		t.Errorf("the run is %+v, %d messages about %d objects", got, s.queued(), s.distinct())
	}
}

// A pass is not made while the run before drains, and the record says why; --force makes it.
func TestMetricsTellOfAPass(t *testing.T) {
	s := newStack(t, few)
	s.configure(map[string]string{"srcPrefix": "00"})
	file := filepath.Join(t.TempDir(), "metrics")
	r := s.whole("--metrics", file)
	line, err := os.ReadFile(file)
	s.must(err)
	var told struct{ ListedObjects, QueuedObjects int64 }
	s.must(errors.Join(metrics.Check(line), json.Unmarshal(line, &told)))
	if told.ListedObjects != r.Finder.ListedSource+r.Finder.ListedDestination || told.QueuedObjects != r.Finder.Queued {
		t.Errorf("metrics %s of a run %+v", line, r.Finder)
	}
}

func TestGateAndForce(t *testing.T) {
	s := newStack(t, few)
	s.configure(map[string]string{"srcPrefix": "00"}) // few objects
	first := s.whole("--run-id", "first")
	if first.State != run.Copying || first.Finder.Queued == 0 {
		t.Fatalf("the first run is %+v", first)
	}
	n := s.queued()
	if r := s.whole(); r.State != run.Skipped || !strings.Contains(r.Error, "run first is still copying") || s.queued() != n {
		t.Errorf("the second run is %+v, %d messages after %d", r, s.queued(), n)
	}
	if r := s.whole("--force"); r.State != run.Copying || s.queued() != 2*n {
		t.Errorf("the third run is %+v, %d messages after %d", r, s.queued(), n)
	}
}

// While one finder is at work another does nothing, whoever starts it.
func TestOneFinderAtATime(t *testing.T) {
	s := newStack(t, few)
	_, held, err := s.runs.Lease(t.Context(), pass.LeaseName, "another-host", time.Now(), time.Hour)
	if s.must(err); !held {
		t.Fatal("the lease could not be taken")
	}
	cmd, stderr := s.finder()
	s.must(cmd.Start())
	time.Sleep(500 * time.Millisecond)
	s.must(cmd.Process.Signal(syscall.SIGTERM))
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 143 || s.queued() != 0 || s.src.Stats().Requests != 0 {
		t.Errorf("%v, %d messages, %d calls\n%s", err, s.queued(), s.src.Stats().Requests, stderr)
	}
}

// What nobody could copy is a failed object on record before anything is listed.
func TestDeadLettersAreOnRecord(t *testing.T) {
	s := newStack(t, few)
	s.configure(map[string]string{"srcPrefix": "00"})
	body, err := message.Object{Run: "earlier", Key: "deadly", Size: 1, ETag: "e", Op: message.Copy}.Encode()
	s.must(err)
	s.dead.Send(body)
	s.dead.Send("hello")
	r := s.whole()
	if r.State != run.Copying || r.DeadLetters != 1 || r.Unreadable != 1 {
		t.Errorf("the run is %+v", r)
	}
	rows, err := s.ledger.Get(t.Context(), []string{"deadly"})
	if s.must(err); rows["deadly"].Status != ledger.Failed || rows["deadly"].RunID != "earlier" {
		t.Errorf("the record is %+v", rows)
	}
}

// What the look at both ends finds is on record, not only in the log of a machine that is gone.
func TestRefusingEndIsOnRecord(t *testing.T) {
	s := newStack(t, few)
	s.configure(map[string]string{"srcBucket": "nothere"})
	cmd, stderr := s.finder()
	var exit *exec.ExitError
	if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("%v\n%s", err, stderr)
	}
	if r := s.latest(); r.State != run.Failed || !strings.Contains(r.Error, "nothere") || r.Finished.IsZero() {
		t.Errorf("the run is %+v", r)
	}
}

// With a fleet of no worker the finder aborts the uploads that a worker created and died before recording: its own task's, and
// nobody else's.
func TestLostUploadsAreSwept(t *testing.T) {
	s := newStack(t, few)
	s.configure(map[string]string{"srcPrefix": "00"})
	end, err := storeaws.Open(t.Context(), job.Endpoint{Provider: job.S3Compatible, Bucket: "destination-bucket", URL: s.dst.URL(), Access: job.Access{Secret: "s"}},
		storeaws.Options{Secrets: secret{}})
	s.must(err)
	defer end.Close()
	s.behind.Store(int64(time.Hour))
	for _, key := range []string{"copy/lost", "copy/somebody else's"} {
		_, err := end.CreateUpload(t.Context(), key, store.Attributes{})
		s.must(err)
	}
	s.behind.Store(0)
	s.must(s.uploads.PutIntent(t.Context(), multipart.Intent{DestinationKey: "copy/lost", ID: "i", At: time.Now().Add(-time.Hour - time.Minute), Worker: "dead"}))
	s.whole()
	open, err := end.Uploads(t.Context(), "")
	s.must(err)
	if len(open) != 1 || open[0].Key != "copy/somebody else's" {
		t.Errorf("open are %v", open)
	}
	if left, err := s.uploads.Intents(t.Context()); err != nil || len(left) != 0 {
		t.Errorf("intents are left: %v, %v", left, err)
	}
}

type secret struct{}

func (secret) Secret(context.Context, string) (string, error) {
	return `{"access_key_id":"test","secret_access_key":"test"}`, nil
}
