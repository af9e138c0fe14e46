// Package stack is the S3 plugin's CloudFormation template, one part a file.
package stack

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsstepfunctions"
	"github.com/aws/constructs-go/constructs/v10"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/plugins/s3"
	"github.com/datatransferhub/dth/plugins/s3/policy"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
	"github.com/datatransferhub/dth/plugins/s3/workflow"
)

// Name is the template's name.
const Name = "DataTransferS3Stack"

// logPrefix begins the names of the task's log groups.
const logPrefix = wiring.LogRoot + "${AWS::StackName}/"

// The programs of the instances.
const (
	finderProgram = "jobfinder"
	workerProgram = "jobworker"
)

// builder is the template while it is written.
type builder struct {
	s           *kit.Stack
	c           conditions
	queues      queues
	tables      tables
	network     awsec2.CfnSecurityGroup
	engines     map[string]kit.File // by program
	rights      rights
	environment map[string]*string // of Lambdas, as far as it is known
}

// New writes the template into an app. The error says which built file is missing.
func New(app constructs.Construct, assets kit.Assets, version string) (*kit.Stack, error) {
	if err := assets.Check(lambdaNames(), []string{finderProgram, workerProgram}); err != nil {
		return nil, err
	}
	s := kit.NewStack(app, Name, "Data Transfer Hub "+version+": S3 transfer task", assets)
	parameters := s3.Contract()
	declareParameters(s, parameters)
	b := &builder{
		s: s, c: declareConditions(s), queues: newQueues(s), tables: newTables(s), network: newSecurityGroup(s),
		engines: map[string]kit.File{finderProgram: s.Engine(finderProgram), workerProgram: s.Engine(workerProgram)},
	}
	b.queues.declarePolicies(s, b.c)
	b.rights = newRights(s, map[string]kit.File{policy.FinderEngine: b.engines[finderProgram], policy.WorkerEngine: b.engines[workerProgram]})
	b.rights.When[policy.Scheduled] = b.c.scheduled
	b.environment = map[string]*string{
		wiring.EnvStack: kit.Ref("AWS::StackName"), wiring.EnvStackID: kit.Ref("AWS::StackId"),
		wiring.EnvConfiguration: kit.Sub(configuration),
		wiring.EnvQueue:         b.queues.main.Ref(), wiring.EnvRuns: b.tables.runs.Ref(),
		wiring.EnvLedger: b.tables.ledger.Ref(), wiring.EnvWorkers: kit.Sub(workersName),
		wiring.EnvSubnets: kit.JoinList(",", "ec2Subnets"), wiring.EnvSecurityGroup: b.network.AttrGroupId(), wiring.EnvPublicAddress: kit.Ref("assignPublicIp"),
	}
	b.build(handedOver(s, parameters))
	s.BoundRoles("permissionsBoundaryArn")
	return s, nil
}

