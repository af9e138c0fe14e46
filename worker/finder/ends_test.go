package finder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/endpoint"
	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// end is an end of a transfer in memory.
type end struct {
	provider job.Provider
	objects  []store.Object // in the order of less
	less     func(a, b string) bool
	page     int
	pause    func()
	files    map[string]string // contents of objects that are read
	kms      bool

	noStartAfter bool

	mu    sync.Mutex
	calls int
	fail  error // of every list call after the first few
	from  int
}

func newEnd(page int, objects ...store.Object) *end {
	e := &end{provider: job.AmazonS3, objects: slices.Clone(objects), page: page}
	return e.order(func(a, b string) bool { return a < b })
}

func (e *end) order(less func(a, b string) bool) *end {
	e.less = less
	sort.Slice(e.objects, func(i, j int) bool { return less(e.objects[i].Key, e.objects[j].Key) })
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
	if e.noStartAfter && r.StartAfter != "" {
		return nil, errors.New("start-after is not supported")
	}
	if e.pause != nil {
		e.pause()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	i := 0
	switch {
	case r.Token != "":
		i, _ = strconv.Atoi(r.Token)
	case r.StartAfter != "":
		i = sort.Search(len(e.objects), func(i int) bool { return e.less(r.StartAfter, e.objects[i].Key) })
	}
	limit := e.page
	if r.MaxKeys > 0 {
		limit = min(limit, r.MaxKeys)
	}
	page := &store.Page{}
	for ; i < len(e.objects); i++ {
		if !strings.HasPrefix(e.objects[i].Key, r.Prefix) {
			continue
		}
		if len(page.Objects) == limit {
			page.Next = strconv.Itoa(i)
			break
		}
		page.Objects = append(page.Objects, e.objects[i])
	}
	return page, nil
}

func (e *end) Head(_ context.Context, key, _ string) (store.Info, error) {
	return store.Info{}, &failure.Error{Class: failure.NotFound, Op: "HeadObject", Target: key}
}

func (e *end) Get(_ context.Context, r store.GetRequest) (*store.Body, error) {
	text, ok := e.files[r.Key]
	if !ok {
		return nil, &failure.Error{Class: failure.NotFound, Op: "GetObject", Target: r.Key}
	}
	return &store.Body{ReadCloser: io.NopCloser(strings.NewReader(text))}, nil
}

func (e *end) UsesKMS(context.Context) bool { return e.kms }

func (e *end) Capabilities() endpoint.Capabilities {
	c, err := endpoint.Of(e.provider)
	if err != nil {
		panic(err)
	}
	return c
}

// recorder is a sink that wants to hear of every name once.
type recorder struct {
	mu  sync.Mutex
	got map[string]string
}

func newRecorder() *recorder { return &recorder{got: map[string]string{}} }

func (r *recorder) Decide(_ context.Context, batch []diff.Decision) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range batch {
		key := v.Source.Key
		if v.Kind == diff.Extraneous {
			key = v.Destination.Key
		}
		key = string(v.Kind) + ":" + key
		if _, twice := r.got[key]; twice {
			return fmt.Errorf("%s was told twice", key)
		}
		r.got[key] = v.Reason
	}
	return nil
}

// outbox is a queue that remembers what was sent.
type outbox struct {
	mu   sync.Mutex
	sent []message.Object
	err  error
}

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
	return nil
}

func (q *outbox) keys(op message.Op) []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	var out []string
	for _, m := range q.sent {
		if m.Op == op {
			out = append(out, m.Key)
		}
	}
	slices.Sort(out)
	return out
}
