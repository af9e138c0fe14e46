package task_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/estimate"
	"github.com/datatransferhub/dth/worker/image/record"
	"github.com/datatransferhub/dth/worker/image/record/recordsqlite"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/ledger/ledgersqlite"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/run/runsqlite"
)

// counted counts what is read of a ledger: calls, and the records that they give.
type counted struct {
	task.Outcomes
	calls, records int
}

func (c *counted) Failures(ctx context.Context, class string, limit int, after string) (ledger.Page, error) {
	page, err := c.Outcomes.Failures(ctx, class, limit, after)
	c.calls, c.records = c.calls+1, c.records+len(page.Records)
	return page, err
}

// archive is an engine whose records are real ones.
type archive struct {
	engine
	objects *counted
	runs    run.Store
	plan    task.Answer
	images  record.Store // nil: the task copies objects
}

func (a *archive) Records(context.Context, task.Task) (task.Records, error) {
	if a.images != nil {
		return task.Records{Runs: a.runs, Objects: task.ImageOutcomes{Store: a.images}, Images: a.images}, nil
	}
	return task.Records{Runs: a.runs, Objects: a.objects}, nil
}

func (a *archive) Answer(context.Context, task.Task, string) (task.Answer, error) { return a.plan, nil }

func newArchive(t *testing.T, o *office) (*archive, *ledgersqlite.Ledger) {
	t.Helper()
	db, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	rows, err := ledgersqlite.Open(t.Context(), db, "task")
	if err != nil {
		t.Fatal(err)
	}
	runs, err := runsqlite.Open(t.Context(), db, "task")
	if err != nil {
		t.Fatal(err)
	}
	a := &archive{objects: &counted{Outcomes: rows}, runs: runs}
	o.Engine = a
	return a, rows
}

// failed puts failed objects on record: so many below each of some folders, by turns of three classes; the last of them is none that
// anybody knows.
func failed(t *testing.T, rows *ledgersqlite.Ledger, each int, folders ...string) {
	t.Helper()
	var puts []ledger.Put
	for _, folder := range folders {
		for i := range each {
			puts = append(puts, ledger.Put{Record: ledger.Record{
				Key: fmt.Sprintf("%s%05d", folder, i), Status: ledger.Failed, ErrorClass: []string{"access_denied", "kms", ""}[i%3], RunID: "r", Worker: "w", Seq: int64(len(puts) + 1), Error: "no",
			}})
		}
	}
	if _, err := rows.PutBatch(t.Context(), puts); err != nil {
		t.Fatal(err)
	}
}