// build writes what works, in the order in which the parts name each other.
func (b *builder) build(parameters map[string]any) {
	b.s.LogGroup(policy.FinderLogs, kit.Sub(logPrefix+wiring.LogFinder), kit.Number("logRetentionDays"))
	b.s.LogGroup(policy.WorkerLogs, kit.Sub(logPrefix+wiring.LogWorker), kit.Number("logRetentionDays"))
	controller := b.machine("Controller", wiring.Multipart, policy.ControllerName, workflow.Controller())
	config := newConfiguration(b.s, newBucket(b.s), b.function(wiring.TaskConfig), b.queues, b.tables, controller.Ref(), parameters)
	b.rights.compute(config)
	handle := awscdk.NewCfnWaitConditionHandle(b.s.Scope, new("FirstFinderHandle"), nil)
	finder := b.finder(handle)
	b.environment[wiring.EnvLaunchTemplate], b.environment[wiring.EnvVersion] = finder.Ref(), finder.AttrLatestVersionNumber()
	launch := b.function(wiring.FinderLaunch)
	b.environment[wiring.EnvFinderLaunch] = launch.Function.Ref()
	monitor := b.machine("Monitor", wiring.Monitor, policy.MonitorName, workflow.Monitor())
	workers := b.workers(config)
	schedule := newSchedule(b.s, b.c, launch)
	b.environment[wiring.EnvSchedule] = b.c.scheduled.Choose(schedule.Ref(), new(""))
	b.environment[wiring.EnvAlarms] = kit.Join(",", scale(b.s, b.c, workers, b.queues.main)...)
	control := b.function(wiring.Control)
	guard := newGuard(b.s, b.function(wiring.StackGuard), []*string{controller.Ref(), monitor.Ref()},
		b.network, finder, b.tables.ledger, b.tables.runs, b.queues.main, config)
	// What begins work is made after the guard, and so is gone before the guard tidies up.
	kit.Depend(workers, guard)
	kit.Depend(schedule, guard)
	kit.Depend(startMonitor(b.s, b.c, monitor.Ref()), guard)
	newFirstPass(b.s, launch, handle, guard, workers)
	newEvents(b.s, b.c, b.function(wiring.S3Events), b.queues, b.queues.access, guard)
	topic := b.s.AlarmTopic("alarmEmail")
	watch(b.s, topic.Ref(), b.queues, map[string]*string{"Controller": controller.Ref(), "Monitor": monitor.Ref()}, guard)
	dashboard := newDashboard(b.s, b.queues, workers.Ref())
	b.outputs(topic.Ref(), controller.Ref(), monitor.Ref(), workers.Ref(), dashboard.Ref(), control.Function.Ref())
}

// machine makes the state machine that calls a Lambda.
func (b *builder) machine(id, lambda, name, definition string) awsstepfunctions.CfnStateMachine {
	function := b.function(lambda)
	kind := strings.ToLower(id)
	return b.s.Machine(kit.Machine{
		ID: id, Name: kind, FullName: b.rights.Values[name], Description: "Runs the " + kind + " of a Data Transfer Hub task", Definition: definition,
		Values: map[string]*string{"Function": function.Function.AttrArn()}, LogDays: kit.Number("logRetentionDays"),
		Rights: b.rights.Of(policy.Machine(functionID(lambda), name)),
	})
}

// outputs tells people and the hub what the stack made. Their names stay.
func (b *builder) outputs(topic, controller, monitor, workers, dashboard, control *string) {
	for _, o := range []struct {
		id, description string
		value           *string
	}{
		{wiring.OutputQueue, "Queue of objects to transfer", b.queues.main.Ref()},
		{wiring.OutputDeadLetters, "Queue of messages that failed five times", b.queues.dead.Ref()},
		{"LedgerTableName", "Table with one record for each object", b.tables.ledger.Ref()},
		{wiring.OutputRuns, "Table of runs and uploads", b.tables.runs.Ref()},
		{wiring.OutputWorkers, "Auto Scaling group of the workers", workers},
		{"TopicArn", "Topic of the alarms", topic},
		{"ControllerArn", "State machine that looks after large uploads", controller},
		{"MonitorArn", "State machine that closes runs", monitor},
		{"ControlFunction", "Lambda that steers the task; see the guide on steering a task", control},
		{"ConfigurationName", "SSM parameter with the configuration of finder and workers", kit.Sub(configuration)},
		{"FinderLogGroup", "Log group of finders", kit.Sub(logPrefix + wiring.LogFinder)},
		{"WorkerLogGroup", "Log group of workers", kit.Sub(logPrefix + wiring.LogWorker)},
		{"DashboardUrl", "Dashboard", kit.SubWith("https://${Console}/cloudwatch/home?region=${AWS::Region}#dashboards:name=${Dashboard}", map[string]*string{"Console": kit.Console(b.s), "Dashboard": dashboard})},
	} {
		b.s.Output(o.id, o.description, o.value)
	}
}
