package bootstrap

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/datatransferhub/dth/lambda/machines/machinesaws"
	"github.com/datatransferhub/dth/lambda/reconcile"
	"github.com/datatransferhub/dth/lambda/stackops"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/lambda/wiring"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/standin"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// hub is a stand-in with the hub's tables and the environment of its Lambdas.
type hub struct {
	t     *testing.T
	url   string // of the stand-in
	tasks task.Store
	env   []string
}

// variable is the value of one of the environment, the last one that was given.
func (h *hub) variable(name string) (value string) {
	for _, e := range h.env {
		if text, is := strings.CutPrefix(e, name+"="); is {
			value = text
		}
	}
	return value
}

func newHub(t *testing.T) *hub {
	t.Helper()
	server, err := standin.Start()
	must(t, err)
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	machinesaws.Put(t, server.URL, "acme-us-east-1", "data-transfer-hub/1.2.3/DataTransferS3Stack.template",
		`{"Parameters":{"srcBucket":{"Type":"String"}},"Resources":{"Queue":{"Type":"AWS::SQS::Queue"}},"Outputs":{"RunTableName":{"Value":"runs"}}}`)
	return &hub{t, server.URL, machinesaws.Tasks(t, server.URL, "tasks", "audit"), []string{
		"AWS_ENDPOINT_URL=" + server.URL, wiring.EnvHub + "=hub", wiring.EnvTasks + "=tasks", wiring.EnvAudit + "=audit", wiring.EnvAssets + "=acme",
		wiring.EnvServiceRole + "=arn:aws:iam::123456789012:role/service",
		wiring.EnvStackWorkflow + "=arn:aws:states:us-east-1:123456789012:stateMachine:stacks",
	}}
}

// answer invokes a Lambda and reads its answer.
func answer[T any](h *hub, name string, event any) (a T) {
	h.t.Helper()
	payload, err := json.Marshal(event)
	must(h.t, err)
	text, failed := invoke(h.t, name, string(payload), h.env...)
	if failed {
		h.t.Fatalf("%s failed: %s", name, text)
	}
	must(h.t, json.Unmarshal([]byte(text), &a))
	return a
}

// steps goes through the stack workflow as its state machine does.
func (h *hub) steps(e stackops.Execution) {
	h.t.Helper()
	a := stackops.Answer{Next: stackops.Begin, Execution: e}
	for n := 0; a.Next != stackops.End; n++ {
		if n == 10 {
			h.t.Fatalf("the workflow does not come to its end: %+v", a)
		}
		a = answer[stackops.Answer](h, wiring.StackOps, stackops.Call{Step: a.Next, Execution: a.Execution})
	}
}

func (h *hub) get() task.Task {
	h.t.Helper()
	t, err := h.tasks.Get(h.t.Context(), hubTask)
	must(h.t, err)
	return t
}

const hubTask = "t-aaaaaaaaaaaaaaaa"

// The Lambdas of the hub's workflows in their shipped form: a task's stack is made, a run of it is told of, the reconciler
// finds nothing to repair, and the stack is deleted.
func TestHub(t *testing.T) {
	h := newHub(t)
	now := time.Now().UTC()
	made := task.Task{
		ID: hubTask, Type: "S3", PluginVersion: "1.2.3", State: task.Starting, Stack: task.Stack{Name: task.StackName(hubTask)}, Created: now, Updated: now,
		Settings: task.Settings{Name: "photos", Schedule: task.Schedule{Kind: task.Once}, Parameters: map[string]string{
			"srcBucket": "source", "destBucket": "target", "ec2VpcId": "vpc-12345678", "ec2Subnets": "subnet-12345678", "alarmEmail": "a@example.com",
		}},
		Operation: &task.Operation{ID: hubTask + "-1", Kind: task.Create, Begun: now, After: task.InProgress},
	}
	must(t, h.tasks.Create(t.Context(), made, task.Entry{Task: hubTask, At: now, Action: "created"}))
	h.steps(stackops.Of(&made))
	got := h.get()
	if got.State != task.InProgress || got.Stack.Outputs["RunTableName"] != "runs" {
		t.Fatalf("the task is %s (%s), its stack %+v", got.State, got.Reason, got.Stack)
	}
	answer[any](h, wiring.Mirror, map[string]any{
		"source": "datatransferhub.s3", "detail-type": "RunClosed", "time": now,
		"detail": map[string]any{"stackId": got.Stack.ID, "run": "run-1", "state": run.Done, "started": now, "finished": now.Add(time.Second), "proved": true},
	})
	if got = h.get(); got.State != task.Done || got.LastRun == nil || !got.Agreement.InSync {
		t.Errorf("the task is %s, its run %+v", got.State, got.LastRun)
	}
	if a := answer[reconcile.Answer](h, wiring.Reconcile, map[string]any{}); a.Verdict != reconcile.End || a.Execution.Tasks != 1 || a.Execution.Repaired+a.Execution.Failed != 0 {
		t.Errorf("the reconciler answers %+v", a)
	}
	got.State, got.Operation = task.Stopping, &task.Operation{ID: hubTask + "-9", Kind: task.Delete, Begun: now, After: task.Stopped}
	stopping, err := h.tasks.Update(t.Context(), got, nil)
	must(t, err)
	h.steps(stackops.Of(&stopping))
	if got = h.get(); got.State != task.Stopped || got.HasStack() {
		t.Errorf("the task is %s (%s)", got.State, got.Reason)
	}
}

// What nobody can read is an error of the function, or for an event, which comes again otherwise, dropped.
func TestHubLambdasRefuseWhatTheyCannotRead(t *testing.T) {
	for name, want := range map[string]string{wiring.StackOps: "allowed are BEGIN, LOOK and SETTLE", wiring.Reconcile: "cannot unmarshal"} {
		event := map[string]string{wiring.StackOps: `{"step":"DANCE"}`, wiring.Reconcile: `[]`}[name]
		if text, failed := invoke(t, name, event); !failed || !strings.Contains(text, want) {
			t.Errorf("%s answers %s", name, text)
		}
	}
	if text, failed := invoke(t, wiring.Mirror, `{"detail-type":"RunClosed"}`); failed {
		t.Errorf("the mirror answers %s", text)
	}
}
