// Package ecr is the parameter contract of the ECR plugin: what a task that keeps container images in step can be told, once, as
// data.
package ecr

import "github.com/datatransferhub/dth/plugins/contract"

// The groups, in the order in which forms and tables show them.
const (
	GroupSource       = "Source"
	GroupDestination  = "Destination"
	GroupWhat         = "What"
	GroupSchedule     = "Schedule"
	GroupFleet        = "Fleet"
	GroupNotification = "Notification"
	GroupHousekeeping = "Housekeeping"
)

const (
	rolePattern    = `^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$`
	roleRule       = "the ARN of a role"
	secretPattern  = `^[A-Za-z0-9/_+=.@:-]+$`
	secretRule     = "a secret's name or ARN"
	accountPattern = `^[0-9]{12}$`
	accountRule    = "12 digits"
	regionPattern  = `^[a-z]{2,5}(-[a-z0-9]+)+-[0-9]{1,2}$`
	regionRule     = "a region, such as eu-west-1"
	subnetPattern  = `^subnet-[0-9a-f]{8,17}$`
	externalIDRule = "up to 1224 letters, digits and =,.@:/-"
)

// ParameterStartPaused says that a stack is made, or changed, as that of a paused task.
const ParameterStartPaused = "startPaused"

// Contract returns the whole contract.
func Contract() *contract.Contract {
	var all []contract.Parameter
	for _, group := range [][]contract.Parameter{source(), destination(), what(), schedule(), fleet(), notification(), housekeeping()} {
		all = append(all, group...)
	}
	return &contract.Contract{Plugin: "ECR", Parameters: all, Rules: rules()}
}

func in(group string, all ...contract.Parameter) []contract.Parameter {
	for i := range all {
		all[i].Group = group
		if all[i].OnUpdate == "" {
			all[i].OnUpdate = contract.Nothing
		}
	}
	return all
}

func source() []contract.Parameter {
	ecr := []contract.Condition{{Parameter: "sourceType", In: []string{"Amazon_ECR"}}}
	selected := []contract.Condition{{Parameter: "srcList", In: []string{"SELECTED"}}}
	return in(
		GroupSource,
		contract.Parameter{Name: "sourceType", Label: "Kind", Help: "Amazon ECR, or any OCI registry, with or without sign-in.", Type: contract.Choice, Default: "Amazon_ECR", Allowed: []string{"Amazon_ECR", "Public"}, OnUpdate: contract.Replaced},
		contract.Parameter{Name: "srcRegion", Label: "Region", Help: "Region of the source ECR. Empty means that of the stack.", Type: contract.String, Pattern: regionPattern, Rule: regionRule, When: ecr, OnUpdate: contract.Replaced},
		contract.Parameter{Name: "srcAccountId", Label: "Account", Help: "Account of the source ECR. Empty means this one, or that of the credentials.", Type: contract.String, Pattern: accountPattern, Rule: accountRule, When: ecr, OnUpdate: contract.Replaced},
		contract.Parameter{Name: "srcList", Label: "Images", Help: "All images, or those of a list. A registry that is no ECR needs a list.", Type: contract.Choice, Default: "ALL", Allowed: []string{"ALL", "SELECTED"}},
		contract.Parameter{Name: "srcImageList", Label: "List of images", Help: "[registry[:port]/]repository[:tag or @digest], one a line or separated by commas. In place of a tag: ALL_TAGS, a glob pattern, /expression/ or semver(range). Longer lists: the parameter below, or s3://BUCKET/KEY of an object that holds the list.", Type: contract.List, Remarks: true, MaxBytes: 4096, When: selected},
		contract.Parameter{Name: "srcImageListParameter", Label: "Parameter with the list", Help: "Name of an SSM parameter that holds the list.", Type: contract.String, Pattern: `^/?[A-Za-z0-9_.\-/]+$`, Rule: "the name of an SSM parameter", MaxBytes: 1011, When: selected},
		contract.Parameter{Name: "srcCredential", Label: "Credentials", Help: "Secret: access keys for ECR, user name and password or token for others.", Type: contract.String, Pattern: secretPattern, Rule: secretRule, MaxBytes: 512},
		contract.Parameter{Name: "srcRoleArn", Label: "Role", Help: "Role to assume at the source instead of keys, in the same partition.", Type: contract.String, Pattern: rolePattern, Rule: roleRule, MaxBytes: 2048, When: ecr},
		contract.Parameter{Name: "srcExternalId", Label: "External id", Help: "External id that the role's trust policy asks for.", Type: contract.String, Pattern: `^[\w+=,.@:/-]+$`, Rule: externalIDRule, MaxBytes: 1224, When: ecr},
	)
}

