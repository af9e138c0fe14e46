package stack

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/datatransferhub/dth/plugins/s3/wiring"
)

// account is a stand-in for AWS, spoken to in its own protocols: this package may not know the SDK.
type account struct {
	t   *testing.T
	url string
}

// newAccount starts moto.
func newAccount(t *testing.T) account {
	t.Helper()
	server := os.Getenv("DTH_MOTO_SERVER")
	if server == "" {
		t.Skip("skipped: DTH_MOTO_SERVER is not set; it is the output of .ci/need moto")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close() // its port is moto's now
	_, port, _ := net.SplitHostPort(address)
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, server, "-H", "127.0.0.1", "-p", port)
	cmd.Env = append(os.Environ(), "VALIDATE_LAMBDA_S3=false")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait() // it was killed
	})
	a := account{t, "http://" + address}
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get(a.url + "/moto-api/data.json")
		if err == nil {
			_ = resp.Body.Close()
			return a
		}
		if time.Now().After(end) {
			t.Fatalf("moto does not answer: %v", err)
		}
	}
}

// send makes a call; the stand-in looks at the service that a signature would name, not at the signature.
func (a account) send(service, target, kind string, body []byte) string {
	a.t.Helper()
	r, err := http.NewRequest(http.MethodPost, a.url, bytes.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/"+service+"/aws4_request, SignedHeaders=host, Signature=0")
	if target != "" {
		r.Header.Set("X-Amz-Target", target)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		a.t.Fatalf("%s: %s %v\n%s", service, resp.Status, err, answer)
	}
	return string(answer)
}

// query makes a call in the query protocol, whose answers are XML.
func (a account) query(service, version string, form url.Values) string {
	a.t.Helper()
	form.Set("Version", version)
	return a.send(service, "", "application/x-www-form-urlencoded", []byte(form.Encode()))
}

// json makes a call in a JSON protocol.
func (a account) json(service, target string, in object) object {
	a.t.Helper()
	body, _ := json.Marshal(in)
	kind := "application/x-amz-json-1.0"
	if service == "events" {
		kind = "application/x-amz-json-1.1"
	}
	var out object
	if err := json.Unmarshal([]byte(a.send(service, target, kind, body)), &out); err != nil {
		a.t.Fatal(err)
	}
	return out
}

// understood are the types that the stand-in makes as AWS does. References to the others are put as texts.
var understood = []string{
	"AWS::SQS::Queue", "AWS::DynamoDB::Table", "AWS::EC2::SecurityGroup", "AWS::EC2::LaunchTemplate",
	"AWS::IAM::Role", "AWS::IAM::InstanceProfile", "AWS::AutoScaling::AutoScalingGroup", "AWS::Events::Rule",
	"AWS::StepFunctions::StateMachine", "AWS::Logs::LogGroup", "AWS::Lambda::Function",
}

// pruned is the template with what the stand-in understands.
func pruned(t *testing.T) []byte {
	t.Helper()
	var copied object
	if err := json.Unmarshal(released(t).text, &copied); err != nil {
		t.Fatal(err)
	}
	resources := copied["Resources"].(object)
	gone := map[string]bool{}
	for id, r := range resources {
		if !slices.Contains(understood, r.(object)["Type"].(string)) {
			gone[id] = true
			delete(resources, id)
		}
	}
	for _, r := range resources {
		r := r.(object)
		delete(r, "DependsOn")
		properties := without(r["Properties"], gone).(object)
		if definition, ok := properties["Definition"]; ok {
			// The stand-in knows definitions as texts only.
			properties["DefinitionString"] = object{"Fn::Sub": []any{compact(definition), properties["DefinitionSubstitutions"]}}
		}
		r["Properties"] = properties
	}
	delete(copied, "Rules")
	delete(copied, "Outputs")
	text, err := json.Marshal(copied)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// answered is what the resource Configuration computes of the parameters of TestStackInMoto, as lambda/taskconfig's tests say.
var answered = map[string]string{wiring.AttrDestinationKeys: "in/*", wiring.AttrOnDemandPercent: "70"}

// goneARN is put in front of the name of a resource that the stand-in was not given.
const goneARN = "arn:aws:sns:us-east-1:123456789012:"

// without replaces references to resources that are gone.
func without(value any, gone map[string]bool) any {
	switch v := value.(type) {
	case object:
		if ref, ok := v["Ref"].(string); ok && gone[ref] {
			return goneARN + ref
		}
		if list, ok := v["Fn::GetAtt"].([]any); ok && list[0] == "Configuration" && answered[list[1].(string)] != "" {
			return answered[list[1].(string)]
		}
		if list, ok := v["Fn::GetAtt"].([]any); ok && gone[list[0].(string)] {
			return goneARN + list[0].(string)
		}
		for key := range v {
			v[key] = without(v[key], gone)
		}
	case []any:
		for i := range v {
			v[i] = without(v[i], gone)
		}
	case string:
		return inText.ReplaceAllStringFunc(v, func(name string) string {
			id, _, _ := strings.Cut(strings.Trim(name, "${}"), ".")
			if gone[id] {
				return goneARN + id
			}
			return name
		})
	}
	return value
}

// inTag returns the texts within a tag of an XML answer.
func inTag(answer, tag string) []string {
	var out []string
	for _, found := range regexp.MustCompile(`(?s)<`+tag+`>(.*?)</`+tag+`>`).FindAllStringSubmatch(answer, -1) {
		out = append(out, found[1])
	}
	return out
}

// create makes a stack and returns the physical ids of its resources.
func (a account) create(parameters map[string]string) map[string]string {
	a.t.Helper()
	form := url.Values{"Action": {"CreateStack"}, "StackName": {"task"}, "TemplateBody": {string(pruned(a.t))}, "Capabilities.member.1": {"CAPABILITY_IAM"}}
	for i, name := range slices.Sorted(maps.Keys(parameters)) {
		form.Set(fmt.Sprintf("Parameters.member.%d.ParameterKey", i+1), name)
		form.Set(fmt.Sprintf("Parameters.member.%d.ParameterValue", i+1), parameters[name])
	}
	a.query("cloudformation", "2010-05-15", form)
	answer := a.query("cloudformation", "2010-05-15", url.Values{"Action": {"DescribeStackResources"}, "StackName": {"task"}})
	ids := map[string]string{}
	logical, physical := inTag(answer, "LogicalResourceId"), inTag(answer, "PhysicalResourceId")
	for i := range logical {
		ids[logical[i]] = physical[i]
	}
	return ids
}

// The template, as far as the stand-in understands it, becomes the resources that the programs need.
func TestStackInMoto(t *testing.T) {
	a := newAccount(t)
	network := a.query("ec2", "2016-11-15", url.Values{"Action": {"DescribeSubnets"}})
	subnets, vpc := inTag(network, "subnetId"), inTag(network, "vpcId")
	ids := a.create(complete(map[string]string{
		"ec2VpcId": vpc[0], "ec2Subnets": subnets[0] + "," + subnets[1], "srcEvent": "Create", "srcAccountId": "210987654321", "spotPercent": "30%",
		"ec2CronExpression": "30 1 * * ? *", "maxCapacity": "7", "workerInstanceTypes": "c7g.large, m7g.large", "destPrefix": "in/",
	}))
	t.Run("queue", func(t *testing.T) { a.t = t; a.checkQueue(ids) })
	t.Run("tables", func(t *testing.T) { a.t = t; a.checkTables(ids) })
	t.Run("launch templates", func(t *testing.T) { a.t = t; a.checkLaunchTemplates(ids) })
	t.Run("workers", func(t *testing.T) { a.t = t; a.checkWorkers(ids, subnets[:2]) })
	t.Run("rule", func(t *testing.T) { a.t = t; a.checkRule(ids) })
	t.Run("state machine", func(t *testing.T) { a.t = t; a.checkMachine(ids) })
	t.Run("role", func(t *testing.T) { a.t = t; a.checkRole(ids) })
}

func (a account) checkQueue(ids map[string]string) {
	out := a.json("sqs", "AmazonSQS.GetQueueAttributes", object{"QueueUrl": ids["Queue"], "AttributeNames": []string{"All"}})
	got := out["Attributes"].(object)
	if got["VisibilityTimeout"] != "900" || got["MessageRetentionPeriod"] != "1209600" || got["SqsManagedSseEnabled"] != "true" {
		a.t.Errorf("queue: %v", got)
	}
	var redrive struct {
		Target string `json:"deadLetterTargetArn"`
		Most   int    `json:"maxReceiveCount"`
	}
	name := ids["DeadLetterQueue"][strings.LastIndex(ids["DeadLetterQueue"], "/")+1:]
	if err := json.Unmarshal([]byte(got["RedrivePolicy"].(string)), &redrive); err != nil || redrive.Most != 5 || !strings.HasSuffix(redrive.Target, ":"+name) {
		a.t.Errorf("redrive: %v, dead letters are %s", got["RedrivePolicy"], name)
	}
}

func (a account) checkTables(ids map[string]string) {
	describe := func(name string) string {
		return compact(a.json("dynamodb", "DynamoDB_20120810.DescribeTable", object{"TableName": name})["Table"])
	}
	for id, wants := range map[string][]string{
		"Ledger":   {`"KeySchema":[{"AttributeName":"ObjectKey","KeyType":"HASH"}]`, `"IndexName":"Failures"`, `{"AttributeName":"FailureShard","KeyType":"HASH"}`, `"PAY_PER_REQUEST"`},
		"RunTable": {`"KeySchema":[{"AttributeName":"PK","KeyType":"HASH"},{"AttributeName":"SK","KeyType":"RANGE"}]`, `"PAY_PER_REQUEST"`},
	} {
		got := describe(ids[id])
		for _, want := range wants {
			if !strings.Contains(got, want) {
				a.t.Errorf("%s does not say %s: %s", id, want, got)
			}
		}
	}
}

func (a account) checkLaunchTemplates(ids map[string]string) {
	for id, wants := range map[string][]string{
		"FinderTemplate": {"program='jobfinder'", "config='ssm:/datatransferhub/task/configuration'", "bucket='example-us-east-1'", "key='data-transfer-hub/v0.0.0/jobfinder'", "handle='" + goneARN + "FirstFinderHandle'"},
		"WorkerTemplate": {"program='jobworker'", "group='task-workers'", "drain='drain'"},
	} {
		answer := a.query("ec2", "2016-11-15", url.Values{"Action": {"DescribeLaunchTemplateVersions"}, "LaunchTemplateId": {ids[id]}})
		text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(inTag(answer, "userData")[0]))
		if err != nil {
			a.t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(string(text), want+"\n") {
				a.t.Errorf("%s: user data does not say %s:\n%s", id, want, text)
			}
		}
		if out, err := exec.Command("/bin/bash", "-n", "-c", string(text)).CombinedOutput(); err != nil {
			a.t.Errorf("%s: the shell does not understand the user data: %v\n%s", id, err, out)
		}
		if !slices.Contains(inTag(answer, "httpTokens"), "required") {
			a.t.Errorf("%s: %s", id, answer)
		}
	}
}

func (a account) checkWorkers(ids map[string]string, subnets []string) {
	answer := a.query("autoscaling", "2011-01-01", url.Values{"Action": {"DescribeAutoScalingGroups"}})
	for tag, want := range map[string]string{
		"AutoScalingGroupName": "task-workers", "MaxSize": "7", "MinSize": "0", "DesiredCapacity": "0", "OnDemandPercentageAboveBaseCapacity": "70",
		"LaunchTemplateId": ids["WorkerTemplate"], "VPCZoneIdentifier": strings.Join(subnets, ","),
	} {
		if got := inTag(answer, tag); len(got) == 0 || got[0] != want {
			a.t.Errorf("%s: %v, want %s", tag, got, want)
		}
	}
}

func (a account) checkRule(ids map[string]string) {
	rule := a.json("events", "AWSEvents.DescribeRule", object{"Name": ids["Schedule"]})
	if rule["ScheduleExpression"] != "cron(30 1 * * ? *)" || rule["State"] != "ENABLED" {
		a.t.Errorf("rule: %v", rule)
	}
	targets := compact(a.json("events", "AWSEvents.ListTargetsByRule", object{"Rule": ids["Schedule"]})["Targets"])
	if !strings.Contains(targets, ids["FinderLaunchFunction"]) {
		a.t.Errorf("targets: %s, want %s", targets, ids["FinderLaunchFunction"])
	}
}

func (a account) checkMachine(ids map[string]string) {
	machine := a.json("states", "AWSStepFunctions.DescribeStateMachine", object{"stateMachineArn": ids["Controller"]})
	definition, _ := machine["definition"].(string)
	if !json.Valid([]byte(definition)) || strings.Contains(definition, "${") || !strings.Contains(definition, ids["MultipartFunction"]) {
		a.t.Errorf("definition: %v", machine)
	}
}

func (a account) checkRole(ids map[string]string) {
	answer := a.query("iam", "2010-05-08", url.Values{"Action": {"GetRolePolicy"}, "RoleName": {ids["WorkerRole"]}, "PolicyName": {"Rights"}})
	text, err := url.QueryUnescape(inTag(answer, "PolicyDocument")[0])
	if err != nil {
		a.t.Fatal(err)
	}
	if !strings.Contains(text, "arn:aws:s3:::to-there/in/*") || strings.Contains(text, "${") || strings.Contains(text, "Fn::") {
		a.t.Errorf("rights of workers: %s", text)
	}
}
