package portal

import (
	"fmt"
	"time"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/lambda/wiring"
	"github.com/datatransferhub/dth/lambda/wiring/policy"
)

// patience is for how long an event that the mirror did not take is delivered again.
const patience = 24 * time.Hour

// workflows makes what changes stacks, what brings the news of runs into the records of tasks, and what repairs drift.
func (b *builder) workflows() {
	names := map[string]string{wiring.StackWorkflow: policy.StackWorkflowName, wiring.Reconciler: reconcilerName}
	for _, m := range wiring.Machines() {
		function := b.function(m.Lambda)
		b.s.Machine(kit.Machine{
			ID: m.ID, Name: m.Name, FullName: b.values[names[m.ID]], Description: m.Description, Definition: m.Definition,
			Values: map[string]*string{"Function": function.Function.AttrArn()}, LogDays: kit.Number("LogRetentionDays"),
			Rights: b.rights(policy.Machine(lambdaOf(m.Lambda).ID, names[m.ID], m.Continues)),
		})
	}
	b.mirror()
	b.s.Role("ReconcilerStartRole", "Starts the reconciler of a Data Transfer Hub", "events", kit.OwnAccount(), []kit.Statement{
		{Sid: "StartReconciler", Actions: []string{"states:StartExecution"}, Resources: []*string{kit.Ref(wiring.Reconciler)}},
	})
	b.s.Resource("ReconcilerSchedule", "AWS::Events::Rule", object{
		"Description": "Compares tasks with their stacks and runs", "ScheduleExpression": rate(wiring.ReconcileEvery), "State": "ENABLED",
		"Targets": list{object{"Id": "Reconciler", "Arn": kit.Ref(wiring.Reconciler), "RoleArn": kit.Sub("${ReconcilerStartRole.Arn}"), "Input": "{}"}},
	})
}

// rate is the expression of a schedule of several minutes.
func rate(every time.Duration) *string {
	return new(fmt.Sprintf("rate(%d minutes)", every/time.Minute))
}

// mirror invokes the Lambda that brings events of runs into the records of tasks. What it cannot take waits in a queue.
func (b *builder) mirror() {
	function := b.function(wiring.Mirror)
	b.s.Resource("LostNews", "AWS::SQS::Queue", object{"MessageRetentionPeriod": 14 * 24 * 3600, "SqsManagedSseEnabled": true})
	rule := b.s.Resource("RunNews", "AWS::Events::Rule", object{
		"Description": "Brings the news of runs into the records of tasks", "EventPattern": wiring.RunEvents(), "State": "ENABLED",
		"Targets": list{object{
			"Id": "Mirror", "Arn": function.Function.AttrArn(), "DeadLetterConfig": object{"Arn": kit.Sub("${LostNews.Arn}")},
			"RetryPolicy": object{"MaximumEventAgeInSeconds": int(patience.Seconds()), "MaximumRetryAttempts": 185},
		}},
	})
	b.s.Resource("LostNewsPolicy", "AWS::SQS::QueuePolicy", object{
		"Queues": list{kit.Ref("LostNews")},
		"PolicyDocument": kit.Document(kit.TLSOnly("sqs:*", kit.Sub("${LostNews.Arn}")), object{
			"Sid": "Rule", "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": kit.Sub("${LostNews.Arn}"),
			"Principal": object{"Service": "events.amazonaws.com"}, "Condition": object{"ArnEquals": object{"aws:SourceArn": kit.Attribute(rule, "Arn")}},
		}),
	})
	b.s.Resource("RunNewsPermission", "AWS::Lambda::Permission", object{
		"Action": "lambda:InvokeFunction", "FunctionName": function.Function.Ref(), "Principal": "events.amazonaws.com",
		"SourceArn": kit.Attribute(rule, "Arn"), "SourceAccount": kit.Ref("AWS::AccountId"),
	})
	// The function is invoked asynchronously: what it fails at comes again, and is kept.
	b.s.Resource("MirrorRetries", "AWS::Lambda::EventInvokeConfig", object{
		"FunctionName": function.Function.Ref(), "Qualifier": "$LATEST", "MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 6 * 3600,
		"DestinationConfig": object{"OnFailure": object{"Destination": kit.Sub("${LostNews.Arn}")}},
	})
}