func destination() []contract.Parameter {
	return in(
		GroupDestination,
		contract.Parameter{Name: "destRegion", Label: "Region", Help: "Region of the target ECR.", Type: contract.String, Required: true, Pattern: regionPattern, Rule: regionRule, OnUpdate: contract.Replaced},
		contract.Parameter{Name: "destAccountId", Label: "Account", Help: "Account of the target ECR. Empty means this one, or that of the credentials.", Type: contract.String, Pattern: accountPattern, Rule: accountRule, OnUpdate: contract.Replaced},
		contract.Parameter{Name: "destPrefix", Label: "Prefix", Help: "Put in front of the repository's name.", Type: contract.String, Pattern: `^[a-z0-9]+([._\-/][a-z0-9]+)*/?$`, Rule: "lower-case letters and digits, with . _ - / between them", MaxBytes: 200, OnUpdate: contract.Replaced},
		contract.Parameter{Name: "destCredential", Label: "Credentials", Help: "Secret with access keys.", Type: contract.String, Pattern: secretPattern, Rule: secretRule, MaxBytes: 512},
		contract.Parameter{Name: "destRoleArn", Label: "Role", Help: "Role to assume at the destination instead of keys, in the same partition.", Type: contract.String, Pattern: rolePattern, Rule: roleRule, MaxBytes: 2048},
		contract.Parameter{Name: "destExternalId", Label: "External id", Help: "External id that the role's trust policy asks for.", Type: contract.String, Pattern: `^[\w+=,.@:/-]+$`, Rule: externalIDRule, MaxBytes: 1224},
		contract.Parameter{Name: "destRepositorySettings", Label: "Settings of new repositories", Help: "Copy tag immutability, scan on push and life cycle from the source, or take ECR's defaults. Policies and keys are never copied.", Type: contract.Choice, Default: "copy", Allowed: []string{"copy", "default"}},
	)
}

func what() []contract.Parameter {
	return in(
		GroupWhat,
		contract.Parameter{Name: "includeUntagged", Label: "Untagged images", Help: "Copy untagged manifests by their digest.", Type: contract.Bool, Default: "true"},
		contract.Parameter{Name: "includeReferrers", Label: "Referrers", Help: "Copy signatures, SBOMs and attestations with their images.", Type: contract.Bool, Default: "true"},
		contract.Parameter{Name: "deleteExtraneous", Label: "Delete extraneous", Help: "Delete images at the destination that are absent at the source, in repositories that are chosen whole.", Type: contract.Choice, Default: "No", Allowed: []string{"No", "Yes"}},
		contract.Parameter{Name: "maxDeleteShare", Label: "Most to delete", Help: "Share of the destination's images above which nothing is deleted and the run fails.", Type: contract.Percent, Default: "10", Max: 100, Rule: "0 to 100 percent", When: []contract.Condition{{Parameter: "deleteExtraneous", In: []string{"Yes"}}}},
	)
}

func schedule() []contract.Parameter {
	return in(
		GroupSchedule,
		contract.Parameter{Name: "scheduleExpression", Label: "Schedule", Help: "When runs begin, in UTC. Empty means once.", Type: contract.Cron, Default: "rate(1 day)", Rule: "rate(...) or cron(...) of EventBridge"},
		contract.Parameter{Name: "pushEvents", Label: "Follow pushes", Help: "Begin a run with each push to the source, too. It has to be the ECR of the account and region of the stack: pushes are told of nowhere else.", Type: contract.Choice, Default: "No", Allowed: []string{"No", "Yes"}, When: []contract.Condition{{Parameter: "sourceType", In: []string{"Amazon_ECR"}}}},
	)
}

