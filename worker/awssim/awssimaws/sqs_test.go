package awssimaws

import (
	"context"
	"fmt"
	"net/http"
	"sort"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/datatransferhub/dth/worker/awssim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// quiet returns a transport that leaves no connection behind.
func quiet(t *testing.T) *http.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func queues(t *testing.T, o awssim.Options) (*awssim.Sim, *sqs.Client) {
	sim := awssim.Run(t, o)
	client := quiet(t)
	return sim, SQS(sim.URL(), func(o *sqs.Options) { o.HTTPClient, o.RetryMaxAttempts = client, 1 })
}

func TestSendReceiveDelete(t *testing.T) {
	ctx := context.Background()
	sim, c := queues(t, awssim.Options{})
	q := sim.CreateQueue("q", awssim.QueueOptions{})
	url := aws.String(q.URL())
	for b := range 3 {
		in := &sqs.SendMessageBatchInput{QueueUrl: url}
		for i := range 10 {
			in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{
				Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(fmt.Sprintf("body <%d> \"é\" \U0001F600", b*10+i)),
			})
		}
		out, err := c.SendMessageBatch(ctx, in)
		if err != nil || len(out.Successful) != 10 || len(out.Failed) != 0 {
			t.Fatalf("send = %+v, %v", out, err)
		}
	}
	if _, err := c.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: url, MessageBody: aws.String("single")}); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for len(got) < 31 {
		out, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: url, MaxNumberOfMessages: 10, MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
		})
		if err != nil || len(out.Messages) == 0 {
			t.Fatalf("receive = %+v, %v", out, err)
		}
		del := &sqs.DeleteMessageBatchInput{QueueUrl: url}
		for i, m := range out.Messages {
			got[*m.Body] = true
			if m.Attributes["ApproximateReceiveCount"] != "1" || m.Attributes["SentTimestamp"] == "" {
				t.Errorf("attributes = %v", m.Attributes)
			}
			del.Entries = append(del.Entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle})
		}
		if deleted, err := c.DeleteMessageBatch(ctx, del); err != nil || len(deleted.Successful) != len(out.Messages) {
			t.Fatalf("delete = %+v, %v", deleted, err)
		}
	}
	if v, f, d := q.Depth(); v+f+d != 0 || !got["body <29> \"é\" \U0001F600"] {
		t.Errorf("depth %d %d %d, got %v", v, f, d, got)
	}
	_, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: aws.String(sim.URL() + "/0/none")})
	var missing *types.QueueDoesNotExist
	if !asError(err, &missing) {
		t.Errorf("error = %v", err)
	}
}

func TestVisibilityAndDeadLetters(t *testing.T) {
	ctx := context.Background()
	now := newClock()
	sim, c := queues(t, awssim.Options{Now: now.time})
	dead := sim.CreateQueue("dead", awssim.QueueOptions{})
	q := sim.CreateQueue("q", awssim.QueueOptions{Visibility: time.Minute, MaxReceives: 2, DeadLetters: dead})
	url := aws.String(q.URL())
	q.Send("m")
	receive := func() *types.Message {
		t.Helper()
		out, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 10})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return nil
		}
		return &out.Messages[0]
	}
	first := receive()
	if first == nil || receive() != nil {
		t.Fatal("a message in flight was given again, or none at all")
	}
	if _, err := c.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
		{Id: aws.String("a"), ReceiptHandle: first.ReceiptHandle, VisibilityTimeout: 120},
	}}); err != nil {
		t.Fatal(err)
	}
	now.add(90 * time.Second)
	if receive() != nil {
		t.Fatal("the extension had no effect")
	}
	now.add(time.Minute)
	second := receive()
	if second == nil {
		t.Fatal("the message did not come back")
	}
	out, err := c.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: url, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
		{Id: aws.String("stale"), ReceiptHandle: first.ReceiptHandle, VisibilityTimeout: 120},
		{Id: aws.String("back"), ReceiptHandle: second.ReceiptHandle, VisibilityTimeout: 0},
	}})
	if err != nil || len(out.Successful) != 1 || len(out.Failed) != 1 || *out.Failed[0].Id != "stale" {
		t.Fatalf("change = %+v, %v", out, err)
	}
	if receive() != nil {
		t.Error("a third receive")
	}
	if d := cmp.Diff([]string{"m"}, dead.Bodies()); d != "" {
		t.Error(d)
	}
}

