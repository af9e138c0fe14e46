package notifyaws_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/datatransferhub/dth/lambda/notify"
	"github.com/datatransferhub/dth/lambda/notify/notifyaws"
	"github.com/datatransferhub/dth/worker/standin"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

var moto *standin.Server

func TestMain(m *testing.M) { os.Exit(standin.Run(m, func(s *standin.Server) { moto = s })) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A message that is sent reaches who subscribed to the topic.
func TestSending(t *testing.T) {
	cfg := standinaws.Config(t, moto.URL)
	topics, queues := sns.NewFromConfig(cfg), sqs.NewFromConfig(cfg)
	topic, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: aws.String("central")})
	must(t, err)
	queue, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("reader")})
	must(t, err)
	_, err = topics.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: aws.String("sqs"), Endpoint: aws.String("arn:aws:sqs:us-east-1:123456789012:reader")})
	must(t, err)
	m := notify.Message{Task: "t-1", Name: "photos", What: "its last run failed", Why: "no such bucket"}
	must(t, notifyaws.To(standinaws.Only(t, cfg, notifyaws.Actions()), *topic.TopicArn)(t.Context(), m))
	got, err := queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl})
	must(t, err)
	if len(got.Messages) != 1 {
		t.Fatalf("%d messages", len(got.Messages))
	}
	var envelope struct{ Subject, Message string }
	must(t, json.Unmarshal([]byte(*got.Messages[0].Body), &envelope))
	if envelope.Subject != m.Subject() || envelope.Message != m.Text() {
		t.Errorf("got %+v", envelope)
	}
}

func TestATopicThatIsNotThere(t *testing.T) {
	cfg := standinaws.Config(t, moto.URL)
	const arn = "arn:aws:sns:us-east-1:123456789012:nowhere"
	if err := notifyaws.To(cfg, arn)(t.Context(), notify.Message{}); err == nil || !strings.Contains(err.Error(), arn) {
		t.Errorf("%v", err)
	}
	if err := notifyaws.To(cfg, "")(t.Context(), notify.Message{}); err != nil {
		t.Errorf("without a topic: %v", err)
	}
}
