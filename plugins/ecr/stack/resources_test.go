package stack

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/infra/kit/kittest"
	"github.com/datatransferhub/dth/plugins/contract/table"
	"github.com/datatransferhub/dth/plugins/ecr/schema"
)

// The terms that programs and people count on.
func TestResources(t *testing.T) {
	like := func(properties object) assertions.Matcher { return assertions.Match_ObjectLike(&properties) }
	ref := func(name string) object { return object{"Ref": name} }
	for _, tt := range []struct {
		name, kind string
		properties object
	}{
		{"tasks", "AWS::ECS::TaskDefinition", object{
			"Cpu": ref("taskCpu"), "Memory": ref("taskMemory"), "NetworkMode": "awsvpc", "RequiresCompatibilities": []any{"FARGATE"},
			"RuntimePlatform": object{"CpuArchitecture": ref("cpuArchitecture"), "OperatingSystemFamily": "LINUX"},
			"ContainerDefinitions": []any{object{
				"Name": "copier", "User": "65532:65532", "ReadonlyRootFilesystem": true, "Essential": true,
				"LinuxParameters": object{"Capabilities": object{"Drop": []any{"ALL"}}},
				"MountPoints":     []any{object{"ContainerPath": "/scratch", "ReadOnly": false}},
			}},
		}},
		{"schedule", "AWS::Events::Rule", object{"State": object{"Fn::If": []any{"IsPaused", "DISABLED", "ENABLED"}}, "Targets": []any{object{"Arn": ref("Runs"), "Input": `{"trigger": "schedule"}`}}}},
		{"pushes", "AWS::Events::Rule", object{
			"State":   object{"Fn::If": []any{"IsPaused", "DISABLED", "ENABLED"}},
			"Targets": []any{object{"Arn": ref("Runs"), "Input": `{"trigger": "event"}`}},
		}},
		{"first run", "Custom::FirstRun", object{"Paused": ref("startPaused")}},
		{"bucket", "AWS::S3::Bucket", object{
			"PublicAccessBlockConfiguration": object{"BlockPublicAcls": true, "BlockPublicPolicy": true, "IgnorePublicAcls": true, "RestrictPublicBuckets": true},
			"LifecycleConfiguration":         object{"Rules": []any{object{"Prefix": "runs/", "ExpirationInDays": 30}}},
		}},
		{"topic", "AWS::SNS::Topic", object{"KmsMasterKeyId": object{"Fn::GetAtt": []any{"AlarmKey", "Arn"}}, "Subscription": []any{object{"Protocol": "email", "Endpoint": ref("alarmEmail")}}}},
		{"runs", "AWS::StepFunctions::StateMachine", object{"TracingConfiguration": object{"Enabled": true}, "LoggingConfiguration": object{"Level": "ALL", "IncludeExecutionData": false}}},
		{"network", "AWS::EC2::SecurityGroup", object{"VpcId": ref("ecsVpcId"), "SecurityGroupIngress": assertions.Match_Absent()}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			released(t).Asserting(t, func(all assertions.Template) { all.HasResourceProperties(&tt.kind, like(tt.properties)) })
		})
	}
}

func TestTablesAreTheSchema(t *testing.T) {
	tmpl := released(t)
	for id, form := range map[string]table.Form{"RecordTable": schema.Records(), "RunTable": schema.Runs()} {
		var key []table.Key
		for _, k := range tmpl.Properties(id)["KeySchema"].([]any) {
			key = append(key, table.Key{Attribute: k.(object)["AttributeName"].(string), Kind: k.(object)["KeyType"].(string)})
		}
		if !slices.Equal(key, form.Key) {
			t.Errorf("%s: key %v, the schema's is %v", id, key, form.Key)
		}
		if r := tmpl.Part("Resources", id); r["UpdateReplacePolicy"] != "Retain" || r["DeletionPolicy"] != "Delete" {
			t.Errorf("%s: an update must keep it, the stack's end must not: %v", id, r)
		}
	}
}

// What begins runs is made after the guard, so it is gone before the guard tidies up; what runs hold on to is made before it. A
// task definition is made after the parameters were checked.
func TestGuardStandsBetween(t *testing.T) {
	tmpl := released(t)
	before := tmpl.Needs("Guard")
	for _, id := range []string{"RecordTable", "RunTable", "WorkBucket", "Runs", "RunsRole", "SecurityGroup", "CopierTask", "CopierRole", "PlanFunction", "Configuration", "GuardFunctionRole"} {
		if !before[id] {
			t.Errorf("the guard is made before %s, and so outlives it", id)
		}
	}
	for _, id := range []string{"Schedule", "Pushes", "FirstRun"} {
		if !tmpl.Needs(id)["Guard"] {
			t.Errorf("%s begins runs and is gone only after the guard", id)
		}
	}
	if !tmpl.Needs("CopierTask")["Configuration"] {
		t.Error("tasks are defined before the parameters are checked")
	}
}

