package kittest

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Resolve computes a value of the template as CloudFormation would, from parameters and pseudo parameters.
func (t *Template) Resolve(v any, given map[string]string) any {
	switch v := v.(type) {
	case object:
		for operator, operand := range v {
			if len(v) == 1 && (operator == "Ref" || strings.HasPrefix(operator, "Fn::")) {
				return t.compute(operator, operand, given)
			}
		}
		out := object{}
		for key, member := range v {
			out[key] = t.Resolve(member, given)
		}
		return out
	case []any:
		var out []any
		for _, element := range v {
			if value := t.Resolve(element, given); value != noValue {
				out = append(out, value)
			}
		}
		return out
	}
	return v
}

// noValue is what a property is that is left out.
const noValue = "AWS::NoValue"

func (t *Template) compute(operator string, operand any, given map[string]string) any {
	list, _ := operand.([]any)
	text := func(v any) string { return t.Resolve(v, given).(string) }
	switch operator {
	case "Ref":
		if value, ok := given[operand.(string)]; ok {
			return value
		}
		if declared := t.Part("Parameters", operand.(string)); declared != nil {
			return declared["Default"]
		}
		return operand
	case "Fn::GetAtt":
		return list[0].(string) + "." + list[1].(string)
	case "Fn::If":
		if t.Evaluate(t.Condition(list[0].(string)), given) {
			return t.Resolve(list[1], given)
		}
		return t.Resolve(list[2], given)
	case "Fn::Join":
		var parts []string
		for _, part := range t.Resolve(list[1], given).([]any) {
			parts = append(parts, part.(string))
		}
		return strings.Join(parts, text(list[0]))
	case "Fn::Split":
		var parts []any
		for _, part := range strings.Split(text(list[1]), text(list[0])) {
			parts = append(parts, part)
		}
		return parts
	case "Fn::Select":
		return t.Resolve(list[1], given).([]any)[int(list[0].(float64))]
	case "Fn::FindInMap":
		return t.Part("Mappings", text(list[0]), text(list[1]))[text(list[2])]
	case "Fn::Sub":
		own := object{}
		body, single := operand.(string)
		if !single {
			body, own = list[0].(string), list[1].(object)
		}
		return InText.ReplaceAllStringFunc(body, func(name string) string {
			name = strings.Trim(name, "${}")
			if value, ok := own[name]; ok {
				return text(value)
			}
			return text(object{"Ref": name})
		})
	}
	panic("the template uses " + operator + ", which this test does not know")
}

// Evaluate tells whether a condition holds.
func (t *Template) Evaluate(e any, given map[string]string) bool {
	for operator, operands := range e.(object) {
		list := operands.([]any)
		switch operator {
		case "Fn::Equals":
			return t.Resolve(list[0], given) == t.Resolve(list[1], given)
		case "Fn::Not":
			return !t.Evaluate(list[0], given)
		case "Fn::And":
			return !slices.ContainsFunc(list, func(e any) bool { return !t.Evaluate(e, given) })
		case "Fn::Or":
			return slices.ContainsFunc(list, func(e any) bool { return t.Evaluate(e, given) })
		}
	}
	panic("the template has a condition that this test does not know")
}

// Refusal returns what CloudFormation would say of parameters before it creates anything: constraints of single ones, then
// rules. "" means that it accepts them.
func (t *Template) Refusal(given map[string]string) string {
	values := map[string]string{}
	for name, p := range t.Part("Parameters") {
		p := p.(object)
		value, ok := given[name]
		if !ok {
			if value, ok = p["Default"].(string); !ok {
				return name + " is missing"
			}
		}
		values[name] = value
		if why := constraint(p, value); why != "" {
			return name + ": " + why
		}
	}
	for id, r := range t.Part("Rules") {
		if when := r.(object)["RuleCondition"]; when != nil && !holds(when, values) {
			continue
		}
		for _, a := range r.(object)["Assertions"].([]any) {
			if !holds(a.(object)["Assert"], values) {
				return id + ": " + a.(object)["AssertDescription"].(string)
			}
		}
	}
	return ""
}

func constraint(p object, value string) string {
	if allowed, ok := p["AllowedValues"].([]any); ok && !slices.Contains(allowed, any(value)) {
		return "not an allowed value"
	}
	// CloudFormation lets a pattern match the whole value.
	if pattern, ok := p["AllowedPattern"].(string); ok && !regexp.MustCompile("^(?:"+pattern+")$").MatchString(value) {
		return "does not match " + pattern
	}
	if least, ok := p["MinLength"].(float64); ok && len([]rune(value)) < int(least) {
		return "too short"
	}
	if most, ok := p["MaxLength"].(float64); ok && len([]rune(value)) > int(most) {
		return "too long"
	}
	if p["Type"] != "Number" {
		return ""
	}
	n, err := strconv.ParseFloat(value, 64)
	if least, ok := p["MinValue"].(float64); err != nil || ok && n < least {
		return "too small"
	}
	if most, ok := p["MaxValue"].(float64); ok && n > most {
		return "too large"
	}
	return ""
}

// holds evaluates a rule's expression. What the account alone knows, such as the VPC of a subnet, is taken to hold.
func holds(e any, values map[string]string) bool {
	for operator, operands := range e.(object) {
		list := operands.([]any)
		switch operator {
		case "Fn::Equals":
			return value(list[0], values) == value(list[1], values)
		case "Fn::Not":
			return !holds(list[0], values)
		case "Fn::And":
			return !slices.ContainsFunc(list, func(e any) bool { return !holds(e, values) })
		case "Fn::Or":
			return slices.ContainsFunc(list, func(e any) bool { return holds(e, values) })
		case "Fn::Contains":
			return slices.Contains(list[0].([]any), any(value(list[1], values)))
		case "Fn::EachMemberIn":
			return true
		default:
			panic("the rules use " + operator + ", which this test does not know")
		}
	}
	return false
}

func value(v any, values map[string]string) string {
	if o, ok := v.(object); ok {
		return values[o["Ref"].(string)]
	}
	return v.(string)
}

// Condition returns a condition with those that it refers to put in their places.
func (t *Template) Condition(name string) any {
	var expand func(any) any
	expand = func(e any) any {
		switch e := e.(type) {
		case object:
			if other, ok := e["Condition"].(string); ok {
				return t.Condition(other)
			}
			out := object{}
			for k, v := range e {
				out[k] = expand(v)
			}
			return out
		case []any:
			out := make([]any, len(e))
			for i := range e {
				out[i] = expand(e[i])
			}
			return out
		}
		return e
	}
	return expand(t.Part("Conditions")[name])
}

// ResourceOf returns the resource of a statement of resolved policies, "" when the statement is not there.
func ResourceOf(policies any, sid string) string {
	for _, s := range policies.([]any)[0].(object)["PolicyDocument"].(object)["Statement"].([]any) {
		if s.(object)["Sid"] == sid {
			return s.(object)["Resource"].([]any)[0].(string)
		}
	}
	return ""
}
