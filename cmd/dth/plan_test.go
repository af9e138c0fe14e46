package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/datatransferhub/dth/worker/estimate"
	"github.com/datatransferhub/dth/worker/s3sim"
)

var update = flag.Bool("update", false, "rewrite golden files")

// album is a real S3 server (versitygw) with photos of some sizes, and a backup that lacks most of them.
func album(t *testing.T) (flags, env []string) {
	t.Helper()
	helper := os.Getenv("DTH_SAMPLE_BIN")
	if helper == "" {
		helper = filepath.Join("..", "..", "bin", "dth-sample")
	}
	helper, err := filepath.Abs(helper)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	store, err := startStore(ctx, helper, t.TempDir(), "album")
	if err != nil {
		t.Fatalf("the sample's servers are missing: %v; make build makes them", err)
	}
	t.Cleanup(store.stop)
	c := s3.New(s3.Options{
		BaseEndpoint: &store.url, Region: "us-east-1", UsePathStyle: true, Credentials: credentials.NewStaticCredentialsProvider(store.access, store.secret, ""),
	})
	put := func(bucket, key string, size int) {
		_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(bytes.Repeat([]byte{'x'}, size))})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range []string{"photos", "backup"} {
		if _, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(b)}); err != nil {
			t.Fatal(err)
		}
	}
	for key, size := range map[string]int{"2024/a.jpg": 1000, "2024/b.jpg": 200_000, "2024/raw.tif": 9 << 20, "video.mp4": 70 << 20, "same.jpg": 500, "edited.jpg": 400} {
		put("photos", key, size)
	}
	put("backup", "same.jpg", 500)
	put("backup", "edited.jpg", 300)
	flags = []string{"s3://photos", "s3://backup", "--src-endpoint", store.url, "--dst-endpoint", store.url, "--giant-threshold", "64MiB"}
	return flags, []string{"AWS_ACCESS_KEY_ID=" + store.access, "AWS_SECRET_ACCESS_KEY=" + store.secret}
}

// planOf runs a plan and returns its result and the JSON object of its last line.
func planOf(t *testing.T, env []string, args ...string) (result, map[string]json.RawMessage, estimate.Estimate) {
	t.Helper()
	cmd := dth(append([]string{"plan", "--json"}, args...)...)
	cmd.Env = append(cmd.Env, env...)
	r := finish(t, cmd)
	if r.code != 0 {
		t.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	var keys map[string]json.RawMessage
	var e estimate.Estimate
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &keys); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(keys["estimate"], &e); err != nil {
		t.Fatal(err)
	}
	return r, keys, e
}

// How long a pass took, and how often it probed, differ from run to run.
var differs = regexp.MustCompile(`in [0-9.]+ s with [0-9]+ calls|[0-9]+ list|list +[0-9<.]+`)

func settled(text string) string {
	return differs.ReplaceAllStringFunc(text, func(s string) string { return regexp.MustCompile(` *[0-9<][0-9.]*`).ReplaceAllString(s, " #") })
}

// TestPlanOnARealServer keeps what a plan prints, and that its object has the keys it always had.
func TestPlanOnARealServer(t *testing.T) {
	flags, env := album(t)
	ours := filepath.Join(t.TempDir(), "ours.yaml")
	if err := os.WriteFile(ours, []byte("asOf: 2026-10-01\nprices:\n  - {id: S3_Compatible.get, price: 0.002, currency: EUR}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, more := range map[string][]string{
		"plan":       {"--transfer-mode", "stream"},
		"plan-stack": {"--transfer-mode", "stream", "--max-capacity", "5", "--stack-region", "eu-west-1", "--prices", ours},
	} {
		r, keys, e := planOf(t, env, append(slices.Clone(flags), more...)...)
		text := strings.TrimSpace(r.stdout)
		got := settled(text[:strings.LastIndex(text, "\n")+1]) // without the object
		file := filepath.Join("testdata", name+".txt")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil || string(want) != got {
			t.Errorf("%s is not what is printed (%v); go test ./cmd/dth -run TestPlanOnARealServer -update writes it\n%s", file, err, got)
		}
		for _, key := range []string{
			"listedSource", "listedDestination", "same", "new", "changed", "skipped", "copied", "deleted", "failed", "gone", "bytes", "seconds", "method", "errors",
			"decisions", "histogram", "largest", "requests", "estimate",
		} {
			if keys[key] == nil {
				t.Errorf("%s: the object has no %s", name, key)
			}
		}
		if r.New != 4 || r.Changed != 1 || e.Requests.Destination.Create != 1 || e.Requests.Destination.Part != 2 || e.Requests.Destination.Put != 4 {
			t.Errorf("%s: %+v", name, e.Requests)
		}
	}
	copied := dth(append([]string{"copy", "--json"}, flags...)...)
	copied.Env = append(copied.Env, env...)
	_, _, side := planOf(t, env, flags...)
	if r := finish(t, copied); r.code != 0 || r.Copied != side.Requests.Destination.Copy || !side.ServerSide {
		t.Errorf("exit code %d, %d are copied, the estimate has %+v\n%s", r.code, r.Copied, side.Requests, r.stderr)
	}
}

// TestPlanPricesAmazon: an end on Amazon S3 makes the estimate one of a stack.
func TestPlanPricesAmazon(t *testing.T) {
	src, _, flags := stores(t, s3sim.Options{}, s3sim.Options{})
	src.Bucket("src").PutBytes("a", []byte("a"))
	_, _, e := planOf(t, nil, append([]string{"--src-type", "Amazon_S3", "--src-region", "us-east-1", "--worker-instance-type", "c7gn.large"}, flags...)...)
	if e.Fleet.MaxWorkers != 20 || e.Fleet.Instance != "c7gn.large" || e.Fleet.Region != "us-east-1" || len(e.Totals) != 1 || e.Totals[0].Currency != "USD" {
		t.Errorf("%+v, %+v", e.Fleet, e.Totals)
	}
	_, _, e = planOf(t, nil, append([]string{"--src-type", "Amazon_S3", "--src-region", "us-east-1", "--max-capacity", "0"}, flags...)...)
	if e.Fleet.MaxWorkers != 0 || e.Duration.Workers.High != 0 || e.Requests.Queue.Send != 0 {
		t.Errorf("%+v, %+v", e.Fleet, e.Requests)
	}
}

func TestPlanRefuses(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("asOf: 2026-10-01\nprices:\n  - {id: SQS.requests, price: much}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		says []string
	}{
		"capacity":  {[]string{"--max-capacity", "-1"}, []string{"--max-capacity", "-1", "0 to 1000"}},
		"type":      {[]string{"--worker-instance-type", "large"}, []string{"--worker-instance-type", `"large"`, "c7g.large"}},
		"region":    {[]string{"--stack-region", "Ireland"}, []string{"--stack-region", `"Ireland"`, "eu-west-1"}},
		"no file":   {[]string{"--prices", "/nonexistent"}, []string{"--prices", "/nonexistent"}},
		"bad table": {[]string{"--prices", bad}, []string{"--prices", bad, "row 1", "price", `"much"`}},
	} {
		r := runDTH(t, append([]string{"plan", "s3://src", "s3://dst"}, c.args...)...)
		if r.code != 2 {
			t.Errorf("%s: exit code %d", name, r.code)
		}
		for _, s := range c.says {
			if !strings.Contains(r.stderr, s) {
				t.Errorf("%s: the message does not say %q: %s", name, s, r.stderr)
			}
		}
	}
}
