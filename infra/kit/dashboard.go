package kit

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
)

// Widget is one chart of a dashboard. Charts lie three in a row.
type Widget struct {
	Title, Unit string
	Lines       []any // of Line, or as the body of a dashboard has them
}

const chartsInARow, chartWidth, chartHeight = 3, 8, 6

// Line is one line of a chart.
func Line(namespace, name, stat, label string, dimensions ...any) any {
	line := append([]any{namespace, name}, dimensions...)
	return append(line, map[string]any{"stat": stat, "label": label})
}

// charts lays widgets out as a dashboard's body wants them.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
func charts(widgets []Widget) []any {
	var out []any
	for i, w := range widgets {
		axis := map[string]any{"min": 0, "showUnits": false}
		if w.Unit != "" {
			axis["label"] = w.Unit
		}
		out = append(out, map[string]any{
			"type": "metric", "width": chartWidth, "height": chartHeight, "x": i % chartsInARow * chartWidth, "y": i / chartsInARow * chartHeight,
			"properties": map[string]any{
				"title": w.Title, "region": awscdk.Aws_REGION(), "period": 60, "metrics": w.Lines, "yAxis": map[string]any{"left": axis},
			},
		})
	}
	return out
}

// Dashboard makes a dashboard of charts. Its name is the stack's and the region's: dashboards are the account's, not a region's.
func (s *Stack) Dashboard(id string, widgets []Widget) awscloudwatch.CfnDashboard {
	body := s.Scope.ToJsonString(map[string]any{"widgets": charts(widgets)}, nil)
	return awscloudwatch.NewCfnDashboard(s.Scope, &id, &awscloudwatch.CfnDashboardProps{
		DashboardName: Sub("${AWS::StackName}-${AWS::Region}"), DashboardBody: body,
	})
}
