package machines

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/datatransferhub/dth/lambda/imageplan"
	"github.com/datatransferhub/dth/lambda/imageplan/imageplanaws"
	"github.com/datatransferhub/dth/lambda/machines/machinesaws"
	"github.com/datatransferhub/dth/lambda/monitor"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/plugins/ecr/workflow"
	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/run/runsqlite"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

const workBucket = "work-lists"

// registries are two registries as maps from images to digests, the records of what was copied, and the copier.
type registries struct {
	mu                  sync.Mutex
	source, destination map[imageplan.Image]string
	records             map[imageplan.Image]imageplan.Outcome
	broken              map[imageplan.Image]int // how many tries fail
	tries               map[string]int          // by batch
	perBatch            int
	running, most       int
	refuses             error // of a comparison
	absent              []imageplan.Absent
	deletes             bool          // what only the destination has is deleted
	tooMany             string        // why it is not
	lost                int           // so many Lambdas that plan die
	hold                chan struct{} // tasks wait until it is closed; nil: they do not
}

// batchOf is a batch as the copier reads it.
type batchOf struct{ Copy, Delete []imageplan.Image }

func newRegistries(images, perBatch int) *registries {
	r := &registries{
		source: map[imageplan.Image]string{}, destination: map[imageplan.Image]string{}, records: map[imageplan.Image]imageplan.Outcome{},
		broken: map[imageplan.Image]int{}, tries: map[string]int{}, perBatch: perBatch,
	}
	for n := range images {
		r.source[imageplan.Image{Name: fmt.Sprintf("team/app-%03d", n/100), Tag: fmt.Sprintf("v%05d", n)}] = fmt.Sprintf("sha256:%064x", n)
	}
	return r
}

func (r *registries) Compare(context.Context) (imageplan.Comparison, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuses != nil {
		return imageplan.Comparison{}, r.refuses
	}
	c := imageplan.Comparison{Totals: run.FinderTotals{ListedSource: int64(len(r.source)), ListedDestination: int64(len(r.destination)), Decisions: map[string]run.Tally{}}, Absent: r.absent, TooMany: r.tooMany}
	var differ, extraneous []imageplan.Image
	for _, i := range sorted(r.source) {
		if r.source[i] != r.destination[i] {
			differ = append(differ, i)
		}
	}
	for _, i := range sorted(r.destination) {
		if _, there := r.source[i]; !there && r.deletes && r.tooMany == "" {
			extraneous = append(extraneous, i)
		}
	}
	for batch := range slices.Chunk(differ, r.perBatch) {
		c.Batches = append(c.Batches, imageplan.Batch{Images: batch})
	}
	if len(extraneous) > 0 {
		c.Batches = append(c.Batches, imageplan.Batch{Deletes: extraneous})
	}
	for n, b := range c.Batches {
		var err error
		if c.Batches[n].Document, err = json.Marshal(batchOf{b.Images, b.Deletes}); err != nil {
			return c, err
		}
	}
	return c, nil
}

// sorted are the images of a map in their order.
func sorted[V any](of map[imageplan.Image]V) []imageplan.Image {
	return slices.SortedFunc(maps.Keys(of), func(a, b imageplan.Image) int { return strings.Compare(a.Name+":"+a.Tag, b.Name+":"+b.Tag) })
}

func (r *registries) Look(_ context.Context, images []imageplan.Image) (map[imageplan.Image]imageplan.Standing, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	standings := map[imageplan.Image]imageplan.Standing{}
	for _, i := range images {
		switch digest, there := r.source[i]; {
		case !there:
			standings[i] = imageplan.Gone
		case digest == r.destination[i]:
			standings[i] = imageplan.Same
		}
	}
	return standings, nil
}

func (*registries) Check(context.Context) ([]task.Finding, error) {
	return []task.Finding{{End: "source", Right: "list", Result: "ok"}}, nil
}

