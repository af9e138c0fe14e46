package portal

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"

	"github.com/datatransferhub/dth/infra/kit"
)

// topic makes the topic of all notices with a key of its own: alarms and rules cannot use the one that AWS manages for SNS.
// https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services
func (b *builder) topic() {
	b.s.Resource("TopicKey", "AWS::KMS::Key", object{
		"Description": kit.Sub("Data Transfer Hub ${AWS::StackName}: notices"), "EnableKeyRotation": true, "PendingWindowInDays": 7,
		"KeyPolicy": kit.Document(append(list{
			object{
				"Sid": "Account", "Effect": "Allow", "Action": "kms:*", "Resource": "*",
				"Principal": object{"AWS": kit.Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:root")},
			},
		}, kit.Publishers([]string{"kms:Decrypt", "kms:GenerateDataKey"}, "*")...)...),
	}).ApplyRemovalPolicy(awscdk.RemovalPolicy_DESTROY, nil)
	b.s.Resource("Topic", "AWS::SNS::Topic", object{"DisplayName": "Data Transfer Hub", "KmsMasterKeyId": kit.Sub("${TopicKey.Arn}")})
	b.s.Resource("TopicPolicy", "AWS::SNS::TopicPolicy", object{
		"Topics":         list{kit.Ref("Topic")},
		"PolicyDocument": kit.Document(append(list{kit.TLSOnly("sns:Publish", kit.Ref("Topic"))}, kit.Publishers("sns:Publish", kit.Ref("Topic"))...)...),
	})
	b.c.notice.Guard(b.s.Resource("NoticeSubscription", "AWS::SNS::Subscription", object{
		"TopicArn": kit.Ref("Topic"), "Protocol": "email", "Endpoint": kit.Ref("NoticeEmail"),
	}))
}
