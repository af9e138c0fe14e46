// Package notifyaws sends messages to people through a topic of Amazon SNS.
package notifyaws

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/datatransferhub/dth/lambda/notify"
)

// Actions returns the IAM actions on the topic. The topic's key needs kms:GenerateDataKey and kms:Decrypt besides.
func Actions() []string { return []string{"sns:Publish"} }

// To returns what sends to a topic. Without one nothing is sent.
func To(cfg aws.Config, topic string) notify.Send {
	if topic == "" {
		return func(context.Context, notify.Message) error { return nil }
	}
	client := sns.NewFromConfig(cfg)
	return func(ctx context.Context, m notify.Message) error {
		_, err := client.Publish(ctx, &sns.PublishInput{TopicArn: &topic, Subject: aws.String(m.Subject()), Message: aws.String(m.Text())})
		if err != nil {
			return fmt.Errorf("sending a message to %s: %w", topic, err)
		}
		return nil
	}
}
