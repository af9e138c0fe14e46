package stack

import (
	"strconv"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/plugins/s3"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
)

// configuration names the parameter in SSM Parameter Store that holds the configuration of the task's programs.
const configuration = "/datatransferhub/${AWS::StackName}/configuration"

// newBucket makes the bucket for a configuration that is too long for a parameter. It goes with the stack: the configuration's
// resource empties it.
func newBucket(s *kit.Stack) awss3.CfnBucket { return s.PrivateBucket("ConfigurationBucket") }

// customTime is how long CloudFormation waits for a custom resource before it calls it failed.
const customTime = 10 * time.Minute

// newConfiguration checks the parameters by the contract and writes the configuration. A custom resource does it in Go: text
// of parameters pasted into JSON by CloudFormation would break at the first quote.
func newConfiguration(s *kit.Stack, bucket awss3.CfnBucket, writer kit.Lambda, q queues, t tables, controller *string, parameters map[string]any) awscdk.CfnResource {
	return s.CustomResource("Configuration", "TaskConfig", writer, customTime, map[string]any{
		wiring.PropName: kit.Sub(configuration), wiring.PropBucket: bucket.Ref(),
		wiring.PropDocument: map[string]any{
			"stackName": kit.Ref("AWS::StackName"), "region": kit.Ref("AWS::Region"),
			"queueUrl": q.main.Ref(), "deadLetterQueueUrl": q.dead.Ref(), "ledgerTable": t.ledger.Ref(), "runTable": t.runs.Ref(),
			"controllerArn": controller, "parameters": parameters,
		},
	})
}

// firstSignal is how long the first finder may need to say that it runs.
const firstSignal = 15 * time.Minute

// newFirstPass starts the first finder, and lets the stack be complete only when that finder said that it runs. For a paused
// task no finder is started; the resource notes the pause and says so in the finder's place.
func newFirstPass(s *kit.Stack, launch kit.Lambda, handle awscdk.CfnWaitConditionHandle, after ...awscdk.CfnResource) awscdk.CfnResource {
	pass := s.CustomResource("FirstPass", "FirstPass", launch, customTime, map[string]any{
		wiring.PropPaused: kit.Ref(s3.ParameterStartPaused), wiring.PropSignal: handle.Ref(),
	})
	kit.Depend(pass, after...)
	wait := awscdk.NewCfnWaitCondition(s.Scope, new("FirstFinder"), &awscdk.CfnWaitConditionProps{
		Handle: handle.Ref(), Timeout: new(strconv.Itoa(int(firstSignal.Seconds()))), Count: new(1.0),
	})
	kit.Depend(wait, pass)
	return pass
}

// newEvents subscribes the queue to the source bucket, when events are followed.
func newEvents(s *kit.Stack, c conditions, subscriber kit.Lambda, q queues, after ...awscdk.CfnResource) {
	events := s.CustomResource("SourceEvents", "S3Events", subscriber, customTime, map[string]any{
		wiring.PropBucket: kit.Ref("srcBucket"), wiring.PropQueueARN: q.main.AttrArn(), wiring.PropEvents: kit.Ref("srcEvent"),
		wiring.PropPrefix: kit.Ref("srcPrefix"),
		// Stacks of one name in two accounts may share a bucket.
		wiring.PropID: kit.Join("-", new("DataTransferHub"), kit.Ref("AWS::StackName"), kit.Unique()),
	})
	kit.Depend(events, after...)
	c.events.Guard(events)
}

// newGuard makes the resource that tidies up when the stack is deleted. It is made after everything that instances,
// executions and uploads hold on to, and so deleted before it.
func newGuard(s *kit.Stack, guard kit.Lambda, machines []*string, after ...awscdk.CfnResource) awscdk.CfnResource {
	resource := s.CustomResource("Guard", "StackGuard", guard, customTime, map[string]any{wiring.PropMachines: machines, wiring.PropTag: wiring.TagStack})
	kit.Depend(resource, after...)
	return resource
}
