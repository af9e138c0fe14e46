package solo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/ledger/ledgersqlite"
	"github.com/datatransferhub/dth/worker/multipart/multipartsqlite"
	"github.com/datatransferhub/dth/worker/queue/queuesqlite"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/run/runsqlite"
	"github.com/datatransferhub/dth/worker/s3sim"
	"github.com/datatransferhub/dth/worker/solo"
	"github.com/datatransferhub/dth/worker/store/storeaws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is two simulated stores and what a transfer between them needs.
type world struct {
	t                *testing.T
	srcSim, dstSim   *s3sim.Sim
	src, dst         *s3sim.Bucket
	srcURL, dstURL   string
	job              job.Job
	state            string // file of the records; empty: new ones for every run
	handBack         time.Duration
	sinks            []diff.Sink
	runs             int
	lastLedger       map[string]ledger.Record
	progressDeadline time.Duration
	drain            time.Duration
}

type secrets struct{}

func (secrets) Secret(context.Context, string) (string, error) {
	text, err := json.Marshal(map[string]string{"access_key_id": "test", "secret_access_key": "test-secret"})
	return string(text), err
}

func newWorld(t *testing.T, source, destination s3sim.Options) *world {
	t.Helper()
	w := &world{t: t, srcSim: s3sim.New(source), dstSim: s3sim.New(destination), job: job.Defaults(), handBack: 10 * time.Millisecond}
	w.src, w.dst = w.srcSim.Bucket("src"), w.dstSim.Bucket("dst")
	var err error
	if w.srcURL, err = w.srcSim.Start(); err != nil {
		t.Fatal(err)
	}
	if w.dstURL, err = w.dstSim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.srcSim.Close(); w.dstSim.Close() })
	w.job.Source = job.Endpoint{Provider: job.S3Compatible, Bucket: "src", URL: w.srcURL, Access: job.Access{Secret: "keys"}}
	w.job.Destination = job.Endpoint{Provider: job.S3Compatible, Bucket: "dst", URL: w.dstURL, Access: job.Access{Secret: "keys"}}
	return w
}

func (w *world) open(e job.Endpoint) *storeaws.Bucket {
	w.t.Helper()
	b, err := storeaws.Open(context.Background(), e, storeaws.Options{Secrets: secrets{}, Progress: w.progressDeadline})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(b.Close)
	return b
}

// outcome is what a run says of itself, in one place.
type outcome struct {
	*solo.Result
	done, failed, gone, skipped, deleted int64
	methods                              map[string]int64
}

func (w *world) run(ctx context.Context) (*outcome, error) {
	w.t.Helper()
	path := w.state
	if path == "" {
		path = filepath.Join(w.t.TempDir(), "records.db")
	}
	db, err := databasesqlite.Open(context.Background(), path)
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close()
	must := func(err error) {
		w.t.Helper()
		if err != nil {
			w.t.Fatal(err)
		}
	}
	bg := context.Background()
	q, err := queuesqlite.Open(bg, db, "task")
	must(err)
	l, err := ledgersqlite.Open(bg, db, "task")
	must(err)
	r, err := runsqlite.Open(bg, db, "task")
	must(err)
	u, err := multipartsqlite.Open(bg, db, "task")
	must(err)
	w.runs++
	source, destination := w.open(w.job.Source), w.open(w.job.Destination)
	w.lastLedger = map[string]ledger.Record{}
	res, err := solo.Run(ctx, solo.Config{
		Job: &w.job, Source: source, Destination: destination, Shared: destination.Shares(source), Queue: q, Ledger: l, Runs: r, Uploads: u,
		Resumable: w.state != "", RunID: fmt.Sprintf("run-%d", w.runs), Trigger: "manual", SpillDir: w.t.TempDir(), HandBack: w.handBack, Drain: w.drain, Prove: true,
		Sinks: w.sinks, OnOutcome: func(rec ledger.Record) { w.lastLedger[rec.Key] = rec },
	})
	if res == nil {
		return nil, err
	}
	return count(res), err
}

