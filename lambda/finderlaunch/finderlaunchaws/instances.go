// Package finderlaunchaws starts and ends the finder's instances on EC2.
package finderlaunchaws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/smithy-go"

	"github.com/datatransferhub/dth/lambda/finderlaunch"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
)

// Actions returns the IAM actions on instances: to start, to look, and to end those that carry the stack's tag; and on the
// default event bus.
func Actions() (start, look, end, bus []string) {
	return []string{"ec2:RunInstances", "ec2:CreateTags"}, []string{"ec2:DescribeInstances"}, []string{"ec2:TerminateInstances"}, []string{"events:PutEvents"}
}

// Options are what the template gives.
type Options struct {
	Stack          string // its name
	LaunchTemplate string // id
	Version        string // of the launch template
	SecurityGroup  string
	PublicAddress  bool
}

// EC2 implements finderlaunch.Instances.
type EC2 struct {
	client *ec2.Client
	o      Options
}

// Open returns the instances of a stack. It makes no call.
func Open(cfg aws.Config, o Options) *EC2 { return &EC2{ec2.NewFromConfig(cfg), o} }

// noCapacity are errors that another subnet, which is in another zone, may not have.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
var noCapacity = []string{"InsufficientInstanceCapacity", "InsufficientHostCapacity", "InsufficientReservedInstanceCapacity", "Unsupported", "InsufficientFreeAddressesInSubnet"}

// Start implements finderlaunch.Instances.
func (e *EC2) Start(ctx context.Context, l finderlaunch.Launch) (string, error) {
	tags := []types.Tag{
		{Key: aws.String(wiring.TagStack), Value: &e.o.Stack},
		{Key: aws.String(wiring.TagMode), Value: aws.String(string(l.Mode))},
		{Key: aws.String("Name"), Value: aws.String(e.o.Stack + " finder")},
	}
	if l.Run != "" {
		tags = append(tags, types.Tag{Key: aws.String(wiring.TagRun), Value: &l.Run})
	}
	if l.Request != "" {
		tags = append(tags, types.Tag{Key: aws.String(wiring.TagRequest), Value: &l.Request})
	}
	out, err := e.client.RunInstances(ctx, &ec2.RunInstancesInput{
		LaunchTemplate: &types.LaunchTemplateSpecification{LaunchTemplateId: &e.o.LaunchTemplate, Version: &e.o.Version},
		MinCount:       aws.Int32(1), MaxCount: aws.Int32(1), ClientToken: &l.Token,
		NetworkInterfaces: []types.InstanceNetworkInterfaceSpecification{{
			DeviceIndex: aws.Int32(0), SubnetId: &l.Subnet, Groups: []string{e.o.SecurityGroup}, AssociatePublicIpAddress: &e.o.PublicAddress,
		}},
		TagSpecifications: []types.TagSpecification{{ResourceType: types.ResourceTypeInstance, Tags: tags}},
	})
	var refusal smithy.APIError
	if errors.As(err, &refusal) && slices.Contains(noCapacity, refusal.ErrorCode()) {
		return "", fmt.Errorf("%w: %w", finderlaunch.ErrNoCapacity, err)
	}
	if err != nil {
		return "", err
	}
	if len(out.Instances) != 1 {
		return "", fmt.Errorf("%d instances were started, one was asked for", len(out.Instances))
	}
	return *out.Instances[0].InstanceId, nil
}

// Running implements finderlaunch.Instances.
func (e *EC2) Running(ctx context.Context) (found []finderlaunch.Instance, err error) {
	pages := ec2.NewDescribeInstancesPaginator(e.client, &ec2.DescribeInstancesInput{Filters: []types.Filter{
		{Name: aws.String("tag:" + wiring.TagStack), Values: []string{e.o.Stack}},
		{Name: aws.String("tag-key"), Values: []string{wiring.TagMode}},
		{Name: aws.String("instance-state-name"), Values: []string{"pending", "running"}},
	}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("looking for the finder's instances: %w", err)
		}
		for _, r := range page.Reservations {
			for _, i := range r.Instances {
				one := finderlaunch.Instance{ID: aws.ToString(i.InstanceId), Launched: aws.ToTime(i.LaunchTime)}
				for _, tag := range i.Tags {
					if aws.ToString(tag.Key) == wiring.TagMode {
						one.Mode = finderlaunch.Mode(aws.ToString(tag.Value))
					}
				}
				found = append(found, one)
			}
		}
	}
	return found, nil
}

// End implements finderlaunch.Instances.
func (e *EC2) End(ctx context.Context, id string) error {
	if _, err := e.client.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: []string{id}}); err != nil {
		return fmt.Errorf("ending instance %s: %w", id, err)
	}
	return nil
}

// Announce returns a function that tells on the default event bus that a finder was started, for the monitor to begin.
func Announce(cfg aws.Config, stackName, stackID string) func(ctx context.Context, mode finderlaunch.Mode) error {
	client := eventbridge.NewFromConfig(cfg)
	return func(ctx context.Context, mode finderlaunch.Mode) error {
		detail, err := json.Marshal(map[string]string{"stackName": stackName, "stackId": stackID, "mode": string(mode)})
		if err != nil {
			return err
		}
		out, err := client.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []eventtypes.PutEventsRequestEntry{{
			Source: aws.String(wiring.EventSource), DetailType: aws.String(wiring.FinderStarted), Detail: aws.String(string(detail)), Resources: []string{stackID},
		}}})
		if err == nil && out.FailedEntryCount > 0 {
			err = fmt.Errorf("%s: %s", aws.ToString(out.Entries[0].ErrorCode), aws.ToString(out.Entries[0].ErrorMessage))
		}
		if err != nil {
			return fmt.Errorf("telling that a finder was started: %w", err)
		}
		return nil
	}
}
