// Package policy says what each actor of an S3 transfer may do: IAM statements built from the actions that the AWS adapters
// declare. Resources are texts with ${Name} in them, as CloudFormation's Fn::Sub takes them: names of resources and
// parameters of the template, and the computed ones of this package.
package policy

import (
	"slices"

	"github.com/datatransferhub/dth/plugins/contract/right"
	"github.com/datatransferhub/dth/worker/fleet/fleetaws"
	"github.com/datatransferhub/dth/worker/giant/giantaws"
	"github.com/datatransferhub/dth/worker/ledger/ledgeraws"
	"github.com/datatransferhub/dth/worker/logship/logshipaws"
	"github.com/datatransferhub/dth/worker/metrics"
	"github.com/datatransferhub/dth/worker/multipart/multipartaws"
	"github.com/datatransferhub/dth/worker/notice/noticeaws"
	"github.com/datatransferhub/dth/worker/preflight"
	"github.com/datatransferhub/dth/worker/queue/queueaws"
	"github.com/datatransferhub/dth/worker/run/runaws"
	"github.com/datatransferhub/dth/worker/store/storeaws"
)

// Statement is one thing that an actor may do.
type Statement = right.Statement

// When is the circumstance under which a statement is needed. The template has a condition of the same name.
type When = right.When

// The circumstances. Always is the zero value.
const (
	Always                        = right.Always
	SourceByOwnRole          When = "SourceByOwnRole"      // Amazon S3, without keys and without a role to assume
	SourceBySecret           When = "SourceBySecret"       // keys of a secret
	SourceByAssumedRole      When = "SourceByAssumedRole"  // another role
	PrefixListElsewhere      When = "PrefixListElsewhere"  // a prefix list in a bucket of its own, read by the own role
	DestinationByOwnRole     When = "DestinationByOwnRole" // as for the source
	DestinationBySecret      When = "DestinationBySecret"
	DestinationByAssumedRole When = "DestinationByAssumedRole"
	DestinationKey           When = "DestinationKey"      // a KMS key is named by id or ARN, and the own role writes
	DestinationKeyAlias      When = "DestinationKeyAlias" // a KMS key is named by its alias, and the own role writes
	Reports                  When = "Reports"             // run reports go to a bucket
	// A list is in an object that its parameter names. The template computes a text of the same name: bucket, slash and key.
	PrefixesObject When = "PrefixesObject"
	IncludeObject  When = "IncludeObject"
	ExcludeObject  When = "ExcludeObject"
	Scheduled      When = "HasSchedule" // the task has a schedule
)

// The names in resources that the template computes; all others are its resources and parameters.
const (
	DestinationKeys   = "DestinationKeys"   // pattern of the keys that the task writes
	PrefixListKey     = "PrefixListKey"     // pattern of the prefix list's key
	ReportKeys        = "ReportKeys"        // pattern of the reports' keys
	SourceSecret      = "SourceSecret"      // ARN of the secret, with wild cards for what Secrets Manager adds to a name
	DestinationSecret = "DestinationSecret" // likewise
	DestinationKeyArn = "DestinationKeyArn" // ARN of the named KMS key
	KeysOfAlias       = "KeysOfAlias"       // pattern of the ARNs of the keys that the named alias may mean
	AliasName         = "AliasName"         // of the named KMS key: alias/ and its name
	DestinationRegion = "DestinationRegion" // region of the destination
	Configuration     = "ConfigurationName" // name of the parameter that holds the configuration
	FinderEngine      = "FinderEngine"      // bucket and key of the finder's program
	WorkerEngine      = "WorkerEngine"      // bucket and key of the worker's program
	WorkersName       = "WorkersName"       // name of the group of workers
	ControllerName    = "ControllerName"    // name of the state machine that looks after large uploads
	MonitorName       = "MonitorName"       // name of the state machine that sees runs to their end
)

// The log groups of instances, by logical id.
const (
	FinderLogs = "FinderLogs"
	WorkerLogs = "WorkerLogs"
)

