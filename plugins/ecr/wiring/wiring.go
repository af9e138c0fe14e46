// Package wiring is what the template and the programs of the ECR plugin agree on: for each Lambda its name, its size, the
// environment that it reads and the properties of its custom resource; likewise for the copier's container.
package wiring

import "time"

// The Lambdas by name: the folder of the handler below lambda/, and of its binary below dist/lambda/.
const (
	ImagePlan    = "imageplan"    // plans a run and closes it
	ImageConfig  = "imageconfig"  // checks the parameters and writes the configuration document
	ImageControl = "imagecontrol" // steers the task, and begins its first run
	ImageGuard   = "imageguard"   // tidies up before the stack is deleted
)

// The environment that Lambdas read.
const (
	EnvStack         = "STACK_NAME"
	EnvStackID       = "STACK_ID"
	EnvConfiguration = "CONFIGURATION" // name of the SSM parameter that holds the configuration document
	EnvRuns          = "RUN_TABLE"     // name
	EnvRecords       = "RECORD_TABLE"  // name
	EnvBucket        = "WORK_BUCKET"   // name of the bucket of work lists
	EnvMachine       = "STATE_MACHINE" // ARN of the state machine of runs
	EnvSchedule      = "SCHEDULE_RULE" // name of the schedule's rule; empty when the task has none
	EnvPush          = "PUSH_RULE"     // name of the rule that follows pushes; empty when the task does not
	EnvVersion       = "DTH_VERSION"   // of the template
)

// The environment of the copier's container. The first four come from the state machine, the others from the task definition.
const (
	EnvRun       = "DTH_RUN"       // id of the run
	EnvBatch     = "DTH_BATCH"     // key of the batch in the bucket of work lists
	EnvExecution = "DTH_EXECUTION" // ARN of the execution that copies the batch
	EnvAttempt   = "DTH_ATTEMPT"   // how often the batch was tried before
	EnvConfig    = "DTH_CONFIG"    // reference of the configuration document: ssm:NAME
	EnvScratch   = "DTH_SCRATCH"   // folder that the copier may write to
)

// The copier's container.
const (
	Container = "copier"
	Scratch   = "/scratch" // its one writable folder
	UserID    = 65532      // that the program runs as, and its group
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

// Lambdas are all Lambdas of the plugin.
func Lambdas() []Lambda {
	return []Lambda{
		{
			// Plans of 100,000 images are kept in memory; memory buys the CPU that reads manifests in parallel.
			"PlanFunction", ImagePlan, "Plans and closes the runs of a Data Transfer Hub task", 1024, 15 * time.Minute,
			[]string{EnvStack, EnvStackID, EnvConfiguration, EnvRuns, EnvRecords, EnvBucket, EnvMachine, EnvVersion},
		},
		{"ConfigFunction", ImageConfig, "Checks the parameters and writes the configuration", 128, time.Minute, nil},
		{
			"SteerFunction", ImageControl, "Steers a Data Transfer Hub task: pause, resume, run, retry, check, plan, answer", 128, time.Minute,
			[]string{EnvStack, EnvRuns, EnvMachine, EnvSchedule, EnvPush},
		},
		{"GuardFunction", ImageGuard, "Tidies up before the stack is deleted", 128, 10 * time.Minute, nil},
	}
}

// The properties of custom resources.
const (
	// Custom::ImageConfig writes Document to the SSM parameter Name, or to an object of the bucket Bucket that the parameter
	// then names. Image is the copier's container image; an empty one is refused.
	PropName     = "Name"
	PropBucket   = "Bucket"
	PropDocument = "Document"
	PropImage    = "Image"

	// Custom::FirstRun begins the first run when it is created; of a paused task it notes the pause instead.
	PropPaused = "Paused" // true or false

	// Custom::ImageGuard does nothing until it is deleted; then it stops the executions of Machine and empties Bucket.
	PropMachine = "Machine" // ARN
)

// Outputs of the template that the hub reads. Their names stay.
const (
	OutputRuns    = "RunTableName"
	OutputRecords = "RecordTableName"
	OutputControl = "ControlFunction"
)

// EventSource tells of runs on the default event bus, with the detail types of the S3 plugin.
const EventSource = "datatransferhub.ecr"

// The detail types.
const (
	RunStarted  = "RunStarted"
	RunProgress = "RunProgress"
	RunClosed   = "RunClosed"
)
