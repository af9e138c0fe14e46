package machines

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/datatransferhub/dth/lambda/machines/machinesaws"
	"github.com/datatransferhub/dth/lambda/notify"
	"github.com/datatransferhub/dth/lambda/stackops"
	"github.com/datatransferhub/dth/lambda/stackops/stacksim"
	"github.com/datatransferhub/dth/lambda/stackops/workflow"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/lambda/task/tasksim"
)

const taskID = "t-aaaaaaaaaaaaaaaa"

// hurried is a definition whose Lambda is look, and whose retries come at once.
func hurried(definition string) string {
	retries := regexp.MustCompile(`"IntervalSeconds": \d+, "BackoffRate": \d+, "MaxAttempts": \d+, "MaxDelaySeconds": \d+`)
	return retries.ReplaceAllString(quick(definition), `"IntervalSeconds": 1, "BackoffRate": 1, "MaxAttempts": 3, "MaxDelaySeconds": 1`)
}

// stacks are the parts of the stack workflow. Its Lambda is in this process, its CloudFormation simulated.
type stacks struct {
	t     *testing.T
	cf    *stacksim.CloudFormation
	tasks *tasksim.Store
	m     *machinesaws.Machine

	mu       sync.Mutex
	failures int // so many calls of the Lambda fail first
	sent     []string
	paused   []string // requests; so are restored
	restored []string
	handler  *stackops.Handler
}

// newStacks makes the state machine. The task's operation of a kind has just been asked for.
func newStacks(t *testing.T, k task.Kind) *stacks {
	t.Helper()
	of := task.Task{
		ID: taskID, Type: "S3", PluginVersion: "1.2.3", Stack: task.Stack{Name: task.StackName(taskID)}, Settings: task.Settings{Parameters: map[string]string{
			"srcBucket": "source", "destBucket": "target", "ec2VpcId": "vpc-12345678", "ec2Subnets": "subnet-12345678", "alarmEmail": "a@example.com",
		}},
	}
	s := &stacks{t: t, cf: stacksim.New(1)}
	if k != task.Create {
		of.Stack.ID = s.cf.Put(of.Stack.Name, stackops.CreateComplete, map[string]string{stackops.TagTask: taskID})
	}
	operate(&of, k)
	s.tasks = tasksim.New(of)
	s.handler = &stackops.Handler{
		CloudFormation: s.cf, Tasks: s.tasks, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Templates: stackops.Templates{BucketPrefix: "acme", Region: "eu-west-1", Hub: "hub", Plugins: stackops.Plugins()},
		Stacks:    s,
		Notify:    func(_ context.Context, m notify.Message) error { s.sent = append(s.sent, m.What); return nil },
	}
	s.m = machinesaws.Create(t, workflows.URL, strings.ReplaceAll(t.Name(), "/", "-"), hurried(workflow.Stack()))
	workflows.Set(s.invoke)
	return s
}

// Pause implements stackops.Steered.
func (s *stacks) Pause(_ context.Context, _ task.Task, request string) error {
	s.paused = append(s.paused, request)
	return nil
}

// Restore implements stackops.Steered.
func (s *stacks) Restore(_ context.Context, _ task.Task, request string) error {
	s.restored = append(s.restored, request)
	return nil
}

// operate asks for an operation on a task's stack.
func operate(t *task.Task, k task.Kind) {
	t.Operation = &task.Operation{ID: fmt.Sprintf("%s-%s", taskID, strings.ToLower(string(k))), Kind: k, Begun: time.Now().UTC(), After: task.InProgress}
	t.State = map[task.Kind]task.State{task.Create: task.Starting, task.Update: task.Updating, task.Delete: task.Stopping}[k]
	switch k {
	case task.Update:
		t.Operation.Undo = &task.Settings{Parameters: map[string]string{"srcBucket": "before"}}
	case task.Delete:
		t.Operation.After = task.Stopped
	}
}

// invoke answers for the Lambda, without its waits.
func (s *stacks) invoke(_ string, payload []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failures--; s.failures >= 0 {
		return nil, errors.New("no memory")
	}
	var c stackops.Call
	if err := json.Unmarshal(payload, &c); err != nil {
		return nil, err
	}
	a, err := s.handler.Handle(context.Background(), c)
	if err != nil {
		return nil, err
	}
	a.Wait = min(a.Wait, 1)
	return json.Marshal(a)
}

func (s *stacks) get() task.Task {
	s.t.Helper()
	t, err := s.tasks.Get(s.t.Context(), taskID)
	must(s.t, err)
	return t
}

// start starts the execution of the task's operation and returns its name.
func (s *stacks) start() string {
	s.t.Helper()
	t := s.get()
	return s.execute(stackops.Of(&t))
}

func (s *stacks) execute(e stackops.Execution) string {
	s.t.Helper()
	input, err := json.Marshal(e)
	must(s.t, err)
	s.m.Start(e.Name(), string(input))
	return e.Name()
}

func (s *stacks) expect(state task.State, reason string) {
	s.t.Helper()
	if t := s.get(); t.State != state || t.Operation != nil || !strings.Contains(t.Reason, reason) || (t.Reason == "") != (reason == "") {
		s.t.Errorf("the task is %s (%s), its operation %+v; asked for %q", t.State, t.Reason, t.Operation, s.cf.Calls())
	}
}

