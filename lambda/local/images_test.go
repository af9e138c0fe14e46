package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image/copier"
	"github.com/datatransferhub/dth/worker/image/imagelist"
	"github.com/datatransferhub/dth/worker/image/imagetest"
	"github.com/datatransferhub/dth/worker/image/plan"
	"github.com/datatransferhub/dth/worker/image/record"
	"github.com/datatransferhub/dth/worker/image/record/recordsqlite"
	"github.com/datatransferhub/dth/worker/image/registry"
	"github.com/datatransferhub/dth/worker/image/skopeo"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/run/runsqlite"
)

// mirror is a task that copies images between two registries in this process.
type mirror struct {
	t        *testing.T
	fill     imagetest.Filler
	parts    ImageParts
	requests *asks
	outcomes atomic.Int64
}

// asks are requests in memory.
type asks struct {
	Requests
	all  []Request
	done map[string]bool
}

func (a *asks) Next(_ context.Context, _ string, kind RequestKind) (Request, error) {
	for _, r := range a.all {
		if r.Kind == kind && !a.done[r.ID] {
			return r, nil
		}
	}
	return Request{}, nil
}

func (a *asks) Get(_ context.Context, id string) (Request, error) {
	for _, r := range a.all {
		if r.ID == id {
			return r, nil
		}
	}
	return Request{}, ErrNoRequest
}

func (a *asks) Done(_ context.Context, id string, _ json.RawMessage) error {
	a.done[id] = true
	return nil
}

func newMirror(t *testing.T, list string) *mirror {
	t.Helper()
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Skip("skopeo is not on this machine (Debian: apt-get install skopeo)")
	}
	from, to := imagetest.Plain(), imagetest.Plain()
	t.Cleanup(from.Close)
	t.Cleanup(to.Close)
	m := &mirror{t: t, fill: imagetest.Filler{Host: strings.TrimPrefix(from.URL, "http://"), Base: 10_000, Layer: 1000}, requests: &asks{done: map[string]bool{}}}
	db, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "r.db"))
	m.must(err)
	t.Cleanup(func() { db.Close() })
	records, err := recordsqlite.Open(t.Context(), db, "mirror")
	m.must(err)
	runs, err := runsqlite.Open(t.Context(), db, "mirror")
	m.must(err)
	tool, err := skopeo.Open(t.Context(), "", t.TempDir())
	m.must(err)
	source, err := registry.Open(m.fill.Host, registry.Options{})
	m.must(err)
	destination, err := registry.Open(strings.TrimPrefix(to.URL, "http://"), registry.Options{})
	m.must(err)
	m.parts = ImageParts{Plan: plan.Config{Source: source, Destination: destination, Untagged: true, Referrers: true, BatchImages: 2}, Tool: tool, Runs: runs, Records: records}
	if list != "" {
		m.parts.Plan.List, err = imagelist.Parse(list)
		m.must(err)
	}
	return m
}

func (m *mirror) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m *mirror) write(tag string, seed uint64) string {
	m.t.Helper()
	digest, err := m.fill.Write(m.t.Context(), "team/app", tag, seed)
	m.must(err)
	return digest
}

func (m *mirror) stack() *ImageStack {
	return &ImageStack{
		Task: Task{Name: "mirror", Type: Images, Events: Feed{Poll: time.Hour}}, ImageParts: m.parts, Version: "v1", Beat: 10 * time.Millisecond, Requests: m.requests,
		OnOutcome: func(string, ledger.Record) { m.outcomes.Add(1) },
	}
}

// until runs a stack until a condition holds of the newest run.
func (m *mirror) until(s *ImageStack, holds func(run.Run) bool) run.Run {
	m.t.Helper()
	ctx, stop := context.WithTimeout(m.t.Context(), 3*time.Minute)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	defer func() { stop(); <-ended }()
	for ctx.Err() == nil {
		latest, err := m.parts.Runs.Latest(ctx, 1)
		if err == nil && len(latest) == 1 && holds(latest[0]) {
			return latest[0]
		}
		time.Sleep(10 * time.Millisecond)
	}
	m.t.Fatal("the run does not come to that")
	return run.Run{}
}

