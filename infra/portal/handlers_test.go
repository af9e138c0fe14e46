package portal

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Names of what tasks have.
const (
	securityGroup = "arn:aws:ec2" + account + "security-group/sg-1"
	instances     = "arn:aws:ec2" + account + "instance/*"
	volumes       = "arn:aws:ec2" + account + "volume/*"
	scalingGroup  = "arn:aws:autoscaling" + account + "autoScalingGroup:id:autoScalingGroupName/DTH-t-1-workers"
)

// handled is what CloudFormation calls to create, read, update and delete a resource of one type.
type handled struct {
	resource string
	calls    string            // on the resource
	also     []call            // on others, or in another context
	only     map[string]string // calls that are made for one property alone, which the templates do not have
	never    map[string]string // calls that are not made for stacks of tasks, and why
}

// after is the context of a call on what has no tags yet, of which ec2 says what makes it.
func after(action string) map[string]string {
	return map[string]string{"ec2:CreateAction": action, "aws:RequestTag/DataTransferHubTask": "t-1", "ec2:LaunchTemplate": "arn:aws:ec2" + account + "launch-template/lt-1"}
}

// fresh is the context of a call on what was just made: nothing tells of its tags.
func fresh() map[string]string { return map[string]string{} }

// passed is handing a task's role to a service.
func passed(service string) call {
	return call{"iam:PassRole", taskRole, map[string]string{"iam:PassedToService": service + ".amazonaws.com"}}
}

// on are calls of several actions.
func on(resource string, context map[string]string, actions string) (all []call) {
	for _, action := range strings.Fields(actions) {
		all = append(all, call{action, resource, context})
	}
	return all
}

