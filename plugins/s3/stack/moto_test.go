package stack

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/infra/kit/kittest"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
)

// account is a stand-in for AWS.
type account struct{ kittest.Account }

// understood are the types that the stand-in makes as AWS does. References to the others are put as texts.
var understood = []string{
	"AWS::SQS::Queue", "AWS::DynamoDB::Table", "AWS::EC2::SecurityGroup", "AWS::EC2::LaunchTemplate",
	"AWS::IAM::Role", "AWS::IAM::InstanceProfile", "AWS::AutoScaling::AutoScalingGroup", "AWS::Events::Rule",
	"AWS::StepFunctions::StateMachine", "AWS::Logs::LogGroup", "AWS::Lambda::Function",
}

// answered is what the resource Configuration computes of the parameters of TestStackInMoto, as lambda/taskconfig's tests say.
var answered = map[string]string{"Configuration." + wiring.AttrDestinationKeys: "in/*", "Configuration." + wiring.AttrOnDemandPercent: "70"}

// The template, as far as the stand-in understands it, becomes the resources that the programs need.
func TestStackInMoto(t *testing.T) {
	a := account{kittest.NewAccount(t)}
	network := a.Query("ec2", "2016-11-15", url.Values{"Action": {"DescribeSubnets"}})
	subnets, vpc := kittest.InTag(network, "subnetId"), kittest.InTag(network, "vpcId")
	ids := a.Create(released(t).Pruned(t, understood, answered), complete(map[string]string{
		"ec2VpcId": vpc[0], "ec2Subnets": subnets[0] + "," + subnets[1], "srcEvent": "Create", "srcAccountId": "210987654321", "spotPercent": "30%",
		"ec2CronExpression": "30 1 * * ? *", "maxCapacity": "7", "workerInstanceTypes": "c7g.large, m7g.large", "destPrefix": "in/",
	}))
	t.Run("queue", func(t *testing.T) { a.T = t; a.checkQueue(ids) })
	t.Run("tables", func(t *testing.T) { a.T = t; a.checkTables(ids) })
	t.Run("launch templates", func(t *testing.T) { a.T = t; a.checkLaunchTemplates(ids) })
	t.Run("workers", func(t *testing.T) { a.T = t; a.checkWorkers(ids, subnets[:2]) })
	t.Run("rule", func(t *testing.T) { a.T = t; a.checkRule(ids) })
	t.Run("state machines", func(t *testing.T) { a.T = t; a.checkMachine(ids) })
	t.Run("role", func(t *testing.T) { a.T = t; a.checkRole(ids) })
}

// The stack of a task that begins paused has neither workers nor a schedule that ticks.
func TestPausedStackInMoto(t *testing.T) {
	a := account{kittest.NewAccount(t)}
	network := a.Query("ec2", "2016-11-15", url.Values{"Action": {"DescribeSubnets"}})
	ids := a.Create(released(t).Pruned(t, understood, answered), complete(map[string]string{
		"ec2VpcId": kittest.InTag(network, "vpcId")[0], "ec2Subnets": kittest.InTag(network, "subnetId")[0], "maxCapacity": "7", "minCapacity": "1", "desiredCapacity": "2", "startPaused": "true",
	}))
	answer := a.Query("autoscaling", "2011-01-01", url.Values{"Action": {"DescribeAutoScalingGroups"}})
	for tag, want := range map[string]string{"MaxSize": "7", "MinSize": "0", "DesiredCapacity": "0"} {
		if got := kittest.InTag(answer, tag); len(got) == 0 || got[0] != want {
			t.Errorf("%s: %v, want %s", tag, got, want)
		}
	}
	if rule := a.JSON("events", "AWSEvents.DescribeRule", object{"Name": ids["Schedule"]}); rule["State"] != "DISABLED" {
		t.Errorf("rule: %v", rule)
	}
}

func (a account) checkQueue(ids map[string]string) {
	out := a.JSON("sqs", "AmazonSQS.GetQueueAttributes", object{"QueueUrl": ids["Queue"], "AttributeNames": []string{"All"}})
	got := out["Attributes"].(object)
	if got["VisibilityTimeout"] != "900" || got["MessageRetentionPeriod"] != "1209600" || got["SqsManagedSseEnabled"] != "true" {
		a.T.Errorf("queue: %v", got)
	}
	var redrive struct {
		Target string `json:"deadLetterTargetArn"`
		Most   int    `json:"maxReceiveCount"`
	}
	name := ids["DeadLetterQueue"][strings.LastIndex(ids["DeadLetterQueue"], "/")+1:]
	if err := json.Unmarshal([]byte(got["RedrivePolicy"].(string)), &redrive); err != nil || redrive.Most != 5 || !strings.HasSuffix(redrive.Target, ":"+name) {
		a.T.Errorf("redrive: %v, dead letters are %s", got["RedrivePolicy"], name)
	}
}