// Each way through the machine that lets it succeed: what CloudFormation does, and what the task is then.
func TestStackWorkflow(t *testing.T) {
	for _, c := range []struct {
		name    string
		kind    task.Kind
		prepare func(s *stacks)
		state   task.State
		reason  string
	}{
		{"create", task.Create, func(*stacks) {}, task.InProgress, ""},
		{"update", task.Update, func(*stacks) {}, task.InProgress, ""},
		{"delete", task.Delete, func(*stacks) {}, task.Stopped, ""},
		{"create rolls back", task.Create, func(s *stacks) { s.cf.FailNext("Queue (AWS::SQS::Queue) CREATE_FAILED: no") }, task.Errored, "ROLLBACK_COMPLETE: Queue"},
		{"update rolls back", task.Update, func(s *stacks) { s.cf.FailNext("Queue (AWS::SQS::Queue) UPDATE_FAILED: no") }, task.InProgress, "UPDATE_ROLLBACK_COMPLETE: Queue"},
		{"delete fails", task.Delete, func(s *stacks) { s.cf.FailNext("Guard (Custom::StackGuard) DELETE_FAILED: no") }, task.Errored, "DELETE_FAILED: Guard"},
		{"deleted by hand", task.Update, func(s *stacks) { s.cf.Put(task.StackName(taskID), stackops.DeleteComplete, nil) }, task.Errored, "somebody deleted it"},
		{"throttled", task.Create, func(s *stacks) { s.cf.Throttle(2) }, task.InProgress, ""},
		{"a Lambda that fails twice", task.Create, func(s *stacks) { s.failures = 2 }, task.InProgress, ""},
		{"throttled for hours", task.Create, func(s *stacks) { s.cf.Throttle(1000) }, task.Errored, "could not go on: creating stack DTH-" + taskID + ": rate exceeded"},
		{"an answer that is lost", task.Create, func(s *stacks) { s.cf.LoseNext() }, task.InProgress, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStacks(t, c.kind)
			c.prepare(s)
			s.m.Until(s.start(), "SUCCEEDED")
			s.expect(c.state, c.reason)
			if told := len(s.sent) > 0; told != (c.reason != "") {
				t.Errorf("people are told %q", s.sent)
			}
		})
	}
}

// A task that was paused stays so through a change of its stack; one whose stack is made paused needs nothing more.
func TestStackWorkflowOfPausedTasks(t *testing.T) {
	for _, k := range []task.Kind{task.Create, task.Update} {
		t.Run(string(k), func(t *testing.T) {
			s := newStacks(t, k)
			_, err := task.Amend(t.Context(), s.tasks, taskID, func(t *task.Task) (*task.Entry, error) { t.Operation.After = task.Paused; return nil, nil })
			must(t, err)
			name := s.start()
			s.m.Until(name, "SUCCEEDED")
			s.expect(task.Paused, "")
			if !slices.Contains(s.cf.Asked(task.StackName(taskID)).Parameters, stackops.Parameter{Name: "startPaused", Value: "true"}) {
				t.Errorf("the stack is asked for with %v", s.cf.Asked(task.StackName(taskID)).Parameters)
			}
			want := map[task.Kind]int{task.Create: 0, task.Update: 1}[k]
			if len(s.paused) != want || want == 1 && s.paused[0] != name {
				t.Errorf("paused by %q", s.paused)
			}
		})
	}
}

// A task that is stopped while its stack is being created is stopped; both executions end well.
func TestStackWorkflowStopDuringStart(t *testing.T) {
	s := newStacks(t, task.Create)
	s.cf.Hold(true)
	create := s.start()
	for s.cf.Status(task.StackName(taskID)) != "CREATE_IN_PROGRESS" {
		time.Sleep(20 * time.Millisecond)
	}
	_, err := task.Amend(t.Context(), s.tasks, taskID, func(t *task.Task) (*task.Entry, error) { operate(t, task.Delete); return nil, nil })
	must(t, err)
	remove := s.start()
	s.m.Until(create, "SUCCEEDED")
	s.cf.Hold(false)
	s.m.Until(remove, "SUCCEEDED")
	s.expect(task.Stopped, "")
	if got := s.cf.Status(task.StackName(taskID)); !got.Gone() {
		t.Errorf("the stack is %s", got)
	}
}

// Before the limit of events another execution goes on.
func TestStackWorkflowHandsOver(t *testing.T) {
	s := newStacks(t, task.Create)
	s.cf.Hold(true)
	of := s.get()
	e := stackops.Of(&of)
	e.Looks = stackops.MaxLooks - 1
	id, err := s.cf.Create(t.Context(), stackops.Change{Name: e.Stack, Token: e.Operation, Tags: map[string]string{stackops.TagTask: taskID}})
	must(t, err)
	e.Stack, e.Asked = id, true
	s.m.Until(s.execute(e), "SUCCEEDED")
	if s.get().Operation == nil {
		t.Error("the first execution settled the operation")
	}
	s.m.Until(e.Operation+"-1", "RUNNING")
	s.cf.Hold(false)
	s.m.Until(e.Operation+"-1", "SUCCEEDED")
	s.expect(task.InProgress, "")
}

// A record that cannot be written for hours fails the execution; the reconciler repairs it.
func TestStackWorkflowWithoutRecords(t *testing.T) {
	s := newStacks(t, task.Create)
	of := s.get()
	s.tasks.Fail(errors.New("no table"))
	s.m.Until(s.execute(stackops.Of(&of)), "FAILED")
}
