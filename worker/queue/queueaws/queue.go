// Package queueaws is the message queue over Amazon SQS.
package queueaws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/queue"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/wire/wireaws"
)

// Limits of SQS.
const (
	batchEntries = 10
	// batchBytes is the most that the bodies of one call may have together, and so the largest body. SQS raised it to
	// 1 MiB in 2025, not everywhere; ten of our messages never come near either.
	batchBytes = 256 << 10
	longPoll   = 20 * time.Second
)

// Actions returns the IAM actions that a Queue needs. Batch calls are allowed by the action of the single call.
func Actions() []string {
	return []string{
		"sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes",
	}
}

// SenderActions returns the IAM actions of a process that only sends and looks at the depth.
func SenderActions() []string { return []string{"sqs:SendMessage", "sqs:GetQueueAttributes"} }

// Queue is one SQS queue.
type Queue struct {
	url        string
	wire       *wireaws.Client
	retry      retry.Policy
	visibility time.Duration
	slots      chan struct{} // one taken for each batch call under way
}

var _ queue.Queue = (*Queue)(nil)

// Options change how a queue is used. The zero value is what the plugin uses.
type Options struct {
	// Visibility is how long received messages are hidden, in whole seconds; 0 is queue.Visibility.
	Visibility time.Duration
	// InFlight is the number of batch calls under way at once, of all that use this Queue; so many connections are
	// opened beside those of the receivers. 0 is 64.
	InFlight int
	// Retry is the policy of calls and of refused entries; the zero policy is retry.Calls().
	Retry retry.Policy
}

// Open returns the queue at a URL. Region, endpoint, credentials and HTTP client are those that an SDK client of
// the configuration would use. It makes no call.
func Open(ctx context.Context, cfg aws.Config, url string, o Options) (*Queue, error) {
	if o.Visibility == 0 {
		o.Visibility = queue.Visibility
	}
	if o.InFlight == 0 {
		o.InFlight = 64
	}
	if o.Retry == (retry.Policy{}) {
		o.Retry = retry.Calls()
	}
	client := sqs.NewFromConfig(cfg).Options()
	fips, dual := client.EndpointOptions.UseFIPSEndpoint, client.EndpointOptions.UseDualStackEndpoint
	endpoint, err := client.EndpointResolverV2.ResolveEndpoint(ctx, sqs.EndpointParameters{
		Region: aws.String(client.Region), Endpoint: client.BaseEndpoint,
		UseFIPS: aws.Bool(fips == aws.FIPSEndpointStateEnabled), UseDualStack: aws.Bool(dual == aws.DualStackEndpointStateEnabled),
	})
	if err != nil {
		return nil, fmt.Errorf("endpoint of SQS in region %q: %w", client.Region, err)
	}
	return &Queue{
		url: url, retry: o.Retry, visibility: o.Visibility, slots: make(chan struct{}, o.InFlight),
		wire: wireaws.New(wireaws.Options{
			SigningName: "sqs", Target: "AmazonSQS", Region: client.Region, Endpoint: endpoint.URI,
			Credentials: client.Credentials, HTTP: client.HTTPClient, Retry: o.Retry,
		}),
	}, nil
}

// Close closes idle connections.
func (q *Queue) Close() { q.wire.Close() }

func (q *Queue) call(ctx context.Context, op string, body []byte, patience time.Duration, into any) error {
	answer, err := q.wire.Do(ctx, wireaws.Call{Op: op, On: q.url, Body: body, Patience: patience})
	if err != nil {
		return err
	}
	if err := json.Unmarshal(answer.Body, into); err != nil {
		return &failure.Error{Class: failure.Server, Op: op, Target: q.url, Detail: "the answer cannot be read", Err: err}
	}
	return nil
}

// open starts a request with the queue's URL; the caller closes the brace.
func (q *Queue) open(size int) []byte {
	b := append(make([]byte, 0, size+len(q.url)+64), `{"QueueUrl":`...)
	return wireaws.AppendString(b, q.url)
}

// Send implements queue.Sender. A call whose answer was lost is sent again, so its messages may be there twice.
func (q *Queue) Send(ctx context.Context, bodies []string) error {
	for i, body := range bodies {
		if len(body) > batchBytes {
			return fmt.Errorf("sending: message %d has %d bytes, the queue takes %d", i, len(body), batchBytes)
		}
	}
	return q.batches(ctx, operation{
		name: "SendMessageBatch", verb: "sending",
		size: func(i int) int { return len(bodies[i]) },
		entry: func(b []byte, i int) []byte {
			return wireaws.AppendString(append(b, `,"MessageBody":`...), bodies[i])
		},
	}, len(bodies))
}

