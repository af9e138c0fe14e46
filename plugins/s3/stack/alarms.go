package stack

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
)

// oldest is the age at which a waiting message is worth an e-mail: half of the time after which SQS drops it.
const oldest = retention / 2

// watch raises an alarm for what a person must look at.
func watch(s *kit.Stack, topic *string, q queues, machines map[string]*string) {
	actions := []*string{topic}
	alarm(s, "DeadLettersAlarm", alarmProps{
		description: "Messages failed five times and lie in the dead-letter queue. The next pass puts them on record as failed objects.",
		metrics:     []any{judged("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", "QueueName", q.dead.AttrQueueName())},
		threshold:   1, periods: 1, actions: actions,
	})
	alarm(s, "OldestMessageAlarm", alarmProps{
		description: "The oldest message has waited for half of the time after which it is lost. More workers are needed, or the queue does not drain.",
		metrics:     []any{judged("AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", "QueueName", q.main.AttrQueueName())},
		threshold:   oldest.Seconds(), periods: 5, actions: actions,
	})
	alarm(s, "FailedPassAlarm", alarmProps{
		description: "A finder ended without having finished its pass. The run's record and the finder's log say why.",
		metrics:     []any{judged(namespace, failedPasses, "Sum", stackDimension, kit.Ref("AWS::StackName"))},
		threshold:   1, periods: 1, actions: actions,
	})
	alarm(s, "EndpointDownAlarm", alarmProps{
		description: "Source or destination refuses the credentials or cannot be reached. Workers hold what they have and look again each minute.",
		metrics:     []any{judged(namespace, "EndpointDown", "Maximum", stackDimension, kit.Ref("AWS::StackName"))},
		threshold:   1, periods: 3, actions: actions,
	})
	for _, id := range []string{"Controller", "Monitor"} {
		dimension := func(name string) any {
			return metric(lower(name), "AWS/States", name, "Sum", "StateMachineArn", machines[id])
		}
		alarm(s, id+"Alarm", alarmProps{
			description: "An execution of the state machine failed, ran out of time or was stopped.",
			metrics: []any{
				dimension("ExecutionsFailed"), dimension("ExecutionsTimedOut"),
				expression("failures", "FILL(executionsFailed, 0) + FILL(executionsTimedOut, 0)"),
			},
			threshold: 1, periods: 1, actions: actions,
		})
	}
	tell(s, "RunFailedRule", topic, "A run failed", map[string]any{
		"source": []any{wiring.EventSource}, "detail-type": []any{wiring.RunClosed},
		"detail": map[string]any{"stackName": []any{kit.Ref("AWS::StackName")}, "state": []any{"FAILED"}},
	}, map[string]string{"run": "$.detail.run", "error": "$.detail.error"}, "Run <run> failed: <error>")
	tell(s, "WorkerFailedRule", topic, "A worker could not be started", map[string]any{
		"source": []any{"aws.autoscaling"}, "detail-type": []any{"EC2 Instance Launch Unsuccessful"},
		"detail": map[string]any{"AutoScalingGroupName": []any{kit.Sub(workersName)}},
	}, map[string]string{"cause": "$.detail.StatusMessage", "instance": "$.detail.EC2InstanceId"}, "Worker <instance> was not started: <cause>")
}

func lower(name string) string { return string(name[0]-'A'+'a') + name[1:] }

// judged is a metric that is itself what an alarm judges.
func judged(namespace, name, statistic, dimension string, value *string) any {
	m := metric("m", namespace, name, statistic, dimension, value)
	m.ReturnData = new(true)
	return m
}

// tell sends a sentence to the topic for each event of a pattern.
func tell(s *kit.Stack, id string, topic *string, description string, pattern map[string]any, paths map[string]string, sentence string) {
	inputs := map[string]*string{"account": new("$.account"), "region": new("$.region")}
	for name, path := range paths {
		inputs[name] = &path
	}
	text := `"` + "Data Transfer Hub, task ${AWS::StackName}, account <account>, region <region>: " + sentence + `"`
	awsevents.NewCfnRule(s.Scope, &id, &awsevents.CfnRuleProps{
		Description: &description, EventPattern: pattern,
		Targets: &[]any{&awsevents.CfnRule_TargetProperty{
			Id: new("AlarmTopic"), Arn: topic,
			InputTransformer: &awsevents.CfnRule_InputTransformerProperty{InputPathsMap: &inputs, InputTemplate: kit.Sub(text)},
			RetryPolicy:      &awsevents.CfnRule_RetryPolicyProperty{MaximumEventAgeInSeconds: kit.Seconds(time.Hour)},
		}},
	})
}
