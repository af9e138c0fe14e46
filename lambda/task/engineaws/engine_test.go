package engineaws_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/datatransferhub/dth/lambda/control"
	"github.com/datatransferhub/dth/lambda/control/controlaws"
	"github.com/datatransferhub/dth/lambda/finderlaunch"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/lambda/task/engineaws"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/ledger/ledgeraws"
	"github.com/datatransferhub/dth/worker/queue/queueaws"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/run/runaws"
	"github.com/datatransferhub/dth/worker/standin"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

var server *standin.Workflows

func TestMain(m *testing.M) {
	var err error
	if server, err = standin.StartWorkflows(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := server.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// instances note what is started.
type instances struct{ started []finderlaunch.Launch }

func (i *instances) Start(_ context.Context, l finderlaunch.Launch) (string, error) {
	i.started = append(i.started, l)
	return fmt.Sprintf("i-%d", len(i.started)), nil
}
func (*instances) Running(context.Context) ([]finderlaunch.Instance, error) { return nil, nil }
func (*instances) End(context.Context, string) error                        { return nil }

// stack is a task's stack on stand-ins for AWS, with the real handlers of its Lambdas.
type stack struct {
	t         *testing.T
	cfg       aws.Config
	engine    *engineaws.Engine
	task      task.Task
	instances *instances
	runs      *runaws.Runs
	ledger    *ledgeraws.Ledger
	queue     *queueaws.Queue
	acts      map[string]bool // whether an alarm does something, by name
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newStack(t *testing.T) *stack {
	t.Helper()
	s := &stack{t: t, cfg: standinaws.Config(t, server.Front), instances: &instances{}, acts: map[string]bool{alarms[0]: true, alarms[1]: true}}
	ctx := t.Context()
	db := dynamodb.NewFromConfig(s.cfg)
	for _, in := range []*dynamodb.CreateTableInput{runaws.TableInput("runs"), ledgeraws.TableInput("ledger")} {
		_, err := db.CreateTable(ctx, in)
		must(t, err)
	}
	q, err := sqs.NewFromConfig(s.cfg).CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("objects")})
	must(t, err)
	_, err = eventbridge.NewFromConfig(s.cfg).PutRule(ctx, &eventbridge.PutRuleInput{Name: aws.String("rule"), ScheduleExpression: aws.String("rate(1 hour)")})
	must(t, err)
	groups := autoscaling.NewFromConfig(s.cfg)
	_, err = groups.CreateLaunchConfiguration(ctx, &autoscaling.CreateLaunchConfigurationInput{LaunchConfigurationName: aws.String("c"), ImageId: aws.String("ami-12c6146b"), InstanceType: aws.String("t2.micro")})
	must(t, err)
	_, err = groups.CreateAutoScalingGroup(ctx, &autoscaling.CreateAutoScalingGroupInput{
		AutoScalingGroupName: aws.String("workers"), MinSize: aws.Int32(0), MaxSize: aws.Int32(5), DesiredCapacity: aws.Int32(0), LaunchConfigurationName: aws.String("c"), AvailabilityZones: []string{"us-east-1a"},
	})
	must(t, err)
	s.runs = runaws.Open(s.cfg, "runs", retry.Policy{})
	s.ledger, err = ledgeraws.Open(ctx, s.cfg, "ledger", retry.Policy{})
	must(t, err)
	t.Cleanup(s.ledger.Close)
	s.queue, err = queueaws.Open(ctx, s.cfg, *q.QueueUrl, queueaws.Options{})
	must(t, err)
	s.serve()
	functions, runs, ledgers := engineaws.Actions()
	s.engine = engineaws.Open(standinaws.Only(t, s.cfg, append(append(functions, runs...), ledgers...)))
	s.task = task.Task{ID: "t-1", Stack: task.Stack{Name: "DTH-t-1", Outputs: map[string]string{
		engineaws.OutputControl: "control", engineaws.OutputRuns: "runs", engineaws.OutputLedger: "ledger",
	}}}
	return s
}

// serve answers for the stack's Lambdas.
func (s *stack) serve() {
	leases := finderlaunch.Leases{Runs: s.runs, Now: time.Now}
	quiet := slog.New(slog.DiscardHandler)
	launcher := &finderlaunch.Handler{Stack: "id", Instances: s.instances, Alive: leases, Paused: leases.Paused, Subnets: []string{"subnet-1"}, Log: quiet, Now: time.Now}
	rule, group, scaling, asks := controlaws.Actions()
	allowed := append(slices.Concat(rule, group, scaling, asks), "events:PutEvents", "autoscaling:DescribeAutoScalingGroups", "autoscaling:SetDesiredCapacity")
	steer := &control.Handler{
		Stack: controlaws.Open(standinaws.Only(s.t, standinaws.Between(standinaws.Config(s.t, server.Front), s.alarm), allowed), controlaws.Options{
			StackName: "DTH-t-1", StackID: "arn:aws:cloudformation:us-east-1:123456789012:stack/DTH-t-1/1", Rule: "rule", Group: "workers", Alarms: alarms, Launcher: "launch",
		}),
		Runs: s.runs, Ledger: s.ledger, Queue: s.queue, Log: quiet, Now: time.Now, Caller: func(context.Context) string { return "call" },
		Settings: func(context.Context) (control.Settings, error) {
			return control.Settings{Capacity: control.Capacity{Max: 5}}, nil
		},
	}
	server.Set(func(function string, payload []byte) ([]byte, error) {
		var answer any
		var err error
		switch function {
		case "control":
			answer, err = steer.Handle(context.Background(), payload)
		case "launch":
			answer, err = launcher.Handle(context.Background(), payload)
		default:
			err = fmt.Errorf("there is no function %s", function)
		}
		if err != nil {
			return nil, err
		}
		return json.Marshal(answer)
	})
}

// alarms change the group's size.
var alarms = []string{"task-backlog", "task-idle"}

// alarm answers for CloudWatch, whose protocol the stand-in does not speak, and lets other calls through.
func (s *stack) alarm(r standinaws.Request, next func() (*http.Response, error)) (*http.Response, error) {
	if r.HTTP.Header.Get("Smithy-Protocol") != "rpc-v2-cbor" {
		return next()
	}
	in, err := cbor.Decode(r.Body)
	must(s.t, err)
	for _, name := range in.(cbor.Map)["AlarmNames"].(cbor.List) {
		s.acts[string(name.(cbor.String))] = path.Base(r.HTTP.URL.Path) == "EnableAlarmActions"
	}
	answer := standinaws.Answer(r, http.StatusOK, string(cbor.Encode(cbor.Map{})))
	answer.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
	return answer, nil
}

// is compares the state of the schedule and the group's limits with what they should be. The queue changes the group's size only
// while the schedule is on.
func (s *stack) is(state string, most, wanted int32) {
	s.t.Helper()
	rule, err := eventbridge.NewFromConfig(s.cfg).DescribeRule(s.t.Context(), &eventbridge.DescribeRuleInput{Name: aws.String("rule")})
	must(s.t, err)
	groups, err := autoscaling.NewFromConfig(s.cfg).DescribeAutoScalingGroups(s.t.Context(), &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{"workers"}})
	must(s.t, err)
	if g := groups.AutoScalingGroups[0]; string(rule.State) != state || *g.MaxSize != most || *g.DesiredCapacity != wanted {
		s.t.Errorf("the schedule is %s, the group up to %d, at %d; want %s, %d, %d", rule.State, *g.MaxSize, *g.DesiredCapacity, state, most, wanted)
	}
	for _, name := range alarms {
		if s.acts[name] != (state == "ENABLED") {
			s.t.Errorf("the schedule is %s, alarm %s acts: %v", state, name, s.acts[name])
		}
	}
}

