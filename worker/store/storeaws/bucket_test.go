package storeaws

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"go.uber.org/goleak"

	"github.com/datatransferhub/dth/worker/checksum"
	"github.com/datatransferhub/dth/worker/endpoint"
	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/s3sim"
	"github.com/datatransferhub/dth/worker/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// keys is a secret store with one secret, whose text can change.
type keys struct{ id, secret string }

func (k *keys) Secret(context.Context, string) (string, error) {
	text, err := json.Marshal(map[string]string{"access_key_id": k.id, "secret_access_key": k.secret})
	return string(text), err
}

func start(t *testing.T, o s3sim.Options) (*s3sim.Sim, string) {
	t.Helper()
	sim := s3sim.New(o)
	url, err := sim.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	sim.Bucket("b")
	return sim, url
}

func open(t *testing.T, e job.Endpoint, o Options) *Bucket {
	t.Helper()
	if e.Provider == "" {
		e.Provider = job.S3Compatible
	}
	if e.Bucket == "" {
		e.Bucket = "b"
	}
	if o.Secrets == nil {
		o.Secrets = &keys{"id", "secret"}
	}
	if !e.Access.Anonymous && e.Access.Secret == "" {
		e.Access.Secret = "s"
	}
	b, err := Open(context.Background(), e, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// signed is a store that verifies every signature.
func signed() s3sim.Options {
	return s3sim.Options{Keys: map[string]s3sim.Key{"id": {Secret: "secret"}}}
}

func TestReadsAndWritesWithVerifiedSignatures(t *testing.T) {
	_, url := start(t, signed())
	b := open(t, job.Endpoint{URL: url}, Options{})
	ctx := context.Background()
	for _, key := range []string{"a", "a b+c%2F/é😀", "/lead//ing/", "ctl\x01\x7f", "a/../b/./c", "?x=1&y#z", strings.Repeat("k", 1024)} {
		body := []byte("content of " + key)
		attributes := store.Attributes{
			Headers: store.Headers{ContentType: "text/x", CacheControl: "no-store", Metadata: map[string]string{"name": "value"}},
			Tags:    map[string]string{"a b": "c&d=é"},
		}
		w, err := b.Put(ctx, store.PutRequest{Key: key, Body: bytes.NewReader(body), Size: int64(len(body)), CRC64NVME: checksum.Encode(checksum.Of(body)), Attributes: attributes})
		if err != nil {
			t.Fatalf("%q: %v", key, err)
		}
		if w.Checksum.Value != checksum.Encode(checksum.Of(body)) {
			t.Errorf("%q: the store says checksum %+v", key, w.Checksum)
		}
		got, err := b.Get(ctx, store.GetRequest{Key: key, IfMatch: w.ETag})
		if err != nil {
			t.Fatalf("%q: %v", key, err)
		}
		data, err := io.ReadAll(got)
		if err != nil || !bytes.Equal(data, body) {
			t.Errorf("%q: read %q, %v", key, data, err)
		}
		_ = got.Close()
		if h := got.Info.Headers; h.ContentType != "text/x" || h.CacheControl != "no-store" || h.Metadata["name"] != "value" || got.Info.TagCount != 1 {
			t.Errorf("%q: attributes %+v, %d tags", key, h, got.Info.TagCount)
		}
		tags, err := b.Tags(ctx, key, "")
		if err != nil || tags["a b"] != "c&d=é" {
			t.Errorf("%q: tags %v, %v", key, tags, err)
		}
	}
	if !b.Checksums() {
		t.Error("the echo of a checksum was not noticed")
	}
	page, err := b.List(ctx, store.ListRequest{})
	if err != nil || len(page.Objects) != 7 {
		t.Errorf("listed %+v, %v", page, err)
	}
}

func TestRanges(t *testing.T) {
	sim, url := start(t, signed())
	sim.Bucket("b").PutBytes("a", []byte("0123456789"))
	b := open(t, job.Endpoint{URL: url}, Options{})
	for _, tt := range []struct {
		offset, length int64
		want           string
	}{{0, 4, "0123"}, {3, 0, "3456789"}, {9, 1, "9"}, {0, 0, "0123456789"}} {
		got, err := b.Get(context.Background(), store.GetRequest{Key: "a", Offset: tt.offset, Length: tt.length})
		if err != nil {
			t.Fatal(err)
		}
		data, _ := io.ReadAll(got)
		_ = got.Close()
		if string(data) != tt.want || got.Info.Size != 10 || got.Length != int64(len(tt.want)) {
			t.Errorf("%+v: %q, size %d, length %d", tt, data, got.Info.Size, got.Length)
		}
	}
	_, err := b.Get(context.Background(), store.GetRequest{Key: "a", Offset: 50})
	if !failure.Is(err, failure.Changed) {
		t.Errorf("a range behind the end: %v", err)
	}
}

// Over TLS a body goes with its checksum behind it, and a wrong one is refused before it is published.
func TestTrailersOverTLS(t *testing.T) {
	sim := s3sim.New(signed())
	url, pool, err := sim.StartTLS()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	sim.Bucket("b")
	client := awshttp.NewBuildableClient().WithTransportOptions(func(tr *http.Transport) {
		tr.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	})
	b := open(t, job.Endpoint{URL: url, Provider: job.AmazonS3, Region: "us-east-1"}, Options{AWS: aws.Config{HTTPClient: client}})
	ctx := context.Background()
	body := bytes.Repeat([]byte("0123456789abcdef"), 100_000)
	for _, wrong := range []bool{false, true} {
		sum := checksum.Encode(checksum.Of(body))
		if wrong {
			sum = checksum.Encode(checksum.Of(body) ^ 1)
		}
		key := fmt.Sprint("wrong=", wrong)
		w, err := b.Put(ctx, store.PutRequest{Key: key, Body: bytes.NewReader(body), Size: int64(len(body)), Trailer: func() string { return sum }, Attributes: store.Attributes{Headers: store.Headers{ContentEncoding: "gzip"}}})
		if wrong {
			if !failure.Is(err, failure.Checksum) || sim.Bucket("b").Get(key) != nil {
				t.Errorf("a wrong checksum: %v, stored: %v", err, sim.Bucket("b").Get(key) != nil)
			}
			continue
		}
		if err != nil || w.Checksum.Value != sum {
			t.Fatalf("%+v, %v", w, err)
		}
		o := sim.Bucket("b").Get(key)
		if o.Size() != int64(len(body)) || o.Headers["Content-Encoding"] != "gzip" {
			t.Errorf("size %d, headers %v", o.Size(), o.Headers)
		}
	}
}

func TestMultipart(t *testing.T) {
	sim, url := start(t, signed())
	b := open(t, job.Endpoint{URL: url}, Options{})
	ctx := context.Background()
	id, err := b.CreateUpload(ctx, "key/with +%", store.Attributes{Headers: store.Headers{ContentType: "x/y"}})
	if err != nil {
		t.Fatal(err)
	}
	if !b.Checksums() {
		t.Error("the store's word on checksums was not noticed")
	}
	part1, part2 := bytes.Repeat([]byte{1}, 5<<20), []byte("end")
	request := store.CompleteRequest{Key: "key/with +%", UploadID: id}
	whole := checksum.Of(nil)
	for i, body := range [][]byte{part1, part2} {
		sum := checksum.Of(body)
		p, err := b.UploadPart(ctx, request.Key, id, i+1, bytes.NewReader(body), int64(len(body)), func() string { return checksum.Encode(sum) })
		if err != nil {
			t.Fatal(err)
		}
		if p.CRC64NVME != checksum.Encode(sum) {
			t.Errorf("part %d: checksum %q", i+1, p.CRC64NVME)
		}
		request.Parts = append(request.Parts, p)
		whole = checksum.Combine(whole, sum, int64(len(body)))
	}
	uploads, err := b.Uploads(ctx, request.Key)
	if err != nil || len(uploads) != 1 || uploads[0].ID != id || uploads[0].Key != request.Key || time.Since(uploads[0].Initiated) > time.Hour {
		t.Errorf("uploads %+v, %v", uploads, err)
	}
	if parts, err := b.Parts(ctx, request.Key, id); err != nil || len(parts) != 2 || parts[0].Size != 5<<20 || parts[1].ETag != request.Parts[1].ETag {
		t.Errorf("parts %+v, %v", parts, err)
	}
	request.CRC64NVME = checksum.Encode(whole)
	request.Condition = store.Precondition{IfAbsent: true}
	w, err := b.CompleteUpload(ctx, request)
	if err != nil || w.Checksum.Value != request.CRC64NVME || !strings.HasSuffix(w.ETag, "-2") {
		t.Errorf("completed %+v, %v", w, err)
	}
	if err := b.AbortUpload(ctx, request.Key, id); err != nil {
		t.Errorf("aborting what is gone: %v", err)
	}
	if sim.Bucket("b").OpenUploads() != 0 {
		t.Error("an upload is open")
	}
}

func TestPreconditions(t *testing.T) {
	_, url := start(t, signed())
	b := open(t, job.Endpoint{URL: url}, Options{})
	ctx := context.Background()
	put := func(c store.Precondition) (store.Written, error) {
		return b.Put(ctx, store.PutRequest{Key: "a", Body: strings.NewReader("x"), Size: 1, Condition: c})
	}
	w, err := put(store.Precondition{IfAbsent: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := put(store.Precondition{IfAbsent: true}); !failure.Is(err, failure.Conflict) {
		t.Errorf("a second object where none may be: %v", err)
	}
	if _, err := put(store.Precondition{IfMatch: "other"}); !failure.Is(err, failure.Conflict) {
		t.Errorf("over another version: %v", err)
	}
	if _, err := put(store.Precondition{IfMatch: w.ETag}); err != nil {
		t.Errorf("over the expected version: %v", err)
	}
	if _, err := b.Get(ctx, store.GetRequest{Key: "a", IfMatch: "other"}); !failure.Is(err, failure.Changed) {
		t.Errorf("reading another version: %v", err)
	}
	_, refusing := start(t, s3sim.Options{Quirks: s3sim.Quirks{RefusesWriteConditions: true}})
	r := open(t, job.Endpoint{URL: refusing}, Options{})
	request := store.PutRequest{Key: "a", Body: strings.NewReader("x"), Size: 1, Condition: store.Precondition{IfAbsent: true}}
	if _, err := r.Put(ctx, request); err == nil || r.Conditions() {
		t.Errorf("a store that knows no preconditions: %v, still sent: %v", err, r.Conditions())
	}
	request.Body = strings.NewReader("x")
	if _, err := r.Put(ctx, request); err != nil {
		t.Errorf("without them: %v", err)
	}
}

func TestFailuresAreToldApart(t *testing.T) {
	sim, url := start(t, s3sim.Options{
		Keys: map[string]s3sim.Key{
			"id":      {Secret: "secret"},
			"limited": {Secret: "secret", Allow: func(c s3sim.Call) bool { return c.Op != "GetObject" }},
		},
		Region: "us-east-1",
	})
	sim.Bucket("b").PutBytes("a", []byte("a"))
	sim.Bucket("b").Put(s3sim.Object{Key: "cold", Content: s3sim.Bytes("a"), StorageClass: "GLACIER"})
	ctx := context.Background()
	get := func(b *Bucket, key string) error {
		body, err := b.Get(ctx, store.GetRequest{Key: key})
		if err == nil {
			_ = body.Close()
		}
		return err
	}
	plain := job.Endpoint{URL: url, Region: "us-east-1"}
	elsewhere := plain
	elsewhere.Region = "eu-west-1"
	nobody := plain
	nobody.Access.Anonymous = true
	nowhere := plain
	nowhere.URL = "http://127.0.0.1:9"
	other := plain
	other.Bucket = "nothere"
	tests := []struct {
		name string
		want failure.Class
		do   func() error
	}{
		{"no such key", failure.NotFound, func() error { return get(open(t, plain, Options{}), "missing") }},
		{"no such key, HEAD", failure.NotFound, func() error { _, err := open(t, plain, Options{}).Head(ctx, "missing", ""); return err }},
		{"archived", failure.Archived, func() error { return get(open(t, plain, Options{}), "cold") }},
		{"unknown key id", failure.BadCredentials, func() error { return get(open(t, plain, Options{Secrets: &keys{"who", "secret"}}), "a") }},
		{"wrong secret", failure.BadCredentials, func() error { return get(open(t, plain, Options{Secrets: &keys{"id", "wrong"}}), "a") }},
		{"not allowed", failure.AccessDenied, func() error { return get(open(t, plain, Options{Secrets: &keys{"limited", "secret"}}), "a") }},
		{"anonymous", failure.AccessDenied, func() error { return get(open(t, nobody, Options{}), "a") }},
		{"nobody listens", failure.Network, func() error { return get(open(t, nowhere, Options{}), "a") }},
		{"no such bucket", failure.NoSuchBucket, func() error { return open(t, other, Options{}).Reach(ctx) }},
		{"wrong region", failure.WrongRegion, func() error { return open(t, elsewhere, Options{}).Reach(ctx) }},
		{"wrong secret, the bucket", failure.BadCredentials, func() error { return open(t, plain, Options{Secrets: &keys{"id", "wrong"}}).Reach(ctx) }},
		{"all is well", failure.None, func() error { return open(t, plain, Options{}).Reach(ctx) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.do()
			if got := failure.ClassOf(err); got != tt.want {
				t.Errorf("class %q, want %q: %v", got, tt.want, err)
			}
			if err != nil && strings.Contains(err.Error(), "secret_access_key") {
				t.Errorf("a secret's text is in %v", err)
			}
		})
	}
}

func TestClassify(t *testing.T) {
	tests := []struct {
		op     string
		status int
		code   string
		detail string
		want   failure.Class
	}{
		{"PutObject", 503, "SlowDown", "", failure.Throttled},
		{"PutObject", 503, "", "", failure.Throttled},
		{"PutObject", 429, "", "", failure.Throttled},
		{"PutObject", 500, "InternalError", "", failure.Server},
		{"PutObject", 409, "ConditionalRequestConflict", "", failure.Conflict},
		{"PutObject", 409, "ObjectParentIsFile", "", failure.DestinationRefuses},
		{"PutObject", 412, "PreconditionFailed", "", failure.Conflict},
		{"GetObject", 412, "PreconditionFailed", "", failure.Changed},
		{"PutObject", 400, "BadDigest", "", failure.Checksum},
		{"PutObject", 400, "EntityTooLarge", "", failure.TooLarge},
		{"PutObject", 400, "KMS.DisabledException", "", failure.KMS},
		{"GetObject", 403, "AccessDenied", "not authorized to perform: kms:Decrypt", failure.KMS},
		{"GetObject", 403, "AccessDenied", "Access Denied", failure.AccessDenied},
		{"GetObject", 403, "RequestTimeTooSkewed", "", failure.Server},
		{"GetObject", 400, "ExpiredToken", "", failure.BadCredentials},
		{"ListObjectsV2", 400, "AuthorizationHeaderMalformed", "the region 'x' is wrong; expecting 'y'", failure.WrongRegion},
		{"HeadBucket", 404, "", "", failure.NoSuchBucket},
		{"HeadObject", 404, "", "", failure.NotFound},
		{"UploadPart", 404, "NoSuchUpload", "", failure.NotFound},
		{"HeadObject", 301, "", "", failure.WrongRegion},
	}
	for _, tt := range tests {
		if got := classify(tt.op, tt.status, tt.code, tt.detail); got != tt.want {
			t.Errorf("%s %d %s: %s, want %s", tt.op, tt.status, tt.code, got, tt.want)
		}
	}
}

func TestAddresses(t *testing.T) {
	tests := []struct {
		provider                  job.Provider
		bucket, region, url, want string
	}{
		{job.AmazonS3, "bucket", "eu-west-1", "", "https://bucket.s3.eu-west-1.amazonaws.com"},
		{job.AmazonS3, "bucket", "cn-north-1", "", "https://bucket.s3.cn-north-1.amazonaws.com.cn"},
		{job.AmazonS3, "bucket", "us-gov-west-1", "", "https://bucket.s3.us-gov-west-1.amazonaws.com"},
		{job.AmazonS3, "with.dots", "eu-west-1", "", "https://s3.eu-west-1.amazonaws.com/with.dots"},
		{job.S3Compatible, "b", "", "https://s3.example.com", "https://s3.example.com/b"},
		{job.S3Compatible, "b", "", "http://10.0.0.1:9000/", "http://10.0.0.1:9000/b"},
		{job.S3Compatible, "b", "", "minio.example.com:9000", "https://minio.example.com:9000/b"},
	}
	for _, tt := range tests {
		caps, err := endpoint.Of(tt.provider)
		if err != nil {
			t.Fatal(err)
		}
		u, err := address(context.Background(), job.Endpoint{Provider: tt.provider, Bucket: tt.bucket, URL: tt.url}, caps, tt.region, nil)
		if err != nil || u.String() != tt.want {
			t.Errorf("%+v: %s, %v", tt, u.String(), err)
		}
	}
	for _, bad := range []string{"ftp://x", "https://", "https://u:p@host", "https://host?x=1", "::"} {
		if _, err := parseEndpoint(bad); err == nil {
			t.Errorf("%q was taken for an endpoint", bad)
		}
	}
}

// A clock that is wrong is corrected by the store's answer.
func TestWrongClockIsCorrected(t *testing.T) {
	o := signed()
	o.Now = func() time.Time { return time.Now().Add(3 * time.Hour) }
	sim, url := start(t, o)
	sim.Bucket("b").PutBytes("a", []byte("a"))
	b := open(t, job.Endpoint{URL: url}, Options{})
	if _, err := b.List(context.Background(), store.ListRequest{}); err != nil {
		t.Errorf("listing with a clock that is three hours late: %v", err)
	}
}

// A key that was rotated is read anew after a refusal.
func TestRotatedKey(t *testing.T) {
	sim, url := start(t, signed())
	sim.Bucket("b").PutBytes("a", []byte("a"))
	secrets := &keys{"id", "wrong"}
	b := open(t, job.Endpoint{URL: url}, Options{Secrets: secrets})
	if err := b.Reach(context.Background()); !failure.Is(err, failure.BadCredentials) {
		t.Fatalf("a wrong secret: %v", err)
	}
	secrets.secret = "secret"
	b.RefreshCredentials()
	if err := b.Reach(context.Background()); err != nil {
		t.Errorf("after the secret was corrected: %v", err)
	}
}

// Some stores answer with a sum of another kind under this name.
func TestForeignSumsAreNoChecksums(t *testing.T) {
	h := http.Header{}
	h.Set("X-Amz-Checksum-Crc64nvme", "Bqqqlw==")
	if got := checksumOf(h); got.Value != "" {
		t.Errorf("four bytes were taken for a CRC64NVME: %+v", got)
	}
	h.Set("X-Amz-Checksum-Crc64nvme", "rosUhgp5mIg=")
	if got := checksumOf(h); got.Value != "rosUhgp5mIg=" || got.Algorithm != "CRC64NVME" {
		t.Errorf("got %+v", got)
	}
}

func TestParseSecret(t *testing.T) {
	if c, err := ParseSecret("n", `{"access_key_id":"a","secret_access_key":"b","session_token":"c"}`); err != nil || c.SessionToken != "c" {
		t.Errorf("%+v, %v", c, err)
	}
	for _, text := range []string{"", "hunter2", `{"access_key_id":"a"}`, `{"access_key_id":"hunter2","secret_access_key":`} {
		if _, err := ParseSecret("n", text); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A connection on which nothing moves is given up.
func TestSilentConnectionIsGivenUp(t *testing.T) {
	sim, url := start(t, s3sim.Options{Fault: func(c s3sim.Call) s3sim.Fault {
		switch c.Key {
		case "headers":
			return s3sim.Fault{Latency: time.Minute}
		case "body":
			return s3sim.Fault{Body: s3sim.Stall, After: 10}
		}
		return s3sim.Fault{}
	}})
	b := open(t, job.Endpoint{URL: url}, Options{Progress: 100 * time.Millisecond})
	sim.Bucket("b").PutBytes("body", make([]byte, 1000))
	if _, err := b.Get(context.Background(), store.GetRequest{Key: "headers"}); !failure.Is(err, failure.Network) {
		t.Errorf("no answer: %v", err)
	}
	body, err := b.Get(context.Background(), store.GetRequest{Key: "body"})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	var timeout net.Error
	if n, err := io.Copy(io.Discard, body); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("read %d bytes, then %v", n, err)
	}
}

func TestSharesOnlyWithinOneService(t *testing.T) {
	bucket := func(p job.Provider, region, url string) *Bucket {
		return open(t, job.Endpoint{Provider: p, Region: region, URL: url}, Options{})
	}
	eu, us := bucket(job.AmazonS3, "eu-west-1", ""), bucket(job.AmazonS3, "us-east-1", "")
	china, gov := bucket(job.AmazonS3, "cn-north-1", ""), bucket(job.AmazonS3, "us-gov-west-1", "")
	minio := bucket(job.S3Compatible, "", "https://minio.example.com")
	tests := []struct {
		name string
		a, b *Bucket
		want bool
	}{
		{"two regions", eu, us, true},
		{"two partitions", eu, china, false},
		{"GovCloud", us, gov, false},
		{"one store", minio, bucket(job.S3Compatible, "", "https://minio.example.com"), true},
		{"two stores", minio, bucket(job.S3Compatible, "", "https://other.example.com"), false},
		{"another provider", eu, minio, false},
	}
	for _, tt := range tests {
		if got := tt.a.Shares(tt.b); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
