package stack

import (
	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/plugins/s3"
)

// conditions are what parts of the template depend on.
type conditions struct {
	events    kit.Condition // events of the source are followed
	scheduled kit.Condition // passes begin by a schedule, not only once
	owner     kit.Condition // the source's account is named
	paused    kit.Condition // the task is paused: nothing begins by itself
	// The schedule is a whole expression, rate(...) or cron(...), not the six fields alone.
	expression kit.Condition
}

func declareConditions(s *kit.Stack) conditions {
	kind := kit.Before("(", kit.Ref("ec2CronExpression"))
	return conditions{
		events:     s.Condition("FollowsEvents", kit.Not(kit.Is("srcEvent", "No"))),
		scheduled:  s.Condition("HasSchedule", kit.Given("ec2CronExpression")),
		paused:     s.Condition("IsPaused", kit.Is(s3.ParameterStartPaused, "true")),
		owner:      s.Condition("SourceOwnerIsNamed", kit.Given("srcAccountId")),
		expression: s.Condition("ScheduleIsExpression", kit.Any(kit.Equals(kind, new("cron")), kit.Equals(kind, new("rate")))),
	}
}

// sourceAccount is the account whose bucket may send events: the one that is named, else this one.
func (c conditions) sourceAccount() *string {
	return c.owner.Choose(kit.Ref("srcAccountId"), kit.Ref("AWS::AccountId"))
}

// schedule is the schedule as EventBridge takes it.
func (c conditions) schedule() *string {
	return c.expression.Choose(kit.Ref("ec2CronExpression"), kit.Sub("cron(${ec2CronExpression})"))
}
