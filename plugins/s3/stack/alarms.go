package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
)

// oldest is the age at which a waiting message is worth an e-mail: half of the time after which SQS drops it.
const oldest = retention / 2

// watch raises an alarm for what a person must look at.
func watch(s *kit.Stack, topic *string, q queues, machines map[string]*string, guard awscdk.CfnResource) {
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
	var arns []any
	for _, id := range []string{"Controller", "Monitor"} {
		// Judged by itself: FILL makes nothing of a metric that no execution ever put there, and neither would a sum with it.
		s.Alarm(id+"Alarm", kit.Alarm{
			Description: "An execution of the state machine failed.",
			Metrics:     []any{kit.Judged("AWS/States", "ExecutionsFailed", "Sum", "StateMachineArn", machines[id])},
			Threshold:   1, Minutes: 1, Actions: actions,
		})
		arns = append(arns, machines[id])
	}
	stopped := s.Tell("StoppedRule", topic, "An execution was stopped or ran out of time", map[string]any{
		"source": []any{"aws.states"}, "detail-type": []any{"Step Functions Execution Status Change"},
		"detail": map[string]any{"stateMachineArn": arns, "status": []any{"ABORTED", "TIMED_OUT"}},
	}, map[string]string{"execution": "$.detail.name"}, "Execution <execution> of a state machine did not end by itself. The next pass starts another.", "$.detail.status")
	// At the stack's end the guard stops executions, and nobody needs to hear of it.
	kit.Depend(stopped, guard)
	s.Tell("RunFailedRule", topic, "A run failed", map[string]any{
		"source": []any{wiring.EventSource}, "detail-type": []any{wiring.RunClosed},
		"detail": map[string]any{"stackName": []any{kit.Ref("AWS::StackName")}, "state": []any{"FAILED"}},
	}, map[string]string{"run": "$.detail.run"}, "Run <run> failed.", "$.detail.error")
	s.Tell("WorkerFailedRule", topic, "A worker could not be started", map[string]any{
		"source": []any{"aws.autoscaling"}, "detail-type": []any{"EC2 Instance Launch Unsuccessful"},
		"detail": map[string]any{"AutoScalingGroupName": []any{kit.Sub(workersName)}},
	}, map[string]string{"instance": "$.detail.EC2InstanceId"}, "Worker <instance> was not started.", "$.detail.StatusMessage")
}
