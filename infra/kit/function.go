package kit

import (
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
)

// Function describes a Lambda that runs a Go program.
type Function struct {
	Name        string // folder of its bootstrap
	Description string
	Memory      int // MiB
	Timeout     time.Duration
	Environment map[string]*string
	LogGroup    *string  // name
	LogDays     *float64 // how long its lines are kept
	Rights      []Statement
}

// Lambda is a function with its role.
type Lambda struct {
	Function awslambda.CfnFunction
	Role     awsiam.CfnRole
}

// Function makes a Lambda with its role and its log group. The function writes to that group alone; its resources are
// id, id+"Role" and id+"Logs".
func (s *Stack) Function(id string, f Function) Lambda {
	logs := s.LogGroup(id+"Logs", f.LogGroup, f.LogDays)
	rights := append([]Statement{{
		Sid: "Logs", Actions: []string{"logs:CreateLogStream", "logs:PutLogEvents"}, Resources: []*string{logs.AttrArn()},
	}}, f.Rights...)
	role := s.Role(id+"Role", f.Description, "lambda", nil, rights)
	code := s.Code(f.Name)
	function := awslambda.NewCfnFunction(s.Scope, &id, &awslambda.CfnFunctionProps{
		Description:   &f.Description,
		Architectures: List("arm64"),
		Runtime:       new("provided.al2023"),
		Handler:       new("bootstrap"),
		Code:          &awslambda.CfnFunction_CodeProperty{S3Bucket: code.Bucket, S3Key: code.Key},
		MemorySize:    new(float64(f.Memory)),
		Timeout:       Seconds(f.Timeout),
		Role:          role.AttrArn(),
		LoggingConfig: &awslambda.CfnFunction_LoggingConfigProperty{LogGroup: logs.Ref(), LogFormat: new("JSON")},
	})
	if len(f.Environment) > 0 {
		function.SetEnvironment(&awslambda.CfnFunction_EnvironmentProperty{Variables: &f.Environment})
	}
	return Lambda{function, role}
}

// CustomResource makes a resource that a Lambda of the stack looks after. Its type is Custom::NAME.
func (s *Stack) CustomResource(id, name string, handler Lambda, timeout time.Duration, properties map[string]any) awscdk.CfnResource {
	all := map[string]any{"ServiceToken": handler.Function.AttrArn(), "ServiceTimeout": int(timeout.Seconds())}
	for key, value := range properties {
		all[key] = value
	}
	return awscdk.NewCfnResource(s.Scope, &id, &awscdk.CfnResourceProps{Type: new("Custom::" + name), Properties: &all})
}

// Attribute returns an attribute of a resource.
func Attribute(resource awscdk.CfnResource, name string) *string {
	return awscdk.Token_AsString(resource.GetAtt(&name, awscdk.ResolutionTypeHint_STRING), nil)
}
