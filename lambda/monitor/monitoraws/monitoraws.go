// Package monitoraws tells of runs on Amazon EventBridge, and has finders started by the Lambda that does so.
package monitoraws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/datatransferhub/dth/lambda/finderlaunch"
	"github.com/datatransferhub/dth/lambda/monitor"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
	"github.com/datatransferhub/dth/worker/retry"
)

// maxEntries of one PutEvents.
const maxEntries = 10

// Actions returns the IAM actions on the default event bus and, the second, on the Lambda that starts finders.
func Actions() (bus, launcher []string) {
	return []string{"events:PutEvents"}, []string{"lambda:InvokeFunction"}
}

// Services are what the monitor speaks to.
type Services struct {
	events   *eventbridge.Client
	lambdas  *lambda.Client
	launcher string
}

// Open returns the services. Launcher is the name or ARN of the Lambda finderlaunch. It makes no call.
func Open(cfg aws.Config, launcher string) *Services {
	return &Services{eventbridge.NewFromConfig(cfg), lambda.NewFromConfig(cfg), launcher}
}

// Tell puts events of the S3 plugin on the default bus. Entries that the bus refuses are put again.
func (s *Services) Tell(ctx context.Context, events []monitor.Event) error {
	return tell(ctx, s.events, wiring.EventSource, events)
}

// Bus returns what puts the events of a plugin on the default bus, as Tell does. source names the plugin.
func Bus(cfg aws.Config, source string) func(ctx context.Context, events []monitor.Event) error {
	client := eventbridge.NewFromConfig(cfg)
	return func(ctx context.Context, events []monitor.Event) error { return tell(ctx, client, source, events) }
}

func tell(ctx context.Context, client *eventbridge.Client, source string, events []monitor.Event) error {
	entries := make([]types.PutEventsRequestEntry, len(events))
	for i, e := range events {
		detail, err := json.Marshal(e.Detail)
		if err != nil {
			return err
		}
		entries[i] = types.PutEventsRequestEntry{Source: &source, DetailType: &events[i].Kind, Detail: aws.String(string(detail)), Resources: []string{e.Detail.StackID}}
	}
	policy := retry.Calls()
	for try := 1; len(entries) > 0; {
		n := min(len(entries), maxEntries)
		out, err := client.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: entries[:n]})
		if err != nil {
			return fmt.Errorf("putting events: %w", err)
		}
		var again []types.PutEventsRequestEntry
		for i, r := range out.Entries {
			if r.ErrorCode != nil {
				again = append(again, entries[i])
				err = fmt.Errorf("putting event %s: %s: %s", *entries[i].DetailType, *r.ErrorCode, aws.ToString(r.ErrorMessage))
			}
		}
		entries = append(again, entries[n:]...)
		if len(again) == 0 {
			continue
		}
		if try++; try > policy.Attempts {
			return err
		}
		if sleepErr := retry.Sleep(ctx, policy.Delay(try)); sleepErr != nil {
			return errors.Join(err, sleepErr)
		}
	}
	return nil
}

// Close has a finder started that closes a run.
func (s *Services) Close(ctx context.Context, runID, request string) error {
	return s.launch(ctx, finderlaunch.Request{Mode: finderlaunch.Close, Run: runID, ID: request})
}

// Resume has a finder started that goes on with the run that broke off.
func (s *Services) Resume(ctx context.Context, request string) error {
	return s.launch(ctx, finderlaunch.Request{Mode: finderlaunch.Pass, ID: request})
}

func (s *Services) launch(ctx context.Context, r finderlaunch.Request) error {
	payload, err := json.Marshal(r)
	if err != nil {
		return err
	}
	out, err := s.lambdas.Invoke(ctx, &lambda.InvokeInput{FunctionName: &s.launcher, Payload: payload})
	if err != nil {
		return fmt.Errorf("invoking %s: %w", s.launcher, err)
	}
	if out.FunctionError != nil {
		return fmt.Errorf("%s: %s: %.500s", s.launcher, *out.FunctionError, out.Payload)
	}
	return nil
}
