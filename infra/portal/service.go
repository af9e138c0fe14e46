package portal

import (
	"strconv"
	"strings"

	"github.com/datatransferhub/dth/infra/kit"
)

// The names of what tasks have begin so: CloudFormation puts the stack's name in front of those that it makes up.
const tasks = "DTH-t-*"

// stackRights makes the role as which CloudFormation makes, changes and deletes the stacks of tasks, the boundary that keeps
// it from anything else, and the boundary of the roles in those stacks. A role that makes roles could give itself whatever it
// wants; with a boundary on whatever it makes, it cannot.
func (b *builder) stackRights() {
	b.s.Resource("TaskBoundary", "AWS::IAM::ManagedPolicy", object{
		"Description": "The most that roles in stacks of Data Transfer Hub tasks may do", "PolicyDocument": taskBoundary(),
	})
	b.s.Resource("ServiceBoundary", "AWS::IAM::ManagedPolicy", object{
		"Description": "Keeps Data Transfer Hub's service role from whatever plugins do not need", "PolicyDocument": serviceBoundary(),
	})
	role := b.s.Role("ServiceRole", "CloudFormation makes the stacks of Data Transfer Hub tasks as this role", "cloudformation", nil, b.serviceRights())
	role.SetPermissionsBoundary(kit.Ref("ServiceBoundary"))
	role.SetManagedPolicyArns(b.familyRights())
}

// familyRights are the rights on families of resources. They are more than fit into a role, so they are policies of their own.
func (b *builder) familyRights() *[]*string {
	var policies []*string
	all := families()
	for i, part := range [][]family{all[:len(all)/2], all[len(all)/2:]} {
		id := "ServiceRights" + strconv.Itoa(i+1)
		var statements []kit.Statement
		for _, f := range part {
			statements = append(statements, kit.Statement{Sid: f.sid, Actions: f.actions, Resources: f.resources})
		}
		b.s.Resource(id, "AWS::IAM::ManagedPolicy", object{
			"Description": "What CloudFormation needs for Data Transfer Hub tasks", "PolicyDocument": kit.Policy(statements),
		})
		policies = append(policies, kit.Ref(id))
	}
	return &policies
}

// here begins an ARN of this region and account.
func here(service, rest string) *string {
	return kit.Sub("arn:${AWS::Partition}:" + service + ":${AWS::Region}:${AWS::AccountId}:" + rest)
}

// roles are those of tasks, and the instance profiles that hold them.
func roles() []*string {
	return []*string{
		kit.Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:role/" + tasks), kit.Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:instance-profile/" + tasks),
	}
}

// family is one kind of resource of tasks, and what CloudFormation does with it.
type family struct {
	sid       string
	resources []*string // their names; nil: they have none that is known beforehand
	actions   []string
}