func (a account) checkTables(ids map[string]string) {
	describe := func(name string) string {
		return compact(a.JSON("dynamodb", "DynamoDB_20120810.DescribeTable", object{"TableName": name})["Table"])
	}
	for id, wants := range map[string][]string{
		"Ledger":   {`"KeySchema":[{"AttributeName":"ObjectKey","KeyType":"HASH"}]`, `"IndexName":"Failures"`, `{"AttributeName":"FailureShard","KeyType":"HASH"}`, `"PAY_PER_REQUEST"`},
		"RunTable": {`"KeySchema":[{"AttributeName":"PK","KeyType":"HASH"},{"AttributeName":"SK","KeyType":"RANGE"}]`, `"PAY_PER_REQUEST"`},
	} {
		got := describe(ids[id])
		for _, want := range wants {
			if !strings.Contains(got, want) {
				a.T.Errorf("%s does not say %s: %s", id, want, got)
			}
		}
	}
}

func (a account) checkLaunchTemplates(ids map[string]string) {
	for id, wants := range map[string][]string{
		"FinderTemplate": {"program='jobfinder'", "config='ssm:/datatransferhub/task/configuration'", "bucket='example-us-east-1'", "key='data-transfer-hub/v0.0.0/jobfinder'", "handle='" + kittest.GoneARN + "FirstFinderHandle'"},
		"WorkerTemplate": {"program='jobworker'", "group='task-workers'", "drain='drain'"},
	} {
		answer := a.Query("ec2", "2016-11-15", url.Values{"Action": {"DescribeLaunchTemplateVersions"}, "LaunchTemplateId": {ids[id]}})
		text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(kittest.InTag(answer, "userData")[0]))
		if err != nil {
			a.T.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(string(text), want+"\n") {
				a.T.Errorf("%s: user data does not say %s:\n%s", id, want, text)
			}
		}
		if out, err := exec.Command("/bin/bash", "-n", "-c", string(text)).CombinedOutput(); err != nil {
			a.T.Errorf("%s: the shell does not understand the user data: %v\n%s", id, err, out)
		}
		if !slices.Contains(kittest.InTag(answer, "httpTokens"), "required") {
			a.T.Errorf("%s: %s", id, answer)
		}
	}
}

func (a account) checkWorkers(ids map[string]string, subnets []string) {
	answer := a.Query("autoscaling", "2011-01-01", url.Values{"Action": {"DescribeAutoScalingGroups"}})
	for tag, want := range map[string]string{
		"AutoScalingGroupName": "task-workers", "MaxSize": "7", "MinSize": "0", "DesiredCapacity": "0", "OnDemandPercentageAboveBaseCapacity": "70",
		"LaunchTemplateId": ids["WorkerTemplate"], "VPCZoneIdentifier": strings.Join(subnets, ","),
	} {
		if got := kittest.InTag(answer, tag); len(got) == 0 || got[0] != want {
			a.T.Errorf("%s: %v, want %s", tag, got, want)
		}
	}
}

func (a account) checkRule(ids map[string]string) {
	rule := a.JSON("events", "AWSEvents.DescribeRule", object{"Name": ids["Schedule"]})
	if rule["ScheduleExpression"] != "cron(30 1 * * ? *)" || rule["State"] != "ENABLED" {
		a.T.Errorf("rule: %v", rule)
	}
	targets := compact(a.JSON("events", "AWSEvents.ListTargetsByRule", object{"Rule": ids["Schedule"]})["Targets"])
	if !strings.Contains(targets, ids["FinderLaunchFunction"]) {
		a.T.Errorf("targets: %s, want %s", targets, ids["FinderLaunchFunction"])
	}
}

func (a account) checkMachine(ids map[string]string) {
	for id, function := range map[string]string{"Controller": "MultipartFunction", "Monitor": "MonitorFunction"} {
		machine := a.JSON("states", "AWSStepFunctions.DescribeStateMachine", object{"stateMachineArn": ids[id]})
		definition, _ := machine["definition"].(string)
		if !json.Valid([]byte(definition)) || strings.Contains(definition, "${") || !strings.Contains(definition, ids[function]) {
			a.T.Errorf("%s: definition: %v", id, machine)
		}
	}
}

func (a account) checkRole(ids map[string]string) {
	answer := a.Query("iam", "2010-05-08", url.Values{"Action": {"GetRolePolicy"}, "RoleName": {ids["WorkerRole"]}, "PolicyName": {"Rights"}})
	text, err := url.QueryUnescape(kittest.InTag(answer, "PolicyDocument")[0])
	if err != nil {
		a.T.Fatal(err)
	}
	if !strings.Contains(text, "arn:aws:s3:::to-there/in/*") || strings.Contains(text, "${") || strings.Contains(text, "Fn::") {
		a.T.Errorf("rights of workers: %s", text)
	}
}
