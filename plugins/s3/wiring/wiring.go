// Package wiring is what the template and the Lambdas of the S3 plugin agree on: for each Lambda its name, its size, the
// environment that it reads and the properties of its custom resource.
package wiring

import "time"

// The Lambdas by name: the folder of the handler below lambda/, and of its binary below dist/lambda/.
const (
	FinderLaunch = "finderlaunch" // starts the finder's instance; at the stack's creation, too
	TaskConfig   = "taskconfig"   // checks the parameters and writes the configuration document
	StackGuard   = "stackguard"   // tidies up before the stack is deleted
	S3Events     = "s3events"     // subscribes the queue to the source bucket
	Multipart    = "multipart"    // one look of the controller at all open uploads
	Monitor      = "monitor"      // one look of the monitor at the runs
	Control      = "control"      // steers the task
)

// The environment that Lambdas read.
const (
	EnvStack          = "STACK_NAME"
	EnvStackID        = "STACK_ID"
	EnvConfiguration  = "CONFIGURATION"   // name of the SSM parameter that holds the configuration document
	EnvQueue          = "QUEUE_URL"       // the task's queue
	EnvRuns           = "RUN_TABLE"       // name
	EnvLaunchTemplate = "LAUNCH_TEMPLATE" // id of the finder's
	EnvVersion        = "LAUNCH_VERSION"  // number of the finder's launch template
	EnvSubnets        = "SUBNETS"         // ids, separated by commas
	EnvSecurityGroup  = "SECURITY_GROUP"  // of the instances
	EnvPublicAddress  = "PUBLIC_ADDRESS"  // true or false
	EnvFinderLaunch   = "LAUNCH_FUNCTION" // name of the function that starts finders
	EnvLedger         = "LEDGER_TABLE"    // name
	EnvWorkers        = "WORKERS_GROUP"   // name of the Auto Scaling group
	EnvSchedule       = "SCHEDULE_RULE"   // name of the schedule's rule; empty when the task has none
	EnvAlarms         = "SCALING_ALARMS"  // names of the alarms that change the group's size, separated by commas
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
			"FinderLaunchFunction", FinderLaunch, "Starts the finder of a Data Transfer Hub task", 128, time.Minute,
			[]string{EnvStack, EnvStackID, EnvRuns, EnvLaunchTemplate, EnvVersion, EnvSubnets, EnvSecurityGroup, EnvPublicAddress},
		},
		{"TaskConfigFunction", TaskConfig, "Checks the parameters and writes the configuration", 128, time.Minute, nil},
		{"StackGuardFunction", StackGuard, "Tidies up before the stack is deleted", 256, 10 * time.Minute, []string{EnvStack, EnvConfiguration, EnvRuns}},
		{"S3EventsFunction", S3Events, "Subscribes the queue to the source bucket", 128, 2 * time.Minute, []string{EnvStack, EnvConfiguration}},
		{"MultipartFunction", Multipart, "Looks after open uploads", 256, 5 * time.Minute, []string{EnvStack, EnvQueue, EnvRuns}},
		{"MonitorFunction", Monitor, "Waits for runs to drain and has them closed", 256, 5 * time.Minute, []string{EnvStack, EnvStackID, EnvQueue, EnvRuns, EnvFinderLaunch}},
		{
			"SteerFunction", Control, "Steers a Data Transfer Hub task: pause, resume, run, retry, check, plan, answer", 256, 15 * time.Minute,
			[]string{EnvStack, EnvStackID, EnvConfiguration, EnvQueue, EnvRuns, EnvLedger, EnvFinderLaunch, EnvWorkers, EnvSchedule, EnvAlarms},
		},
	}
}

// The properties of custom resources.
const (
	// Custom::TaskConfig writes Document to the SSM parameter Name, or to an object of the bucket Bucket that the parameter
	// then names. Its attribute Digest is the SHA-256 of
	// what workers know of it; the others are what CloudFormation cannot compute of the parameters. It refuses updates of
	// parameters that a task keeps.
	AttrDigest          = "Digest"
	AttrDestinationKeys = "DestinationKeys" // IAM pattern of the keys that the task writes
	AttrPrefixListKey   = "PrefixListKey"   // IAM pattern of the prefix list's key
	AttrReportKeys      = "ReportKeys"      // IAM pattern of the reports' keys
	AttrOnDemandPercent = "OnDemandPercent" // what spotPercent leaves of 100
	PropName            = "Name"
	PropDocument        = "Document" // the configuration document as an object

	// Custom::FirstPass starts the first finder when it is created; when the task is paused it notes that instead.
	PropPaused = "Paused" // true or false
	PropSignal = "Signal" // URL of the wait condition's handle, which otherwise the finder signals

	// Custom::S3Events subscribes a queue to the events of a bucket.
	PropBucket   = "Bucket"
	PropPrefix   = "Prefix" // that keys begin with; empty: all keys
	PropQueueARN = "QueueArn"
	PropEvents   = "Events"         // Create or CreateAndDelete
	PropID       = "NotificationId" // of the entry in the bucket's configuration

	// Custom::StackGuard does nothing until it is deleted.
	PropMachines = "Machines" // ARNs of the state machines
	PropTag      = "Tag"      // tag of the task's instances; its value is the stack's name
)

// Outputs of the template that the hub reads. Their names stay.
const (
	OutputRuns        = "RunTableName" // table of runs and uploads
	OutputQueue       = "QueueUrl"
	OutputDeadLetters = "DeadLetterQueueUrl"
	OutputWorkers     = "WorkersName" // Auto Scaling group
)

// The log groups of a task are LogRoot, the name of its stack, a slash and the name of a Lambda or one of these.
const (
	LogRoot   = "/datatransferhub/"
	LogFinder = "finder"
	LogWorker = "worker"
)

// Tags of instances. Those of the finder say what it was started for, and are read from the instance's metadata.
const (
	TagStack = "DataTransferHubStack" // name of the stack
	TagMode  = "DthMode"              // pass, close, plan or check
	TagRun   = "DthRun"               // id of the run; of mode close it may be next
	// TagRequest is the id under which a plan or check is answered in the run table.
	TagRequest = "DthRequest"
)

// DailyMonitor begins the names of those executions of the monitor that no finder has started, but the day.
const DailyMonitor = "daily-"

// Events on the default event bus.
const (
	EventSource   = "datatransferhub.s3"
	FinderStarted = "FinderStarted" // a rule of the stack starts the monitor; detail: stackName, stackId, mode
	RunStarted    = "RunStarted"
	RunProgress   = "RunProgress"
	RunClosed     = "RunClosed"
)
