package awssim

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Limits of the service.
const (
	maxBatch       = 10
	maxMessageSize = 1 << 20 // https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
)

var sqsOperations = map[string]func(*request) ([]byte, error){
	"SendMessage": (*request).sendMessage, "SendMessageBatch": (*request).sendBatch,
	"ReceiveMessage": (*request).receiveMessage,
	"DeleteMessage":  (*request).deleteMessage, "DeleteMessageBatch": (*request).deleteBatch,
	"ChangeMessageVisibility": (*request).extendMessage, "ChangeMessageVisibilityBatch": (*request).extendBatch,
	"GetQueueAttributes": (*request).queueAttributes, "GetQueueUrl": (*request).queueURL,
	"CreateQueue": (*request).createQueue, "PurgeQueue": (*request).purgeQueue,
}

// legacyCodes are the names that errors had in the service's older protocol; clients of today know these.
var legacyCodes = map[string]string{
	"QueueDoesNotExist":        "AWS.SimpleQueueService.NonExistentQueue",
	"MessageNotInflight":       "AWS.SimpleQueueService.MessageNotInflight",
	"BatchEntryIdsNotDistinct": "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "EmptyBatchRequest": "AWS.SimpleQueueService.EmptyBatchRequest",
	"TooManyEntriesInBatchRequest": "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
	"BatchRequestTooLong":          "AWS.SimpleQueueService.BatchRequestTooLong",
}

type sendEntry struct {
	Id           string
	MessageBody  json.RawMessage
	DelaySeconds int
}

type batchDocument[E any] struct {
	QueueUrl string
	Entries  []E
}

func checkBatch(n int, id func(i int) string) error {
	if n == 0 {
		return refuse("EmptyBatchRequest", "There should be at least one entry in the request.")
	}
	if n > maxBatch {
		return refuse("TooManyEntriesInBatchRequest", fmt.Sprintf("Maximum number of entries per request are 10. You have sent %d.", n))
	}
	seen := map[string]bool{}
	for i := range n {
		if seen[id(i)] {
			return refuse("BatchEntryIdsNotDistinct", "Id "+id(i)+" repeated.")
		}
		seen[id(i)] = true
	}
	return nil
}

// put stores one entry and writes its result.
func (q *Queue) put(dst []byte, e *sendEntry) ([]byte, error) {
	var body string
	if err := json.Unmarshal(e.MessageBody, &body); err != nil || body == "" {
		return nil, refuse("MissingParameter", "The request must contain the parameter MessageBody.")
	}
	if len(body) > maxMessageSize {
		return nil, refuse("InvalidParameterValue", "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes.")
	}
	sum := md5Hex(body)
	q.mu.Lock()
	m := q.add(append(json.RawMessage(nil), e.MessageBody...), sum, time.Duration(e.DelaySeconds)*time.Second)
	q.mu.Unlock()
	dst = append(dst, `"MessageId":"`...)
	dst = strconv.AppendUint(dst, m.id, 36)
	dst = append(dst, `","MD5OfMessageBody":"`...)
	dst = append(dst, sum...)
	return append(dst, '"'), nil
}