func together(parts ...[]call) (all []call) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// handlers are the permissions of the handlers in CloudFormation's public resource schemas, as
// https://github.com/hashicorp/terraform-provider-awscc (internal/service/cloudformation/schemas) had them in November 2026. What is
// not in there is marked. In place of Describe* and Get* stands what the service has that fits the properties of the templates.
var handlers = map[string]handled{
	"AWS::AutoScaling::AutoScalingGroup": {
		resource: scalingGroup,
		calls: `autoscaling:CreateAutoScalingGroup autoscaling:UpdateAutoScalingGroup autoscaling:DeleteAutoScalingGroup autoscaling:CreateOrUpdateTags autoscaling:DeleteTags
			autoscaling:EnableMetricsCollection autoscaling:DisableMetricsCollection autoscaling:PutNotificationConfiguration autoscaling:DeleteNotificationConfiguration
			autoscaling:PutLifecycleHook autoscaling:DeleteLifecycleHook`,
		also: together(
			on("*", fresh(), `autoscaling:DescribeAutoScalingGroups autoscaling:DescribeAutoScalingInstances autoscaling:DescribeLifecycleHooks autoscaling:DescribeLoadBalancers
				autoscaling:DescribeLoadBalancerTargetGroups autoscaling:DescribeNotificationConfigurations autoscaling:DescribeScalingActivities autoscaling:DescribeTags
				autoscaling:DescribeTrafficSources autoscaling:DescribeWarmPool autoscaling:DescribeInstanceRefreshes ec2:DescribeAccountAttributes ec2:DescribeAvailabilityZones
				ec2:DescribeImages ec2:DescribeInstances ec2:DescribeKeyPairs ec2:DescribeLaunchTemplateVersions ec2:DescribeLaunchTemplates ec2:DescribeSecurityGroups ec2:DescribeSubnets`),
			// Auto Scaling asks whether the caller may start what the launch template says, with its tags and its role:
			// https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-launch-template-permissions.html
			on(instances, after("RunInstances"), "ec2:RunInstances ec2:CreateTags"),
			on(volumes, after("RunInstances"), "ec2:RunInstances ec2:CreateTags"),
			on("arn:aws:ec2"+account+"network-interface/*", after("RunInstances"), "ec2:RunInstances"),
			on("arn:aws:ec2"+account+"subnet/subnet-1", after("RunInstances"), "ec2:RunInstances"),
			on("arn:aws:ec2:eu-west-1::image/ami-1", after("RunInstances"), "ec2:RunInstances"),
			on(securityGroup, after("RunInstances"), "ec2:RunInstances"),
			[]call{passed("ec2"), {"ssm:GetParameters", "arn:aws:ssm:eu-west-1::parameter/aws/service/ami-amazon-linux-latest/al2023", fresh()}},
			[]call{{"iam:CreateServiceLinkedRole", "arn:aws:iam::123456789012:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling", map[string]string{"iam:AWSServiceName": "autoscaling.amazonaws.com"}}},
		),
		only: map[string]string{
			"autoscaling:AttachLoadBalancers": "LoadBalancerNames", "autoscaling:AttachLoadBalancerTargetGroups": "TargetGroupARNs", "autoscaling:AttachTrafficSources": "TrafficSources",
			"elasticloadbalancing:Describe*": "TargetGroupARNs", "vpc-lattice:RegisterTargets": "TrafficSources",
		},
		never: map[string]string{"managed-fleets:*": "it is a service of CloudFormation's own", "cloudwatch:PutMetricAlarm": "it is made by the policies that track a target; ours follow alarms of the template"},
	},
	"AWS::AutoScaling::ScalingPolicy": {resource: scalingGroup, calls: "autoscaling:PutScalingPolicy autoscaling:DeletePolicy", also: on("*", fresh(), "autoscaling:DescribePolicies")},
	// They call nothing.
	"AWS::CloudFormation::WaitCondition": {}, "AWS::CloudFormation::WaitConditionHandle": {},
	"AWS::CloudWatch::Alarm": {
		resource: "arn:aws:cloudwatch" + account + "alarm:DTH-t-1-Alarm-X",
		calls:    "cloudwatch:PutMetricAlarm cloudwatch:DescribeAlarms cloudwatch:DeleteAlarms cloudwatch:TagResource cloudwatch:UntagResource cloudwatch:ListTagsForResource",
	},
	"AWS::CloudWatch::Dashboard": {
		resource: "arn:aws:cloudwatch::123456789012:dashboard/DTH-t-1-eu-west-1",
		calls:    "cloudwatch:PutDashboard cloudwatch:GetDashboard cloudwatch:DeleteDashboards cloudwatch:TagResource cloudwatch:UntagResource cloudwatch:ListTagsForResource",
	},
	"AWS::DynamoDB::Table": {
		resource: "arn:aws:dynamodb" + account + "table/DTH-t-1-Ledger-X",
		calls: `dynamodb:CreateTable dynamodb:DescribeTable dynamodb:UpdateTable dynamodb:DeleteTable dynamodb:DescribeTimeToLive dynamodb:UpdateTimeToLive dynamodb:UpdateContinuousBackups
			dynamodb:DescribeContinuousBackups dynamodb:DescribeContributorInsights dynamodb:DescribeKinesisStreamingDestination dynamodb:ListTagsOfResource dynamodb:TagResource
			dynamodb:UntagResource dynamodb:GetResourcePolicy`,
		only: map[string]string{
			"dynamodb:ImportTable": "ImportSourceSpecification", "dynamodb:DescribeImport": "ImportSourceSpecification", "dynamodb:UpdateContributorInsights": "ContributorInsightsSpecification",
			"dynamodb:EnableKinesisStreamingDestination": "KinesisStreamSpecification", "kinesis:DescribeStream": "KinesisStreamSpecification", "dynamodb:PutResourcePolicy": "ResourcePolicy",
			"kms:CreateGrant": "KMSMasterKeyId",
		},
	},
	// The schema in that place has no handlers; these are of its other versions.
	"AWS::EC2::LaunchTemplate": {
		resource: "arn:aws:ec2" + account + "launch-template/lt-1",
		calls:    "ec2:CreateLaunchTemplate ec2:CreateLaunchTemplateVersion ec2:ModifyLaunchTemplate ec2:DeleteLaunchTemplate ec2:DeleteTags",
		also: together(
			on("arn:aws:ec2"+account+"launch-template/lt-1", after("CreateLaunchTemplate"), "ec2:CreateTags"),
			on("*", fresh(), "ec2:DescribeLaunchTemplates ec2:DescribeLaunchTemplateVersions ec2:DescribeTags"),
		),
	},
	"AWS::EC2::SecurityGroup": {
		resource: securityGroup,
		calls: `ec2:CreateSecurityGroup ec2:AuthorizeSecurityGroupEgress ec2:AuthorizeSecurityGroupIngress ec2:RevokeSecurityGroupEgress ec2:RevokeSecurityGroupIngress
			ec2:UpdateSecurityGroupRuleDescriptionsIngress ec2:UpdateSecurityGroupRuleDescriptionsEgress ec2:CreateTags ec2:DeleteTags ec2:DeleteSecurityGroup`,
		also: together(
			on("arn:aws:ec2"+account+"vpc/vpc-1", fresh(), "ec2:CreateSecurityGroup"),
			// Tagged as it is made, or with its rules before its tags.
			on(securityGroup, after("CreateSecurityGroup"), "ec2:CreateTags"),
			on(securityGroup, fresh(), "ec2:CreateSecurityGroup ec2:AuthorizeSecurityGroupEgress ec2:AuthorizeSecurityGroupIngress ec2:RevokeSecurityGroupEgress"),
			on(securityGroup, map[string]string{"aws:RequestTag/DataTransferHubTask": "t-1"}, "ec2:CreateTags"),
			on("*", fresh(), "ec2:DescribeSecurityGroups ec2:DescribeInstances"),
		),
	},
	"AWS::ECS::TaskDefinition": {
		resource: "arn:aws:ecs" + account + "task-definition/DTH-t-1-copier:1",
		calls:    "ecs:RegisterTaskDefinition ecs:DescribeTaskDefinition ecs:DeregisterTaskDefinition ecs:TagResource ecs:UntagResource ecs:ListTagsForResource",
		also:     []call{{"iam:GetRole", taskRole, fresh()}, passed("ecs-tasks")},
	},
	"AWS::Events::Rule": {
		resource: "arn:aws:events" + account + "rule/DTH-t-1-Schedule-X",
		calls: `events:PutRule events:DescribeRule events:DeleteRule events:PutTargets events:RemoveTargets events:ListTargetsByRule events:TagResource events:UntagResource
			events:ListTagsForResource`,
		also: []call{passed("events")},
	},
	// That place has no such schema; this is by the calls that the type is made of.
	"AWS::IAM::InstanceProfile": {
		resource: "arn:aws:iam::123456789012:instance-profile/DTH-t-1-Profile-X",
		calls:    "iam:CreateInstanceProfile iam:GetInstanceProfile iam:AddRoleToInstanceProfile iam:RemoveRoleFromInstanceProfile iam:DeleteInstanceProfile",
		also:     []call{passed("ec2")},
	},
	"AWS::IAM::Role": {
		resource: taskRole,
		calls: `iam:CreateRole iam:PutRolePolicy iam:GetRolePolicy iam:TagRole iam:UntagRole iam:GetRole iam:ListAttachedRolePolicies iam:ListRolePolicies iam:UpdateRole
			iam:UpdateRoleDescription iam:UpdateAssumeRolePolicy iam:PutRolePermissionsBoundary iam:DeleteRolePolicy iam:DeleteRole`,
		only:  map[string]string{"iam:AttachRolePolicy": "ManagedPolicyArns", "iam:DetachRolePolicy": "ManagedPolicyArns"},
		never: map[string]string{"iam:DeleteRolePermissionsBoundary": "the hub gives every stack a boundary, and never takes it away"},
	},
	"AWS::KMS::Key": {
		resource: "arn:aws:kms" + account + "key/1",
		calls: `kms:CreateKey kms:EnableKeyRotation kms:DisableKeyRotation kms:EnableKey kms:DisableKey kms:TagResource kms:UntagResource kms:PutKeyPolicy kms:DescribeKey kms:GetKeyPolicy
			kms:GetKeyRotationStatus kms:ListResourceTags kms:UpdateKeyDescription kms:ScheduleKeyDeletion`,
		// In the minutes in which the tag of a new key does not count: https://docs.aws.amazon.com/kms/latest/developerguide/abac.html
		also: on("arn:aws:kms"+account+"key/1", fresh(), "kms:EnableKeyRotation kms:DescribeKey kms:GetKeyPolicy kms:GetKeyRotationStatus kms:ListResourceTags"),
	},
	"AWS::Lambda::Function": {
		resource: "arn:aws:lambda" + account + "function:DTH-t-1-Function-X",
		// InvokeFunction is for the custom resources that a function looks after.
		calls: `lambda:CreateFunction lambda:GetFunction lambda:UpdateFunctionConfiguration lambda:UpdateFunctionCode lambda:DeleteFunction lambda:GetFunctionCodeSigningConfig
			lambda:GetFunctionRecursionConfig lambda:GetRuntimeManagementConfig lambda:ListTags lambda:TagResource lambda:UntagResource lambda:InvokeFunction`,
		also: together(
			[]call{passed("lambda"), {"s3:GetObject", "arn:aws:s3:::<prefix>-eu-west-1/data-transfer-hub/v1/x.zip", fresh()}},
			on("*", fresh(), "ec2:DescribeSecurityGroups ec2:DescribeSubnets ec2:DescribeVpcs ec2:DescribeNetworkInterfaces"),
		),
		only: map[string]string{
			"lambda:PutFunctionConcurrency": "ReservedConcurrentExecutions", "lambda:DeleteFunctionConcurrency": "ReservedConcurrentExecutions", "lambda:GetLayerVersion": "Layers",
			"lambda:PutRuntimeManagementConfig": "RuntimeManagementConfig", "lambda:PutFunctionRecursionConfig": "RecursiveLoop", "lambda:GetCodeSigningConfig": "CodeSigningConfigArn",
			"elasticfilesystem:DescribeMountTargets": "FileSystemConfigs", "kms:CreateGrant": "KmsKeyArn", "s3:GetObjectVersion": "S3ObjectVersion",
		},
	},
	"AWS::Lambda::Permission": {resource: "arn:aws:lambda" + account + "function:DTH-t-1-Function-X", calls: "lambda:AddPermission lambda:GetPolicy lambda:RemovePermission"},
	"AWS::Logs::LogGroup": {
		resource: "arn:aws:logs" + account + "log-group:/datatransferhub/DTH-t-1/finder",
		// Its tags were those of TagLogGroup, and are those of TagResource.
		calls: `logs:CreateLogGroup logs:DeleteLogGroup logs:PutRetentionPolicy logs:DeleteRetentionPolicy logs:TagLogGroup logs:UntagLogGroup logs:ListTagsLogGroup logs:TagResource
			logs:UntagResource logs:ListTagsForResource logs:GetDataProtectionPolicy logs:DescribeIndexPolicies`,
		also: on("*", fresh(), "logs:DescribeLogGroups logs:DescribeResourcePolicies"),
		only: map[string]string{"logs:PutDataProtectionPolicy": "DataProtectionPolicy", "logs:DeleteDataProtectionPolicy": "DataProtectionPolicy", "logs:AssociateKmsKey": "KmsKeyId"},
	},
	"AWS::S3::Bucket": {
		resource: "arn:aws:s3:::dth-t-1-configurationbucket-x",
		calls: `s3:CreateBucket s3:DeleteBucket s3:ListBucket s3:GetBucketAcl s3:PutBucketTagging s3:GetBucketTagging s3:TagResource s3:UntagResource s3:ListTagsForResource
			s3:PutEncryptionConfiguration s3:PutLifecycleConfiguration s3:PutBucketPublicAccessBlock s3:PutBucketOwnershipControls s3:GetAccelerateConfiguration
			s3:GetLifecycleConfiguration s3:GetBucketPublicAccessBlock s3:GetAnalyticsConfiguration s3:GetBucketCORS s3:GetEncryptionConfiguration s3:GetInventoryConfiguration
			s3:GetBucketLogging s3:GetMetricsConfiguration s3:GetBucketNotification s3:GetBucketVersioning s3:GetReplicationConfiguration s3:GetBucketWebsite
			s3:GetBucketObjectLockConfiguration s3:GetBucketOwnershipControls s3:GetIntelligentTieringConfiguration`,
		only: map[string]string{
			"s3:PutAnalyticsConfiguration": "AnalyticsConfigurations", "s3:PutBucketCORS": "CorsConfiguration", "s3:PutInventoryConfiguration": "InventoryConfigurations",
			"s3:PutMetricsConfiguration": "MetricsConfigurations", "s3:PutBucketNotification": "NotificationConfiguration", "s3:PutReplicationConfiguration": "ReplicationConfiguration",
			"s3:PutBucketWebsite": "WebsiteConfiguration", "s3:PutAccelerateConfiguration": "AccelerateConfiguration", "s3:PutBucketObjectLockConfiguration": "ObjectLockConfiguration",
			"s3:PutBucketLogging": "LoggingConfiguration", "s3:PutBucketVersioning": "VersioningConfiguration", "s3:PutIntelligentTieringConfiguration": "IntelligentTieringConfigurations",
			"s3:PutBucketAcl": "AccessControl",
		},
		never: map[string]string{"s3:DeleteObject": "the stack's own Lambda empties its bucket", "s3:PutObjectAcl": "CloudFormation puts no object"},
	},
	"AWS::S3::BucketPolicy": {resource: "arn:aws:s3:::dth-t-1-configurationbucket-x", calls: "s3:GetBucketPolicy s3:PutBucketPolicy s3:DeleteBucketPolicy"},
	"AWS::SNS::Topic": {
		resource: "arn:aws:sns" + account + "DTH-t-1-AlarmTopic-X",
		calls: `sns:CreateTopic sns:TagResource sns:UntagResource sns:Subscribe sns:Unsubscribe sns:GetTopicAttributes sns:SetTopicAttributes sns:ListTagsForResource
			sns:ListSubscriptionsByTopic sns:GetDataProtectionPolicy sns:DeleteTopic`,
		only: map[string]string{"sns:PutDataProtectionPolicy": "DataProtectionPolicy", "iam:GetRole": "DeliveryStatusLogging", "iam:PassRole": "DeliveryStatusLogging"},
	},
	"AWS::SNS::TopicPolicy": {resource: "arn:aws:sns" + account + "DTH-t-1-AlarmTopic-X", calls: "sns:SetTopicAttributes"},
	"AWS::SQS::Queue": {
		resource: "arn:aws:sqs" + account + "DTH-t-1-Queue-X",
		calls:    "sqs:CreateQueue sqs:GetQueueUrl sqs:GetQueueAttributes sqs:SetQueueAttributes sqs:DeleteQueue sqs:ListQueueTags sqs:TagQueue sqs:UntagQueue",
	},
	"AWS::SQS::QueuePolicy": {resource: "arn:aws:sqs" + account + "DTH-t-1-Queue-X", calls: "sqs:SetQueueAttributes"}, // that place has no such schema
	"AWS::StepFunctions::StateMachine": {
		resource: "arn:aws:states" + account + "stateMachine:DataTransferHub-monitor-1",
		calls:    "states:CreateStateMachine states:DescribeStateMachine states:UpdateStateMachine states:DeleteStateMachine states:ListTagsForResource states:TagResource states:UntagResource",
		also: together(
			[]call{passed("states")},
			// Step Functions asks whether the caller may deliver logs: https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
			on("*", fresh(), `logs:CreateLogDelivery logs:GetLogDelivery logs:UpdateLogDelivery logs:DeleteLogDelivery logs:ListLogDeliveries logs:PutResourcePolicy
				logs:DescribeResourcePolicies logs:DescribeLogGroups`),
		),
		only: map[string]string{"s3:GetObject": "DefinitionS3Location"},
	},
}

