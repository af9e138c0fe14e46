package portal

import (
	"slices"
	"strings"

	"github.com/datatransferhub/dth/infra/kit"
	ecrpolicy "github.com/datatransferhub/dth/plugins/ecr/policy"
	ecrwiring "github.com/datatransferhub/dth/plugins/ecr/wiring"
	s3policy "github.com/datatransferhub/dth/plugins/s3/policy"
	s3wiring "github.com/datatransferhub/dth/plugins/s3/wiring"
)

// serviceBoundary is the most that the service role may do, whatever policies it gets: the services of plugins, and of those
// nothing but what is a task's. No data, no secret, no user, no role beside those under the boundary of tasks.
func serviceBoundary() object {
	return kit.Document(
		object{"Sid": "Plugins", "Effect": "Allow", "Resource": "*", "Action": []string{
			"autoscaling:*", "cloudwatch:*", "dynamodb:*", "ec2:*LaunchTemplate*", "ec2:*SecurityGroup*", "ec2:CreateTags", "ec2:DeleteTags", "ec2:Describe*",
			"ec2:RunInstances", "ecs:*TaskDefinition", "ecs:ListTagsForResource", "ecs:TagResource", "ecs:UntagResource", "events:*", "iam:*", "kms:*", "lambda:*", "logs:*", "s3:GetObject", "sns:*", "sqs:*", "ssm:GetParameters", "states:*",
		}},
		object{"Sid": "Buckets", "Effect": "Allow", "Resource": buckets(), "Action": []string{"s3:*Bucket*", "s3:Get*Configuration", "s3:PutEncryptionConfiguration", "s3:PutLifecycleConfiguration", "s3:*Resource"}},
		object{"Sid": "OtherIdentities", "Effect": "Deny", "Action": "iam:*", "NotResource": append(roles(),
			kit.Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:role/aws-service-role/autoscaling.amazonaws.com/*"))},
		object{
			"Sid": "UnboundedRoles", "Effect": "Deny", "Action": bounded(), "Resource": "*",
			"Condition": object{"StringNotEquals": object{"iam:PermissionsBoundary": kit.Ref("TaskBoundary")}},
		},
		object{"Sid": "WiderRoles", "Effect": "Deny", "Action": []string{"iam:AttachRolePolicy", "iam:DeleteRolePermissionsBoundary"}, "Resource": "*"},
		object{"Sid": "Others", "Effect": "Deny", "NotResource": ownNames("dynamodb", "sqs", "lambda", "states", "sns", "events"), "Action": []string{
			"dynamodb:*", "events:*", "lambda:*", "sns:*", "sqs:*", "states:*",
		}},
		object{"Sid": "Data", "Effect": "Deny", "Resource": "*", "Action": []string{
			"dynamodb:*Item", "dynamodb:PartiQL*", "dynamodb:Query", "dynamodb:Scan", "events:PutEvents", "logs:FilterLogEvents", "logs:GetLogEvents",
			"logs:GetLogRecord", "logs:StartQuery", "sns:Publish", "sqs:ReceiveMessage", "sqs:SendMessage", "states:StartExecution",
		}},
		// DynamoDB uses its key on behalf of who makes a table; nobody else does.
		object{
			"Sid": "Keys", "Effect": "Deny", "Resource": "*", "Condition": object{"Null": object{"kms:ViaService": "true"}},
			"Action": []string{"kms:CreateGrant", "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"},
		},
	)
}

// ownNames are the names of what tasks have, of some services.
func ownNames(services ...string) (names []*string) {
	for _, f := range families() {
		service, _, _ := strings.Cut(f.actions[0], ":")
		if slices.Contains(services, service) {
			names = append(names, f.resources...)
		}
	}
	return names
}

// taskBoundary is the most that the roles in stacks of tasks may do: what the plugins' own policies have, and of tables,
// queues, functions, machines and roles those of tasks alone. Buckets, secrets and roles of other accounts are the owner's of
// a task to choose, and the role's own policy names them.
func taskBoundary() object {
	return kit.Document(
		object{"Sid": "Plugins", "Effect": "Allow", "Action": pluginActions(), "Resource": "*"},
		object{
			"Sid": "Others", "Effect": "Deny", "Action": []string{"dynamodb:*", "iam:*", "lambda:*", "sqs:*", "states:StartExecution", "states:StopExecution"},
			"NotResource": slices.Concat(ownNames("dynamodb", "sqs", "lambda", "states"), roles(), []*string{here("states", "execution:DataTransferHub-*")}),
		},
	)
}

// pluginActions are the actions of all policies of the plugins, and those by which Lambdas and state machines write logs and
// traces.
func pluginActions() []string {
	statements := slices.Concat(s3policy.Finder(), s3policy.Worker(), s3policy.Machine("", ""), ecrpolicy.Machine(), ecrpolicy.Begin(), ecrpolicy.Copier(), ecrpolicy.Execution())
	for _, l := range s3wiring.Lambdas() {
		statements = append(statements, s3policy.Lambda(l.Name)...)
	}
	for _, l := range ecrwiring.Lambdas() {
		statements = append(statements, ecrpolicy.Lambda(l.Name)...)
	}
	actions := []string{
		"logs:CreateLogStream", "logs:PutLogEvents",
		"logs:*LogDelivery", "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
		"xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSampling*",
	}
	for _, st := range statements {
		actions = append(actions, st.Actions...)
	}
	slices.Sort(actions)
	return slices.Compact(actions)
}
