// Package existenceaws looks, before a task's stack is made, whether what its parameters name is there: buckets, secrets, keys
// and networks. What the hub may not look at counts as being there; the task's own check tells more.
package existenceaws

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsarn "github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/plugins/contract"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/partition"
)

// Actions returns the IAM actions: on buckets, on secrets, on keys, and on networks, for which there is no resource.
func Actions() (buckets, secrets, keys, networks []string) {
	return []string{"s3:ListBucket"}, []string{"secretsmanager:DescribeSecret"}, []string{"kms:DescribeKey"}, []string{"ec2:DescribeSubnets", "ec2:DescribeVpcs"}
}

// Existence implements task.Existence.
type Existence struct {
	region  string
	plugins []task.Plugin
	buckets *s3.Client
	secrets *secretsmanager.Client
	keys    *kms.Client
	network *ec2.Client
}

var _ task.Existence = (*Existence)(nil)

// Open returns what looks for tasks of these plugins. It makes no call.
func Open(cfg aws.Config, plugins []task.Plugin) *Existence {
	return &Existence{cfg.Region, plugins, s3.NewFromConfig(cfg), secretsmanager.NewFromConfig(cfg), kms.NewFromConfig(cfg), ec2.NewFromConfig(cfg)}
}

// Missing implements task.Existence. It looks at what the parameters of the S3 and the ECR plugin name; of other plugins it knows
// nothing. The error is of a service that did not answer.
func (e *Existence) Missing(ctx context.Context, kind string, parameters map[string]string) (wrong []task.Error, err error) {
	values, known, err := e.values(kind, parameters)
	if err != nil || !known {
		return nil, err
	}
	look := func(found *task.Error, err error) error {
		if found != nil {
			wrong = append(wrong, *found)
		}
		return err
	}
	if kind == "ECR" {
		for _, field := range []string{"srcCredential", "destCredential"} {
			if err := look(e.secret(ctx, values, field)); err != nil {
				return nil, err
			}
		}
		networks, err := e.networks(ctx, values, "ecsVpcId", []string{"ecsSubnetA", "ecsSubnetB"})
		return append(wrong, networks...), err
	}
	for _, end := range []string{"src", "dest"} {
		if err := look(e.bucket(ctx, values, end)); err != nil {
			return nil, err
		}
		if err := look(e.secret(ctx, values, end+"Credentials")); err != nil {
			return nil, err
		}
	}
	if err := look(e.key(ctx, values)); err != nil {
		return nil, err
	}
	networks, err := e.networks(ctx, values, "ec2VpcId", []string{"ec2Subnets"})
	return append(wrong, networks...), err
}

func (e *Existence) values(kind string, parameters map[string]string) (contract.Values, bool, error) {
	for _, p := range e.plugins {
		if p.Type == kind && (kind == "S3" || kind == "ECR") {
			values, err := p.Contract.Validate(parameters)
			return values, true, err
		}
	}
	return nil, false, nil
}

func missing(field, value, message, next string) *task.Error {
	return &task.Error{Code: task.Invalid, Field: "parameters." + field, Value: value, Message: message, Next: next}
}

// bucket looks for the bucket of an end. Those of other partitions and of other providers are not the hub's to look for.
func (e *Existence) bucket(ctx context.Context, v contract.Values, end string) (*task.Error, error) {
	field := end + "Bucket"
	name := v[field]
	if v[end+"Type"] != string(job.AmazonS3) || v[end+"Endpoint"] != "" || !e.here(v[end+"Region"]) {
		return nil, nil
	}
	_, err := e.buckets.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &name}, func(o *s3.Options) {
		if region := v[end+"Region"]; region != "" {
			o.Region = region
		}
	})
	var answer *smithyhttp.ResponseError
	switch {
	case err == nil:
		return nil, nil
	case errors.As(err, &answer) && answer.HTTPStatusCode() == http.StatusNotFound:
		return missing(field, name, "there is no bucket of this name", "create the bucket, or name another; names are case-sensitive"), nil
	case errors.As(err, &answer) && answer.HTTPStatusCode() < http.StatusInternalServerError:
		return nil, nil // it is there, in another region or not open to the hub
	}
	return nil, fmt.Errorf("looking for bucket %s: %w", name, err)
}

// here reports whether a region is of the hub's partition; "" is.
func (e *Existence) here(region string) bool {
	if region == "" {
		return true
	}
	own, err := partition.Of(e.region)
	there, theirs := partition.Of(region)
	return err == nil && theirs == nil && own.Name == there.Name
}

// mine reports whether an ARN is of the hub's region. What is no ARN is.
func (e *Existence) mine(name string) bool {
	a, err := awsarn.Parse(name)
	return err != nil || a.Region == e.region
}

func (e *Existence) secret(ctx context.Context, v contract.Values, field string) (*task.Error, error) {
	name := v[field]
	if name == "" || !e.mine(name) {
		return nil, nil
	}
	out, err := e.secrets.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &name})
	switch {
	case err == nil && out.DeletedDate != nil:
		return missing(field, name, "the secret is about to be deleted", "restore it, or name another"), nil
	case is(err, "ResourceNotFoundException"):
		return missing(field, name, "there is no secret of this name in the hub's region", "create it in Secrets Manager, or name another"), nil
	}
	return nil, told("looking for secret "+name, err)
}

// key looks for the key of the destination, which is in the destination's region.
func (e *Existence) key(ctx context.Context, v contract.Values) (*task.Error, error) {
	const field = "destPutObjectSSEKmsKeyId"
	name, region := v[field], v["destRegion"]
	if name == "" || !e.mine(name) || region != "" && region != e.region || v["destType"] != string(job.AmazonS3) {
		return nil, nil
	}
	out, err := e.keys.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &name})
	switch {
	case err == nil && !out.KeyMetadata.Enabled:
		return missing(field, name, fmt.Sprintf("the key is %s", out.KeyMetadata.KeyState), "enable it in KMS, or name another"), nil
	case is(err, "NotFoundException"), is(err, "InvalidArnException"):
		return missing(field, name, "there is no such key", "create it in KMS, or name another by its id, alias/NAME or ARN"), nil
	}
	return nil, told("looking for key "+name, err)
}

// is reports whether a service answered with an error of a code.
func is(err error, code string) bool {
	var answer smithy.APIError
	return errors.As(err, &answer) && answer.ErrorCode() == code
}

// told passes on what went wrong, but for a refusal: what may not be looked at may be there.
func told(doing string, err error) error {
	for _, code := range []string{"AccessDeniedException", "AccessDenied", "UnauthorizedOperation"} {
		if is(err, code) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}
