// Package s3 is the parameter contract of the S3 plugin: what a transfer task can be told, once, as data, and how that
// becomes the job that the engine runs.
package s3

import (
	"github.com/datatransferhub/dth/plugins/contract"
	"github.com/datatransferhub/dth/worker/endpoint"
)

// The groups, in the order in which forms and tables show them.
const (
	GroupSource       = "Source"
	GroupDestination  = "Destination"
	GroupWhat         = "What and how"
	GroupFleet        = "Fleet"
	GroupNotification = "Notification"
	GroupHousekeeping = "Housekeeping"
)

// ParameterStartPaused says that a stack is made, or changed, as that of a paused task.
const ParameterStartPaused = "startPaused"

const (
	bucketPattern = `^[a-z0-9A-Z][a-z0-9A-Z._-]{1,61}[a-z0-9A-Z]$`
	bucketRule    = "3 to 63 letters, digits, dots, hyphens and underscores, by the rules of the provider"
	urlPattern    = `^(https?://)?[A-Za-z0-9.\-\[\]:]+(/([^/?#@][^?#@]*)?)?$`
	urlRule       = "scheme and host, such as https://s3.example.com"
	rolePattern   = `^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$`
	roleRule      = "the ARN of a role"
	secretPattern = `^[A-Za-z0-9/_+=.@:-]+$`
	secretRule    = "a secret's name or ARN"
	// maxInline is the longest list that fits a CloudFormation parameter.
	maxInline = 4096
	listHelp  = ". A longer list is an S3 object in the region of the stack, named as s3://BUCKET/KEY; it is read when the stack is created and when a parameter changes."
)

// Contract returns the whole contract.
func Contract() *contract.Contract {
	var all []contract.Parameter
	for _, group := range [][]contract.Parameter{source(), destination(), what(), fleet(), notification(), housekeeping()} {
		all = append(all, group...)
	}
	return &contract.Contract{Plugin: "S3", Parameters: all, Rules: rules(), Defaults: providerDefaults}
}

// CLI returns the contract of the command line: the groups that say what to transfer, with the defaults of a desk.
func CLI() *contract.Contract {
	return withLists(Contract().Subset([]string{GroupSource, GroupDestination, GroupWhat}, map[string]string{
		"destStorageClass": "none", "destAcl": "none", "stripSrcPrefix": "true",
	}))
}

// providerDefaults are the defaults that depend on the destination: other stores have neither S3's classes nor its ACLs.
func providerDefaults(given contract.Values) map[string]string {
	if given["destType"] == "S3_Compatible" {
		return map[string]string{"destStorageClass": "none", "destAcl": "none"}
	}
	return nil
}

