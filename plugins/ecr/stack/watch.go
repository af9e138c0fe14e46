package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"

	"github.com/datatransferhub/dth/infra/kit"
)

// Metrics of the programs: namespace, and the dimension that all have.
const (
	namespace      = "DataTransferHub"
	stackDimension = "StackName"
)

// watch raises an alarm for what a person must look at. Of images that failed the run itself sends one notice.
func (b *builder) watch(topic, machine *string) {
	of := func(name string) any {
		return kit.Metric(lower(name), "AWS/States", name, "Sum", "StateMachineArn", machine)
	}
	actions := []*string{topic}
	b.s.Alarm("RunsAlarm", kit.Alarm{
		Description: "A run did not come to its end: its execution failed, ran out of time or was stopped. The history of the state machine says why.",
		Metrics: []any{
			of("ExecutionsFailed"), of("ExecutionsTimedOut"), of("ExecutionsAborted"),
			kit.MetricExpression("failures", "FILL(executionsFailed, 0) + FILL(executionsTimedOut, 0) + FILL(executionsAborted, 0)"),
		},
		Threshold: 1, Minutes: 1, Actions: actions,
	})
	b.s.Alarm("FailedRunAlarm", kit.Alarm{
		Description: "A run was closed as failed: a registry could not be read, or agreement could not be proved. The notice that the run sent says why.",
		Metrics:     []any{kit.Judged(namespace, "RunsFailed", "Sum", stackDimension, kit.Ref("AWS::StackName"))},
		Threshold:   1, Minutes: 1, Actions: []*string{}, // the run sends a notice of its own; two would be one too many
	})
	b.s.Alarm("FailingImagesAlarm", kit.Alarm{
		Description: "At least one image failed in three runs in a row. Its record says why.",
		Metrics:     []any{kit.Judged(namespace, "ImagesFailedRepeatedly", "Maximum", stackDimension, kit.Ref("AWS::StackName"))},
		Threshold:   1, Minutes: 1, Actions: actions,
	})
}

func lower(name string) string { return string(name[0]-'A'+'a') + name[1:] }

func (b *builder) dashboard(machine *string) awscloudwatch.CfnDashboard {
	own := func(name, stat, label string) any {
		return kit.Line(namespace, name, stat, label, stackDimension, kit.Ref("AWS::StackName"))
	}
	of := func(name, label string) any {
		return kit.Line("AWS/States", name, "Sum", label, "StateMachineArn", machine)
	}
	task := func(name, label string) any {
		return kit.Line("AWS/ECS", name, "Average", label, "ClusterName", kit.Ref("ecsClusterName"))
	}
	return b.s.Dashboard("Dashboard", []kit.Widget{
		{Title: "Images", Lines: []any{own("ImagesCopied", "Sum", "copied"), own("ImagesUnchanged", "Sum", "unchanged"), own("ImagesDeleted", "Sum", "deleted"), own("ImagesFailed", "Sum", "failed")}},
		{Title: "Bytes copied", Unit: "B", Lines: []any{own("BytesCopied", "Sum", "copied")}},
		{Title: "Duration of a run", Unit: "ms", Lines: []any{own("RunDuration", "Maximum", "longest")}},
		{Title: "Runs", Lines: []any{of("ExecutionsStarted", "begun"), of("ExecutionsSucceeded", "ended"), of("ExecutionsFailed", "failed"), of("ExecutionsAborted", "stopped")}},
		{Title: "Images that fail again and again", Lines: []any{own("ImagesFailedRepeatedly", "Maximum", "three runs in a row")}},
		{Title: "Cluster", Unit: "%", Lines: []any{task("CPUUtilization", "CPU"), task("MemoryUtilization", "memory")}},
	})
}
