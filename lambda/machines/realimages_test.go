package machines

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/datatransferhub/dth/lambda/imageplan"
	"github.com/datatransferhub/dth/lambda/imageplan/planner"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/failure"
	containers "github.com/datatransferhub/dth/worker/image"
	"github.com/datatransferhub/dth/worker/image/copier"
	"github.com/datatransferhub/dth/worker/image/imagetest"
	"github.com/datatransferhub/dth/worker/image/plan"
	"github.com/datatransferhub/dth/worker/image/record"
	"github.com/datatransferhub/dth/worker/image/record/recordsqlite"
	endpoints "github.com/datatransferhub/dth/worker/image/registry"
	"github.com/datatransferhub/dth/worker/image/skopeo"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run"
)

// real are the programs of the plugin: its planner and its copier, between two registries, with a table of records. In skopeo's place is
// a library that copies as it does.
type real struct {
	planner.Registries
	t       *testing.T
	open    func() (plan.Config, error)
	records *recordsqlite.Records

	mu    sync.Mutex
	tries map[string]int // by batch
}

func newReal(t *testing.T, open func() (plan.Config, error)) *real {
	t.Helper()
	db, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "images.db"))
	must(t, err)
	t.Cleanup(func() { db.Close() })
	r := &real{t: t, open: open, tries: map[string]int{}}
	r.Registries.Open = func(context.Context) (plan.Config, error) { return open() }
	r.records, err = recordsqlite.Open(t.Context(), db, "task")
	must(t, err)
	return r
}

func (r *real) Outcomes(ctx context.Context, images []imageplan.Image) (map[imageplan.Image]imageplan.Outcome, error) {
	var keys []record.Key
	for _, i := range images {
		keys = append(keys, record.Key{Image: i.Name, Tag: i.Tag})
	}
	on, err := r.records.Get(ctx, keys)
	found := map[imageplan.Image]imageplan.Outcome{}
	for k, one := range on {
		found[imageplan.Image{Name: k.Image, Tag: k.Tag}] = imageplan.Outcome{Run: one.RunID, Status: string(one.Status), Bytes: one.Bytes, ErrorClass: one.ErrorClass, ErrorMessage: one.ErrorMessage}
	}
	return found, err
}

func (r *real) PutOutcome(ctx context.Context, i imageplan.Image, o imageplan.Outcome, at time.Time) error {
	return r.records.Put(ctx, record.Record{
		Key: record.Key{Image: i.Name, Tag: i.Tag}, RunID: o.Run, Status: record.Status(o.Status), Bytes: o.Bytes, ErrorClass: o.ErrorClass, ErrorMessage: o.ErrorMessage, FinishedAt: at,
	})
}

func (r *real) Failures(ctx context.Context, after string) (images []imageplan.Image, next string, err error) {
	p, err := r.records.List(ctx, record.Failed, 100, after)
	for _, one := range p.Records {
		images = append(images, imageplan.Image{Name: one.Image, Tag: one.Tag})
	}
	return images, p.Next, err
}

func (*real) dies([]byte) bool { return false }

// copy is what the copier's program does with a batch.
func (r *real) copy(runID, batch string, document []byte) error {
	r.mu.Lock()
	r.tries[batch]++
	r.mu.Unlock()
	b, err := containers.ParseBatch(document)
	if err != nil {
		return err
	}
	c, err := r.open()
	if err != nil {
		return err
	}
	one := copier.Copier{
		Source: c.Source, Destination: c.Destination, Tool: library{}, Records: r.records, Referrers: true, RunID: runID, Execution: "arn:execution",
		Pause: retry.Policy{Base: time.Millisecond, Cap: time.Millisecond},
	}
	s, err := one.Batch(r.t.Context(), b)
	if err == nil && s.Failed > 0 {
		err = fmt.Errorf("%d of %d images failed", s.Failed, len(b.Images))
	}
	return err
}

// library copies with go-containerregistry.
type library struct{}

func (library) Version() string { return "1.22.3" }

func (library) Copy(ctx context.Context, from, to skopeo.End) error {
	if err := crane.Copy(from.String(), to.String(), crane.Insecure, crane.WithContext(ctx)); err != nil {
		return &failure.Error{Class: failure.NotFound, Op: "copy", Target: from.String(), Err: err}
	}
	return nil
}

