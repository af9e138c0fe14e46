package portal

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"

	"github.com/datatransferhub/dth/infra/kit"
)

// parameter is one of the template. A nil value has to be given.
type parameter struct {
	name, group, label, help string

	kind    string // a type of CloudFormation; "" is String
	value   *string
	allowed []string
	pattern string
	rule    string  // what the pattern allows, in words
	only    Variant // "": both
}

// The groups, in the order in which they are shown.
const (
	groupSignIn   = "Sign-in"
	groupConsole  = "Console address"
	groupNetwork  = "Network of plugins"
	groupProtect  = "Protection"
	groupReleases = "Releases"
)

// automationPattern takes the rules that the API's Lambda reads.
const automationPattern = "^none$|^" + automation + "(," + automation + ")*$"

var yesOrNo = []string{"true", "false"}

// Patterns of what several parameters take.
const (
	mailPattern   = `[^@\s]+@[^@\s]+\.[^@\s]+`
	automation    = `(user/)?[A-Za-z0-9_.@+*-]{1,64}=(viewer|operator|admin)`
	domainPattern = `^$|^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$`
)

// parameters are all parameters of both variants.
func parameters(assets kit.Assets, version string) []parameter {
	prefix := (*string)(nil) // there are no released files of `cdk deploy` to begin with
	if assets.Published != nil {
		prefix = new("")
	}
	return []parameter{
		{
			name: "AdminEmail", group: groupSignIn, label: "E-mail address of the first administrator", only: Cognito,
			help:    "A user with this address is created in the group admin; the temporary password is sent to it.",
			pattern: "^" + mailPattern + "$", rule: "an e-mail address",
		},
		{
			name: "MfaConfiguration", group: groupSignIn, label: "Second factor", only: Cognito, value: new("OPTIONAL"), allowed: []string{"OPTIONAL", "ON", "OFF"},
			help: "One-time passwords of an authenticator app: OPTIONAL lets everybody choose, ON asks everybody for one.",
		},
		{
			name: "OidcIssuer", group: groupSignIn, label: "Issuer", only: OpenID,
			help:    "Address of the OpenID Connect provider, exactly as in its discovery document, such as https://login.example.com/realms/main.",
			pattern: `^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$`, rule: "an https address without a query",
		},
		{
			name: "OidcClientId", group: groupSignIn, label: "Client id", only: OpenID,
			help:    "Id of the public client (authorization code with PKCE, no secret) that you registered for this hub's console.",
			pattern: `^[A-Za-z0-9._:/@-]{1,256}$`, rule: "up to 256 letters, digits and . _ : / @ -",
		},
		{
			name: "OidcGroupsClaim", group: groupSignIn, label: "Claim with the groups", only: OpenID, value: new("groups"),
			help:    "Claim of the id token that lists a person's groups. The groups admin, operator and viewer give these roles; nobody else gets in.",
			pattern: `^[A-Za-z0-9._:/-]{1,128}$`, rule: "up to 128 letters, digits and . _ : / -",
		},
		{
			name: "OidcScopes", group: groupSignIn, label: "Scopes", only: OpenID, value: new("openid profile email"),
			help:    "Scopes that the console asks for, separated by spaces.",
			pattern: `^openid( [A-Za-z0-9._:/-]+)*$`, rule: "openid, and further scopes separated by spaces",
		},
		{
			name: "OidcOrigins", group: groupSignIn, label: "Further origins of the provider", only: OpenID, value: new(""),
			help:    "Hosts beside the issuer's that the discovery document names for tokens, keys and user information, such as https://oauth2.googleapis.com. The console may speak to no other.",
			pattern: `^$|^https://[A-Za-z0-9.-]+(:[0-9]{1,5})?( https://[A-Za-z0-9.-]+(:[0-9]{1,5})?)*$`, rule: "https origins separated by spaces",
		},
		{
			name: "AutomationRole", group: groupSignIn, label: "Roles of programs", value: new("none"), pattern: automationPattern,
			rule: "none, or NAME=role and user/NAME=role separated by commas, with the roles viewer, operator and admin; * stands for any characters of a name",
			help: "What callers may do whose IAM identity allows appsync:GraphQL on this API, by the name of their IAM role, or user/ and the name of their IAM user: nightly=operator,Deploy-*=admin. The first that fits counts; nobody else gets in.",
		},
		{
			name: "DomainName", group: groupConsole, label: "Own domain", value: new(""), pattern: domainPattern, rule: "a domain name in small letters, or nothing",
			help: "Such as transfer.example.com. Needs a certificate below, and a CNAME record to the output ConsoleCname. Required in China, with an ICP record.",
		},
		{
			name: "AcmCertificateArn", group: groupConsole, label: "Certificate in ACM", value: new(""), pattern: `^$|^arn:aws[a-z-]*:acm:[a-z0-9-]+:[0-9]{12}:certificate/[A-Za-z0-9-]+$`,
			rule: "the ARN of a certificate", help: "ARN of the own domain's certificate. CloudFront takes those of us-east-1 only. Not in China.",
		},
		{
			name: "IamCertificateId", group: groupConsole, label: "Certificate in IAM", value: new(""), pattern: `^$|^[A-Z0-9]{16,128}$`, rule: "the id of a server certificate, such as ASCA...",
			help: "Id (not name) of a server certificate in IAM with a path that begins with /cloudfront/. Required in China, and only there.",
		},
		{
			name: "CloudFrontWebAclArn", group: groupConsole, label: "Web ACL of the console", value: new(""), pattern: `^$|^arn:aws[a-z-]*:wafv2:[a-z0-9-]+:[0-9]{12}:global/webacl/.+$`,
			rule: "the ARN of a web ACL of scope CLOUDFRONT", help: "ARN of a web ACL that protects the console. In the one region where such ACLs live, EnableWaf makes one. Not in China.",
		},
		{
			name: "AccessLogs", group: groupProtect, label: "Access logs", value: new("true"), allowed: yesOrNo,
			help: "Keeps for a year who fetched what from the console, in a bucket that stays when the hub is deleted. In regions that an account has to enable first CloudFront cannot write them; the bucket's own log is kept there, too.",
		},
		{
			name: "EnableWaf", group: groupProtect, label: "Web application firewall", value: new("false"), allowed: yesOrNo,
			help: "Puts AWS WAF with managed rules and a rate limit in front of the API. It costs some 10 USD a month.",
		},
		{
			name: "DeletionProtection", group: groupProtect, label: "Deletion protection", value: new("false"), allowed: yesOrNo,
			help: "Refuses to delete the tables and the user pool. Switch it on when the hub works: it also stops a failed creation from being tidied up.",
		},
		{
			name: "NoticeEmail", group: groupProtect, label: "E-mail address for notices", value: new(""), pattern: "^$|^" + mailPattern + "$", rule: "an e-mail address, or nothing",
			help: "Who hears of runs that ended badly and of failures of the hub itself. The address has to be confirmed.",
		},
		{
			name: "LogRetentionDays", group: groupProtect, label: "Days that logs are kept", kind: "Number", value: new("90"),
			allowed: []string{"1", "3", "5", "7", "14", "30", "60", "90", "120", "150", "180", "365", "400", "545", "731", "1827", "3653"},
			help:    "For the hub's own logs.",
		},
		{
			name: "PermissionsBoundaryArn", group: groupProtect, label: "Permissions boundary", value: new(""), pattern: `^$|^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/.+$`,
			rule: "the ARN of a policy", help: "Policy that bounds the hub's own roles, where your organization asks for one. The role that makes stacks has a boundary of its own.",
		},
		{
			name: "VpcId", group: groupNetwork, label: "VPC", value: new(""), pattern: `^$|^vpc-[0-9a-f]{8,17}$`, rule: "the id of a VPC, or nothing",
			help: "VPC in which plugins run containers. Empty: the stack makes one.",
		},
		{
			name: "SubnetIds", group: groupNetwork, label: "Subnets", value: new(""), pattern: `^$|^subnet-[0-9a-f]{8,17}(,subnet-[0-9a-f]{8,17})*$`,
			rule: "ids of subnets, separated by commas, or nothing", help: "Subnets of that VPC, best in two zones.",
		},
		{
			name: "NetworkKind", group: groupNetwork, label: "Kind of a new VPC", value: new("public"), allowed: []string{"public", "private"},
			help: "public: subnets with an internet gateway, no NAT. private: subnets with endpoints of AWS services and no way to the internet; endpoints cost some 7 USD a month each.",
		},
		{
			name: "VpcCidr", group: groupNetwork, label: "Addresses of a new VPC", value: new("10.64.0.0/16"), pattern: `^([0-9]{1,3}\.){3}[0-9]{1,3}/(1[6-9]|2[0-2])$`,
			rule: "a range between /16 and /22", help: "Two subnets share them.",
		},
		{
			name: "AssetsBucketPrefix", group: groupReleases, label: "Buckets with releases", value: prefix, pattern: bucketPattern(prefix),
			rule: "3 to 47 small letters, digits and hyphens", help: "PREFIX of the buckets PREFIX-REGION that `dth publish` filled: the plugins' templates are taken from there." + whereFrom(prefix),
		},
		{
			name: "AssetsVersion", group: groupReleases, label: "Version of plugins", value: new(version), pattern: `^[0-9A-Za-z.+-]{1,128}$`, rule: "a version such as 1.2.3",
			help: "Version of the plugins' templates that new tasks get.",
		},
	}
}

