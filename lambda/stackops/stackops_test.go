package stackops_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/lambda/notify"
	"github.com/datatransferhub/dth/lambda/stackops"
	"github.com/datatransferhub/dth/lambda/stackops/stacksim"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/lambda/task/tasksim"
)

const (
	id   = "t-aaaaaaaaaaaaaaaa"
	name = "DTH-" + id
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// given is a task whose operation of a kind has just been asked for.
func given(k task.Kind) task.Task {
	t := task.Task{
		ID: id, Revision: 3, Type: "S3", PluginVersion: "1.2.3", Stack: task.Stack{Name: name}, State: task.Starting,
		Settings: task.Settings{Name: "photos", Parameters: map[string]string{
			"srcBucket": "source", "destBucket": "target", "ec2VpcId": "vpc-12345678", "ec2Subnets": "subnet-12345678", "alarmEmail": "a@example.com", "ec2CronExpression": "",
		}},
		Operation: &task.Operation{ID: id + "-2-" + strings.ToLower(string(k)), Kind: k, Begun: noon, After: task.InProgress},
	}
	switch k {
	case task.Update:
		t.State = task.Updating
		t.Operation.Undo, t.Operation.UndoVersion = &task.Settings{Parameters: map[string]string{"srcBucket": "before"}}, "1.2.2"
	case task.Delete:
		t.State, t.Operation.After = task.Stopping, task.Stopped
	}
	return t
}

// flow is a workflow with everything around it.
type flow struct {
	t     *testing.T
	h     *stackops.Handler
	cf    *stacksim.CloudFormation
	tasks *tasksim.Store
	now   time.Time
	sent  []notify.Message
	// steered are the requests to pause and to restore, each with what it was told of the stack's outputs; stubborn so many of them
	// fail.
	steered  []string
	stubborn int
	waits    []int
	// before is called before every step, and names it.
	before func(step string)
}

func newFlow(t *testing.T, tasks ...task.Task) *flow {
	t.Helper()
	f := &flow{t: t, cf: stacksim.New(2), tasks: tasksim.New(tasks...), now: noon, before: func(string) {}}
	f.h = &stackops.Handler{
		CloudFormation: f.cf, Tasks: f.tasks, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return f.now },
		Templates: stackops.Templates{BucketPrefix: "acme", Region: "eu-west-1", Hub: "hub", Plugins: stackops.Plugins()},
		Notify:    func(_ context.Context, m notify.Message) error { f.sent = append(f.sent, m); return nil },
		Stacks:    f,
	}
	return f
}

func (f *flow) Pause(_ context.Context, t task.Task, request string) error {
	return f.steer("pause", t, request)
}

func (f *flow) Restore(_ context.Context, t task.Task, request string) error {
	return f.steer("restore", t, request)
}

func (f *flow) steer(what string, t task.Task, request string) error {
	if f.stubborn--; f.stubborn >= 0 {
		return errors.New("no function")
	}
	f.steered = append(f.steered, what+" "+request+" "+t.Stack.Outputs["RunTableName"])
	return nil
}

