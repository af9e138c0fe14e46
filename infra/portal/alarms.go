package portal

import (
	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/lambda/wiring"
)

// alarms tell the topic of failures of the hub itself.
func (b *builder) alarms() {
	b.alarm("LostNewsAlarm", "News of runs could not be brought into the records of tasks. The reconciler repairs what is lost; the log of the Lambda says why.",
		"AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", "QueueName", kit.Sub("${LostNews.QueueName}"))
	for _, id := range []string{wiring.StackWorkflow, wiring.Reconciler} {
		b.alarm(id+"Alarm", "An execution of the state machine failed. The log of its Lambda says why.", "AWS/States", "ExecutionsFailed", "Sum", "StateMachineArn", kit.Ref(id))
	}
	b.alarm("ApiAlarm", "The Lambda of the API broke down. Its log says why.", "AWS/Lambda", "Errors", "Sum", "FunctionName", kit.Ref("ApiFunction"))
}

func (b *builder) alarm(id, description, namespace, metric, statistic, dimension string, value *string) {
	b.s.Resource(id, "AWS::CloudWatch::Alarm", object{
		"AlarmDescription": description, "Namespace": namespace, "MetricName": metric, "Statistic": statistic,
		"Dimensions": list{object{"Name": dimension, "Value": value}}, "Period": 300, "EvaluationPeriods": 1, "Threshold": 1,
		"ComparisonOperator": "GreaterThanOrEqualToThreshold", "TreatMissingData": "notBreaching",
		"AlarmActions": list{kit.Ref("Topic")},
	})
}
