package stack

import (
	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
)

// oldest is the age at which a waiting message is worth an e-mail: half of the time after which SQS drops it.
const oldest = retention / 2

// watch raises an alarm for what a person must look at.
func watch(s *kit.Stack, topic *string, q queues, machines map[string]*string) {
	actions := []*string{topic}
	s.Alarm("DeadLettersAlarm", kit.Alarm{
		Description: "Messages failed five times and lie in the dead-letter queue. The next pass puts them on record as failed objects.",
		Metrics:     []any{kit.Judged("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", "QueueName", q.dead.AttrQueueName())},
		Threshold:   1, Minutes: 1, Actions: actions,
	})
	s.Alarm("OldestMessageAlarm", kit.Alarm{
		Description: "The oldest message has waited for half of the time after which it is lost. More workers are needed, or the queue does not drain.",
		Metrics:     []any{kit.Judged("AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", "QueueName", q.main.AttrQueueName())},
		Threshold:   oldest.Seconds(), Minutes: 5, Actions: actions,
	})
	s.Alarm("FailedPassAlarm", kit.Alarm{
		Description: "A finder ended without having finished its pass. The run's record and the finder's log say why.",
		Metrics:     []any{kit.Judged(namespace, failedPasses, "Sum", stackDimension, kit.Ref("AWS::StackName"))},
		Threshold:   1, Minutes: 1, Actions: actions,
	})
	s.Alarm("EndpointDownAlarm", kit.Alarm{
		Description: "Source or destination refuses the credentials or cannot be reached. Workers hold what they have and look again each minute.",
		Metrics:     []any{kit.Judged(namespace, "EndpointDown", "Maximum", stackDimension, kit.Ref("AWS::StackName"))},
		Threshold:   1, Minutes: 3, Actions: actions,
	})
	for _, id := range []string{"Controller", "Monitor"} {
		dimension := func(name string) any {
			return kit.Metric(lower(name), "AWS/States", name, "Sum", "StateMachineArn", machines[id])
		}
		s.Alarm(id+"Alarm", kit.Alarm{
			Description: "An execution of the state machine failed, ran out of time or was stopped.",
			Metrics: []any{
				dimension("ExecutionsFailed"), dimension("ExecutionsTimedOut"),
				kit.MetricExpression("failures", "FILL(executionsFailed, 0) + FILL(executionsTimedOut, 0)"),
			},
			Threshold: 1, Minutes: 1, Actions: actions,
		})
	}
	s.Tell("RunFailedRule", topic, "A run failed", map[string]any{
		"source": []any{wiring.EventSource}, "detail-type": []any{wiring.RunClosed},
		"detail": map[string]any{"stackName": []any{kit.Ref("AWS::StackName")}, "state": []any{"FAILED"}},
	}, map[string]string{"run": "$.detail.run", "error": "$.detail.error"}, "Run <run> failed: <error>")
	s.Tell("WorkerFailedRule", topic, "A worker could not be started", map[string]any{
		"source": []any{"aws.autoscaling"}, "detail-type": []any{"EC2 Instance Launch Unsuccessful"},
		"detail": map[string]any{"AutoScalingGroupName": []any{kit.Sub(workersName)}},
	}, map[string]string{"cause": "$.detail.StatusMessage", "instance": "$.detail.EC2InstanceId"}, "Worker <instance> was not started: <cause>")
}

func lower(name string) string { return string(name[0]-'A'+'a') + name[1:] }
