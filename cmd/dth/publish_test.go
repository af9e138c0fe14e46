package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/datatransferhub/dth/cmd/internal/publish/publishtest"
	"github.com/datatransferhub/dth/worker/standin"
)

// The program publishes to a server as to a folder, and both hold the same bytes.
func TestPublish(t *testing.T) {
	moto, err := standin.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := moto.Stop(); err != nil {
			t.Error(err)
		}
	}()
	t.Setenv("AWS_ENDPOINT_URL", moto.URL)
	dist, out := publishtest.Dist(t, "1.2.3"), t.TempDir()
	args := []string{"publish", "--from", dist, "--bucket-prefix", "acme", "--regions", "us-east-1"}
	if r := runDTH(t, args...); r.code != 3 || !strings.Contains(r.stderr, "aws s3api create-bucket --bucket acme-us-east-1") {
		t.Errorf("without the bucket: exit code %d\n%s", r.code, r.stderr)
	}
	c := client(moto.URL)
	if _, err := c.CreateBucket(context.Background(), &s3.CreateBucketInput{Bucket: aws.String("acme-us-east-1")}); err != nil {
		t.Fatal(err)
	}
	if r := runDTH(t, append(args, "--dry-run")...); r.code != 0 || !strings.Contains(r.stdout, "s3://acme-us-east-1/data-transfer-hub/1.2.3/SHA256SUMS") || len(readAll(t, c, "acme-us-east-1")) != 0 {
		t.Errorf("dry run: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	for range 2 {
		if r := runDTH(t, args...); r.code != 0 || !strings.Contains(r.stdout, "version 1.2.3 is published and was read back") {
			t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
		}
		if r := runDTH(t, append(args, "--out", out)...); r.code != 0 {
			t.Errorf("to a folder: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
		}
	}
	for key, object := range readAll(t, c, "acme-us-east-1") {
		if content, err := os.ReadFile(filepath.Join(out, "acme-us-east-1", key)); err != nil || string(content) != object.body {
			t.Errorf("%s differs in the folder: %v", key, err)
		}
	}
	changed := publishtest.Dist(t, "1.2.3")
	if err := os.WriteFile(filepath.Join(changed, "LICENSES.txt"), []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	args[2] = changed
	for _, more := range []string{"--dry-run", "--out=" + out} {
		if r := runDTH(t, append(args, more)...); r.code != 2 || !strings.Contains(r.stderr, "other content") {
			t.Errorf("%s: exit code %d\n%s%s", more, r.code, r.stdout, r.stderr)
		}
	}
}

func TestPublishRefuses(t *testing.T) {
	dist := publishtest.Dist(t, "1.2.3")
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"two partitions", []string{"--bucket-prefix", "acme", "--regions", "eu-west-1,cn-north-1"}, "run once for each"},
		{"a region twice", []string{"--bucket-prefix", "acme", "--regions", "eu-west-1,eu-west-1"}, "named twice"},
		{"no region", []string{"--bucket-prefix", "acme", "--regions", "moon"}, "no region"},
		{"no prefix", []string{"--regions", "eu-west-1"}, "bucket prefix"},
		{"another version", []string{"--bucket-prefix", "acme", "--regions", "eu-west-1", "--version", "9.9.9"}, "make synth VERSION=9.9.9"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := append([]string{"publish", "--from", dist, "--out", t.TempDir()}, tt.args...)
			if r := runDTH(t, args...); r.code != 2 || !strings.Contains(r.stderr, tt.want) {
				t.Errorf("exit code %d\n%s", r.code, r.stderr)
			}
		})
	}
}

func TestLinksCommand(t *testing.T) {
	dist := publishtest.Dist(t, "1.2.3")
	base := []string{"links", "--from", dist, "--bucket-prefix", "acme", "--regions", "eu-west-1,cn-north-1"}
	if r := runDTH(t, append(base, "--param", "srcBucket=photos")...); r.code != 0 || strings.Count(r.stdout, "\n") != 2 || strings.Count(r.stdout, "&param_srcBucket=photos\n") != 2 {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	file := filepath.Join(t.TempDir(), "LAUNCH.md")
	if r := runDTH(t, append(base, "--format", "markdown", "--out", file)...); r.code != 0 || r.stdout != "" {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), "## S3 plugin") || strings.Contains(string(text), "ECR") {
		t.Errorf("%v\n%s", err, text)
	}
	for _, tt := range []struct{ arg, want string }{
		{"--param=srcBucket", "write name=value"}, {"--param=maxCapacity=x", "maxCapacity"}, {"--format=pdf", "markdown"}, {"--template=Hub", "DataTransferS3Stack"}, {"--from=nowhere", "make release"},
	} {
		if r := runDTH(t, append(base, tt.arg)...); r.code != 2 || !strings.Contains(r.stderr, tt.want) {
			t.Errorf("%s: exit code %d\n%s", tt.arg, r.code, r.stderr)
		}
	}
}
