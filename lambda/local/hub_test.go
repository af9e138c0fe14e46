package local_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/datatransferhub/dth/lambda/local"
	"github.com/datatransferhub/dth/lambda/local/localsqlite"
	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/ledger/ledgersqlite"
	"github.com/datatransferhub/dth/worker/multipart/multipartsqlite"
	"github.com/datatransferhub/dth/worker/queue/queuesqlite"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/run/runsqlite"
	"github.com/datatransferhub/dth/worker/s3sim"
	"github.com/datatransferhub/dth/worker/store/storeaws"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// desk is a machine with two simulated stores and one database.
type desk struct {
	t              *testing.T
	srcSim, dstSim *s3sim.Sim
	srcURL, dstURL string
	db             *sql.DB
	ahead          atomic.Int64 // of the clock
	down           atomic.Bool  // opening a task fails

	mu     sync.Mutex
	status map[string]local.Status
	closed map[string][]run.Run
	opened map[string]int
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, srcSim: s3sim.New(s3sim.Options{}), dstSim: s3sim.New(s3sim.Options{MinPartSize: 1}), status: map[string]local.Status{}, closed: map[string][]run.Run{}, opened: map[string]int{}}
	var err error
	d.srcURL, err = d.srcSim.Start()
	d.must(err)
	d.dstURL, err = d.dstSim.Start()
	d.must(err)
	t.Cleanup(func() { d.srcSim.Close(); d.dstSim.Close() })
	d.db, err = databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "dth.db"))
	d.must(err)
	t.Cleanup(func() { d.db.Close() })
	return d
}

func (d *desk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) now() time.Time { return time.Now().Add(time.Duration(d.ahead.Load())) }

// task is the text of a task between the buckets of its name; more are further lines.
func (d *desk) task(name string, more ...string) string {
	d.srcSim.Bucket(name + "-src")
	d.dstSim.Bucket(name + "-dst")
	lines := []string{
		"- name: " + name, "  parameters:", "    srcType: S3_Compatible", "    srcEndpoint: " + d.srcURL, "    srcBucket: " + name + "-src", "    srcCredentials: keys",
		"    destType: S3_Compatible", "    destEndpoint: " + d.dstURL, "    destBucket: " + name + "-dst", "    destCredentials: keys",
	}
	return strings.Join(append(lines, more...), "\n") + "\n"
}

func (d *desk) tasks(texts ...string) []local.Task {
	d.t.Helper()
	tasks, err := local.ParseTasks([]byte("tasks:\n" + strings.Join(texts, "")))
	d.must(err)
	return tasks
}

type keys struct{}

func (keys) Secret(context.Context, string) (string, error) {
	return `{"access_key_id":"test","secret_access_key":"test"}`, nil
}

func (d *desk) open(ctx context.Context, t local.Task) (local.Parts, error) {
	if d.down.Load() {
		return local.Parts{}, errors.New("no way")
	}
	d.mu.Lock()
	d.opened[t.Name]++
	d.mu.Unlock()
	var p local.Parts
	source, err := storeaws.Open(ctx, t.Job.Source, storeaws.Options{Secrets: keys{}})
	if err != nil {
		return p, err
	}
	destination, err := storeaws.Open(ctx, t.Job.Destination, storeaws.Options{Secrets: keys{}})
	if err != nil {
		source.Close()
		return p, err
	}
	q, err := queuesqlite.Open(ctx, d.db, t.Name)
	if err == nil {
		p.Queue, p.DeadLetters = q, q.DeadLetters()
		err = q.ReleaseLeases(ctx)
	}
	if err == nil {
		p.Ledger, err = ledgersqlite.Open(ctx, d.db, t.Name)
	}
	if err == nil {
		p.Runs, err = runsqlite.Open(ctx, d.db, t.Name)
	}
	if err == nil {
		p.Uploads, err = multipartsqlite.Open(ctx, d.db, t.Name)
	}
	if err == nil {
		p.Position, err = localsqlite.OpenPosition(ctx, d.db, t.Name)
	}
	p.Source, p.Destination = source, destination
	p.Close = func() {
		source.Close()
		destination.Close()
		if q != nil {
			q.Close()
		}
	}
	if err != nil {
		p.Close()
	}
	return p, err
}

func (d *desk) hub() *local.Hub {
	return &local.Hub{
		Open: d.open, Log: slog.New(slog.NewTextHandler(d.t.Output(), nil)), Beat: 5 * time.Millisecond, Retry: 10 * time.Millisecond, Now: d.now,
		OnChange: func(s local.Status) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.status[s.Task] = s
		},
		OnClosed: func(task string, r run.Run, _ []run.Counters) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.closed[task] = append(d.closed[task], r)
		},
	}
}

// start runs a hub until the returned function is called, or the test ends.
func (d *desk) start(h *local.Hub, changed <-chan local.Change, tasks ...local.Task) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := h.Run(ctx, tasks, changed); !errors.Is(err, context.Canceled) {
			d.t.Errorf("the hub ended with %v", err)
		}
	}()
	stop = func() { cancel(); <-done }
	d.t.Cleanup(stop)
	return stop
}