// rollBack writes the schedule and the fleet as CloudFormation does when it rolls back the first update of a stack that was made paused.
func (s *stack) rollBack() {
	s.t.Helper()
	_, err := eventbridge.NewFromConfig(s.cfg).DisableRule(s.t.Context(), &eventbridge.DisableRuleInput{Name: aws.String("rule")})
	must(s.t, err)
	_, err = autoscaling.NewFromConfig(s.cfg).UpdateAutoScalingGroup(s.t.Context(), &autoscaling.UpdateAutoScalingGroupInput{AutoScalingGroupName: aws.String("workers"), MaxSize: aws.Int32(0)})
	must(s.t, err)
	for _, name := range alarms {
		s.acts[name] = false
	}
}

// A task is steered from the hub to the stack's own parts.
func TestTaskIsSteered(t *testing.T) {
	s := newStack(t)
	ctx := t.Context()
	for range 2 {
		must(t, s.engine.Pause(ctx, s.task, "r-1"))
		s.is("DISABLED", 5, 0)
	}
	if err := s.engine.RunNow(ctx, s.task, "r-2"); err == nil || !strings.Contains(err.Error(), "paused") || len(s.instances.started) != 0 {
		t.Errorf("a pass while paused: %v", err)
	}
	must(t, s.engine.Check(ctx, s.task, "r-3"))
	must(t, s.engine.Resume(ctx, s.task, "r-4"))
	s.is("ENABLED", 5, 0)
	s.rollBack()
	s.is("DISABLED", 0, 0)
	must(t, s.engine.Restore(ctx, s.task, "r-4-restore"))
	s.is("ENABLED", 5, 0)
	if n := len(s.instances.started); n != 2 || s.instances.started[0].Request != "r-3" || s.instances.started[1].Run != "r-4" {
		t.Errorf("started are %+v", s.instances.started)
	}
	if _, err := s.engine.Answer(ctx, s.task, "r-3"); !errors.Is(err, task.ErrNoAnswer) {
		t.Errorf("before there is an answer: %v", err)
	}
	must(t, s.runs.PutAnswer(ctx, "r-3", []byte(`{"state":"DONE","findings":[{"end":"source","right":"list","result":"ok"}]}`)))
	if a, err := s.engine.Answer(ctx, s.task, "r-3"); err != nil || a.State != task.Finished || len(a.Findings) != 1 {
		t.Errorf("%+v, %v", a, err)
	}
	for i := range 150 {
		_, err := s.ledger.Put(ctx, ledger.Record{Key: fmt.Sprintf("k%03d", i), RunID: "before", Status: ledger.Failed, ErrorClass: "kms", Worker: "w", Seq: int64(i + 1), FinishedAt: time.Now()}, nil)
		must(t, err)
	}
	must(t, s.engine.Retry(ctx, s.task, "r-5", task.Retry{Class: "kms"}))
	s.is("ENABLED", 5, 1)
	must(t, s.engine.Retry(ctx, s.task, "r-6", task.Retry{Keys: []string{"k001"}}))
	records, err := s.engine.Records(ctx, s.task)
	must(t, err)
	defer records.Close()
	for id, queued := range map[string]int64{"r-5": 150, "r-6": 1} {
		if r, err := records.Runs.Get(ctx, id); err != nil || r.State != run.Copying || r.Finder.Queued != queued || r.Trigger != run.TriggerRetry {
			t.Errorf("%s: %+v, %v", id, r, err)
		}
	}
	if page, err := records.Objects.Failures(ctx, "kms", 100, ""); err != nil || len(page.Records) != 100 {
		t.Errorf("%d failures, %v", len(page.Records), err)
	}
}