const (
	s3Arn      = "arn:${AWS::Partition}:s3:::"
	workersArn = "arn:${AWS::Partition}:autoscaling:${AWS::Region}:${AWS::AccountId}:autoScalingGroup:*:autoScalingGroupName/${WorkersName}"
)

func first(a, _ []string) []string  { return a }
func second(_, b []string) []string { return b }

// Finder returns the rights of the finder: it reads both ends, and writes messages, records and the object of a check.
func Finder() []Statement {
	return slices.Concat(
		[]Statement{
			{Sid: "Queue", Actions: queueaws.SenderActions(), Resources: []string{"${Queue.Arn}"}},
			{Sid: "DeadLetters", Actions: queueaws.Actions(), Resources: []string{"${DeadLetterQueue.Arn}"}},
		},
		records(), program(FinderEngine, FinderLogs), sourceIdentity(), destinationIdentity(), readSource(), prefixList(), probeDestination(),
		[]Statement{
			{
				Sid: "ReadDestination", When: DestinationByOwnRole, Resources: []string{s3Arn + "${destBucket}"},
				Actions: storeaws.ComparerRights().Bucket,
			},
			{
				Sid: "ReadDestinationObjects", When: DestinationByOwnRole, Resources: []string{s3Arn + "${destBucket}/${" + DestinationKeys + "}"},
				Actions: storeaws.ComparerRights().Objects,
			},
			{ // uploads that workers have lost, when there is no worker to do so
				Sid: "AbortLostUploads", When: DestinationByOwnRole, Resources: []string{s3Arn + "${destBucket}/${" + DestinationKeys + "}"},
				Actions: []string{"s3:AbortMultipartUpload"},
			},
			{
				Sid: "FailedPasses", Actions: []string{"cloudwatch:PutMetricData"}, Resources: []string{"*"}, // it takes no resource
				Conditions: map[string]map[string][]string{"StringEquals": {"cloudwatch:namespace": {metrics.Namespace}}},
			},
			{Sid: "LookAtWorkers", Actions: first(fleetaws.Actions()), Resources: []string{"*"}}, // it takes no resource
			{Sid: "WakeWorkers", Actions: second(fleetaws.Actions()), Resources: []string{workersArn}},
			{Sid: "Reports", When: Reports, Actions: []string{"s3:PutObject"}, Resources: []string{s3Arn + "${reportBucket}/${" + ReportKeys + "}"}},
		},
	)
}

// Worker returns the rights of a worker: it reads the source and writes below the destination's prefix alone.
func Worker() []Statement {
	return slices.Concat(
		[]Statement{
			{Sid: "Queue", Actions: queueaws.Actions(), Resources: []string{"${Queue.Arn}"}},
			{Sid: "Controller", Actions: giantaws.Actions(), Resources: []string{machinesArn + "${" + ControllerName + "}"}},
			{
				Sid: "LifeCycle", Actions: noticeaws.Actions(),
				Resources: []string{workersArn},
			},
		},
		records(), program(WorkerEngine, WorkerLogs), sourceIdentity(), destinationIdentity(), readSource(), prefixList(), writeDestination(),
	)
}

// records are the two tables. The run table holds runs and uploads.
func records() []Statement {
	return []Statement{
		{Sid: "Ledger", Actions: ledgeraws.Actions(), Resources: []string{"${Ledger.Arn}"}},
		{Sid: "LedgerFailures", Actions: []string{"dynamodb:Query"}, Resources: []string{"${Ledger.Arn}/index/Failures"}},
		{Sid: "Runs", Actions: slices.Concat(runaws.Actions(), multipartaws.Actions()), Resources: []string{"${RunTable.Arn}"}},
	}
}

// program is what an instance needs to work at all: its program, its configuration, and a log.
func program(engine, logs string) []Statement {
	return append(configuration(),
		Statement{Sid: "Program", Actions: []string{"s3:GetObject"}, Resources: []string{s3Arn + "${" + engine + "}"}},
		Statement{Sid: "Log", Actions: logshipaws.Actions(), Resources: []string{"${" + logs + ".Arn}"}},
	)
}

