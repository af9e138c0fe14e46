package policy

import (
	"slices"

	"github.com/datatransferhub/dth/plugins/contract/configaws"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
	"github.com/datatransferhub/dth/worker/fleet/fleetaws"
	"github.com/datatransferhub/dth/worker/multipart/multipartaws"
	"github.com/datatransferhub/dth/worker/queue/queueaws"
	"github.com/datatransferhub/dth/worker/run/runaws"
)

// The texts that begin the ARNs of this stack's region and account.
const (
	ec2Arn       = "arn:${AWS::Partition}:ec2:${AWS::Region}:${AWS::AccountId}:"
	parameterArn = "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter${" + Configuration + "}"
	// The object of a configuration that is too long for its parameter. A configuration's name begins with a slash.
	documentArn   = s3Arn + "${ConfigurationBucket}${" + Configuration + "}.json"
	machinesArn   = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:"
	executionsArn = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:execution:"
)

// Lambda returns the rights of a Lambda beside its log, by its name in package wiring.
func Lambda(name string) []Statement {
	switch name {
	case wiring.FinderLaunch:
		return launch()
	case wiring.TaskConfig:
		return taskConfig()
	case wiring.StackGuard:
		return guard()
	case wiring.S3Events:
		return slices.Concat(configuration(), sourceIdentity(), []Statement{{
			Sid: "Notifications", When: SourceByOwnRole, Resources: []string{s3Arn + "${srcBucket}"},
			Actions: []string{"s3:GetBucketNotification", "s3:PutBucketNotification"},
		}})
	case wiring.Multipart:
		return []Statement{
			{Sid: "Queue", Actions: queueaws.SenderActions(), Resources: []string{"${Queue.Arn}"}},
			{Sid: "Uploads", Actions: multipartaws.Actions(), Resources: []string{"${RunTable.Arn}"}},
		}
	case wiring.Monitor:
		return []Statement{
			{Sid: "Queue", Actions: []string{"sqs:GetQueueAttributes"}, Resources: []string{"${Queue.Arn}"}},
			{Sid: "Runs", Actions: slices.Concat(runaws.Actions(), multipartaws.Actions()), Resources: []string{"${RunTable.Arn}"}},
			bus(),
			{Sid: "Finder", Actions: []string{"lambda:InvokeFunction"}, Resources: []string{"${FinderLaunchFunction.Arn}"}},
		}
	case wiring.Control:
		return steer()
	}
	return nil
}

// steer lets the Lambda switch the task's schedule and set the limits of its workers, read what failed and queue it again, and
// have finders started.
func steer() []Statement {
	return slices.Concat(configuration(), []Statement{
		{Sid: "Queue", Actions: queueaws.SenderActions(), Resources: []string{"${Queue.Arn}"}},
		{Sid: "Ledger", Actions: []string{"dynamodb:BatchGetItem"}, Resources: []string{"${Ledger.Arn}"}},
		{Sid: "LedgerFailures", Actions: []string{"dynamodb:Query"}, Resources: []string{"${Ledger.Arn}/index/Failures"}},
		{Sid: "Runs", Actions: runaws.Actions(), Resources: []string{"${RunTable.Arn}"}},
		bus(),
		{Sid: "Finder", Actions: []string{"lambda:InvokeFunction"}, Resources: []string{"${FinderLaunchFunction.Arn}"}},
		{Sid: "LookAtWorkers", Actions: first(fleetaws.Actions()), Resources: []string{"*"}}, // it takes no resource
		{Sid: "Workers", Actions: append(second(fleetaws.Actions()), "autoscaling:UpdateAutoScalingGroup"), Resources: []string{workersArn}},
		{Sid: "Scaling", Actions: []string{"cloudwatch:EnableAlarmActions", "cloudwatch:DisableAlarmActions"}, Resources: []string{"${Backlog.Arn}", "${Idle.Arn}"}},
		{Sid: "Schedule", When: Scheduled, Actions: []string{"events:EnableRule", "events:DisableRule"}, Resources: []string{"${Schedule.Arn}"}},
	})
}

// Machine returns the rights of a state machine beside its log and traces: it calls its Lambda, by logical id, and goes on in
// another execution of itself, by its computed name.
func Machine(lambda, self string) []Statement {
	return []Statement{
		{Sid: "Look", Actions: []string{"lambda:InvokeFunction"}, Resources: []string{"${" + lambda + ".Arn}"}},
		{Sid: "HandOver", Actions: []string{"states:StartExecution"}, Resources: []string{machinesArn + "${" + self + "}"}},
	}
}

