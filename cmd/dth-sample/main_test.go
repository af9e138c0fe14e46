package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"

	"github.com/datatransferhub/dth/cmd/dth-sample/gateway"
	"github.com/datatransferhub/dth/cmd/dth-sample/sample"
)

const (
	testAccess = "test-access"
	testSecret = "test-secret-0123456789"
	patience   = 60 * time.Second
	asServer   = "DTH_SAMPLE_TEST_ARGS"
)

// TestMain lets the test binary be the helper itself, so that tests need no build of it.
func TestMain(m *testing.M) {
	if args := os.Getenv(asServer); args != "" {
		os.Args = append(os.Args[:1], strings.Split(args, "\n")...)
		main()
		return
	}
	os.Exit(m.Run())
}

// server is a running `dth-sample serve s3`.
type server struct {
	gateway.Ready
	process *exec.Cmd
	stdin   io.Closer
	rest    chan []byte // everything after the ready line
}

func startServer(t *testing.T, dir string, extra ...string) *server {
	t.Helper()
	args := append([]string{"serve", "s3", "--data", dir, "--access", testAccess}, extra...)
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), asServer+"="+strings.Join(args, "\n"), secretVariable+"="+testSecret)
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill() // may be gone already
		_ = command.Wait()
	})
	s := &server{process: command, stdin: stdin, rest: make(chan []byte, 1)}
	lines := bufio.NewReader(stdout)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		t.Fatalf("the server did not become ready: %v", err)
	}
	if err := json.Unmarshal(line, &s.Ready); err != nil {
		t.Fatalf("ready line %q: %v", line, err)
	}
	go func() {
		rest, _ := io.ReadAll(lines)
		s.rest <- rest
	}()
	return s
}

// ended waits for the server's end and checks that it printed nothing but the ready line.
func (s *server) ended(t *testing.T) {
	t.Helper()
	select {
	case rest := <-s.rest:
		if len(rest) > 0 {
			t.Errorf("standard output holds more than the ready line: %q", rest)
		}
	case <-time.After(patience):
		t.Fatal("the server goes on")
	}
	if err := s.process.Wait(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

func (s *server) client() *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(s.URL), Region: s.Region, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(testAccess, testSecret, ""),
	})
}

func (s *server) fill(t *testing.T, args ...string) fillResult {
	t.Helper()
	t.Setenv(secretVariable, testSecret)
	var out bytes.Buffer
	args = append([]string{"--url", s.URL, "--access", testAccess}, args...)
	if err := fill(context.Background(), args, &out); err != nil {
		t.Fatal(err)
	}
	var result fillResult
	if err := json.Unmarshal(out.Bytes(), &result); err != nil {
		t.Fatal(err)
	}
	return result
}

func TestAFilledBucketHoldsTheSample(t *testing.T) {
	for _, kind := range []string{"xattr", "sidecar"} {
		t.Run(kind, func(t *testing.T) {
			dir := t.TempDir()
			if kind == "sidecar" {
				if err := os.Mkdir(filepath.Join(dir, "sidecar"), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			s := startServer(t, dir)
			if s.Metadata != kind && kind == "sidecar" {
				t.Fatalf("the server keeps metadata as %s, want %s", s.Metadata, kind)
			}
			options := sample.Options{Seed: 1, Count: 150, Giant: 33 << 20}
			args := []string{"--bucket", "source", "--objects", "150", "--giant", "34603008"}
			if r := s.fill(t, args...); r.Written != 150 || r.Kept != 0 || r.Giant != sample.Giant {
				t.Fatalf("first fill: %+v", r)
			}
			if r := s.fill(t, args...); r.Written != 0 || r.Kept != 150 {
				t.Errorf("second fill: %+v", r)
			}
			want, err := sample.Objects(options)
			if err != nil {
				t.Fatal(err)
			}
			for i := range want {
				compare(t, s.client(), &want[i])
			}
		})
	}
}

// compare reads an object back and holds it against its description.
func compare(t *testing.T, client *s3.Client, o *sample.Object) {
	t.Helper()
	got, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("source"), Key: &o.Key})
	if err != nil {
		t.Errorf("reading %q: %v", o.Key, err)
		return
	}
	defer got.Body.Close()
	content, err := io.ReadAll(got.Body)
	if err != nil || !bytes.Equal(content, o.Bytes(0, o.Size)) {
		t.Errorf("%q: other content (%d bytes, want %d), error %v", o.Key, len(content), o.Size, err)
	}
	for _, header := range []struct{ name, got, want string }{
		{"content encoding", aws.ToString(got.ContentEncoding), o.Headers.Encoding},
		{"content language", aws.ToString(got.ContentLanguage), o.Headers.Language},
		{"content disposition", aws.ToString(got.ContentDisposition), o.Headers.Disposition},
		{"cache control", aws.ToString(got.CacheControl), o.Headers.CacheControl},
		{"owner", got.Metadata["owner"], o.Metadata["owner"]},
		{"note", got.Metadata["note"], o.Metadata["note"]},
	} {
		if header.got != header.want {
			t.Errorf("%q: %s is %q, want %q", o.Key, header.name, header.got, header.want)
		}
	}
	if tags := int(aws.ToInt32(got.TagCount)); tags != len(o.Tags) {
		t.Errorf("%q: %d tags, want %d", o.Key, tags, len(o.Tags))
	}
}

