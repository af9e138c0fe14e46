// Package wiring is what the hub's template and its Lambdas agree on: for each Lambda its name, its size and the environment
// that it reads, the state machines, and the events and schedules that start what.
package wiring

import (
	"time"

	"github.com/datatransferhub/dth/lambda/mirror"
	"github.com/datatransferhub/dth/lambda/stackops/workflow"
)

// The Lambdas by name: the folder of the handler below lambda/, and of its binary below dist/lambda/.
const (
	StackOps  = "stackops"  // the steps of the workflow that makes, changes and deletes the stacks of tasks
	Mirror    = "mirror"    // brings the events of runs into the records of tasks
	Reconcile = "reconcile" // compares tasks, stacks and workflows
)

// The environment that Lambdas read.
const (
	EnvHub           = "HUB_NAME"             // name of the hub's stack
	EnvTasks         = "TASK_TABLE"           // name
	EnvAudit         = "AUDIT_TABLE"          // name
	EnvTopic         = "TOPIC_ARN"            // of the central topic; empty: nobody is told
	EnvAssets        = "ASSETS_BUCKET_PREFIX" // PREFIX of the buckets PREFIX-REGION that hold the templates
	EnvServiceRole   = "SERVICE_ROLE_ARN"     // that CloudFormation acts as
	EnvBoundary      = "TASK_BOUNDARY_ARN"    // policy that bounds the roles of tasks' stacks; empty: none
	EnvStackWorkflow = "STACK_WORKFLOW_ARN"   // state machine
)

// Lambda is one of them.
type Lambda struct {
	ID          string // logical id
	Name        string
	Description string
	Memory      int // MiB
	Timeout     time.Duration
	Environment []string
}

// Lambdas are those of the workflows.
func Lambdas() []Lambda {
	return []Lambda{
		{
			"StackOpsFunction", StackOps, "Makes, changes and deletes the stacks of tasks", 256, 2 * time.Minute,
			[]string{EnvHub, EnvTasks, EnvAudit, EnvTopic, EnvAssets, EnvServiceRole, EnvBoundary},
		},
		{"MirrorFunction", Mirror, "Brings the news of runs into the records of tasks", 256, time.Minute, []string{EnvHub, EnvTasks, EnvAudit, EnvTopic}},
		{
			"ReconcileFunction", Reconcile, "Compares tasks with their stacks and runs", 256, 9 * time.Minute,
			[]string{EnvHub, EnvTasks, EnvAudit, EnvTopic, EnvStackWorkflow},
		},
	}
}

// Machine is a state machine that calls one Lambda.
type Machine struct {
	ID          string // logical id
	Name        string // of its log group, and behind the hub's own in its name
	Description string
	Lambda      string // by name
	Definition  string // see package workflow
	// Continues says that its executions start others of the same machine.
	Continues bool
}

// The state machines by logical id.
const (
	StackWorkflow = "StackWorkflow"
	Reconciler    = "Reconciler"
)

// Machines are the hub's state machines.
func Machines() []Machine {
	return []Machine{
		{StackWorkflow, "stacks", "Makes, changes and deletes the stacks of tasks", StackOps, workflow.Stack(), true},
		{Reconciler, "reconciler", "Compares tasks with their stacks and runs", Reconcile, workflow.Reconcile(), false},
	}
}

// ReconcileEvery is how often a schedule starts the reconciler, with {} as its input.
const ReconcileEvery = 15 * time.Minute

// RunEvents returns the pattern of the events on the default bus for which the mirror is invoked. Events that it cannot take
// are to be delivered again for a day, and kept in a queue of dead letters then.
func RunEvents() map[string]any {
	return map[string]any{"source": all(mirror.Sources()), "detail-type": all(mirror.Kinds())}
}

func all(texts []string) []any {
	list := make([]any, len(texts))
	for i, t := range texts {
		list[i] = t
	}
	return list
}