// The stack's end leaves nothing.
func TestNothingStays(t *testing.T) {
	tmpl := released(t)
	for id, r := range tmpl.Part("Resources") {
		if policy := r.(object)["DeletionPolicy"]; policy != nil && policy != "Delete" {
			t.Errorf("%s stays: %v", id, policy)
		}
	}
	logs := tmpl.Of("AWS::Logs::LogGroup")
	for _, id := range tmpl.Of("AWS::Lambda::Function") {
		if group := kittest.Names(tmpl.Properties(id)["LoggingConfig"]); len(group) != 1 || !slices.Contains(logs, group[0]) {
			t.Errorf("%s makes a log group of its own, which stays", id)
		}
	}
}

// Everything that a person must know of ends at the topic, once: of a run that was closed as failed the run itself tells.
func TestAlarmsTellPeople(t *testing.T) {
	tmpl := released(t)
	for id, want := range map[string][]string{"RunsAlarm": {"AlarmTopic"}, "FailingImagesAlarm": {"AlarmTopic"}, "FailedRunAlarm": nil} {
		if got := kittest.Names(tmpl.Properties(id)["AlarmActions"]); !slices.Equal(got, want) {
			t.Errorf("%s leads to %v", id, got)
		}
	}
}

// serviceNames are names of AWS services in policies: they end alike in every partition.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-services
var serviceNames = regexp.MustCompile(`"(cloudwatch|ecs-tasks|events|lambda|states)\.amazonaws\.com"`)

// The template says of no partition that it is the one.
func TestNoPartitionIsHardCoded(t *testing.T) {
	text := serviceNames.ReplaceAll(released(t).Text, []byte(`"SERVICE"`))
	for _, word := range []string{"arn:aws", "amazonaws.com", "us-east-1", "cn-north-1"} {
		// Patterns of parameters take ARNs of all partitions; they are no ARNs.
		without := bytes.ReplaceAll(text, []byte("arn:aws[a-z-]*:"), nil)
		if at := bytes.Index(without, []byte(word)); at >= 0 {
			t.Errorf("%q: %s", word, without[max(0, at-80):min(len(without), at+80)])
		}
	}
}

// The released form needs no bootstrap; the other form knows nothing of released files. Both take an image from one mapping.
func TestForms(t *testing.T) {
	own, rel := synth(t, nil), released(t)
	for _, word := range []string{"BootstrapVersion", "cdk-hnb659fds", "bootstrap parameter"} {
		if bytes.Contains(rel.Text, []byte(word)) {
			t.Errorf("the released form says %s", word)
		}
	}
	if !bytes.Contains(own.Text, []byte("cdk-hnb659fds-assets-")) || own.Part("Mappings", "Assets") != nil {
		t.Error("the form for cdk deploy does not take its files from the bootstrap bucket alone")
	}
	for _, form := range []*kittest.Template{own, rel} {
		if got := form.Part("Mappings", "CopierImage", "Release"); len(got) != 3 || got["Digest"] != "" {
			t.Errorf("the mapping of the image: %v", got)
		}
	}
}

// The same files give the same template.
func TestSynthIsReproducible(t *testing.T) {
	again := synth(t, &kit.Published{BucketPrefix: "example", Version: "v0.0.0"})
	if !bytes.Equal(again.Text, released(t).Text) {
		t.Error("two templates of the same files differ")
	}
}

// CloudFormation's limits: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
func TestLimits(t *testing.T) {
	tmpl := released(t)
	for name, most := range map[string]int{"Parameters": 200, "Mappings": 200, "Resources": 500, "Outputs": 200} {
		if n := len(tmpl.Part(name)); n == 0 || n > most {
			t.Errorf("%d %s, allowed are %d", n, name, most)
		}
	}
	if len(tmpl.Text) > 1<<20 {
		t.Errorf("%d bytes", len(tmpl.Text))
	}
}

// Whatever built file is missing is named, with the way to build it.
func TestMissingFilesAreNamed(t *testing.T) {
	_, err := New(nil, kit.Assets{Lambdas: t.TempDir()}, "v0")
	if err == nil {
		t.Fatal("a template of nothing")
	}
	for _, want := range append(lambdaNames(), "make lambdas") {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not named: %v", want, err)
		}
	}
}
