package stack

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"

	"github.com/datatransferhub/dth/infra/kit"
)

// Metrics of the programs: namespace, and the dimension that all have.
const (
	namespace      = "DataTransferHub"
	stackDimension = "StackName"
	failedPasses   = "FailedPasses" // told by the finder's instance, not by its program, which may be what failed
)

// widget is one chart. Charts lie three in a row.
type widget struct {
	title, unit string
	series      []any
}

const chartsInARow, chartWidth, chartHeight = 3, 8, 6

// series is one line of a chart.
func series(namespace, name, stat, label string, dimensions ...any) any {
	line := append([]any{namespace, name}, dimensions...)
	return append(line, map[string]any{"stat": stat, "label": label})
}

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
	own := func(name, stat, label string) any { return series(namespace, name, stat, label, stack...) }
	widgets := []widget{
		{"Bytes a second", "B/s", rate("bytes", "TransferredBytes", "copied")},
		{"Objects a second", "1/s", append(rate("copied", "TransferredObjects", "copied"), rate("deleted", "DeletedObjects", "deleted")...)},
		{"Objects that failed, by class", "", []any{[]any{map[string]any{
			"expression": *kit.Sub("SEARCH('{" + namespace + "," + stackDimension + "} Failures " + stackDimension + "=\"${AWS::StackName}\"', 'Sum', 60)"),
			"label":      "${PROP('MetricName')}",
		}}}},
		{"Messages", "", []any{
			series("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", "waiting", queue...),
			series("AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "Maximum", "under way", queue...),
			series("AWS/SQS", "ApproximateNumberOfMessagesVisible", "Maximum", "dead letters", dead...),
		}},
		{"Age of the oldest message", "s", []any{series("AWS/SQS", "ApproximateAgeOfOldestMessage", "Maximum", "age", queue...)}},
		{"Workers", "", []any{
			series("AWS/AutoScaling", "GroupDesiredCapacity", "Maximum", "wanted", workers...),
			series("AWS/AutoScaling", "GroupInServiceInstances", "Maximum", "in service", workers...),
		}},
		{"Listed and queued", "", []any{own("ListedObjects", "Sum", "listed"), own("QueuedObjects", "Sum", "queued"), own("SkippedObjects", "Sum", "skipped")}},
		{"Retries and throttles", "", []any{own("Retries", "Sum", "retries"), own("Throttles", "Sum", "throttles")}},
		{"Transfers under way", "", []any{own("ActiveTransfers", "Sum", "active"), own("ServerSideCopies", "Sum", "server-side")}},
		{"CPU of the workers", "%", []any{series("AWS/EC2", "CPUUtilization", "Average", "CPU", workers...)}},
		{"Network of the workers", "B", []any{
			series("AWS/EC2", "NetworkIn", "Sum", "in", workers...), series("AWS/EC2", "NetworkOut", "Sum", "out", workers...),
		}},
		{"Memory of a process", "B", []any{own("Memory", "Maximum", "largest")}},
	}
	body := s.Scope.ToJsonString(map[string]any{"widgets": charts(widgets)}, nil)
	return awscloudwatch.NewCfnDashboard(s.Scope, new("Dashboard"), &awscloudwatch.CfnDashboardProps{
		DashboardName: kit.Sub("${AWS::StackName}-${AWS::Region}"), DashboardBody: body,
	})
}

// charts lays widgets out as a dashboard's body wants them.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
func charts(widgets []widget) []any {
	var out []any
	for i, w := range widgets {
		axis := map[string]any{"min": 0, "showUnits": false}
		if w.unit != "" {
			axis["label"] = w.unit
		}
		out = append(out, map[string]any{
			"type": "metric", "width": chartWidth, "height": chartHeight, "x": i % chartsInARow * chartWidth, "y": i / chartsInARow * chartHeight,
			"properties": map[string]any{
				"title": w.title, "region": awscdk.Aws_REGION(), "period": 60, "metrics": w.series, "yAxis": map[string]any{"left": axis},
			},
		})
	}
	return out
}
