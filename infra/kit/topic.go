package kit

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
)

// AlarmTopic makes the topic that everything worth an e-mail goes to, with its subscription: the address is the value of a
// parameter. Its key is its own: the one that AWS manages for SNS cannot be used by alarms and rules. The resources are AlarmTopic, AlarmTopicPolicy and AlarmKey.
// https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services
func (s *Stack) AlarmTopic(email string) awssns.CfnTopic {
	publishers := map[string]any{"Service": []string{"cloudwatch.amazonaws.com", "events.amazonaws.com"}}
	own := OwnAccount()
	key := awskms.NewCfnKey(s.Scope, new("AlarmKey"), &awskms.CfnKeyProps{
		Description: new("Data Transfer Hub: messages of alarms"), EnableKeyRotation: new(true), PendingWindowInDays: new(7.0),
		KeyPolicy: Document(
			map[string]any{
				"Sid": "Account", "Effect": "Allow", "Action": "kms:*", "Resource": "*",
				"Principal": map[string]any{"AWS": Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root")},
			},
			map[string]any{
				"Sid": "Publishers", "Effect": "Allow", "Action": []string{"kms:Decrypt", "kms:GenerateDataKey"}, "Resource": "*",
				"Principal": publishers, "Condition": own,
			},
		),
	})
	key.ApplyRemovalPolicy(awscdk.RemovalPolicy_DESTROY, nil)
	topic := awssns.NewCfnTopic(s.Scope, new("AlarmTopic"), &awssns.CfnTopicProps{
		DisplayName: new("Data Transfer Hub"), KmsMasterKeyId: key.AttrArn(),
		Subscription: &[]any{&awssns.CfnTopic_SubscriptionProperty{Protocol: new("email"), Endpoint: Ref(email)}},
	})
	awssns.NewCfnTopicPolicy(s.Scope, new("AlarmTopicPolicy"), &awssns.CfnTopicPolicyProps{
		Topics: &[]*string{topic.Ref()},
		PolicyDocument: Document(
			TLSOnly("sns:Publish", topic.Ref()),
			map[string]any{
				"Sid": "Publishers", "Effect": "Allow", "Action": "sns:Publish", "Resource": topic.Ref(), "Principal": publishers, "Condition": own,
			},
		),
	})
	return topic
}
