package portal

import (
	"time"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/lambda/wiring"
)

// siteConfiguration brings the console's files and its configuration into the bucket. What goes wrong there fails the deployment.
func (b *builder) siteConfiguration() {
	properties := object{
		wiring.PropBucket: kit.Ref("ConsoleBucket"), wiring.PropDistribution: kit.Ref("Distribution"), wiring.PropVersion: b.consoleVersion(),
		wiring.PropReleases: kit.SubWith("${AssetsBucketPrefix}-${AWS::Region}", map[string]*string{"AssetsBucketPrefix": b.values["AssetsBucketPrefix"]}),
		wiring.PropDocument: object{
			"mode": "aws", "version": b.version, "region": kit.Ref("AWS::Region"), "partition": kit.Ref("AWS::Partition"), "hub": kit.Ref("AWS::StackName"),
			"api": kit.Sub("${Api.GraphQLUrl}"),
			"signIn": object{
				"issuer": b.issuer(), "clientId": b.clientID(), "scope": b.scopes(), "groupsClaim": b.groupsClaim(),
				"redirectUri": b.home(), "logoutUri": b.home(), "logoutEndpoint": b.logout(),
			},
		},
	}
	if b.variant == Cognito {
		properties[wiring.PropHeaders] = kit.Ref("ConsoleHeaders")
		properties[wiring.PropContentSecurity] = b.contentSecurity()
	}
	site := b.s.CustomResource("Site", "DthSite", b.function(wiring.SiteConfig), 10*time.Minute, properties)
	// Deleted first: the bucket has to be empty before it goes.
	kit.Depend(site, b.bucketPolicy)
}

// consoleVersion is that of the console: the hub's own, and with `cdk deploy`, which publishes nothing, that of the releases which
// are named.
func (b *builder) consoleVersion() *string {
	if b.released {
		return &b.version
	}
	return kit.Ref("AssetsVersion")
}

// logout is where a person is signed out at the provider; "" where the discovery document says it. That of Cognito does not.
func (b *builder) logout() *string {
	if b.variant == OpenID {
		return new("")
	}
	return kit.Join("", b.signInHost(), new("/logout"))
}

// home is the console's first page, to which sign-in and sign-out lead back.
func (b *builder) home() *string { return kit.Join("", new("https://"), b.host(), new("/")) }
