package task_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/lambda/task/tasksqlite"
	"github.com/datatransferhub/dth/plugins/contract"
	"github.com/datatransferhub/dth/plugins/s3"
	"github.com/datatransferhub/dth/worker/database/databasesqlite"
)

var (
	admin    = task.Caller{Name: "ada", Role: task.Admin}
	operator = task.Caller{Name: "olaf", Role: task.Operator}
	viewer   = task.Caller{Name: "vera", Role: task.Viewer}
)

// engine notes what is asked of stacks, and fails when it is told to.
type engine struct {
	task.Engine
	mu    sync.Mutex
	asked []string
	begun []task.Operation
	fail  error
	// during is called by the next pause, before it answers.
	during func()
}

func (e *engine) note(what string, t task.Task, request string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fail != nil {
		return e.fail
	}
	e.asked = append(e.asked, what+" "+request)
	return nil
}

func (e *engine) Begin(_ context.Context, t task.Task) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.begun = append(e.begun, *t.Operation)
	return e.fail
}

func (e *engine) Pause(_ context.Context, t task.Task, r string) error {
	if e.during != nil {
		e.during()
	}
	return e.note("pause", t, r)
}

func (e *engine) Resume(_ context.Context, t task.Task, r string) error {
	return e.note("resume", t, r)
}

func (e *engine) RunNow(_ context.Context, t task.Task, r string) error { return e.note("run", t, r) }

func (e *engine) Check(_ context.Context, t task.Task, r string) error { return e.note("check", t, r) }

func (e *engine) Plan(_ context.Context, t task.Task, r string) error { return e.note("plan", t, r) }

func (e *engine) Retry(_ context.Context, t task.Task, r string, what task.Retry) error {
	return e.note(fmt.Sprintf("retry %v%s", what.Keys, what.Class), t, r)
}

// office is a service on a real store.
type office struct {
	*task.Service
	t      *testing.T
	engine *engine
	now    time.Time
}

func newOffice(t *testing.T) *office {
	t.Helper()
	db, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "dth.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	store, err := tasksqlite.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	o := &office{t: t, engine: &engine{}, now: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	o.Service = &task.Service{
		Hub: task.Hub{Version: "1.0.0", Local: true}, Store: store, Stacks: o.engine, Engine: o.engine, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Now: func() time.Time { o.now = o.now.Add(time.Second); return o.now },
		Plugins: []task.Plugin{{Type: "S3", Version: "1.0.0", Contract: s3.Contract(), Schedule: func(v contract.Values) task.Schedule {
			if v["ec2CronExpression"] == "" {
				return task.Schedule{Kind: task.Once}
			}
			return task.Schedule{Kind: task.Scheduled, Expression: v["ec2CronExpression"]}
		}}},
	}
	return o
}

func (o *office) must(got task.Task, err error) task.Task {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
	return got
}

// parameters are valid ones of the S3 plugin, with changes: name, value.
func parameters(changes ...string) map[string]string {
	p := map[string]string{
		"srcBucket": "photos", "srcRegion": "eu-west-1", "destBucket": "archive", "destRegion": "eu-west-1", "alarmEmail": "ops@example.com",
		"ec2VpcId": "vpc-0a1b2c3d", "ec2Subnets": "subnet-0a1b2c3d,subnet-1a2b3c4d",
	}
	for i := 0; i < len(changes); i += 2 {
		p[changes[i]] = changes[i+1]
	}
	return p
}

func input(name string) task.CreateInput {
	return task.CreateInput{Name: name, Type: "S3", Parameters: parameters(), Start: true}
}

// create makes a task whose stack is there.
func (o *office) create(in task.CreateInput) task.Task {
	o.t.Helper()
	t := o.must(o.Create(o.t.Context(), admin, in))
	return o.settle(t, task.Outcome{OK: true, StackID: "arn:" + t.ID, Outputs: map[string]string{"RunTable": "runs"}})
}

