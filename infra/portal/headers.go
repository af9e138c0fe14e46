package portal

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/lambda/wiring"
)

// headers makes the policy that puts security headers on every answer.
//
// Of the Cognito variant the template leaves out what the console may connect to: the API has to know the sign-in client, the
// client the distribution, and the distribution this policy, so the policy cannot name the API. The site configuration puts
// the origins in when all of them are there; until then the console can connect to nothing.
func (b *builder) headers() {
	csp := new(wiring.ContentSecurity)
	if b.variant == OpenID {
		csp = b.contentSecurity()
	}
	b.s.Resource("ConsoleHeaders", "AWS::CloudFront::ResponseHeadersPolicy", object{"ResponseHeadersPolicyConfig": object{
		"Name": kit.Join("-", new("dth"), kit.Unique()), "Comment": kit.Sub("Data Transfer Hub ${AWS::StackName}"),
		"SecurityHeadersConfig": object{
			"ContentSecurityPolicy":   object{"ContentSecurityPolicy": csp, "Override": true},
			"StrictTransportSecurity": object{"AccessControlMaxAgeSec": 2 * 365 * 24 * 3600, "IncludeSubdomains": false, "Override": true},
			"FrameOptions":            object{"FrameOption": "DENY", "Override": true},
			"ReferrerPolicy":          object{"ReferrerPolicy": "no-referrer", "Override": true},
			"ContentTypeOptions":      object{"Override": true},
		},
	}})
}

// contentSecurity is the whole policy: the console connects to the API and to the provider that signs people in, and to nothing
// else.
func (b *builder) contentSecurity() *string {
	api := origin(kit.Sub("${Api.GraphQLUrl}"))
	if b.variant == Cognito {
		// The issuer has the discovery document and the keys, the pool's domain gives tokens.
		return kit.Join(" ", new(wiring.ContentSecurity), api, origin(b.issuer()), b.signInHost())
	}
	return kit.Join(" ", new(wiring.ContentSecurity), api, origin(b.issuer()), kit.Ref("OidcOrigins"))
}

// origin is the scheme and the host of an address.
func origin(address *string) *string {
	return kit.Join("", new("https://"), awscdk.Fn_Select(new(2.0), awscdk.Fn_Split(new("/"), address, nil)))
}

// anchored is a regular expression that one id fits alone, where the id's only special character is the dot.
func anchored(id *string) *string {
	escaped := awscdk.Fn_Join(new(`\.`), awscdk.Fn_Split(new("."), id, nil))
	return kit.Join("", new("^"), escaped, new("$"))
}
