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

// scale lets the group follow the queue.
func scale(s *kit.Stack, group awsautoscaling.CfnAutoScalingGroup, queue awssqs.CfnQueue) {
	grow := policyOf(s, "Grow", group, "ChangeInCapacity",
		step(0, 9*perWorker, new(1.0)), step(9*perWorker, 99*perWorker, new(2.0)), stepFrom(99*perWorker, new(5.0)))
	alarm(s, "Backlog", alarmProps{
		description: "Messages that wait, for each worker that is wanted; with none wanted, any message is too many.",
		metrics: []any{
			metric("waiting", "AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", "QueueName", queue.AttrQueueName()),
			metric("wanted", "AWS/AutoScaling", "GroupDesiredCapacity", "Maximum", "AutoScalingGroupName", group.Ref()),
			expression("each", "waiting / MAX([FILL(wanted, 0), 0.001])"),
		},
		threshold: perWorker, periods: 1, actions: []*string{grow.Ref()},
	})
	shrink := policyOf(s, "Shrink", group, "ExactCapacity", stepFrom(0, kit.Number("minCapacity")))
	// The group must have had workers all the time: else an alarm of the last idle hours would take away the worker that the
	// finder has just asked for, before the queue's metrics show why.
	idle := expressionSub("idle", "IF(workers > ${minCapacity} AND waiting + flying + delayed < 1, 1, 0)")
	alarm(s, "Idle", alarmProps{
		description: "There are workers, and the queue is empty.",
		metrics: []any{
			metric("workers", "AWS/AutoScaling", "GroupInServiceInstances", "Minimum", "AutoScalingGroupName", group.Ref()),
			metric("waiting", "AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", "QueueName", queue.AttrQueueName()),
			metric("flying", "AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "Maximum", "QueueName", queue.AttrQueueName()),
			metric("delayed", "AWS/SQS", "ApproximateNumberOfMessagesDelayed", "Maximum", "QueueName", queue.AttrQueueName()),
			idle,
		},
		threshold: 1, periods: idleMinutes, actions: []*string{shrink.Ref()},
	})
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

// alarmProps is an alarm on the last of some metrics, at or above a threshold, in a number of minutes in a row.
type alarmProps struct {
	description string
	metrics     []any
	threshold   float64
	periods     float64
	actions     []*string
}

// alarm makes an alarm. Missing data is no alarm: idle queues report nothing.
func alarm(s *kit.Stack, id string, p alarmProps) awscloudwatch.CfnAlarm {
	return awscloudwatch.NewCfnAlarm(s.Scope, &id, &awscloudwatch.CfnAlarmProps{
		AlarmDescription: &p.description, Metrics: &p.metrics, Threshold: &p.threshold,
		ComparisonOperator: new("GreaterThanOrEqualToThreshold"), EvaluationPeriods: &p.periods, DatapointsToAlarm: &p.periods,
		TreatMissingData: new("notBreaching"), AlarmActions: &p.actions,
	})
}

// metric is one metric of a minute, read by expressions.
func metric(id, namespace, name, statistic, dimension string, value *string) *awscloudwatch.CfnAlarm_MetricDataQueryProperty {
	return &awscloudwatch.CfnAlarm_MetricDataQueryProperty{
		Id: &id, ReturnData: new(false),
		MetricStat: &awscloudwatch.CfnAlarm_MetricStatProperty{
			Period: new(60.0), Stat: &statistic,
			Metric: &awscloudwatch.CfnAlarm_MetricProperty{
				Namespace: &namespace, MetricName: &name,
				Dimensions: &[]any{&awscloudwatch.CfnAlarm_DimensionProperty{Name: &dimension, Value: value}},
			},
		},
	}
}

// expression is what an alarm judges.
func expression(id, text string) any {
	return &awscloudwatch.CfnAlarm_MetricDataQueryProperty{Id: &id, Expression: &text, ReturnData: new(true)}
}

// expressionSub is an expression with parameters in it.
func expressionSub(id, text string) any { return expression(id, *kit.Sub(text)) }
