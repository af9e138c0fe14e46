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
	return s.start(ctx, giant.Execution{Upload: u.ID})
}

// starts bounds the names that are tried for one upload at a time; whoever is asked again goes on from what is listed by then.
const starts = 10

// start starts an execution, or the one that follows the last of that upload: a name is taken for 90 days, also by an execution
// that failed or was stopped.
func (s *Starter) start(ctx context.Context, e giant.Execution) error {
	for range starts {
		input, err := json.Marshal(e)
		if err != nil {
			return err
		}
		_, err = s.client.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &s.arn, Name: aws.String(e.Name()), Input: aws.String(string(input))})
		var exists *types.ExecutionAlreadyExists
		if err == nil {
			return nil
		}
		if !errors.As(err, &exists) {
			return fmt.Errorf("starting the controller: %w", err)
		}
		running, last, err := s.last(ctx, e)
		if err != nil || running {
			return err
		}
		e.Continuation = last + 1
	}
	return fmt.Errorf("starting the controller: %d executions of upload %s have ended although it is open", e.Continuation, e.Upload)
}

// listed is how many executions are looked at, the latest first. What is not among them ended long ago.
const listed = 1000

// last returns the number of the latest execution of an upload that is known, at least that of e, and whether one of them runs.
// Listing tells it by the rights that a worker has anyhow.
func (s *Starter) last(ctx context.Context, e giant.Execution) (running bool, last int, err error) {
	page, err := s.client.ListExecutions(ctx, &sfn.ListExecutionsInput{StateMachineArn: &s.arn, MaxResults: listed})
	if err != nil {
		return false, 0, fmt.Errorf("looking for the controllers of an upload: %w", err)
	}
	last = e.Continuation
	for _, x := range page.Executions {
		n, of := e.Number(aws.ToString(x.Name))
		if !of {
			continue
		}
		running = running || x.Status == types.ExecutionStatusRunning
		last = max(last, n)
	}
	return running, last, nil
}