// sourceIdentity lets an actor become who the source wants it to be.
func sourceIdentity() []Statement {
	return []Statement{
		{Sid: "SourceSecret", When: SourceBySecret, Actions: []string{"secretsmanager:GetSecretValue"}, Resources: []string{"${" + SourceSecret + "}"}},
		{Sid: "SourceRole", When: SourceByAssumedRole, Actions: []string{"sts:AssumeRole"}, Resources: []string{"${srcRoleArn}"}},
	}
}

// destinationIdentity lets an actor become who the destination wants it to be.
func destinationIdentity() []Statement {
	return []Statement{
		{Sid: "DestinationSecret", When: DestinationBySecret, Actions: []string{"secretsmanager:GetSecretValue"}, Resources: []string{"${" + DestinationSecret + "}"}},
		{Sid: "DestinationRole", When: DestinationByAssumedRole, Actions: []string{"sts:AssumeRole"}, Resources: []string{"${destRoleArn}"}},
	}
}

func readSource() []Statement {
	return []Statement{
		{
			Sid: "ReadSource", When: SourceByOwnRole, Resources: []string{s3Arn + "${srcBucket}"},
			Actions: storeaws.ReaderRights().Bucket,
		},
		{
			Sid: "ReadSourceObjects", When: SourceByOwnRole, Resources: []string{s3Arn + "${srcBucket}/*"},
			Actions: storeaws.ReaderRights().Objects,
		},
	}
}

func prefixList() []Statement {
	return []Statement{{
		Sid: "PrefixList", When: PrefixListElsewhere, Actions: []string{"s3:GetObject"},
		Resources: []string{s3Arn + "${srcPrefixListBucket}/${" + PrefixListKey + "}"},
	}}
}

func writeDestination() []Statement {
	return append([]Statement{
		{
			Sid: "Destination", When: DestinationByOwnRole, Resources: []string{s3Arn + "${destBucket}"},
			Actions: storeaws.WriterRights().Bucket,
		},
		{
			Sid: "DestinationObjects", When: DestinationByOwnRole, Resources: []string{s3Arn + "${destBucket}/${" + DestinationKeys + "}"},
			Actions: storeaws.WriterRights().Objects,
		},
	}, useKey()...)
}

// probeDestination lets a check use each right of a worker on the one object that it writes and removes.
func probeDestination() []Statement {
	rights := storeaws.WriterRights()
	return append([]Statement{
		{
			Sid: "CheckUploads", When: DestinationByOwnRole, Resources: []string{s3Arn + "${destBucket}"}, Actions: []string{"s3:ListBucketMultipartUploads"},
		},
		{
			Sid: "CheckObject", When: DestinationByOwnRole, Resources: []string{s3Arn + "${destBucket}/*" + preflight.ProbeName}, Actions: rights.Objects,
		},
	}, useKey()...)
}

// useKey lets S3 use the key that the task names.
func useKey() []Statement {
	use := []string{"kms:GenerateDataKey", "kms:Decrypt"}
	// S3 alone uses the key for the actor. Its name ends as the partition's services do.
	// https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html#conditions-kms-via-service
	viaS3 := map[string][]string{"kms:ViaService": {"s3.${" + DestinationRegion + "}.*"}}
	return []Statement{
		{
			Sid: "DestinationKey", When: DestinationKey, Actions: use, Resources: []string{"${" + DestinationKeyArn + "}"},
			Conditions: map[string]map[string][]string{"StringLike": viaS3},
		},
		{
			Sid: "DestinationKeyAlias", When: DestinationKeyAlias, Actions: use, Resources: []string{"${" + KeysOfAlias + "}"},
			Conditions: map[string]map[string][]string{"ForAnyValue:StringEquals": {"kms:ResourceAliases": {"${" + AliasName + "}"}}, "StringLike": viaS3},
		},
	}
}
