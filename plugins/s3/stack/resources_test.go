package stack

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"

	"github.com/datatransferhub/dth/infra/kit/kittest"
	"github.com/datatransferhub/dth/plugins/s3/schema"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
)

// The terms that programs and people count on.
func TestResources(t *testing.T) {
	like := func(properties object) assertions.Matcher { return assertions.Match_ObjectLike(&properties) }
	ref := func(name string) object { return object{"Ref": name} }
	for _, tt := range []struct {
		name, kind string
		properties object
	}{
		{"queue", "AWS::SQS::Queue", object{
			"VisibilityTimeout": 900, "MessageRetentionPeriod": 1209600, "SqsManagedSseEnabled": true,
			"RedrivePolicy": object{"deadLetterTargetArn": object{"Fn::GetAtt": []any{"DeadLetterQueue", "Arn"}}, "maxReceiveCount": 5},
		}},
		{"dead letters", "AWS::SQS::Queue", object{"MessageRetentionPeriod": 1209600, "SqsManagedSseEnabled": true, "RedrivePolicy": assertions.Match_Absent()}},
		{"sparse index", "AWS::DynamoDB::Table", object{
			"BillingMode": "PAY_PER_REQUEST", "PointInTimeRecoverySpecification": object{"PointInTimeRecoveryEnabled": true}, "SSESpecification": object{"SSEEnabled": true},
			"GlobalSecondaryIndexes": []any{object{"IndexName": "Failures"}},
		}},
		{"run table", "AWS::DynamoDB::Table", object{
			"BillingMode": "PAY_PER_REQUEST", "PointInTimeRecoverySpecification": object{"PointInTimeRecoveryEnabled": true}, "SSESpecification": object{"SSEEnabled": true},
			"KeySchema": []any{object{"AttributeName": "PK", "KeyType": "HASH"}, object{"AttributeName": "SK", "KeyType": "RANGE"}},
		}},
		{"workers", "AWS::AutoScaling::AutoScalingGroup", object{
			"MinSize": unlessPaused("0", ref("minCapacity")), "MaxSize": ref("maxCapacity"), "DesiredCapacity": unlessPaused("0", ref("desiredCapacity")), "VPCZoneIdentifier": ref("ec2Subnets"),
			"MixedInstancesPolicy": object{"LaunchTemplate": object{"Overrides": []any{object{"InstanceRequirements": object{"AllowedInstanceTypes": ref("workerInstanceTypes")}}}}},
		}},
		{"schedule", "AWS::Events::Rule", object{
			"State": unlessPaused("DISABLED", "ENABLED"), "Targets": []any{object{"Arn": object{"Fn::GetAtt": []any{"FinderLaunchFunction", "Arn"}}}},
			"ScheduleExpression": object{"Fn::If": []any{"ScheduleIsExpression", ref("ec2CronExpression"), object{"Fn::Sub": "cron(${ec2CronExpression})"}}},
		}},
		{"topic", "AWS::SNS::Topic", object{
			"KmsMasterKeyId": object{"Fn::GetAtt": []any{"AlarmKey", "Arn"}}, "Subscription": []any{object{"Protocol": "email", "Endpoint": ref("alarmEmail")}},
		}},
		{"key", "AWS::KMS::Key", object{"EnableKeyRotation": true}},
		{"first pass", "Custom::FirstPass", object{"Paused": ref("startPaused"), "Signal": ref("FirstFinderHandle")}},
		{"first finder", "AWS::CloudFormation::WaitCondition", object{"Handle": ref("FirstFinderHandle"), "Timeout": "900"}},
		{"controller", "AWS::StepFunctions::StateMachine", object{"TracingConfiguration": object{"Enabled": true}, "LoggingConfiguration": object{"Level": "ALL", "IncludeExecutionData": false}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			asserting(t, func(all assertions.Template) { all.HasResourceProperties(&tt.kind, like(tt.properties)) })
		})
	}
}

// unlessPaused is one value for the stack of a paused task, and another else.
func unlessPaused(paused, running any) object {
	return object{"Fn::If": []any{"IsPaused", paused, running}}
}

// The template's tables are those that the adapters work with.
func TestTablesAreTheAdapters(t *testing.T) {
	tmpl := released(t)
	for id, form := range map[string]schema.Table{"Ledger": schema.Ledger(), "RunTable": schema.Runs()} {
		var key []schema.Key
		for _, k := range tmpl.Properties(id)["KeySchema"].([]any) {
			key = append(key, schema.Key{Attribute: k.(object)["AttributeName"].(string), Kind: k.(object)["KeyType"].(string)})
		}
		if !slices.Equal(key, form.Key) {
			t.Errorf("%s: key %v, the adapter's is %v", id, key, form.Key)
		}
		if r := tmpl.Part("Resources", id); r["UpdateReplacePolicy"] != "Retain" || r["DeletionPolicy"] != "Delete" {
			t.Errorf("%s: an update must keep it, the stack's end must not: %v", id, r)
		}
	}
}

