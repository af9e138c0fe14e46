package policy

import (
	"slices"

	"github.com/datatransferhub/dth/lambda/notify/notifyaws"
	"github.com/datatransferhub/dth/lambda/stackops/stackopsaws"
	"github.com/datatransferhub/dth/lambda/stackops/startaws"
	"github.com/datatransferhub/dth/lambda/task/engineaws"
	"github.com/datatransferhub/dth/lambda/task/taskaws"
	"github.com/datatransferhub/dth/worker/run/runaws"
)

// Machine returns the rights of a state machine beside its log and traces: it calls its Lambda, by logical id, and, where its
// executions continue, goes on in another execution of itself, by its computed name.
func Machine(lambda, self string, continues bool) []Statement {
	rights := []Statement{{Sid: "Step", Actions: []string{"lambda:InvokeFunction"}, Resources: []string{"${" + lambda + ".Arn}"}}}
	if continues {
		rights = append(rights, Statement{Sid: "HandOver", Actions: []string{"states:StartExecution"}, Resources: []string{machinesArn + "${" + self + "}"}})
	}
	return rights
}

// BeginOperations lets an actor begin operations on the stacks of tasks.
func BeginOperations() []Statement {
	begin, _ := startaws.Actions()
	return []Statement{{Sid: "BeginOperations", Actions: begin, Resources: []string{machinesArn + "${" + StackWorkflowName + "}"}}}
}

func lookAtWorkflows() []Statement {
	_, look := startaws.Actions()
	return []Statement{{Sid: "LookAtOperations", Actions: look, Resources: []string{runsArn + "${" + StackWorkflowName + "}:*"}}}
}

// changeStacks lets an actor change the stacks of tasks: as the service role alone, and from released templates alone.
// CloudFormation reads the template on the caller's behalf.
// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscloudformation.html
func changeStacks() []Statement {
	role := map[string][]string{"cloudformation:RoleArn": {"${" + ServiceRole + ".Arn}"}}
	return []Statement{
		{
			Sid: "MakeStacks", Actions: stackopsaws.MakeActions(), Resources: []string{stackArn},
			Conditions: map[string]map[string][]string{"ArnEquals": role, "StringLike": {"cloudformation:TemplateUrl": {templateURL}}},
		},
		{Sid: "DeleteStacks", Actions: stackopsaws.DeleteActions(), Resources: []string{stackArn}},
		{Sid: "Templates", Actions: []string{"s3:GetObject"}, Resources: []string{assetsArn}},
		{
			Sid: "ServiceRole", Actions: []string{"iam:PassRole"}, Resources: []string{"${" + ServiceRole + ".Arn}"},
			Conditions: map[string]map[string][]string{"StringEquals": {"iam:PassedToService": {"cloudformation.amazonaws.com"}}},
		},
	}
}

// steerStacks lets an actor ask the stacks of tasks. CloudFormation begins the names of their functions with those of the
// stacks.
func steerStacks() []Statement {
	functions, _, _ := engineaws.Actions()
	return []Statement{{Sid: "Control", Actions: functions, Resources: []string{"arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:DTH-t-*"}}}
}

func lookAtStacks() []Statement {
	return []Statement{{Sid: "LookAtStacks", Actions: stackopsaws.LookActions(), Resources: []string{stackArn}}}
}

// tasks lets an actor read and write the records of tasks and their audit.
func tasks() []Statement {
	return []Statement{
		{
			Sid: "Tasks", Actions: slices.Concat(taskaws.ReadActions(), taskaws.WriteActions()), Resources: []string{"${" + TaskTable + ".Arn}", "${" + AuditTable + ".Arn}"},
		},
		{Sid: "TaskLists", Actions: []string{"dynamodb:Query"}, Resources: []string{"${" + TaskTable + ".Arn}/index/*"}},
	}
}

// tell lets an actor send to the central topic, whose key it uses through the topic alone.
func tell() []Statement {
	return []Statement{
		{Sid: "Tell", Actions: notifyaws.Actions(), Resources: []string{"${" + Topic + "}"}},
		{Sid: "TellEncrypted", Actions: []string{"kms:GenerateDataKey", "kms:Decrypt"}, Resources: []string{"${" + TopicKey + ".Arn}"}},
	}
}

// readRuns lets an actor read the records of runs in the stacks of tasks. CloudFormation begins the names of their tables with
// those of the stacks.
func readRuns() []Statement {
	return []Statement{{
		Sid: "Runs", Actions: runaws.ReaderActions(), Resources: []string{"arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/DTH-t-*"},
	}}
}
