package queueaws

import (
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/datatransferhub/dth/worker/queue"
)

// QueueInput describes the queue of that name as the plugin's stack makes it. deadLetterARN names the queue that takes
// messages after queue.MaxReceives; with "" the input describes that queue itself.
func QueueInput(name, deadLetterARN string) *sqs.CreateQueueInput {
	seconds := func(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }
	attributes := map[string]string{
		"MessageRetentionPeriod": seconds(queue.Retention),
		"VisibilityTimeout":      seconds(queue.Visibility),
		"SqsManagedSseEnabled":   "true",
	}
	if deadLetterARN != "" {
		attributes["RedrivePolicy"] = fmt.Sprintf(`{"deadLetterTargetArn":%q,"maxReceiveCount":%d}`, deadLetterARN, queue.MaxReceives)
	}
	return &sqs.CreateQueueInput{QueueName: aws.String(name), Attributes: attributes}
}
