package giantaws_test

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/datatransferhub/dth/worker/giant"
	"github.com/datatransferhub/dth/worker/giant/giantaws"
	"github.com/datatransferhub/dth/worker/multipart"
	"github.com/datatransferhub/dth/worker/standin"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

var moto *standin.Server

func TestMain(m *testing.M) {
	os.Exit(standin.Run(m, func(s *standin.Server) { moto = s }))
}

func TestOneExecutionAtATime(t *testing.T) {
	cfg := standinaws.Config(t, moto.URL)
	client := sfn.NewFromConfig(cfg)
	machine, err := client.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
		Name: aws.String("giants"), RoleArn: aws.String("arn:aws:iam::123456789012:role/r"),
		Definition: aws.String(`{"StartAt":"Wait","States":{"Wait":{"Type":"Wait","Seconds":60,"End":true}}}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := giantaws.Open(standinaws.Only(t, cfg, giantaws.Actions()), *machine.StateMachineArn)
	for _, id := range []string{"first", "first", "second"} {
		if err := s.Ensure(t.Context(), multipart.Upload{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	list, err := client.ListExecutions(t.Context(), &sfn.ListExecutionsInput{StateMachineArn: machine.StateMachineArn})
	if err != nil || len(list.Executions) != 1 {
		t.Fatalf("%d executions, %v", len(list.Executions), err)
	}
	want := giant.Execution{Upload: "first"}
	if *list.Executions[0].Name != want.Name() {
		t.Errorf("it is called %s, not %s", *list.Executions[0].Name, want.Name())
	}
	described, err := client.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: list.Executions[0].ExecutionArn})
	if err != nil {
		t.Fatal(err)
	}
	var got giant.Execution
	if err := json.Unmarshal([]byte(*described.Input), &got); err != nil || got != want {
		t.Errorf("its input is %s, %v", *described.Input, err)
	}
}

// An execution that failed or was stopped leaves its upload to the next one, also where nothing begins a new upload.
func TestAControllerThatEndedIsFollowed(t *testing.T) {
	cfg := standinaws.Config(t, moto.URL)
	client := sfn.NewFromConfig(cfg)
	machine, err := client.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
		Name: aws.String("followed"), RoleArn: aws.String("arn:aws:iam::123456789012:role/r"),
		Definition: aws.String(`{"StartAt":"Wait","States":{"Wait":{"Type":"Wait","Seconds":60,"End":true}}}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := giantaws.Open(standinaws.Only(t, cfg, giantaws.Actions()), *machine.StateMachineArn)
	u := multipart.Upload{ID: "upload"}
	for n := range 3 {
		for range 2 { // the second time it runs
			if err := s.Ensure(t.Context(), u); err != nil {
				t.Fatal(err)
			}
		}
		list, err := client.ListExecutions(t.Context(), &sfn.ListExecutionsInput{StateMachineArn: machine.StateMachineArn, StatusFilter: types.ExecutionStatusRunning})
		if err != nil || len(list.Executions) != 1 {
			t.Fatalf("%d executions are running, %v", len(list.Executions), err)
		}
		want := giant.Execution{Upload: "upload", Continuation: n}
		if got := *list.Executions[0].Name; got != want.Name() {
			t.Errorf("%s is running, want %s", got, want.Name())
		}
		if _, err := client.StopExecution(t.Context(), &sfn.StopExecutionInput{ExecutionArn: list.Executions[0].ExecutionArn}); err != nil {
			t.Fatal(err)
		}
	}
}
