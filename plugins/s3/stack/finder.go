package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/plugins/s3/policy"
)

// finder makes the launch template of finders. The first one answers to handle.
func (b *builder) finder(handle awscdk.CfnWaitConditionHandle) awsec2.CfnLaunchTemplate {
	role := b.s.Role("FinderRole", "Finders of a Data Transfer Hub task", "ec2", nil, b.rights.Of(policy.Finder()))
	variables := append(b.engine(finderProgram, "finder"), variable{"handle", handle.Ref()}, variable{"group", kit.Sub(workersName)})
	return instance{
		id: "Finder", name: "finder", instanceType: kit.Ref("finderInstanceType"), gibibytes: 30, ends: true, reads: true,
		role: role, group: b.network, userData: awscdk.Fn_Base64(new(script("finder", variables))),
	}.launchTemplate(b.s)
}

// newSchedule begins a pass whenever the schedule says so. A task without one has only the first pass.
func newSchedule(s *kit.Stack, c conditions, launch kit.Lambda) awsevents.CfnRule {
	rule := awsevents.NewCfnRule(s.Scope, new("Schedule"), &awsevents.CfnRuleProps{
		Description: new("Begins the passes of a Data Transfer Hub task"), ScheduleExpression: c.schedule(), State: c.paused.Choose(new("DISABLED"), new("ENABLED")),
		Targets: &[]any{&awsevents.CfnRule_TargetProperty{Id: new("FinderLaunch"), Arn: launch.Function.AttrArn()}},
	})
	permission := awslambda.NewCfnPermission(s.Scope, new("SchedulePermission"), &awslambda.CfnPermissionProps{
		Action: new("lambda:InvokeFunction"), FunctionName: launch.Function.Ref(), Principal: new("events.amazonaws.com"),
		SourceArn: rule.AttrArn(), SourceAccount: kit.Ref("AWS::AccountId"),
	})
	c.scheduled.Guard(rule, permission)
	return rule
}
