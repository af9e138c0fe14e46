package stack

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/plugins/contract/stack/stacktest"
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
	stacktest.Roles(t, tmpl, actors, "StartMonitor")
}

// What has a name is named. These have none, or take no resource at all.
func TestRolesNameWhatTheyUse(t *testing.T) {
	stacktest.Resources(t, released(t), "ec2:DescribeInstances", "autoscaling:DescribeAutoScalingGroups", "cloudwatch:PutMetricData")
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

func TestRolesAreBoundAndFit(t *testing.T) { stacktest.Bound(t, released(t), "permissionsBoundaryArn") }