// stack puts the task's stack there, and on record.
func (f *flow) stack(s stackops.Status) *flow {
	f.t.Helper()
	stack := f.cf.Put(name, s, map[string]string{stackops.TagTask: id})
	_, err := task.Amend(f.t.Context(), f.tasks, id, func(t *task.Task) (*task.Entry, error) { t.Stack.ID = stack; return nil, nil })
	must(f.t, err)
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (f *flow) get() task.Task {
	f.t.Helper()
	t, err := f.tasks.Get(f.t.Context(), id)
	must(f.t, err)
	return t
}

// run goes through the steps as the state machine does, with at most 10 attempts in a row. It returns the last answer.
func (f *flow) run(e stackops.Execution) stackops.Answer {
	f.t.Helper()
	a := stackops.Answer{Next: stackops.Begin, Execution: e}
	for failures := 0; ; {
		f.before(fmt.Sprintf("%s %d", a.Next, a.Execution.Looks))
		next, err := f.h.Handle(f.t.Context(), stackops.Call{Step: a.Next, Execution: a.Execution})
		if err != nil {
			if failures++; failures == 10 {
				f.t.Fatalf("step %s: %v", a.Next, err)
			}
			continue
		}
		a, failures = next, 0
		f.now = f.now.Add(time.Duration(a.Wait) * time.Second)
		f.waits = append(f.waits, a.Wait)
		if a.Next == stackops.End || a.Next == stackops.Continue {
			return a
		}
	}
}

// ends runs the task's operation and looks what is on record then.
func (f *flow) ends(state task.State, reason, next string) task.Task {
	f.t.Helper()
	t := f.get()
	f.run(stackops.Of(&t))
	t = f.get()
	if t.State != state || t.Operation != nil || !strings.Contains(t.Reason, reason) || (reason == "") != (t.Reason == "") || !strings.Contains(t.NextStep, next) {
		f.t.Errorf("the task is %s, %q, next %q, operation %+v; asked for: %q", t.State, t.Reason, t.NextStep, t.Operation, f.cf.Calls())
	}
	return t
}

func (f *flow) asked(want ...string) {
	f.t.Helper()
	var got []string
	for _, call := range f.cf.Calls() {
		verb, _, _ := strings.Cut(call, " ")
		got = append(got, verb)
	}
	if !slices.Equal(got, want) {
		f.t.Errorf("CloudFormation was asked to %q, want %q", got, want)
	}
}

func TestCreate(t *testing.T) {
	f := newFlow(t, given(task.Create))
	got := f.ends(task.InProgress, "", "")
	if got.Stack.ID == "" || got.Stack.Outputs["RunTableName"] != "runs" {
		t.Errorf("the stack on record is %+v", got.Stack)
	}
	f.asked("create")
	ch := f.cf.Asked(name)
	if ch.TemplateURL != "https://acme-eu-west-1.s3.eu-west-1.amazonaws.com/data-transfer-hub/1.2.3/DataTransferS3Stack.template" || ch.Token != id+"-2-create" {
		t.Errorf("asked for %+v", ch)
	}
	if diff := cmp.Diff(map[string]string{stackops.TagTask: id, stackops.TagHub: "hub"}, ch.Tags); diff != "" {
		t.Error(diff)
	}
	for _, want := range []stackops.Parameter{{Name: "srcBucket", Value: "source"}, {Name: "ec2CronExpression", Value: ""}, {Name: "maxCapacity", Value: "20"}} {
		if !slices.Contains(ch.Parameters, want) {
			t.Errorf("parameter %+v is missing in %v", want, ch.Parameters)
		}
	}
	if e := f.tasks.Entries(); len(e) != 1 || e[0].Action != "stack created" || e[0].By != stackops.Actor || e[0].Changes[0] != (task.Change{Field: "state", Before: "STARTING", After: "IN_PROGRESS"}) {
		t.Errorf("the audit says %+v", e)
	}
	if len(f.sent) != 0 {
		t.Errorf("people are told %v", f.sent)
	}
}

// What the contract takes in several forms reaches CloudFormation in the one that it takes.
func TestFormsOfValues(t *testing.T) {
	of := given(task.Create)
	of.Parameters["ec2Subnets"], of.Parameters["spotPercent"], of.Parameters["include"] = "subnet-12345678,\n subnet-87654321", "50%", "*.{jpg,png}\na/**"
	of.Parameters["srcPrefixList"] = "a,b/\nc/"
	f := newFlow(t, of)
	f.ends(task.InProgress, "", "")
	for parameter, want := range map[string]string{"ec2Subnets": "subnet-12345678,subnet-87654321", "spotPercent": "50", "include": "*.{jpg,png},a/**", "srcPrefixList": "a,b/\nc/"} {
		if !slices.Contains(f.cf.Asked(name).Parameters, stackops.Parameter{Name: parameter, Value: want}) {
			t.Errorf("%s is not %q in %v", parameter, want, f.cf.Asked(name).Parameters)
		}
	}
}

// The hub's boundary is given to stacks whose tasks name none.
func TestBoundary(t *testing.T) {
	for own, want := range map[string]string{"": "arn:aws:iam::123456789012:policy/hub", "arn:aws:iam::123456789012:policy/own": "arn:aws:iam::123456789012:policy/own"} {
		of := given(task.Create)
		of.Parameters["permissionsBoundaryArn"] = own
		f := newFlow(t, of)
		f.h.Templates.Boundary = "arn:aws:iam::123456789012:policy/hub"
		f.ends(task.InProgress, "", "")
		if !slices.Contains(f.cf.Asked(name).Parameters, stackops.Parameter{Name: "permissionsBoundaryArn", Value: want}) {
			t.Errorf("own boundary %q: given %v", own, f.cf.Asked(name).Parameters)
		}
	}
}

// What goes wrong with a creation, and what is on record then.
func TestCreationsThatFail(t *testing.T) {
	for _, c := range []struct {
		name         string
		prepare      func(f *flow)
		reason, next string
		stack        bool // on record
	}{
		{"rolled back", func(f *flow) {
			f.cf.FailNext("Workers (AWS::AutoScaling::AutoScalingGroup) CREATE_FAILED: no capacity")
		}, "ROLLBACK_COMPLETE: Workers (AWS::AutoScaling::AutoScalingGroup) CREATE_FAILED: no capacity", "stop the task", true},
		{"refused", func(f *flow) {
			f.cf.Refuse(&stackops.Refused{Doing: "creating stack", Code: "AccessDenied", Message: "not you"})
		}, "AccessDenied: not you", "clone the task", false},
		{"a stack of somebody else", func(f *flow) { f.cf.Put(name, stackops.CreateComplete, nil) }, "is not this task's", "clone the task", false},
		{"deleted by hand meanwhile", func(f *flow) {
			f.before = func(step string) {
				if step == "LOOK 1" {
					f.cf.Put(name, stackops.DeleteComplete, nil)
				}
			}
		}, "somebody deleted it", "clone the task", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFlow(t, given(task.Create))
			c.prepare(f)
			got := f.ends(task.Errored, c.reason, c.next)
			if got.HasStack() != c.stack {
				t.Errorf("the stack on record is %+v", got.Stack)
			}
			if len(f.sent) != 1 || f.sent[0].What != "its stack was not created" || !strings.Contains(f.sent[0].Why, c.reason) {
				t.Errorf("people are told %+v", f.sent)
			}
			if e := f.tasks.Entries(); len(e) != 1 || e[0].Action != "stack not created" || !strings.Contains(e[0].Note, c.reason) {
				t.Errorf("the audit says %+v", e)
			}
		})
	}
}

