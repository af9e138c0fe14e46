package stack

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/infra/kit/kittest"
	"github.com/datatransferhub/dth/plugins/contract/stack/stacktest"
	"github.com/datatransferhub/dth/plugins/ecr"
	"github.com/datatransferhub/dth/plugins/ecr/policy"
	"github.com/datatransferhub/dth/plugins/ecr/wiring"
)

func TestParametersAreTheContract(t *testing.T) { stacktest.Parameters(t, released(t), ecr.Contract()) }

// The configuration is made of all parameters.
func TestConfigurationHoldsEveryParameter(t *testing.T) {
	tmpl := released(t)
	handed := tmpl.Properties("Configuration")["Document"].(object)["parameters"].(object)
	for name := range tmpl.Part("Parameters") {
		if got := kittest.Names(handed[name]); !slices.Contains(got, name) {
			t.Errorf("%s is handed over as %v", name, handed[name])
		}
	}
	if len(handed) != len(tmpl.Part("Parameters")) {
		t.Errorf("%d parameters are handed over", len(handed))
	}
}

// complete are parameters that the contract takes.
func complete(change map[string]string) map[string]string {
	all := map[string]string{
		"destRegion": "eu-west-1", "ecsClusterName": "plugins", "ecsVpcId": "vpc-0123456789abcdef0", "alarmEmail": "a@example.com",
		"ecsSubnetA": "subnet-0123456789abcdef0", "ecsSubnetB": "subnet-0123456789abcdef1",
	}
	maps.Copy(all, change)
	return all
}

// What the contract takes, the template takes; what the template refuses, the contract refuses.
func TestTemplateAndContractAgree(t *testing.T) {
	for _, tt := range []struct {
		change map[string]string
		says   string // of the template; "" accepts
	}{
		{nil, ""},
		{map[string]string{"destRegion": ""}, "destRegion"},
		{map[string]string{"destRegion": "Ireland"}, "destRegion"},
		{map[string]string{"sourceType": "Docker"}, "sourceType"},
		{map[string]string{"sourceType": "Public"}, "PublicNeedsList"},
		{map[string]string{"sourceType": "Public", "srcList": "SELECTED", "srcImageList": "quay.io/org/app:1.2"}, ""},
		{map[string]string{"sourceType": "Public", "srcList": "SELECTED", "srcImageList": "app:1", "srcRegion": "eu-west-1"}, "OnlySrcRegion"},
		{map[string]string{"srcList": "SELECTED"}, "SelectedNeedsList"},
		{map[string]string{"srcList": "SELECTED", "srcImageListParameter": "/lists/images"}, ""},
		{map[string]string{"srcList": "SELECTED", "srcImageListParameter": "/lists/images", "srcImageList": "app:1"}, "OneList"},
		{map[string]string{"srcImageList": "app:1"}, "OnlySrcImageList"},
		{map[string]string{"srcAccountId": "12345"}, "srcAccountId"},
		{map[string]string{"srcCredential": "keys", "srcRoleArn": "arn:aws-cn:iam::123456789012:role/r"}, "SourceIdentity"},
		{map[string]string{"destCredential": "keys", "destRoleArn": "arn:aws:iam::123456789012:role/r"}, "DestinationIdentity"},
		{map[string]string{"destRoleArn": "arn:aws:iam::123456789012:role/r", "destExternalId": "x1"}, ""},
		{map[string]string{"destExternalId": "x1"}, "DestinationExternalId"},
		{map[string]string{"scheduleExpression": ""}, ""},
		{map[string]string{"scheduleExpression": "cron(0 3 * * ? *)"}, ""},
		{map[string]string{"pushEvents": "Yes"}, ""},
		{map[string]string{"deleteExtraneous": "Yes", "maxDeleteShare": "25%"}, ""},
		{map[string]string{"deleteExtraneous": "maybe"}, "deleteExtraneous"},
		{map[string]string{"deleteExtraneous": "Yes", "maxDeleteShare": "101"}, "maxDeleteShare"},
		{map[string]string{"maxDeleteShare": "25"}, "OnlyMaxDeleteShare"},
		{map[string]string{"ecsSubnetB": "subnet-0123456789abcdef0"}, "TwoSubnets"},
		{map[string]string{"taskCpu": "4096", "taskMemory": "8192"}, ""},
		{map[string]string{"alarmEmail": "nobody"}, "alarmEmail"},
		{map[string]string{"permissionsBoundaryArn": "b"}, "permissionsBoundaryArn"},
	} {
		t.Run(fmt.Sprint(tt.change), func(t *testing.T) {
			given := complete(tt.change)
			refused := released(t).Refusal(given)
			_, err := ecr.Contract().Validate(given)
			if (refused == "") != (tt.says == "") || !strings.HasPrefix(refused, tt.says) {
				t.Errorf("the template says %q, want %q", refused, tt.says)
			}
			if (err != nil) != (refused != "") {
				t.Errorf("the contract says %v, the template %q", err, refused)
			}
		})
	}
}

