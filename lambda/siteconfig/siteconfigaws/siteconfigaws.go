// Package siteconfigaws keeps the console in Amazon S3 behind Amazon CloudFront.
package siteconfigaws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudfront"
	edge "github.com/aws/aws-sdk-go-v2/service/cloudfront/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/datatransferhub/dth/lambda/siteconfig"
)

// Actions returns the IAM actions on the console's bucket, on its objects, on the distribution and on the response headers
// policy. s3:GetObject is needed on the releases besides.
func Actions() (bucket, files, invalidate, headers []string) {
	return []string{"s3:ListBucket"}, []string{"s3:PutObject", "s3:DeleteObject"}, []string{"cloudfront:CreateInvalidation"},
		[]string{"cloudfront:GetResponseHeadersPolicyConfig", "cloudfront:UpdateResponseHeadersPolicy"}
}

// Site implements siteconfig.Site.
type Site struct {
	s3   *s3.Client
	edge *cloudfront.Client
}

var _ siteconfig.Site = (*Site)(nil)

// Open returns the sites of an account. It makes no call.
func Open(cfg aws.Config) *Site {
	return &Site{s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = cfg.BaseEndpoint != nil }), cloudfront.NewFromConfig(cfg)}
}

// maxBundle bounds what is read of a releases' bucket, in bytes.
const maxBundle = 128 << 20

// Get implements siteconfig.Site. Without the right to list, S3 says of what is missing that it is forbidden; releases' buckets
// that are open to an organization may do so.
func (s *Site) Get(ctx context.Context, bucket, key string) ([]byte, error) {
	out, err := s.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		var api smithy.APIError
		if errors.As(err, &api) && (api.ErrorCode() == "NoSuchKey" || api.ErrorCode() == "NoSuchBucket" || api.ErrorCode() == "AccessDenied") {
			return nil, fmt.Errorf("%w: %w", siteconfig.ErrMissing, err)
		}
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(out.Body, maxBundle+1))
	if err = errors.Join(err, out.Body.Close()); err != nil {
		return nil, err
	}
	if len(content) > maxBundle {
		return nil, fmt.Errorf("more than %d bytes", maxBundle)
	}
	return content, nil
}

// Put implements siteconfig.Site.
func (s *Site) Put(ctx context.Context, bucket string, f siteconfig.File) error {
	_, err := s.s3.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &bucket, Key: &f.Key, Body: bytes.NewReader(f.Content), ContentType: &f.ContentType, CacheControl: &f.CacheControl,
	})
	return err
}

// Keys implements siteconfig.Site.
func (s *Site) Keys(ctx context.Context, bucket string) ([]string, error) {
	var keys []string
	pages := s3.NewListObjectsV2Paginator(s.s3, &s3.ListObjectsV2Input{Bucket: &bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		var gone *types.NoSuchBucket
		if errors.As(err, &gone) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			keys = append(keys, aws.ToString(o.Key))
		}
	}
	return keys, nil
}

// Remove implements siteconfig.Site.
func (s *Site) Remove(ctx context.Context, bucket string, keys []string) error {
	for _, key := range keys {
		if _, err := s.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: &key}); err != nil {
			return fmt.Errorf("deleting %s: %w", key, err)
		}
	}
	return nil
}

// Invalidate implements siteconfig.Site. It does not wait: that takes minutes, and the pages themselves are never kept.
func (s *Site) Invalidate(ctx context.Context, distribution, token string) error {
	_, err := s.edge.CreateInvalidation(ctx, &cloudfront.CreateInvalidationInput{
		DistributionId:    &distribution,
		InvalidationBatch: &edge.InvalidationBatch{CallerReference: &token, Paths: &edge.Paths{Quantity: aws.Int32(1), Items: []string{"/*"}}},
	})
	return err
}

// Secure implements siteconfig.Site. What else the policy holds stays; a change by somebody else in between is refused by its tag.
func (s *Site) Secure(ctx context.Context, headers, policy string) error {
	now, err := s.edge.GetResponseHeadersPolicyConfig(ctx, &cloudfront.GetResponseHeadersPolicyConfigInput{Id: &headers})
	if err != nil {
		return err
	}
	config := now.ResponseHeadersPolicyConfig
	if config == nil || config.SecurityHeadersConfig == nil || config.SecurityHeadersConfig.ContentSecurityPolicy == nil {
		return fmt.Errorf("response headers policy %s has no content security policy that could be set", headers)
	}
	config.SecurityHeadersConfig.ContentSecurityPolicy.ContentSecurityPolicy = &policy
	_, err = s.edge.UpdateResponseHeadersPolicy(ctx, &cloudfront.UpdateResponseHeadersPolicyInput{
		Id: &headers, IfMatch: now.ETag, ResponseHeadersPolicyConfig: config,
	})
	return err
}
