package policy

import (
	"slices"

	"github.com/datatransferhub/dth/lambda/siteconfig/siteconfigaws"
	"github.com/datatransferhub/dth/lambda/task/engineaws"
	"github.com/datatransferhub/dth/lambda/task/existenceaws"
	"github.com/datatransferhub/dth/lambda/task/logsaws"
	"github.com/datatransferhub/dth/lambda/task/metricsaws"
	"github.com/datatransferhub/dth/lambda/task/pickersaws"
	"github.com/datatransferhub/dth/lambda/wiring"
)

// The names in resources of the Lambdas in front of the hub.
const (
	ConsoleBucket = "ConsoleBucket"  // bucket of the console
	Distribution  = "Distribution"   // in front of it
	Headers       = "ConsoleHeaders" // response headers policy of it
)

const (
	tablesArn = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/DTH-t-*"
	logsArn   = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/datatransferhub/DTH-t-*"
	edgeArn   = "arn:${AWS::Partition}:cloudfront::${AWS::AccountId}:"
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
	_, runs, ledgers := engineaws.Actions()
	return append(steerStacks(), []Statement{
		{Sid: "Records", Actions: once(runs, ledgers), Resources: []string{tablesArn, tablesArn + "/index/*"}},
		{Sid: "TaskLogs", Actions: logsaws.Actions(), Resources: []string{logsArn, logsArn + ":*"}},
		{Sid: "Metrics", Actions: metricsaws.Actions(), Resources: []string{"*"}}, // they take no resource
	}...)
}

// choose lets the API list what forms choose from, and look whether what a task names is there. The lists take no resource; what is
// looked at is named by the person who makes the task. Values of secrets are not among it.
func choose() []Statement {
	const here = "${AWS::Region}:${AWS::AccountId}:"
	buckets, secrets, keys, networks := existenceaws.Actions()
	return []Statement{
		{Sid: "Lists", Actions: once(pickersaws.Actions(), networks), Resources: []string{"*"}},
		{Sid: "Buckets", Actions: buckets, Resources: []string{"arn:${AWS::Partition}:s3:::*"}},
		{Sid: "Secrets", Actions: secrets, Resources: []string{"arn:${AWS::Partition}:secretsmanager:" + here + "secret:*"}},
		{Sid: "Keys", Actions: keys, Resources: []string{"arn:${AWS::Partition}:kms:" + here + "key/*"}},
	}
}

// once are the actions of some lists, each once, in their order.
func once(lists ...[]string) (all []string) {
	for _, action := range slices.Concat(lists...) {
		if !slices.Contains(all, action) {
			all = append(all, action)
		}
	}
	return all
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