// all reads all pages, and returns the keys; what each page reads is bounded.
func (a *archive) all(t *testing.T, o *office, id string, q task.ObjectQuery) (keys []string) {
	t.Helper()
	for {
		a.objects.calls, a.objects.records = 0, 0
		page, err := o.Objects(t.Context(), viewer, id, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Records {
			keys = append(keys, r.Key)
		}
		if a.objects.calls > 25 || a.objects.records > q.First+25 {
			t.Errorf("%+v: a page takes %d reads of %d records", q, a.objects.calls, a.objects.records)
		}
		if q.After = page.Next; q.After == "" {
			return keys
		}
	}
}

// The failed objects below a folder are read from where they begin to where they end, however many failed elsewhere; those without a
// class are among them.
func TestFailedObjectsOfAFolder(t *testing.T) {
	o := newOffice(t)
	made := o.create(input("Photos"))
	a, rows := newArchive(t, o)
	failed(t, rows, 3000, "a/", "m/", "z/")
	failed(t, rows, 9, "m/inner/", "n/", "n\U0010FFFF", "\u00fc/")
	failed(t, rows, 1, "n/00003-")
	for _, c := range []struct {
		prefix, class string
		want          int
	}{
		{"m/inner/", "", 9}, {"n/", "", 10}, {"n/", "kms", 3}, {"n/00003", "", 2}, {"\u00fc", "", 9}, {"m/0299", "other", 4}, {"zz", "", 0}, {"n/00004", "access_denied", 0}, {"n\U0010FFFF", "", 9},
	} {
		keys := a.all(t, o, made.ID, task.ObjectQuery{Class: c.class, KeyPrefix: c.prefix, First: 4})
		seen := map[string]bool{}
		for _, k := range keys {
			if seen[k] || !strings.HasPrefix(k, c.prefix) {
				t.Errorf("%+v: %q is listed twice or does not belong there", c, k)
			}
			seen[k] = true
		}
		if len(keys) != c.want {
			t.Errorf("%+v: listed are %d", c, len(keys))
		}
	}
	if keys := a.all(t, o, made.ID, task.ObjectQuery{Class: "other", First: 500}); len(keys) != 3012 {
		t.Errorf("without a class are %d", len(keys))
	}
	if _, err := o.Objects(t.Context(), viewer, made.ID, task.ObjectQuery{KeyPrefix: "n/", After: "nonsense!"}); !task.Is(err, task.Invalid) {
		t.Errorf("a cursor that nobody gave: %v", err)
	}
}

// Each of 1,000 runs is on one page, in order; so is each entry of an audit.
func TestManyRunsAndEntries(t *testing.T) {
	o := newOffice(t)
	made := o.create(input("Photos"))
	a, _ := newArchive(t, o)
	for i := range 1000 {
		r := run.Run{ID: fmt.Sprintf("r-%04d", i), State: run.Done, Started: noon.Add(time.Duration(i/2) * time.Minute), Finished: noon.Add(time.Duration(i) * time.Minute)}
		if err := a.runs.Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if i%5 == 0 {
			o.must(task.Amend(t.Context(), o.Store, made.ID, func(t *task.Task) (*task.Entry, error) { return &task.Entry{Task: t.ID, At: noon, Action: r.ID}, nil }))
		}
	}
	var ids []string
	for after, pages := "", 0; ; pages++ {
		page, err := o.Runs(t.Context(), viewer, made.ID, 99, after)
		if err != nil || pages > 11 {
			t.Fatal(pages, err)
		}
		for _, r := range page.Runs {
			ids = append(ids, r.ID)
		}
		if after = page.Next; after == "" {
			break
		}
	}
	for i, id := range ids {
		if id != fmt.Sprintf("r-%04d", 999-i) {
			t.Fatalf("run %d of the list is %s", i, id)
		}
	}
	entries := 0
	for after := ""; ; {
		page, err := o.Audit(t.Context(), viewer, made.ID, 50, after)
		if err != nil {
			t.Fatal(err)
		}
		entries += len(page.Entries)
		if after = page.Next; after == "" {
			break
		}
	}
	if len(ids) != 1000 || entries != 201 {
		t.Errorf("listed are %d runs and %d entries", len(ids), entries)
	}
}

// Each of many images is on one page, by status; failed ones are found among the objects, too, those of a class alone.
func TestManyImages(t *testing.T) {
	o := newOffice(t)
	made := o.create(input("Images"))
	a, _ := newArchive(t, o)
	db, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "images.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	images, err := recordsqlite.Open(t.Context(), db, "task")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 600 {
		r := record.Record{Key: record.Key{Image: "team/app", Tag: fmt.Sprintf("v%04d", i)}, Status: []record.Status{record.Done, record.Unchanged, record.Failed}[i%3], RunID: "r", FinishedAt: noon}
		if r.Status == record.Failed {
			r.ErrorClass = []string{"network", "not_found"}[i%2]
		}
		if err := images.Put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	a.images = images
	for status, want := range map[record.Status]int{"": 600, record.Done: 200, record.Failed: 200} {
		seen := map[record.Key]bool{}
		for q := (task.ImageQuery{Status: status, First: 70}); ; {
			page, err := o.Images(t.Context(), viewer, made.ID, q)
			if err != nil || len(page.Records) > 70 {
				t.Fatal(len(page.Records), err)
			}
			for _, r := range page.Records {
				seen[r.Key] = true
			}
			if q.After = page.Next; q.After == "" {
				break
			}
		}
		if len(seen) != want {
			t.Errorf("of status %q there are %d", status, len(seen))
		}
	}
	failed := 0
	for q := (task.ObjectQuery{Class: "network", KeyPrefix: "team/", First: 30}); ; {
		page, err := o.Objects(t.Context(), viewer, made.ID, q)
		if err != nil {
			t.Fatal(err)
		}
		failed += len(page.Records)
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	if failed != 100 {
		t.Errorf("failed of the class are %d", failed)
	}
}

// What a plan found a pass to cost stays with the task, once for each plan.
func TestATaskKeepsItsEstimate(t *testing.T) {
	o := newOffice(t)
	a, _ := newArchive(t, o)
	made := o.create(input("Photos"))
	planned := o.must(o.StartPlan(t.Context(), operator, made.ID))
	a.plan = task.Answer{State: task.Running}
	for _, state := range []task.AnswerState{task.Running, task.Finished, task.Finished} {
		a.plan.State = state
		if state == task.Finished {
			a.plan.Finished = noon
			a.plan.Plan = &task.PlanResult{Estimate: &estimate.Estimate{Bytes: 7, Totals: []estimate.Total{{Currency: "USD", Amount: estimate.Range{Low: 1, High: 2}}}}}
		}
		if _, err := o.PlanAnswer(t.Context(), viewer, made.ID); err != nil {
			t.Fatal(err)
		}
		got := o.must(o.Get(t.Context(), viewer, made.ID))
		if (got.Estimate != nil) != (state == task.Finished) {
			t.Fatalf("after %s it is %+v", state, got.Estimate)
		}
		if e := got.Estimate; e != nil && (e.Request != planned.Plan.ID || e.Bytes != 7 || e.Costs[0].Amount.High != 2 || !e.At.Equal(noon) || got.Revision != planned.Revision+1) {
			t.Errorf("it is %+v, revision %d", e, got.Revision)
		}
	}
}

// nowhere knows what is missing by its name.
type nowhere struct{ calls int }

func (n *nowhere) Missing(_ context.Context, _ string, parameters map[string]string) (wrong []task.Error, err error) {
	n.calls++
	for _, field := range []string{"srcCredentials", "destCredentials"} {
		if v := parameters[field]; strings.HasPrefix(v, "no-") {
			wrong = append(wrong, task.Error{Code: task.Invalid, Field: "parameters." + field, Value: v, Message: "there is no secret of this name"})
		}
	}
	if parameters["alarmEmail"] == "down@example.com" {
		return nil, errors.New("Secrets Manager does not answer")
	}
	return wrong, nil
}

// What an edit names has to be there; what was missing before is not held against it, and an edit that names nothing looks nowhere.
func TestAnEditNamesWhatIsThere(t *testing.T) {
	o := newOffice(t)
	made := o.create(input("Photos"))
	o.settle(o.must(o.Update(t.Context(), admin, task.UpdateInput{ID: made.ID, Parameters: parameters("srcCredentials", "no-more")})), task.Outcome{OK: true})
	there := &nowhere{}
	o.Existence = there
	edit := func(in task.UpdateInput) error {
		in.ID = made.ID
		_, err := o.Update(t.Context(), admin, in)
		return err
	}
	for name, p := range map[string]map[string]string{
		"another secret": parameters("srcCredentials", "no-more", "destCredentials", "no-where"), "the same secret under another name": parameters("srcCredentials", "no-longer"),
	} {
		var e *task.Error
		if err := edit(task.UpdateInput{Parameters: p}); !errors.As(err, &e) || e.Code != task.Invalid || !strings.HasPrefix(e.Value, "no-") || len(e.Others) > 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := edit(task.UpdateInput{Parameters: parameters("srcCredentials", "no-more", "alarmEmail", "down@example.com")}); !task.Is(err, task.Unavailable) {
		t.Errorf("a service that does not answer: %v", err)
	}
	there.calls = 0
	name := "Other"
	if err := errors.Join(edit(task.UpdateInput{Name: &name}), edit(task.UpdateInput{Parameters: parameters("srcCredentials", "no-more")})); err != nil || there.calls != 0 {
		t.Errorf("an edit that names nothing: %v, %d calls", err, there.calls)
	}
	if err := edit(task.UpdateInput{Parameters: parameters("srcCredentials", "no-more", "maxCapacity", "5")}); err != nil {
		t.Errorf("what was missing before is held against an edit: %v", err)
	}
}