// families are the named resources of plugins. What CloudFormation calls for a type is in the handlers of its schema:
// https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-schema.html
func families() []family {
	return []family{
		{"Tables", []*string{here("dynamodb", "table/"+tasks)}, []string{
			"dynamodb:CreateTable", "dynamodb:DeleteTable", "dynamodb:DescribeTable", "dynamodb:UpdateTable", "dynamodb:DescribeContinuousBackups",
			"dynamodb:UpdateContinuousBackups", "dynamodb:DescribeTimeToLive", "dynamodb:UpdateTimeToLive", "dynamodb:DescribeContributorInsights",
			"dynamodb:DescribeKinesisStreamingDestination", "dynamodb:GetResourcePolicy", "dynamodb:ListTagsOfResource", "dynamodb:TagResource", "dynamodb:UntagResource",
		}},
		{"Queues", []*string{here("sqs", tasks)}, []string{
			"sqs:CreateQueue", "sqs:DeleteQueue", "sqs:GetQueueAttributes", "sqs:SetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListQueueTags", "sqs:TagQueue", "sqs:UntagQueue",
		}},
		{"Buckets", buckets(), []string{
			"s3:CreateBucket", "s3:DeleteBucket", "s3:PutEncryptionConfiguration", "s3:PutBucketOwnershipControls", "s3:PutBucketPublicAccessBlock", "s3:PutBucketTagging",
			"s3:PutBucketPolicy", "s3:GetBucketPolicy", "s3:DeleteBucketPolicy", "s3:PutLifecycleConfiguration",
			// What CloudFormation looks at of a bucket, whatever the template says of it.
			"s3:GetAccelerateConfiguration", "s3:GetAnalyticsConfiguration", "s3:GetBucketCORS", "s3:GetBucketLogging", "s3:GetBucketNotification",
			"s3:GetBucketObjectLockConfiguration", "s3:GetBucketOwnershipControls", "s3:GetBucketPublicAccessBlock", "s3:GetBucketTagging", "s3:GetBucketVersioning",
			"s3:GetBucketWebsite", "s3:GetEncryptionConfiguration", "s3:GetIntelligentTieringConfiguration", "s3:GetInventoryConfiguration", "s3:GetLifecycleConfiguration",
			"s3:GetMetricsConfiguration", "s3:GetReplicationConfiguration", "s3:GetBucketAcl", "s3:ListBucket",
			"s3:TagResource", "s3:UntagResource", "s3:ListTagsForResource",
		}},
		{"Functions", []*string{here("lambda", "function:"+tasks)}, []string{
			"lambda:CreateFunction", "lambda:DeleteFunction", "lambda:GetFunction", "lambda:GetFunctionConfiguration", "lambda:UpdateFunctionCode",
			"lambda:UpdateFunctionConfiguration", "lambda:GetFunctionCodeSigningConfig", "lambda:GetFunctionRecursionConfig", "lambda:GetRuntimeManagementConfig",
			"lambda:GetPolicy", "lambda:AddPermission", "lambda:RemovePermission", "lambda:InvokeFunction", "lambda:ListTags", "lambda:TagResource", "lambda:UntagResource",
		}},
		{"Machines", []*string{here("states", "stateMachine:DataTransferHub-*")}, []string{
			"states:CreateStateMachine", "states:DeleteStateMachine", "states:DescribeStateMachine", "states:UpdateStateMachine", "states:ListTagsForResource",
			"states:TagResource", "states:UntagResource", "states:ListStateMachineVersions",
		}},
		{"Logs", []*string{here("logs", "log-group:/datatransferhub/"+tasks), here("logs", "log-group:/aws/vendedlogs/states/"+tasks)}, []string{
			"logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:PutRetentionPolicy", "logs:DeleteRetentionPolicy", "logs:ListTagsForResource", "logs:TagResource", "logs:UntagResource",
			"logs:DescribeIndexPolicies", "logs:GetDataProtectionPolicy", "logs:TagLogGroup", "logs:UntagLogGroup", "logs:ListTagsLogGroup",
		}},
		{"Topics", []*string{here("sns", tasks)}, []string{
			"sns:CreateTopic", "sns:DeleteTopic", "sns:GetTopicAttributes", "sns:SetTopicAttributes", "sns:Subscribe", "sns:Unsubscribe", "sns:ListSubscriptionsByTopic",
			"sns:GetDataProtectionPolicy", "sns:ListTagsForResource", "sns:TagResource", "sns:UntagResource",
		}},
		{"Rules", []*string{here("events", "rule/"+tasks)}, []string{
			"events:PutRule", "events:DeleteRule", "events:DescribeRule", "events:PutTargets", "events:RemoveTargets", "events:ListTargetsByRule", "events:EnableRule",
			"events:DisableRule", "events:ListTagsForResource", "events:TagResource", "events:UntagResource",
		}},
		{"Alarms", []*string{here("cloudwatch", "alarm:"+tasks), kit.Sub("arn:${AWS::Partition}:cloudwatch::${AWS::AccountId}:dashboard/" + tasks)}, []string{
			"cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms", "cloudwatch:DescribeAlarms", "cloudwatch:PutDashboard", "cloudwatch:GetDashboard", "cloudwatch:DeleteDashboards",
			"cloudwatch:ListTagsForResource", "cloudwatch:TagResource", "cloudwatch:UntagResource",
		}},
		{"Groups", []*string{here("autoscaling", "autoScalingGroup:*:autoScalingGroupName/"+tasks)}, []string{
			"autoscaling:CreateAutoScalingGroup", "autoscaling:DeleteAutoScalingGroup", "autoscaling:UpdateAutoScalingGroup", "autoscaling:PutScalingPolicy",
			"autoscaling:DeletePolicy", "autoscaling:PutLifecycleHook", "autoscaling:DeleteLifecycleHook", "autoscaling:EnableMetricsCollection",
			"autoscaling:DisableMetricsCollection", "autoscaling:SuspendProcesses", "autoscaling:ResumeProcesses", "autoscaling:SetDesiredCapacity",
			"autoscaling:TerminateInstanceInAutoScalingGroup", "autoscaling:StartInstanceRefresh", "autoscaling:CancelInstanceRefresh", "autoscaling:CreateOrUpdateTags",
			"autoscaling:DeleteTags", "autoscaling:SetInstanceProtection", "autoscaling:PutNotificationConfiguration", "autoscaling:DeleteNotificationConfiguration",
		}},
		{"Tasks", []*string{here("ecs", "task-definition/"+tasks)}, []string{"ecs:RegisterTaskDefinition", "ecs:ListTagsForResource", "ecs:TagResource", "ecs:UntagResource"}},
		{"Profiles", roles()[1:], []string{
			"iam:CreateInstanceProfile", "iam:DeleteInstanceProfile", "iam:GetInstanceProfile", "iam:AddRoleToInstanceProfile", "iam:RemoveRoleFromInstanceProfile",
		}},
		{"Roles", roles()[:1], []string{
			"iam:GetRole", "iam:GetRolePolicy", "iam:ListRolePolicies", "iam:ListAttachedRolePolicies", "iam:ListRoleTags", "iam:DeleteRole", "iam:DeleteRolePolicy",
			"iam:UpdateRole", "iam:UpdateRoleDescription", "iam:UpdateAssumeRolePolicy", "iam:TagRole", "iam:UntagRole",
		}},
	}
}

