package machinesaws

import (
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	edge "github.com/aws/aws-sdk-go-v2/service/cloudfront/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Network makes a VPC with one subnet.
func Network(t *testing.T, url string) (vpc, subnet string) {
	t.Helper()
	client := ec2.NewFromConfig(standinaws.Config(t, url))
	v, err := client.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.7.0.0/16")})
	must(t, err)
	s, err := client.CreateSubnet(t.Context(), &ec2.CreateSubnetInput{VpcId: v.Vpc.VpcId, CidrBlock: aws.String("10.7.0.0/24")})
	must(t, err)
	return *v.Vpc.VpcId, *s.Subnet.SubnetId
}

// Log writes a line to a log stream, which it makes with its group.
func Log(t *testing.T, url, group, stream string, at time.Time, line string) {
	t.Helper()
	client := cloudwatchlogs.NewFromConfig(standinaws.Config(t, url))
	_, err := client.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{LogGroupName: &group})
	must(t, err)
	_, err = client.CreateLogStream(t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &stream})
	must(t, err)
	_, err = client.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{
		LogGroupName: &group, LogStreamName: &stream, LogEvents: []logs.InputLogEvent{{Timestamp: aws.Int64(at.UnixMilli()), Message: &line}},
	})
	must(t, err)
}

// Site makes a bucket with a distribution in front of it, and returns the distribution's id.
func Site(t *testing.T, url, bucket string) string {
	t.Helper()
	_, err := files(t, url).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket})
	must(t, err)
	out, err := cloudfront.NewFromConfig(standinaws.Config(t, url)).CreateDistribution(t.Context(), &cloudfront.CreateDistributionInput{DistributionConfig: &edge.DistributionConfig{
		CallerReference: aws.String("once"), Comment: aws.String("console"), Enabled: aws.Bool(true),
		Origins: &edge.Origins{Quantity: aws.Int32(1), Items: []edge.Origin{{
			Id: aws.String("files"), DomainName: aws.String(bucket + ".s3.amazonaws.com"), S3OriginConfig: &edge.S3OriginConfig{OriginAccessIdentity: aws.String("")},
		}}},
		DefaultCacheBehavior: &edge.DefaultCacheBehavior{TargetOriginId: aws.String("files"), ViewerProtocolPolicy: edge.ViewerProtocolPolicyHttpsOnly},
	}})
	must(t, err)
	return *out.Distribution.Id
}

// Invalidations is how often the copies of a distribution were invalidated.
func Invalidations(t *testing.T, url, distribution string) int {
	t.Helper()
	out, err := cloudfront.NewFromConfig(standinaws.Config(t, url)).ListInvalidations(t.Context(), &cloudfront.ListInvalidationsInput{DistributionId: &distribution})
	must(t, err)
	return len(out.InvalidationList.Items)
}

// Objects are those of a bucket, with how long browsers keep each.
func Objects(t *testing.T, url, bucket string) map[string]string {
	t.Helper()
	client := files(t, url)
	out, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: &bucket})
	must(t, err)
	if aws.ToBool(out.IsTruncated) {
		must(t, errors.New("more than a thousand objects"))
	}
	found := map[string]string{}
	for _, o := range out.Contents {
		head, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &bucket, Key: o.Key})
		must(t, err)
		found[*o.Key] = aws.ToString(head.CacheControl)
	}
	return found
}

func files(t *testing.T, url string) *s3.Client {
	return s3.NewFromConfig(standinaws.Config(t, url), func(o *s3.Options) { o.UsePathStyle = true })
}
