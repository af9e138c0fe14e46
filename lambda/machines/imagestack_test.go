package machines

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/lambda/machines/machinesaws"
	"github.com/datatransferhub/dth/lambda/stackops/stackopsaws"
	"github.com/datatransferhub/dth/lambda/stackops/startaws"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/plugins/ecr"
	"github.com/datatransferhub/dth/plugins/ecr/wiring"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

// imagesTemplate stands for the ECR plugin's: all of its parameters, and the outputs that the hub reads.
func imagesTemplate(t *testing.T) string {
	t.Helper()
	type object = map[string]any
	parameters := object{}
	for _, p := range ecr.Contract().Parameters {
		parameters[p.Name] = object{"Type": "String", "Default": p.Default}
	}
	text, err := json.Marshal(object{
		"Parameters": parameters,
		"Conditions": object{"IsPaused": object{"Fn::Equals": []any{object{"Ref": ecr.ParameterStartPaused}, "true"}}},
		"Resources":  object{"Topic": object{"Type": "AWS::SNS::Topic", "Properties": object{"DisplayName": object{"Ref": "srcImageList"}}}},
		"Outputs": object{
			wiring.OutputControl: object{"Value": object{"Fn::If": []any{"IsPaused", "paused", "running"}}},
			wiring.OutputRuns:    object{"Value": object{"Fn::GetAtt": []any{"Topic", "TopicName"}}},
			"List":               object{"Value": object{"Ref": "srcImageList"}},
		},
	})
	must(t, err)
	return string(text)
}

// The hub's workflow makes the stack of a task that copies images, changes it, and deletes it: the plugin's own template and parameters,
// a list on one line, paused or not as the task is.
func TestStackWorkflowOfImages(t *testing.T) {
	s := newStacks(t, task.Create)
	cfg := standinaws.Config(t, workflows.URL)
	machinesaws.Put(t, workflows.URL, "acme-us-east-1", "data-transfer-hub/1.2.3/DataTransferECRStack.template", imagesTemplate(t))
	s.handler.CloudFormation, s.handler.Templates.Region = stackopsaws.Open(cfg, "arn:aws:iam::123456789012:role/service"), "us-east-1"
	w := startaws.Open(cfg, s.m.ARN())
	ask := func(change func(*task.Task), want task.State) task.Task {
		t.Helper()
		_, err := task.Amend(t.Context(), s.tasks, taskID, func(t *task.Task) (*task.Entry, error) { change(t); return nil, nil })
		must(t, err)
		of := s.get()
		must(t, w.Begin(t.Context(), of))
		s.m.Until(of.Operation.ID, "SUCCEEDED")
		s.expect(want, "")
		return s.get()
	}
	made := ask(func(t *task.Task) {
		t.Type, t.Operation.After = "ECR", task.Paused
		t.Parameters = map[string]string{
			"destRegion": "cn-north-1", "ecsClusterName": "c", "ecsVpcId": "vpc-0123456789abcdef0", "ecsSubnetA": "subnet-0123456789abcdef0", "ecsSubnetB": "subnet-0123456789abcdef1",
			"alarmEmail": "a@example.com", "srcList": "SELECTED", "srcImageList": "# all of one\nteam/app:ALL_TAGS\nteam/{a,b}:1",
		}
	}, task.Paused)
	if o := made.Stack.Outputs; o[wiring.OutputControl] != "paused" || o["List"] != "team/app:ALL_TAGS,team/{a,b}:1" || !strings.HasPrefix(o[wiring.OutputRuns], task.StackName(taskID)) {
		t.Errorf("outputs %v", o)
	}
	changed := ask(func(t *task.Task) {
		operate(t, task.Update)
		t.Parameters["srcImageList"] = "team/app:1"
	}, task.InProgress)
	if o := changed.Stack.Outputs; o[wiring.OutputControl] != "running" || o["List"] != "team/app:1" || changed.Stack.ID != made.Stack.ID {
		t.Errorf("outputs %v of %s", o, changed.Stack.ID)
	}
	ask(func(t *task.Task) { operate(t, task.Delete) }, task.Stopped)
	if !slices.Contains([]string{"", made.Stack.ID}, s.get().Stack.ID) {
		t.Errorf("%+v", s.get().Stack)
	}
	status, err := s.handler.CloudFormation.Describe(t.Context(), made.Stack.ID)
	if err == nil && !status.Status.Gone() {
		t.Errorf("the stack is %+v", status)
	}
}
