package kit

import "github.com/aws/aws-cdk-go/awscdk/v2"

// Expression is what a condition or a rule says.
type Expression = awscdk.ICfnConditionExpression

// Equals holds when two values are the same text.
func Equals(a, b *string) Expression { return awscdk.Fn_ConditionEquals(a, b) }

// Is holds when a parameter has a value.
func Is(parameter, value string) Expression { return Equals(Ref(parameter), &value) }

// Not turns an expression round.
func Not(e Expression) Expression { return awscdk.Fn_ConditionNot(e) }

// Given holds when a parameter is not empty.
func Given(parameter string) Expression { return Not(Is(parameter, "")) }

// Contains holds when a parameter has one of the values. Only rules can say that.
func Contains(values []string, parameter string) Expression {
	return awscdk.Fn_ConditionContains(List(values...), Ref(parameter))
}

// All holds when every one of the expressions does. CloudFormation takes two to ten in one And; more are nested by CDK.
func All(es ...Expression) Expression {
	if len(es) == 1 {
		return es[0]
	}
	return awscdk.Fn_ConditionAnd(es...)
}

// Any holds when one of the expressions does.
func Any(es ...Expression) Expression {
	if len(es) == 1 {
		return es[0]
	}
	return awscdk.Fn_ConditionOr(es...)
}

// Condition is a named condition of a template.
type Condition struct {
	Name string
	cdk  awscdk.CfnCondition
}

// Condition declares a condition.
func (s *Stack) Condition(name string, e Expression) Condition {
	return Condition{name, awscdk.NewCfnCondition(s.Scope, &name, &awscdk.CfnConditionProps{Expression: e})}
}

// Choose returns one text or the other.
func (c Condition) Choose(then, otherwise *string) *string {
	return awscdk.Token_AsString(awscdk.Fn_ConditionIf(&c.Name, then, otherwise), nil)
}

// ChooseAny returns one value or the other, of any form.
func (c Condition) ChooseAny(then, otherwise any) awscdk.IResolvable {
	return awscdk.Fn_ConditionIf(&c.Name, then, otherwise)
}

// Holds refers to the condition from within another one.
func (c Condition) Holds() Expression { return c.cdk }

// Guard makes resources only when the condition holds.
func (c Condition) Guard(resources ...awscdk.CfnResource) {
	for _, r := range resources {
		r.CfnOptions().SetCondition(c.cdk)
	}
}

// Rule refuses parameters before anything is created: when the condition holds (nil: always), the assertion must, too.
func (s *Stack) Rule(id, message string, when, must Expression) {
	awscdk.NewCfnRule(s.Scope, &id, &awscdk.CfnRuleProps{
		RuleCondition: when,
		Assertions:    &[]*awscdk.CfnRuleAssertion{{Assert: must, AssertDescription: &message}},
	})
}

// EveryOf holds when an attribute of all parameters of one type is the value of a parameter of another type: the VPC of
// the subnets is the VPC. Only rules can say that.
func EveryOf(kind, attribute, of string) Expression {
	return awscdk.Fn_ConditionEachMemberIn(awscdk.Fn_ValueOfAll(&kind, &attribute), awscdk.Fn_RefAll(&of))
}