func count(res *solo.Result) *outcome {
	o := &outcome{Result: res, methods: map[string]int64{}}
	for _, c := range res.Counters {
		for name, t := range c.Outcomes {
			status, detail := name, ""
			if i := bytes.IndexByte([]byte(name), ':'); i >= 0 {
				status, detail = name[:i], name[i+1:]
			}
			switch ledger.Status(status) {
			case ledger.Done:
				o.done += t.Objects
				o.methods[detail] += t.Objects
			case ledger.Failed:
				o.failed += t.Objects
			case ledger.Gone:
				o.gone += t.Objects
			case ledger.Skipped:
				o.skipped += t.Objects
			case ledger.Deleted:
				o.deleted += t.Objects
			case ledger.InProgress:
			}
		}
	}
	return o
}

func (w *world) mustRun() *outcome {
	w.t.Helper()
	o, err := w.run(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	if len(o.Run.Remaining) > 0 {
		w.t.Fatalf("the proof found differences: %v", o.Run.Remaining)
	}
	return o
}

// equal fails unless every source object lies at the destination with the same bytes.
func (w *world) equal() {
	w.t.Helper()
	keys := w.job.KeyMap()
	for _, o := range w.src.Objects() {
		dest, ok := keys.Destination(o.Key)
		if !ok {
			continue
		}
		copied := w.dst.Get(dest)
		if copied == nil {
			w.t.Errorf("%q is missing", dest)
			continue
		}
		if !bytes.Equal(read(w.t, copied), read(w.t, o)) {
			w.t.Errorf("%q has other bytes", dest)
		}
	}
	if n := w.dst.OpenUploads(); n != 0 {
		w.t.Errorf("%d uploads are open", n)
	}
}

func read(t *testing.T, o *s3sim.Object) []byte {
	t.Helper()
	var data bytes.Buffer
	if err := o.Content.WriteRange(&data, 0, o.Size()); err != nil {
		t.Fatalf("reading %q: %v", o.Key, err)
	}
	return data.Bytes()
}

func body(n int, seed byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7) ^ seed ^ byte(i>>8)
	}
	return b
}

func TestCopiesEverythingOnce(t *testing.T) {
	w := newWorld(t, s3sim.Options{}, s3sim.Options{})
	sizes := []int{0, 1, 4096, 256 << 10, 256<<10 + 1, 1 << 20, 3<<20 + 17}
	for i, n := range sizes {
		w.src.Put(s3sim.Object{
			Key: fmt.Sprintf("a/%d", i), Content: s3sim.Bytes(body(n, byte(i))),
			Headers: map[string]string{"Content-Type": "text/x", "Cache-Control": "no-store"}, Metadata: map[string]string{"k": "v"}, Tags: map[string]string{"t": "1 &=2"},
		})
	}
	w.job.IncludeTags = true
	o := w.mustRun()
	w.equal()
	if o.done != int64(len(sizes)) || o.methods["stream"] != int64(len(sizes)) {
		t.Errorf("done %d by %v", o.done, o.methods)
	}
	for _, rec := range w.lastLedger {
		if rec.VerifiedBy != "crc64nvme" {
			t.Errorf("%s was verified by %q", rec.Key, rec.VerifiedBy)
		}
	}
	copied := w.dst.Get("a/2")
	if copied.Headers["Content-Type"] != "text/x" || copied.Headers["Cache-Control"] != "no-store" || copied.Metadata["k"] != "v" || copied.Tags["t"] != "1 &=2" {
		t.Errorf("attributes are %v %v %v", copied.Headers, copied.Metadata, copied.Tags)
	}
	if o := w.mustRun(); o.done != 0 || o.Run.Finder.Decisions["same"].Objects != int64(len(sizes)) {
		t.Errorf("a second run copied %d: %v", o.done, o.Run.Finder.Decisions)
	}
}