func (d *desk) runs(task string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.closed[task])
}

func (d *desk) state(task string) local.Status {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.status[task]
}

func (d *desk) until(what string, holds func() bool) {
	d.t.Helper()
	for end := time.Now().Add(3 * time.Minute); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.t.Fatalf("%s: it did not come about; tasks %+v", what, d.status)
		}
	}
}

func (d *desk) fill(task string, n int) {
	b := d.srcSim.Bucket(task + "-src")
	for i := range n {
		b.PutBytes(fmt.Sprintf("%s/%04d", task, i), []byte(task+fmt.Sprint(i)))
	}
}

// agree reports whether both buckets of a task hold the same.
func (d *desk) agree(task string) bool {
	src, dst := d.srcSim.Bucket(task+"-src"), d.dstSim.Bucket(task+"-dst")
	same, n := true, 0
	for _, o := range src.Objects() {
		n++
		c := dst.Get(o.Key)
		same = same && c != nil && c.ETag == o.ETag
	}
	return same && n == len(dst.Objects())
}

func TestSeveralTasksRunSideBySide(t *testing.T) {
	d := newDesk(t)
	d.fill("one", 300)
	d.fill("two", 200)
	d.start(d.hub(), nil, d.tasks(d.task("one", "  schedule: rate(1 hour)"), d.task("two", "  schedule: once"), d.task("three", "  paused: true"))...)
	d.until("both are copied and proved", func() bool { return d.runs("one") == 1 && d.runs("two") == 1 })
	if !d.agree("one") || !d.agree("two") {
		t.Error("the buckets do not agree")
	}
	if s := d.state("one"); s.Copied != 300 || s.Settled != 300 || s.Left != 0 || s.State != local.Done {
		t.Errorf("status %+v", s)
	}
	if s := d.state("three"); s.State != local.Paused {
		t.Errorf("the paused task is %+v", s)
	}
	d.fill("one", 310)
	d.fill("two", 210)
	d.ahead.Store(int64(61 * time.Minute))
	d.until("the clock ticked for the first", func() bool { return d.runs("one") == 2 })
	d.ahead.Store(int64(-48 * time.Hour)) // put back: nothing runs twice
	d.until("the first is at rest", func() bool {
		n := d.runs("one")
		time.Sleep(200 * time.Millisecond)
		return d.runs("one") == n
	})
	if !d.agree("one") || d.runs("two") != 1 || d.runs("three") != 0 {
		t.Errorf("runs: %d, %d, %d", d.runs("one"), d.runs("two"), d.runs("three"))
	}
}

func TestTasksGoOnAfterARestart(t *testing.T) {
	d := newDesk(t)
	d.fill("one", 2000)
	tasks := d.tasks(d.task("one", "  schedule: once"))
	stop := d.start(d.hub(), nil, tasks...)
	d.until("some are copied", func() bool { return len(d.dstSim.Bucket("one-dst").Objects()) > 50 })
	stop()
	if d.runs("one") != 0 {
		t.Skip("it was through before it was stopped")
	}
	d.start(d.hub(), nil, tasks...)
	d.until("the run is closed", func() bool { return d.runs("one") == 1 })
	// A copy whose answer the stop cut off is found in place, and counted as that.
	if s := d.state("one"); !d.agree("one") || s.Settled != 2000 || s.Failed != 0 {
		t.Errorf("after the restart: %+v", d.state("one"))
	}
}

func TestChangedTasksAreRestartedAloneOthersGoOn(t *testing.T) {
	d := newDesk(t)
	d.fill("one", 10)
	d.fill("two", 10)
	changed := make(chan local.Change)
	d.start(d.hub(), changed, d.tasks(d.task("one", "  schedule: once"), d.task("two", "  schedule: once"))...)
	d.until("both are through", func() bool { return d.runs("one") == 1 && d.runs("two") == 1 })
	d.fill("two", 20)
	d.fill("three", 5)
	changed <- local.Change{Tasks: d.tasks(d.task("one", "  schedule: once"), d.task("two", "  events: {poll: 1s}"), d.task("three", "  schedule: once"))}
	d.until("the changed and the new one ran", func() bool { return d.runs("three") == 1 && d.runs("two") == 2 })
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.opened["one"] != 1 || d.opened["two"] != 2 {
		t.Errorf("tasks were opened %v times", d.opened)
	}
}

func TestATaskThatCannotBeOpenedIsTriedAgain(t *testing.T) {
	d := newDesk(t)
	d.fill("one", 3)
	d.down.Store(true)
	d.start(d.hub(), nil, d.tasks(d.task("one"))...)
	d.until("the failure is told", func() bool { return strings.Contains(d.state("one").Error, "no way") })
	d.down.Store(false)
	d.until("it runs", func() bool { return d.runs("one") == 1 })
}