func TestFaultsOfQueues(t *testing.T) {
	ctx := context.Background()
	sim, c := queues(t, awssim.Options{})
	q := sim.CreateQueue("q", awssim.QueueOptions{})
	url := aws.String(q.URL())
	in := &sqs.SendMessageBatchInput{QueueUrl: url}
	for i := range 5 {
		in.Entries = append(in.Entries, types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(strconv.Itoa(i))})
	}
	sim.SetFault(func(awssim.Call) awssim.Fault { return awssim.Fault{FailEntry: func(i int) bool { return i%2 == 1 }} })
	out, err := c.SendMessageBatch(ctx, in)
	if err != nil || len(out.Successful) != 3 || len(out.Failed) != 2 {
		t.Fatalf("send = %+v, %v", out, err)
	}
	bodies := q.Bodies()
	sort.Strings(bodies)
	if d := cmp.Diff([]string{"0", "2", "4"}, bodies); d != "" {
		t.Error(d)
	}
	sim.SetFault(func(awssim.Call) awssim.Fault { return awssim.Fault{Status: 503} })
	if _, err := c.SendMessageBatch(ctx, in); err == nil {
		t.Error("no error of status 503")
	}
	sim.SetFault(func(awssim.Call) awssim.Fault { return awssim.Fault{LoseAnswer: true} })
	if _, err := c.SendMessageBatch(ctx, in); err == nil || len(q.Bodies()) != 8 {
		t.Errorf("lost answer: %v, %d messages", err, len(q.Bodies()))
	}
	sim.SetFault(func(awssim.Call) awssim.Fault { return awssim.Fault{Duplicate: true} })
	for range 2 {
		got, err := c.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 10})
		if err != nil || len(got.Messages) != 8 {
			t.Fatalf("receive = %d, %v", len(got.Messages), err)
		}
	}
	if sim.Count("ReceiveMessage") != 2 || sim.Stats().Operations["SendMessageBatch"] != 3 {
		t.Errorf("counts = %v", sim.Stats())
	}
}

func TestLongPollEndsWithAMessage(t *testing.T) {
	sim, c := queues(t, awssim.Options{})
	q := sim.CreateQueue("q", awssim.QueueOptions{})
	done := make(chan int)
	go func() {
		out, err := c.ReceiveMessage(context.Background(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(q.URL()), WaitTimeSeconds: 20})
		if err != nil {
			t.Error(err)
			done <- 0
			return
		}
		done <- len(out.Messages)
	}()
	for sim.Count("ReceiveMessage") == 0 {
		time.Sleep(time.Millisecond)
	}
	q.Send("m")
	if n := <-done; n != 1 {
		t.Errorf("%d messages", n)
	}
}

// A queue can be told to give messages out of order, and to give one again that was deleted.
func TestDisorderAndRevival(t *testing.T) {
	sim, c := queues(t, awssim.Options{})
	revived := false
	q := sim.CreateQueue("q", awssim.QueueOptions{
		Order:  func(n int) int { return n - 1 },
		Revive: func() bool { first := !revived; revived = true; return first },
	})
	for i := range 4 {
		q.Send(strconv.Itoa(i))
	}
	var got []string
	for range 5 {
		out, err := c.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: aws.String(q.URL()), MaxNumberOfMessages: 1})
		if err != nil || len(out.Messages) != 1 {
			t.Fatalf("received %+v, %v", out, err)
		}
		got = append(got, *out.Messages[0].Body)
		if _, err := c.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: aws.String(q.URL()), ReceiptHandle: out.Messages[0].ReceiptHandle}); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff([]string{"3", "3", "1", "2", "0"}, got); d != "" {
		t.Error(d)
	}
	if a, b, d := q.Depth(); a+b+d != 0 {
		t.Errorf("%d messages are left", a+b+d)
	}
}
