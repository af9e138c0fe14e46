package kit

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
)

// Alarm describes an alarm: it is raised by the last of some metrics, at or above a threshold, in a number of minutes in a row.
type Alarm struct {
	Description string
	Metrics     []any // of Metric, Judged and MetricExpression; one of them is judged
	Threshold   float64
	Minutes     float64 // in a row
	Actions     []*string
}

// Alarm makes an alarm. Missing data is no alarm: idle queues report nothing.
func (s *Stack) Alarm(id string, a Alarm) awscloudwatch.CfnAlarm {
	return awscloudwatch.NewCfnAlarm(s.Scope, &id, &awscloudwatch.CfnAlarmProps{
		AlarmDescription: &a.Description, Metrics: &a.Metrics, Threshold: &a.Threshold,
		ComparisonOperator: new("GreaterThanOrEqualToThreshold"), EvaluationPeriods: &a.Minutes, DatapointsToAlarm: &a.Minutes,
		TreatMissingData: new("notBreaching"), AlarmActions: &a.Actions,
	})
}

// Metric is one metric of a minute, read by expressions.
func Metric(id, namespace, name, statistic, dimension string, value *string) *awscloudwatch.CfnAlarm_MetricDataQueryProperty {
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

// MetricExpression is what an alarm judges.
func MetricExpression(id, text string) any {
	return &awscloudwatch.CfnAlarm_MetricDataQueryProperty{Id: &id, Expression: &text, ReturnData: new(true)}
}

// Judged is a metric that is itself what an alarm judges.
func Judged(namespace, name, statistic, dimension string, value *string) any {
	m := Metric("m", namespace, name, statistic, dimension, value)
	m.ReturnData = new(true)
	return m
}

// Tell sends a sentence to the topic for each event of a pattern. Values that it takes from the event by paths must be names: quotes
// and new lines stay as they are, and would break it. What the event says in words of its own, at the path reason, is put beside it.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html#eb-transform-input-issues
func (s *Stack) Tell(id string, topic *string, description string, pattern map[string]any, paths map[string]string, sentence, reason string) awsevents.CfnRule {
	inputs := map[string]*string{"account": new("$.account"), "region": new("$.region"), "reason": &reason}
	for name, path := range paths {
		inputs[name] = &path
	}
	// Without quotes around it, a text from the event is a JSON string of its own.
	text := `{"message": "Data Transfer Hub, task ${AWS::StackName}, account <account>, region <region>: ` + sentence + `", "reason": <reason>}`
	return awsevents.NewCfnRule(s.Scope, &id, &awsevents.CfnRuleProps{
		Description: &description, EventPattern: pattern,
		Targets: &[]any{&awsevents.CfnRule_TargetProperty{
			Id: new("AlarmTopic"), Arn: topic,
			InputTransformer: &awsevents.CfnRule_InputTransformerProperty{InputPathsMap: &inputs, InputTemplate: Sub(text)},
			RetryPolicy:      &awsevents.CfnRule_RetryPolicyProperty{MaximumEventAgeInSeconds: Seconds(time.Hour)},
		}},
	})
}
