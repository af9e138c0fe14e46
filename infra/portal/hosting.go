package portal

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"

	"github.com/datatransferhub/dth/infra/kit"
)

// hosting makes the buckets of the console: its files, which CloudFront alone reads, and the access logs.
func (b *builder) hosting() {
	b.accessLogs()
	b.s.Resource("ConsoleBucket", "AWS::S3::Bucket", object{
		"PublicAccessBlockConfiguration": noPublicAccess(),
		"BucketEncryption":               encrypted(),
		"OwnershipControls":              object{"Rules": list{object{"ObjectOwnership": "BucketOwnerEnforced"}}},
		"LoggingConfiguration":           b.c.logs.ChooseAny(object{"DestinationBucketName": kit.Ref("AccessLogBucket"), "LogFilePrefix": "bucket/"}, kit.NoValue()),
	}).ApplyRemovalPolicy(awscdk.RemovalPolicy_DESTROY, nil) // the site configuration empties it first
	files := kit.Sub("${ConsoleBucket.Arn}/*")
	b.bucketPolicy = b.s.Resource("ConsoleBucketPolicy", "AWS::S3::BucketPolicy", object{
		"Bucket": kit.Ref("ConsoleBucket"),
		"PolicyDocument": kit.Document(
			tlsOnly(kit.Sub("${ConsoleBucket.Arn}"), files),
			b.c.china.ChooseAny(
				object{
					"Sid": "CloudFrontInChina", "Effect": "Allow", "Action": "s3:GetObject", "Resource": files,
					"Principal": object{"CanonicalUser": kit.Sub("${OriginIdentity.S3CanonicalUserId}")},
				},
				object{
					"Sid": "CloudFront", "Effect": "Allow", "Action": "s3:GetObject", "Resource": files,
					"Principal": object{"Service": "cloudfront.amazonaws.com"},
					"Condition": object{"StringEquals": object{"aws:SourceArn": kit.Sub("arn:${AWS::Partition}:cloudfront::${AWS::AccountId}:distribution/${Distribution}")}},
				},
			),
		),
	})
}

// accessLogs makes the bucket that takes access logs. CloudFront writes them by access control list, S3 by the bucket's policy.
// https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logging-legacy-s3.html
func (b *builder) accessLogs() {
	bucket := b.s.Resource("AccessLogBucket", "AWS::S3::Bucket", object{
		"PublicAccessBlockConfiguration": noPublicAccess(),
		"BucketEncryption":               encrypted(),
		"OwnershipControls":              object{"Rules": list{object{"ObjectOwnership": "BucketOwnerPreferred"}}},
		"LifecycleConfiguration": object{"Rules": list{
			object{"Id": "OneYear", "Status": "Enabled", "ExpirationInDays": 365, "AbortIncompleteMultipartUpload": object{"DaysAfterInitiation": 7}},
		}},
	})
	bucket.ApplyRemovalPolicy(awscdk.RemovalPolicy_RETAIN, nil)
	arn, files := kit.Sub("${AccessLogBucket.Arn}"), kit.Sub("${AccessLogBucket.Arn}/*")
	policy := b.s.Resource("AccessLogBucketPolicy", "AWS::S3::BucketPolicy", object{
		"Bucket": kit.Ref("AccessLogBucket"),
		"PolicyDocument": kit.Document(
			tlsOnly(arn, files),
			object{
				"Sid": "BucketLogs", "Effect": "Allow", "Action": "s3:PutObject", "Resource": kit.Sub("${AccessLogBucket.Arn}/bucket/*"),
				"Principal": object{"Service": "logging.s3.amazonaws.com"}, "Condition": kit.OwnAccount(),
			},
		),
	})
	b.c.logs.Guard(bucket, policy)
}

// tlsOnly refuses calls without TLS to a bucket and its objects.
func tlsOnly(bucket, files *string) object {
	return object{
		"Sid": "TLSOnly", "Effect": "Deny", "Action": "s3:*", "Resource": list{bucket, files}, "Principal": object{"AWS": "*"},
		"Condition": object{"Bool": object{"aws:SecureTransport": "false"}},
	}
}

func noPublicAccess() object {
	return object{"BlockPublicAcls": true, "BlockPublicPolicy": true, "IgnorePublicAcls": true, "RestrictPublicBuckets": true}
}

// encrypted is encryption with keys of S3: origin access identities, which China has, cannot use those of KMS.
func encrypted() object {
	return object{"ServerSideEncryptionConfiguration": list{object{"ServerSideEncryptionByDefault": object{"SSEAlgorithm": "AES256"}}}}
}
