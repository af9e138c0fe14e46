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

// startMonitor starts the monitor with every finder; one that finds another at work ends at once. A rule does it, because the
// Lambda that starts finders cannot name the machine that calls it.
func startMonitor(s *kit.Stack, monitor *string) {
	role := s.Role("MonitorStartRole", "Starts the monitor of a Data Transfer Hub task", "events", kit.OwnAccount(), []kit.Statement{
		{Sid: "StartMonitor", Actions: []string{"states:StartExecution"}, Resources: []*string{monitor}},
	})
	awsevents.NewCfnRule(s.Scope, new("MonitorStart"), &awsevents.CfnRuleProps{
		Description: new("Starts the monitor with every finder"),
		EventPattern: map[string]any{
			"source": []any{wiring.EventSource}, "detail-type": []any{wiring.FinderStarted},
			"detail": map[string]any{"stackId": []any{kit.Ref("AWS::StackId")}},
		},
		Targets: &[]any{&awsevents.CfnRule_TargetProperty{
			Id: new("Monitor"), Arn: monitor, RoleArn: role.AttrArn(),
			InputTransformer: &awsevents.CfnRule_InputTransformerProperty{
				InputPathsMap: &map[string]*string{"id": new("$.id")},
				InputTemplate: new(`{"begun": "pass-<id>", "continuation": 0, "looks": 0}`),
			},
		}},
	})
}
