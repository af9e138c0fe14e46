package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
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
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/datatransferhub/dth/worker/ledger/ledgeraws"
	"github.com/datatransferhub/dth/worker/queue/queueaws"
	"github.com/datatransferhub/dth/worker/run/runaws"
	"github.com/datatransferhub/dth/worker/s3sim"
	"github.com/datatransferhub/dth/worker/standin"
)

// programs is the folder with jobfinder and jobworker, built once.
var (
	programs string
	moto     *standin.Server
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "dth-test-")
	if err != nil {
		panic(err)
	}
	programs = dir
	for _, name := range []string{"jobfinder", "jobworker"} {
		if out, err := exec.Command("go", "build", "-o", filepath.Join(dir, name), "../"+name).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "building %s: %v\n%s", name, err, out)
			os.Exit(1)
		}
	}
	code := standin.Run(m, func(s *standin.Server) { moto = s })
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// stack is what a plugin stack would have made: queue, dead letters, tables, two stores and a configuration.
type stack struct {
	t            *testing.T
	src, dst     *s3sim.Bucket
	sqs          *sqs.Client
	dynamo       *dynamodb.Client
	secrets      *secretsmanager.Client
	queue, dead  string
	ledger, runs string
	document     map[string]any
	file         string
	env          []string // beside the standard environment
}

func newStack(t *testing.T, source, destination s3sim.Options) *stack {
	t.Helper()
	ctx := t.Context()
	cfg := aws.Config{Region: "us-east-1", BaseEndpoint: &moto.URL, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-").Replace(t.Name()))
	s := &stack{
		t: t, sqs: sqs.NewFromConfig(cfg), dynamo: dynamodb.NewFromConfig(cfg), secrets: secretsmanager.NewFromConfig(cfg),
		ledger: name + "-ledger", runs: name + "-runs", file: filepath.Join(t.TempDir(), "config.json"),
	}
	s.dead = s.createQueue(ctx, name+"-dead", "")
	arn, err := s.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &s.dead, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn}})
	s.must(err)
	s.queue = s.createQueue(ctx, name, arn.Attributes["QueueArn"])
	_, err = s.dynamo.CreateTable(ctx, ledgeraws.TableInput(s.ledger))
	s.must(err)
	_, err = s.dynamo.CreateTable(ctx, runaws.TableInput(s.runs))
	s.must(err)
	_, err = s.secrets.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String(name + "-keys"), SecretString: aws.String(`{"access_key_id":"store","secret_access_key":"canary-secret"}`)})
	s.must(err)
	srcSim, dstSim := s3sim.New(source), s3sim.New(destination)
	srcURL, err := srcSim.Start()
	s.must(err)
	dstURL, err := dstSim.Start()
	s.must(err)
	t.Cleanup(func() { srcSim.Close(); dstSim.Close() })
	s.src, s.dst = srcSim.Bucket("source-bucket"), dstSim.Bucket("destination-bucket")
	s.document = map[string]any{
		"stackName": name, "region": "us-east-1", "queueUrl": s.queue, "deadLetterQueueUrl": s.dead, "ledgerTable": s.ledger, "runTable": s.runs,
		"parameters": map[string]string{
			"srcType": "S3_Compatible", "srcBucket": "source-bucket", "srcEndpoint": srcURL, "srcCredentials": name + "-keys",
			"destType": "S3_Compatible", "destBucket": "destination-bucket", "destEndpoint": dstURL, "destCredentials": name + "-keys", "destPrefix": "copy",
		},
	}
	s.configure()
	return s
}

func (s *stack) configure() {
	s.t.Helper()
	document, err := json.Marshal(s.document)
	s.must(err)
	s.must(os.WriteFile(s.file, document, 0o600))
}

func (s *stack) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *stack) createQueue(ctx context.Context, name, deadLetterARN string) string {
	s.t.Helper()
	out, err := s.sqs.CreateQueue(ctx, queueaws.QueueInput(name, deadLetterARN))
	s.must(err)
	return *out.QueueUrl
}

