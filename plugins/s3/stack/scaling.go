package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsautoscaling"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"

	"github.com/datatransferhub/dth/infra/kit"
)

// perWorker is how many waiting messages a worker may have in front of it before another is added.
const perWorker = 200.0

// idleMinutes is how long the queue must have nothing, neither waiting nor under way, before the group shrinks.
const idleMinutes = 10.0

// The alarms that change the group's size, by logical id.
const backlogAlarm, idleAlarm = "Backlog", "Idle"

// scale lets the group follow the queue, but not while the task is paused. It returns the names of the alarms, for whoever pauses.
func scale(s *kit.Stack, c conditions, group awsautoscaling.CfnAutoScalingGroup, queue awssqs.CfnQueue) []*string {
	grow := policyOf(s, "Grow", group, "ChangeInCapacity",
		step(0, 9*perWorker, new(1.0)), step(9*perWorker, 99*perWorker, new(2.0)), stepFrom(99*perWorker, new(5.0)))
	backlog := s.Alarm(backlogAlarm, kit.Alarm{
		Description: "Messages that wait, for each worker that is wanted; with none wanted, any message is too many.",
		Metrics: []any{
			kit.Metric("waiting", "AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", "QueueName", queue.AttrQueueName()),
			kit.Metric("wanted", "AWS/AutoScaling", "GroupDesiredCapacity", "Maximum", "AutoScalingGroupName", group.Ref()),
			// CloudWatch makes no list of a time series and a number, so MAX cannot keep the divisor from being zero.
			kit.MetricExpression("each", "waiting / IF(FILL(wanted, 0) > 0, FILL(wanted, 0), 0.001)"),
		},
		Threshold: perWorker, Minutes: 1, Actions: []*string{grow.Ref()},
	})
	shrink := policyOf(s, "Shrink", group, "ExactCapacity", stepFrom(0, kit.Number("minCapacity")))
	// The group must have had workers all the time: else an alarm of the last idle hours would take away the worker that the
	// finder has just asked for, before the queue's metrics show why.
	idle := kit.MetricExpression("idle", *kit.Sub("IF(workers > ${minCapacity} AND waiting + flying + delayed < 1, 1, 0)"))
	empty := s.Alarm(idleAlarm, kit.Alarm{
		Description: "There are workers, and the queue is empty.",
		Metrics: []any{
			kit.Metric("workers", "AWS/AutoScaling", "GroupInServiceInstances", "Minimum", "AutoScalingGroupName", group.Ref()),
			kit.Metric("waiting", "AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", "QueueName", queue.AttrQueueName()),
			kit.Metric("flying", "AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "Maximum", "QueueName", queue.AttrQueueName()),
			kit.Metric("delayed", "AWS/SQS", "ApproximateNumberOfMessagesDelayed", "Maximum", "QueueName", queue.AttrQueueName()),
			idle,
		},
		Threshold: 1, Minutes: idleMinutes, Actions: []*string{shrink.Ref()},
	})
	var names []*string
	for _, alarm := range []awscloudwatch.CfnAlarm{backlog, empty} {
		alarm.SetActionsEnabled(c.paused.ChooseAny(false, true))
		names = append(names, alarm.Ref())
	}
	return names
}

func policyOf(s *kit.Stack, id string, group awsautoscaling.CfnAutoScalingGroup, kind string, steps ...any) awsautoscaling.CfnScalingPolicy {
	props := &awsautoscaling.CfnScalingPolicyProps{
		AutoScalingGroupName: group.Ref(), PolicyType: new("StepScaling"), AdjustmentType: &kind, MetricAggregationType: new("Maximum"),
		StepAdjustments: &steps,
	}
	if kind == "ChangeInCapacity" {
		// As long as a new worker needs to start, it counts, and no other is added for the same backlog.
		props.EstimatedInstanceWarmup = new(180.0)
	}
	return awsautoscaling.NewCfnScalingPolicy(s.Scope, &id, props)
}

// step adjusts by n when the metric is from..to above the alarm's threshold.
func step(from, to float64, n *float64) any {
	return &awsautoscaling.CfnScalingPolicy_StepAdjustmentProperty{MetricIntervalLowerBound: &from, MetricIntervalUpperBound: &to, ScalingAdjustment: n}
}

func stepFrom(from float64, n *float64) any {
	return &awsautoscaling.CfnScalingPolicy_StepAdjustmentProperty{MetricIntervalLowerBound: &from, ScalingAdjustment: n}
}
