// Package taskconfigaws keeps configuration documents in AWS Systems Manager's Parameter Store, and those that are too long for
// it in a bucket.
package taskconfigaws

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"

	"github.com/datatransferhub/dth/plugins/contract/configaws"
	"github.com/datatransferhub/dth/plugins/s3"
)

// Actions returns the IAM actions on the parameter, on the object with a long document, and on objects with lists.
func Actions() (parameter, object, list []string) {
	return []string{"ssm:GetParameter", "ssm:PutParameter", "ssm:DeleteParameter"}, []string{"s3:GetObject", "s3:PutObject", "s3:DeleteObject"}, []string{"s3:GetObject"}
}

// MaxParameter is the longest document that an advanced parameter holds, in bytes.
// https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html
const MaxParameter = 8 << 10

// Key returns the key of the object that holds the document of this name, when it is too long for a parameter.
func Key(name string) string { return strings.TrimPrefix(name, "/") + ".json" }

// Documents implements taskconfig.Documents and taskconfig.Lists.
type Documents struct {
	cfg aws.Config
	ssm *ssm.Client
	s3  *awss3.Client
}

// Open returns the documents of an account and region. It makes no call.
func Open(cfg aws.Config) *Documents {
	return &Documents{cfg, ssm.NewFromConfig(cfg), awss3.NewFromConfig(cfg, func(o *awss3.Options) { o.UsePathStyle = cfg.BaseEndpoint != nil })}
}

// Read implements taskconfig.Lists.
func (d *Documents) Read(ctx context.Context, bucket, key string) (string, error) {
	text, err := configaws.Read(ctx, d.cfg, bucket, key, s3.MaxList)
	return string(text), err
}

// Get implements taskconfig.Documents.
func (d *Documents) Get(ctx context.Context, name string) (string, error) {
	document, err := configaws.Load(ctx, d.cfg, "ssm:"+name)
	var parameter *types.ParameterNotFound
	var object *s3types.NoSuchKey
	if errors.As(err, &parameter) || errors.As(err, &object) {
		return "", nil
	}
	return string(document), err
}

// Put implements taskconfig.Documents. Documents up to 4 KB cost nothing; those up to MaxParameter are advanced parameters. The
// parameter changes last, so that it never names an object that is not there.
func (d *Documents) Put(ctx context.Context, name, bucket, document string) error {
	if len(document) <= MaxParameter {
		if err := d.put(ctx, name, document); err != nil {
			return err
		}
		return d.deleteObject(ctx, name, bucket) // of a longer one before
	}
	if bucket == "" {
		return fmt.Errorf("the configuration has %d bytes, a parameter takes %d, and there is no bucket for longer ones", len(document), MaxParameter)
	}
	_, err := d.s3.PutObject(ctx, &awss3.PutObjectInput{
		Bucket: &bucket, Key: aws.String(Key(name)), Body: strings.NewReader(document), ContentType: aws.String("application/json"),
	})
	if err != nil {
		return fmt.Errorf("writing the configuration to s3://%s/%s: %w", bucket, Key(name), err)
	}
	return d.put(ctx, name, "s3://"+bucket+"/"+Key(name))
}

func (d *Documents) put(ctx context.Context, name, value string) error {
	_, err := d.ssm.PutParameter(ctx, &ssm.PutParameterInput{
		Name: &name, Value: &value, Type: types.ParameterTypeString, Tier: types.ParameterTierIntelligentTiering, Overwrite: aws.Bool(true),
		Description: aws.String("Configuration of a Data Transfer Hub task"),
	})
	if err != nil {
		return fmt.Errorf("writing the configuration to parameter %s: %w", name, err)
	}
	return nil
}

// Delete implements taskconfig.Documents.
func (d *Documents) Delete(ctx context.Context, name, bucket string) error {
	_, err := d.ssm.DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: &name})
	var gone *types.ParameterNotFound
	if err != nil && !errors.As(err, &gone) {
		return fmt.Errorf("deleting parameter %s: %w", name, err)
	}
	return d.deleteObject(ctx, name, bucket)
}

// deleteObject deletes the object of a long document, if there is one.
func (d *Documents) deleteObject(ctx context.Context, name, bucket string) error {
	if bucket == "" {
		return nil
	}
	_, err := d.s3.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: &bucket, Key: aws.String(Key(name))})
	var failed smithy.APIError
	if err != nil && !(errors.As(err, &failed) && failed.ErrorCode() == "NoSuchBucket") {
		return fmt.Errorf("deleting the configuration in s3://%s/%s: %w", bucket, Key(name), err)
	}
	return nil
}
