package startaws_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"github.com/datatransferhub/dth/lambda/stackops"
	"github.com/datatransferhub/dth/lambda/stackops/startaws"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/worker/standin"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

var moto *standin.Server

func TestMain(m *testing.M) { os.Exit(standin.Run(m, func(s *standin.Server) { moto = s })) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// An operation has one execution, however often it is begun; its name and its input say which.
func TestAnOperationHasOneExecution(t *testing.T) {
	cfg := standinaws.Config(t, moto.URL)
	client := sfn.NewFromConfig(cfg)
	machine, err := client.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
		Name: aws.String("stacks"), RoleArn: aws.String("arn:aws:iam::123456789012:role/r"), Definition: aws.String(`{"StartAt":"W","States":{"W":{"Type":"Wait","Seconds":600,"End":true}}}`),
	})
	must(t, err)
	begin, look := startaws.Actions()
	w := startaws.Open(standinaws.Only(t, cfg, append(begin, look...)), *machine.StateMachineArn)
	of := task.Task{ID: "t-1", Stack: task.Stack{Name: "DTH-t-1"}, Operation: &task.Operation{ID: "t-1-4-update", Kind: task.Update, Begun: time.Unix(1e9, 0).UTC()}}
	progress := func(want stackops.Progress) {
		t.Helper()
		if got, err := w.Progress(t.Context(), of.Operation.ID); err != nil || got != want {
			t.Errorf("it is %s, %v; want %s", got, err, want)
		}
	}
	progress(stackops.NeverBegun)
	for range 2 {
		must(t, w.Begin(t.Context(), of))
		of.Stack.ID = "arn:aws:cloudformation:us-east-1:123456789012:stack/DTH-t-1/1" // known by now
	}
	progress(stackops.Underway)
	list, err := client.ListExecutions(t.Context(), &sfn.ListExecutionsInput{StateMachineArn: machine.StateMachineArn})
	must(t, err)
	if len(list.Executions) != 1 || *list.Executions[0].Name != of.Operation.ID {
		t.Fatalf("there are %d executions", len(list.Executions))
	}
	out, err := client.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: list.Executions[0].ExecutionArn})
	must(t, err)
	var e stackops.Execution
	must(t, json.Unmarshal([]byte(*out.Input), &e))
	if want := (stackops.Execution{Task: "t-1", Operation: "t-1-4-update", Kind: task.Update, Begun: time.Unix(1e9, 0).UTC(), Stack: "DTH-t-1"}); e != want {
		t.Errorf("its input is %+v", e)
	}
	stop := func(name string) {
		t.Helper()
		arn := strings.Replace(*machine.StateMachineArn, ":stateMachine:", ":execution:", 1) + ":" + name
		_, err := client.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: &arn})
		must(t, err)
	}
	// The execution hands over to another.
	_, err = client.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: machine.StateMachineArn, Name: aws.String(of.Operation.ID + "-1")})
	must(t, err)
	stop(of.Operation.ID)
	progress(stackops.Underway)
	stop(of.Operation.ID + "-1")
	progress(stackops.Over)
	must(t, w.Begin(t.Context(), of))
	progress(stackops.Over)
}

func TestWhatCannotBeBegun(t *testing.T) {
	w := startaws.Open(standinaws.Config(t, moto.URL), "arn:aws:states:us-east-1:123456789012:stateMachine:nowhere")
	if err := w.Begin(t.Context(), task.Task{ID: "t-2"}); err == nil || !strings.Contains(err.Error(), "t-2") {
		t.Errorf("without an operation: %v", err)
	}
	if err := w.Begin(t.Context(), task.Task{ID: "t-2", Operation: &task.Operation{ID: "t-2-1-create"}}); err == nil || !strings.Contains(err.Error(), "t-2-1-create") {
		t.Errorf("without a machine: %v", err)
	}
}
