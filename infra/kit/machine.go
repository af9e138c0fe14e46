package kit

import (
	"encoding/json"
	"maps"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsstepfunctions"
)

// Machine describes a state machine.
type Machine struct {
	ID          string  // of its resources
	Name        string  // of its log group
	FullName    *string // its own
	Description string
	Definition  string             // Amazon States Language, with ${Name} where values stand
	Values      map[string]*string // of these names
	LogDays     *float64           // how long its log lines are kept
	Rights      []Statement
}

// Machine makes a state machine with its role and its log group; its resources are ID, ID+"Role" and ID+"Logs".
func (s *Stack) Machine(m Machine) awsstepfunctions.CfnStateMachine {
	var definition map[string]any
	if err := json.Unmarshal([]byte(m.Definition), &definition); err != nil {
		panic("the definition of " + m.Name + " is no JSON object: " + err.Error()) // a mistake of the build
	}
	values := maps.Clone(m.Values)
	wholeResources(definition, values)
	// Groups of this prefix need no entry of their own in the resource policy of CloudWatch Logs, whose length is limited.
	// https://docs.aws.amazon.com/step-functions/latest/dg/bp-cwl.html
	logs := s.LogGroup(m.ID+"Logs", Sub("/aws/vendedlogs/states/${AWS::StackName}/"+m.Name), m.LogDays)
	role := m.role(s)
	return awsstepfunctions.NewCfnStateMachine(s.Scope, &m.ID, &awsstepfunctions.CfnStateMachineProps{
		StateMachineName: m.FullName, RoleArn: role.AttrArn(), Definition: definition, DefinitionSubstitutions: &values,
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
				name := strings.NewReplacer(":", "", ".", "").Replace(action)
				d[key], values[name] = "${"+name+"}", Sub("arn:${AWS::Partition}:states:::"+action)
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
func (m Machine) role(s *Stack) awsiam.CfnRole {
	rights := append([]Statement{
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
	}, m.Rights...)
	return s.Role(m.ID+"Role", m.Description, "states", OwnAccount(), rights)
}
