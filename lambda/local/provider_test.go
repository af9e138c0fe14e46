package local_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/datatransferhub/dth/lambda/catalog"
	"github.com/datatransferhub/dth/lambda/local"
	"github.com/datatransferhub/dth/lambda/local/localsqlite"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/lambda/task/tasksqlite"
	"github.com/datatransferhub/dth/worker/ledger/ledgersqlite"
	"github.com/datatransferhub/dth/worker/multipart/multipartsqlite"
	"github.com/datatransferhub/dth/worker/queue/queuesqlite"
	"github.com/datatransferhub/dth/worker/run/runsqlite"
)

var ada = task.Caller{Name: "ada", Role: task.Admin}

// bureau is a hub on a desk: service, provider and engine as they are in the product.
type bureau struct {
	*desk
	*task.Service
	stop func()
}

// open starts the hub on the desk's database.
func (d *desk) bureau() *bureau {
	d.t.Helper()
	store, err := tasksqlite.Open(d.t.Context(), d.db)
	d.must(err)
	requests, err := localsqlite.OpenRequests(d.t.Context(), d.db)
	d.must(err)
	p := local.NewProvider(local.Provider{
		Store: store, Requests: requests, Hub: d.hub(), OpenRecords: d.records, Forget: d.forget, Log: slog.New(slog.NewTextHandler(d.t.Output(), nil)), Now: d.now,
		Examine: func(context.Context, local.Task) ([]task.Finding, error) {
			return []task.Finding{{End: "source", Right: "list", Result: "ok"}}, nil
		},
		Compare: func(_ context.Context, _ local.Task, told func(int64)) (*task.PlanResult, error) {
			told(7)
			return &task.PlanResult{}, nil
		},
	})
	b := &bureau{desk: d, Service: &task.Service{
		Hub: task.Hub{Local: true}, Plugins: catalog.Local("1.0.0"), Store: store, Stacks: p, Engine: p, Log: p.Log, Now: d.now,
	}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := p.Run(ctx); err != nil {
			d.t.Errorf("the provider ended with %v", err)
		}
	}()
	b.stop = func() { cancel(); <-done }
	d.t.Cleanup(b.stop)
	return b
}

func (d *desk) records(ctx context.Context, id, _ string) (task.Records, error) {
	l, err := ledgersqlite.Open(ctx, d.db, id)
	if err != nil {
		return task.Records{}, err
	}
	r, err := runsqlite.Open(ctx, d.db, id)
	return task.Records{Runs: r, Objects: l}, err
}

func (d *desk) forget(ctx context.Context, t local.Task) error {
	for _, drop := range []func(context.Context, *sql.DB, string) error{queuesqlite.Drop, ledgersqlite.Drop, runsqlite.Drop, multipartsqlite.Drop} {
		if err := drop(ctx, d.db, t.Name); err != nil {
			return err
		}
	}
	return nil
}

// input describes a task between the buckets of its name; more are names and values of parameters.
func (d *desk) input(name string, more ...string) task.CreateInput {
	d.srcSim.Bucket(name + "-src")
	d.dstSim.Bucket(name + "-dst")
	p := map[string]string{
		"srcType": "S3_Compatible", "srcEndpoint": d.srcURL, "srcBucket": name + "-src", "srcCredentials": "keys",
		"destType": "S3_Compatible", "destEndpoint": d.dstURL, "destBucket": name + "-dst", "destCredentials": "keys", "ec2CronExpression": "",
	}
	for i := 0; i < len(more); i += 2 {
		p[more[i]] = more[i+1]
	}
	return task.CreateInput{Name: name, Type: "S3", Parameters: p, Start: true}
}

// is waits until a task is as it should be, and returns it.
func (b *bureau) is(id, what string, holds func(t *task.Task) bool) task.Task {
	b.t.Helper()
	var got task.Task
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		var err error
		if got, err = b.Get(b.t.Context(), ada, id); err != nil {
			b.t.Fatal(err)
		}
		if holds(&got) {
			return got
		}
		if time.Now().After(end) {
			b.t.Fatalf("%s: it did not come about: %+v, run %+v", what, got, got.LastRun)
		}
	}
}

