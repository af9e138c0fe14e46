// Package policy says what each actor of an ECR transfer may do: IAM statements built from the actions that the AWS adapters
// declare. Resources are texts with ${Name} in them, as CloudFormation's Fn::Sub takes them: names of resources and parameters of
// the template, and the computed ones of this package.
package policy

import (
	"slices"

	"github.com/datatransferhub/dth/plugins/contract/right"
	"github.com/datatransferhub/dth/plugins/ecr/wiring"
	"github.com/datatransferhub/dth/worker/image/ecraws"
	"github.com/datatransferhub/dth/worker/image/record/recordaws"
	"github.com/datatransferhub/dth/worker/run/runaws"
)

// Statement is one thing that an actor may do.
type Statement = right.Statement

// When is the circumstance under which a statement is needed. The template has a condition of the same name.
type When = right.When

// The circumstances.
const (
	SourceByOwnRole          When = "SourceByOwnRole"      // an ECR, without keys and without a role to assume
	SourceBySecret           When = "SourceBySecret"       // keys, or a sign-in, of a secret
	SourceByAssumedRole      When = "SourceByAssumedRole"  // another role
	DestinationByOwnRole     When = "DestinationByOwnRole" // as for the source
	DestinationBySecret      When = "DestinationBySecret"
	DestinationByAssumedRole When = "DestinationByAssumedRole"
	DeletesByOwnRole         When = "DeletesByOwnRole" // what the source does not have is deleted, by the task's own role
	ListedInParameter        When = "ListedInParameter"
	ListedInObject           When = "ListedInObject" // the list is an object that srcImageList names as s3://BUCKET/KEY
	Scheduled                When = "HasSchedule"
	FollowsPushes            When = "FollowsPushes"
	HasImage                 When = "HasCopierImage" // that lies in an ECR
)

// The names in resources that the template computes; all others are its resources and parameters.
const (
	SourceRegion       = "SourceRegion"
	SourceAccount      = "SourceAccount"
	DestinationAccount = "DestinationAccount"
	DestinationPrefix  = "DestinationPrefix" // with a slash at its end; empty when there is none
	SourceSecret       = "SourceSecret"      // ARN of the secret, with wild cards for what Secrets Manager adds to a name
	DestinationSecret  = "DestinationSecret" // likewise
	ListParameter      = "ListParameter"     // name of the parameter that holds the list, with a slash in front
	ListObject         = "ListObject"        // bucket, slash and key of the object that holds the list
	Configuration      = "ConfigurationName" // name of the parameter that holds the configuration
	MachineName        = "MachineName"       // name of the state machine
	ImageRepository    = "ImageRepository"   // pattern of the ARN of the copier image's repository
)

// Family is the name of the copier's task definition, without a revision.
const Family = "CopierFamily"

// CopierLogs is the log group of the copier's tasks, by logical id.
const CopierLogs = "CopierLogs"

const (
	s3Arn         = "arn:${AWS::Partition}:s3:::"
	own           = "${AWS::Region}:${AWS::AccountId}:"
	parameterArn  = "arn:${AWS::Partition}:ssm:" + own + "parameter${" + Configuration + "}"
	documentArn   = s3Arn + "${WorkBucket}${" + Configuration + "}.json" // a configuration's name begins with a slash
	machineArn    = "arn:${AWS::Partition}:states:" + own + "stateMachine:${" + MachineName + "}"
	executionArn  = "arn:${AWS::Partition}:states:" + own + "execution:${" + MachineName + "}"
	sourceArn     = "arn:${AWS::Partition}:ecr:${" + SourceRegion + "}:${" + SourceAccount + "}:repository/*"
	targetArn     = "arn:${AWS::Partition}:ecr:${destRegion}:${" + DestinationAccount + "}:repository/${" + DestinationPrefix + "}*"
	runsPrefixArn = s3Arn + "${WorkBucket}/runs/"
)

