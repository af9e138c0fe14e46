package s3simaws

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"

	"github.com/datatransferhub/dth/worker/checksum"
	"github.com/datatransferhub/dth/worker/s3sim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open starts a store and returns a client that leaves no connection behind.
func open(t *testing.T, o s3sim.Options, with ...func(*s3.Options)) (*s3sim.Sim, *s3.Client) {
	t.Helper()
	sim := s3sim.Run(t, o)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	with = append([]func(*s3.Options){func(o *s3.Options) {
		o.HTTPClient = &http.Client{Transport: transport}
		o.RetryMaxAttempts = 1
	}}, with...)
	return sim, Client(sim.URL(), with...)
}

func wantCode(t *testing.T, err error, code string, status int) {
	t.Helper()
	var api smithy.APIError
	var resp *awshttp.ResponseError
	if !errors.As(err, &api) || !errors.As(err, &resp) {
		t.Fatalf("error = %v, want %d %s", err, status, code)
	}
	if api.ErrorCode() != code || resp.HTTPStatusCode() != status {
		t.Fatalf("error = %d %s, want %d %s", resp.HTTPStatusCode(), api.ErrorCode(), status, code)
	}
}

func md5Hex(b []byte) string { s := md5.Sum(b); return hex.EncodeToString(s[:]) }

func TestPutGet(t *testing.T) {
	ctx := context.Background()
	sim, c := open(t, s3sim.Options{})
	sim.Bucket("b")
	data := []byte("the quick brown fox")
	put, err := c.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String("b"), Key: aws.String("a b/ü//x&<>\".txt"), Body: bytes.NewReader(data), ContentType: aws.String("text/plain"),
		CacheControl: aws.String("no-store"), Metadata: map[string]string{"Colour": "red"}, Tagging: aws.String("k=v&k2=v+2"),
		StorageClass: types.StorageClassStandardIa,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Trim(aws.ToString(put.ETag), `"`); got != md5Hex(data) {
		t.Errorf("ETag = %s", got)
	}
	if put.ChecksumCRC32 == nil {
		t.Error("the SDK's default checksum was not echoed")
	}
	get, err := c.GetObject(ctx, &s3.GetObjectInput{
		Bucket: aws.String("b"), Key: aws.String("a b/ü//x&<>\".txt"), ChecksumMode: types.ChecksumModeEnabled, IfMatch: put.ETag,
	})
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(get.Body)
	if err != nil || !bytes.Equal(body, data) {
		t.Errorf("body = %q, %v", body, err)
	}
	if aws.ToString(get.ContentType) != "text/plain" || aws.ToString(get.CacheControl) != "no-store" || get.Metadata["colour"] != "red" ||
		aws.ToInt32(get.TagCount) != 2 || get.StorageClass != types.StorageClassStandardIa || get.ChecksumType != types.ChecksumTypeFullObject {
		t.Errorf("attributes = %+v", get)
	}
	tags, err := c.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: aws.String("b"), Key: aws.String("a b/ü//x&<>\".txt")})
	if err != nil || len(tags.TagSet) != 2 || aws.ToString(tags.TagSet[1].Value) != "v 2" {
		t.Errorf("tags = %+v, %v", tags, err)
	}
}

