package kittest

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
)

// lists finds what stands in brackets in an expression.
var lists = regexp.MustCompile(`\[([^\[\]]*)\]`)

// number is a scalar of metric math, or a parameter that becomes one.
var number = regexp.MustCompile(`^-?([0-9.]+|\$\{[^}]*\})$`)

// MixedList returns a list of an expression that holds a scalar; "" when there is none. CloudWatch adds and divides time series
// and scalars, but makes arrays of time series alone, and refuses an alarm that mixes both.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html#metric-math-syntax-functions-list
func MixedList(expression string) string {
	for _, list := range lists.FindAllStringSubmatch(expression, -1) {
		for element := range strings.SplitSeq(list[1], ",") {
			if number.MatchString(strings.TrimSpace(element)) {
				return list[0]
			}
		}
	}
	return ""
}

// MetricMath fails the test for each expression of the template's alarms and dashboards that CloudWatch would refuse.
func MetricMath(t *testing.T, resources map[string]any) {
	t.Helper()
	for id, resource := range resources {
		for _, expression := range Expressions(resource) {
			if list := MixedList(expression); list != "" {
				t.Errorf("%s: %s: CloudWatch makes no list %s of time series and numbers", id, expression, list)
			}
		}
	}
}

// Expressions returns the expressions of metric math in a resource, in whatever function of CloudFormation they are written.
func Expressions(resource any) (all []string) {
	Each(resource, func(v any) {
		o, ok := v.(object)
		if !ok {
			return
		}
		for _, name := range []string{"Expression", "expression"} {
			Each(o[name], func(part any) {
				if text, ok := part.(string); ok {
					all = append(all, text)
				}
			})
		}
		all = append(all, ofBody(o["DashboardBody"])...)
	})
	return all
}

// inBody finds expressions in the JSON text of a dashboard, which may be in pieces.
var inBody = regexp.MustCompile(`"expression":("(?:[^"\\]|\\.)*")`)

func ofBody(body any) (all []string) {
	Each(body, func(part any) {
		text, ok := part.(string)
		if !ok {
			return
		}
		for _, found := range inBody.FindAllStringSubmatch(text, -1) {
			var expression string
			if json.Unmarshal([]byte(found[1]), &expression) == nil {
				all = append(all, expression)
			}
		}
	})
	return all
}
