// Package startaws begins operations on stacks by starting the workflow on AWS Step Functions, and tells how far it is.
package startaws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/datatransferhub/dth/lambda/stackops"
	"github.com/datatransferhub/dth/lambda/task"
)

// Actions returns the IAM actions on the state machine, and on its executions.
func Actions() (machine, executions []string) {
	return []string{"states:StartExecution"}, []string{"states:DescribeExecution"}
}

// Workflow implements task.Stacks.
type Workflow struct {
	client  *sfn.Client
	machine string
}

var _ task.Stacks = (*Workflow)(nil)

// Open returns the workflow of a state machine's ARN. It makes no call.
func Open(cfg aws.Config, machine string) *Workflow {
	return &Workflow{sfn.NewFromConfig(cfg), machine}
}

// Begin implements task.Stacks. The operation's id names the execution, so that there is one for it, whoever begins it and
// however often; an id that is taken by one that has ended begins nothing, for 90 days.
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
func (w *Workflow) Begin(ctx context.Context, t task.Task) error {
	if t.Operation == nil {
		return fmt.Errorf("beginning an operation on the stack of task %s: there is none on record", t.ID)
	}
	e := stackops.Of(&t)
	input, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = w.client.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &w.machine, Name: aws.String(e.Name()), Input: aws.String(string(input))})
	var there *types.ExecutionAlreadyExists
	if err != nil && !errors.As(err, &there) {
		return fmt.Errorf("beginning operation %s: %w", e.Operation, err)
	}
	return nil
}

// maxContinuations bounds the executions of one operation, each of which lasts the better part of a day.
const maxContinuations = 10

// Progress tells how far the executions of an operation are.
func (w *Workflow) Progress(ctx context.Context, operation string) (stackops.Progress, error) {
	e := stackops.Execution{Operation: operation}
	for n := range maxContinuations {
		e.Continuation = n
		arn := strings.Replace(w.machine, ":stateMachine:", ":execution:", 1) + ":" + e.Name()
		out, err := w.client.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &arn})
		var missing *types.ExecutionDoesNotExist
		switch {
		case errors.As(err, &missing) && n == 0:
			return stackops.NeverBegun, nil
		case errors.As(err, &missing):
			return stackops.Over, nil
		case err != nil:
			return "", fmt.Errorf("looking at the execution of operation %s: %w", operation, err)
		case out.Status == types.ExecutionStatusRunning || out.Status == types.ExecutionStatusPendingRedrive:
			return stackops.Underway, nil
		}
	}
	return stackops.Over, nil
}
