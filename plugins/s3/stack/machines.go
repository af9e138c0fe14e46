package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
)

// machineName names a state machine of this stack: kind, and what is unique in the stack's id. It is given, not generated, so that
// the machine, the Lambdas and the workers can name each other without a circle; the stack's own name may be too long.
func machineName(kind string) *string {
	return kit.Join("-", new("DataTransferHub-"+kind), kit.Unique())
}

// eventsOver is when a day's run of events may be closed: it is over 25 hours after its beginning, at 01:00 UTC.
const eventsOver = "cron(30 1 * * ? *)"

// startMonitor starts the monitor with every finder; one that finds another at work ends at once. A rule does it, because the
// Lambda that starts finders cannot name the machine that calls it. Where events are followed it starts once a day too: a day's
// run of events is closed, and dead letters are put on record, also when no schedule or a rare one starts finders. It returns that rule.
func startMonitor(s *kit.Stack, c conditions, monitor *string) awsevents.CfnRule {
	role := s.Role("MonitorStartRole", "Starts the monitor of a Data Transfer Hub task", "events", kit.OwnAccount(), []kit.Statement{
		{Sid: "StartMonitor", Actions: []string{"states:StartExecution"}, Resources: []*string{monitor}},
	})
	targets := func(name string) *[]any {
		return &[]any{&awsevents.CfnRule_TargetProperty{
			Id: new("Monitor"), Arn: monitor, RoleArn: role.AttrArn(),
			InputTransformer: &awsevents.CfnRule_InputTransformerProperty{
				InputPathsMap: &map[string]*string{"id": new("$.id")},
				InputTemplate: new(`{"begun": "` + name + `<id>", "continuation": 0, "looks": 0}`),
			},
		}}
	}
	awsevents.NewCfnRule(s.Scope, new("MonitorStart"), &awsevents.CfnRuleProps{
		Description: new("Starts the monitor with every finder"),
		EventPattern: map[string]any{
			"source": []any{wiring.EventSource}, "detail-type": []any{wiring.FinderStarted},
			"detail": map[string]any{"stackId": []any{kit.Ref("AWS::StackId")}},
		},
		Targets: targets("pass-"),
	})
	daily := awsevents.NewCfnRule(s.Scope, new("MonitorDaily"), &awsevents.CfnRuleProps{
		Description: new("Has the run of a day's events closed"), ScheduleExpression: new(eventsOver), Targets: targets(wiring.DailyMonitor),
	})
	c.events.Guard(daily)
	return daily
}
