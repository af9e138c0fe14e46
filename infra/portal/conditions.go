package portal

import "github.com/datatransferhub/dth/infra/kit"

// conditions are what parts of the template depend on.
type conditions struct {
	china     kit.Condition
	domain    kit.Condition // the console has an own domain
	acm       kit.Condition // with a certificate of ACM
	logs      kit.Condition // access logs are kept
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

func declareConditions(s *kit.Stack, variant Variant, released bool) conditions {
	own := s.Condition("MakesVpc", kit.Is("VpcId", ""))
	waf := s.Condition("HasFirewall", kit.Is("EnableWaf", "true"))
	c := conditions{
		china:    s.Condition("InChina", kit.Equals(kit.Ref("AWS::Partition"), new("aws-cn"))),
		domain:   s.Condition("HasDomain", kit.Given("DomainName")),
		acm:      s.Condition("HasAcmCertificate", kit.Given("AcmCertificateArn")),
		logs:     s.Condition("KeepsAccessLogs", kit.Is("AccessLogs", "true")),
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