func (r *registries) Outcomes(_ context.Context, images []imageplan.Image) (map[imageplan.Image]imageplan.Outcome, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := map[imageplan.Image]imageplan.Outcome{}
	for _, i := range images {
		if o, there := r.records[i]; there {
			found[i] = o
		}
	}
	return found, nil
}

func (r *registries) PutOutcome(_ context.Context, i imageplan.Image, o imageplan.Outcome, _ time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records[i] = o
	return nil
}

func (r *registries) Failures(_ context.Context, after string) (images []imageplan.Image, next string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range sorted(r.records) {
		if place := i.Name + ":" + i.Tag; r.records[i].Status == imageplan.Failed && place > after {
			if len(images) == 2 { // a page is short
				return images, next, nil
			}
			images, next = append(images, i), place
		}
	}
	return images, "", nil
}

// copy is a Fargate task: it copies what the batch lists, records it, and fails when an image did.
func (r *registries) copy(runID, batch string, document []byte) error {
	r.mu.Lock()
	r.running++
	r.most = max(r.most, r.running)
	r.tries[batch]++
	r.mu.Unlock()
	time.Sleep(20 * time.Millisecond) // so that tasks overlap, as they do
	if r.hold != nil {
		<-r.hold
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running--
	var b batchOf
	if err := json.Unmarshal(document, &b); err != nil {
		return err
	}
	for _, i := range b.Delete {
		delete(r.destination, i)
		r.records[i] = imageplan.Outcome{Run: runID, Status: imageplan.Deleted}
	}
	failed := 0
	for _, i := range b.Copy {
		if r.source[i] == r.destination[i] {
			continue
		}
		if r.broken[i] > 0 {
			r.broken[i]--
			failed++
			r.records[i] = imageplan.Outcome{Run: runID, Status: imageplan.Failed, ErrorClass: "manifest", ErrorMessage: "a layer is missing at the source"}
			continue
		}
		r.destination[i] = r.source[i]
		r.records[i] = imageplan.Outcome{Run: runID, Status: imageplan.Done, Bytes: 10}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d images failed", failed, len(b.Copy))
	}
	return nil
}

// dies reports whether a Lambda that plans is lost.
func (r *registries) dies(event []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	var e struct{ Step string }
	if json.Unmarshal(event, &e) != nil || e.Step != "plan" || r.lost == 0 {
		return false
	}
	r.lost--
	return true
}

// engine is what a stack of the ECR plugin works with.
type engine interface {
	imageplan.Registries
	imageplan.Records
	// copy is a Fargate task; its error is an exit code that is not 0.
	copy(runID, batch string, document []byte) error
	// dies reports whether a Lambda is lost.
	dies(event []byte) bool
}

// images is a stack of the ECR plugin on stand-ins.
type images struct {
	*machinesaws.Machine
	runs    *runsqlite.Runs
	events  []monitor.Event
	metrics bytes.Buffer
	notices func() []string
}

// asLambda has the Fargate task played by a Lambda: the stand-in has no ECS. What the state machine asks of ECS is tested where
// it is written.
func asLambda(t *testing.T, definition string) string {
	t.Helper()
	var m map[string]any
	must(t, json.Unmarshal([]byte(definition), &m))
	task := m["States"].(map[string]any)["Copy"].(map[string]any)["ItemProcessor"].(map[string]any)["States"].(map[string]any)["Copy a batch"].(map[string]any)
	if task["Resource"] != "arn:${Partition}:states:::ecs:runTask.sync" {
		t.Fatalf("a batch is copied by %v", task["Resource"])
	}
	task["Resource"] = "arn:aws:states:::lambda:invoke"
	task["Parameters"] = map[string]any{"FunctionName": "copier", "Payload.$": "$"}
	for _, r := range task["Retry"].([]any) {
		r.(map[string]any)["IntervalSeconds"] = 1
		r.(map[string]any)["BackoffRate"] = 1
	}
	text, err := json.Marshal(m)
	must(t, err)
	// The stand-in's grammar wants a fraction there.
	return strings.Replace(string(text), `"ToleratedFailurePercentage":100`, `"ToleratedFailurePercentage":100.0`, 1)
}

func newImages(t *testing.T, name string, r engine) *images {
	t.Helper()
	db, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "records.db"))
	must(t, err)
	t.Cleanup(func() { db.Close() })
	s := &images{}
	s.runs, err = runsqlite.Open(t.Context(), db, "task")
	must(t, err)
	topic, read := machinesaws.Topic(t, workflows.URL, name)
	s.notices = read
	definition := strings.NewReplacer("${Partition}", "aws", "${Function}", "plan", "${Topic}", topic, "${Bucket}", workBucket, `"IntervalSeconds":15`, `"IntervalSeconds":1`, `"IntervalSeconds":5`, `"IntervalSeconds":1`, `"BackoffRate":2`, `"BackoffRate":1`).Replace(asLambda(t, workflow.Run()))
	s.Machine = machinesaws.Create(t, workflows.URL, name, definition)
	machinesaws.Put(t, workflows.URL, workBucket, "beginning", "")
	cfg := standinaws.Config(t, workflows.URL)
	work := imageplanaws.OpenWork(cfg, workBucket)
	h := &imageplan.Handler{
		StackName: "images", StackID: "arn:aws:cloudformation:us-east-1:123456789012:stack/images/1", Region: "us-east-1", Version: "v1",
		Registries: r, Records: r, Runs: s.runs, Work: work, Alive: imageplanaws.Alive(cfg, s.ARN()),
		Tell:    func(_ context.Context, e []monitor.Event) error { s.events = append(s.events, e...); return nil },
		Metrics: &s.metrics, Log: slog.New(slog.DiscardHandler), Now: time.Now,
	}
	workflows.Set(func(function string, payload []byte) ([]byte, error) {
		var answer any
		var err error
		switch {
		case strings.HasSuffix(function, "plan"):
			if r.dies(payload) {
				return nil, errors.New("Task timed out after 900.00 seconds")
			}
			answer, err = h.Handle(context.Background(), payload)
		case strings.HasSuffix(function, "copier"):
			var in struct{ Run, Batch string }
			if err = json.Unmarshal(payload, &in); err != nil {
				break
			}
			var document []byte
			if document, err = work.Get(context.Background(), in.Batch); err == nil {
				err = r.copy(in.Run, in.Batch, document)
			}
		default:
			err = fmt.Errorf("function %q was invoked", function)
		}
		if err != nil {
			return nil, err
		}
		return json.Marshal(answer)
	})
	return s
}

