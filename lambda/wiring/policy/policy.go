// Package policy says what each Lambda and each state machine of the hub's workflows may do: IAM statements built from the
// actions that the AWS adapters declare. Resources are texts with ${Name} in them, as CloudFormation's Fn::Sub takes them:
// names of resources and parameters of the hub's template, and the computed ones of this package.
package policy

import (
	"slices"

	"github.com/datatransferhub/dth/lambda/wiring"
)

// Statement is one thing that an actor may do.
type Statement struct {
	Sid       string
	Actions   []string
	Resources []string
	// Conditions: operator, key, values; values are texts like resources.
	Conditions map[string]map[string][]string
}

// The names in resources that are no pseudo parameters: logical ids and parameters of the hub's template, and what it
// computes.
const (
	TaskTable         = "TaskTable"          // table of tasks
	AuditTable        = "AuditTable"         // table of who did what
	Topic             = "Topic"              // central topic
	TopicKey          = "TopicKey"           // key that encrypts it
	ServiceRole       = "ServiceRole"        // role that CloudFormation acts as
	AssetsPrefix      = "AssetsBucketPrefix" // parameter
	StackWorkflowName = "StackWorkflowName"  // computed: name of the state machine
)

const (
	stackArn    = "arn:${AWS::Partition}:cloudformation:${AWS::Region}:${AWS::AccountId}:stack/DTH-t-*"
	machinesArn = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:"
	runsArn     = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:execution:"
	assetsArn   = "arn:${AWS::Partition}:s3:::${" + AssetsPrefix + "}-${AWS::Region}/data-transfer-hub/*"
	templateURL = "https://${" + AssetsPrefix + "}-${AWS::Region}.s3.${AWS::Region}.${AWS::URLSuffix}/data-transfer-hub/*"
)

// Lambda returns the rights of a Lambda beside its log, by its name in package wiring.
func Lambda(name string) []Statement {
	switch name {
	case wiring.StackOps:
		return slices.Concat(tasks(), tell(), changeStacks(), lookAtStacks(), steerStacks())
	case wiring.Mirror:
		return slices.Concat(tasks(), tell())
	case wiring.Reconcile:
		return slices.Concat(tasks(), tell(), lookAtStacks(), BeginOperations(), lookAtWorkflows(), readRuns(), steerStacks())
	}
	return nil
}