// taskConfig lets the Lambda keep the configuration, and read the lists that parameters name.
func taskConfig() []Statement {
	return []Statement{
		{Sid: "Configuration", Actions: []string{"ssm:GetParameter", "ssm:PutParameter", "ssm:DeleteParameter"}, Resources: []string{parameterArn}},
		{Sid: "LongConfiguration", Actions: []string{"s3:GetObject", "s3:PutObject", "s3:DeleteObject"}, Resources: []string{documentArn}},
		{Sid: "PrefixesObject", When: PrefixesObject, Actions: []string{"s3:GetObject"}, Resources: []string{s3Arn + "${" + string(PrefixesObject) + "}"}},
		{Sid: "IncludeObject", When: IncludeObject, Actions: []string{"s3:GetObject"}, Resources: []string{s3Arn + "${" + string(IncludeObject) + "}"}},
		{Sid: "ExcludeObject", When: ExcludeObject, Actions: []string{"s3:GetObject"}, Resources: []string{s3Arn + "${" + string(ExcludeObject) + "}"}},
	}
}

// configuration lets an actor read the configuration, wherever it is kept.
func configuration() []Statement {
	parameter, object := configaws.Actions()
	return []Statement{
		{Sid: "Configuration", Actions: parameter, Resources: []string{parameterArn}},
		{Sid: "LongConfiguration", Actions: object, Resources: []string{documentArn}},
	}
}

// launch lets the Lambda start instances from the finder's launch template and from no other, and end those of this stack.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
func launch() []Statement {
	template := map[string]map[string][]string{"ArnEquals": {"ec2:LaunchTemplate": {ec2Arn + "launch-template/${FinderTemplate}"}}}
	return []Statement{
		{Sid: "Lease", Actions: runaws.Actions(), Resources: []string{"${RunTable.Arn}"}},
		bus(),
		{
			Sid: "Run", Actions: []string{"ec2:RunInstances"}, Conditions: template,
			Resources: []string{
				ec2Arn + "instance/*", ec2Arn + "volume/*", ec2Arn + "network-interface/*",
				"arn:${AWS::Partition}:ec2:${AWS::Region}:*:subnet/*", // that of a shared VPC belongs to another account
				ec2Arn + "security-group/${SecurityGroup.GroupId}", ec2Arn + "launch-template/${FinderTemplate}",
				"arn:${AWS::Partition}:ec2:${AWS::Region}::image/*",
			},
		},
		{
			Sid: "Tag", Actions: []string{"ec2:CreateTags"}, Resources: []string{ec2Arn + "instance/*", ec2Arn + "volume/*"},
			Conditions: map[string]map[string][]string{"StringEquals": {"ec2:CreateAction": {"RunInstances"}}},
		},
		{
			Sid: "Role", Actions: []string{"iam:PassRole"}, Resources: []string{"${FinderRole.Arn}"},
			Conditions: map[string]map[string][]string{"StringLike": {"iam:PassedToService": {"ec2.amazonaws.com*"}}},
		},
		look(), terminate(),
	}
}

// bus lets an actor tell of the task's life on the default event bus.
func bus() Statement {
	return Statement{
		Sid: "Events", Actions: []string{"events:PutEvents"}, Resources: []string{"arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/default"},
		Conditions: map[string]map[string][]string{"StringEquals": {"events:source": {wiring.EventSource}}},
	}
}

// look finds the task's instances. The call cannot be narrowed to a resource.
func look() Statement {
	return Statement{Sid: "Find", Actions: []string{"ec2:DescribeInstances"}, Resources: []string{"*"}}
}

func terminate() Statement {
	return Statement{
		Sid: "Terminate", Actions: []string{"ec2:TerminateInstances"}, Resources: []string{ec2Arn + "instance/*"},
		Conditions: map[string]map[string][]string{"StringEquals": {"ec2:ResourceTag/" + wiring.TagStack: {"${AWS::StackName}"}}},
	}
}

// guard lets the Lambda stop what works for the task, and abort the uploads that are left.
func guard() []Statement {
	var machines, executions []string
	for _, name := range []string{ControllerName, MonitorName} {
		machines = append(machines, machinesArn+"${"+name+"}")
		executions = append(executions, executionsArn+"${"+name+"}:*")
	}
	return slices.Concat(configuration(), destinationIdentity(), []Statement{
		look(), terminate(),
		{Sid: "Executions", Actions: []string{"states:ListExecutions"}, Resources: machines},
		{Sid: "Stop", Actions: []string{"states:StopExecution"}, Resources: executions},
		{Sid: "Uploads", Actions: multipartaws.Actions(), Resources: []string{"${RunTable.Arn}"}},
		{Sid: "Destination", When: DestinationByOwnRole, Actions: []string{"s3:ListBucketMultipartUploads"}, Resources: []string{s3Arn + "${destBucket}"}},
		{Sid: "DestinationObjects", When: DestinationByOwnRole, Actions: []string{"s3:AbortMultipartUpload"}, Resources: []string{s3Arn + "${destBucket}/${" + DestinationKeys + "}"}},
	})
}
