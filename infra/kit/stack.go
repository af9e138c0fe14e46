// Package kit holds what makes CDK readable in Go: stacks whose logical ids are chosen, not generated, and short forms of
// what every template needs: roles, functions, log groups, conditions, outputs.
package kit

import (
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/constructs-go/constructs/v10"
)

// Stack is a template. Its resources lie flat in it as level-1 constructs, so that the id of a construct is the logical
// id: moving code never renames, and so never replaces, a table or a queue.
type Stack struct {
	Scope  awscdk.Stack
	assets Assets
}

// NewStack returns an empty template.
func NewStack(app constructs.Construct, name, description string, assets Assets) *Stack {
	s := &Stack{assets: assets}
	s.Scope = awscdk.NewStack(app, &name, &awscdk.StackProps{
		Description:        &description,
		Synthesizer:        assets.synthesizer(),
		AnalyticsReporting: new(false),
	})
	assets.declare(s)
	return s
}

// Seconds is a length of time as CloudFormation's properties want it.
func Seconds(d time.Duration) *float64 { return new(d.Seconds()) }

// Ref returns the value of a parameter, a resource or a pseudo parameter.
func Ref(name string) *string { return awscdk.Fn_Ref(&name) }

// A text that is one name, or one attribute of a resource, and nothing else.
var (
	oneName      = regexp.MustCompile(`^\$\{([A-Za-z0-9:]+)\}$`)
	oneAttribute = regexp.MustCompile(`^\$\{([A-Za-z0-9]+)\.([A-Za-z0-9.]+)\}$`)
)

// Sub returns text with ${Name} replaced by the value of the parameter, resource or attribute (${Queue.Arn}).
func Sub(text string) *string {
	if found := oneName.FindStringSubmatch(text); found != nil {
		return Ref(found[1])
	}
	if found := oneAttribute.FindStringSubmatch(text); found != nil {
		return awscdk.Token_AsString(awscdk.Fn_GetAtt(&found[1], &found[2]), nil)
	}
	if !strings.Contains(text, "${") {
		return &text
	}
	return awscdk.Fn_Sub(&text, nil)
}

// SubWith is Sub with some names given values of their own.
func SubWith(text string, values map[string]*string) *string {
	if found := oneName.FindStringSubmatch(text); found != nil && values[found[1]] != nil {
		return values[found[1]]
	}
	if len(values) == 0 {
		return Sub(text)
	}
	return awscdk.Fn_Sub(&text, &values)
}

// NoValue stands for a property that is left out.
func NoValue() *string { return awscdk.Aws_NO_VALUE() }

// List returns pointers to texts, as CDK wants its lists.
func List(texts ...string) *[]*string {
	list := make([]*string, len(texts))
	for i := range texts {
		list[i] = &texts[i]
	}
	return &list
}

// Depend lets a resource be made after others, and deleted before them.
func Depend(resource awscdk.CfnResource, on ...awscdk.CfnResource) {
	for _, o := range on {
		resource.AddDependency(o)
	}
}

// Output exports a value under a logical id that stays.
func (s *Stack) Output(id, description string, value *string) awscdk.CfnOutput {
	return awscdk.NewCfnOutput(s.Scope, &id, &awscdk.CfnOutputProps{Description: &description, Value: value})
}

// LogGroup makes a log group that goes with the stack. days is how long lines are kept, a token or a number in text.
func (s *Stack) LogGroup(id string, name *string, days *float64) awslogs.CfnLogGroup {
	group := awslogs.NewCfnLogGroup(s.Scope, &id, &awslogs.CfnLogGroupProps{LogGroupName: name, RetentionInDays: days})
	group.ApplyRemovalPolicy(awscdk.RemovalPolicy_DESTROY, nil)
	return group
}

// BoundRoles gives every role of the stack that has no permissions boundary the one that a parameter names, when it names one.
// Call it when all roles are there.
func (s *Stack) BoundRoles(parameter string) {
	given := s.Condition("HasBoundary", Given(parameter))
	for _, child := range *s.Scope.Node().FindAll(constructs.ConstructOrder_PREORDER) {
		if role, ok := child.(awsiam.CfnRole); ok && role.PermissionsBoundary() == nil {
			role.SetPermissionsBoundary(given.Choose(Ref(parameter), NoValue()))
		}
	}
}

// Unique is the part of the stack's id that no other stack has: 36 letters, digits and hyphens.
func Unique() *string {
	return awscdk.Fn_Select(new(2.0), awscdk.Fn_Split(new("/"), Ref("AWS::StackId"), nil))
}

// Resource makes a resource whose properties have CloudFormation's own names.
func (s *Stack) Resource(id, kind string, properties map[string]any) awscdk.CfnResource {
	props := &awscdk.CfnResourceProps{Type: &kind}
	if len(properties) > 0 {
		props.Properties = &properties
	}
	return awscdk.NewCfnResource(s.Scope, &id, props)
}

// JoinList returns the values of a list parameter as one text.
func JoinList(separator, parameter string) *string {
	return awscdk.Fn_Join(&separator, awscdk.Token_AsList(awscdk.Fn_Ref(&parameter), nil))
}

// ListOf returns the values of a list parameter.
func ListOf(parameter string) *[]*string {
	return awscdk.Token_AsList(awscdk.Fn_Ref(&parameter), nil)
}

// Before returns the text up to the first separator, the whole text where there is none.
func Before(separator string, text *string) *string {
	return Field(separator, 0, text)
}

// Field returns the text between two separators, counted from 0. CloudFormation fails where there are not so many.
func Field(separator string, index int, text *string) *string {
	return awscdk.Fn_Select(new(float64(index)), awscdk.Fn_Split(&separator, text, nil))
}

// Number returns the value of a number parameter.
func Number(parameter string) *float64 {
	return awscdk.Token_AsNumber(awscdk.Fn_Ref(&parameter))
}

// Join returns texts as one.
func Join(separator string, texts ...*string) *string { return awscdk.Fn_Join(&separator, &texts) }

// Value returns the value of a parameter for a property that is no text.
func Value(parameter string) awscdk.IResolvable { return awscdk.Token_AsAny(Ref(parameter)) }