func bucketPattern(prefix *string) string {
	const form = `[a-z0-9][a-z0-9-]{1,45}[a-z0-9]$`
	if prefix == nil {
		return "^" + form
	}
	return "^$|^" + form
}

func whereFrom(prefix *string) string {
	if prefix == nil {
		return " Publish to a bucket of your own first."
	}
	return " Empty: where this template's own files are."
}

// declareParameters writes the parameters of a variant with their labels and groups, and the rules between them.
func declareParameters(s *kit.Stack, variant Variant, assets kit.Assets, version string) {
	labels, members := object{}, map[string][]string{}
	for _, p := range parameters(assets, version) {
		if p.only != "" && p.only != variant {
			continue
		}
		p.declare(s)
		labels[p.name] = object{"default": p.label}
		members[p.group] = append(members[p.group], p.name)
	}
	var groups list
	for _, g := range []string{groupSignIn, groupConsole, groupProtect, groupNetwork, groupReleases} {
		groups = append(groups, object{"Label": object{"default": g}, "Parameters": members[g]})
	}
	s.Scope.TemplateOptions().SetMetadata(&object{"AWS::CloudFormation::Interface": object{"ParameterGroups": groups, "ParameterLabels": labels}})
	declareRules(s, variant)
}

func (p *parameter) declare(s *kit.Stack) {
	props := &awscdk.CfnParameterProps{Type: new("String"), Description: &p.help}
	if p.kind != "" {
		props.Type = &p.kind
	}
	if p.value != nil {
		props.Default = *p.value
	}
	if p.allowed != nil {
		props.AllowedValues = kit.List(p.allowed...)
	}
	if p.pattern != "" {
		props.AllowedPattern, props.ConstraintDescription = &p.pattern, new("allowed: "+p.rule)
	}
	awscdk.NewCfnParameter(s.Scope, &p.name, props)
}

