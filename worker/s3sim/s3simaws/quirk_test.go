package s3simaws

import (
	"bytes"
	"context"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/worker/endpoint"
	"github.com/datatransferhub/dth/worker/s3sim"
)

func TestSignatures(t *testing.T) {
	ctx := context.Background()
	at := time.Now()
	as := func(id, secret, token string) func(*s3.Options) {
		return func(o *s3.Options) { o.Credentials = credentials.NewStaticCredentialsProvider(id, secret, token) }
	}
	readOnly := func(c s3sim.Call) bool { return c.Op != "PutObject" }
	o := s3sim.Options{
		Keys: map[string]s3sim.Key{
			"A": {Secret: "right"}, "B": {}, "C": {Secret: "s", Token: "session"}, "R": {Secret: "r", Allow: readOnly},
		},
		Now: func() time.Time { return at },
	}
	sim, c := open(t, o)
	sim.Bucket("b")
	put := func(with ...func(*s3.Options)) error {
		_, err := c.PutObject(ctx, &s3.PutObjectInput{
			Bucket: aws.String("b"), Key: aws.String("a key/with ü+&=$@:~*'()/%41"), Body: strings.NewReader("x"), Metadata: map[string]string{"m": "a  b"},
		}, with...)
		return err
	}
	for _, ok := range []func(*s3.Options){as("A", "right", ""), as("B", "any", ""), as("C", "s", "session")} {
		if err := put(ok); err != nil {
			t.Error(err)
		}
	}
	list := func(with ...func(*s3.Options)) error {
		_, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String("b"), Prefix: aws.String("a key/ü+ "), Delimiter: aws.String("/")}, with...)
		return err
	}
	if err := list(as("R", "r", "")); err != nil {
		t.Error(err)
	}
	wantCode(t, put(as("A", "wrong", "")), "SignatureDoesNotMatch", 403)
	wantCode(t, put(as("Z", "right", "")), "InvalidAccessKeyId", 403)
	wantCode(t, put(as("C", "s", "old")), "ExpiredToken", 400)
	wantCode(t, put(as("R", "r", "")), "AccessDenied", 403)
	anonymous := func(o *s3.Options) { o.Credentials = nil }
	wantCode(t, put(anonymous), "AccessDenied", 403)
	wantCode(t, list(anonymous), "AccessDenied", 403)
	sim.SetKey("A", s3sim.Key{Secret: "rotated"})
	wantCode(t, put(as("A", "right", "")), "SignatureDoesNotMatch", 403)

	public, c2 := open(t, s3sim.Options{Keys: o.Keys, PublicRead: true})
	public.Bucket("b")
	c = c2
	if err := list(anonymous); err != nil {
		t.Error(err)
	}
	wantCode(t, put(anonymous), "AccessDenied", 403)

	late, c3 := open(t, s3sim.Options{Keys: o.Keys, Now: func() time.Time { return at.Add(time.Hour) }})
	late.Bucket("b")
	c = c3
	wantCode(t, list(as("A", "right", "")), "RequestTimeTooSkewed", 403)
}

func TestWrongRegion(t *testing.T) {
	ctx := context.Background()
	for _, redirect := range []bool{false, true} {
		sim, c := open(t, s3sim.Options{Region: "eu-west-1", RedirectWrongRegion: redirect})
		sim.Bucket("b")
		_, err := c.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String("b")})
		if redirect {
			wantCode(t, err, "PermanentRedirect", 301)
		} else {
			wantCode(t, err, "AuthorizationHeaderMalformed", 400)
		}
		right := func(o *s3.Options) { o.Region = "eu-west-1" }
		out, err := c.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: aws.String("b")}, right)
		if err != nil || out.LocationConstraint != "eu-west-1" {
			t.Errorf("location = %+v, %v", out, err)
		}
		head, err := c.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String("b")}, right)
		if err != nil || aws.ToString(head.BucketRegion) != "eu-west-1" {
			t.Errorf("head = %+v, %v", head, err)
		}
	}
}

func TestEveryProviderHasAProfile(t *testing.T) {
	for _, name := range endpoint.Providers() {
		if _, err := s3sim.Profile(name); err != nil {
			t.Error(err)
		}
	}
}

func TestHuaweiListsVersion2WithoutToken(t *testing.T) {
	q, err := s3sim.Profile("Huawei_OBS")
	if err != nil {
		t.Fatal(err)
	}
	sim, c := open(t, s3sim.Options{Quirks: q})
	sim.Bucket("b").Fill(s3sim.Synthetic{N: 1500})
	out, err := c.ListObjectsV2(context.Background(), &s3.ListObjectsV2Input{Bucket: aws.String("b")})
	if err != nil || !aws.ToBool(out.IsTruncated) || out.NextContinuationToken != nil {
		t.Errorf("page = truncated %v, token %v, %v", aws.ToBool(out.IsTruncated), out.NextContinuationToken, err)
	}
	if got := listV1(t, c, s3.ListObjectsInput{}); len(got) != 1500 {
		t.Errorf("version 1 lists %d", len(got))
	}
}

