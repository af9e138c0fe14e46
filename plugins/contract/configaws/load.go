// Package configaws fetches the configuration documents of the plugins' programs from where they are kept.
package configaws

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
)

// MaxDocument is the longest configuration document, in bytes.
const MaxDocument = 1 << 20

// Load returns the document that a reference names: a file's path, ssm:NAME for a parameter of SSM Parameter Store, or
// s3://BUCKET/KEY. A parameter may hold s3://BUCKET/KEY in place of a document that is too long for it.
func Load(ctx context.Context, cfg aws.Config, reference string) ([]byte, error) {
	var data []byte
	var err error
	switch {
	case strings.HasPrefix(reference, "ssm:"):
		data, err = fromSSM(ctx, cfg, strings.TrimPrefix(reference, "ssm:"))
	case strings.HasPrefix(reference, "s3://"):
		data, err = fromS3(ctx, cfg, strings.TrimPrefix(reference, "s3://"))
	default:
		data, err = os.ReadFile(reference)
	}
	if err != nil {
		return nil, fmt.Errorf("configuration %s: %w", reference, err)
	}
	return data, nil
}

// Actions are the rights that Load needs on a parameter and on an object.
func Actions() (parameter, object []string) {
	return []string{"ssm:GetParameter"}, []string{"s3:GetObject"}
}

func fromSSM(ctx context.Context, cfg aws.Config, name string) ([]byte, error) {
	out, err := ssm.NewFromConfig(cfg).GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: aws.Bool(true)})
	if err != nil {
		return nil, err
	}
	value := aws.ToString(out.Parameter.Value)
	if address, elsewhere := strings.CutPrefix(value, "s3://"); elsewhere {
		return fromS3(ctx, cfg, address)
	}
	return []byte(value), nil
}

func fromS3(ctx context.Context, cfg aws.Config, address string) ([]byte, error) {
	bucket, key, ok := strings.Cut(address, "/")
	if !ok || bucket == "" || key == "" {
		return nil, fmt.Errorf("write s3://BUCKET/KEY")
	}
	return Read(ctx, cfg, bucket, key, MaxDocument)
}

// Read returns an object of at most so many bytes.
func Read(ctx context.Context, cfg aws.Config, bucket, key string, most int64) ([]byte, error) {
	client := awss3.NewFromConfig(cfg, func(o *awss3.Options) { o.UsePathStyle = cfg.BaseEndpoint != nil })
	out, err := client.GetObject(ctx, &awss3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	data, err := io.ReadAll(io.LimitReader(out.Body, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("the object is larger than %d bytes", most)
	}
	return data, err
}