// settle brings the end of a task's operation into its record.
func (o *office) settle(t task.Task, end task.Outcome) task.Task {
	o.t.Helper()
	if end.Operation == "" {
		end.Operation = t.Operation.ID
	}
	return o.must(task.Amend(o.t.Context(), o.Store, t.ID, func(t *task.Task) (*task.Entry, error) { t.Settle(end, o.now); return nil, nil }))
}

func TestCreateWritesTheRecordAndBeginsTheStack(t *testing.T) {
	o := newOffice(t)
	made := o.must(o.Create(t.Context(), admin, input("Photos")))
	if made.State != task.Starting || made.Stack.Name != "DTH-"+made.ID || made.Schedule.Kind != task.Scheduled || made.CreatedBy != "ada" {
		t.Errorf("made is %+v", made)
	}
	if len(o.engine.begun) != 1 || o.engine.begun[0].Kind != task.Create {
		t.Errorf("begun is %v", o.engine.begun)
	}
	page, err := o.Audit(t.Context(), viewer, made.ID, 0, "")
	if err != nil || len(page.Entries) != 1 || page.Entries[0].By != "ada" || page.Entries[0].Action != "created" {
		t.Fatalf("audited is %v, %v", page, err)
	}
	if o.settle(made, task.Outcome{OK: true, StackID: "arn:x"}).State != task.InProgress {
		t.Error("it is not IN_PROGRESS when its stack is there")
	}
	quiet := input("Quiet")
	quiet.Start = false
	if got := o.create(quiet); got.State != task.Paused {
		t.Errorf("a task that is not started is %s", got.State)
	}
}

func TestCreateIsSafeToRepeat(t *testing.T) {
	o := newOffice(t)
	in := input("Photos")
	in.ClientToken = "one"
	first := o.must(o.Create(t.Context(), admin, in))
	again := o.must(o.Create(t.Context(), admin, in))
	if again.ID != first.ID {
		t.Errorf("the same token made %s and %s", first.ID, again.ID)
	}
	other := in
	other.Parameters = parameters("destBucket", "elsewhere")
	if _, err := o.Create(t.Context(), admin, other); !task.Is(err, task.Conflict) {
		t.Errorf("the token for another task: %v", err)
	}
	if got := o.must(o.Create(t.Context(), task.Caller{Name: "eve", Role: task.Admin}, in)); got.ID == first.ID {
		t.Error("the token of somebody else gave this task")
	}
	counts, err := o.Store.Count(t.Context())
	if err != nil || counts[task.Starting] != 2 {
		t.Errorf("there are %v, %v", counts, err)
	}
}

func TestBadInputIsToldAtOnceAndMakesNothing(t *testing.T) {
	o := newOffice(t)
	in := task.CreateInput{
		Name: " ", Type: "S3", Description: strings.Repeat("x", 2001), Labels: map[string]string{"bad name": "x"},
		Parameters: parameters("srcPrefx", "typo", "giantThreshold", "1"),
	}
	_, err := o.Create(t.Context(), admin, in)
	var e *task.Error
	if !errors.As(err, &e) || e.Code != task.Invalid {
		t.Fatalf("the error is %v", err)
	}
	fields := map[string]bool{e.Field: true}
	for _, other := range e.Others {
		fields[other.Field] = true
	}
	want := map[string]bool{"name": true, "description": true, "labels.bad name": true, "parameters.srcPrefx": true, "parameters.giantThreshold": true}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Error(diff)
	}
	if _, err := o.Create(t.Context(), admin, task.CreateInput{Name: "x", Type: "FTP"}); !task.Is(err, task.Invalid) || !strings.Contains(err.Error(), "allowed are S3") {
		t.Errorf("an unknown type: %v", err)
	}
	if page, err := o.List(t.Context(), viewer, task.Query{}); err != nil || len(page.Tasks) != 0 {
		t.Errorf("made were %v, %v", page, err)
	}
}

