// Package imagecontrolaws switches the rules of one ECR task's stack, and begins executions of its state machine.
package imagecontrolaws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/datatransferhub/dth/lambda/imagecontrol"
	"github.com/datatransferhub/dth/lambda/imageplan"
)

// Actions returns the IAM actions on the rules and on the state machine.
func Actions() (rules, machine []string) {
	return []string{"events:EnableRule", "events:DisableRule"}, []string{"states:StartExecution"}
}

// Stack implements imagecontrol.Stack.
type Stack struct {
	machine string
	rules   []string
	events  *eventbridge.Client
	states  *sfn.Client
}

var _ imagecontrol.Stack = (*Stack)(nil)

// Open returns a stack's parts: the ARN of its state machine, and the names of its rules; empty ones are none. It makes no call.
func Open(cfg aws.Config, machine string, rules ...string) *Stack {
	s := &Stack{machine: machine, events: eventbridge.NewFromConfig(cfg), states: sfn.NewFromConfig(cfg)}
	for _, rule := range rules {
		if rule != "" {
			s.rules = append(s.rules, rule)
		}
	}
	return s
}

// Schedule implements imagecontrol.Stack.
func (s *Stack) Schedule(ctx context.Context, on bool) error {
	var all error
	for _, rule := range s.rules {
		var err error
		if on {
			_, err = s.events.EnableRule(ctx, &eventbridge.EnableRuleInput{Name: &rule})
		} else {
			_, err = s.events.DisableRule(ctx, &eventbridge.DisableRuleInput{Name: &rule})
		}
		if err != nil {
			all = errors.Join(all, fmt.Errorf("switching rule %s: %w", rule, err))
		}
	}
	return all
}

// Begin implements imagecontrol.Stack.
func (s *Stack) Begin(ctx context.Context, name string, ask imageplan.Ask) error {
	input, err := json.Marshal(ask)
	if err != nil {
		return err
	}
	_, err = s.states.StartExecution(ctx, &sfn.StartExecutionInput{StateMachineArn: &s.machine, Name: &name, Input: aws.String(string(input))})
	var there *types.ExecutionAlreadyExists
	if err != nil && !errors.As(err, &there) {
		return fmt.Errorf("beginning execution %s: %w", name, err)
	}
	return nil
}
