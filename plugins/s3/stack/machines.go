package stack

import (
	"encoding/json"
	"maps"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsstepfunctions"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
)

// machineName names a state machine of this stack: kind, and what is unique in the stack's id. It is given, not generated, so that
// the machine, the Lambdas and the workers can name each other without a circle; the stack's own name may be too long.
func machineName(kind string) *string {
	return kit.Join("-", new("DataTransferHub-"+kind), unique())
}

// unique is the part of the stack's id that no other stack has.
func unique() *string {
	return awscdk.Fn_Select(new(2.0), awscdk.Fn_Split(new("/"), kit.Ref("AWS::StackId"), nil))
}

// machine is a state machine that calls one Lambda.
type machine struct {
	id          string // of its resources
	name        string // of its log group
	full        *string
	description string
	definition  string // Amazon States Language, with ${Name} where values stand
	values      map[string]*string
	rights      []kit.Statement
}

// make makes the state machine, its role and its log group.
func (m machine) make(s *kit.Stack) awsstepfunctions.CfnStateMachine {
	var definition map[string]any
	if err := json.Unmarshal([]byte(m.definition), &definition); err != nil {
		panic("the definition of " + m.name + " is no JSON object: " + err.Error()) // a mistake of the build
	}
	values := maps.Clone(m.values)
	wholeResources(definition, values)
	// Groups of this prefix need no entry of their own in the resource policy of CloudWatch Logs, whose length is limited.
	// https://docs.aws.amazon.com/step-functions/latest/dg/bp-cwl.html
	logs := s.LogGroup(m.id+"Logs", kit.Sub("/aws/vendedlogs/states/${AWS::StackName}/"+m.name), kit.Number("logRetentionDays"))
	role := m.role(s)
	return awsstepfunctions.NewCfnStateMachine(s.Scope, &m.id, &awsstepfunctions.CfnStateMachineProps{
		StateMachineName: m.full, RoleArn: role.AttrArn(), Definition: definition, DefinitionSubstitutions: &values,
		StateMachineType: new("STANDARD"),
		LoggingConfiguration: &awsstepfunctions.CfnStateMachine_LoggingConfigurationProperty{
			Level: new("ALL"), IncludeExecutionData: new(false),
			Destinations: &[]any{&awsstepfunctions.CfnStateMachine_LogDestinationProperty{
				CloudWatchLogsLogGroup: &awsstepfunctions.CfnStateMachine_CloudWatchLogsLogGroupProperty{LogGroupArn: logs.AttrArn()},
			}},
		},
		TracingConfiguration: &awsstepfunctions.CfnStateMachine_TracingConfigurationProperty{Enabled: new(true)},
	})
}

// wholeResources puts a placeholder for each resource whose ARN begins with that of the partition, and its value into values:
// cfn-lint takes a placeholder for a resource, but none within its ARN.
func wholeResources(definition any, values map[string]*string) {
	const partition = "arn:${Partition}:states:::"
	switch d := definition.(type) {
	case map[string]any:
		for key, value := range d {
			if arn, ok := value.(string); ok && strings.HasPrefix(arn, partition) {
				action := strings.TrimPrefix(arn, partition) // lambda:invoke
				name := strings.ReplaceAll(action, ":", "")
				d[key], values[name] = "${"+name+"}", kit.Sub("arn:${AWS::Partition}:states:::"+action)
				continue
			}
			wholeResources(value, values)
		}
	case []any:
		for _, value := range d {
			wholeResources(value, values)
		}
	}
}

// role adds to a machine's rights those that every state machine needs for logs and traces. Neither can be narrowed to a
// resource.
// https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html#cloudwatch-iam-policy
// https://docs.aws.amazon.com/step-functions/latest/dg/xray-iam.html
func (m machine) role(s *kit.Stack) awsiam.CfnRole {
	rights := append([]kit.Statement{
		{
			Sid: "LogDelivery", Resources: []*string{new("*")},
			Actions: []string{
				"logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery", "logs:ListLogDeliveries",
				"logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
			},
		},
		{
			Sid: "Traces", Resources: []*string{new("*")},
			Actions: []string{"xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets"},
		},
	}, m.rights...)
	return s.Role(m.id+"Role", m.description, "states", kit.OwnAccount(), rights)
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
