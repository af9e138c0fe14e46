// Package giantaws starts the controller of giants, a Step Functions state machine.
package giantaws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/datatransferhub/dth/worker/giant"
	"github.com/datatransferhub/dth/worker/multipart"
)

// Actions returns the IAM actions that a Starter needs on the state machine.
func Actions() []string { return []string{"states:ListExecutions", "states:StartExecution"} }

// Starter starts executions of one state machine.
type Starter struct {
	client *sfn.Client
	arn    string
}

// Open returns the starter of a state machine. It makes no call.
func Open(cfg aws.Config, arn string) *Starter { return &Starter{sfn.NewFromConfig(cfg), arn} }

// Ensure starts an execution unless one is running: one looks after all open uploads. Two workers that begin the same
// upload at once start the same execution; two that begin different ones may start two, which does no harm.
func (s *Starter) Ensure(ctx context.Context, u multipart.Upload) error {
	running, err := s.client.ListExecutions(ctx, &sfn.ListExecutionsInput{
		StateMachineArn: &s.arn, StatusFilter: types.ExecutionStatusRunning, MaxResults: 1,
	})
	if err != nil {
		return fmt.Errorf("looking for a running controller: %w", err)
	}
	if len(running.Executions) > 0 {
		return nil
	}
	e := giant.Execution{Upload: u.ID}
	input, err := json.Marshal(e)
	if err != nil {
		return err
	}
	_, err = s.client.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &s.arn, Name: aws.String(e.Name()), Input: aws.String(string(input))})
	var exists *types.ExecutionAlreadyExists
	if err != nil && !errors.As(err, &exists) {
		return fmt.Errorf("starting the controller: %w", err)
	}
	return nil
}