// Machine returns the rights of the state machine. A distributed Map starts and watches executions of its own machine; a task
// that is waited for is watched by a rule of Step Functions' own.
// https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
// https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html
func Machine() []Statement {
	return []Statement{
		{Sid: "Plan", Actions: []string{"lambda:InvokeFunction"}, Resources: []string{"${PlanFunction.Arn}"}},
		{Sid: "Batches", Actions: []string{"states:StartExecution"}, Resources: []string{machineArn}},
		{Sid: "WatchBatches", Actions: []string{"states:DescribeExecution", "states:StopExecution"}, Resources: []string{executionArn + ":*", executionArn + "/*"}},
		{Sid: "List", Actions: []string{"s3:GetObject"}, Resources: []string{runsPrefixArn + "*/list.json"}},
		{
			Sid: "Results", Actions: []string{"s3:PutObject", "s3:GetObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"},
			Resources: []string{runsPrefixArn + "*/results/*"},
		},
		// An update in the middle of a run makes another revision, by which the rest of the batches is copied.
		{Sid: "Tasks", Actions: []string{"ecs:RunTask"}, Resources: []string{"arn:${AWS::Partition}:ecs:" + own + "task-definition/${" + Family + "}:*"}},
		{Sid: "WatchTasks", Actions: []string{"ecs:StopTask", "ecs:DescribeTasks"}, Resources: []string{"arn:${AWS::Partition}:ecs:" + own + "task/${ecsClusterName}/*"}},
		{Sid: "TagTasks", Actions: []string{"ecs:TagResource"}, Resources: []string{"arn:${AWS::Partition}:ecs:" + own + "task/${ecsClusterName}/*"}, Conditions: map[string]map[string][]string{
			"StringEquals": {"ecs:CreateAction": {"RunTask"}},
		}},
		{
			Sid: "TaskEvents", Actions: []string{"events:PutTargets", "events:PutRule", "events:DescribeRule"},
			Resources: []string{"arn:${AWS::Partition}:events:" + own + "rule/StepFunctionsGetEventsForECSTaskRule"},
		},
		{
			Sid: "TaskRoles", Actions: []string{"iam:PassRole"}, Resources: []string{"${CopierRole.Arn}", "${CopierExecutionRole.Arn}"},
			Conditions: map[string]map[string][]string{"StringEquals": {"iam:PassedToService": {"ecs-tasks.amazonaws.com"}}},
		},
		{Sid: "Notice", Actions: []string{"sns:Publish"}, Resources: []string{"${AlarmTopic}"}},
		{Sid: "NoticeKey", Actions: []string{"kms:Decrypt", "kms:GenerateDataKey"}, Resources: []string{"${AlarmKey.Arn}"}},
	}
}

// Begin returns the rights of the rules that begin runs.
func Begin() []Statement {
	return []Statement{{Sid: "Begin", Actions: []string{"states:StartExecution"}, Resources: []string{machineArn}}}
}

// Execution returns what Fargate does for a task before it runs: it pulls the copier's image and opens its log. A token for a
// registry takes no resource.
func Execution() []Statement {
	return []Statement{
		{Sid: "Token", Actions: []string{"ecr:GetAuthorizationToken"}, Resources: []string{"*"}},
		{
			Sid: "Image", When: HasImage, Actions: []string{"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"},
			Resources: []string{"${" + ImageRepository + "}"},
		},
		{Sid: "Log", Actions: []string{"logs:CreateLogStream", "logs:PutLogEvents"}, Resources: []string{"${" + CopierLogs + ".Arn}"}},
	}
}

// Copier returns the rights of a task that copies images.
func Copier() []Statement {
	return slices.Concat(configuration(), identities(), readSource(), readDestination(), writeDestination(), []Statement{
		{Sid: "Records", Actions: recordaws.CopyActions(), Resources: []string{"${RecordTable.Arn}"}},
		{Sid: "Batch", Actions: []string{"s3:GetObject"}, Resources: []string{runsPrefixArn + "*/batch-*.json"}},
	})
}

// Lambda returns the rights of a Lambda beside its log, by its name in package wiring.
func Lambda(name string) []Statement {
	switch name {
	case wiring.ImagePlan:
		return planner()
	case wiring.ImageConfig:
		return []Statement{
			{Sid: "Configuration", Actions: []string{"ssm:GetParameter", "ssm:PutParameter", "ssm:DeleteParameter"}, Resources: []string{parameterArn}},
			{Sid: "LongConfiguration", Actions: []string{"s3:GetObject", "s3:PutObject", "s3:DeleteObject"}, Resources: []string{documentArn}},
			listObject(),
		}
	case wiring.ImageControl:
		return []Statement{
			{Sid: "Runs", Actions: runaws.Actions(), Resources: []string{"${RunTable.Arn}"}},
			{Sid: "Begin", Actions: []string{"states:StartExecution"}, Resources: []string{machineArn}},
			{Sid: "Schedule", When: Scheduled, Actions: []string{"events:EnableRule", "events:DisableRule"}, Resources: []string{"${Schedule.Arn}"}},
			{Sid: "Pushes", When: FollowsPushes, Actions: []string{"events:EnableRule", "events:DisableRule"}, Resources: []string{"${Pushes.Arn}"}},
		}
	case wiring.ImageGuard:
		return []Statement{
			{Sid: "Executions", Actions: []string{"states:ListExecutions"}, Resources: []string{machineArn}},
			{Sid: "Stop", Actions: []string{"states:StopExecution"}, Resources: []string{executionArn + ":*", executionArn + "/*"}},
			{Sid: "Bucket", Actions: []string{"s3:ListBucket"}, Resources: []string{"${WorkBucket.Arn}"}},
			{Sid: "Objects", Actions: []string{"s3:DeleteObject"}, Resources: []string{"${WorkBucket.Arn}/*"}},
		}
	}
	return nil
}

