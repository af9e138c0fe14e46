// Package fleetaws wakes a fleet that sleeps: an Auto Scaling group without instances.
package fleetaws

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/autoscaling"
)

// Actions returns the IAM actions: to look, which cannot be narrowed to a group, and on the group.
func Actions() (look, group []string) {
	return []string{"autoscaling:DescribeAutoScalingGroups"}, []string{"autoscaling:SetDesiredCapacity"}
}

// Group is an Auto Scaling group of workers.
type Group struct {
	client *autoscaling.Client
	name   string
}

// Open returns the group of that name. It makes no call.
func Open(cfg aws.Config, name string) *Group { return &Group{autoscaling.NewFromConfig(cfg), name} }

// Wake has the group start its first worker when it has none, and reports whether it did. Queue metrics reach an alarm late
// after idle hours, so whoever queues something says it at once. Whether the task is paused is for the caller to know. A group that
// may have no worker stays asleep.
func (g *Group) Wake(ctx context.Context) (woken bool, err error) {
	out, err := g.client.DescribeAutoScalingGroups(ctx, &autoscaling.DescribeAutoScalingGroupsInput{AutoScalingGroupNames: []string{g.name}})
	if err != nil {
		return false, fmt.Errorf("looking at Auto Scaling group %s: %w", g.name, err)
	}
	if len(out.AutoScalingGroups) != 1 {
		return false, fmt.Errorf("there is no Auto Scaling group %s", g.name)
	}
	if now := out.AutoScalingGroups[0]; aws.ToInt32(now.DesiredCapacity) > 0 || aws.ToInt32(now.MaxSize) == 0 {
		return false, nil
	}
	_, err = g.client.SetDesiredCapacity(ctx, &autoscaling.SetDesiredCapacityInput{AutoScalingGroupName: &g.name, DesiredCapacity: aws.Int32(1), HonorCooldown: aws.Bool(false)})
	if err != nil {
		return false, fmt.Errorf("waking Auto Scaling group %s: %w", g.name, err)
	}
	return true, nil
}