// Every call, by the least role that may make it.
func TestRoles(t *testing.T) {
	o := newOffice(t)
	made := o.create(input("Photos"))
	ctx := t.Context()
	calls := map[string]struct {
		least task.Role
		call  func(c task.Caller) error
	}{
		"create":      {task.Admin, func(c task.Caller) error { _, err := o.Create(ctx, c, input("x")); return err }},
		"update":      {task.Admin, func(c task.Caller) error { _, err := o.Update(ctx, c, task.UpdateInput{ID: made.ID}); return err }},
		"stop":        {task.Admin, func(c task.Caller) error { _, err := o.Stop(ctx, c, "t-none"); return err }},
		"delete":      {task.Admin, func(c task.Caller) error { _, err := o.Delete(ctx, c, made.ID); return err }},
		"clone":       {task.Admin, func(c task.Caller) error { _, err := o.CloneDraft(ctx, c, made.ID); return err }},
		"preferences": {task.Admin, func(c task.Caller) error { _, err := o.UpdatePreferences(ctx, c, 0, nil); return err }},
		"pause":       {task.Operator, func(c task.Caller) error { _, err := o.Pause(ctx, c, "t-none"); return err }},
		"resume":      {task.Operator, func(c task.Caller) error { _, err := o.Resume(ctx, c, made.ID); return err }},
		"run":         {task.Operator, func(c task.Caller) error { _, err := o.Run(ctx, c, made.ID, ""); return err }},
		"retry":       {task.Operator, func(c task.Caller) error { _, err := o.Retry(ctx, c, made.ID, task.Retry{}, ""); return err }},
		"check":       {task.Operator, func(c task.Caller) error { _, err := o.StartCheck(ctx, c, made.ID); return err }},
		"plan":        {task.Operator, func(c task.Caller) error { _, err := o.StartPlan(ctx, c, made.ID); return err }},
		"get":         {task.Viewer, func(c task.Caller) error { _, err := o.Get(ctx, c, made.ID); return err }},
		"list":        {task.Viewer, func(c task.Caller) error { _, err := o.List(ctx, c, task.Query{}); return err }},
		"audit":       {task.Viewer, func(c task.Caller) error { _, err := o.Audit(ctx, c, made.ID, 0, ""); return err }},
		"summary":     {task.Viewer, func(c task.Caller) error { _, err := o.Summary(ctx, c); return err }},
		"plugins":     {task.Viewer, func(c task.Caller) error { _, err := o.PluginList(ctx, c); return err }},
		"identity":    {task.Viewer, func(c task.Caller) error { _, _, err := o.Identity(ctx, c); return err }},
		"validate":    {task.Viewer, func(c task.Caller) error { _, err := o.Validate(ctx, c, input("x")); return err }},
		"policies":    {task.Viewer, func(c task.Caller) error { _, err := o.Policies(ctx, c, made.ID); return err }},
		"settings":    {task.Viewer, func(c task.Caller) error { _, err := o.HubPreferences(ctx, c); return err }},
	}
	rank := map[task.Role]int{"": 0, task.Viewer: 1, task.Operator: 2, task.Admin: 3, "owner": 0}
	for name, call := range calls {
		for role, has := range rank {
			err := call.call(task.Caller{Name: "x", Role: role})
			if refused := task.Is(err, task.Forbidden); refused != (has < rank[call.least]) {
				t.Errorf("%s by a caller with role %q: %v", name, role, err)
			}
		}
		if err := call.call(task.Caller{}); !task.Is(err, task.Unauthenticated) {
			t.Errorf("%s by nobody: %v", name, err)
		}
	}
}