func closed(r run.Run) bool { return !r.Finished.IsZero() }

func (m *mirror) totals(id string) run.Totals {
	counters, err := m.parts.Runs.Counters(m.t.Context(), id)
	m.must(err)
	return run.Total(counters)
}

// A run is planned, copied and proved; one that somebody asks for then finds nothing to do.
func TestImagesAreCopied(t *testing.T) {
	m := newMirror(t, "")
	digest := ""
	for n := range 5 {
		digest = m.write(fmt.Sprint("v", n), uint64(n))
	}
	r := m.until(m.stack(), closed)
	if total := m.totals(r.ID); r.State != run.Done || !r.Proved || r.Finder.Queued != 5 || total.Outcomes[copiedImages].Objects != 5 || len(r.Remaining) != 0 || m.outcomes.Load() != 5 {
		t.Errorf("%+v %+v", r, total)
	}
	if d, err := m.parts.Plan.Destination.Head(t.Context(), "team/app", "v4"); err != nil || d.Digest != digest {
		t.Errorf("%+v %v", d, err)
	}
	m.requests.all = append(m.requests.all, Request{ID: "asked", Kind: RunNow})
	r = m.until(m.stack(), func(r run.Run) bool { return r.ID == "asked" && closed(r) })
	if r.State != run.Done || r.Trigger != "manual" || r.Finder.Queued != 0 || !m.requests.done["asked"] {
		t.Errorf("%+v", r)
	}
}

// What a list names in vain is a failure with its reason; a retry copies what is there by then, and nothing else.
func TestFailedImagesAreRetried(t *testing.T) {
	m := newMirror(t, "team/app:v1, team/app:late, team/app:never")
	m.write("v1", 1)
	r := m.until(m.stack(), closed)
	if total := m.totals(r.ID); r.State != run.Done || total.Outcomes["FAILED"].Objects != 2 || total.Errors["not_found"] != 2 || r.Named != 2 {
		t.Errorf("%+v %+v", r, total)
	}
	m.write("late", 2)
	m.write("v1", 3) // moved meanwhile; nobody asks for it
	body, err := json.Marshal(task.Retry{Keys: []string{"team/app:late"}})
	m.must(err)
	m.requests.all = append(m.requests.all, Request{ID: "again", Kind: Retry, Body: body})
	r = m.until(m.stack(), func(r run.Run) bool { return r.ID == "again" && closed(r) })
	if total := m.totals(r.ID); r.State != run.Done || r.Trigger != run.TriggerRetry || total.Outcomes[copiedImages].Objects != 1 || r.Newer != 1 {
		t.Errorf("%+v %+v", r, total)
	}
	failed, err := m.parts.Records.List(t.Context(), record.Failed, 10, "")
	if err != nil || len(failed.Records) != 1 || failed.Records[0].Tag != "never" {
		t.Errorf("%+v %v", failed, err)
	}
}

// breaking is a skopeo whose process is killed at its third copy.
type breaking struct {
	copier.Tool
	copies atomic.Int64
	kill   context.CancelFunc
}

func (b *breaking) Copy(ctx context.Context, from, to skopeo.End) error {
	if b.copies.Add(1) == 3 {
		b.kill()
		return errors.New("killed")
	}
	return b.Tool.Copy(ctx, from, to)
}

