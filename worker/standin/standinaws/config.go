// Package standinaws connects the AWS SDK to a stand-in server in tests, holds every operation against the IAM actions
// that an adapter declares, and lets a test step between an adapter and its service.
package standinaws

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go/middleware"
)

// Config returns a configuration for the server at url, with made-up keys. Its connections are closed when the test
// ends.
func Config(tb testing.TB, url string) aws.Config {
	tb.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	tb.Cleanup(transport.CloseIdleConnections)
	return aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(url),
		Credentials: aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider("AKSTANDIN", "secret", "")),
		HTTPClient:  &http.Client{Transport: transport},
	}
}

// Only fails the test at every operation that the IAM actions do not allow: those of SDK clients before they are sent,
// and those of hand-made requests on their way.
func Only(tb testing.TB, cfg aws.Config, actions []string) aws.Config {
	tb.Helper()
	check := func(service, operation string) {
		if action := Action(service, operation); !slices.Contains(actions, action) {
			tb.Errorf("%s %s needs %s, which the adapter does not declare", service, operation, action)
		}
	}
	cfg.APIOptions = append(slices.Clone(cfg.APIOptions), func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("DeclaredActions",
			func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
				check(awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx))
				return next.HandleInitialize(ctx, in)
			}), middleware.After)
	})
	return Between(cfg, func(r Request, next func() (*http.Response, error)) (*http.Response, error) {
		if r.Operation != "" {
			check(r.Service, r.Operation)
		}
		return next()
	})
}

// named maps operations to those whose actions allow them: batches to the single ones, and what S3 names otherwise.
func named() map[string]string {
	return map[string]string{
		"Invoke": "InvokeFunction", "ListObjectsV2": "ListBucket", "HeadBucket": "ListBucket", "ListBuckets": "ListAllMyBuckets",
		"GetBucketNotificationConfiguration": "GetBucketNotification", "PutBucketNotificationConfiguration": "PutBucketNotification",
		"SendMessageBatch": "SendMessage", "DeleteMessageBatch": "DeleteMessage", "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
	}
}

// Action returns the IAM action of an operation of SQS, DynamoDB or another service whose actions are named as its
// operations are.
func Action(service, operation string) string {
	if single, ok := named()[operation]; ok {
		operation = single
	}
	prefix := strings.ToLower(strings.ReplaceAll(service, " ", ""))
	switch prefix {
	case "sfn", "awsstepfunctions":
		prefix = "states"
	case "eventbridge", "awsevents":
		prefix = "events"
	case "cloudwatchlogs":
		prefix = "logs"
	case "ec2containerregistry", "amazonec2containerregistry":
		prefix = "ecr"
	case "trentservice": // KMS in its headers
		prefix = "kms"
	}
	return prefix + ":" + operation
}

// Request is a call on its way, as far as its headers name it (the JSON protocols do).
type Request struct {
	Service   string // SQS, DynamoDB
	Operation string // PutItem
	Body      []byte
	HTTP      *http.Request
}

// Step sees a call and answers it, by next or by itself.
type Step func(r Request, next func() (*http.Response, error)) (*http.Response, error)

// Between puts a step between the configuration's clients and the service.
func Between(cfg aws.Config, step Step) aws.Config {
	cfg.HTTPClient = stepping{cfg.HTTPClient, step}
	return cfg
}

type stepping struct {
	next aws.HTTPClient
	step Step
}

// Do implements aws.HTTPClient.
func (s stepping) Do(req *http.Request) (*http.Response, error) {
	r := Request{HTTP: req}
	r.Service, r.Operation = target(req.Header.Get("X-Amz-Target"))
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		if err := req.Body.Close(); err != nil {
			return nil, err
		}
		r.Body = body
		req.Body = io.NopCloser(bytes.NewReader(body))
	}
	return s.step(r, func() (*http.Response, error) { return s.next.Do(req) })
}

// target reads a header such as DynamoDB_20120810.PutItem or AmazonSQS.SendMessage.
func target(header string) (service, operation string) {
	service, operation, _ = strings.Cut(header, ".")
	service, _, _ = strings.Cut(service, "_")
	return strings.TrimPrefix(service, "Amazon"), operation
}

// Answer makes an answer of the JSON protocol.
func Answer(r Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}}, Request: r.HTTP,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}
