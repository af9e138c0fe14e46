// Package stacktest checks that a plugin's template is what its contract and its policies say.
package stacktest

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/infra/kit/kittest"
	"github.com/datatransferhub/dth/plugins/contract"
	"github.com/datatransferhub/dth/plugins/contract/right"
)

// Parameters fails the test unless the template has the contract's parameters, no more and no less, with its defaults, groups and
// labels.
func Parameters(t *testing.T, tmpl *kittest.Template, c *contract.Contract) {
	t.Helper()
	var want []string
	for i := range c.Parameters {
		p := &c.Parameters[i]
		want = append(want, p.Name)
		declared := tmpl.Part("Parameters", p.Name)
		given, has := declared["Default"]
		if mandatory := p.Required && len(p.When) == 0; has == mandatory || has && given != p.Default {
			t.Errorf("%s: default %v, the contract's is %q", p.Name, given, p.Default)
		}
		if declared["Description"] != p.Help {
			t.Errorf("%s: description %v", p.Name, declared["Description"])
		}
		if label := tmpl.Part("Metadata", "AWS::CloudFormation::Interface", "ParameterLabels", p.Name); label["default"] != p.Label {
			t.Errorf("%s: label %v", p.Name, label)
		}
	}
	slices.Sort(want)
	if got := slices.Sorted(maps.Keys(tmpl.Part("Parameters"))); !slices.Equal(got, want) {
		t.Errorf("parameters %v, want %v", got, want)
	}
	var grouped []string
	for _, g := range tmpl.Part("Metadata", "AWS::CloudFormation::Interface")["ParameterGroups"].([]any) {
		for _, name := range g.(map[string]any)["Parameters"].([]any) {
			grouped = append(grouped, name.(string))
		}
	}
	if slices.Sort(grouped); !slices.Equal(grouped, want) {
		t.Errorf("the console's groups show %v", grouped)
	}
}

// Roles fails the test unless each role may do what its policy declares, under the condition that it declares, and what the
// template adds for logs and traces and under the names added; nothing else. actors are the policies by the ids of roles.
func Roles(t *testing.T, tmpl *kittest.Template, actors map[string][]right.Statement, added ...string) {
	t.Helper()
	if got := tmpl.Of("AWS::IAM::Role"); len(got) != len(actors) {
		t.Errorf("roles %v, but %d actors", got, len(actors))
	}
	added = append(added, "Logs", "LogDelivery", "Traces")
	for role, policies := range actors {
		got := tmpl.Statements(role)
		for _, want := range policies {
			i := slices.IndexFunc(got, func(s kittest.Statement) bool { return s.Sid == want.Sid })
			actions := slices.Compact(slices.Sorted(slices.Values(want.Actions)))
			if i < 0 || got[i].When != string(want.When) || !slices.Equal(got[i].Actions, actions) || len(got[i].Resources) != len(want.Resources) || (got[i].Condition == nil) != (len(want.Conditions) == 0) {
				t.Errorf("%s: statement %s is not that of its policy: %v", role, want.Sid, got)
				continue
			}
			got = slices.Delete(got, i, i+1)
		}
		for _, s := range got {
			if !slices.Contains(added, s.Sid) || s.When != "" {
				t.Errorf("%s: statement %s is in no policy", role, s.Sid)
			}
		}
	}
}

// unnamed are actions of every state machine that take no resource.
var unnamed = []string{
	"logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery", "logs:ListLogDeliveries",
	"logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
	"xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets",
}

// Resources fails the test unless roles name what they use: no action has a wild card, none but those that take no resource, of
// which more are given, is allowed on everything, and every name in a policy is one of the template's.
func Resources(t *testing.T, tmpl *kittest.Template, more ...string) {
	t.Helper()
	more = append(more, unnamed...)
	for _, role := range tmpl.Of("AWS::IAM::Role") {
		for _, s := range tmpl.Statements(role) {
			for _, action := range s.Actions {
				if strings.Contains(action, "*") || slices.Contains(s.Resources, any("*")) && !slices.Contains(more, action) {
					t.Errorf("%s: %s: %s is allowed on %v", role, s.Sid, action, s.Resources)
				}
			}
		}
		for _, name := range kittest.Names(tmpl.Properties(role)) {
			if tmpl.Part("Resources", name) == nil && tmpl.Part("Parameters", name) == nil && !strings.HasPrefix(name, "AWS::") {
				t.Errorf("%s: %s is nothing of the template", role, name)
			}
		}
	}
}

// Bound fails the test unless every role has the boundary that a parameter names, and fits: IAM takes 10,240 characters of
// policies within a role. Unresolved texts are longer than their values, but for the parameters' own lengths.
func Bound(t *testing.T, tmpl *kittest.Template, parameter string) {
	t.Helper()
	for _, role := range tmpl.Of("AWS::IAM::Role") {
		boundary, _ := json.Marshal(tmpl.Properties(role)["PermissionsBoundary"])
		if string(boundary) != `{"Fn::If":["HasBoundary",{"Ref":"`+parameter+`"},{"Ref":"AWS::NoValue"}]}` {
			t.Errorf("%s: boundary %s", role, boundary)
		}
		if text, _ := json.Marshal(tmpl.Properties(role)["Policies"]); len(text) > 10240 {
			t.Errorf("%s: %d characters of policies", role, len(text))
		}
	}
}