func TestFargateTakesTheSize(t *testing.T) {
	for _, tt := range []struct {
		cpu, memory string
		takes       bool
	}{{"256", "512", true}, {"512", "512", false}, {"512", "1024", true}, {"4096", "1024", false}, {"4096", "8192", true}} {
		if got := released(t).Refusal(complete(map[string]string{"taskCpu": tt.cpu, "taskMemory": tt.memory})); (got == "") != tt.takes {
			t.Errorf("%s with %s: %q", tt.cpu, tt.memory, got)
		}
	}
}

func TestRolesAreThePolicies(t *testing.T) {
	actors := map[string][]policy.Statement{
		"RunsRole": policy.Machine(), "BeginRole": policy.Begin(), "CopierRole": policy.Copier(), "CopierExecutionRole": policy.Execution(),
	}
	for _, l := range wiring.Lambdas() {
		actors[l.ID+"Role"] = policy.Lambda(l.Name)
	}
	stacktest.Roles(t, released(t), actors)
}

// A token for a registry takes no resource; everything else is named.
func TestRolesNameWhatTheyUse(t *testing.T) {
	stacktest.Resources(t, released(t), "ecr:GetAuthorizationToken")
}

func TestRolesAreBoundAndFit(t *testing.T) { stacktest.Bound(t, released(t), "permissionsBoundaryArn") }

// Only the copier writes, and only below the prefix at the destination; nobody ever changes who may use a repository.
func TestOnlyTheCopierWrites(t *testing.T) {
	tmpl := released(t)
	writes := slices.Concat(policy.WriteActions(), policy.DeleteActions())
	for _, role := range tmpl.Of("AWS::IAM::Role") {
		for _, s := range tmpl.Statements(role) {
			for _, action := range s.Actions {
				if strings.HasPrefix(action, "ecr:Set") || strings.Contains(action, "Policy") && strings.HasPrefix(action, "ecr:") && !strings.Contains(action, "Lifecycle") {
					t.Errorf("%s: %s", role, action)
				}
				reads := slices.Contains(policy.SourceActions(), action)
				if !slices.Contains(writes, action) || reads {
					continue
				}
				if text := compact(s.Resources); role != "CopierRole" || !strings.Contains(text, ":repository/${DestinationPrefix}*") || len(s.Resources) != 1 {
					t.Errorf("%s: %s on %s", role, action, text)
				}
			}
		}
	}
}