func TestAListingIsInByteOrder(t *testing.T) {
	s := startServer(t, t.TempDir())
	s.fill(t, "--bucket", "source", "--objects", "1500", "--giant", "0")
	var keys []string
	pages := s3.NewListObjectsV2Paginator(s.client(), &s3.ListObjectsV2Input{Bucket: aws.String("source")})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			keys = append(keys, *o.Key)
		}
	}
	if len(keys) != 1500 || !slices.IsSorted(keys) {
		t.Errorf("%d keys, in order: %v", len(keys), slices.IsSorted(keys))
	}
}

func TestTheDestinationRefusesOneObject(t *testing.T) {
	s := startServer(t, t.TempDir())
	if r := s.fill(t, "--bucket", "destination", "--part", "destination"); r.Written != 1 || r.Blocker != sample.Blocker {
		t.Fatalf("fill: %+v", r)
	}
	_, err := s.client().PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: aws.String("destination"), Key: aws.String(sample.Refused), Body: strings.NewReader("x"),
	})
	var refusal smithy.APIError
	if !errors.As(err, &refusal) || refusal.ErrorCode() != "ObjectParentIsFile" {
		t.Errorf("error %v, want ObjectParentIsFile", err)
	}
}

func TestConditionalWrites(t *testing.T) {
	s := startServer(t, t.TempDir())
	client, bucket, key := s.client(), aws.String("conditions"), aws.String("a/key")
	if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	put := func(body string, absent, match *string) (string, int) {
		done, err := client.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: bucket, Key: key, Body: strings.NewReader(body), IfNoneMatch: absent, IfMatch: match,
		})
		if err == nil {
			return aws.ToString(done.ETag), http.StatusOK
		}
		var response interface{ HTTPStatusCode() int }
		if !errors.As(err, &response) {
			t.Fatal(err)
		}
		return "", response.HTTPStatusCode()
	}
	first, status := put("one", aws.String("*"), nil)
	if status != http.StatusOK {
		t.Fatalf("first write: status %d", status)
	}
	if _, status := put("two", aws.String("*"), nil); status != http.StatusPreconditionFailed {
		t.Errorf("If-None-Match over an object: status %d", status)
	}
	if _, status := put("three", nil, &first); status != http.StatusOK {
		t.Errorf("If-Match with the right ETag: status %d", status)
	}
	if _, status := put("four", nil, &first); status != http.StatusPreconditionFailed {
		t.Errorf("If-Match with an old ETag: status %d", status)
	}
}

func TestAServerEndsWithItsParent(t *testing.T) {
	s := startServer(t, t.TempDir())
	if err := s.stdin.Close(); err != nil {
		t.Fatal(err)
	}
	s.ended(t)
}

func TestAServerEndsOnSIGTERMAndKeepsItsObjects(t *testing.T) {
	dir := t.TempDir()
	s := startServer(t, dir)
	s.fill(t, "--bucket", "source", "--objects", "120", "--giant", "0")
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.ended(t)
	again := startServer(t, dir)
	if r := again.fill(t, "--bucket", "source", "--objects", "120", "--giant", "0"); r.Kept != 120 {
		t.Errorf("after a restart: %+v", r)
	}
}

func TestWrongUseIsNamed(t *testing.T) {
	t.Setenv(secretVariable, testSecret)
	s := startServer(t, t.TempDir())
	busy := strings.TrimPrefix(s.URL, "http://")
	dir := t.TempDir()
	for _, test := range []struct {
		name string
		args []string
		want string
	}{
		{"no command", nil, "unknown command"},
		{"unknown flag", []string{"serve", "s3", "--secret", "x"}, "-secret"},
		{"no data", []string{"serve", "s3", "--access", "a"}, "--data"},
		{"busy port", []string{"serve", "s3", "--data", dir, "--access", "a", "--listen", busy}, "choose another port"},
		{"open to others", []string{"serve", "s3", "--data", dir, "--access", "a", "--listen", "0.0.0.0:0"}, "loopback"},
		{"no bucket", []string{"fill", "--url", s.URL, "--access", testAccess}, "--bucket"},
		{"unknown part", []string{"fill", "--url", s.URL, "--access", testAccess, "--bucket", "b12", "--part", "x"}, "--part"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := run(t.Context(), test.args); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
	t.Setenv(secretVariable, "")
	if err := run(t.Context(), []string{"serve", "s3", "--data", dir, "--access", "a"}); err == nil ||
		!strings.Contains(err.Error(), secretVariable) {
		t.Errorf("without a secret: %v", err)
	}
}
