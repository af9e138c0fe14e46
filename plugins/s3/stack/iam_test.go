package stack

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/infra/kit/kittest"
	"github.com/datatransferhub/dth/plugins/s3/policy"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
)

// Each role may do what its policy declares, under the condition that it declares, and what the template adds for logs and
// traces; nothing else.
func TestRolesAreThePolicies(t *testing.T) {
	tmpl := released(t)
	actors := map[string][]policy.Statement{
		"FinderRole": policy.Finder(), "WorkerRole": policy.Worker(),
		"ControllerRole": policy.Machine("MultipartFunction", policy.ControllerName), "MonitorRole": policy.Machine("MonitorFunction", policy.MonitorName),
		"MonitorStartRole": nil,
	}
	for _, l := range wiring.Lambdas() {
		actors[l.ID+"Role"] = policy.Lambda(l.Name)
	}
	if got := tmpl.Of("AWS::IAM::Role"); len(got) != len(actors) {
		t.Errorf("roles %v, but %d actors", got, len(actors))
	}
	added := map[string]bool{"Logs": true, "LogDelivery": true, "Traces": true, "StartMonitor": true}
	for role, policies := range actors {
		got := tmpl.Statements(role)
		for _, want := range policies {
			i := slices.IndexFunc(got, func(s kittest.Statement) bool { return s.Sid == want.Sid })
			actions := slices.Compact(slices.Sorted(slices.Values(want.Actions)))
			if i < 0 || got[i].When != string(want.When) || !slices.Equal(got[i].Actions, actions) || len(got[i].Resources) != len(want.Resources) {
				t.Errorf("%s: statement %s is not that of its policy: %v", role, want.Sid, got)
				continue
			}
			got = slices.Delete(got, i, i+1)
		}
		for _, s := range got {
			if !added[s.Sid] || s.When != "" {
				t.Errorf("%s: statement %s is in no policy", role, s.Sid)
			}
		}
	}
}

// What has a name is named. These have none, or take no resource at all.
var unnamed = []string{
	"logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery", "logs:ListLogDeliveries",
	"logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
	"xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets",
	"ec2:DescribeInstances", "autoscaling:DescribeAutoScalingGroups", "cloudwatch:PutMetricData",
}

func TestRolesNameWhatTheyUse(t *testing.T) {
	tmpl := released(t)
	for _, role := range tmpl.Of("AWS::IAM::Role") {
		for _, s := range tmpl.Statements(role) {
			for _, action := range s.Actions {
				if strings.Contains(action, "*") {
					t.Errorf("%s: %s: action %s", role, s.Sid, action)
				}
			}
			if !slices.Contains(s.Resources, any("*")) {
				continue
			}
			for _, action := range s.Actions {
				if !slices.Contains(unnamed, action) {
					t.Errorf("%s: %s: %s is allowed on everything", role, s.Sid, action)
				}
			}
		}
	}
}

// Writing at the destination is allowed below its prefix alone, and only to workers; a check of the finder may write its one
// object.
func TestOnlyWorkersWriteOnlyTheDestination(t *testing.T) {
	tmpl := released(t)
	const below = `"Fn::Sub":["arn:${AWS::Partition}:s3:::${destBucket}/${DestinationKeys}",{"DestinationKeys":{"Fn::GetAtt":["Configuration","DestinationKeys"]}}]`
	const checked = `[{"Fn::Sub":"arn:${AWS::Partition}:s3:::${destBucket}/*.data-transfer-hub-check"}]`
	for _, role := range tmpl.Of("AWS::IAM::Role") {
		for _, s := range tmpl.Statements(role) {
			text, _ := json.Marshal(s.Resources)
			if role == "FinderRole" && s.Sid == "CheckObject" && string(text) == checked {
				continue
			}
			for _, action := range []string{"s3:PutObject", "s3:DeleteObject", "s3:PutObjectAcl", "s3:PutObjectTagging"} {
				if slices.Contains(s.Actions, action) && !(role == "WorkerRole" && len(s.Resources) == 1 && strings.Contains(string(text), below)) && s.Sid != "Reports" && !(role == "TaskConfigFunctionRole" && s.Sid == "LongConfiguration") {
					t.Errorf("%s: %s: %s on %s", role, s.Sid, action, text)
				}
			}
			if s.Sid == "DestinationObjects" && !strings.Contains(string(text), below) {
				t.Errorf("%s: %s", role, text)
			}
		}
	}
}

func TestRolesAreBoundAndFit(t *testing.T) {
	tmpl := released(t)
	for _, role := range tmpl.Of("AWS::IAM::Role") {
		boundary, _ := json.Marshal(tmpl.Properties(role)["PermissionsBoundary"])
		if string(boundary) != `{"Fn::If":["HasBoundary",{"Ref":"permissionsBoundaryArn"},{"Ref":"AWS::NoValue"}]}` {
			t.Errorf("%s: boundary %s", role, boundary)
		}
		// IAM takes 10,240 characters of policies within a role. Unresolved texts are longer than their values, but for the
		// parameters' own lengths.
		if text, _ := json.Marshal(tmpl.Properties(role)["Policies"]); len(text) > 10240 {
			t.Errorf("%s: %d characters of policies", role, len(text))
		}
	}
}

// The names that policies use are resources, parameters or computed.
func TestPoliciesNameWhatIsThere(t *testing.T) {
	tmpl := released(t)
	for _, role := range tmpl.Of("AWS::IAM::Role") {
		for _, name := range names(tmpl.Properties(role)) {
			if tmpl.Part("Resources", name) == nil && tmpl.Part("Parameters", name) == nil && !strings.HasPrefix(name, "AWS::") {
				t.Errorf("%s: %s is nothing of the template", role, name)
			}
		}
	}
}