func TestLifeOfATask(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	made := o.create(input("Photos"))
	if got := o.must(o.Pause(ctx, operator, made.ID)); got.State != task.Paused {
		t.Errorf("paused is %s", got.State)
	}
	if _, err := o.Run(ctx, operator, made.ID, ""); !task.Is(err, task.WrongState) || !strings.Contains(err.Error(), "resume") {
		t.Errorf("running a paused task: %v", err)
	}
	edited := o.must(o.Update(ctx, admin, task.UpdateInput{ID: made.ID, Edition: made.Edition, Parameters: parameters("maxCapacity", "5")}))
	if edited.State != task.Updating || edited.Operation.After != task.Paused || edited.Edition != made.Edition+1 {
		t.Errorf("edited is %+v", edited)
	}
	if _, err := o.Update(ctx, admin, task.UpdateInput{ID: made.ID, Edition: made.Edition, Parameters: parameters()}); !task.Is(err, task.Conflict) {
		t.Errorf("an edit of what is edited: %v", err)
	}
	if got := o.settle(edited, task.Outcome{RolledBack: true, Reason: "no capacity"}); got.State != task.Paused || got.Parameters["maxCapacity"] != "" || got.Reason != "no capacity" {
		t.Errorf("after the update was rolled back it is %s with %v: %s", got.State, got.Parameters, got.Reason)
	}
	o.must(o.Resume(ctx, operator, made.ID))
	o.must(o.Run(ctx, operator, made.ID, "now"))
	o.must(o.Run(ctx, operator, made.ID, "now"))
	if a, b := o.engine.asked[2], o.engine.asked[3]; a != b || !strings.HasPrefix(a, "run ") {
		t.Errorf("the same token asked for %q and %q", a, b)
	}
	if _, err := o.Delete(ctx, admin, made.ID); !task.Is(err, task.WrongState) {
		t.Errorf("deleting a running task: %v", err)
	}
	stopping := o.must(o.Stop(ctx, admin, made.ID))
	if got := o.settle(stopping, task.Outcome{OK: true, Gone: true}); got.State != task.Stopped || got.HasStack() {
		t.Errorf("stopped is %+v", got)
	}
	o.must(o.Delete(ctx, admin, made.ID))
	if _, err := o.Get(ctx, viewer, made.ID); !task.Is(err, task.NotFound) {
		t.Errorf("reading a deleted task: %v", err)
	}
	var actions []string
	page, err := o.Audit(ctx, viewer, made.ID, 100, "")
	for _, e := range page.Entries {
		actions = append(actions, e.Action)
	}
	if got := strings.Join(actions, " "); err != nil || got != "deleted stopped run run resumed edited paused created" {
		t.Errorf("audited is %q, %v", got, err)
	}
}

// The end of an operation whose place a newer one took changes nothing.
func TestStopDuringStart(t *testing.T) {
	o := newOffice(t)
	starting := o.must(o.Create(t.Context(), admin, input("Photos")))
	stopping := o.must(o.Stop(t.Context(), admin, starting.ID))
	if got := o.settle(stopping, task.Outcome{Operation: starting.Operation.ID, OK: true, StackID: "arn:late"}); got.State != task.Stopping || got.Stack.ID != "" {
		t.Errorf("the late end of the creation made it %s with stack %q", got.State, got.Stack.ID)
	}
	if got := o.settle(stopping, task.Outcome{OK: true, Gone: true}); got.State != task.Stopped {
		t.Errorf("it is %s", got.State)
	}
}

func TestEveryWishInEveryState(t *testing.T) {
	wishes := map[string]func(o *office, id string) error{
		"pause":  func(o *office, id string) error { _, err := o.Pause(o.t.Context(), admin, id); return err },
		"resume": func(o *office, id string) error { _, err := o.Resume(o.t.Context(), admin, id); return err },
		"run":    func(o *office, id string) error { _, err := o.Run(o.t.Context(), admin, id, ""); return err },
		"retry": func(o *office, id string) error {
			_, err := o.Retry(o.t.Context(), admin, id, task.Retry{Class: "Throttled"}, "")
			return err
		},
		"check": func(o *office, id string) error { _, err := o.StartCheck(o.t.Context(), admin, id); return err },
		"plan":  func(o *office, id string) error { _, err := o.StartPlan(o.t.Context(), admin, id); return err },
		"edit": func(o *office, id string) error {
			_, err := o.Update(o.t.Context(), admin, task.UpdateInput{ID: id, Parameters: parameters("maxCapacity", "7")})
			return err
		},
		"stop":   func(o *office, id string) error { _, err := o.Stop(o.t.Context(), admin, id); return err },
		"delete": func(o *office, id string) error { _, err := o.Delete(o.t.Context(), admin, id); return err },
	}
	allowed := map[task.State]string{
		task.Starting:   "stop",
		task.InProgress: "pause run retry check plan edit stop",
		task.Paused:     "resume check plan edit stop",
		task.Updating:   "stop",
		task.Done:       "run retry check plan edit stop",
		task.Stopping:   "",
		task.Stopped:    "delete",
		task.Errored:    "edit stop", // with a stack
	}
	for _, state := range task.States() {
		for name, wish := range wishes {
			o := newOffice(t)
			made := o.create(input("x"))
			o.must(task.Amend(t.Context(), o.Store, made.ID, func(t *task.Task) (*task.Entry, error) { t.State = state; return nil, nil }))
			err := wish(o, made.ID)
			ok := strings.Contains(" "+allowed[state]+" ", " "+name+" ")
			if ok != (err == nil) || !ok && !task.Is(err, task.WrongState) {
				t.Errorf("%s in %s: %v", name, state, err)
			}
			if !ok && len(o.engine.asked) > 0 {
				t.Errorf("%s in %s asked the engine: %v", name, state, o.engine.asked)
			}
		}
	}
}