// A run that is cut off is gone on with under its name, and its counters are exact.
func TestImagesGoOnAfterACrash(t *testing.T) {
	m := newMirror(t, "")
	for n := range 6 {
		m.write(fmt.Sprint("v", n), uint64(n))
	}
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	s := m.stack()
	s.Tool = &breaking{Tool: m.parts.Tool, kill: kill}
	m.must(s.Run(ctx))
	latest, err := m.parts.Runs.Latest(t.Context(), 5)
	if err != nil || len(latest) != 1 || latest[0].State != run.Copying {
		t.Fatalf("%+v %v", latest, err)
	}
	r := m.until(m.stack(), closed)
	if total := m.totals(r.ID); r.ID != latest[0].ID || r.State != run.Done || r.Finder.Queued != 6 || total.Outcomes[copiedImages].Objects != 6 || len(total.Outcomes) != 1 {
		t.Errorf("%+v %+v", r, total)
	}
}

// A registry that is away is a failed run with its reason, and the next run is made in its time.
func TestRegistryThatIsAway(t *testing.T) {
	m := newMirror(t, "")
	away, err := registry.Open("127.0.0.1:1", registry.Options{})
	m.must(err)
	m.parts.Plan.Source = away
	r := m.until(m.stack(), closed)
	if r.State != run.Failed || !strings.Contains(r.Error, "127.0.0.1:1") || r.Proved {
		t.Errorf("%+v", r)
	}
}

// A paused task begins nothing, and goes on with what was open when it is resumed.
func TestPausedImages(t *testing.T) {
	m := newMirror(t, "")
	m.write("v1", 1)
	s := m.stack()
	s.Task.Paused, s.Once = true, true
	m.must(s.Run(t.Context()))
	if latest, err := m.parts.Runs.Latest(t.Context(), 5); err != nil || len(latest) != 0 {
		t.Errorf("%+v %v", latest, err)
	}
	if got := s.Status(); got.State != Paused {
		t.Errorf("%+v", got)
	}
	s = m.stack()
	s.Once = true
	m.must(s.Run(t.Context()))
	if latest, err := m.parts.Runs.Latest(t.Context(), 5); err != nil || len(latest) != 1 || latest[0].State != run.Done {
		t.Errorf("%+v %v", latest, err)
	}
}

// Too much to be deleted is a failed run, whose copies were made, and which is not made again and again; what a smaller part is, is
// deleted and counted.
func TestImagesAreDeleted(t *testing.T) {
	m := newMirror(t, "")
	m.write("v1", 1)
	to := imagetest.Filler{Host: m.parts.Plan.Destination.Host(), Base: 1000, Layer: 100}
	_, err := to.Write(t.Context(), "team/app", "old", 9)
	m.must(err)
	m.parts.Plan.Delete, m.parts.Plan.MaxDeleteShare = true, 0.5
	s := m.stack()
	s.Task.Events.Poll = 0
	r := m.until(s, closed)
	if total := m.totals(r.ID); r.State != run.Failed || !r.Proved || !strings.Contains(r.Error, "maxDeleteShare") || total.Outcomes[copiedImages].Objects != 1 || total.Outcomes["DELETED"].Objects != 0 {
		t.Errorf("%+v %+v", r, total)
	}
	s = m.stack()
	s.Task.Events.Poll, s.Now = 0, func() time.Time { return time.Now().Add(time.Hour) }
	if next, _, err := s.next(t.Context()); err != nil || next.ID != "" {
		t.Errorf("it is made again: %+v %v", next, err)
	}
	m.parts.Plan.MaxDeleteShare = 1
	m.requests.all = append(m.requests.all, Request{ID: "asked", Kind: RunNow})
	r = m.until(m.stack(), func(r run.Run) bool { return r.ID == "asked" && closed(r) })
	if total := m.totals(r.ID); r.State != run.Done || r.Finder.Queued != 1 || total.Outcomes["DELETED"].Objects != 1 || len(r.Remaining) != 0 || r.Newer != 0 {
		t.Errorf("%+v %+v", r, total)
	}
	if _, err := m.parts.Plan.Destination.Head(t.Context(), "team/app", "old"); !failure.Is(err, failure.NotFound) {
		t.Errorf("%v", err)
	}
}
