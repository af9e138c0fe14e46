// Package controlaws changes the schedule and the group of workers of one stack, and speaks to the Lambda that starts its
// finders.
package controlaws

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/datatransferhub/dth/lambda/control"
	"github.com/datatransferhub/dth/lambda/finderlaunch"
	"github.com/datatransferhub/dth/lambda/finderlaunch/finderlaunchaws"
	"github.com/datatransferhub/dth/worker/fleet/fleetaws"
)

// Actions returns the IAM actions on the rule of the schedule, on the group of workers, on the alarms that change its size, and on
// the Lambda that starts finders. The default bus and what wakes the group are declared by finderlaunchaws and fleetaws.
func Actions() (rule, group, alarms, launcher []string) {
	return []string{"events:EnableRule", "events:DisableRule"}, []string{"autoscaling:UpdateAutoScalingGroup"},
		[]string{"cloudwatch:EnableAlarmActions", "cloudwatch:DisableAlarmActions"}, []string{"lambda:InvokeFunction"}
}

// Options name the stack's parts.
type Options struct {
	StackName, StackID string
	Rule               string   // name; empty: the task has no schedule
	Group              string   // of the workers
	Alarms             []string // names of those that change the group's size
	Launcher           string   // name of the function that starts finders
}

// Stack implements control.Stack.
type Stack struct {
	o        Options
	events   *eventbridge.Client
	groups   *autoscaling.Client
	alarms   *cloudwatch.Client
	lambdas  *lambda.Client
	fleet    *fleetaws.Group
	announce func(ctx context.Context, mode finderlaunch.Mode) error
}

var _ control.Stack = (*Stack)(nil)

// Open returns a stack's parts. It makes no call.
func Open(cfg aws.Config, o Options) *Stack {
	return &Stack{
		o: o, events: eventbridge.NewFromConfig(cfg), groups: autoscaling.NewFromConfig(cfg), alarms: cloudwatch.NewFromConfig(cfg), lambdas: lambda.NewFromConfig(cfg),
		fleet: fleetaws.Open(cfg, o.Group), announce: finderlaunchaws.Announce(cfg, o.StackName, o.StackID),
	}
}

// Schedule implements control.Stack.
func (s *Stack) Schedule(ctx context.Context, on bool) error {
	if s.o.Rule == "" {
		return nil
	}
	var err error
	if on {
		_, err = s.events.EnableRule(ctx, &eventbridge.EnableRuleInput{Name: &s.o.Rule})
	} else {
		_, err = s.events.DisableRule(ctx, &eventbridge.DisableRuleInput{Name: &s.o.Rule})
	}
	if err != nil {
		return fmt.Errorf("switching the schedule %s: %w", s.o.Rule, err)
	}
	return nil
}

// Fleet implements control.Stack.
func (s *Stack) Fleet(ctx context.Context, c control.Capacity) error {
	in := &autoscaling.UpdateAutoScalingGroupInput{AutoScalingGroupName: &s.o.Group, MinSize: &c.Min, MaxSize: &c.Max}
	if c.Desired != control.AsIs {
		in.DesiredCapacity = &c.Desired
	}
	if _, err := s.groups.UpdateAutoScalingGroup(ctx, in); err != nil {
		return fmt.Errorf("setting the limits of Auto Scaling group %s: %w", s.o.Group, err)
	}
	if _, err := s.alarms.EnableAlarmActions(ctx, &cloudwatch.EnableAlarmActionsInput{AlarmNames: s.o.Alarms}); err != nil {
		return fmt.Errorf("letting the queue change the size of Auto Scaling group %s: %w", s.o.Group, err)
	}
	return nil
}

// Rest implements control.Stack. How many workers there may be at most is left as it is: CloudFormation updates no group that may have none.
func (s *Stack) Rest(ctx context.Context) error {
	if _, err := s.alarms.DisableAlarmActions(ctx, &cloudwatch.DisableAlarmActionsInput{AlarmNames: s.o.Alarms}); err != nil {
		return fmt.Errorf("keeping the queue from changing the size of Auto Scaling group %s: %w", s.o.Group, err)
	}
	_, err := s.groups.UpdateAutoScalingGroup(ctx, &autoscaling.UpdateAutoScalingGroupInput{
		AutoScalingGroupName: &s.o.Group, MinSize: aws.Int32(0), DesiredCapacity: aws.Int32(0),
	})
	if err != nil {
		return fmt.Errorf("taking the workers of Auto Scaling group %s away: %w", s.o.Group, err)
	}
	return nil
}

// Wake implements control.Stack.
func (s *Stack) Wake(ctx context.Context) error {
	_, err := s.fleet.Wake(ctx)
	return err
}

// Announce implements control.Stack.
func (s *Stack) Announce(ctx context.Context) error { return s.announce(ctx, finderlaunch.Pass) }

// Launch implements control.Stack.
func (s *Stack) Launch(ctx context.Context, r finderlaunch.Request) (finderlaunch.Answer, error) {
	var a finderlaunch.Answer
	payload, err := json.Marshal(r)
	if err != nil {
		return a, err
	}
	out, err := s.lambdas.Invoke(ctx, &lambda.InvokeInput{FunctionName: &s.o.Launcher, Payload: payload})
	if err != nil {
		return a, fmt.Errorf("asking for a finder: %w", err)
	}
	if out.FunctionError != nil {
		return a, fmt.Errorf("asking for a finder: %s: %s", *out.FunctionError, out.Payload)
	}
	if err := json.Unmarshal(out.Payload, &a); err != nil {
		return a, fmt.Errorf("asking for a finder: the answer %.200q cannot be read: %w", out.Payload, err)
	}
	return a, nil
}