// serve runs a registry that has lost some of its blobs.
func serve(t *testing.T, lost *sync.Map) string {
	t.Helper()
	whole := registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, gone := lost.Load(r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]); gone && strings.Contains(r.URL.Path, "/blobs/") {
			http.Error(w, `{"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown to registry"}]}`, http.StatusNotFound)
			return
		}
		whole.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// The plugin's own planner and copier between two registries. One image cannot be copied, since the source has lost a layer of it: its
// batch is tried four times, the others are copied with their digests, the failure is on record, the run ends, and one notice tells.
func TestRunOfTheRealCopier(t *testing.T) {
	var lost, none sync.Map
	from, to := serve(t, &lost), serve(t, &none)
	source := imagetest.Filler{Host: from, Base: 2000, Layer: 500}
	digests := map[string]string{}
	for n := range 6 {
		name := fmt.Sprintf("team/app-%d:v%d", n/3, n)
		repository, tag, _ := strings.Cut(name, ":")
		digest, err := source.Write(t.Context(), repository, tag, uint64(n))
		must(t, err)
		digests[name] = digest
	}
	_, err := source.Refer(t.Context(), "team/app-0", digests["team/app-0:v0"], "application/vnd.example.signature")
	must(t, err)
	const bad = "team/app-0:v1"
	broken, err := crane.Pull(from+"/"+bad, crane.Insecure)
	must(t, err)
	layers, err := broken.Layers()
	must(t, err)
	layer, err := layers[len(layers)-1].Digest() // the image's own; those before are shared
	must(t, err)
	lost.Store(layer.String(), true)
	r := newReal(t, func() (plan.Config, error) {
		a, err := endpoints.Open(from, endpoints.Options{})
		if err != nil {
			return plan.Config{}, err
		}
		b, err := endpoints.Open(to, endpoints.Options{})
		return plan.Config{Source: a, Destination: b, Prefix: "mirror", Referrers: true, Untagged: true}, err
	})
	s := newImages(t, "images-real", r)
	s.Start("run-1", `{"trigger":"schedule"}`)
	s.Until("run-1", "SUCCEEDED")
	got := s.run(t, "run-1")
	counters, err := s.runs.Counters(t.Context(), "run-1")
	must(t, err)
	total := run.Total(counters)
	if got.State != run.Done || !got.Proved || got.Finder.Queued != 6 || got.Named != 1 || len(got.Remaining) != 0 || total.Outcomes["DONE:copy"].Objects != 5 || total.Outcomes["FAILED"].Objects != 1 {
		t.Errorf("%+v, %+v", got, total)
	}
	if first, second := r.tries["runs/run-1/batch-000000.json"], r.tries["runs/run-1/batch-000001.json"]; first != 4 || second != 1 || len(r.tries) != 2 {
		t.Errorf("batches were tried %v", r.tries)
	}
	for name, digest := range digests {
		there, err := crane.Digest(to+"/mirror/"+name, crane.Insecure)
		if (err != nil) != (name == bad) || err == nil && there != digest {
			t.Errorf("%s is %s at the destination, %v; want %s", name, there, err, digest)
		}
	}
	on, err := r.records.Get(t.Context(), []record.Key{{Image: "team/app-0", Tag: "v1"}})
	must(t, err)
	if one := on[record.Key{Image: "team/app-0", Tag: "v1"}]; one.Status != record.Failed || one.RunID != "run-1" || one.Attempts != 4 || one.ErrorClass != "not_found" || one.SourceDigest != digests[bad] {
		t.Errorf("%+v", one)
	}
	notices := s.notices()
	if len(notices) != 1 || !strings.Contains(notices[0], "team/app-0 v1: not_found") || strings.Contains(notices[0], "- team/app-0 v2") {
		t.Errorf("notices %q", notices)
	}
	// The layer is back: the next run copies what is left, and nobody is told of anything.
	lost.Clear()
	s.Start("run-2", `{"trigger":"schedule"}`)
	s.Until("run-2", "SUCCEEDED")
	if got := s.run(t, "run-2"); got.State != run.Done || got.Finder.Queued != 1 || got.Named != 0 {
		t.Errorf("%+v", got)
	}
	if more := s.notices(); len(more) != 0 {
		t.Errorf("notices %q", more)
	}
}

// many is a registry with many tags, which copies by itself.
type many struct {
	host string
	mu   sync.Mutex
	tags map[string]map[string]string // digests by repository and tag
}

