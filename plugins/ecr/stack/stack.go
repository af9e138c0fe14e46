// Package stack is the ECR plugin's CloudFormation template, one part a file.
package stack

import (
	"slices"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsstepfunctions"
	"github.com/aws/constructs-go/constructs/v10"

	"github.com/datatransferhub/dth/infra/kit"
	contractstack "github.com/datatransferhub/dth/plugins/contract/stack"
	"github.com/datatransferhub/dth/plugins/ecr"
	"github.com/datatransferhub/dth/plugins/ecr/policy"
	"github.com/datatransferhub/dth/plugins/ecr/schema"
	"github.com/datatransferhub/dth/plugins/ecr/wiring"
	"github.com/datatransferhub/dth/plugins/ecr/workflow"
)

// Name is the template's name.
const Name = "DataTransferECRStack"

// logPrefix begins the names of the task's log groups.
const logPrefix = "/datatransferhub/${AWS::StackName}/"

// configuration names the parameter in SSM Parameter Store that holds the configuration of the task's programs.
const configuration = "/datatransferhub/${AWS::StackName}/configuration"

// customTime is how long CloudFormation waits for a custom resource before it calls it failed.
const customTime = 10 * time.Minute

// builder is the template while it is written.
type builder struct {
	s             *kit.Stack
	c             conditions
	records, runs awsdynamodb.CfnTable
	bucket        awss3.CfnBucket // of work lists
	image         *string         // of the copier
	rights        contractstack.Rights
	environment   map[string]*string // of Lambdas, as far as it is known
}

// New writes the template into an app. The error says which built file is missing.
func New(app constructs.Construct, assets kit.Assets, version string) (*kit.Stack, error) {
	if err := assets.Check(lambdaNames(), nil); err != nil {
		return nil, err
	}
	s := kit.NewStack(app, Name, "Data Transfer Hub "+version+": ECR transfer task", assets)
	declareParameters(s)
	b := &builder{
		s: s, c: declareConditions(s), bucket: newBucket(s),
		records: contractstack.Table(s, "RecordTable", schema.Records()), runs: contractstack.Table(s, "RunTable", schema.Runs()),
	}
	b.image = b.copierImage()
	b.rights = b.newRights()
	b.environment = map[string]*string{
		wiring.EnvStack: kit.Ref("AWS::StackName"), wiring.EnvStackID: kit.Ref("AWS::StackId"),
		wiring.EnvConfiguration: kit.Sub(configuration), wiring.EnvRuns: b.runs.Ref(), wiring.EnvRecords: b.records.Ref(),
		wiring.EnvVersion: &version, wiring.EnvBucket: b.bucket.Ref(), wiring.EnvMachine: kit.SubWith(machineArn, map[string]*string{"Unique": kit.Unique()}),
	}
	b.build()
	s.BoundRoles("permissionsBoundaryArn")
	return s, nil
}

// build writes what works, in the order in which the parts name each other.
func (b *builder) build() {
	b.s.LogGroup(policy.CopierLogs, kit.Sub(logPrefix+"copier"), kit.Number("logRetentionDays"))
	topic := b.s.AlarmTopic("alarmEmail")
	config := b.configuration()
	copier := b.copier(config)
	plan := b.function(wiring.ImagePlan)
	network := newSecurityGroup(b.s)
	runs := b.s.Machine(kit.Machine{
		ID: "Runs", Name: "runs", FullName: machine(), Description: "Makes the runs of a Data Transfer Hub task", Definition: workflow.Run(),
		Values: map[string]*string{
			"Function": plan.Function.AttrArn(), "Topic": topic.Ref(), "Bucket": b.bucket.Ref(), "Cluster": kit.Ref("ecsClusterName"), "TaskDefinition": family(),
			"SubnetA": kit.Ref("ecsSubnetA"), "SubnetB": kit.Ref("ecsSubnetB"), "SecurityGroup": network.AttrGroupId(),
			"AssignPublicIp": b.c.public.Choose(new("ENABLED"), new("DISABLED")),
		},
		LogDays: kit.Number("logRetentionDays"), Rights: b.rights.Of(policy.Machine()),
	})
	guard := b.s.CustomResource("Guard", "ImageGuard", b.function(wiring.ImageGuard), customTime, map[string]any{
		wiring.PropMachine: runs.Ref(), wiring.PropBucket: b.bucket.Ref(),
	})
	kit.Depend(guard, b.records, b.runs, network, config, copier)
	steer := b.begin(runs, guard)
	b.watch(topic.Ref(), runs.Ref())
	dashboard := b.dashboard(runs.Ref())
	b.outputs(topic.Ref(), runs, steer.Function.Ref(), dashboard.Ref())
}