func (s *images) run(t *testing.T, id string) run.Run {
	t.Helper()
	r, err := s.runs.Get(t.Context(), id)
	must(t, err)
	return r
}

// One image fails in every try: it is tried four times, recorded, and told of once; the others are copied, and the run ends.
func TestRunWithAnImageThatFails(t *testing.T) {
	r := newRegistries(60, 5)
	bad := imageplan.Image{Name: "team/app-000", Tag: "v00017"}
	shaky := imageplan.Image{Name: "team/app-000", Tag: "v00033"}
	r.broken[bad], r.broken[shaky] = 1000, 2
	s := newImages(t, "images-failing", r)
	s.Start("run-1", `{"trigger":"schedule"}`)
	s.Until("run-1", "SUCCEEDED")
	got := s.run(t, "run-1")
	if got.State != run.Done || !got.Proved || got.Named != 1 || len(got.Remaining) != 0 || got.Finder.Queued != 60 || got.Finder.ListedSource != 60 {
		t.Errorf("%+v", got)
	}
	counters, err := s.runs.Counters(t.Context(), "run-1")
	must(t, err)
	if total := run.Total(counters); total.Outcomes["DONE:copy"].Objects != 59 || total.Outcomes["FAILED"].Objects != 1 || total.Errors["manifest"] != 1 || total.Outcomes["DONE:copy"].Bytes != 590 {
		t.Errorf("%+v", total)
	}
	// The batches with the two have keys of their own: 17 lies in the fourth, 33 in the seventh.
	for n, want := range map[int]int{0: 1, 3: 4, 6: 3} {
		if key := fmt.Sprintf("runs/run-1/batch-%06d.json", n); r.tries[key] != want {
			t.Errorf("%s was tried %d times, want %d", key, r.tries[key], want)
		}
	}
	if o := r.records[bad]; o.Status != imageplan.Failed || o.Run != "run-1" {
		t.Errorf("%+v", o)
	}
	notices := s.notices()
	if len(notices) != 1 || !strings.Contains(notices[0], "team/app-000 v00017: manifest: a layer is missing at the source") || strings.Contains(notices[0], "v00033") {
		t.Errorf("notices %q", notices)
	}
	if r.most > 10 || r.most < 2 {
		t.Errorf("%d tasks at once", r.most)
	}
	var kinds []string
	for _, e := range s.events {
		kinds = append(kinds, e.Kind+" "+string(e.Detail.State))
	}
	if want := []string{"RunStarted FINDING", "RunProgress COPYING", "RunClosed DONE"}; !slices.Equal(kinds, want) {
		t.Errorf("told %q", kinds)
	}
	for _, want := range []string{`"ImagesCopied":59`, `"ImagesFailed":1`, `"BytesCopied":590`} {
		if !strings.Contains(s.metrics.String(), want) {
			t.Errorf("the figures do not say %s: %s", want, s.metrics.String())
		}
	}
}