func TestReadConditionsAndRanges(t *testing.T) {
	ctx := context.Background()
	sim, c := open(t, s3sim.Options{})
	sim.Bucket("b").PutBytes("k", []byte("0123456789"))
	get := func(in s3.GetObjectInput) (string, error) {
		in.Bucket, in.Key = aws.String("b"), aws.String("k")
		out, err := c.GetObject(ctx, &in)
		if err != nil {
			return "", err
		}
		defer out.Body.Close()
		b, err := io.ReadAll(out.Body)
		return string(b), err
	}
	for r, want := range map[string]string{"bytes=2-4": "234", "bytes=7-": "789", "bytes=-3": "789", "bytes=5-100": "56789", "bytes=0-0": "0"} {
		if got, err := get(s3.GetObjectInput{Range: aws.String(r)}); err != nil || got != want {
			t.Errorf("%s = %q, %v; want %q", r, got, err, want)
		}
	}
	_, err := get(s3.GetObjectInput{Range: aws.String("bytes=10-")})
	wantCode(t, err, "InvalidRange", 416)
	_, err = get(s3.GetObjectInput{IfMatch: aws.String(`"other"`)})
	wantCode(t, err, "PreconditionFailed", 412)
	_, err = c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String("b"), Key: aws.String("none")})
	var missing *types.NotFound
	if !errors.As(err, &missing) {
		t.Errorf("HEAD of a missing key: %v", err)
	}
	_, err = c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("none")})
	wantCode(t, err, "NoSuchKey", 404)
	_, err = c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("other"), Key: aws.String("k")})
	wantCode(t, err, "NoSuchBucket", 404)

	sim.Bucket("b").Put(s3sim.Object{Key: "cold", Content: s3sim.Bytes("x"), StorageClass: "GLACIER"})
	_, err = c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("cold")})
	wantCode(t, err, "InvalidObjectState", 403)
	sim.Bucket("b").Put(s3sim.Object{
		Key: "cold", Content: s3sim.Bytes("x"), StorageClass: "GLACIER",
		Restore: `ongoing-request="false", expiry-date="Fri, 21 Dec 2099 00:00:00 GMT"`,
	})
	restored, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("cold")})
	if err != nil {
		t.Fatal(err)
	}
	restored.Body.Close()
}

func TestWriteConditions(t *testing.T) {
	ctx := context.Background()
	sim, c := open(t, s3sim.Options{})
	b := sim.Bucket("b")
	put := func(in s3.PutObjectInput) error {
		in.Bucket, in.Key, in.Body = aws.String("b"), aws.String("k"), strings.NewReader("new")
		_, err := c.PutObject(ctx, &in)
		return err
	}
	wantCode(t, put(s3.PutObjectInput{IfMatch: aws.String("x")}), "NoSuchKey", 404)
	if err := put(s3.PutObjectInput{IfNoneMatch: aws.String("*")}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, put(s3.PutObjectInput{IfNoneMatch: aws.String("*")}), "PreconditionFailed", 412)
	wantCode(t, put(s3.PutObjectInput{IfMatch: aws.String("x")}), "PreconditionFailed", 412)
	if err := put(s3.PutObjectInput{IfMatch: aws.String(b.Get("k").ETag)}); err != nil {
		t.Fatal(err)
	}
	_, err := c.CopyObject(ctx, &s3.CopyObjectInput{
		Bucket: aws.String("b"), Key: aws.String("copy"), CopySource: aws.String("b/k"), CopySourceIfMatch: aws.String("x"),
	})
	wantCode(t, err, "PreconditionFailed", 412)
	_, err = c.CopyObject(ctx, &s3.CopyObjectInput{
		Bucket: aws.String("b"), Key: aws.String("k"), CopySource: aws.String("b/k"), IfNoneMatch: aws.String("*"),
	})
	wantCode(t, err, "PreconditionFailed", 412)
}

func TestChecksumsOfWrites(t *testing.T) {
	ctx := context.Background()
	data := []byte("some content that has a sum")
	good := checksum.Encode(checksum.Of(data))
	sim, c := open(t, s3sim.Options{})
	sim.Bucket("b")
	put, err := c.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String("b"), Key: aws.String("k"), Body: bytes.NewReader(data), ChecksumCRC64NVME: aws.String(good),
	})
	if err != nil || aws.ToString(put.ChecksumCRC64NVME) != good {
		t.Fatalf("put = %+v, %v", put, err)
	}
	_, err = c.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String("b"), Key: aws.String("bad"), Body: bytes.NewReader(data), ChecksumCRC64NVME: aws.String("AAAAAAAAAAA="),
	})
	wantCode(t, err, "BadDigest", 400)
	_, err = c.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String("b"), Key: aws.String("bad"), Body: bytes.NewReader(data),
		ContentMD5: aws.String(base64.StdEncoding.EncodeToString(make([]byte, 16))),
	})
	wantCode(t, err, "BadDigest", 400)
	if sim.Bucket("b").Get("bad") != nil {
		t.Error("a body with a wrong digest was stored")
	}
	for _, a := range []types.ChecksumAlgorithm{"CRC32", "CRC32C", "SHA1", "SHA256", "CRC64NVME"} {
		key := aws.String(string(a))
		if _, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("b"), Key: key, Body: bytes.NewReader(data), ChecksumAlgorithm: a}); err != nil {
			t.Fatalf("%s: %v", a, err)
		}
		out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("b"), Key: key, ChecksumMode: types.ChecksumModeEnabled})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(out.Body); err != nil { // the SDK compares the sum at the end
			t.Errorf("%s: %v", a, err)
		}
	}
}

