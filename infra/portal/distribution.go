package portal

import (
	"time"

	"github.com/datatransferhub/dth/infra/kit"
)

// hashed are the paths of files whose names change with their content.
const hashed = "/assets/*"

// distribution puts CloudFront in front of the console's bucket.
func (b *builder) distribution() {
	b.headers()
	identity := b.s.Resource("OriginIdentity", "AWS::CloudFront::CloudFrontOriginAccessIdentity", object{
		"CloudFrontOriginAccessIdentityConfig": object{"Comment": kit.Sub("Data Transfer Hub ${AWS::StackName}")},
	})
	b.c.china.Guard(identity)
	outside := b.s.Condition("OutsideOfChina", kit.Not(b.c.china.Holds()))
	access := b.s.Resource("OriginAccess", "AWS::CloudFront::OriginAccessControl", object{
		"OriginAccessControlConfig": object{
			"Name": kit.Join("-", new("dth"), kit.Unique()), "OriginAccessControlOriginType": "s3", "SigningBehavior": "always", "SigningProtocol": "sigv4",
		},
	})
	// The type is not there in China, and neither is the resource.
	access.AddMetadata(new("cfn-lint"), object{"config": object{"ignore_checks": []string{"E3006"}}})
	outside.Guard(access)
	b.s.Resource("Distribution", "AWS::CloudFront::Distribution", object{"DistributionConfig": object{
		"Enabled": true, "Comment": kit.Sub("Data Transfer Hub ${AWS::StackName}"), "DefaultRootObject": "index.html",
		"HttpVersion": b.c.china.Choose(new("http2"), new("http2and3")), "IPV6Enabled": b.c.china.ChooseAny(false, true),
		"Aliases":           b.c.domain.ChooseAny(list{kit.Ref("DomainName")}, kit.NoValue()),
		"ViewerCertificate": b.c.domain.ChooseAny(b.certificate(), object{"CloudFrontDefaultCertificate": true}),
		"WebACLId":          b.c.webACL.ChooseAny(kit.Ref("CloudFrontWebAclArn"), b.c.edge.ChooseAny(kit.Sub("${EdgeFirewall.Arn}"), kit.NoValue())),
		"Logging": b.c.edgeLogs.ChooseAny(object{
			"Bucket": kit.Sub("${AccessLogBucket.RegionalDomainName}"), "Prefix": "console/", "IncludeCookies": false,
		}, kit.NoValue()),
		"Origins": list{object{
			"Id": "console", "DomainName": kit.Sub("${ConsoleBucket.RegionalDomainName}"),
			"S3OriginConfig": object{
				"OriginAccessIdentity": b.c.china.Choose(kit.Sub("origin-access-identity/cloudfront/${OriginIdentity}"), new("")),
			},
			"OriginAccessControlId": b.c.china.Choose(kit.NoValue(), kit.Sub("${OriginAccess.Id}")),
		}},
		"DefaultCacheBehavior": behavior(0),
		"CacheBehaviors":       list{with(behavior(365*24*time.Hour), "PathPattern", hashed)},
		// A single-page app answers every path with its one page.
		"CustomErrorResponses": list{page(403), page(404)},
	}})
}

// certificate is that of the own domain: of ACM, in China of IAM.
func (b *builder) certificate() object {
	return object{
		"AcmCertificateArn": b.c.acm.Choose(kit.Ref("AcmCertificateArn"), kit.NoValue()),
		"IamCertificateId":  b.c.acm.Choose(kit.NoValue(), kit.Ref("IamCertificateId")),
		"SslSupportMethod":  "sni-only", "MinimumProtocolVersion": "TLSv1.2_2021",
	}
}

// behavior keeps files for a time. Times are given here and not by cache policies, of which an account has twenty.
func behavior(keep time.Duration) object {
	return object{
		"TargetOriginId": "console", "ViewerProtocolPolicy": "redirect-to-https", "Compress": true,
		"AllowedMethods": list{"GET", "HEAD"}, "CachedMethods": list{"GET", "HEAD"},
		"ForwardedValues": object{"QueryString": false, "Cookies": object{"Forward": "none"}},
		"MinTTL":          0, "DefaultTTL": int(keep.Seconds()), "MaxTTL": int(keep.Seconds()),
		"ResponseHeadersPolicyId": kit.Ref("ConsoleHeaders"),
	}
}

func page(code int) object {
	return object{"ErrorCode": code, "ResponseCode": 200, "ResponsePagePath": "/index.html", "ErrorCachingMinTTL": 0}
}

func with(o object, name string, value any) object {
	o[name] = value
	return o
}

// host is where people find the console.
func (b *builder) host() *string {
	return b.c.domain.Choose(kit.Ref("DomainName"), kit.Sub("${Distribution.DomainName}"))
}