func (m *many) Host() string                                            { return m.host }
func (*many) Plain() bool                                               { return true }
func (*many) Login(context.Context) (containers.Login, error)           { return containers.Login{}, nil }
func (*many) Limited() time.Time                                        { return time.Time{} }
func (*many) Put(context.Context, string, string, string, []byte) error { return nil }

func (*many) Manifest(context.Context, string, string) (containers.Descriptor, []byte, error) {
	return containers.Descriptor{}, nil, &failure.Error{Class: failure.NotFound}
}

func (*many) Referrers(context.Context, string, string) ([]containers.Descriptor, error) {
	return nil, nil
}

func (m *many) Repositories(context.Context) (names []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.tags {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

func (m *many) List(_ context.Context, repository string) (all []containers.Found, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tags[repository] == nil {
		return nil, &failure.Error{Class: failure.NotFound}
	}
	for tag, digest := range m.tags[repository] {
		all = append(all, containers.Found{Tag: tag, Digest: digest, MediaType: containers.OCIManifest, Bytes: 1 << 20})
	}
	return all, nil
}

func (m *many) Head(_ context.Context, repository, reference string) (containers.Descriptor, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	digest, there := m.tags[repository][reference]
	if !there {
		return containers.Descriptor{}, &failure.Error{Class: failure.NotFound}
	}
	return containers.Descriptor{Digest: digest, MediaType: containers.OCIManifest}, nil
}

func (m *many) set(repository, tag, digest string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.tags[repository] == nil {
		m.tags[repository] = map[string]string{}
	}
	m.tags[repository][tag] = digest
}

// bulk plans with the plugin's planner, and copies at once.
type bulk struct {
	planner.Registries
	*registries // its records
	to          *many
}

func (b bulk) Compare(ctx context.Context) (imageplan.Comparison, error) {
	return b.Registries.Compare(ctx)
}

func (b bulk) Check(ctx context.Context) ([]task.Finding, error) { return b.Registries.Check(ctx) }

func (b bulk) Look(ctx context.Context, images []imageplan.Image) (map[imageplan.Image]imageplan.Standing, error) {
	return b.Registries.Look(ctx, images)
}

func (b bulk) copy(runID, _ string, document []byte) error {
	batch, err := containers.ParseBatch(document)
	for _, i := range batch.Images {
		b.to.set(batch.Target, i.Tag, i.Digest)
		if err == nil {
			err = b.PutOutcome(context.Background(), imageplan.Image{Name: batch.Name, Tag: i.Tag}, imageplan.Outcome{Run: runID, Status: imageplan.Done, Bytes: i.Bytes}, time.Now())
		}
	}
	return err
}

// 20,000 images are planned by the plugin's planner, and copied; no state of the execution holds a list of them.
func TestStateOfALargePlan(t *testing.T) {
	const repositories, tags = 20, 1000
	from, to := &many{host: "from.example", tags: map[string]map[string]string{}}, &many{host: "to.example", tags: map[string]map[string]string{}}
	for n := range repositories * tags {
		from.set(fmt.Sprintf("team/with-a-name-of-some-length/app-%02d", n%repositories), fmt.Sprintf("v%05d", n), fmt.Sprintf("sha256:%064x", n))
	}
	b := bulk{registries: newRegistries(0, 1), to: to}
	b.Registries.Open = func(context.Context) (plan.Config, error) {
		return plan.Config{Source: from, Destination: to, Prefix: "mirror", Log: slog.New(slog.DiscardHandler)}, nil
	}
	s := newImages(t, "images-large", b)
	s.Start("run-1", `{"trigger":"schedule"}`)
	s.Until("run-1", "SUCCEEDED")
	got := s.run(t, "run-1")
	counters, err := s.runs.Counters(t.Context(), "run-1")
	must(t, err)
	if got.State != run.Done || !got.Proved || got.Finder.Queued != repositories*tags || got.Finder.ListedSource != repositories*tags || run.Total(counters).Outcomes["DONE:copy"].Objects != repositories*tags {
		t.Errorf("%+v, %+v", got, run.Total(counters))
	}
	const most = 2 << 10 // Step Functions takes 256 KiB
	if size, text := s.Largest("run-1"); size > most || strings.Contains(text, "v00001") {
		t.Errorf("an event holds %d bytes: %.500s", size, text)
	}
}
