package machines

import (
	"testing"

	"github.com/datatransferhub/dth/lambda/machines/machinesaws"
	"github.com/datatransferhub/dth/lambda/stackops"
	"github.com/datatransferhub/dth/lambda/stackops/stackopsaws"
	"github.com/datatransferhub/dth/lambda/stackops/startaws"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

// aQueue is a template that stands for the plugin's.
const aQueue = `{"Parameters":{"srcBucket":{"Type":"String"}},"Resources":{"Queue":{"Type":"AWS::SQS::Queue"}},"Outputs":{"From":{"Value":{"Ref":"srcBucket"}}}}`

// With the adapters in place of the simulation: a stack is made, changed, and deleted, which somebody has done by hand.
func TestStackWorkflowOnCloudFormation(t *testing.T) {
	s := newStacks(t, task.Create)
	cfg := standinaws.Config(t, workflows.URL)
	machinesaws.Put(t, workflows.URL, "acme-us-east-1", "data-transfer-hub/1.2.3/DataTransferS3Stack.template", aQueue)
	cloudformation := stackopsaws.Open(cfg, "arn:aws:iam::123456789012:role/service")
	s.handler.CloudFormation, s.handler.Templates.Region = cloudformation, "us-east-1"
	w := startaws.Open(cfg, s.m.ARN())
	do := func(want task.State, reason string) task.Task {
		t.Helper()
		of := s.get()
		must(t, w.Begin(t.Context(), of))
		must(t, w.Begin(t.Context(), of)) // once more changes nothing
		s.m.Until(of.Operation.ID, "SUCCEEDED")
		s.expect(want, reason)
		if progress, err := w.Progress(t.Context(), of.Operation.ID); err != nil || progress != stackops.Over {
			t.Errorf("the operation is %s, %v", progress, err)
		}
		return s.get()
	}
	again := func(change func(*task.Task)) {
		t.Helper()
		_, err := task.Amend(t.Context(), s.tasks, taskID, func(t *task.Task) (*task.Entry, error) { change(t); return nil, nil })
		must(t, err)
	}
	made := do(task.InProgress, "")
	if made.Stack.Outputs["From"] != "source" {
		t.Errorf("its stack is %+v", made.Stack)
	}
	again(func(t *task.Task) { operate(t, task.Update); t.Parameters["srcBucket"] = "another" })
	if changed := do(task.InProgress, ""); changed.Stack.Outputs["From"] != "another" || changed.Stack.ID != made.Stack.ID {
		t.Errorf("its stack is %+v", changed.Stack)
	}
	again(func(t *task.Task) { operate(t, task.Update); t.Operation.ID += "-same" })
	do(task.InProgress, "") // no updates are to be performed
	must(t, cloudformation.Delete(t.Context(), made.Stack.ID, "by-hand"))
	again(func(t *task.Task) { operate(t, task.Delete) })
	do(task.Stopped, "")
}