func TestTrailers(t *testing.T) {
	ctx := context.Background()
	sim := s3sim.New(s3sim.Options{})
	url, pool, err := sim.StartTLS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	sim.Bucket("b")
	transport := &http.Transport{}
	transport.TLSClientConfig = tlsConfig(pool)
	t.Cleanup(transport.CloseIdleConnections)
	c := Client(url, func(o *s3.Options) { o.HTTPClient = &http.Client{Transport: transport} })
	data := bytes.Repeat([]byte("0123456789abcdef"), 20_000)
	out, err := c.PutObject(ctx, &s3.PutObjectInput{
		Bucket: aws.String("b"), Key: aws.String("k"), Body: io.MultiReader(bytes.NewReader(data)), ContentLength: aws.Int64(int64(len(data))),
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme,
	})
	if err != nil {
		t.Fatal(err)
	}
	o := sim.Bucket("b").Get("k")
	if o.ETag != md5Hex(data) || aws.ToString(out.ChecksumCRC64NVME) != checksum.Encode(checksum.Of(data)) || o.Headers["Content-Encoding"] != "" {
		t.Errorf("object = %+v", o)
	}
}

func TestDelete(t *testing.T) {
	ctx := context.Background()
	sim, c := open(t, s3sim.Options{})
	b := sim.Bucket("b")
	var ids []types.ObjectIdentifier
	for i := range 10 {
		k := fmt.Sprintf("k%d&", i)
		b.PutBytes(k, []byte{1})
		ids = append(ids, types.ObjectIdentifier{Key: aws.String(k)})
	}
	if _, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("b"), Key: ids[0].Key}); err != nil {
		t.Fatal(err)
	}
	out, err := c.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: aws.String("b"), Delete: &types.Delete{Objects: ids[:9]}})
	if err != nil || len(out.Deleted) != 9 {
		t.Fatalf("deleted %+v, %v", out, err)
	}
	if b.Len() != 1 {
		t.Errorf("%d objects are left", b.Len())
	}
}

func TestVersions(t *testing.T) {
	ctx := context.Background()
	sim, c := open(t, s3sim.Options{})
	sim.Bucket("b").SetVersioned(true)
	var ids []string
	for _, text := range []string{"one", "two"} {
		out, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("k"), Body: strings.NewReader(text)})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, aws.ToString(out.VersionId))
	}
	gone, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("b"), Key: aws.String("k")})
	if err != nil || !aws.ToBool(gone.DeleteMarker) {
		t.Fatalf("delete = %+v, %v", gone, err)
	}
	_, err = c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k")})
	wantCode(t, err, "NoSuchKey", 404)
	out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k"), VersionId: aws.String(ids[0])})
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := io.ReadAll(out.Body); string(body) != "one" {
		t.Errorf("version 1 = %q", body)
	}
	if _, err = c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("b"), Key: aws.String("k"), VersionId: gone.VersionId}); err != nil {
		t.Fatal(err)
	}
	if _, err = c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("b"), Key: aws.String("k"), VersionId: aws.String(ids[0])}); err != nil {
		t.Fatal(err)
	}
	if o := sim.Bucket("b").Get("k"); o == nil || o.VersionID != ids[1] {
		t.Errorf("current = %+v", o)
	}
}