// program returns a call of one of the programs with the standard environment of the SDK.
func (s *stack) program(name string, args ...string) (*exec.Cmd, *bytes.Buffer, *bytes.Buffer) {
	cmd := exec.Command(filepath.Join(programs, name), args...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") }),
		"AWS_ENDPOINT_URL="+moto.URL, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=/nonexistent", "AWS_SHARED_CREDENTIALS_FILE=/nonexistent")
	cmd.Env = append(cmd.Env, s.env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	return cmd, &stdout, &stderr
}

func (s *stack) finder(args ...string) (code int, stdout, stderr string) {
	s.t.Helper()
	cmd, out, errs := s.program("jobfinder", append([]string{"--config", s.file}, args...)...)
	_ = cmd.Run() // the exit code says it
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// work runs a worker until enough holds, then stops it with SIGTERM.
func (s *stack) work(enough func() bool) (code int, stderr string) {
	s.t.Helper()
	cmd, _, errs := s.program("jobworker", "--config", s.file)
	s.must(cmd.Start())
	for deadline := time.Now().Add(3 * time.Minute); !enough() && time.Now().Before(deadline); {
		time.Sleep(100 * time.Millisecond)
	}
	s.must(cmd.Process.Signal(syscall.SIGTERM))
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode(), errs.String()
}

func (s *stack) depth(url string) int {
	s.t.Helper()
	out, err := s.sqs.GetQueueAttributes(s.t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	s.must(err)
	n := 0
	for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"} {
		var v int
		if _, err := fmt.Sscan(out.Attributes[name], &v); err == nil {
			n += v
		}
	}
	return n
}

func (s *stack) rows() map[string]string {
	s.t.Helper()
	out, err := s.dynamo.Scan(s.t.Context(), &dynamodb.ScanInput{TableName: &s.ledger})
	s.must(err)
	rows := map[string]string{}
	for _, item := range out.Items {
		var row struct{ ObjectKey, Status, Checksum, SourceETag string }
		for name, to := range map[string]*string{"ObjectKey": &row.ObjectKey, "Status": &row.Status} {
			if v, ok := item[name]; ok {
				*to = text(v)
			}
		}
		rows[row.ObjectKey] = row.Status
	}
	return rows
}

// The finder queues what differs, the worker copies it and records it, poison goes to the dead letters, and a second pass
// finds nothing to do.
func TestFinderAndWorkerOnSQSAndDynamoDB(t *testing.T) {
	s := newStack(t, s3sim.Options{}, s3sim.Options{})
	keys := []string{"a", "a/b", `quo"te`, `back\slash`, "new\nline", "ctl\x01", "emoji😀", "s3:TestEvent", "$(reboot)"}
	for i := range 60 {
		keys = append(keys, fmt.Sprintf("many/%03d", i))
	}
	for _, key := range keys {
		s.src.PutBytes(key, []byte("content of "+key))
	}
	s.src.PutPattern("large", 150<<20, 1)
	keys = append(keys, "large")
	poison := []string{"hello", `{"Event":"s3:TestEvent","Bucket":"x"}`, `{"v":1,"kind":"object"}`}
	for _, body := range poison {
		_, err := s.sqs.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &s.queue, MessageBody: &body})
		s.must(err)
	}

	code, stdout, stderr := s.finder("--json", "--run-id", "first")
	if code != 0 || !strings.Contains(stdout, fmt.Sprintf(`"Queued":%d`, len(keys))) && !strings.Contains(stdout, fmt.Sprintf(`"queued":%d`, len(keys))) {
		t.Fatalf("jobfinder: exit code %d\n%s%s", code, stdout, stderr)
	}
	if n := s.depth(s.queue); n != len(keys)+len(poison) {
		t.Fatalf("%d messages are queued, want %d", n, len(keys)+len(poison))
	}
	code, stderr = s.work(func() bool { return s.depth(s.queue) == 0 && s.depth(s.dead) == len(poison) })
	if code != 143 {
		t.Errorf("jobworker: exit code %d after SIGTERM\n%s", code, stderr)
	}
	if strings.Contains(stderr, "canary-secret") {
		t.Error("a secret is in the log")
	}
	if n := s.depth(s.dead); n != len(poison) {
		t.Errorf("%d dead letters, want %d", n, len(poison))
	}
	rows := s.rows()
	for _, key := range keys {
		copied, original := s.dst.Get("copy/"+key), s.src.Get(key)
		if copied == nil || copied.Sum != original.Sum {
			t.Errorf("%q was not copied", key)
		}
		if rows[key] != "DONE" {
			t.Errorf("the record of %q says %q", key, rows[key])
		}
	}
	if s.dst.OpenUploads() != 0 {
		t.Error("an upload is open")
	}

	code, stdout, stderr = s.finder("--json", "--run-id", "second")
	if code != 0 || s.depth(s.queue) != 0 {
		t.Errorf("a second pass: exit code %d, %d messages\n%s%s", code, s.depth(s.queue), stdout, stderr)
	}
	if code, _, stderr = s.finder("--run-id", "first"); code == 0 || !strings.Contains(stderr, "first") {
		t.Errorf("a run id that was used: exit code %d\n%s", code, stderr)
	}
}

func TestPlanAndCheckQueueNothing(t *testing.T) {
	s := newStack(t, s3sim.Options{}, s3sim.Options{})
	s.src.PutBytes("a", []byte("a"))
	for _, flag := range []string{"--plan", "--check"} {
		code, stdout, stderr := s.finder(flag)
		if code != 0 || stdout == "" || s.depth(s.queue) != 0 {
			t.Errorf("%s: exit code %d, %d messages\n%s%s", flag, code, s.depth(s.queue), stdout, stderr)
		}
	}
}

func TestBadConfiguration(t *testing.T) {
	s := newStack(t, s3sim.Options{}, s3sim.Options{})
	parameters := s.document["parameters"].(map[string]string)
	tests := []struct {
		name   string
		code   int
		says   []string
		change func()
	}{
		{"unknown key", 2, []string{"rocket"}, func() { s.document["rocket"] = 1 }},
		{"unknown parameter", 2, []string{"srcBuckets", "srcBucket"}, func() { delete(s.document, "rocket"); parameters["srcBuckets"] = "x" }},
		{"bad value", 2, []string{"compareMode", "colour", "size_etag"}, func() { delete(parameters, "srcBuckets"); parameters["compareMode"] = "colour" }},
		{"no queue", 2, []string{"queueUrl"}, func() { delete(parameters, "compareMode"); delete(s.document, "queueUrl") }},
		{"no such bucket", 3, []string{"source", "nothere", "srcRegion"}, func() { s.document["queueUrl"] = s.queue; parameters["srcBucket"] = "nothere" }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.change()
			s.configure()
			code, _, stderr := s.finder()
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			for _, want := range tt.says {
				if !strings.Contains(stderr, want) {
					t.Errorf("the message does not name %q:\n%s", want, stderr)
				}
			}
		})
	}
	if code, _, stderr := func() (int, string, string) {
		cmd, out, errs := s.program("jobworker", "--config", filepath.Join(t.TempDir(), "missing.json"))
		_ = cmd.Run()
		return cmd.ProcessState.ExitCode(), out.String(), errs.String()
	}(); code != 2 || !strings.Contains(stderr, "missing.json") {
		t.Errorf("a missing file: exit code %d\n%s", code, stderr)
	}
}
