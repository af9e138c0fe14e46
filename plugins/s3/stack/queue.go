package stack

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"

	"github.com/datatransferhub/dth/infra/kit"
)

// The queue's terms. The worker counts on them: a message that nobody gave back is seen again after the visibility time,
// and the fifth receive is the last.
const (
	visibility = 15 * time.Minute
	retention  = 14 * 24 * time.Hour
	receives   = 5
)

// queues are the queue of the task and that of its dead letters.
type queues struct {
	main, dead awssqs.CfnQueue
	access     awssqs.CfnQueuePolicy // S3 tries the queue when it is subscribed, so this comes first
}

func newQueues(s *kit.Stack) queues {
	dead := awssqs.NewCfnQueue(s.Scope, new("DeadLetterQueue"), &awssqs.CfnQueueProps{
		VisibilityTimeout: kit.Seconds(visibility), MessageRetentionPeriod: kit.Seconds(retention), SqsManagedSseEnabled: new(true),
	})
	main := awssqs.NewCfnQueue(s.Scope, new("Queue"), &awssqs.CfnQueueProps{
		VisibilityTimeout: kit.Seconds(visibility), MessageRetentionPeriod: kit.Seconds(retention), SqsManagedSseEnabled: new(true),
		// Long polling by default, for whoever reads without saying how.
		ReceiveMessageWaitTimeSeconds: new(20.0),
		RedrivePolicy:                 map[string]any{"deadLetterTargetArn": dead.AttrArn(), "maxReceiveCount": receives},
	})
	return queues{main: main, dead: dead}
}

// declarePolicies says who may use the queues beside the stack's own roles: nobody without TLS, and S3 for the events of
// the source bucket, when they are followed.
func (q *queues) declarePolicies(s *kit.Stack, c conditions) {
	ofBucket := map[string]any{
		"Sid": "EventsOfTheSource", "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": q.main.AttrArn(),
		"Principal": map[string]any{"Service": "s3.amazonaws.com"},
		"Condition": map[string]any{
			"ArnEquals":    map[string]any{"aws:SourceArn": kit.Sub("arn:${AWS::Partition}:s3:::${srcBucket}")},
			"StringEquals": map[string]any{"aws:SourceAccount": c.sourceAccount()},
		},
	}
	q.access = setPolicy(s, "QueuePolicy", q.main, c.events.ChooseAny(ofBucket, kit.NoValue()))
	setPolicy(s, "DeadLetterQueuePolicy", q.dead)
}

// setPolicy refuses callers without TLS, and adds what else a queue allows.
func setPolicy(s *kit.Stack, id string, queue awssqs.CfnQueue, more ...any) awssqs.CfnQueuePolicy {
	statements := append([]any{kit.TLSOnly("sqs:*", queue.AttrArn())}, more...)
	return awssqs.NewCfnQueuePolicy(s.Scope, &id, &awssqs.CfnQueuePolicyProps{
		Queues: &[]*string{queue.Ref()}, PolicyDocument: kit.Document(statements...),
	})
}