// Nobody uses a queue without TLS; S3 sends events of the source bucket and of its account alone.
func TestQueuePolicies(t *testing.T) {
	tmpl := released(t)
	for _, id := range tmpl.Of("AWS::SQS::QueuePolicy") {
		text, _ := json.Marshal(tmpl.Properties(id))
		if !strings.Contains(string(text), `{"Bool":{"aws:SecureTransport":"false"}},"Effect":"Deny","Principal":{"AWS":"*"}`) {
			t.Errorf("%s does not refuse calls without TLS: %s", id, text)
		}
	}
	text, _ := json.Marshal(tmpl.Properties("QueuePolicy"))
	for _, want := range []string{
		`"Fn::If":["FollowsEvents"`, `"ArnEquals":{"aws:SourceArn":{"Fn::Sub":"arn:${AWS::Partition}:s3:::${srcBucket}"}}`,
		`"aws:SourceAccount":{"Fn::If":["SourceOwnerIsNamed",{"Ref":"srcAccountId"},{"Ref":"AWS::AccountId"}]}`, `"Service":"s3.amazonaws.com"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the policy does not say %s: %s", want, text)
		}
	}
}

func TestInstances(t *testing.T) {
	tmpl := released(t)
	for _, id := range []string{"FinderTemplate", "WorkerTemplate"} {
		data := tmpl.Properties(id)["LaunchTemplateData"].(object)
		if m := data["MetadataOptions"].(object); m["HttpTokens"] != "required" || m["HttpPutResponseHopLimit"] != 1.0 {
			t.Errorf("%s: metadata %v", id, m)
		}
		for _, d := range data["BlockDeviceMappings"].([]any) {
			if ebs := d.(object)["Ebs"].(object); ebs["Encrypted"] != true || ebs["VolumeType"] != "gp3" || ebs["DeleteOnTermination"] != true {
				t.Errorf("%s: volume %v", id, ebs)
			}
		}
		if data["KeyName"] != nil || !strings.Contains(data["ImageId"].(string), "al2023-ami-kernel-default-arm64") {
			t.Errorf("%s: key %v, image %v", id, data["KeyName"], data["ImageId"])
		}
		// What people type never becomes a script.
		for _, name := range names(data["UserData"]) {
			if tmpl.Part("Parameters", name) != nil {
				t.Errorf("%s: user data holds the text of parameter %s", id, name)
			}
		}
	}
	if data := tmpl.Properties("FinderTemplate")["LaunchTemplateData"].(object); data["InstanceInitiatedShutdownBehavior"] != "terminate" {
		t.Error("a finder that shuts down stays")
	}
	for id, want := range map[string]any{"FinderTemplate": "enabled", "WorkerTemplate": nil} {
		if got := tmpl.Properties(id)["LaunchTemplateData"].(object)["MetadataOptions"].(object)["InstanceMetadataTags"]; got != want {
			t.Errorf("%s: tags are shown: %v, want %v", id, got, want)
		}
	}
}

// Nothing comes in; stores and the VPC's own name servers are reached.
func TestSecurityGroup(t *testing.T) {
	group := released(t).Properties("SecurityGroup")
	if group["SecurityGroupIngress"] != nil {
		t.Errorf("something comes in: %v", group)
	}
	var out []string
	for _, e := range group["SecurityGroupEgress"].([]any) {
		rule := e.(object)
		out = append(out, fmt.Sprint(rule["IpProtocol"], " ", rule["FromPort"], "-", rule["ToPort"], " ", rule["CidrIp"], rule["CidrIpv6"]))
	}
	want := []string{"tcp 1-65535 0.0.0.0/0<nil>", "tcp 1-65535 <nil>::/0", "udp 53-53 0.0.0.0/0<nil>", "udp 53-53 <nil>::/0"}
	if !slices.Equal(out, want) {
		t.Errorf("goes out: %q, want %q", out, want)
	}
}

// An update replaces workers, whether the task is paused or not, and leaves the group's size to the backlog. While the task is
// paused the queue changes no size, and who steers the task switches just those alarms.
func TestFleetThroughUpdatesAndPauses(t *testing.T) {
	tmpl := released(t)
	policy := tmpl.Part("Resources", "Workers", "UpdatePolicy")
	if rolling := policy["AutoScalingRollingUpdate"].(object); rolling["MinInstancesInService"] != 0.0 {
		t.Errorf("rolling update: %v", rolling)
	}
	if got := compact(policy["AutoScalingScheduledAction"]); got != `{"IgnoreUnmodifiedGroupSizeProperties":true}` {
		t.Errorf("sizes in updates: %s", got)
	}
	acting := compact(unlessPaused(false, true))
	for _, id := range tmpl.Of("AWS::CloudWatch::Alarm") {
		scales := tmpl.Part("Resources", names(tmpl.Properties(id)["AlarmActions"])[0])["Type"] == "AWS::AutoScaling::ScalingPolicy"
		if got := tmpl.Properties(id)["ActionsEnabled"]; scales != (compact(got) == acting) || !scales && got != nil {
			t.Errorf("%s acts: %s", id, compact(got))
		}
		if given := names(tmpl.Properties("SteerFunction")["Environment"]); scales != slices.Contains(given, id) {
			t.Errorf("%s: steered are %v", id, given)
		}
	}
}

// The subnet of a shared VPC belongs to another account, and its ARN names that.
func TestFinderStartsInSharedSubnets(t *testing.T) {
	for _, s := range released(t).Statements("FinderLaunchFunctionRole") {
		if s.Sid == "Run" {
			if text := compact(s.Resources); !strings.Contains(text, `"arn:${AWS::Partition}:ec2:${AWS::Region}:*:subnet/*"`) || strings.Contains(text, "${AWS::AccountId}:subnet") {
				t.Errorf("instances are started in %s", text)
			}
			return
		}
	}
	t.Error("nothing is said of starting instances")
}

// Every attribute of the configuration's resource that the template reads is one that package wiring names.
func TestAttributesOfTheConfiguration(t *testing.T) {
	known := []string{wiring.AttrDigest, wiring.AttrDestinationKeys, wiring.AttrPrefixListKey, wiring.AttrReportKeys, wiring.AttrOnDemandPercent}
	var read []string
	for _, found := range regexp.MustCompile(`"Fn::GetAtt":\["Configuration","(\w+)"\]`).FindAllStringSubmatch(compact(released(t).All()), -1) {
		read = append(read, found[1])
	}
	slices.Sort(read)
	if slices.Sort(known); !slices.Equal(slices.Compact(read), known) {
		t.Errorf("the template reads %v, known are %v", read, known)
	}
}

// The order in which things come and go: whatever begins work is made after the guard, so it is gone before the guard tidies
// up; whatever work holds on to is made before it, so it is still there.
func TestGuardStandsBetween(t *testing.T) {
	tmpl := released(t)
	before := tmpl.Needs("Guard")
	for _, id := range []string{"SecurityGroup", "FinderRole", "FinderTemplate", "Ledger", "RunTable", "Queue", "Controller", "Monitor", "ControllerRole", "StackGuardFunctionRole", "Configuration"} {
		if !before[id] {
			t.Errorf("the guard is made before %s, and so outlives it", id)
		}
	}
	for _, id := range []string{"Workers", "Schedule", "FirstPass"} {
		if !tmpl.Needs(id)["Guard"] {
			t.Errorf("%s begins work and is gone only after the guard", id)
		}
	}
	after := tmpl.Needs("FirstPass")
	for _, id := range []string{"Configuration", "Workers"} {
		if !after[id] {
			t.Errorf("the first pass does not wait for %s", id)
		}
	}
	if !tmpl.Needs("FirstFinder")["FirstPass"] || !tmpl.Needs("SourceEvents")["QueuePolicy"] {
		t.Error("the wait condition must follow the first pass, and the subscription the queue's policy")
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
	for _, id := range tmpl.Of("AWS::Logs::LogGroup") {
		if days := tmpl.Properties(id)["RetentionInDays"]; names(days) == nil {
			t.Errorf("%s: lines are kept %v", id, days)
		}
	}
	logs := tmpl.Of("AWS::Logs::LogGroup")
	for _, id := range tmpl.Of("AWS::Lambda::Function") {
		group := names(tmpl.Properties(id)["LoggingConfig"])
		if len(group) != 1 || !slices.Contains(logs, group[0]) {
			t.Errorf("%s makes a log group of its own, which stays", id)
		}
	}
}

// The group shrinks only when there are workers to take away and nothing waits, flies or is delayed, ten minutes long.
func TestScaling(t *testing.T) {
	tmpl := released(t)
	idle := tmpl.Properties("Idle")
	if idle["EvaluationPeriods"] != 10.0 || idle["DatapointsToAlarm"] != 10.0 || idle["TreatMissingData"] != "notBreaching" {
		t.Errorf("idle: %v", idle)
	}
	text, _ := json.Marshal(idle["Metrics"])
	for _, want := range []string{
		`IF(workers \u003e ${minCapacity} AND waiting + flying + delayed \u003c 1, 1, 0)`, "ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible",
		"ApproximateNumberOfMessagesDelayed", "GroupInServiceInstances", `"Period":60`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("idle does not ask for %s: %s", want, text)
		}
	}
	for alarm, policy := range map[string]string{"Idle": "Shrink", "Backlog": "Grow"} {
		if got := names(tmpl.Properties(alarm)["AlarmActions"]); !slices.Equal(got, []string{policy}) {
			t.Errorf("%s leads to %v", alarm, got)
		}
	}
	shrink := tmpl.Properties("Shrink")
	if shrink["AdjustmentType"] != "ExactCapacity" || !slices.Contains(names(shrink), "minCapacity") {
		t.Errorf("shrink: %v", shrink)
	}
	hooks, _ := json.Marshal(tmpl.Properties("Workers")["LifecycleHookSpecificationList"])
	for _, want := range []string{`"DefaultResult":"ABANDON","HeartbeatTimeout":600,"LifecycleHookName":"boot"`, `"DefaultResult":"CONTINUE","HeartbeatTimeout":120,"LifecycleHookName":"drain"`} {
		if !strings.Contains(string(hooks), want) {
			t.Errorf("hooks do not say %s: %s", want, hooks)
		}
	}
}

// Everything that a person must know of ends at the topic.
func TestAlarmsTellPeople(t *testing.T) {
	tmpl := released(t)
	for _, id := range []string{"DeadLettersAlarm", "OldestMessageAlarm", "ControllerAlarm", "MonitorAlarm", "EndpointDownAlarm", "FailedPassAlarm"} {
		if got := names(tmpl.Properties(id)["AlarmActions"]); !slices.Equal(got, []string{"AlarmTopic"}) {
			t.Errorf("%s leads to %v", id, got)
		}
	}
	for _, id := range []string{"RunFailedRule", "WorkerFailedRule", "StoppedRule"} {
		target := tmpl.Properties(id)["Targets"].([]any)[0].(object)
		checkSentence(t, id, target["InputTransformer"].(object))
		if got := names(target["Arn"]); !slices.Equal(got, []string{"AlarmTopic"}) {
			t.Errorf("%s leads to %v", id, got)
		}
	}
	// A metric that nobody ever put has no zero that FILL could make of it, so what judges failures is one metric alone.
	for _, id := range []string{"ControllerAlarm", "MonitorAlarm"} {
		if text := compact(tmpl.Properties(id)["Metrics"]); !strings.Contains(text, `"MetricName":"ExecutionsFailed"`) || strings.Contains(text, "Expression") {
			t.Errorf("%s: %s", id, text)
		}
	}
	if text := compact(tmpl.Properties("StoppedRule")["EventPattern"]); !strings.Contains(text, `"stateMachineArn":[{"Ref":"Controller"},{"Ref":"Monitor"}],"status":["ABORTED","TIMED_OUT"]`) {
		t.Errorf("executions that are stopped: %s", text)
	}
	if !tmpl.Needs("StoppedRule")["Guard"] {
		t.Error("the end of a stack, which stops executions, is told as something wrong")
	}
	kittest.Publishers(t, tmpl.Properties("AlarmKey")["KeyPolicy"], "kms:Decrypt", "kms:GenerateDataKey")
	kittest.Publishers(t, tmpl.Properties("AlarmTopicPolicy")["PolicyDocument"], "sns:Publish")
}

// checkSentence puts into a mail what EventBridge would, as it is, and expects JSON in which the cause is whole.
func checkSentence(t *testing.T, id string, transformer object) {
	t.Helper()
	const cause = "source: \"access\" denied\nsee C:\\keys"
	text := transformer["InputTemplate"].(object)["Fn::Sub"].(string)
	for name := range transformer["InputPathsMap"].(object) {
		value := "i-1"
		if name == "reason" {
			raw, _ := json.Marshal(cause)
			value = string(raw)
		}
		text = strings.ReplaceAll(text, "<"+name+">", value)
	}
	var mail struct{ Message, Reason string }
	if err := json.Unmarshal([]byte(text), &mail); err != nil || mail.Reason != cause || !strings.Contains(mail.Message, "i-1") || strings.Contains(text, "<") {
		t.Errorf("%s sends %s, %v", id, text, err)
	}
}