func TestStackOfAnOlderVersion(t *testing.T) {
	e := engineaws.Open(standinaws.Config(t, server.Front))
	old := task.Task{ID: "t-1", Stack: task.Stack{Name: "DTH-t-1", Outputs: map[string]string{}}}
	for _, call := range []func() error{
		func() error { return e.Pause(t.Context(), old, "r") },
		func() error { _, err := e.Answer(t.Context(), old, "r"); return err },
		func() error { _, err := e.Records(t.Context(), old); return err },
	} {
		if err := call(); !task.Is(err, task.WrongState) || !strings.Contains(err.Error(), "update the task") {
			t.Errorf("%v", err)
		}
	}
}

// A stack that does not know how to restore what CloudFormation took is resumed.
func TestAStackThatCannotRestore(t *testing.T) {
	var asked []string
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in control.Request
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		asked = append(asked, string(in.Operation)+" "+in.Request)
		if in.Operation == control.Restore {
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
			_, _ = io.WriteString(w, `{"errorMessage":"operation: \"restore\"","errorType":"Refusal"}`)
			return
		}
		_, _ = io.WriteString(w, `{}`)
	}))
	defer front.Close()
	of := task.Task{ID: "t-1", Stack: task.Stack{Outputs: map[string]string{engineaws.OutputControl: "control"}}}
	must(t, engineaws.Open(standinaws.Config(t, front.URL)).Restore(t.Context(), of, "r"))
	if got := strings.Join(asked, ", "); got != "restore r, resume r" {
		t.Errorf("asked was %q", got)
	}
}

// What a stack refuses is said to the caller; what did not work is not.
func TestErrorsOfTheStack(t *testing.T) {
	for _, c := range []struct {
		body    string
		refusal bool
	}{
		{`{"errorMessage":"the task is paused","errorType":"Refusal"}`, true},
		{`{"errorMessage":"a run of trigger schedule","errorType":"RetryChoiceError"}`, true},
		{`{"errorMessage":"no table","errorType":"wrapError"}`, false},
		{`<html>`, false},
	} {
		front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
			_, _ = io.WriteString(w, c.body)
		}))
		e := engineaws.Open(standinaws.Config(t, front.URL))
		err := e.Pause(t.Context(), task.Task{ID: "t-1", Stack: task.Stack{Outputs: map[string]string{engineaws.OutputControl: "control"}}}, "r")
		if err == nil || task.Is(err, task.WrongState) != c.refusal {
			t.Errorf("%s: %v", c.body, err)
		}
		front.Close()
	}
}
