package stack

import (
	"maps"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsstepfunctions"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/plugins/ecr"
	"github.com/datatransferhub/dth/plugins/ecr/policy"
	"github.com/datatransferhub/dth/plugins/ecr/wiring"
)

// begin makes what begins runs: the schedule, the pushes when they are followed, the Lambda that steers, and the first run. All of
// it is made after the guard, and so is gone before the guard tidies up. For a paused task nothing begins by itself.
func (b *builder) begin(machine awsstepfunctions.CfnStateMachine, guard awscdk.CfnResource) kit.Lambda {
	state := b.c.paused.Choose(new("DISABLED"), new("ENABLED"))
	role := b.s.Role("BeginRole", "Begins the runs of a Data Transfer Hub task", "events", kit.OwnAccount(), b.rights.Of(policy.Begin()))
	target := func(trigger string) *[]any {
		return &[]any{&awsevents.CfnRule_TargetProperty{
			Id: new("Runs"), Arn: machine.Ref(), RoleArn: role.AttrArn(), Input: new(`{"trigger": "` + trigger + `"}`),
		}}
	}
	schedule := awsevents.NewCfnRule(b.s.Scope, new("Schedule"), &awsevents.CfnRuleProps{
		Description: new("Begins the runs of a Data Transfer Hub task"), State: state, Targets: target("schedule"),
		ScheduleExpression: b.c.expression.Choose(kit.Ref("scheduleExpression"), kit.Sub("cron(${scheduleExpression})")),
	})
	b.c.scheduled.Guard(schedule)
	pushes := awsevents.NewCfnRule(b.s.Scope, new("Pushes"), &awsevents.CfnRuleProps{
		Description: new("Begins a run when an image was pushed to the source"), State: state, Targets: target("event"),
		EventPattern: b.c.here.ChooseAny(pushesBut(&[]any{map[string]any{"anything-but": map[string]any{"prefix": folder()}}}), pushesBut(nil)),
	})
	b.c.pushes.Guard(pushes)
	b.environment[wiring.EnvSchedule] = b.c.scheduled.Choose(schedule.Ref(), new(""))
	b.environment[wiring.EnvPush] = b.c.pushes.Choose(pushes.Ref(), new(""))
	steer := b.function(wiring.ImageControl)
	kit.Depend(schedule, guard)
	kit.Depend(pushes, guard)
	kit.Depend(b.s.CustomResource("FirstRun", "FirstRun", steer, customTime, map[string]any{wiring.PropPaused: kit.Ref(ecr.ParameterStartPaused)}), guard)
	return steer
}

// pushesBut is the pattern of pushes to repositories of some names; nil is all. Copies into the registry whose pushes are followed are
// pushes, too: each run would have another follow.
// https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html
func pushesBut(names *[]any) map[string]any {
	detail := map[string]any{"action-type": []any{"PUSH"}, "result": []any{"SUCCESS"}}
	if names != nil {
		detail["repository-name"] = *names
	}
	return map[string]any{"source": []any{"aws.ecr"}, "detail-type": []any{"ECR Image Action"}, "detail": detail}
}

func sorted(values map[string]*string) []string { return slices.Sorted(maps.Keys(values)) }
