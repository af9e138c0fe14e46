package portal

import (
	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/lambda/wiring"
	"github.com/datatransferhub/dth/lambda/wiring/policy"
)

// everything is the resource of actions that take none, or that make what has no name yet.
func everything() []*string { return []*string{new("*")} }

// ofTask is the condition that a resource carries the tag of a task: one that is there, or one that is asked for.
func ofTask(tag string) map[string]map[string][]*string {
	return map[string]map[string][]*string{"StringLike": {"aws:" + tag + "/" + wiring.TagTask: {new(wiring.TaskIDs + "*")}}}
}

// serviceRights are what CloudFormation needs for the plugins' templates beside the rights on families of resources.
func (b *builder) serviceRights() []kit.Statement {
	var all []kit.Statement
	for _, f := range unnamedRights() {
		all = append(all, kit.Statement{Sid: f.sid, Actions: f.actions, Resources: everything()})
	}
	all = append(all, b.roleRights()...)
	all = append(all, networkRights()...)
	return append(all,
		kit.Statement{Sid: "MakeKeys", Actions: []string{"kms:CreateKey", "kms:TagResource"}, Resources: everything(), Conditions: ofTask("RequestTag")},
		// It takes minutes until the tag of a new key counts: https://docs.aws.amazon.com/kms/latest/developerguide/abac.html
		kit.Statement{Sid: "NewKeys", Actions: newKeys(), Resources: []*string{here("kms", "key/*")}},
		kit.Statement{Sid: "Keys", Actions: keys(), Resources: []*string{here("kms", "key/*")}, Conditions: ofTask("ResourceTag")},
		kit.Statement{Sid: "Code", Actions: []string{"s3:GetObject"}, Resources: b.texts([]string{"arn:${AWS::Partition}:s3:::${" + policy.AssetsPrefix + "}-${AWS::Region}/data-transfer-hub/*"})},
		kit.Statement{Sid: "Images", Actions: []string{"ssm:GetParameters"}, Resources: []*string{kit.Sub("arn:${AWS::Partition}:ssm:${AWS::Region}::parameter/aws/service/*")}},
	)
}

// roleRights let CloudFormation make the roles of tasks, under the boundary of tasks alone, and hand them to the services that
// act as them.
func (b *builder) roleRights() []kit.Statement {
	services := []*string{
		new("lambda.amazonaws.com"), new("ec2.amazonaws.com"), new("ec2.*"), new("states.amazonaws.com"), new("events.amazonaws.com"), new("autoscaling.amazonaws.com"),
		new("ecs-tasks.amazonaws.com"), new("scheduler.amazonaws.com"),
	}
	return []kit.Statement{
		{
			Sid: "BoundedRoles", Actions: bounded(), Resources: roles()[:1],
			Conditions: map[string]map[string][]*string{"StringEquals": {"iam:PermissionsBoundary": {kit.Ref("TaskBoundary")}}},
		},
		{
			Sid: "HandOver", Actions: []string{"iam:PassRole"}, Resources: roles()[:1],
			Conditions: map[string]map[string][]*string{"StringLike": {"iam:PassedToService": services}},
		},
		{
			// The first group of an account makes it; afterwards nothing does.
			Sid: "ServiceLinkedRole", Actions: []string{"iam:CreateServiceLinkedRole"},
			Resources:  []*string{kit.Sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:role/aws-service-role/autoscaling.amazonaws.com/*")},
			Conditions: map[string]map[string][]*string{"StringEquals": {"iam:AWSServiceName": {new("autoscaling.amazonaws.com")}}},
		},
	}
}

// networkRights let CloudFormation make launch templates and security groups. Their ids come with them. Launch templates get none
// of a stack's tags.
func networkRights() []kit.Statement {
	template, group := here("ec2", "launch-template/*"), here("ec2", "security-group/*")
	return append([]kit.Statement{
		{Sid: "LaunchTemplates", Actions: launchTemplates(), Resources: []*string{template}},
		{
			Sid: "Tags", Actions: []string{"ec2:CreateTags"}, Resources: []*string{group, template, here("ec2", "instance/*"), here("ec2", "volume/*")},
			Conditions: map[string]map[string][]*string{"StringEquals": {
				"ec2:CreateAction": {new("CreateSecurityGroup"), new("CreateLaunchTemplate"), new("RunInstances")},
			}},
		},
		{
			// A group of instances is made by who could start them, and tag them as the launch template says. By launch template
			// alone, so with a role of a task.
			// https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-launch-template-permissions.html
			Sid: "Instances", Actions: []string{"ec2:RunInstances"}, Resources: everything(),
			Conditions: map[string]map[string][]*string{"ArnLike": {"ec2:LaunchTemplate": {template}}},
		},
	}, groupRights(group)...)
}

// groupRights let CloudFormation make security groups. It is not known to tag them as it makes them: it may make one, write its
// rules and tag it then. So what has neither the tag of a task nor those that tell of somebody else's may get rules and that tag.
// https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/714
func groupRights(group *string) []kit.Statement {
	bare := map[string][]*string{}
	for _, tag := range []string{wiring.TagTask, "Name", "aws:cloudformation:stack-id"} {
		bare["aws:ResourceTag/"+tag] = []*string{new("true")}
	}
	tagging := ofTask("RequestTag")
	tagging["Null"] = bare
	return []kit.Statement{
		{Sid: "MakeSecurityGroups", Actions: []string{"ec2:CreateSecurityGroup"}, Resources: []*string{group, here("ec2", "vpc/*")}},
		{Sid: "SecurityGroups", Actions: securityGroups(), Resources: []*string{group}, Conditions: ofTask("ResourceTag")},
		{
			Sid: "NewSecurityGroups", Actions: []string{"ec2:AuthorizeSecurityGroupEgress", "ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupEgress"},
			Resources: []*string{group}, Conditions: map[string]map[string][]*string{"Null": bare},
		},
		{Sid: "TagNewSecurityGroups", Actions: []string{"ec2:CreateTags"}, Resources: []*string{group}, Conditions: tagging},
	}
}