// Destinations that encrypt with KMS, or that were written in parts, have ETags that are no hashes.
func TestDestinationWithOpaqueETagsConverges(t *testing.T) {
	for _, q := range map[string]s3sim.Quirks{"opaque": {OpaqueETags: true}, "opaque, no checksums": {OpaqueETags: true, NoChecksums: true}, "kms": {DefaultSSE: "aws:kms"}, "foreign": {ForeignETag: true}} {
		for _, state := range []bool{true, false} {
			t.Run(fmt.Sprintf("%+v state=%v", q, state), func(t *testing.T) {
				w := newWorld(t, s3sim.Options{}, s3sim.Options{Quirks: q})
				if state {
					w.state = filepath.Join(t.TempDir(), "state.db")
				}
				old := time.Now().Add(-time.Hour)
				for i := range 30 {
					w.src.Put(s3sim.Object{Key: fmt.Sprintf("k%02d", i), Content: s3sim.Bytes(body(1000, byte(i))), Modified: old})
				}
				if o := w.mustRun(); o.done != 30 {
					t.Fatalf("copied %d of 30", o.done)
				}
				w.equal()
				if o := w.mustRun(); o.done != 0 {
					t.Errorf("a second run copied %d: %v", o.done, o.Run.Finder.Decisions)
				}
				time.Sleep(1100 * time.Millisecond) // listings of some stores show whole seconds
				w.src.PutBytes("k07", body(1000, 99))
				o := w.mustRun()
				if o.done != 1 {
					t.Errorf("a same-size edit: copied %d: %v", o.done, o.Run.Finder.Decisions)
				}
				w.equal()
			})
		}
	}
}

func TestSameSizeEditOlderThanTheCopyIsFound(t *testing.T) {
	w := newWorld(t, s3sim.Options{}, s3sim.Options{})
	w.src.PutBytes("a", body(1000, 1))
	w.mustRun()
	// Restored from a backup, say: other bytes, with a time before that of the copy.
	w.src.Put(s3sim.Object{Key: "a", Content: s3sim.Bytes(body(1000, 2)), Modified: time.Now().Add(-48 * time.Hour)})
	if o := w.mustRun(); o.done != 1 || o.Run.Finder.Decisions["changed:etag"].Objects != 1 {
		t.Errorf("done %d, %v", o.done, o.Run.Finder.Decisions)
	}
	w.equal()
}

func TestArchivedObjects(t *testing.T) {
	w := newWorld(t, s3sim.Options{}, s3sim.Options{})
	w.src.Put(s3sim.Object{Key: "cold", Content: s3sim.Bytes(body(10, 1)), StorageClass: "GLACIER"})
	w.src.PutBytes("warm", body(10, 2))
	data := body(10, 3)
	w.src.PutBytes("copied", data)
	w.dst.Put(s3sim.Object{Key: "copied", Content: s3sim.Bytes(data), StorageClass: "DEEP_ARCHIVE"})
	o := w.mustRun()
	d := o.Run.Finder.Decisions
	if o.done != 1 || d["skipped:archived"].Objects != 1 || d["same"].Objects != 1 {
		t.Errorf("done %d, %v", o.done, d)
	}
}