// buckets are those of tasks. CloudFormation makes their names of a stack's, in lower case.
func buckets() []*string {
	return []*string{kit.Sub("arn:${AWS::Partition}:s3:::" + strings.ToLower(tasks))}
}

// bounded are the actions that give a role its rights. They need the boundary of tasks on it.
func bounded() []string {
	return []string{"iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary"}
}

// unnamedRights are on what gets its id when it is made, or takes no resource.
func unnamedRights() []family {
	return []family{
		{sid: "Looks", actions: []string{
			"ec2:DescribeLaunchTemplates", "ec2:DescribeLaunchTemplateVersions", "ec2:DescribeSecurityGroups", "ec2:DescribeSecurityGroupRules", "ec2:DescribeSubnets",
			"ec2:DescribeVpcs", "ec2:DescribeInstances", "ec2:DescribeImages", "ec2:DescribeInstanceTypes", "ec2:DescribeTags", "ec2:DescribeAvailabilityZones",
			"ec2:DescribeAccountAttributes", "ec2:DescribeKeyPairs", "ec2:DescribeNetworkInterfaces", "autoscaling:DescribeAutoScalingInstances", "autoscaling:DescribeWarmPool",
			"autoscaling:DescribeLoadBalancers", "autoscaling:DescribeLoadBalancerTargetGroups", "autoscaling:DescribeAutoScalingGroups",
			"autoscaling:DescribePolicies", "autoscaling:DescribeLifecycleHooks", "autoscaling:DescribeScalingActivities", "autoscaling:DescribeInstanceRefreshes",
			"autoscaling:DescribeTags", "autoscaling:DescribeNotificationConfigurations", "autoscaling:DescribeTrafficSources", "cloudwatch:ListDashboards", "logs:DescribeLogGroups",
		}},
		// Revisions of task definitions are looked at and given up without a resource.
		// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerservice.html
		{sid: "Definitions", actions: []string{"ecs:DescribeTaskDefinition", "ecs:DeregisterTaskDefinition"}},
		// How state machines get their logs: https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html#cloudwatch-iam-policy
		{sid: "LogDelivery", actions: []string{
			"logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies",
		}},
	}
}

// launchTemplates are the actions on launch templates of tasks.
func launchTemplates() []string {
	return []string{
		"ec2:CreateLaunchTemplate", "ec2:CreateLaunchTemplateVersion", "ec2:ModifyLaunchTemplate", "ec2:DeleteLaunchTemplate", "ec2:DeleteLaunchTemplateVersions",
		"ec2:DeleteTags",
	}
}

// securityGroups are the actions on security groups of tasks that are there.
func securityGroups() []string {
	return []string{
		"ec2:DeleteSecurityGroup", "ec2:AuthorizeSecurityGroupEgress", "ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupEgress",
		"ec2:RevokeSecurityGroupIngress", "ec2:UpdateSecurityGroupRuleDescriptionsEgress", "ec2:UpdateSecurityGroupRuleDescriptionsIngress", "ec2:CreateTags",
		"ec2:DeleteTags",
	}
}

// newKeys are the actions on a key that was just made. On another one they do no harm.
func newKeys() []string {
	return []string{"kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags", "kms:EnableKeyRotation"}
}

// keys are the actions on the KMS keys of tasks' topics.
func keys() []string {
	return []string{
		"kms:DisableKeyRotation", "kms:PutKeyPolicy", "kms:EnableKey", "kms:DisableKey", "kms:UpdateKeyDescription", "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion", "kms:TagResource", "kms:UntagResource",
	}
}
