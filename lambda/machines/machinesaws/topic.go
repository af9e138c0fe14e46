package machinesaws

import (
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

// Topic makes a topic on a stand-in, and returns its ARN and what reads the messages that were sent to it since.
func Topic(t *testing.T, url, name string) (arn string, read func() []string) {
	t.Helper()
	cfg := standinaws.Config(t, url)
	topics, queues := sns.NewFromConfig(cfg), sqs.NewFromConfig(cfg)
	topic, err := topics.CreateTopic(t.Context(), &sns.CreateTopicInput{Name: &name})
	if err != nil {
		t.Fatal(err)
	}
	queue, err := queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name})
	if err != nil {
		t.Fatal(err)
	}
	about, err := queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: queue.QueueUrl, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = topics.Subscribe(t.Context(), &sns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: aws.String("sqs"), Endpoint: aws.String(about.Attributes["QueueArn"])})
	if err != nil {
		t.Fatal(err)
	}
	return *topic.TopicArn, func() (all []string) {
		t.Helper()
		for {
			out, err := queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl, MaxNumberOfMessages: 10})
			if err != nil {
				t.Fatal(err)
			}
			if len(out.Messages) == 0 {
				return all
			}
			for _, m := range out.Messages {
				var envelope struct{ Subject, Message string }
				if err := json.Unmarshal([]byte(*m.Body), &envelope); err != nil {
					t.Fatal(err)
				}
				all = append(all, envelope.Subject+"\n"+envelope.Message)
			}
		}
	}
}

// Largest returns the size in bytes, and the text, of the longest input or output of a state of an execution.
func (m *Machine) Largest(name string) (size int, text string) {
	m.t.Helper()
	arn := m.execution(name)
	pages := sfn.NewGetExecutionHistoryPaginator(m.client, &sfn.GetExecutionHistoryInput{ExecutionArn: &arn, IncludeExecutionData: aws.Bool(true)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(m.t.Context())
		if err != nil {
			m.t.Fatal(err)
		}
		for _, e := range page.Events {
			for _, candidate := range []string{inputOf(e.StateEnteredEventDetails), outputOf(e.StateExitedEventDetails)} {
				if len(candidate) > size {
					size, text = len(candidate), candidate
				}
			}
		}
	}
	return size, text
}

func inputOf(d *sfntypes.StateEnteredEventDetails) string {
	if d == nil {
		return ""
	}
	return aws.ToString(d.Input)
}

func outputOf(d *sfntypes.StateExitedEventDetails) string {
	if d == nil {
		return ""
	}
	return aws.ToString(d.Output)
}