func source() []contract.Parameter {
	return []contract.Parameter{
		{
			Name: "srcType", Label: "Provider", Help: "The kind of store that objects are read from.", Type: contract.Choice, Default: "Amazon_S3",
			Allowed: endpoint.Providers(), Group: GroupSource, OnUpdate: contract.Replaced,
		},
		{
			Name: "srcBucket", Label: "Bucket", Help: "The bucket that objects are read from.", Type: contract.String, Required: true,
			Pattern: bucketPattern, Rule: bucketRule, Group: GroupSource, OnUpdate: contract.Replaced,
		},
		{
			Name: "srcPrefix", Label: "Prefix", Help: "Only keys that begin with this text are transferred. It is taken literally: data selects database/x too, data/ is a folder.",
			Type: contract.String, MaxBytes: 1024, Rule: "0 to 1,024 bytes of UTF-8", Group: GroupSource, OnUpdate: contract.Nothing,
		},
		{
			Name: "srcPrefixList", Label: "Prefixes", Help: "Several prefixes, one a line, instead of one" + listHelp, Type: contract.Lines,
			MaxBytes: maxInline, Rule: "one prefix a line", Group: GroupSource, OnUpdate: contract.Nothing,
		},
		{
			Name: "srcPrefixsListFile", Label: "Prefix list file", Help: "Key of a text file with one prefix a line. LF or CRLF; blank lines are ignored, duplicates and overlaps merged.",
			Type: contract.String, MaxBytes: 1024, Rule: "an object's key", Group: GroupSource, OnUpdate: contract.Nothing,
		},
		{
			Name: "srcPrefixListBucket", Label: "Bucket of the prefix list file", Help: "Empty means the source bucket.", Type: contract.String,
			Pattern: bucketPattern, Rule: bucketRule, Group: GroupSource, OnUpdate: contract.Nothing,
		},
		{
			Name: "srcRegion", Label: "Region", Help: "The source bucket's region. Empty means the provider's default, or that of this account.", Type: contract.String,
			Pattern: `^[a-zA-Z0-9-]{1,64}$`, Rule: "a region's name, such as eu-west-1", Group: GroupSource, OnUpdate: contract.Restart,
		},
		{
			Name: "srcEndpoint", Label: "Endpoint", Help: "Address of the service. Needed for S3_Compatible.", Type: contract.String,
			Pattern: urlPattern, Rule: urlRule, Group: GroupSource, OnUpdate: contract.Restart,
		},
		{
			Name: "srcInCurrentAccount", Label: "In this account", Help: "Whether the source bucket belongs to this account.", Type: contract.Bool, Default: "false",
			Group: GroupSource, OnUpdate: contract.Restart,
		},
		{
			Name: "srcAccountId", Label: "Account", Help: "The account that owns the source bucket. Guards the queue policy, and every call checks the bucket's owner.",
			Type: contract.String, Pattern: `^[0-9]{12}$`, Rule: "12 digits", Group: GroupSource, OnUpdate: contract.Restart,
			When: []contract.Condition{{Parameter: "srcType", In: []string{"Amazon_S3"}}},
		},
		{
			Name: "srcCredentials", Label: "Credentials", Help: "Secret with access_key_id, secret_access_key and perhaps session_token as JSON. Empty means the task's own role, or nobody when the bucket is public.",
			Type: contract.String, Pattern: secretPattern, Rule: secretRule, MaxBytes: 2048, Group: GroupSource, OnUpdate: contract.Restart,
		},
		{
			Name: "srcRoleArn", Label: "Role", Help: "Role to assume at the source instead of keys, in the same partition.", Type: contract.String,
			Pattern: rolePattern, Rule: roleRule, Group: GroupSource, OnUpdate: contract.Restart,
			When: []contract.Condition{{Parameter: "srcType", In: []string{"Amazon_S3"}}},
		},
		{
			Name: "srcExternalId", Label: "External id", Help: "External id that the role's trust policy asks for.", Type: contract.String,
			Pattern: `^[A-Za-z0-9+=,.@:/_-]{2,}$`, Rule: "2 to 1,224 characters", MaxBytes: 1224, Group: GroupSource, OnUpdate: contract.Restart,
		},
		{
			Name: "srcEvent", Label: "Follow events", Help: "Transfer objects when they are written, and delete them when they are deleted, between the passes.", Type: contract.Choice, Default: "No",
			Allowed: []string{"No", "Create", "CreateAndDelete"}, Group: GroupSource, OnUpdate: contract.Nothing,
			When: []contract.Condition{{Parameter: "srcType", In: []string{"Amazon_S3"}}},
		},
		{
			Name: "srcSkipCompare", Label: "Skip comparing", Help: "Queue every selected object without listing the destination.", Type: contract.Bool, Default: "false",
			Group: GroupSource, OnUpdate: contract.Nothing,
		},
		{
			Name: "isPayerRequest", Label: "Requester pays", Help: "Pay for the requests at the source; sent on every call.", Type: contract.Bool, Default: "false",
			Group: GroupSource, OnUpdate: contract.Restart,
		},
	}
}