// planner compares both registries, and keeps what it found.
func planner() []Statement {
	return slices.Concat(configuration(), identities(), readSource(), readDestination(), []Statement{
		{Sid: "Records", Actions: recordaws.PlanActions(), Resources: []string{"${RecordTable.Arn}"}},
		{Sid: "Failures", Actions: []string{"dynamodb:Query"}, Resources: []string{"${RecordTable.Arn}/index/" + recordaws.Index}},
		{Sid: "Runs", Actions: runaws.Actions(), Resources: []string{"${RunTable.Arn}"}},
		{Sid: "Work", Actions: []string{"s3:GetObject", "s3:PutObject"}, Resources: []string{runsPrefixArn + "*", s3Arn + "${WorkBucket}/streaks.json"}},
		{Sid: "WorkBucket", Actions: []string{"s3:ListBucket"}, Resources: []string{"${WorkBucket.Arn}"}},
		{Sid: "Executions", Actions: []string{"states:DescribeExecution"}, Resources: []string{executionArn + ":*"}},
		{
			Sid: "Events", Actions: []string{"events:PutEvents"}, Resources: []string{"arn:${AWS::Partition}:events:" + own + "event-bus/default"},
			Conditions: map[string]map[string][]string{"StringEquals": {"events:source": {wiring.EventSource}}},
		},
		{Sid: "ListParameter", When: ListedInParameter, Actions: []string{"ssm:GetParameter"}, Resources: []string{"arn:${AWS::Partition}:ssm:" + own + "parameter${" + ListParameter + "}"}},
	})
}

func listObject() Statement {
	return Statement{Sid: "ListObject", When: ListedInObject, Actions: []string{"s3:GetObject"}, Resources: []string{s3Arn + "${" + ListObject + "}"}}
}

// configuration lets an actor read the configuration, wherever it is kept.
func configuration() []Statement {
	return []Statement{
		{Sid: "Configuration", Actions: []string{"ssm:GetParameter"}, Resources: []string{parameterArn}},
		{Sid: "LongConfiguration", Actions: []string{"s3:GetObject"}, Resources: []string{documentArn}},
	}
}

// identities let an actor become who both ends want it to be.
func identities() []Statement {
	return []Statement{
		{Sid: "SourceSecret", When: SourceBySecret, Actions: []string{"secretsmanager:GetSecretValue"}, Resources: []string{"${" + SourceSecret + "}"}},
		{Sid: "SourceRole", When: SourceByAssumedRole, Actions: []string{"sts:AssumeRole"}, Resources: []string{"${srcRoleArn}"}},
		{Sid: "DestinationSecret", When: DestinationBySecret, Actions: []string{"secretsmanager:GetSecretValue"}, Resources: []string{"${" + DestinationSecret + "}"}},
		{Sid: "DestinationRole", When: DestinationByAssumedRole, Actions: []string{"sts:AssumeRole"}, Resources: []string{"${destRoleArn}"}},
	}
}

// A token for a registry takes no resource, and opens only what the other rights allow.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html
func readSource() []Statement {
	return []Statement{
		{Sid: "SourceToken", When: SourceByOwnRole, Actions: ecraws.TokenActions(), Resources: []string{"*"}},
		{Sid: "Source", When: SourceByOwnRole, Actions: SourceActions(), Resources: []string{sourceArn}},
	}
}

func readDestination() []Statement {
	return []Statement{
		{Sid: "DestinationToken", When: DestinationByOwnRole, Actions: ecraws.TokenActions(), Resources: []string{"*"}},
		{Sid: "DestinationImages", When: DestinationByOwnRole, Actions: ecraws.CompareActions(), Resources: []string{targetArn}},
	}
}

func writeDestination() []Statement {
	return []Statement{
		{Sid: "Destination", When: DestinationByOwnRole, Actions: WriteActions(), Resources: []string{targetArn}},
		{Sid: "Delete", When: DeletesByOwnRole, Actions: DeleteActions(), Resources: []string{targetArn}},
	}
}

// SourceActions are those on the repositories of a source ECR: to list them with their settings, and to pull.
func SourceActions() []string { return ecraws.ReadActions() }

// WriteActions are those on the repositories of the target ECR beside reading: to make them, and to push.
func WriteActions() []string { return ecraws.WriteActions() }

// DeleteActions are those on the repositories of the target ECR to delete images.
func DeleteActions() []string { return ecraws.DeleteActions() }
