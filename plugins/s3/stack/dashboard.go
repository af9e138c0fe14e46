package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"

	"github.com/datatransferhub/dth/infra/kit"
)

// Metrics of the programs: namespace, and the dimension that all have.
const (
	namespace      = "DataTransferHub"
	stackDimension = "StackName"
	failedPasses   = "FailedPasses" // told by the finder's instance, not by its program, which may be what failed
)

// rate is a sum of a minute, shown for each second.
func rate(id, name, label string) []any {
	return []any{
		[]any{map[string]any{"expression": id + "/PERIOD(" + id + ")", "label": label}},
		[]any{namespace, name, stackDimension, kit.Ref("AWS::StackName"), map[string]any{"id": id, "stat": "Sum", "visible": false}},
	}
}

func newDashboard(s *kit.Stack, q queues, group *string) awscloudwatch.CfnDashboard {
	stack := []any{stackDimension, kit.Ref("AWS::StackName")}
	queue, dead := []any{"QueueName", q.main.AttrQueueName()}, []any{"QueueName", q.dead.AttrQueueName()}
	workers := []any{"AutoScalingGroupName", group}
	own := func(name, stat, label string) any { return kit.Line(namespace, name, stat, label, stack...) }
	widgets := []kit.Widget{
		{Title: "Bytes a second", Unit: "B/s", Lines: rate("bytes", "TransferredBytes", "copied")},
		{Title: "Objects a second", Unit: "1/s", Lines: append(rate("copied", "TransferredObjects", "copied"), rate("deleted", "DeletedObjects", "deleted")...)},
		{Title: "Objects that failed, by class", Lines: []any{[]any{map[string]any{
			"expression": *kit.Sub("SEARCH('{" + namespace + "," + stackDimension + "} Failures " + stackDimension + "=\"${AWS::StackName}\"', 'Sum', 60)"),
			"label":      "${PROP('MetricName')}",
		}}}},
		{Title: "Messages", Lines: []any{
			kit.Line("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", "waiting", queue...),
			kit.Line("AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "Maximum", "under way", queue...),
			kit.Line("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", "dead letters", dead...),
		}},
		{Title: "Age of the oldest message", Unit: "s", Lines: []any{kit.Line("AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", "age", queue...)}},
		{Title: "Workers", Lines: []any{
			kit.Line("AWS/AutoScaling", "GroupDesiredCapacity", "Maximum", "wanted", workers...),
			kit.Line("AWS/AutoScaling", "GroupInServiceInstances", "Maximum", "in service", workers...),
		}},
		{Title: "Listed and queued", Lines: []any{own("ListedObjects", "Sum", "listed"), own("QueuedObjects", "Sum", "queued"), own("SkippedObjects", "Sum", "skipped")}},
		{Title: "Retries and throttles", Lines: []any{own("Retries", "Sum", "retries"), own("Throttles", "Sum", "throttles")}},
		{Title: "Transfers under way", Lines: []any{own("ActiveTransfers", "Sum", "active"), own("ServerSideCopies", "Sum", "server-side")}},
		{Title: "CPU of the workers", Unit: "%", Lines: []any{kit.Line("AWS/EC2", "CPUUtilization", "Average", "CPU", workers...)}},
		{Title: "Network of the workers", Unit: "B", Lines: []any{
			kit.Line("AWS/EC2", "NetworkIn", "Sum", "in", workers...), kit.Line("AWS/EC2", "NetworkOut", "Sum", "out", workers...),
		}},
		{Title: "Memory of a process", Unit: "B", Lines: []any{own("Memory", "Maximum", "largest")}},
	}
	return s.Dashboard("Dashboard", widgets)
}