func (q *request) sendMessage() ([]byte, error) {
	var in struct {
		QueueUrl string
		sendEntry
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	queue, err := q.sim.queue(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	out, err := queue.put([]byte{'{'}, &in.sendEntry)
	return append(out, '}'), err
}

func (q *request) sendBatch() ([]byte, error) {
	var in batchDocument[sendEntry]
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	queue, err := q.sim.queue(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(len(in.Entries), func(i int) string { return in.Entries[i].Id }); err != nil {
		return nil, err
	}
	total := 0
	for i := range in.Entries {
		total += len(in.Entries[i].MessageBody)
	}
	if total > maxMessageSize+64*maxBatch {
		return nil, refuse("BatchRequestTooLong", "Batch requests cannot be longer than 1048576 bytes.")
	}
	return q.batch(len(in.Entries), func(dst []byte, i int) ([]byte, error) {
		return queue.put(dst, &in.Entries[i])
	}, func(i int) string { return in.Entries[i].Id })
}

// batch carries out the entries of a batch call and writes who succeeded and who did not.
func (q *request) batch(n int, one func(dst []byte, i int) ([]byte, error), id func(i int) string) ([]byte, error) {
	good, bad := []byte(`{"Successful":[`), []byte(`],"Failed":[`)
	for i := range n {
		var err error
		member := append([]byte(`{"Id":`), quote(id(i))...)
		var done []byte
		if q.fails(i) {
			err = &apiError{code: "InternalError", message: "injected fault", status: 500}
		} else if done, err = one(nil, i); err == nil {
			if good[len(good)-1] == '}' {
				good = append(good, ',')
			}
			good = append(good, member...)
			if len(done) > 0 {
				good = append(append(good, ','), done...)
			}
			good = append(good, '}')
			continue
		}
		e := err.(*apiError) // entries fail in no other way
		if bad[len(bad)-1] == '}' {
			bad = append(bad, ',')
		}
		bad = append(append(bad, member...), fmt.Sprintf(`,"SenderFault":%v,"Code":%s,"Message":%s}`, e.status < 500, quote(e.code), quote(e.message))...)
	}
	return append(append(good, bad...), "]}"...), nil
}

func (q *request) receiveMessage() ([]byte, error) {
	var in struct {
		QueueUrl                                                string
		MaxNumberOfMessages, VisibilityTimeout, WaitTimeSeconds *int
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	queue, err := q.sim.queue(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	limit, visibility, wait := 1, queue.visibility, time.Duration(0)
	if in.MaxNumberOfMessages != nil {
		if limit = *in.MaxNumberOfMessages; limit < 1 || limit > maxBatch {
			return nil, refuse("InvalidParameterValue", "MaxNumberOfMessages must be between 1 and 10, if provided.")
		}
	}
	if in.VisibilityTimeout != nil {
		visibility = time.Duration(*in.VisibilityTimeout) * time.Second
	}
	if in.WaitTimeSeconds != nil {
		wait = time.Duration(*in.WaitTimeSeconds) * time.Second
	}
	got := queue.receive(q.r.Context(), limit, visibility, wait, q.fault.Duplicate)
	if len(got) == 0 {
		return []byte("{}"), nil
	}
	out := append(make([]byte, 0, 1024*len(got)), `{"Messages":[`...)
	for i, r := range got {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, `{"MessageId":"`...)
		out = strconv.AppendUint(out, r.m.id, 36)
		out = append(append(out, `","ReceiptHandle":"`...), r.handle()...)
		out = append(append(out, `","MD5OfBody":"`...), r.m.md5...)
		out = append(append(out, `","Body":`...), r.m.body...)
		out = append(out, `,"Attributes":{"ApproximateReceiveCount":"`...)
		out = strconv.AppendInt(out, int64(r.receives), 10)
		out = append(out, `","SentTimestamp":"`...)
		out = strconv.AppendInt(out, r.m.sent, 10)
		out = append(out, `","ApproximateFirstReceiveTimestamp":"`...)
		out = strconv.AppendInt(out, r.m.first, 10)
		out = append(out, `"}}`...)
	}
	return append(out, "]}"...), nil
}

type handleEntry struct {
	Id, ReceiptHandle string
	VisibilityTimeout int
}

func (q *request) single(do func(*Queue, *handleEntry) error) ([]byte, error) {
	var in struct {
		QueueUrl string
		handleEntry
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	queue, err := q.sim.queue(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return []byte("{}"), do(queue, &in.handleEntry)
}

func (q *request) several(do func(*Queue, *handleEntry) error) ([]byte, error) {
	var in batchDocument[handleEntry]
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	queue, err := q.sim.queue(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := checkBatch(len(in.Entries), func(i int) string { return in.Entries[i].Id }); err != nil {
		return nil, err
	}
	return q.batch(len(in.Entries), func(dst []byte, i int) ([]byte, error) {
		return dst, do(queue, &in.Entries[i])
	}, func(i int) string { return in.Entries[i].Id })
}

func deleteEntry(q *Queue, e *handleEntry) error { return q.remove(e.ReceiptHandle) }

func extendEntry(q *Queue, e *handleEntry) error {
	if e.VisibilityTimeout < 0 || e.VisibilityTimeout > 43200 {
		return refuse("InvalidParameterValue", "VisibilityTimeout must be between 0 and 43200.")
	}
	return q.extend(e.ReceiptHandle, time.Duration(e.VisibilityTimeout)*time.Second)
}

func (q *request) deleteMessage() ([]byte, error) { return q.single(deleteEntry) }
func (q *request) deleteBatch() ([]byte, error)   { return q.several(deleteEntry) }
func (q *request) extendMessage() ([]byte, error) { return q.single(extendEntry) }
func (q *request) extendBatch() ([]byte, error)   { return q.several(extendEntry) }

func (q *request) purgeQueue() ([]byte, error) {
	return q.single(func(queue *Queue, _ *handleEntry) error { queue.purge(); return nil })
}

func (q *request) queueAttributes() ([]byte, error) {
	return q.withQueue(func(queue *Queue) []byte {
		visible, inFlight, delayed := queue.Depth()
		return fmt.Appendf(nil, `{"Attributes":{"ApproximateNumberOfMessages":"%d","ApproximateNumberOfMessagesNotVisible":"%d",`+
			`"ApproximateNumberOfMessagesDelayed":"%d","VisibilityTimeout":"%d","QueueArn":"arn:aws:sqs:us-east-1:000000000000:%s"}}`,
			visible, inFlight, delayed, int(queue.visibility.Seconds()), queue.name)
	})
}

func (q *request) withQueue(do func(*Queue) []byte) ([]byte, error) {
	var in struct{ QueueUrl, QueueName string }
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	queue, err := q.sim.queue(in.QueueUrl + in.QueueName)
	if err != nil {
		return nil, err
	}
	return do(queue), nil
}

func (q *request) queueURL() ([]byte, error) { return q.withQueue(urlDocument) }

func urlDocument(queue *Queue) []byte {
	return append(append([]byte(`{"QueueUrl":`), quote(queue.URL())...), '}')
}

// createQueue understands the attributes VisibilityTimeout and RedrivePolicy.
func (q *request) createQueue() ([]byte, error) {
	var in struct {
		QueueName  string
		Attributes map[string]string
	}
	if err := q.decode(&in); err != nil {
		return nil, err
	}
	var o QueueOptions
	if n, err := strconv.Atoi(in.Attributes["VisibilityTimeout"]); err == nil {
		o.Visibility = time.Duration(n) * time.Second
	}
	if policy := in.Attributes["RedrivePolicy"]; policy != "" {
		var redrive struct {
			DeadLetterTargetArn string
			MaxReceiveCount     json.Number
		}
		if err := json.Unmarshal([]byte(policy), &redrive); err != nil {
			return nil, refuse("InvalidAttributeValue", "Invalid value for the parameter RedrivePolicy.")
		}
		arn := redrive.DeadLetterTargetArn
		dead, err := q.sim.queue(arn[strings.LastIndexByte(arn, ':')+1:])
		if err != nil {
			return nil, err
		}
		count, _ := redrive.MaxReceiveCount.Int64() // 0: never
		o.DeadLetters, o.MaxReceives = dead, int(count)
	}
	return urlDocument(q.sim.CreateQueue(in.QueueName, o)), nil
}
