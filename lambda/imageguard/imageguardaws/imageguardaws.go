// Package imageguardaws ends what works for an ECR task's stack on AWS, and empties its bucket.
package imageguardaws

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/datatransferhub/dth/lambda/imageguard"
	"github.com/datatransferhub/dth/lambda/stackguard/stackguardaws"
)

// Actions returns the IAM actions: on the bucket, and on its objects. Those on executions are stackguardaws's.
func Actions() (bucket, objects []string) {
	return []string{"s3:ListBucket"}, []string{"s3:DeleteObject"}
}

// Stack implements imageguard.Stack.
type Stack struct {
	executions *stackguardaws.Stack
	s3         *s3.Client
}

var _ imageguard.Stack = (*Stack)(nil)

// Open returns a stack. It makes no call.
func Open(cfg aws.Config) *Stack {
	return &Stack{stackguardaws.Open(cfg, nil, nil), s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = cfg.BaseEndpoint != nil })}
}

// StopExecutions implements imageguard.Stack.
func (s *Stack) StopExecutions(ctx context.Context, machine string) (int, error) {
	return s.executions.StopExecutions(ctx, machine)
}

// Empty implements imageguard.Stack. It lists from the start until nothing is left, so what is written meanwhile goes, too.
func (s *Stack) Empty(ctx context.Context, bucket string) (deleted int, err error) {
	for {
		page, err := s.s3.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket})
		var failed smithy.APIError
		if errors.As(err, &failed) && failed.ErrorCode() == "NoSuchBucket" {
			return deleted, nil
		}
		if err != nil {
			return deleted, fmt.Errorf("listing bucket %s: %w", bucket, err)
		}
		if len(page.Contents) == 0 {
			return deleted, nil
		}
		var ids []types.ObjectIdentifier
		for _, o := range page.Contents {
			ids = append(ids, types.ObjectIdentifier{Key: o.Key})
		}
		out, err := s.s3.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &bucket, Delete: &types.Delete{Objects: ids, Quiet: aws.Bool(true)}})
		if err != nil {
			return deleted, fmt.Errorf("deleting objects of bucket %s: %w", bucket, err)
		}
		deleted += len(ids) - len(out.Errors)
		if len(out.Errors) > 0 {
			e := out.Errors[0]
			return deleted, fmt.Errorf("deleting %d objects of bucket %s, the first %s: %s", len(out.Errors), bucket, aws.ToString(e.Key), aws.ToString(e.Message))
		}
	}
}