func TestListingQuirks(t *testing.T) {
	sim, c := open(t, s3sim.Options{Quirks: s3sim.Quirks{UTF16Order: true, IgnoresStartAfter: true, HidesEnteredPrefix: true, NoURLEncoding: true}})
	for _, k := range []string{"\uFFFD", "\U0001F600", "a/x", "a/y", "b c"} {
		sim.Bucket("b").PutBytes(k, nil)
	}
	out, err := c.ListObjectsV2(context.Background(), &s3.ListObjectsV2Input{
		Bucket: aws.String("b"), StartAfter: aws.String("zzz"), EncodingType: types.EncodingTypeUrl,
	})
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, o := range out.Contents {
		keys = append(keys, *o.Key)
	}
	if d := cmp.Diff([]string{"a/x", "a/y", "b c", "\U0001F600", "\uFFFD"}, keys); d != "" || out.EncodingType != "" {
		t.Errorf("order: %s, encoding %q", d, out.EncodingType)
	}
	v1, err := c.ListObjects(context.Background(), &s3.ListObjectsInput{Bucket: aws.String("b"), Marker: aws.String("a/x"), Delimiter: aws.String("/")})
	if err != nil || len(v1.CommonPrefixes) != 0 || len(v1.Contents) != 3 {
		t.Errorf("entered prefix: %+v, %v", v1, err)
	}
}

func TestWriteQuirks(t *testing.T) {
	ctx := context.Background()
	put := func(c *s3.Client, in s3.PutObjectInput) (*s3.PutObjectOutput, error) {
		in.Bucket, in.Key, in.Body = aws.String("b"), aws.String("k"), bytes.NewReader([]byte("abc"))
		return c.PutObject(ctx, &in)
	}
	for name, q := range map[string]s3sim.Quirks{
		"ignored": {IgnoresWriteConditions: true}, "refused": {RefusesWriteConditions: true}, "no sums": {NoChecksums: true},
		"opaque": {OpaqueETags: true}, "foreign": {ForeignETag: true}, "kms": {DefaultSSE: "aws:kms"}, "no tags": {NoTags: true},
		"reads": {IgnoresReadIfMatch: true},
	} {
		t.Run(name, func(t *testing.T) {
			sim, c := open(t, s3sim.Options{Quirks: q})
			sim.Bucket("b").PutBytes("k", []byte("old"))
			_, err := put(c, s3.PutObjectInput{IfNoneMatch: aws.String("*")})
			switch {
			case q.RefusesWriteConditions:
				wantCode(t, err, "NotImplemented", 501)
			case q.IgnoresWriteConditions:
				if err != nil {
					t.Error(err)
				}
			default:
				wantCode(t, err, "PreconditionFailed", 412)
			}
			out, err := put(c, s3.PutObjectInput{})
			if err != nil {
				t.Fatal(err)
			}
			etag := strings.Trim(aws.ToString(out.ETag), `"`)
			if plain := etag == md5Hex([]byte("abc")); plain != !(q.OpaqueETags || q.ForeignETag || q.DefaultSSE == "aws:kms") {
				t.Errorf("ETag = %s", etag)
			}
			if echoed := out.ChecksumCRC32 != nil; echoed == q.NoChecksums {
				t.Errorf("checksum echoed: %v", echoed)
			}
			if string(out.ServerSideEncryption) != q.DefaultSSE {
				t.Errorf("encryption = %s", out.ServerSideEncryption)
			}
			def, err := c.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: aws.String("b")})
			if q.DefaultSSE == "" {
				wantCode(t, err, "ServerSideEncryptionConfigurationNotFoundError", 404)
			} else if err != nil || string(def.ServerSideEncryptionConfiguration.Rules[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm) != q.DefaultSSE {
				t.Errorf("bucket encryption = %+v, %v", def, err)
			}
			if _, err := c.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: aws.String("b"), Key: aws.String("k")}); (err != nil) != q.NoTags {
				t.Errorf("tagging: %v", err)
			}
			get, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k"), IfMatch: aws.String("other"), Range: aws.String("bytes=1-1")})
			if (err == nil) != q.IgnoresReadIfMatch {
				t.Errorf("GET with If-Match: %v", err)
			}
			if err == nil {
				get.Body.Close()
			}
		})
	}
}

func TestVirtualHostAndDiscard(t *testing.T) {
	ctx := context.Background()
	sim, c := open(t, s3sim.Options{Keep: s3sim.KeepSums})
	sim.Bucket("bucket")
	virtual := func(o *s3.Options) {
		o.UsePathStyle = false
		o.BaseEndpoint = aws.String(strings.Replace(sim.URL(), "127.0.0.1", "localhost", 1))
		o.HTTPClient = dialTo(t, sim.URL())
	}
	in := &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("a/b"), Body: strings.NewReader("data")}
	if _, err := c.PutObject(ctx, in, virtual); err != nil {
		t.Fatal(err)
	}
	o := sim.Bucket("bucket").Get("a/b")
	if o == nil || o.Size() != 4 || o.ETag != md5Hex([]byte("data")) {
		t.Errorf("object = %+v", o)
	}
	var buckets []string
	all, err := c.ListBuckets(ctx, &s3.ListBucketsInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range all.Buckets {
		buckets = append(buckets, *b.Name)
	}
	sort.Strings(buckets)
	if d := cmp.Diff([]string{"bucket"}, buckets); d != "" {
		t.Error(d)
	}
}
