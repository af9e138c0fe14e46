// Package publishaws publishes releases to Amazon S3.
package publishaws

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"github.com/datatransferhub/dth/cmd/internal/publish"
)

// Actions are the rights that publishing needs on its buckets and their objects.
func Actions() []string {
	return []string{"s3:ListBucket", "s3:GetObject", "s3:PutObject", "sts:GetCallerIdentity"}
}

// Bucket is a publish.Store on Amazon S3. Every call names the account that the bucket must belong to: a bucket of the wanted
// name may be somebody else's.
type Bucket struct {
	client *s3.Client
	name   string
	owner  *string
}

// Account returns the id of the account that a configuration's credentials belong to.
func Account(ctx context.Context, cfg aws.Config) (string, error) {
	out, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return "", fmt.Errorf("asking who the credentials belong to: %w", err)
	}
	return aws.ToString(out.Account), nil
}

// Open returns the bucket of a region after a look at it. The error says how to make a bucket that is not there.
func Open(ctx context.Context, cfg aws.Config, region, name, account string) (*Bucket, error) {
	client := s3.NewFromConfig(cfg, func(o *s3.Options) {
		o.Region = region
		o.UsePathStyle = cfg.BaseEndpoint != nil
	})
	b := &Bucket{client: client, name: name, owner: &account}
	_, err := client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &name, ExpectedBucketOwner: b.owner})
	switch code := statusOf(err); {
	case err == nil:
		return b, nil
	case code == 404:
		return nil, fmt.Errorf("bucket %s does not exist; make it with: aws s3api create-bucket --bucket %s --region %s%s", name, name, region, constraint(region))
	case code == 403:
		return nil, fmt.Errorf("bucket %s refuses account %s: it belongs to another account, or s3:ListBucket is not allowed: %w", name, account, err)
	case code == 301 || code == 307:
		return nil, fmt.Errorf("bucket %s is not in region %s; a bucket's name ends with its region", name, region)
	}
	return nil, fmt.Errorf("looking at bucket %s: %w", name, err)
}

// constraint is what create-bucket wants beside the region everywhere but in the oldest one.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
func constraint(region string) string {
	if region == "us-east-1" {
		return ""
	}
	return " --create-bucket-configuration LocationConstraint=" + region
}

// statusOf returns the HTTP status of an error, 0 where there was no answer.
func statusOf(err error) int {
	var answer interface{ HTTPStatusCode() int }
	if errors.As(err, &answer) {
		return answer.HTTPStatusCode()
	}
	return 0
}

// Look asks for size and checksum.
func (b *Bucket) Look(ctx context.Context, key string) (publish.Stored, bool, error) {
	out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: &key, ExpectedBucketOwner: b.owner, ChecksumMode: types.ChecksumModeEnabled})
	if statusOf(err) == 404 {
		return publish.Stored{}, false, nil
	}
	if err != nil {
		return publish.Stored{}, false, err
	}
	is := publish.Stored{Size: aws.ToInt64(out.ContentLength)}
	if sum, err := base64.StdEncoding.DecodeString(aws.ToString(out.ChecksumSHA256)); err == nil && out.ChecksumType != types.ChecksumTypeComposite {
		is.SHA256 = hex.EncodeToString(sum)
	}
	return is, true, nil
}

// Get reads an object.
func (b *Bucket) Get(ctx context.Context, key string) ([]byte, error) {
	out, err := b.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: &key, ExpectedBucketOwner: b.owner})
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(out.Body)
	return content, errors.Join(err, out.Body.Close())
}

// Put writes an object with its SHA-256, which S3 compares with what arrived.
func (b *Bucket) Put(ctx context.Context, o publish.Object) error {
	sum, err := hex.DecodeString(o.SHA256)
	if err != nil {
		return fmt.Errorf("hash %q is no hexadecimal text: %w", o.SHA256, err)
	}
	in := &s3.PutObjectInput{
		Bucket: &b.name, Key: &o.Key, ExpectedBucketOwner: b.owner, Body: bytes.NewReader(o.Content), ContentType: &o.ContentType,
		ChecksumAlgorithm: types.ChecksumAlgorithmSha256, ChecksumSHA256: aws.String(base64.StdEncoding.EncodeToString(sum)),
	}
	if o.New {
		in.IfNoneMatch = aws.String("*")
	} else {
		in.CacheControl = aws.String("no-cache")
	}
	_, err = b.client.PutObject(ctx, in)
	var refused smithy.APIError
	if errors.As(err, &refused) && refused.ErrorCode() == "PreconditionFailed" {
		return fmt.Errorf("somebody else wrote it at this moment; look again with --dry-run: %w", err)
	}
	return err
}