// A source that is overwritten while it is read never gives a mixed object, whether the store honours If-Match or not.
func TestSourceOverwrittenInMidCopy(t *testing.T) {
	for _, ignores := range []bool{false, true} {
		for _, size := range []int{200 << 10, 2 << 20, 140 << 20} {
			t.Run(fmt.Sprintf("ignores If-Match=%v size=%d", ignores, size), func(t *testing.T) {
				w := newWorld(t, s3sim.Options{Quirks: s3sim.Quirks{IgnoresReadIfMatch: ignores}, Fault: breakOnce(int64(size / 3))}, s3sim.Options{})
				older := w.src.PutPattern("a", int64(size), 1)
				w.srcSim.OnBodyOffset("src", "a", int64(size/4), func() { w.src.PutPattern("a", int64(size), 2) })
				o, err := w.run(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				if o.done != 1 {
					t.Errorf("done %d: %+v", o.done, w.lastLedger)
				}
				// The old version, whole, is as good as the new one: the next run finds the new one.
				if got := read(t, w.dst.Get("a")); !bytes.Equal(got, read(t, older)) {
					w.equal()
				}
				w.mustRun()
				w.equal()
			})
		}
	}
}

// breakOnce resets the first read of an object in its middle, so that it has to be resumed.
func breakOnce(at int64) func(s3sim.Call) s3sim.Fault {
	var done atomic.Bool
	return func(c s3sim.Call) s3sim.Fault {
		if c.Op == "GetObject" && done.CompareAndSwap(false, true) {
			return s3sim.Fault{Body: s3sim.Reset, After: at}
		}
		return s3sim.Fault{}
	}
}

func TestSourceDeletedInMidCopyIsGone(t *testing.T) {
	for _, size := range []int64{2 << 20, 140 << 20} {
		w := newWorld(t, s3sim.Options{Fault: breakOnce(1 << 20)}, s3sim.Options{})
		w.src.PutPattern("a", size, 1)
		w.srcSim.OnBodyOffset("src", "a", 1<<19, func() { w.src.Delete("a") })
		o, err := w.run(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if o.gone != 1 || w.dst.Get("a") != nil || w.dst.OpenUploads() != 0 {
			t.Errorf("size %d: gone %d, at the destination %v, %d uploads open", size, o.gone, w.dst.Get("a"), w.dst.OpenUploads())
		}
	}
}

// Every kind of fault, one request in five, and all objects arrive.
func TestFaultsAreOvercome(t *testing.T) {
	kinds := map[string]s3sim.Fault{
		"503":          {Status: 503},
		"500":          {Status: 500},
		"429":          {Status: 429, Code: "TooManyRequests"},
		"reset":        {Body: s3sim.Reset, After: 3000},
		"reset early":  {Body: s3sim.Reset},
		"truncated":    {Body: s3sim.Truncate, After: 100},
		"stall":        {Body: s3sim.Stall, After: 100},
		"corrupt":      {Body: s3sim.CorruptByte, After: 500},
		"lost answers": {LoseAnswer: true},
	}
	for name, fault := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			every := func(c s3sim.Call) s3sim.Fault {
				if c.Number%5 == 3 && (c.Op == "GetObject" || c.Op == "PutObject" || c.Op == "ListObjectsV2" || c.Op == "HeadObject") {
					if fault.Body == s3sim.CorruptByte && c.Op != "GetObject" {
						return s3sim.Fault{}
					}
					return fault
				}
				return s3sim.Fault{}
			}
			w := newWorld(t, s3sim.Options{Fault: every}, s3sim.Options{Fault: every})
			w.progressDeadline = 300 * time.Millisecond
			for i := range 60 {
				w.src.PutBytes(fmt.Sprintf("k%02d", i), body(5000+i, byte(i)))
			}
			o := w.mustRun()
			w.equal()
			if o.done != 60 || o.failed != 0 {
				t.Errorf("done %d, failed %d", o.done, o.failed)
			}
		})
	}
}

// A run that is stopped in the middle of a large object goes on with the parts that are there.
func TestPartsSurviveAStop(t *testing.T) {
	const size = 400 << 20 // seven parts
	w := newWorld(t, s3sim.Options{}, s3sim.Options{Keep: s3sim.KeepSums})
	w.state = filepath.Join(t.TempDir(), "state.db")
	w.src.PutPattern("big", size, 1)
	w.drain = time.Millisecond
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var once sync.Once
	w.srcSim.OnBodyOffset("src", "big", size*9/10, func() { once.Do(stop); time.Sleep(100 * time.Millisecond) })
	if _, err := w.run(ctx); err == nil {
		t.Fatal("the stopped run ended without an error")
	}
	before := w.dstSim.Stats().Operations["UploadPart"]
	o := w.mustRun()
	sent := w.dstSim.Stats().Operations["UploadPart"] - before
	if o.methods["multipart"] != 1 || w.dst.OpenUploads() != 0 {
		t.Errorf("%v, %d uploads open", o.methods, w.dst.OpenUploads())
	}
	t.Logf("%d parts were sent before the stop, %d after it", before, sent)
	if before > 0 && sent >= 7 {
		t.Errorf("all %d parts were sent again", sent)
	}
	if got, want := w.dst.Get("big").Sum, w.src.Get("big").Sum; got != want {
		t.Errorf("checksum %v, want %v", got, want)
	}
}