func TestOnceMakesOneRunOfEach(t *testing.T) {
	d := newDesk(t)
	d.fill("one", 3)
	tasks := d.tasks(d.task("one", "  schedule: rate(1 hour)"), d.task("idle", "  paused: true"))
	for n := 1; n <= 2; n++ {
		h := d.hub()
		h.Once = true
		d.must(h.Run(t.Context(), tasks, nil))
		if d.runs("one") != n || !d.agree("one") {
			t.Errorf("after call %d there are %d runs", n, d.runs("one"))
		}
	}
	h := d.hub()
	h.Once = true
	d.down.Store(true)
	if err := h.Run(t.Context(), tasks, nil); err == nil || !strings.Contains(err.Error(), `task "one": no way`) {
		t.Errorf("the error is %v", err)
	}
}

// TestEvents feeds event messages from a file that grows, is cut and replaced.
func TestEvents(t *testing.T) {
	d := newDesk(t)
	file := filepath.Join(t.TempDir(), "events")
	src, dst := d.srcSim.Bucket("one-src"), d.dstSim.Bucket("one-dst")
	stop := d.start(d.hub(), nil, d.tasks(d.task("one", "    srcEvent: CreateAndDelete", "  schedule: once", "  events: {file: "+file+"}"))...)
	d.until("the first run is closed", func() bool { return d.runs("one") == 1 })
	sequence := 0
	event := func(name, key string) string {
		sequence++
		return fmt.Sprintf(`{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventTime":"2026-11-23T10:00:00.000Z","eventName":%q,"s3":{"bucket":{"name":"one-src"},"object":{"key":%q,"sequencer":"%016X"}}}]}`, name, key, sequence)
	}
	create := func(key string) string {
		src.PutBytes(key, []byte(key))
		return event("ObjectCreated:Put", key)
	}
	there := func(keys ...string) func() bool {
		return func() bool {
			for _, k := range keys {
				if dst.Get(k) == nil {
					return false
				}
			}
			return true
		}
	}
	write := func(mode int, text string) {
		t.Helper()
		f, err := os.OpenFile(file, mode|os.O_WRONLY|os.O_CREATE, 0o600)
		d.must(err)
		_, err = f.WriteString(text)
		d.must(errors.Join(err, f.Close()))
	}
	half := create("b")
	write(os.O_APPEND, create("a")+"\n\n"+half[:20]) // a line that is still being written
	d.until("a is copied", there("a"))
	write(os.O_APPEND, half[20:]+"\nnot json\n"+create("c")+"\n")
	d.until("b and c are copied", there("b", "c"))
	stop()
	write(os.O_APPEND, create("d")+"\n") // written while nobody reads
	d.start(d.hub(), nil, d.tasks(d.task("one", "    srcEvent: CreateAndDelete", "  schedule: once", "  events: {file: "+file+"}"))...)
	d.until("d is copied", there("d"))
	write(os.O_TRUNC, create("e")+"\n") // cut by its writer
	d.until("e is copied", there("e"))
	d.must(os.Remove(file))
	long := create("f") + "\n"
	for i := range 10 {
		long += create(fmt.Sprintf("g%d", i)) + "\n"
	}
	write(0, long) // another file, longer than the one before
	d.until("f and g are copied", there("f", "g0", "g9"))
	src.Delete("a")
	write(os.O_APPEND, event("ObjectRemoved:Delete", "a")+"\n")
	d.until("a is deleted", func() bool { return dst.Get("a") == nil })
	l, err := ledgersqlite.Open(t.Context(), d.db, "one")
	d.must(err)
	d.until("its tombstone is written", func() bool {
		rows, err := l.Get(t.Context(), []string{"a"})
		d.must(err)
		return rows["a"].Status == ledger.Deleted
	})
}

// Events that end in the dead-letter queue are put on record, also of a task that makes no pass any more, and do not stay for ever.
func TestDeadLettersOfEvents(t *testing.T) {
	d := newDesk(t)
	one := d.task("one", "    srcEvent: Create", "  schedule: once", "  events: {file: "+filepath.Join(t.TempDir(), "events")+"}")
	stop := d.start(d.hub(), nil, d.tasks(one)...)
	d.until("the only run is closed", func() bool { return d.runs("one") == 1 })
	stop()
	q, err := queuesqlite.Open(t.Context(), d.db, "one")
	d.must(err)
	defer q.Close()
	d.must(q.DeadLetters().Send(t.Context(), []string{
		`{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventTime":"2026-11-23T10:00:00.000Z","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"one-src"},"object":{"key":"deadly","size":1,"eTag":"e","sequencer":"01"}}}]}`,
	}))
	d.start(d.hub(), nil, d.tasks(one)...)
	l, err := ledgersqlite.Open(t.Context(), d.db, "one")
	d.must(err)
	d.until("the event is on record", func() bool {
		rows, err := l.Get(t.Context(), []string{"deadly"})
		d.must(err)
		return rows["deadly"].Status == ledger.Failed
	})
	d.until("the dead letter is gone", func() bool {
		depth, err := q.DeadLetters().Depth(t.Context())
		d.must(err)
		return depth.Visible+depth.InFlight+depth.Delayed == 0
	})
}
