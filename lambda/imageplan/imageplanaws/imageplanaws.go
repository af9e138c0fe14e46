// Package imageplanaws keeps the work lists of runs in Amazon S3, and asks Step Functions whether a run's execution is there.
package imageplanaws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// Actions returns the IAM actions on the objects of the work bucket, and on the executions of the state machine. S3 says of an
// object that is not there that it is none only to those who may list the bucket: the second.
func Actions() (objects, bucket, executions []string) {
	return []string{"s3:GetObject", "s3:PutObject"}, []string{"s3:ListBucket"}, []string{"states:DescribeExecution"}
}

// Work implements imageplan.Work.
type Work struct {
	bucket string
	client *s3.Client
}

// OpenWork returns the work lists in a bucket. It makes no call.
func OpenWork(cfg aws.Config, bucket string) *Work {
	return &Work{bucket, s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = cfg.BaseEndpoint != nil })}
}

// Put implements imageplan.Work.
func (w *Work) Put(ctx context.Context, key string, content []byte) error {
	_, err := w.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &w.bucket, Key: &key, Body: bytes.NewReader(content), ContentType: aws.String("application/json")})
	if err != nil {
		return fmt.Errorf("writing s3://%s/%s: %w", w.bucket, key, err)
	}
	return nil
}

// Get implements imageplan.Work.
func (w *Work) Get(ctx context.Context, key string) ([]byte, error) {
	out, err := w.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &w.bucket, Key: &key})
	var none *types.NoSuchKey
	if errors.As(err, &none) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading s3://%s/%s: %w", w.bucket, key, err)
	}
	defer out.Body.Close()
	content, err := io.ReadAll(out.Body)
	if err != nil {
		return nil, fmt.Errorf("reading s3://%s/%s: %w", w.bucket, key, err)
	}
	return content, nil
}

// Alive returns what tells whether the execution of that name of a state machine still runs. One that is gone does not.
func Alive(cfg aws.Config, machine string) func(ctx context.Context, name string) (bool, error) {
	client := sfn.NewFromConfig(cfg)
	executions := strings.Replace(machine, ":stateMachine:", ":execution:", 1) + ":"
	return func(ctx context.Context, name string) (bool, error) {
		out, err := client.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: aws.String(executions + name)})
		var none *sfntypes.ExecutionDoesNotExist
		if errors.As(err, &none) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("looking for execution %s: %w", name, err)
		}
		return out.Status == sfntypes.ExecutionStatusRunning || out.Status == sfntypes.ExecutionStatusPendingRedrive, nil
	}
}
