// Package stack writes into a plugin's template what follows from its contract: parameters, rules, roles and tables.
package stack

import (
	"fmt"
	"strconv"

	"github.com/aws/aws-cdk-go/awscdk/v2"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/plugins/contract"
)

// Patterns of types, a little wider than what the contract's parsers take; the parsers have the last word.
var typePatterns = map[contract.Type]string{
	contract.Percent: `^(100|[1-9]?[0-9])%?$`,
	contract.Size:    `^\s*[0-9]+(\.[0-9]+)?\s*([kKmMgGtTpP]([iI]?[bB])?|[bB])?\s*$`,
	contract.Rate:    `^\s*[0-9]+(\.[0-9]+)?\s*([kKmMgGtTpP]([iI]?[bB])?|[bB])?(/s)?\s*$`,
	contract.Time:    `^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}([.,][0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$`,
}

// maxValue is the longest text that CloudFormation takes as a parameter, in bytes.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
const maxValue = 4096

// Parameters writes the contract's parameters with their labels and groups, and the rules that can be checked before anything is
// created. special are parameters that CloudFormation knows more of than text, with their types: these give pickers in the
// console, existence checks, and lists that other resources can take as they are.
func Parameters(s *kit.Stack, c *contract.Contract, special map[string]string) {
	for i := range c.Parameters {
		declare(s, &c.Parameters[i], special[c.Parameters[i].Name])
	}
	s.Scope.TemplateOptions().SetMetadata(&map[string]any{"AWS::CloudFormation::Interface": console(c)})
	declareRules(s, c)
}

func declare(s *kit.Stack, p *contract.Parameter, special string) {
	props := &awscdk.CfnParameterProps{Type: new("String"), Description: &p.Help}
	mandatory := p.Required && len(p.When) == 0
	if !mandatory {
		props.Default = p.Default
	}
	switch p.Type {
	case contract.Choice:
		props.AllowedValues = kit.List(p.Allowed...)
	case contract.Bool:
		props.AllowedValues = kit.List("true", "false")
	case contract.Integer:
		props.Type, props.MinValue = new("Number"), new(float64(p.Min))
		if p.Max != 0 {
			props.MaxValue = new(float64(p.Max))
		}
	default:
		restrict(props, p, mandatory)
	}
	if special != "" {
		props.Type, props.MinLength, props.MaxLength, props.AllowedPattern = &special, nil, nil, nil
	}
	if p.Rule != "" && (props.AllowedPattern != nil || props.MaxLength != nil) {
		props.ConstraintDescription = new("allowed: " + p.Rule)
	}
	awscdk.NewCfnParameter(s.Scope, &p.Name, props)
}

// restrict gives a text its pattern and its bounds. CloudFormation counts characters where the contract counts bytes.
func restrict(props *awscdk.CfnParameterProps, p *contract.Parameter, mandatory bool) {
	pattern := p.Pattern
	if pattern == "" {
		pattern = typePatterns[p.Type]
	}
	switch {
	case mandatory:
		props.MinLength = new(1.0)
	case pattern != "":
		pattern = "^$|" + pattern
	}
	if pattern != "" {
		props.AllowedPattern = &pattern
	}
	if p.MaxBytes > 0 && p.MaxBytes < maxValue {
		props.MaxLength = new(float64(p.MaxBytes))
	}
}

// console says how CloudFormation's console shows the parameters.
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-resource-cloudformation-interface.html
func console(c *contract.Contract) map[string]any {
	var groups []any
	labels := map[string]any{}
	names := map[string][]string{}
	var order []string
	for i := range c.Parameters {
		p := &c.Parameters[i]
		if _, seen := names[p.Group]; !seen {
			order = append(order, p.Group)
		}
		names[p.Group] = append(names[p.Group], p.Name)
		labels[p.Name] = map[string]any{"default": p.Label}
	}
	for _, group := range order {
		groups = append(groups, map[string]any{"Label": map[string]any{"default": group}, "Parameters": names[group]})
	}
	return map[string]any{"ParameterGroups": groups, "ParameterLabels": labels}
}

// Upper returns a parameter's name with a capital in front, for the ids of rules and conditions.
func Upper(name string) string { return string(name[0]-'a'+'A') + name[1:] }

// declareRules turns the contract's conditions into rules of the template. The contract checks all of it again before anything is
// started.
func declareRules(s *kit.Stack, c *contract.Contract) {
	for i := range c.Parameters {
		p := &c.Parameters[i]
		if len(p.When) == 0 {
			continue
		}
		applies, words := condition(p)
		if p.Required {
			s.Rule("Needs"+Upper(p.Name), fmt.Sprintf("%s is required when %s.", p.Name, words), applies, kit.Given(p.Name))
		}
		s.Rule("Only"+Upper(p.Name), fmt.Sprintf("%s applies only when %s; otherwise leave it at %s.", p.Name, words, strconv.Quote(p.Default)),
			kit.Not(applies), kit.Is(p.Name, p.Default))
	}
}

func condition(p *contract.Parameter) (applies kit.Expression, words string) {
	var all []kit.Expression
	for i, w := range p.When {
		all = append(all, kit.Contains(w.In, w.Parameter))
		if i > 0 {
			words += " and "
		}
		words += w.Parameter + " is " + join(w.In)
	}
	return kit.All(all...), words
}

func join(values []string) string {
	text := values[0]
	for _, v := range values[1:] {
		text += " or " + v
	}
	return text
}
