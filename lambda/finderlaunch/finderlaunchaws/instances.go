// Package finderlaunchaws starts and ends the finder's instances on EC2.
package finderlaunchaws

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"

	"github.com/datatransferhub/dth/lambda/finderlaunch"
)

// Tags of the finder's instances. The template lets instances read their own tags from their metadata, and Lambdas end those
// instances only that carry the stack's.
const (
	TagStack = "dth:stack"
	TagMode  = "DthMode"
	TagRun   = "DthRun"
)

// Actions returns the IAM actions on instances: to start, to look, and to end those that carry the stack's tag; and on the
// monitor's state machine.
func Actions() (start, look, end, monitor []string) {
	return []string{"ec2:RunInstances", "ec2:CreateTags"}, []string{"ec2:DescribeInstances"}, []string{"ec2:TerminateInstances"},
		[]string{"states:ListExecutions", "states:StartExecution"}
}

// Options are what the template gives.
type Options struct {
	Stack          string // its id, the value of TagStack
	Name           string // of the stack, for people
	LaunchTemplate string // id
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
		{Key: aws.String(TagStack), Value: &e.o.Stack},
		{Key: aws.String(TagMode), Value: aws.String(string(l.Mode))},
		{Key: aws.String("Name"), Value: aws.String(e.o.Name + " finder")},
	}
	if l.Run != "" {
		tags = append(tags, types.Tag{Key: aws.String(TagRun), Value: &l.Run})
	}
	out, err := e.client.RunInstances(ctx, &ec2.RunInstancesInput{
		LaunchTemplate: &types.LaunchTemplateSpecification{LaunchTemplateId: &e.o.LaunchTemplate, Version: aws.String("$Latest")},
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
		{Name: aws.String("tag:" + TagStack), Values: []string{e.o.Stack}},
		{Name: aws.String("tag-key"), Values: []string{TagMode}},
		{Name: aws.String("instance-state-name"), Values: []string{"pending", "running"}},
	}})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("looking for the finder's instances: %w", err)
		}
		for _, r := range page.Reservations {
			for _, i := range r.Instances {
				found = append(found, finderlaunch.Instance{ID: aws.ToString(i.InstanceId), Host: aws.ToString(i.PrivateDnsName), Launched: aws.ToTime(i.LaunchTime)})
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

// Monitor returns a function that starts an execution of a state machine unless one is running: one looks after all runs.
func Monitor(cfg aws.Config, machine string) func(ctx context.Context, id string) error {
	client := sfn.NewFromConfig(cfg)
	return func(ctx context.Context, id string) error {
		running, err := client.ListExecutions(ctx, &sfn.ListExecutionsInput{StateMachineArn: &machine, StatusFilter: sfntypes.ExecutionStatusRunning, MaxResults: 1})
		if err != nil {
			return fmt.Errorf("looking for a running monitor: %w", err)
		}
		if len(running.Executions) > 0 {
			return nil
		}
		name := "pass-" + strings.NewReplacer(".", "-", ":", "-").Replace(id)
		name = name[:min(len(name), 60)]
		_, err = client.StartExecution(ctx, &sfn.StartExecutionInput{
			StateMachineArn: &machine, Name: &name, Input: aws.String(fmt.Sprintf(`{"begun":%q,"continuation":0,"looks":0}`, name)),
		})
		var exists *sfntypes.ExecutionAlreadyExists
		if err != nil && !errors.As(err, &exists) {
			return fmt.Errorf("starting the monitor: %w", err)
		}
		return nil
	}
}
