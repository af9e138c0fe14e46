// Package sampleaws puts the sample's objects into a bucket over the S3 protocol.
package sampleaws

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/datatransferhub/dth/cmd/dth-sample/sample"
)

const (
	objectsAtOnce = 24
	partsAtOnce   = 2
	abortTimeout  = 10 * time.Second
)

// Endpoint is the server and the account to fill.
type Endpoint struct {
	URL, Region    string
	Access, Secret string
}

// Counts says what a fill did.
type Counts struct {
	Written      int64 `json:"written"`
	WrittenBytes int64 `json:"writtenBytes"`
	Kept         int64 `json:"kept"` // already there in the same size
}

// Filler writes objects into one bucket.
type Filler struct {
	client *s3.Client
	bucket string
}

// NewFiller makes a filler. It takes nothing from the environment or from profiles: the endpoint is
// the sample's own.
func NewFiller(e Endpoint, bucket string) *Filler {
	transport := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConnsPerHost = objectsAtOnce * partsAtOnce
	})
	return &Filler{bucket: bucket, client: s3.New(s3.Options{
		BaseEndpoint:               aws.String(e.URL),
		Region:                     e.Region,
		UsePathStyle:               true,
		Credentials:                credentials.NewStaticCredentialsProvider(e.Access, e.Secret, ""),
		HTTPClient:                 transport,
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	})}
}

// Fill makes the bucket where it is missing and writes every object that is not there in its size.
func (f *Filler) Fill(ctx context.Context, objects []sample.Object) (Counts, error) {
	if err := f.makeBucket(ctx); err != nil {
		return Counts{}, err
	}
	present, err := f.sizes(ctx)
	if err != nil {
		return Counts{}, err
	}
	var counts Counts
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(objectsAtOnce)
	for i := range objects {
		object := &objects[i]
		if size, found := present[object.Key]; found && size == object.Size {
			counts.Kept++
			continue
		}
		group.Go(func() error {
			if err := f.put(ctx, object); err != nil {
				return fmt.Errorf("writing %q to bucket %s: %w", object.Key, f.bucket, err)
			}
			atomic.AddInt64(&counts.Written, 1)
			atomic.AddInt64(&counts.WrittenBytes, object.Size)
			return nil
		})
	}
	err = group.Wait()
	return counts, err
}

func (f *Filler) makeBucket(ctx context.Context) error {
	_, err := f.client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &f.bucket})
	var owned *types.BucketAlreadyOwnedByYou
	if err != nil && !errors.As(err, &owned) {
		return fmt.Errorf("making bucket %s: %w", f.bucket, err)
	}
	return nil
}

// sizes lists what the bucket holds.
func (f *Filler) sizes(ctx context.Context) (map[string]int64, error) {
	found := map[string]int64{}
	pages := s3.NewListObjectsV2Paginator(f.client, &s3.ListObjectsV2Input{Bucket: &f.bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing bucket %s: %w", f.bucket, err)
		}
		for _, object := range page.Contents {
			found[aws.ToString(object.Key)] = aws.ToInt64(object.Size)
		}
	}
	return found, nil
}

func (f *Filler) put(ctx context.Context, o *sample.Object) error {
	if o.Size >= sample.PartSize {
		return f.putParts(ctx, o)
	}
	_, err := f.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &f.bucket, Key: &o.Key,
		Body:               bytes.NewReader(o.Bytes(0, o.Size)),
		ChecksumAlgorithm:  types.ChecksumAlgorithm(o.Checksum),
		ContentType:        text(o.Headers.Type),
		ContentEncoding:    text(o.Headers.Encoding),
		ContentLanguage:    text(o.Headers.Language),
		ContentDisposition: text(o.Headers.Disposition),
		CacheControl:       text(o.Headers.CacheControl),
		Metadata:           o.Metadata,
		Tagging:            tagging(o.Tags),
	})
	return err
}

func (f *Filler) putParts(ctx context.Context, o *sample.Object) error {
	create := &s3.CreateMultipartUploadInput{
		Bucket: &f.bucket, Key: &o.Key,
		ChecksumAlgorithm:  types.ChecksumAlgorithm(o.Checksum),
		ContentType:        text(o.Headers.Type),
		ContentEncoding:    text(o.Headers.Encoding),
		ContentLanguage:    text(o.Headers.Language),
		ContentDisposition: text(o.Headers.Disposition),
		CacheControl:       text(o.Headers.CacheControl),
		Metadata:           o.Metadata,
		Tagging:            tagging(o.Tags),
	}
	if o.Checksum != "" {
		create.ChecksumType = types.ChecksumTypeFullObject
	}
	upload, err := f.client.CreateMultipartUpload(ctx, create)
	if err != nil {
		return err
	}
	parts, err := f.uploadParts(ctx, o, upload.UploadId)
	if err == nil {
		_, err = f.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: &f.bucket, Key: &o.Key, UploadId: upload.UploadId,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
		})
	}
	if err == nil {
		return nil
	}
	// The upload is ended also when the caller has given up.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	_, aborted := f.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{
		Bucket: &f.bucket, Key: &o.Key, UploadId: upload.UploadId,
	})
	return errors.Join(err, aborted)
}

func (f *Filler) uploadParts(ctx context.Context, o *sample.Object, id *string) ([]types.CompletedPart, error) {
	parts := make([]types.CompletedPart, (o.Size+sample.PartSize-1)/sample.PartSize)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(partsAtOnce)
	for i := range parts {
		group.Go(func() error {
			number, offset := aws.Int32(int32(i+1)), int64(i)*sample.PartSize
			body := bytes.NewReader(o.Bytes(offset, min(sample.PartSize, o.Size-offset)))
			done, err := f.client.UploadPart(ctx, &s3.UploadPartInput{
				Bucket: &f.bucket, Key: &o.Key, UploadId: id, PartNumber: number, Body: body,
				ChecksumAlgorithm: types.ChecksumAlgorithm(o.Checksum),
			})
			if err != nil {
				return fmt.Errorf("part %d: %w", i+1, err)
			}
			parts[i] = types.CompletedPart{
				PartNumber: number, ETag: done.ETag, ChecksumCRC64NVME: done.ChecksumCRC64NVME,
			}
			return nil
		})
	}
	return parts, group.Wait()
}

func text(value string) *string {
	if value == "" {
		return nil
	}
	return &value
}

func tagging(tags map[string]string) *string {
	values := url.Values{}
	for name, value := range tags {
		values.Set(name, value)
	}
	return text(values.Encode())
}