func destination() []contract.Parameter {
	onS3 := []contract.Condition{{Parameter: "destType", In: []string{"Amazon_S3"}}}
	return []contract.Parameter{
		{
			Name: "destType", Label: "Provider", Help: "The kind of store that objects are written to.", Type: contract.Choice, Default: "Amazon_S3",
			Allowed: []string{"Amazon_S3", "S3_Compatible"}, Group: GroupDestination, OnUpdate: contract.Replaced,
		},
		{
			Name: "destBucket", Label: "Bucket", Help: "The bucket that objects are written to.", Type: contract.String, Required: true,
			Pattern: bucketPattern, Rule: bucketRule, Group: GroupDestination, OnUpdate: contract.Replaced,
		},
		{
			Name: "destPrefix", Label: "Prefix", Help: "Put in front of every key, with exactly one / between.", Type: contract.String, MaxBytes: 1023,
			Rule: "0 to 1,023 bytes of UTF-8", Group: GroupDestination, OnUpdate: contract.Replaced,
		},
		{
			Name: "destRegion", Label: "Region", Help: "The destination bucket's region. Empty means that of this account.", Type: contract.String,
			Pattern: `^[a-zA-Z0-9-]{1,64}$`, Rule: "a region's name, such as eu-west-1", Group: GroupDestination, OnUpdate: contract.Restart,
		},
		{
			Name: "destEndpoint", Label: "Endpoint", Help: "Address of the service. Needed for S3_Compatible.", Type: contract.String,
			Pattern: urlPattern, Rule: urlRule, Group: GroupDestination, OnUpdate: contract.Restart,
		},
		{
			Name: "stripSrcPrefix", Label: "Strip the source prefix", Help: "Remove the source prefix from a key before the destination prefix is put in front.", Type: contract.Bool, Default: "false",
			Group: GroupDestination, OnUpdate: contract.Replaced,
		},
		{
			Name: "destInCurrentAccount", Label: "In this account", Help: "Whether the destination bucket belongs to this account.", Type: contract.Bool, Default: "true",
			Group: GroupDestination, OnUpdate: contract.Restart,
		},
		{
			Name: "destCredentials", Label: "Credentials", Help: "Secret with access_key_id, secret_access_key and perhaps session_token as JSON. Empty means the task's own role.",
			Type: contract.String, Pattern: secretPattern, Rule: secretRule, MaxBytes: 2048, Group: GroupDestination, OnUpdate: contract.Restart,
		},
		{
			Name: "destRoleArn", Label: "Role", Help: "Role to assume at the destination instead of keys, in the same partition.", Type: contract.String,
			Pattern: rolePattern, Rule: roleRule, Group: GroupDestination, OnUpdate: contract.Restart, When: onS3,
		},
		{
			Name: "destExternalId", Label: "External id", Help: "External id that the role's trust policy asks for.", Type: contract.String,
			Pattern: `^[A-Za-z0-9+=,.@:/_-]{2,}$`, Rule: "2 to 1,224 characters", MaxBytes: 1224, Group: GroupDestination, OnUpdate: contract.Restart,
		},
		{
			Name: "destStorageClass", Label: "Storage class", Help: "Class that objects are written in; SOURCE keeps the source's, none leaves it to the bucket. S3_Compatible and the command line: none.",
			Type: contract.Choice, Default: "INTELLIGENT_TIERING",
			Allowed: []string{"none", "SOURCE", "STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"},
			Group:   GroupDestination, OnUpdate: contract.Nothing,
		},
		{
			Name: "destAcl", Label: "Canned ACL", Help: "ACL that objects are written with. S3_Compatible and the command line: none.", Type: contract.Choice, Default: "bucket-owner-full-control",
			Allowed: []string{"none", "private", "public-read", "public-read-write", "authenticated-read", "aws-exec-read", "bucket-owner-read", "bucket-owner-full-control"},
			Group:   GroupDestination, OnUpdate: contract.Nothing,
		},
		{
			Name: "destPutObjectSSEType", Label: "Encryption", Help: "Server-side encryption asked for; None leaves it to the bucket.", Type: contract.Choice, Default: "None",
			Allowed: []string{"None", "AES256", "AWS_KMS", "AWS_KMS_DSSE"}, Group: GroupDestination, OnUpdate: contract.Nothing,
		},
		{
			Name: "destPutObjectSSEKmsKeyId", Label: "KMS key", Help: "Key for AWS_KMS and AWS_KMS_DSSE.", Type: contract.String, Pattern: `^[A-Za-z0-9:/_-]+$`, Rule: "a key's id, alias or ARN", MaxBytes: 2048,
			Group: GroupDestination, OnUpdate: contract.Nothing, Required: true,
			When: []contract.Condition{{Parameter: "destPutObjectSSEType", In: []string{"AWS_KMS", "AWS_KMS_DSSE"}}},
		},
	}
}