func (b *bureau) at(id string, state task.State) task.Task {
	b.t.Helper()
	return b.is(id, "it is "+string(state), func(t *task.Task) bool { return t.State == state })
}

func (b *bureau) got(t task.Task, err error) task.Task {
	b.t.Helper()
	b.must(err)
	return t
}

func TestOneTimeTaskIsDoneByProof(t *testing.T) {
	d := newDesk(t)
	d.fill("one", 300)
	b := d.bureau()
	made := b.got(b.Create(t.Context(), ada, d.input("one")))
	done := b.at(made.ID, task.Done)
	if r := done.LastRun; r.Copied != 300 || r.Settled != 300 || r.Failed != 0 || done.Health != task.Healthy || !done.Agreement.InSync || !d.agree("one") {
		t.Errorf("done is %+v with run %+v", done, r)
	}
	d.fill("one", 310)
	b.got(b.Run(t.Context(), ada, made.ID, "again"))
	done = b.is(made.ID, "the second run is done", func(t *task.Task) bool { return t.State == task.Done && t.LastRun.Copied == 10 })
	if done.LastRun.Trigger != "manual" {
		t.Errorf("the second run is %+v", done.LastRun)
	}
	runs, err := b.Runs(t.Context(), ada, made.ID, 1, "")
	if err != nil || len(runs.Runs) != 1 || runs.Runs[0].ID != done.LastRun.ID || runs.Next == "" {
		t.Fatalf("the first page of runs is %+v, %v", runs, err)
	}
	if runs, err = b.Runs(t.Context(), ada, made.ID, 1, runs.Next); err != nil || len(runs.Runs) != 1 || runs.Next != "" || runs.Runs[0].Totals.Outcomes["DONE:stream"].Objects != 300 {
		t.Errorf("the second page of runs is %+v, %v", runs, err)
	}
}

func TestCheckAndPlanBeforeTheFirstRun(t *testing.T) {
	d := newDesk(t)
	d.fill("one", 5)
	b := d.bureau()
	in := d.input("one")
	in.Start = false
	made := b.got(b.Create(t.Context(), ada, in))
	b.at(made.ID, task.Paused)
	b.got(b.StartCheck(t.Context(), ada, made.ID))
	b.got(b.StartPlan(t.Context(), ada, made.ID))
	d.until("both are answered", func() bool {
		check, err := b.CheckAnswer(t.Context(), ada, made.ID)
		d.must(err)
		plan, err := b.PlanAnswer(t.Context(), ada, made.ID)
		d.must(err)
		return check.State == task.Finished && len(check.Findings) == 1 && plan.State == task.Finished && plan.Plan != nil
	})
	if n := len(d.dstSim.Bucket("one-dst").Objects()); n != 0 {
		t.Errorf("%d objects are copied before the task is started", n)
	}
	b.got(b.Resume(t.Context(), ada, made.ID))
	b.at(made.ID, task.Done)
	if !d.agree("one") {
		t.Error("the buckets do not agree")
	}
}

