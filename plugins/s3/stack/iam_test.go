package stack

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/plugins/s3/policy"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
)

// statement is one of a synthesized role, whatever condition it is under.
type statement struct {
	sid, when string
	actions   []string
	resources []any
}

// statements returns what a role of the template may do.
func (t *template) statements(role string) []statement {
	var out []statement
	for _, p := range t.properties(role)["Policies"].([]any) {
		for _, s := range p.(object)["PolicyDocument"].(object)["Statement"].([]any) {
			found := statement{}
			body := s.(object)
			if choice, ok := body["Fn::If"].([]any); ok {
				found.when, body = choice[0].(string), choice[1].(object)
			}
			found.sid, _ = body["Sid"].(string)
			for _, a := range body["Action"].([]any) {
				found.actions = append(found.actions, a.(string))
			}
			found.resources = body["Resource"].([]any)
			out = append(out, found)
		}
	}
	return out
}

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
	if got := tmpl.of("AWS::IAM::Role"); len(got) != len(actors) {
		t.Errorf("roles %v, but %d actors", got, len(actors))
	}
	added := map[string]bool{"Logs": true, "LogDelivery": true, "Traces": true, "StartMonitor": true}
	for role, policies := range actors {
		got := tmpl.statements(role)
		for _, want := range policies {
			i := slices.IndexFunc(got, func(s statement) bool { return s.sid == want.Sid })
			actions := slices.Compact(slices.Sorted(slices.Values(want.Actions)))
			if i < 0 || got[i].when != string(want.When) || !slices.Equal(got[i].actions, actions) || len(got[i].resources) != len(want.Resources) {
				t.Errorf("%s: statement %s is not that of its policy: %v", role, want.Sid, got)
				continue
			}
			got = slices.Delete(got, i, i+1)
		}
		for _, s := range got {
			if !added[s.sid] || s.when != "" {
				t.Errorf("%s: statement %s is in no policy", role, s.sid)
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
	for _, role := range tmpl.of("AWS::IAM::Role") {
		for _, s := range tmpl.statements(role) {
			for _, action := range s.actions {
				if strings.Contains(action, "*") {
					t.Errorf("%s: %s: action %s", role, s.sid, action)
				}
			}
			if !slices.Contains(s.resources, any("*")) {
				continue
			}
			for _, action := range s.actions {
				if !slices.Contains(unnamed, action) {
					t.Errorf("%s: %s: %s is allowed on everything", role, s.sid, action)
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
	for _, role := range tmpl.of("AWS::IAM::Role") {
		for _, s := range tmpl.statements(role) {
			text, _ := json.Marshal(s.resources)
			if role == "FinderRole" && s.sid == "CheckObject" && string(text) == checked {
				continue
			}
			for _, action := range []string{"s3:PutObject", "s3:DeleteObject", "s3:PutObjectAcl", "s3:PutObjectTagging"} {
				if slices.Contains(s.actions, action) && !(role == "WorkerRole" && len(s.resources) == 1 && strings.Contains(string(text), below)) && s.sid != "Reports" && !(role == "TaskConfigFunctionRole" && s.sid == "LongConfiguration") {
					t.Errorf("%s: %s: %s on %s", role, s.sid, action, text)
				}
			}
			if s.sid == "DestinationObjects" && !strings.Contains(string(text), below) {
				t.Errorf("%s: %s", role, text)
			}
		}
	}
}

func TestRolesAreBoundAndFit(t *testing.T) {
	tmpl := released(t)
	for _, role := range tmpl.of("AWS::IAM::Role") {
		boundary, _ := json.Marshal(tmpl.properties(role)["PermissionsBoundary"])
		if string(boundary) != `{"Fn::If":["HasBoundary",{"Ref":"permissionsBoundaryArn"},{"Ref":"AWS::NoValue"}]}` {
			t.Errorf("%s: boundary %s", role, boundary)
		}
		// IAM takes 10,240 characters of policies within a role. Unresolved texts are longer than their values, but for the
		// parameters' own lengths.
		if text, _ := json.Marshal(tmpl.properties(role)["Policies"]); len(text) > 10240 {
			t.Errorf("%s: %d characters of policies", role, len(text))
		}
	}
}

// The names that policies use are resources, parameters or computed.
func TestPoliciesNameWhatIsThere(t *testing.T) {
	tmpl := released(t)
	for _, role := range tmpl.of("AWS::IAM::Role") {
		for _, name := range names(tmpl.properties(role)) {
			if tmpl.part("Resources", name) == nil && tmpl.part("Parameters", name) == nil && !strings.HasPrefix(name, "AWS::") {
				t.Errorf("%s: %s is nothing of the template", role, name)
			}
		}
	}
}