func what() []contract.Parameter {
	all := []contract.Parameter{
		{
			Name: "compareMode", Label: "Compare by", Help: "What makes two objects of one key different.", Type: contract.Choice, Default: "size_etag",
			Allowed: []string{"size", "size_etag", "size_mtime", "checksum"},
		},
		{Name: "includeMetadata", Label: "Metadata", Help: "Carry content headers, website redirect and user metadata.", Type: contract.Bool, Default: "true"},
		{Name: "includeTags", Label: "Tags", Help: "Carry object tags; one more read for each object that has any.", Type: contract.Bool, Default: "false"},
		{Name: "include", Label: "Include", Help: "Only keys that match one of these glob patterns; ** crosses slashes" + listHelp, Type: contract.List, MaxBytes: maxInline, Rule: "glob patterns, one a line"},
		{Name: "exclude", Label: "Exclude", Help: "Not the keys that match one of these glob patterns" + listHelp, Type: contract.List, MaxBytes: maxInline, Rule: "glob patterns, one a line"},
		{Name: "minSize", Label: "Smallest size", Help: "Not the objects that are smaller.", Type: contract.Size, Rule: "a size, such as 64KiB"},
		{Name: "maxSize", Label: "Largest size", Help: "Not the objects that are larger.", Type: contract.Size, Rule: "a size, such as 5GiB"},
		{Name: "modifiedAfter", Label: "Modified after", Help: "Only objects that were written later.", Type: contract.Time, Rule: "a time, RFC 3339"},
		{Name: "modifiedBefore", Label: "Modified before", Help: "Only objects that were written earlier.", Type: contract.Time, Rule: "a time, RFC 3339"},
		{Name: "deleteExtraneous", Label: "Delete extraneous", Help: "Delete destination objects that are absent at the source.", Type: contract.Choice, Default: "No", Allowed: []string{"No", "Yes"}},
		{Name: "maxDeleteShare", Label: "Most to delete", Help: "Share of the destination above which nothing is deleted and the run stops and asks.", Type: contract.Percent, Default: "10", Max: 100, Rule: "0 to 100 percent"},
		{
			Name: "transferMode", Label: "Way of transfer", Help: "auto lets the destination copy by itself where its credentials can read the source, and streams elsewhere.", Type: contract.Choice, Default: "auto",
			Allowed: []string{"auto", "stream", "server_side"},
		},
		{Name: "giantThreshold", Label: "Giant objects from", Help: "Size from which an object is shared by the fleet, part by part.", Type: contract.Size, Default: "1GiB", Min: 64 << 20, Max: 5 << 30},
		{Name: "reportBucket", Label: "Report bucket", Help: "Where run reports go. Empty means that only the ledger holds them.", Type: contract.String, Pattern: bucketPattern, Rule: bucketRule},
		{Name: "reportPrefix", Label: "Report prefix", Help: "Put in front of the reports' keys.", Type: contract.String, MaxBytes: 512, Rule: "0 to 512 bytes of UTF-8"},
		{
			Name: "reportAll", Label: "Report every object", Help: "Whether run reports name every object, also those that both ends agree on. The finder's disk holds them until a prefix is compared: some 500 bytes each.", Type: contract.Bool, Default: "false",
		},
		{Name: "bandwidthLimit", Label: "Bandwidth limit", Help: "For the whole fleet; 0 is none.", Type: contract.Rate, Default: "0", Rule: "a size a second, such as 200MiB/s"},
	}
	for i := range all {
		all[i].Group, all[i].OnUpdate = GroupWhat, contract.Nothing
	}
	return all
}

