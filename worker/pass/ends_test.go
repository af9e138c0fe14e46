package pass_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/endpoint"
	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/pass"
	"github.com/datatransferhub/dth/worker/queue"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/run/runsqlite"
	"github.com/datatransferhub/dth/worker/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// end is an end of a transfer in memory, whose pages take a while.
type end struct {
	keys  []string // in order
	takes time.Duration

	mu    sync.Mutex
	calls int
	given int   // objects
	fail  error // of calls from that number on
	from  int
}

func newEnd(n int) *end {
	e := &end{takes: time.Second}
	for i := range n {
		e.keys = append(e.keys, fmt.Sprintf("k%07d", i))
	}
	return e
}

func (e *end) List(ctx context.Context, r store.ListRequest) (*store.Page, error) {
	e.mu.Lock()
	e.calls++
	failed := e.fail != nil && e.calls > e.from
	e.mu.Unlock()
	if failed {
		return nil, e.fail
	}
	select {
	case <-time.After(e.takes):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	i := sort.SearchStrings(e.keys, r.StartAfter+"\x00")
	if r.Token != "" {
		i, _ = strconv.Atoi(r.Token)
	}
	limit := 1000
	if r.MaxKeys > 0 {
		limit = r.MaxKeys
	}
	page := &store.Page{}
	for ; i < len(e.keys) && len(page.Objects) < limit; i++ {
		page.Objects = append(page.Objects, store.Object{Key: e.keys[i], Size: int64(i), ETag: fmt.Sprintf("%032x", i)})
	}
	if i < len(e.keys) {
		page.Next = strconv.Itoa(i)
	}
	e.mu.Lock()
	e.given += len(page.Objects)
	e.mu.Unlock()
	return page, nil
}

func (e *end) Head(_ context.Context, key, _ string) (store.Info, error) {
	return store.Info{}, &failure.Error{Class: failure.NotFound, Op: "HeadObject", Target: key}
}

func (e *end) Get(_ context.Context, r store.GetRequest) (*store.Body, error) {
	return nil, &failure.Error{Class: failure.NotFound, Op: "GetObject", Target: r.Key}
}

func (e *end) UsesKMS(context.Context) bool { return false }

func (e *end) Capabilities() endpoint.Capabilities {
	c, err := endpoint.Of(job.AmazonS3)
	if err != nil {
		panic(err)
	}
	return c
}

// outbox is a queue that remembers what was sent.
type outbox struct {
	mu    sync.Mutex
	sent  []message.Object
	depth queue.Depth
	err   error
	// breakAfter is after how many sends one is cut off: it is carried out, and its answer lost. 0: none is.
	breakAfter int
}

var errBroken = errors.New("the connection broke")

func (q *outbox) Send(_ context.Context, bodies []string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return q.err
	}
	for _, b := range bodies {
		m, err := message.Decode(b)
		if err != nil {
			return err
		}
		q.sent = append(q.sent, m.(message.Object))
	}
	if q.breakAfter--; q.breakAfter == 0 {
		return errBroken
	}
	return nil
}

func (q *outbox) Depth(context.Context) (queue.Depth, error) { return q.depth, nil }

// keys returns the distinct keys that were queued, and how many messages there were.
func (q *outbox) keys(op message.Op) ([]string, int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []string
	for _, m := range q.sent {
		if m.Op == op {
			out = append(out, m.Key)
		}
	}
	n := len(out)
	slices.Sort(out)
	return slices.Compact(out), n
}

// task is a task with everything a pass needs.
type task struct {
	pass.Config
	job      job.Job
	src, dst *end
	queue    *outbox
	runs     *runsqlite.Runs
}

// newTask has n objects at the source and none at the destination.
func newTask(t *testing.T, n int) *task {
	t.Helper()
	db, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "runs.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	runs, err := runsqlite.Open(t.Context(), db, "task")
	if err != nil {
		t.Fatal(err)
	}
	k := &task{job: job.Defaults(), src: newEnd(n), dst: newEnd(0), queue: &outbox{}, runs: runs}
	k.Config = pass.Config{
		Job: &k.job, Source: k.src, Destination: k.dst, Queue: k.queue, Runs: runs,
		Version: "v1", Holder: "host-a", SpillDir: t.TempDir(), Concurrency: 4,
	}
	return k
}

// runs is what the table holds, the oldest first: "STATE trigger".
func (k *task) states(t *testing.T) string {
	t.Helper()
	runs, err := k.runs.Latest(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, r := range runs {
		out = append(out, string(r.State))
	}
	slices.Reverse(out)
	return strings.Join(out, " ")
}

func (k *task) checkpoint(t *testing.T, id string) []byte {
	t.Helper()
	doc, err := k.runs.Checkpoint(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func (k *task) create(t *testing.T, r run.Run, counters ...run.Counters) {
	t.Helper()
	if err := k.runs.Create(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	for _, c := range counters {
		if err := k.runs.PutCounters(t.Context(), r.ID, c); err != nil {
			t.Fatal(err)
		}
	}
}
