// Package wiring is what the template and the Lambdas of the S3 plugin agree on: for each Lambda its name, its size, the
// environment that it reads and the properties of its custom resource.
package wiring

import "time"

// The Lambdas by name: the folder of the handler below lambda/, and of its binary below dist/lambda/.
const (
	FinderLaunch = "finderlaunch" // starts the finder's instance
	TaskConfig   = "taskconfig"   // checks the parameters and writes the configuration document
	StackGuard   = "stackguard"   // tidies up before the stack is deleted
	S3Events     = "s3events"     // subscribes the queue to the source bucket
	Multipart    = "multipart"    // one look of the controller at all open uploads
	Monitor      = "monitor"      // one look of the monitor at the runs
)

// The environment that Lambdas read.
const (
	EnvStack          = "STACK_NAME"
	EnvStackID        = "STACK_ID"
	EnvConfiguration  = "CONFIGURATION"   // name of the SSM parameter that holds the configuration document
	EnvQueue          = "QUEUE_URL"       // the task's queue
	EnvLedger         = "LEDGER_TABLE"    // name
	EnvRuns           = "RUN_TABLE"       // name
	EnvLaunchTemplate = "LAUNCH_TEMPLATE" // id of the finder's
	EnvSubnets        = "SUBNETS"         // ids, separated by commas
	EnvSecurityGroup  = "SECURITY_GROUP"  // of the instances
	EnvPublicAddress  = "PUBLIC_ADDRESS"  // true or false
	EnvMonitor        = "MONITOR"         // ARN of the monitor's state machine
	EnvFinderLaunch   = "FINDER_LAUNCH"   // name of the Lambda that starts finders
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
		{"FinderLaunch", FinderLaunch, "Starts the finder's instance", 128, time.Minute, []string{EnvStack, EnvStackID, EnvRuns, EnvLaunchTemplate, EnvSubnets, EnvSecurityGroup, EnvPublicAddress, EnvMonitor}},
		{"TaskConfig", TaskConfig, "Checks the parameters and writes the configuration", 128, time.Minute, []string{EnvConfiguration}},
		{"StackGuard", StackGuard, "Tidies up before the stack is deleted", 256, 15 * time.Minute, []string{EnvStack, EnvConfiguration, EnvRuns}},
		{"S3Events", S3Events, "Subscribes the queue to the source bucket", 128, 2 * time.Minute, []string{EnvStack, EnvConfiguration}},
		{"Multipart", Multipart, "Looks after open uploads", 256, 5 * time.Minute, []string{EnvStack, EnvQueue, EnvRuns}},
		{"Monitor", Monitor, "Closes runs", 256, 5 * time.Minute, []string{EnvStack, EnvStackID, EnvQueue, EnvRuns, EnvFinderLaunch}},
	}
}