func fleet() []contract.Parameter {
	all := []contract.Parameter{
		{Name: "ec2VpcId", Label: "VPC", Help: "The VPC that the instances run in.", Type: contract.String, Required: true, Pattern: `^vpc-[0-9a-f]{8,17}$`, Rule: "a VPC's id", OnUpdate: contract.Replaced},
		{Name: "ec2Subnets", Label: "Subnets", Help: "Subnets of that VPC, best in several zones.", Type: contract.List, Required: true, Pattern: `^\s*subnet-[0-9a-f]{8,17}(\s*[,\n]\s*subnet-[0-9a-f]{8,17})*\s*$`, Rule: "subnet ids, separated by commas", OnUpdate: contract.Restart},
		{Name: "assignPublicIp", Label: "Public addresses", Help: "Give the instances public addresses, for public subnets without NAT.", Type: contract.Bool, Default: "false", OnUpdate: contract.Restart},
		{Name: "workerInstanceTypes", Label: "Worker instance types", Help: "Types that workers may run on; arm64.", Type: contract.List, Default: "c7gn.large, c7g.large, m7g.large", Pattern: `^\s*[a-z][a-z0-9-]*g[a-z0-9-]*\.[a-z0-9]+(\s*[,\n]\s*[a-z][a-z0-9-]*g[a-z0-9-]*\.[a-z0-9]+)*\s*$`, Rule: "arm64 instance types, separated by commas", OnUpdate: contract.Restart},
		{Name: "spotPercent", Label: "Spot share", Help: "Share of the workers that run on Spot capacity.", Type: contract.Percent, Default: "0", Max: 100, OnUpdate: contract.Restart},
		{Name: "maxCapacity", Label: "Most workers", Help: "Upper end of the fleet.", Type: contract.Integer, Default: "20", Max: 1000, OnUpdate: contract.Nothing},
		{Name: "minCapacity", Label: "Fewest workers", Help: "Lower end of the fleet. Near-real-time events want 1.", Type: contract.Integer, Default: "0", Max: 1000, OnUpdate: contract.Nothing},
		{Name: "desiredCapacity", Label: "Workers at first", Help: "Size that the fleet begins with.", Type: contract.Integer, Default: "0", Max: 1000, OnUpdate: contract.Nothing},
		{Name: "workerConcurrency", Label: "Transfers at once", Help: "In each worker; 0 adapts.", Type: contract.Integer, Default: "0", Max: 512, OnUpdate: contract.Restart},
		{Name: "finderInstanceType", Label: "Finder instance type", Help: "Type that the finder runs on; arm64. Its memory does not grow with the number of objects.", Type: contract.String, Default: "m7g.large", Pattern: `^[a-z][a-z0-9-]*g[a-z0-9-]*\.[a-z0-9]+$`, Rule: "an arm64 instance type", OnUpdate: contract.Nothing},
		{Name: "ec2CronExpression", Label: "Schedule", Help: "When passes begin, in UTC. Empty means once.", Type: contract.Cron, Default: "0 * * * ? *", Rule: "EventBridge cron fields, such as 0 * * * ? *", OnUpdate: contract.Nothing},
	}
	for i := range all {
		all[i].Group = GroupFleet
	}
	return all
}

func notification() []contract.Parameter {
	return []contract.Parameter{
		{
			Name: "alarmEmail", Label: "E-mail for alarms", Help: "Where alarms are sent; the address is asked to confirm.", Type: contract.String, Required: true,
			Pattern: `^[^@\s]+@[^@\s]+\.[^@\s]+$`, Rule: "an e-mail address", MaxBytes: 320, Group: GroupNotification, OnUpdate: contract.Nothing,
		},
	}
}

func housekeeping() []contract.Parameter {
	return []contract.Parameter{
		{
			Name: "logRetentionDays", Label: "Keep logs for", Help: "Days.", Type: contract.Choice, Default: "30",
			Allowed: []string{"1", "3", "5", "7", "14", "30", "60", "90", "120", "150", "180", "365", "400", "545", "731", "1827", "3653"},
			Group:   GroupHousekeeping, OnUpdate: contract.Nothing,
		},
		{Name: "ledgerTtlDays", Label: "Keep ledger records for", Help: "Days after an object was done, failed or deleted, 15 or more; 0 keeps its record for ever.", Type: contract.Integer, Default: "0", Max: 3650, Group: GroupHousekeeping, OnUpdate: contract.Nothing},
		{
			Name: ParameterStartPaused, Label: "Begin paused", Help: "No first pass, no schedule and no workers, until the task is resumed. A hub sets this itself.", Type: contract.Bool, Default: "false",
			Group: GroupHousekeeping, OnUpdate: contract.Nothing,
		},
		{
			Name: "permissionsBoundaryArn", Label: "Permissions boundary", Help: "Policy that bounds every role of the stack.", Type: contract.String,
			Pattern: `^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/.+$`, Rule: "the ARN of a policy", Group: GroupHousekeeping, OnUpdate: contract.Restart,
		},
	}
}
