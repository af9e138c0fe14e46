package kit

import "github.com/aws/aws-cdk-go/awscdk/v2/awss3"

// PrivateBucket makes a bucket for the stack's own programs: encrypted, closed to the public, and to calls without TLS. It goes
// with the stack, which has to empty it before. Its policy's id is id+"Policy".
func (s *Stack) PrivateBucket(id string) awss3.CfnBucket {
	bucket := awss3.NewCfnBucket(s.Scope, &id, &awss3.CfnBucketProps{
		BucketEncryption: &awss3.CfnBucket_BucketEncryptionProperty{ServerSideEncryptionConfiguration: &[]any{
			&awss3.CfnBucket_ServerSideEncryptionRuleProperty{ServerSideEncryptionByDefault: &awss3.CfnBucket_ServerSideEncryptionByDefaultProperty{SseAlgorithm: new("AES256")}},
		}},
		OwnershipControls: &awss3.CfnBucket_OwnershipControlsProperty{Rules: &[]any{&awss3.CfnBucket_OwnershipControlsRuleProperty{ObjectOwnership: new("BucketOwnerEnforced")}}},
		PublicAccessBlockConfiguration: &awss3.CfnBucket_PublicAccessBlockConfigurationProperty{
			BlockPublicAcls: new(true), BlockPublicPolicy: new(true), IgnorePublicAcls: new(true), RestrictPublicBuckets: new(true),
		},
	})
	awss3.NewCfnBucketPolicy(s.Scope, new(id+"Policy"), &awss3.CfnBucketPolicyProps{
		Bucket: bucket.Ref(), PolicyDocument: Document(TLSOnly("s3:*", bucket.AttrArn(), Sub("${"+id+".Arn}/*"))),
	})
	return bucket
}
