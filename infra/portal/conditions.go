package portal

import "github.com/datatransferhub/dth/infra/kit"

// conditions are what parts of the template depend on.
type conditions struct {
	china     kit.Condition
	domain    kit.Condition // the console has an own domain
	acm       kit.Condition // with a certificate of ACM
	logs      kit.Condition // access logs are kept
	edgeLogs  kit.Condition // also those of CloudFront
	firewall  kit.Condition // the API is behind a web ACL
	edge      kit.Condition // the console is behind a web ACL that the stack makes
	webACL    kit.Condition // the console is behind a web ACL that is given
	ownVPC    kit.Condition // the stack makes a VPC
	public    kit.Condition // with an internet gateway
	private   kit.Condition // with endpoints
	notice    kit.Condition // somebody hears of notices by e-mail
	mfa       kit.Condition // of the Cognito variant: second factors can be used
	protected kit.Condition // of the Cognito variant: the user pool cannot be deleted
	prefix    kit.Condition // of the released form: the buckets of releases are named
}

// edgeRegion is where web ACLs for CloudFront live, and nowhere else.
// https://docs.aws.amazon.com/waf/latest/APIReference/API_CreateWebACL.html
const edgeRegion = "us-east-1"

// withoutEdgeLogs are the regions whose buckets CloudFront's standard logging (legacy) does not write to, as of November 2026: those
// that an account has to enable first. A distribution that is to log there cannot be made.
// https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logging-legacy-s3.html#access-logs-choosing-s3-bucket
// https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html
func withoutEdgeLogs() []string {
	return []string{
		"af-south-1", "ap-east-1", "ap-east-2", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "ca-west-1",
		"eu-central-2", "eu-south-1", "eu-south-2", "il-central-1", "me-central-1", "me-south-1", "mx-central-1",
	}
}

// inOneOf holds in some regions.
func inOneOf(regions []string) kit.Expression {
	var each []kit.Expression
	for _, region := range regions {
		each = append(each, kit.Is("AWS::Region", region))
	}
	return kit.Any(each...)
}

func declareConditions(s *kit.Stack, variant Variant, released bool) conditions {
	own := s.Condition("MakesVpc", kit.Is("VpcId", ""))
	logs := s.Condition("KeepsAccessLogs", kit.Is("AccessLogs", "true"))
	waf := s.Condition("HasFirewall", kit.Is("EnableWaf", "true"))
	c := conditions{
		china:    s.Condition("InChina", kit.Equals(kit.Ref("AWS::Partition"), new("aws-cn"))),
		domain:   s.Condition("HasDomain", kit.Given("DomainName")),
		acm:      s.Condition("HasAcmCertificate", kit.Given("AcmCertificateArn")),
		logs:     logs,
		edgeLogs: s.Condition("KeepsEdgeLogs", kit.All(logs.Holds(), kit.Not(inOneOf(withoutEdgeLogs())))),
		firewall: waf,
		edge: s.Condition("MakesEdgeFirewall", kit.All(
			waf.Holds(), kit.Is("CloudFrontWebAclArn", ""), kit.Equals(kit.Ref("AWS::Region"), new(edgeRegion)))),
		webACL:  s.Condition("HasWebAcl", kit.Given("CloudFrontWebAclArn")),
		ownVPC:  own,
		public:  s.Condition("MakesPublicVpc", kit.All(own.Holds(), kit.Is("NetworkKind", "public"))),
		private: s.Condition("MakesPrivateVpc", kit.All(own.Holds(), kit.Is("NetworkKind", "private"))),
		notice:  s.Condition("HasNoticeEmail", kit.Given("NoticeEmail")),
	}
	if variant == Cognito {
		c.protected = s.Condition("IsProtected", kit.Is("DeletionProtection", "true"))
		c.mfa = s.Condition("HasSecondFactor", kit.Not(kit.Is("MfaConfiguration", "OFF")))
	}
	if released {
		c.prefix = s.Condition("NamesReleases", kit.Given("AssetsBucketPrefix"))
	}
	return c
}