// declareRules refuses, before anything is created, partitions that lack what a variant needs and parameters that do not fit
// each other.
func declareRules(s *kit.Stack, variant Variant) {
	// Rules are known to take the pseudo parameter of the region; of that of the partition nobody says so.
	in := func(regions ...string) kit.Expression { return kit.Contains(regions, "AWS::Region") }
	china, given, empty := in("cn-north-1", "cn-northwest-1"), kit.Given, func(name string) kit.Expression { return kit.Is(name, "") }
	s.Rule("NotInGovCloud", "AWS GovCloud (US) has no CloudFront and no AppSync, which the hub needs. Deploy the template of a plugin there, such as DataTransferS3Stack: it works without a hub.",
		nil, kit.Not(in("us-gov-east-1", "us-gov-west-1")))
	if variant == Cognito {
		s.Rule("NotInChina", "There are no Cognito user pools in China. Deploy DataTransferHub-openid there, with an OpenID Connect provider of your own.", nil, kit.Not(china))
	} else {
		s.Rule("DomainInChina", "In China the console needs a domain of your own with an ICP record, and its certificate in IAM: give DomainName and IamCertificateId.",
			china, kit.All(given("DomainName"), given("IamCertificateId")))
		s.Rule("NoAcmInChina", "CloudFront in China takes no certificates of ACM: give IamCertificateId instead of AcmCertificateArn.", china, empty("AcmCertificateArn"))
		s.Rule("NoWebAclInChina", "CloudFront in China takes no web ACL: leave CloudFrontWebAclArn empty. EnableWaf protects the API there, too.", china, empty("CloudFrontWebAclArn"))
	}
	s.Rule("IamCertificateOnlyInChina", "IamCertificateId is for China only: give AcmCertificateArn.", kit.Not(china), empty("IamCertificateId"))
	s.Rule("DomainNeedsCertificate", "An own domain needs its certificate: give AcmCertificateArn, in China IamCertificateId.",
		given("DomainName"), kit.Any(given("AcmCertificateArn"), given("IamCertificateId")))
	s.Rule("CertificateNeedsDomain", "A certificate goes with DomainName, which is empty.",
		kit.Any(given("AcmCertificateArn"), given("IamCertificateId")), given("DomainName"))
	s.Rule("VpcNeedsSubnets", "VpcId goes with SubnetIds, which is empty.", given("VpcId"), given("SubnetIds"))
	s.Rule("SubnetsNeedVpc", "SubnetIds goes with VpcId, which is empty.", given("SubnetIds"), given("VpcId"))
}