// When nothing differs there is nothing to copy, and nobody is told.
func TestRunWithNothingToDo(t *testing.T) {
	r := newRegistries(10, 5)
	maps.Copy(r.destination, r.source)
	s := newImages(t, "images-agreeing", r)
	s.Start("run-1", `{"trigger":"schedule"}`)
	s.Until("run-1", "SUCCEEDED")
	if got := s.run(t, "run-1"); got.State != run.Done || !got.Proved || len(r.tries) != 0 || len(s.notices()) != 0 {
		t.Errorf("%+v, tries %v", got, r.tries)
	}
}

// What a list names and the source does not have is a failure with its reason, and no task is started for it.
func TestRunWithAnImageThatIsMissing(t *testing.T) {
	r := newRegistries(10, 5)
	maps.Copy(r.destination, r.source)
	gone := imageplan.Image{Name: "team/app-000", Tag: "latest"}
	r.absent = []imageplan.Absent{{Image: gone, Class: "not_found", Message: "the source has no such image"}}
	s := newImages(t, "images-missing", r)
	s.Start("run-1", `{"trigger":"schedule"}`)
	s.Until("run-1", "SUCCEEDED")
	counters, err := s.runs.Counters(t.Context(), "run-1")
	must(t, err)
	if got := s.run(t, "run-1"); got.State != run.Done || got.Finder.Queued != 0 || run.Total(counters).Errors["not_found"] != 1 || len(r.tries) != 0 || r.records[gone].Run != "run-1" {
		t.Errorf("%+v, %+v, tries %v", got, counters, r.tries)
	}
	if notices := s.notices(); len(notices) != 1 || !strings.Contains(notices[0], "team/app-000 latest: not_found") {
		t.Errorf("notices %q", notices)
	}
}