func TestWhatTheEngineRefusesLeavesTheRecordAlone(t *testing.T) {
	o := newOffice(t)
	made := o.create(input("Photos"))
	o.engine.fail = errors.New("secret detail of the inside")
	_, err := o.Pause(t.Context(), operator, made.ID)
	var e *task.Error
	if !errors.As(err, &e) || e.Code != task.Unavailable || strings.Contains(e.Error(), "secret detail") || !errors.Is(err, o.engine.fail) {
		t.Errorf("the error is %v", err)
	}
	if got := o.must(o.Get(t.Context(), viewer, made.ID)); got.State != task.InProgress {
		t.Errorf("it is %s", got.State)
	}
	// A workflow that cannot be begun loses nothing: the record says what is to be done.
	if got := o.must(o.Stop(t.Context(), admin, made.ID)); got.State != task.Stopping || got.Operation == nil {
		t.Errorf("it is %+v", got)
	}
}

// News of a run, hundreds of times a second, never cost a person a change.
func TestChangesAndNewsAtTheSameTime(t *testing.T) {
	o := newOffice(t)
	made := o.create(input("Photos"))
	ctx, stop := context.WithCancel(t.Context())
	var news sync.WaitGroup
	news.Go(func() {
		for i := int64(0); ctx.Err() == nil; i++ {
			time.Sleep(2 * time.Millisecond)
			_, err := task.Amend(ctx, o.Store, made.ID, func(t *task.Task) (*task.Entry, error) {
				t.LastRun = &task.Run{ID: "r", Copied: i}
				return nil, nil
			})
			if err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	labels := map[string]string{}
	for i := range 50 {
		labels[fmt.Sprint("n", i)] = "x"
		o.must(o.Update(t.Context(), admin, task.UpdateInput{ID: made.ID, Labels: maps.Clone(labels)}))
		if i%2 == 0 {
			o.must(o.Pause(t.Context(), operator, made.ID))
		} else {
			o.must(o.Resume(t.Context(), operator, made.ID))
		}
	}
	stop()
	news.Wait()
	if got := o.must(o.Get(t.Context(), viewer, made.ID)); len(got.Labels) != 50 || got.LastRun == nil {
		t.Errorf("left are %d labels, run %v", len(got.Labels), got.LastRun)
	}
}

func TestRetryTakesKeysOrAClass(t *testing.T) {
	o := newOffice(t)
	made := o.create(input("Photos"))
	for name, r := range map[string]task.Retry{
		"both": {Keys: []string{"a"}, Class: "Throttled"}, "empty key": {Keys: []string{""}}, "long key": {Keys: []string{strings.Repeat("k", 1025)}},
		"many": {Keys: make([]string, 1001)}, "class": {Class: "no such; class"}, "not UTF-8": {Keys: []string{"\xff"}},
	} {
		if _, err := o.Retry(t.Context(), operator, made.ID, r, ""); !task.Is(err, task.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	o.must(o.Retry(t.Context(), operator, made.ID, task.Retry{Keys: []string{"a b", "ü"}}, ""))
	if len(o.engine.asked) != 1 || !strings.HasPrefix(o.engine.asked[0], "retry [a b ü] ") {
		t.Errorf("asked was %v", o.engine.asked)
	}
}