func TestDeleteExtraneous(t *testing.T) {
	w := newWorld(t, s3sim.Options{}, s3sim.Options{})
	w.job.DeleteExtraneous = true
	for i := range 20 {
		w.src.PutBytes(fmt.Sprintf("k%02d", i), body(10, byte(i)))
	}
	w.mustRun()
	w.dst.PutBytes("stranger", body(10, 1))
	if o := w.mustRun(); o.deleted != 1 || w.dst.Get("stranger") != nil {
		t.Errorf("deleted %d, stranger is %v", o.deleted, w.dst.Get("stranger"))
	}
	for i := range 10 {
		w.src.Delete(fmt.Sprintf("k%02d", i))
	}
	if _, err := w.run(context.Background()); err == nil {
		t.Error("half of the destination was deleted without asking")
	}
	if w.dst.Len() != 20 {
		t.Errorf("%d objects are left of 20", w.dst.Len())
	}
}

func TestPrefixesAndStripping(t *testing.T) {
	w := newWorld(t, s3sim.Options{}, s3sim.Options{})
	w.job.Source.Prefix, w.job.Destination.Prefix, w.job.StripSourcePrefix = "in/", "/out//", true
	for _, k := range []string{"in/", "in/a", "in/b/c", "in//d", "inside", "other"} {
		w.src.PutBytes(k, []byte(k))
	}
	w.dst.PutBytes("/out/", nil)
	o := w.mustRun()
	for _, k := range []string{"/out/a", "/out/b/c", "/out//d"} {
		if w.dst.Get(k) == nil {
			t.Errorf("%q is missing", k)
		}
	}
	if o.done != 3 || o.Run.Finder.Decisions["skipped:unmappable"].Objects != 1 || w.dst.Len() != 4 {
		t.Errorf("done %d, %v, %d at the destination", o.done, o.Run.Finder.Decisions, w.dst.Len())
	}
	if o := w.mustRun(); o.done != 0 {
		t.Errorf("a second run copied %d", o.done)
	}
}

// Every provider's profile is read, and a second run finds nothing to do.
func TestEveryProviderAsSource(t *testing.T) {
	for _, p := range []job.Provider{job.AmazonS3, job.AliyunOSS, job.QiniuKodo, job.TencentCOS, job.HuaweiOBS, job.GoogleGCS, job.S3Compatible} {
		t.Run(string(p), func(t *testing.T) {
			q, err := s3sim.Profile(string(p))
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t, s3sim.Options{Quirks: q}, s3sim.Options{})
			w.job.Source.Provider = p
			for i := range 2500 {
				w.src.PutBytes(fmt.Sprintf("d%d/k %04d+é", i%7, i), []byte{byte(i)})
			}
			w.src.PutPattern("large", 3<<20, 4)
			o := w.mustRun()
			w.equal()
			if o.done != 2501 {
				t.Errorf("done %d: %v", o.done, o.Run.Finder)
			}
			if o := w.mustRun(); o.done != 0 {
				t.Errorf("a second run copied %d: %v", o.done, o.Run.Finder.Decisions)
			}
		})
	}
}

func TestCountersEqualTheLedger(t *testing.T) {
	w := newWorld(t, s3sim.Options{}, s3sim.Options{Fault: func(c s3sim.Call) s3sim.Fault {
		if c.Op == "PutObject" && len(c.Key) > 4 && c.Key[:4] == "fail" {
			return s3sim.Fault{Status: 400, Code: "InvalidArgument"}
		}
		return s3sim.Fault{}
	}})
	for i := range 40 {
		w.src.PutBytes(fmt.Sprintf("k%02d", i), []byte{1})
		if i < 7 {
			w.src.PutBytes(fmt.Sprintf("fail%d", i), []byte{1})
		}
	}
	o, err := w.run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if o.done != 40 || o.failed != 7 || o.Named != 7 || len(o.Run.Remaining) != 0 || o.Run.State != run.Done {
		t.Errorf("done %d, failed %d, named %d, remaining %v, state %s", o.done, o.failed, o.Named, o.Run.Remaining, o.Run.State)
	}
	if rec := w.lastLedger["fail3"]; rec.ErrorClass != "destination_refuses" || rec.Status != ledger.Failed {
		t.Errorf("record of a failed object: %+v", rec)
	}
}