// A retry copies the failed images that it asks for, and leaves the others to the next run. A plan copies nothing, a check looks;
// both are answered under the id of their request, and neither is a run.
func TestRetryPlanAndCheck(t *testing.T) {
	r := newRegistries(3, 1)
	for n, class := range []string{"network", "manifest"} {
		r.records[image(n)] = imageplan.Outcome{Run: "before", Status: imageplan.Failed, ErrorClass: class}
	}
	s := newImages(t, "images-asked", r)
	s.Start("plan-1", `{"mode":"plan","request":"ask-1"}`)
	s.Until("plan-1", "SUCCEEDED")
	s.Start("check-1", `{"mode":"check","request":"ask-2"}`)
	s.Until("check-1", "SUCCEEDED")
	if latest, err := s.runs.Latest(t.Context(), 10); err != nil || len(latest) != 0 || len(r.tries) != 0 {
		t.Errorf("runs %v, %v, tries %v", latest, err, r.tries)
	}
	for request, want := range map[string]string{"ask-1": `"queued":3`, "ask-2": `"right":"list"`} {
		if doc, err := s.runs.Answer(t.Context(), request); err != nil || !strings.Contains(string(doc), want) || !strings.Contains(string(doc), `"state":"DONE"`) {
			t.Errorf("%s: %s, %v", request, doc, err)
		}
	}
	s.Start("again-1", `{"trigger":"retry","class":"network"}`)
	s.Until("again-1", "SUCCEEDED")
	if got := s.run(t, "again-1"); got.State != run.Done || got.Finder.Queued != 1 || got.Newer != 2 || r.destination[image(0)] == "" || len(r.destination) != 1 {
		t.Errorf("%+v, destination %v", got, r.destination)
	}
	must(t, s.runs.SetPaused(t.Context(), true, time.Now()))
	s.Start("tick", `{"trigger":"schedule"}`)
	s.Until("tick", "SUCCEEDED")
	if _, err := s.runs.Get(t.Context(), "tick"); !errors.Is(err, run.ErrNotFound) || len(r.destination) != 1 {
		t.Errorf("a paused task makes runs: %v", err)
	}
}

// A registry that refuses everybody is a failed run with its reason, told of once.
func TestRunThatCannotBePlanned(t *testing.T) {
	r := newRegistries(10, 5)
	r.refuses = errors.New("the source says 401 Unauthorized; look at srcCredential")
	s := newImages(t, "images-refused", r)
	s.Start("run-1", `{"trigger":"schedule"}`)
	s.Until("run-1", "SUCCEEDED")
	got := s.run(t, "run-1")
	if got.State != run.Failed || !strings.Contains(got.Error, "401 Unauthorized") {
		t.Errorf("%+v", got)
	}
	if notices := s.notices(); len(notices) != 1 || !strings.Contains(notices[0], "srcCredential") {
		t.Errorf("notices %q", notices)
	}
}

// Pushes while a run is under way are neither lost nor make a second run beside it: one follows.
func TestPushesMeanwhile(t *testing.T) {
	r := newRegistries(1, 1)
	s := newImages(t, "images-pushed", r)
	must(t, s.runs.Create(t.Context(), run.Run{ID: "stale", State: run.Copying, Started: time.Now().Add(-time.Hour)}))
	slow := imageplan.Image{Name: "team/app-000", Tag: "v00000"}
	r.broken[slow] = 2 // so that the run lasts a while
	s.Start("run-1", `{"trigger":"schedule"}`)
	s.Until("run-1", "RUNNING")
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if got, err := s.runs.Get(t.Context(), "run-1"); err == nil && got.State == run.Copying {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the run does not come to its copies")
		}
	}
	for _, id := range []string{"push-1", "push-2"} {
		s.Start(id, `{"trigger":"event"}`)
		s.Until(id, "SUCCEEDED")
		if _, err := s.runs.Get(t.Context(), id); !errors.Is(err, run.ErrNotFound) {
			t.Errorf("%s made a run beside the other: %v", id, err)
		}
	}
	s.Start("tick", `{"trigger":"schedule"}`)
	s.Until("tick", "SUCCEEDED")
	if got := s.run(t, "tick"); got.State != run.Skipped || !strings.Contains(got.Error, "run-1") {
		t.Errorf("%+v", got)
	}
	s.Until("run-1", "SUCCEEDED")
	s.Until(imageplan.Next("run-1"), "SUCCEEDED")
	if got := s.run(t, imageplan.Next("run-1")); got.State != run.Done || got.Trigger != imageplan.Push {
		t.Errorf("%+v", got)
	}
	if got := s.run(t, "stale"); got.State != run.Failed || got.Error == "" {
		t.Errorf("the run that nobody closed: %+v", got)
	}
}