// kindOf finds the type of a resource in the plugin's template, as the plugin's own test keeps it.
var kindOf = regexp.MustCompile(`"?Type"?: ?"(AWS::[A-Za-z0-9:]+|Custom::[A-Za-z0-9]+)"`)

// resourcesOfPlugins are the resources of both plugins, as text, by type.
func resourcesOfPlugins(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, plugin := range []string{"s3", "ecr"} {
		content, err := os.ReadFile("../../plugins/" + plugin + "/stack/testdata/template.txt")
		if err != nil {
			t.Fatal(err)
		}
		// A resource begins where a line is not indented.
		for _, resource := range regexp.MustCompile(`(?m)^([^ \n].*\n(?: .*\n)*)`).FindAllString(string(content), -1) {
			if kind := kindOf.FindStringSubmatch(resource); kind != nil {
				all[kind[1]] += resource
			}
		}
	}
	if len(all) < 28 {
		t.Fatalf("only %d types were found", len(all))
	}
	return all
}

// The service role can make, change and delete every resource of the plugins, and its boundary lets it.
func TestServiceRoleMakesThePlugins(t *testing.T) {
	resources := resourcesOfPlugins(t)
	each(t, func(t *testing.T, _ Variant, tmpl *template) {
		role, boundary := tmpl.statements("ServiceRole"), read(tmpl.properties("ServiceBoundary")["PolicyDocument"])
		for kind := range resources {
			h, known := handlers[kind]
			if !known && !strings.HasPrefix(kind, "Custom::") { // those are calls of Lambdas, which are asked for with them
				t.Errorf("%s: this test does not know what CloudFormation calls for it", kind)
			}
			for _, c := range together(on(h.resource, taskContext(), h.calls), h.also) {
				// The bucket of releases is in the policy as the template computes its name.
				c.resource = strings.ReplaceAll(c.resource, "<prefix>", releases(role))
				if !allowed(role, c) {
					t.Errorf("%s: the role does not allow %s on %s with %v", kind, c.action, c.resource, c.context)
				}
				if !allowed(boundary, c) {
					t.Errorf("%s: the boundary does not allow %s on %s with %v", kind, c.action, c.resource, c.context)
				}
			}
		}
	})
}

// releases is how the role's policy writes the prefix of the buckets of releases.
func releases(role []statement) string {
	for _, s := range role {
		if s.sid == "Code" {
			return strings.TrimSuffix(strings.TrimPrefix(s.resources[0], "arn:aws:s3:::"), "-eu-west-1/data-transfer-hub/*")
		}
	}
	return ""
}

// What is not allowed because a property is not used must be, once it is used.
func TestHandlersFitTheProperties(t *testing.T) {
	for kind, text := range resourcesOfPlugins(t) {
		for action, property := range handlers[kind].only {
			if regexp.MustCompile(`\b` + property + `"?:`).MatchString(text) {
				t.Errorf("%s has %s: %s is not among its calls", kind, property, action)
			}
		}
		for action, reason := range handlers[kind].never {
			if strings.Contains(handlers[kind].calls, action) || reason == "" {
				t.Errorf("%s: %s is called, and never called", kind, action)
			}
		}
	}
}