// newBucket makes the bucket of work lists. They are of use for as long as people look at a run.
func newBucket(s *kit.Stack) awss3.CfnBucket {
	bucket := s.PrivateBucket("WorkBucket")
	bucket.SetLifecycleConfiguration(&awss3.CfnBucket_LifecycleConfigurationProperty{Rules: &[]any{
		&awss3.CfnBucket_RuleProperty{
			Id: new("runs"), Status: new("Enabled"), Prefix: new("runs/"), ExpirationInDays: new(30.0),
			AbortIncompleteMultipartUpload: &awss3.CfnBucket_AbortIncompleteMultipartUploadProperty{DaysAfterInitiation: new(7.0)},
		},
	}})
	return bucket
}

// configuration checks the parameters by the contract and writes what the programs are told. A custom resource does it in Go:
// text of parameters pasted into JSON by CloudFormation would break at the first quote.
func (b *builder) configuration() awscdk.CfnResource {
	parameters := map[string]any{}
	for _, p := range ecr.Contract().Parameters {
		parameters[p.Name] = kit.Ref(p.Name)
	}
	return b.s.CustomResource("Configuration", "ImageConfig", b.function(wiring.ImageConfig), customTime, map[string]any{
		wiring.PropName: kit.Sub(configuration), wiring.PropBucket: b.bucket.Ref(), wiring.PropImage: b.image,
		wiring.PropDocument: map[string]any{
			"stackName": kit.Ref("AWS::StackName"), "region": kit.Ref("AWS::Region"), "account": kit.Ref("AWS::AccountId"),
			"recordTable": b.records.Ref(), "runTable": b.runs.Ref(), "bucket": b.bucket.Ref(), "parameters": parameters,
		},
	})
}

// function makes a Lambda as package wiring describes it, with what it reads of the environment that is known by now.
func (b *builder) function(name string) kit.Lambda {
	all := wiring.Lambdas()
	l := all[slices.IndexFunc(all, func(l wiring.Lambda) bool { return l.Name == name })]
	own := map[string]*string{}
	for _, variable := range l.Environment {
		own[variable] = b.environment[variable]
	}
	return b.s.Function(l.ID, kit.Function{
		Name: l.Name, Description: l.Description, Memory: l.Memory, Timeout: l.Timeout, Environment: own,
		LogGroup: kit.Sub(logPrefix + l.Name), LogDays: kit.Number("logRetentionDays"), Rights: b.rights.Of(policy.Lambda(l.Name)),
	})
}

// lambdaNames are the folders that the template's code comes from.
func lambdaNames() []string {
	var names []string
	for _, l := range wiring.Lambdas() {
		names = append(names, l.Name)
	}
	return names
}

// outputs tells people and the hub what the stack made. Their names stay.
func (b *builder) outputs(topic *string, machine awsstepfunctions.CfnStateMachine, control, dashboard *string) {
	for _, o := range []struct {
		id, description string
		value           *string
	}{
		{wiring.OutputRecords, "Table with one record for each image and tag", b.records.Ref()},
		{wiring.OutputRuns, "Table of runs", b.runs.Ref()},
		{"StateMachineArn", "State machine of runs", machine.Ref()},
		{"WorkBucketName", "Bucket of work lists", b.bucket.Ref()},
		{"TopicArn", "Topic of notices and alarms", topic},
		{wiring.OutputControl, "Lambda that steers the task; see the guide on steering a task", control},
		{"ConfigurationName", "SSM parameter with the configuration of the task's programs", kit.Sub(configuration)},
		{"CopierLogGroup", "Log group of the tasks that copy", kit.Sub(logPrefix + "copier")},
		{"PlanLogGroup", "Log group of the function that plans and closes runs", kit.Sub(logPrefix + wiring.ImagePlan)},
		{"DashboardUrl", "Dashboard", kit.SubWith("https://${Console}/cloudwatch/home?region=${AWS::Region}#dashboards:name=${Dashboard}", map[string]*string{"Console": kit.Console(b.s), "Dashboard": dashboard})},
	} {
		b.s.Output(o.id, o.description, o.value)
	}
}