// A task that no contract accepts any more is not sent to CloudFormation.
func TestParametersThatDoNotFit(t *testing.T) {
	bad := given(task.Create)
	bad.Parameters["srcBucket"] = ""
	f := newFlow(t, bad)
	f.ends(task.Errored, "srcBucket: this parameter is required", "clone")
	f.asked()
	bad = given(task.Create)
	bad.Type = "FTP"
	f = newFlow(t, bad)
	f.ends(task.Errored, `no plugin of type "FTP"`, "clone")
	bad = given(task.Update)
	bad.Parameters["maxCapacity"] = "many"
	f = newFlow(t, bad).stack(stackops.CreateComplete)
	f.ends(task.InProgress, "maxCapacity", "edit")
	f.asked()
}

// Every change may have to be asked for again, because its answer was lost or CloudFormation throttles: the outcome is the
// same.
func TestLostAnswersAndThrottling(t *testing.T) {
	for _, k := range []task.Kind{task.Create, task.Update, task.Delete} {
		t.Run(string(k), func(t *testing.T) {
			f := newFlow(t, given(k))
			if k != task.Create {
				f.stack(stackops.CreateComplete)
			}
			f.cf.Throttle(4)
			f.cf.LoseNext()
			want := task.InProgress
			if k == task.Delete {
				want = task.Stopped
			}
			f.ends(want, "", "")
		})
	}
}

// Waits grow from 5 seconds to a minute.
func TestWaitsGrow(t *testing.T) {
	f := newFlow(t, given(task.Create))
	f.cf = stacksim.New(12)
	f.h.CloudFormation = f.cf
	f.ends(task.InProgress, "", "")
	if want := []int{5, 5, 7, 11, 16, 25, 37, 56, 60, 60, 60, 60, 60, 0, 0}; !slices.Equal(f.waits, want) {
		t.Errorf("waited %v, want %v", f.waits, want)
	}
}

// Before the limit of events another execution goes on with looking, and does not ask again.
func TestContinuation(t *testing.T) {
	of := given(task.Create)
	f := newFlow(t, of)
	f.cf = stacksim.New(stackops.MaxLooks + 3)
	f.h.CloudFormation = f.cf
	a := f.run(stackops.Of(&of))
	if a.Next != stackops.Continue || a.Name != of.Operation.ID+"-1" || a.Execution.Looks != stackops.MaxLooks {
		t.Fatalf("the answer is %+v", a)
	}
	if a = f.run(a.Execution); a.Next != stackops.End || f.get().State != task.InProgress {
		t.Errorf("the answer is %+v", a)
	}
	f.asked("create")
}

func TestAnOperationThatNeverEnds(t *testing.T) {
	of := given(task.Create)
	f := newFlow(t, of)
	f.cf = stacksim.New(10000)
	f.h.CloudFormation = f.cf
	a := f.run(stackops.Of(&of))
	for a.Next == stackops.Continue {
		a = f.run(a.Execution)
	}
	if got := f.get(); got.State != task.Errored || !strings.Contains(got.Reason, "still CREATE_IN_PROGRESS after 36h") || !got.HasStack() {
		t.Errorf("the task is %s: %s", got.State, got.Reason)
	}
}
