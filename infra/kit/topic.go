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
	key := awskms.NewCfnKey(s.Scope, new("AlarmKey"), &awskms.CfnKeyProps{
		Description: new("Data Transfer Hub: messages of alarms"), EnableKeyRotation: new(true), PendingWindowInDays: new(7.0),
		KeyPolicy: Document(append([]any{
			map[string]any{
				"Sid": "Account", "Effect": "Allow", "Action": "kms:*", "Resource": "*",
				"Principal": map[string]any{"AWS": Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root")},
			},
		}, Publishers([]string{"kms:Decrypt", "kms:GenerateDataKey"}, "*")...)...),
	})
	key.ApplyRemovalPolicy(awscdk.RemovalPolicy_DESTROY, nil)
	topic := awssns.NewCfnTopic(s.Scope, new("AlarmTopic"), &awssns.CfnTopicProps{
		DisplayName: new("Data Transfer Hub"), KmsMasterKeyId: key.AttrArn(),
		Subscription: &[]any{&awssns.CfnTopic_SubscriptionProperty{Protocol: new("email"), Endpoint: Ref(email)}},
	})
	awssns.NewCfnTopicPolicy(s.Scope, new("AlarmTopicPolicy"), &awssns.CfnTopicPolicyProps{
		Topics:         &[]*string{topic.Ref()},
		PolicyDocument: Document(append([]any{TLSOnly("sns:Publish", topic.Ref())}, Publishers("sns:Publish", topic.Ref())...)...),
	})
	return topic
}

// Publishers lets alarms of the own account and the rules of EventBridge do something with a topic or its key. EventBridge does not
// say for which account it comes: asked for aws:SourceAccount, it is refused, and its messages are lost without a sound. The key cannot name the topic
// instead (kms:EncryptionContext:aws:sns:topicArn), because the topic names the key.
// https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services
func Publishers(action, resource any) []any {
	statement := func(id, service string) map[string]any {
		return map[string]any{"Sid": id, "Effect": "Allow", "Action": action, "Resource": resource, "Principal": map[string]any{"Service": service}}
	}
	alarms := statement("Alarms", "cloudwatch.amazonaws.com")
	alarms["Condition"] = OwnAccount()
	return []any{alarms, statement("Rules", "events.amazonaws.com")}
}
