package policy

import (
	"slices"

	"github.com/datatransferhub/dth/lambda/siteconfig/siteconfigaws"
	"github.com/datatransferhub/dth/lambda/wiring"
	"github.com/datatransferhub/dth/worker/run/runaws"
)

// The names in resources of the Lambdas in front of the hub.
const (
	ConsoleBucket = "ConsoleBucket"  // bucket of the console
	Distribution  = "Distribution"   // in front of it
	Headers       = "ConsoleHeaders" // response headers policy of it
)

const (
	tablesArn    = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/DTH-t-*"
	functionsArn = "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:DTH-t-*"
	logsArn      = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/datatransferhub/DTH-t-*"
	edgeArn      = "arn:${AWS::Partition}:cloudfront::${AWS::AccountId}:"
)

// Front returns the rights of a Lambda in front of the hub beside its log, by its name in package wiring. secures says that the
// site configuration sets the content security policy.
func Front(name string, secures bool) []Statement {
	switch name {
	case wiring.API:
		return slices.Concat(tasks(), BeginOperations(), lookAtTasks(), choose())
	case wiring.SiteConfig:
		return site(secures)
	}
	return nil
}

// lookAtTasks lets the API ask the stacks of tasks, and read what they have on record, in their logs and in their metrics.
func lookAtTasks() []Statement {
	return []Statement{
		{Sid: "Control", Actions: []string{"lambda:InvokeFunction"}, Resources: []string{functionsArn}},
		{Sid: "Records", Actions: runaws.ReaderActions(), Resources: []string{tablesArn, tablesArn + "/index/*"}},
		{Sid: "TaskLogs", Actions: []string{"logs:DescribeLogStreams", "logs:FilterLogEvents", "logs:GetLogEvents"}, Resources: []string{logsArn, logsArn + ":*"}},
		{Sid: "Metrics", Actions: []string{"cloudwatch:GetMetricData", "cloudwatch:ListMetrics"}, Resources: []string{"*"}}, // they take no resource
	}
}

// choose lets the API list what forms choose from, and look whether what a task names is there. The lists take no resource; what is
// looked at is named by the person who makes the task. Values of secrets are not among it.
func choose() []Statement {
	const here = "${AWS::Region}:${AWS::AccountId}:"
	return []Statement{
		{
			Sid: "Lists", Resources: []string{"*"},
			Actions: []string{
				"s3:ListAllMyBuckets", "secretsmanager:ListSecrets", "kms:ListAliases", "kms:ListKeys",
				"ec2:DescribeVpcs", "ec2:DescribeSubnets", "ec2:DescribeRegions",
			},
		},
		{Sid: "Buckets", Actions: []string{"s3:ListBucket", "s3:GetBucketLocation"}, Resources: []string{"arn:${AWS::Partition}:s3:::*"}},
		{Sid: "Secrets", Actions: []string{"secretsmanager:DescribeSecret"}, Resources: []string{"arn:${AWS::Partition}:secretsmanager:" + here + "secret:*"}},
		{Sid: "Keys", Actions: []string{"kms:DescribeKey"}, Resources: []string{"arn:${AWS::Partition}:kms:" + here + "key/*"}},
	}
}

// site lets the site configuration fill and empty the console's bucket.
func site(secures bool) []Statement {
	bucket, files, invalidate, headers := siteconfigaws.Actions()
	console := "${" + ConsoleBucket + ".Arn}"
	statements := []Statement{
		{Sid: "Console", Actions: bucket, Resources: []string{console}},
		{Sid: "ConsoleFiles", Actions: files, Resources: []string{console + "/*"}},
		{Sid: "Releases", Actions: []string{"s3:GetObject"}, Resources: []string{assetsArn}},
		{Sid: "Invalidate", Actions: invalidate, Resources: []string{edgeArn + "distribution/${" + Distribution + "}"}},
	}
	if secures {
		statements = append(statements, Statement{Sid: "Headers", Actions: headers, Resources: []string{edgeArn + "response-headers-policy/${" + Headers + "}"}})
	}
	return statements
}
