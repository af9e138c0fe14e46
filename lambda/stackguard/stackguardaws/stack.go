// Package stackguardaws ends what works for a stack on AWS.
package stackguardaws

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/datatransferhub/dth/worker/giant"
	"github.com/datatransferhub/dth/worker/multipart"
	"github.com/datatransferhub/dth/worker/retry"
)

// Actions returns the IAM actions: to look for executions and to stop them, to look for instances, and to end those of the
// stack.
func Actions() (list, stop, look, end []string) {
	return []string{"states:ListExecutions"}, []string{"states:StopExecution"}, []string{"ec2:DescribeInstances"}, []string{"ec2:TerminateInstances"}
}

// Stack implements stackguard.Stack.
type Stack struct {
	states  *sfn.Client
	ec2     *ec2.Client
	uploads multipart.Records
	// destination opens the task's destination; an end that cannot be reached any more is an error.
	destination func(ctx context.Context) (giant.Destination, func(), error)
	Pause       time.Duration // between two looks at instances
}

// Open returns a stack. It makes no call.
func Open(cfg aws.Config, uploads multipart.Records, destination func(ctx context.Context) (giant.Destination, func(), error)) *Stack {
	return &Stack{states: sfn.NewFromConfig(cfg), ec2: ec2.NewFromConfig(cfg), uploads: uploads, destination: destination, Pause: 5 * time.Second}
}

// StopExecutions implements stackguard.Stack. An execution that hands over meanwhile is found by another look.
func (s *Stack) StopExecutions(ctx context.Context, machine string) (stopped int, err error) {
	for range 10 {
		out, err := s.states.ListExecutions(ctx, &sfn.ListExecutionsInput{StateMachineArn: &machine, StatusFilter: sfntypes.ExecutionStatusRunning})
		var gone *sfntypes.StateMachineDoesNotExist
		if errors.As(err, &gone) {
			return stopped, nil
		}
		if err != nil {
			return stopped, fmt.Errorf("looking for executions of %s: %w", machine, err)
		}
		if len(out.Executions) == 0 {
			return stopped, nil
		}
		var failed error
		for _, e := range out.Executions {
			_, err := s.states.StopExecution(ctx, &sfn.StopExecutionInput{ExecutionArn: e.ExecutionArn, Cause: aws.String("the stack is deleted")})
			var gone *sfntypes.ExecutionDoesNotExist
			switch {
			case err == nil:
				stopped++
			case !errors.As(err, &gone):
				failed = errors.Join(failed, fmt.Errorf("stopping execution %s: %w", *e.ExecutionArn, err))
			}
		}
		if failed != nil {
			return stopped, failed
		}
	}
	return stopped, fmt.Errorf("executions of %s begin faster than they are stopped", machine)
}

// EndInstances implements stackguard.Stack. There are none when two looks in a row found none: one may have been asked for when the
// first was made.
func (s *Stack) EndInstances(ctx context.Context, tag, value string) (int, error) {
	seen := map[string]bool{}
	for none := 0; ; {
		ids, err := s.instances(ctx, tag, value)
		if err != nil {
			return len(seen), err
		}
		if none++; len(ids) > 0 {
			none = 0
			for _, id := range ids {
				seen[id] = true
			}
			// Those that are going already do not mind.
			if _, err := s.ec2.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: ids}); err != nil {
				return len(seen), fmt.Errorf("ending instances: %w", err)
			}
		}
		if none == 2 {
			return len(seen), nil
		}
		if err := retry.Sleep(ctx, s.Pause); err != nil {
			return len(seen), fmt.Errorf("%d instances are still going: %w", len(ids), err)
		}
	}
}

// instances are those that hold on to the security group still.
func (s *Stack) instances(ctx context.Context, tag, value string) (ids []string, err error) {
	pages := ec2.NewDescribeInstancesPaginator(s.ec2, &ec2.DescribeInstancesInput{Filters: []ec2types.Filter{
		{Name: aws.String("tag:" + tag), Values: []string{value}},
		{Name: aws.String("instance-state-name"), Values: []string{"pending", "running", "stopping", "stopped", "shutting-down"}},
	}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("looking for instances: %w", err)
		}
		for _, r := range page.Reservations {
			for _, i := range r.Instances {
				ids = append(ids, *i.InstanceId)
			}
		}
	}
	return ids, nil
}

// AbortUploads implements stackguard.Stack. Nobody works for the task any more, so whatever it meant to begin is its own.
func (s *Stack) AbortUploads(ctx context.Context) (aborted int, err error) {
	open, err := s.uploads.Uploads(ctx)
	if err != nil {
		return 0, err
	}
	intents, err := s.uploads.Intents(ctx)
	if err != nil || len(open)+len(intents) == 0 {
		return 0, err
	}
	destination, closeIt, err := s.destination(ctx)
	if err != nil {
		return 0, fmt.Errorf("%d uploads are open at the destination, which cannot be used: %w", len(open), err)
	}
	defer closeIt()
	return giant.Abandon(ctx, s.uploads, destination, time.Now())
}
