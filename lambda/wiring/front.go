package wiring

import (
	"time"

	"github.com/datatransferhub/dth/lambda/stackops"
)

// The Lambdas in front of the hub: the API, and what brings the console to its bucket.
const (
	API        = "api"        // answers every root field of the GraphQL API
	SiteConfig = "siteconfig" // custom resource: the console's files and configuration
)

// The environment that they read beside that of the workflows.
const (
	EnvVersion        = "HUB_VERSION"
	EnvPluginVersion  = "PLUGIN_VERSION"  // of new tasks
	EnvGroupsClaim    = "GROUPS_CLAIM"    // claim that lists a person's groups
	EnvAutomationRole = "AUTOMATION_ROLE" // rules that give roles to callers by IAM; none: they have no role
	EnvCluster        = "PLUGIN_CLUSTER"  // where tasks run that do not say otherwise: the name of the ECS cluster,
	EnvVPC            = "PLUGIN_VPC"      // the VPC,
	EnvSubnets        = "PLUGIN_SUBNETS"  // its subnets, separated by commas,
	EnvPublic         = "PLUGIN_PUBLIC"   // and true when they lead to the internet by public addresses alone
)

// FrontLambdas are the Lambdas in front of the hub.
func FrontLambdas() []Lambda {
	return []Lambda{
		{
			// AppSync waits for thirty seconds.
			"ApiFunction", API, "Answers the API of a Data Transfer Hub", 512, 30 * time.Second,
			[]string{EnvHub, EnvVersion, EnvTasks, EnvAudit, EnvPluginVersion, EnvStackWorkflow, EnvGroupsClaim, EnvAutomationRole, EnvCluster, EnvVPC, EnvSubnets, EnvPublic},
		},
		{"SiteConfigFunction", SiteConfig, "Brings the console to its bucket", 512, 9 * time.Minute, nil},
	}
}

// The properties of Custom::DthSite, which brings the console's files and its configuration into a bucket.
const (
	PropBucket          = "Bucket"          // of the console
	PropDistribution    = "Distribution"    // id of the one whose copies are invalidated
	PropReleases        = "ReleasesBucket"  // that `dth publish` filled in this region
	PropVersion         = "Version"         // of the console
	PropDocument        = "Configuration"   // object that becomes ConfigKey
	PropHeaders         = "HeadersPolicy"   // id of the response headers policy whose content security policy is set; "": none is
	PropContentSecurity = "ContentSecurity" // the content security policy
)

// ConfigKey is the key of the console's configuration.
const ConfigKey = "config.json"

// ContentSecurity is the console's content security policy, on one machine as in the cloud, where the origins that it connects to
// follow: own files alone, no inline script or style, no frames, no plugins.
const ContentSecurity = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; manifest-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; connect-src 'self'"

// TagTask is the tag of stacks of tasks, and so of what CloudFormation makes in them; its values begin with TaskIDs.
const (
	TagTask = stackops.TagTask
	TaskIDs = "t-"
)