func fleet() []contract.Parameter {
	return in(
		GroupFleet,
		contract.Parameter{Name: "ecsClusterName", Label: "ECS cluster", Help: "The cluster that tasks run in.", Type: contract.String, Required: true, Pattern: `^[A-Za-z0-9_-]{1,255}$`, Rule: "a cluster's name"},
		contract.Parameter{Name: "ecsVpcId", Label: "VPC", Help: "The VPC that tasks run in.", Type: contract.String, Required: true, Pattern: `^vpc-[0-9a-f]{8,17}$`, Rule: "a VPC's id", OnUpdate: contract.Replaced},
		contract.Parameter{Name: "ecsSubnetA", Label: "First subnet", Help: "A subnet of that VPC.", Type: contract.String, Required: true, Pattern: subnetPattern, Rule: "a subnet's id"},
		contract.Parameter{Name: "ecsSubnetB", Label: "Second subnet", Help: "Another subnet of that VPC, best in another zone.", Type: contract.String, Required: true, Pattern: subnetPattern, Rule: "a subnet's id"},
		contract.Parameter{Name: "assignPublicIp", Label: "Public addresses", Help: "Give tasks public addresses, for public subnets without NAT.", Type: contract.Bool, Default: "false"},
		contract.Parameter{Name: "taskCpu", Label: "CPU of a task", Help: "Units of 1/1024 vCPU.", Type: contract.Choice, Default: "512", Allowed: []string{"256", "512", "1024", "2048", "4096"}},
		contract.Parameter{Name: "taskMemory", Label: "Memory of a task", Help: "MiB; Fargate takes some amounts for each CPU.", Type: contract.Choice, Default: "1024", Allowed: []string{"512", "1024", "2048", "3072", "4096", "8192"}},
		contract.Parameter{Name: "cpuArchitecture", Label: "Architecture", Help: "Of the processors that tasks run on.", Type: contract.Choice, Default: "ARM64", Allowed: []string{"ARM64", "X86_64"}},
		contract.Parameter{Name: "copierImage", Label: "Copier image", Help: "The copier's container image in an ECR of this region. Empty means the release's.", Type: contract.String, Pattern: `^[a-z0-9.\-]+(:[0-9]+)?(/[a-z0-9._\-]+)+(:[A-Za-z0-9._\-]+)?(@sha256:[0-9a-f]{64})?$`, Rule: "registry/repository:tag or registry/repository@digest", MaxBytes: 512},
	)
}

func notification() []contract.Parameter {
	return in(GroupNotification, contract.Parameter{
		Name: "alarmEmail", Label: "E-mail for alarms", Help: "Where alarms are sent; the address is asked to confirm.", Type: contract.String, Required: true,
		Pattern: `^[^@\s]+@[^@\s]+\.[^@\s]+$`, Rule: "an e-mail address", MaxBytes: 320,
	})
}

func housekeeping() []contract.Parameter {
	return in(
		GroupHousekeeping,
		contract.Parameter{
			Name: "logRetentionDays", Label: "Keep logs for", Help: "Days.", Type: contract.Choice, Default: "30",
			Allowed: []string{"1", "3", "5", "7", "14", "30", "60", "90", "120", "150", "180", "365", "400", "545", "731", "1827", "3653"},
		},
		contract.Parameter{
			Name: ParameterStartPaused, Label: "Begin paused", Help: "No first run, and none by schedule or pushes, until the task is resumed. A hub sets this itself.", Type: contract.Bool, Default: "false",
		},
		contract.Parameter{
			Name: "permissionsBoundaryArn", Label: "Permissions boundary", Help: "Policy that bounds every role of the stack.", Type: contract.String,
			Pattern: `^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/.+$`, Rule: "the ARN of a policy",
		},
	)
}