// The hub is stopped between any two steps, and goes on as if nothing had happened.
func TestTasksOutliveTheHub(t *testing.T) {
	d := newDesk(t)
	d.fill("one", 50)
	b := d.bureau()
	again := func() { b.stop(); b = d.bureau() }
	ctx := t.Context()
	made := b.got(b.Create(ctx, ada, d.input("one", "ec2CronExpression", "0 0 1 1 ? 2099")))
	again()
	b.is(made.ID, "the first run is closed", func(t *task.Task) bool { return t.Agreement.InSync && t.LastRun.Copied == 50 })
	again()
	b.got(b.Pause(ctx, ada, made.ID))
	again()
	d.fill("one", 60)
	b.at(made.ID, task.Paused)
	b.got(b.Update(ctx, ada, task.UpdateInput{ID: made.ID, Parameters: d.input("one", "ec2CronExpression", "0 0 1 1 ? 2099", "include", "**").Parameters}))
	again()
	b.at(made.ID, task.Paused)
	b.got(b.Resume(ctx, ada, made.ID))
	again()
	b.is(made.ID, "the run after the pause is closed", func(t *task.Task) bool { return t.LastRun.Copied == 10 && !t.LastRun.Finished.IsZero() })
	d.fill("one", 65)
	b.got(b.Run(ctx, ada, made.ID, ""))
	again()
	b.is(made.ID, "the run by hand is closed", func(t *task.Task) bool { return t.LastRun.Copied == 5 && !t.LastRun.Finished.IsZero() })
	b.got(b.Stop(ctx, ada, made.ID))
	again()
	b.at(made.ID, task.Stopped)
	for _, table := range []string{"runs", "run_counters", "ledger", "requests"} {
		var n int
		d.must(d.db.QueryRowContext(ctx, `SELECT count(*) FROM `+table+` WHERE task = ?`, made.ID).Scan(&n))
		if n != 0 && table != "requests" {
			t.Errorf("%d rows of %s are left", n, table)
		}
	}
	b.got(b.Delete(ctx, ada, made.ID))
	again()
	if page, err := b.List(ctx, ada, task.Query{}); err != nil || len(page.Tasks) != 0 {
		t.Errorf("left are %v, %v", page, err)
	}
}

// An end that cannot be used is said in the task's record, and is tried again until somebody mends it.
func TestAnEndThatCannotBeUsedIsSaid(t *testing.T) {
	d := newDesk(t)
	d.fill("one", 5)
	d.down.Store(true)
	b := d.bureau()
	made := b.got(b.Create(t.Context(), ada, d.input("one")))
	b.is(made.ID, "the reason is said", func(t *task.Task) bool { return t.Health == task.Failing && strings.Contains(t.Reason, "no way") })
	summary, err := b.Summary(t.Context(), ada)
	if err != nil || len(summary.Attention) != 1 {
		t.Errorf("the summary is %+v, %v", summary, err)
	}
	d.down.Store(false)
	if done := b.at(made.ID, task.Done); done.Reason != "" || done.Health != task.Healthy {
		t.Errorf("mended it is %+v", done)
	}
}

// What stood in the way of a task is no longer said when it is out of the way, though no run has begun since.
func TestWhatIsMendedIsNotSaid(t *testing.T) {
	d := newDesk(t)
	d.fill("new", 5)
	d.fill("old", 5)
	b := d.bureau()
	old := b.got(b.Create(t.Context(), ada, d.input("old", "ec2CronExpression", "rate(1 day)")))
	b.is(old.ID, "its run is closed", func(t *task.Task) bool { return t.Health == task.Healthy })
	d.down.Store(true)
	b.got(b.Pause(t.Context(), ada, old.ID))
	in := d.input("new")
	in.Start = false
	fresh := b.got(b.Create(t.Context(), ada, in))
	for _, id := range []string{old.ID, fresh.ID} {
		b.is(id, "the reason is said", func(t *task.Task) bool { return t.State == task.Paused && t.Health == task.Failing && t.NextStep != "" })
	}
	d.down.Store(false)
	for id, want := range map[string]task.Health{old.ID: task.Healthy, fresh.ID: task.Unknown} {
		b.is(id, "it is as before", func(t *task.Task) bool { return t.Health == want && t.Reason == "" && t.NextStep == "" })
	}
}

func TestManyTasksAtOnce(t *testing.T) {
	d := newDesk(t)
	b := d.bureau()
	var ids []string
	for i := range 12 {
		name := fmt.Sprint("task", i)
		d.fill(name, 20)
		ids = append(ids, b.got(b.Create(t.Context(), ada, d.input(name))).ID)
	}
	for i, id := range ids {
		if b.at(id, task.Done); !d.agree(fmt.Sprint("task", i)) {
			t.Errorf("task %d does not agree", i)
		}
	}
	// One that goes does not disturb the others.
	b.got(b.Stop(t.Context(), ada, ids[3]))
	b.at(ids[3], task.Stopped)
	if s, err := b.Summary(t.Context(), ada); err != nil || s.States[task.Done] != 11 || s.States[task.Stopped] != 1 {
		t.Errorf("the summary is %+v, %v", s, err)
	}
}