// Delete implements queue.Queue.
func (q *Queue) Delete(ctx context.Context, messages []queue.Message) error {
	return q.batches(ctx, operation{
		name: "DeleteMessageBatch", verb: "deleting",
		size: receiptSize,
		entry: func(b []byte, i int) []byte {
			return wireaws.AppendString(append(b, `,"ReceiptHandle":`...), messages[i].Receipt)
		},
		// A receipt that is not known any more belongs to a message that is gone or in other hands.
		fine: func(code string) bool { return code == "ReceiptHandleIsInvalid" },
	}, len(messages))
}

// receiptSize is about what a receipt handle has. It is far from every limit.
func receiptSize(int) int { return 512 }

// errTooLong is why a lease cannot be extended by more than queue.MaxLease.
var errTooLong = errors.New("SQS hides a message for at most twelve hours")

// Extend implements queue.Queue. SQS counts in whole seconds; a part of one counts as one.
func (q *Queue) Extend(ctx context.Context, messages []queue.Message, d time.Duration) error {
	if d > queue.MaxLease && len(messages) > 0 {
		failed := make([]int, len(messages))
		for i := range failed {
			failed[i] = i
		}
		return &queue.BatchError{Op: "extending", Failed: failed, Err: errTooLong}
	}
	seconds := int64((max(d, 0) + time.Second - 1) / time.Second)
	return q.batches(ctx, operation{
		name: "ChangeMessageVisibilityBatch", verb: "extending",
		size: receiptSize,
		entry: func(b []byte, i int) []byte {
			b = wireaws.AppendString(append(b, `,"ReceiptHandle":`...), messages[i].Receipt)
			return strconv.AppendInt(append(b, `,"VisibilityTimeout":`...), seconds, 10)
		},
	}, len(messages))
}

// Receive implements queue.Queue: at most ten messages a call, by long polls. SQS waits in whole seconds.
func (q *Queue) Receive(ctx context.Context, limit int, wait time.Duration) ([]queue.Message, error) {
	for {
		poll := min(wait, longPoll).Round(time.Second)
		messages, err := q.poll(ctx, min(max(limit, 1), batchEntries), poll)
		wait -= poll
		if err != nil || len(messages) > 0 || poll == 0 || wait <= 0 {
			return messages, err
		}
	}
}

type received struct {
	Messages []struct {
		MessageID     string `json:"MessageId"`
		ReceiptHandle string
		Body          string
		Attributes    struct {
			ApproximateReceiveCount string
			SentTimestamp           string
		}
	}
}

func (q *Queue) poll(ctx context.Context, limit int, wait time.Duration) ([]queue.Message, error) {
	b := q.open(200)
	b = strconv.AppendInt(append(b, `,"MaxNumberOfMessages":`...), int64(limit), 10)
	b = strconv.AppendInt(append(b, `,"WaitTimeSeconds":`...), int64(wait/time.Second), 10)
	b = strconv.AppendInt(append(b, `,"VisibilityTimeout":`...), int64(q.visibility/time.Second), 10)
	b = append(b, `,"MessageSystemAttributeNames":["ApproximateReceiveCount","SentTimestamp"]}`...)
	var answer received
	if err := q.call(ctx, "ReceiveMessage", b, wait+20*time.Second, &answer); err != nil {
		return nil, fmt.Errorf("receiving: %w", err)
	}
	out := make([]queue.Message, len(answer.Messages))
	for i := range answer.Messages {
		m := &answer.Messages[i]
		receives, err := strconv.Atoi(m.Attributes.ApproximateReceiveCount)
		if err != nil {
			return nil, fmt.Errorf("receiving: receive count of message %s: %w", m.MessageID, err)
		}
		sent, err := strconv.ParseInt(m.Attributes.SentTimestamp, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("receiving: sent time of message %s: %w", m.MessageID, err)
		}
		out[i] = queue.Message{ID: m.MessageID, Receipt: m.ReceiptHandle, Body: m.Body, Receives: receives, Sent: time.UnixMilli(sent).UTC()}
	}
	return out, nil
}

// Depth implements queue.Queue. The figures are approximate: SQS settles them about a minute after the last change.
func (q *Queue) Depth(ctx context.Context) (queue.Depth, error) {
	b := append(q.open(200), `,"AttributeNames":["ApproximateNumberOfMessages","ApproximateNumberOfMessagesNotVisible",`+
		`"ApproximateNumberOfMessagesDelayed"]}`...)
	var answer struct{ Attributes map[string]string }
	if err := q.call(ctx, "GetQueueAttributes", b, 0, &answer); err != nil {
		return queue.Depth{}, fmt.Errorf("depth of the queue: %w", err)
	}
	var d queue.Depth
	for name, to := range map[string]*int64{
		"ApproximateNumberOfMessages":           &d.Visible,
		"ApproximateNumberOfMessagesNotVisible": &d.InFlight,
		"ApproximateNumberOfMessagesDelayed":    &d.Delayed,
	} {
		n, err := strconv.ParseInt(answer.Attributes[name], 10, 64)
		if err != nil {
			return queue.Depth{}, fmt.Errorf("depth of the queue: %s: %w", name, err)
		}
		*to = n
	}
	return d, nil
}