// What the template computes from parameters: names in policies, the image, and the schedule.
func TestComputedValues(t *testing.T) {
	tmpl := released(t)
	const account = "123456789012"
	const image = "210987654321.dkr.ecr.eu-west-2.amazonaws.com/tools/copier:1.0"
	for _, tt := range []struct {
		what  string // role and statement, or a property
		given map[string]string
		want  string // "": the statement is not there
	}{
		{"CopierRole Source", nil, "arn:aws:ecr:us-east-1:" + account + ":repository/*"},
		{"CopierRole Source", map[string]string{"srcRegion": "eu-west-2", "srcAccountId": "210987654321"}, "arn:aws:ecr:eu-west-2:210987654321:repository/*"},
		{"CopierRole Source", map[string]string{"srcCredential": "keys"}, ""},
		{"CopierRole Source", map[string]string{"sourceType": "Public"}, ""},
		{"CopierRole SourceSecret", map[string]string{"srcCredential": "a/name"}, "arn:aws:secretsmanager:us-east-1:" + account + ":secret:a/name-??????"},
		{"CopierRole SourceRole", map[string]string{"srcRoleArn": "arn:aws:iam::1:role/r"}, "arn:aws:iam::1:role/r"},
		{"CopierRole Destination", map[string]string{"destPrefix": "mirror/"}, "arn:aws:ecr:eu-west-1:" + account + ":repository/mirror/*"},
		{"CopierRole Destination", map[string]string{"destPrefix": "team/mirror"}, "arn:aws:ecr:eu-west-1:" + account + ":repository/team/mirror/*"},
		{"CopierRole Destination", nil, "arn:aws:ecr:eu-west-1:" + account + ":repository/*"},
		{"CopierRole Destination", map[string]string{"destAccountId": "210987654321"}, "arn:aws:ecr:eu-west-1:210987654321:repository/*"},
		{"CopierRole Destination", map[string]string{"destRoleArn": "arn:aws:iam::1:role/r"}, ""},
		{"CopierRole Delete", nil, ""},
		{"CopierRole Delete", map[string]string{"deleteExtraneous": "Yes", "destPrefix": "mirror/"}, "arn:aws:ecr:eu-west-1:" + account + ":repository/mirror/*"},
		{"CopierRole Delete", map[string]string{"deleteExtraneous": "Yes", "destRoleArn": "arn:aws:iam::1:role/r"}, ""},
		{"PlanFunctionRole ListParameter", map[string]string{"srcImageListParameter": "/lists/images"}, "arn:aws:ssm:us-east-1:" + account + ":parameter/lists/images"},
		{"PlanFunctionRole ListParameter", map[string]string{"srcImageListParameter": "images"}, "arn:aws:ssm:us-east-1:" + account + ":parameter/images"},
		{"PlanFunctionRole ListParameter", nil, ""},
		{"ConfigFunctionRole ListObject", map[string]string{"srcImageList": "s3://lists/a/in.txt"}, "arn:aws:s3:::lists/a/in.txt"},
		{"ConfigFunctionRole ListObject", map[string]string{"srcImageList": "app:1"}, ""},
		{"CopierExecutionRole Image", nil, ""},
		{"CopierExecutionRole Image", map[string]string{"copierImage": image}, "arn:aws:ecr:eu-west-2:210987654321:repository/tools*"},
		{"CopierExecutionRole Image", map[string]string{"copierImage": "210987654321.dkr.ecr.cn-north-1.amazonaws.com.cn/copier@sha256:" + strings.Repeat("0", 64)}, "arn:aws:ecr:cn-north-1:210987654321:repository/copier*"},
		{"CopierExecutionRole Image", map[string]string{"copierImage": "ghcr.io/org/copier:1.0"}, ""}, // anybody may pull it, or nobody
		{"Configuration Image", map[string]string{"copierImage": image}, image},
		{"Configuration Image", nil, ""},
		{"Schedule ScheduleExpression", nil, "rate(1 day)"},
		{"Schedule ScheduleExpression", map[string]string{"scheduleExpression": "5 4 * * ? *"}, "cron(5 4 * * ? *)"},
		{"Runs StateMachineName", nil, "DataTransferHub-images-0a1b"},
		{"RunsRole Tasks", nil, "arn:aws:ecs:us-east-1:" + account + ":task-definition/task-copier:*"},
		{"RunsRole Batches", nil, "arn:aws:states:us-east-1:" + account + ":stateMachine:DataTransferHub-images-0a1b"},
	} {
		given := complete(tt.given)
		maps.Copy(given, map[string]string{
			"AWS::Partition": "aws", "AWS::Region": "us-east-1", "AWS::AccountId": account, "AWS::StackName": "task", "AWS::URLSuffix": "amazonaws.com",
			"AWS::StackId": "arn:aws:cloudformation:us-east-1:123456789012:stack/task/0a1b",
		})
		id, part, _ := strings.Cut(tt.what, " ")
		properties := tmpl.Properties(id)
		got := ""
		if value, ok := properties[part]; ok {
			got = tmpl.Resolve(value, given).(string)
		} else {
			got = kittest.ResourceOf(tmpl.Resolve(properties["Policies"], given), part)
		}
		if got != tt.want {
			t.Errorf("%s with %v: %q, want %q", tt.what, tt.given, got, tt.want)
		}
	}
}

// Copies into the registry whose pushes are followed begin no run.
func TestCopiesAreNotFollowed(t *testing.T) {
	tmpl := released(t)
	for _, tt := range []struct {
		given map[string]string
		want  string // the names in the pattern
	}{
		{nil, "null"},
		{map[string]string{"destRegion": "us-east-1", "destPrefix": "mirror"}, `[{"anything-but":{"prefix":"mirror/"}}]`},
		{map[string]string{"destRegion": "us-east-1", "destPrefix": "team/mirror/"}, `[{"anything-but":{"prefix":"team/mirror/"}}]`},
		{map[string]string{"destRegion": "us-east-1", "destPrefix": "mirror", "destAccountId": "123456789012"}, `[{"anything-but":{"prefix":"mirror/"}}]`},
		{map[string]string{"destRegion": "us-east-1", "destPrefix": "mirror", "destAccountId": "210987654321"}, "null"},
		{map[string]string{"destPrefix": "mirror"}, "null"},
	} {
		given := complete(tt.given)
		maps.Copy(given, map[string]string{"AWS::Region": "us-east-1", "AWS::AccountId": "123456789012"})
		pattern := tmpl.Resolve(tmpl.Properties("Pushes")["EventPattern"], given).(object)
		if compact(pattern["source"]) != `["aws.ecr"]` || compact(pattern["detail-type"]) != `["ECR Image Action"]` {
			t.Errorf("%v: %s", tt.given, compact(pattern))
		}
		detail := pattern["detail"].(object)
		if got := compact(detail["repository-name"]); got != tt.want || compact(detail["action-type"]) != `["PUSH"]` || compact(detail["result"]) != `["SUCCESS"]` {
			t.Errorf("%v: %s, want names %s", tt.given, compact(detail), tt.want)
		}
	}
}
