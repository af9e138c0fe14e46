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
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/datatransferhub/dth/plugins/ecr/wiring"
	"github.com/datatransferhub/dth/worker/image"
	"github.com/datatransferhub/dth/worker/image/imagetest"
	"github.com/datatransferhub/dth/worker/image/record"
	"github.com/datatransferhub/dth/worker/image/record/recordaws"
	"github.com/datatransferhub/dth/worker/image/registry"
	"github.com/datatransferhub/dth/worker/standin"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

// canary is a password that may be nowhere but where it is needed.
const canary = "canary-0815-password"

var (
	program string
	moto    *standin.Server
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "dth-test-")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "imagecopier")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building imagecopier: %v\n%s", err, out)
		os.Exit(1)
	}
	code := standin.Run(m, func(s *standin.Server) { moto = s })
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// stack is what the template would have made, a registry with sign-in to copy from, and an ECR to copy to.
type stack struct {
	t       *testing.T
	from    *imagetest.ECR // used as any other registry
	to      *imagetest.ECR
	fill    imagetest.Filler
	cfg     aws.Config
	name    string
	scratch string
	records *recordaws.Records
}

func newStack(t *testing.T) *stack {
	t.Helper()
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Skip("skopeo is not on this machine (Debian: apt-get install skopeo)")
	}
	s := &stack{
		t: t, from: imagetest.NewECR(canary), to: imagetest.NewECR("token-of-the-destination"), cfg: standinaws.Config(t, moto.URL),
		name: strings.ToLower(t.Name()), scratch: t.TempDir(),
	}
	t.Cleanup(s.from.Close)
	t.Cleanup(s.to.Close)
	s.fill = imagetest.Filler{Host: s.from.Host, Base: 50_000, Layer: 1000, Options: []remote.Option{remote.WithAuth(&authn.Basic{Username: "AWS", Password: canary})}}
	_, err := dynamodb.NewFromConfig(s.cfg).CreateTable(t.Context(), recordaws.TableInput(s.name+"-records"))
	must(t, err)
	s.records = recordaws.Open(s.cfg, s.name+"-records")
	_, err = s.s3().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(s.name)})
	must(t, err)
	_, err = secretsmanager.NewFromConfig(s.cfg).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
		Name: aws.String(s.name + "-secret"), SecretString: aws.String(fmt.Sprintf(`{"username":"AWS","password":%q}`, canary)),
	})
	must(t, err)
	s.configure(map[string]string{})
	return s
}

func (s *stack) s3() *s3.Client {
	return s3.NewFromConfig(s.cfg, func(o *s3.Options) { o.UsePathStyle = true })
}

func (s *stack) configure(change map[string]string) {
	parameters := map[string]string{
		"sourceType": "Public", "srcList": "SELECTED", "srcImageList": s.from.Host + "/team/app:ALL_TAGS", "srcCredential": s.name + "-secret",
		"destRegion": "us-east-1", "destPrefix": "copy", "ecsClusterName": "c", "ecsVpcId": "vpc-12345678", "ecsSubnetA": "subnet-12345678", "ecsSubnetB": "subnet-87654321",
		"alarmEmail": "a@example.com",
	}
	for k, v := range change {
		parameters[k] = v
	}
	document, err := json.Marshal(map[string]any{
		"stackName": s.name, "region": "us-east-1", "account": "123456789012", "recordTable": s.name + "-records", "runTable": "runs", "bucket": s.name, "parameters": parameters,
	})
	must(s.t, err)
	_, err = ssm.NewFromConfig(s.cfg).PutParameter(s.t.Context(), &ssm.PutParameterInput{
		Name: aws.String("/" + s.name), Value: aws.String(string(document)), Type: types.ParameterTypeString, Overwrite: aws.Bool(true),
	})
	must(s.t, err)
}

// put writes a batch of tags, of which the planner saw other digests than these for some.
func (s *stack) put(tags ...string) image.Batch {
	b := image.Batch{Name: s.from.Host + "/team/app", Registry: s.from.Host, Repository: "team/app", Target: "copy/team/app"}
	for _, tag := range tags {
		b.Images = append(b.Images, image.Image{Tag: tag, Digest: fmt.Sprintf("sha256:%064x", 1)})
	}
	text, err := image.MarshalBatch(b)
	must(s.t, err)
	_, err = s.s3().PutObject(s.t.Context(), &s3.PutObjectInput{Bucket: &s.name, Key: aws.String("runs/r1/batch-000000.json"), Body: bytes.NewReader(text)})
	must(s.t, err)
	return b
}

func (s *stack) command(env ...string) (*exec.Cmd, *bytes.Buffer) {
	cmd := exec.Command(program)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") }),
		"AWS_ENDPOINT_URL="+moto.URL, "AWS_ENDPOINT_URL_ECR="+s.to.URL, "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=/nonexistent", "AWS_SHARED_CREDENTIALS_FILE=/nonexistent",
		wiring.EnvConfig+"=ssm:/"+s.name, wiring.EnvBatch+"=runs/r1/batch-000000.json", wiring.EnvRun+"=r1", wiring.EnvScratch+"="+s.scratch, wiring.EnvExecution+"=arn:execution", wiring.EnvAttempt+"=0")
	cmd.Env = append(cmd.Env, env...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	return cmd, &said
}

func (s *stack) run(env ...string) (code int, said string) {
	cmd, out := s.command(env...)
	_ = cmd.Run() // its code says it
	return cmd.ProcessState.ExitCode(), out.String()
}

func (s *stack) record(tag string) record.Record {
	key := record.Key{Image: s.from.Host + "/team/app", Tag: tag}
	on, err := s.records.Get(s.t.Context(), []record.Key{key})
	must(s.t, err)
	return on[key]
}

func (s *stack) at(tag string) string {
	r, err := registry.Open(s.to.Host, registry.Options{Login: func(context.Context) (image.Login, error) {
		return image.Login{User: "AWS", Password: s.to.Password}, nil
	}})
	must(s.t, err)
	d, err := r.Head(s.t.Context(), "copy/team/app", tag)
	must(s.t, err)
	return d.Digest
}

// A batch is copied, proved and recorded; what fails is named and fails the task, and only that is copied by the task after it. The
// password is nowhere.
func TestBatch(t *testing.T) {
	s := newStack(t)
	s.from.Add("team/app")
	digests := map[string]string{}
	for n, tag := range []string{"1.0", "1.1"} {
		digest, err := s.fill.Write(t.Context(), "team/app", tag, uint64(n))
		must(t, err)
		digests[tag] = digest
	}
	digest, err := s.fill.WriteIndex(t.Context(), "team/app", "multi", 7, false)
	must(t, err)
	digests["multi"] = digest
	s.put("1.0", "late", "1.1", "multi")

	code, said := s.run()
	if code != 1 {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	for tag, digest := range digests {
		r := s.record(tag)
		if r.Status != record.Done || r.SourceDigest != digest || r.DestinationDigest != digest || s.at(tag) != digest || r.Execution != "arn:execution" || r.RunID != "r1" {
			t.Errorf("%s: %+v", tag, r)
		}
	}
	if r := s.record("late"); r.Status != record.Failed || r.ErrorClass != "not_found" {
		t.Errorf("late: %+v", r)
	}
	digest, err = s.fill.Write(t.Context(), "team/app", "late", 9)
	must(t, err)
	before := s.to.Calls()["PUT manifests"]
	if code, again := s.run(wiring.EnvAttempt + "=1"); code != 0 {
		t.Errorf("exit code %d\n%s", code, again)
	}
	if r := s.record("late"); r.Status != record.Done || r.DestinationDigest != digest || r.Attempts != 2 {
		t.Errorf("late: %+v", r)
	}
	if r := s.record("1.0"); r.Status != record.Done {
		t.Errorf("what the first task copied is recorded as %s", r.Status)
	}
	if n := s.to.Calls()["PUT manifests"] - before; n != 1 {
		t.Errorf("%d manifests were written for the one that was missing", n)
	}
	if strings.Contains(said, canary) || strings.Contains(said, s.to.Password) {
		t.Error("a password is in the log")
	}
	left, err := filepath.Glob(filepath.Join(s.scratch, "auth-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("sign-ins are left: %v %v", left, err)
	}
}

// What a batch says is deleted at the destination, after its images were copied, and only what the source still does not have.
func TestBatchDeletes(t *testing.T) {
	s := newStack(t)
	s.from.Add("team/app")
	s.to.Add("copy/team/app")
	_, err := s.fill.Write(t.Context(), "team/app", "1.0", 1)
	must(t, err)
	there := imagetest.Filler{Host: s.to.Host, Base: 1000, Layer: 100, Options: []remote.Option{remote.WithAuth(&authn.Basic{Username: "AWS", Password: s.to.Password})}}
	b := s.put("1.0")
	for n, tag := range []string{"old", "back"} {
		digest, err := there.Write(t.Context(), "copy/team/app", tag, uint64(50+n))
		must(t, err)
		b.Delete = append(b.Delete, image.Extra{Tag: tag, Digest: digest})
	}
	_, err = s.fill.Write(t.Context(), "team/app", "back", 51)
	must(t, err)
	text, err := image.MarshalBatch(b)
	must(t, err)
	_, err = s.s3().PutObject(t.Context(), &s3.PutObjectInput{Bucket: &s.name, Key: aws.String("runs/r1/batch-000000.json"), Body: bytes.NewReader(text)})
	must(t, err)
	for range 2 { // a task that is tried again finds it deleted
		if code, said := s.run(); code != 0 {
			t.Fatalf("exit code %d\n%s", code, said)
		}
		if r := s.record("old"); r.Status != record.Deleted || r.DestinationDigest != b.Delete[0].Digest || s.record("back").Status != "" || s.record("1.0").Status != record.Done {
			t.Errorf("%+v %+v", r, s.record("back"))
		}
	}
	if n := s.to.Calls()["BatchDeleteImage"]; n != 1 || s.at("back") != b.Delete[1].Digest {
		t.Errorf("%d deletions", n)
	}
}

// A password is shown to the one registry that images come from, or that its secret names, and to no other.
func TestSecretIsForOneRegistry(t *testing.T) {
	s := newStack(t)
	s.from.Add("team/app")
	_, err := s.fill.Write(t.Context(), "team/app", "1", 1)
	must(t, err)
	s.put("1")
	_, err = secretsmanager.NewFromConfig(s.cfg).PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: aws.String(s.name + "-secret"), SecretString: aws.String(fmt.Sprintf(`{"username":"AWS","password":%q,"registry":"ghcr.io"}`, canary)),
	})
	must(t, err)
	code, said := s.run()
	if r := s.record("1"); code != 1 || r.ErrorClass != "bad_credentials" {
		t.Errorf("exit code %d, %+v\n%s", code, r, said)
	}
}

// SIGTERM ends the copy that is under way; nothing is recorded as failed, and no sign-in is left.
func TestTerminated(t *testing.T) {
	s := newStack(t)
	s.from.Add("team/app")
	var tags []string
	for n := range 40 {
		tag := fmt.Sprint("v", n)
		_, err := s.fill.Write(t.Context(), "team/app", tag, uint64(n))
		must(t, err)
		tags = append(tags, tag)
	}
	s.put(tags...)
	cmd, said := s.command()
	must(t, cmd.Start())
	for s.to.Calls()["PUT manifests"] == 0 {
		time.Sleep(10 * time.Millisecond)
		if t.Context().Err() != nil {
			t.Fatal("nothing was copied")
		}
	}
	must(t, cmd.Process.Signal(syscall.SIGTERM))
	_ = cmd.Wait() // its code says it
	if code := cmd.ProcessState.ExitCode(); code != 143 {
		t.Errorf("exit code %d\n%s", code, said)
	}
	page, err := s.records.List(t.Context(), record.Failed, 10, "")
	if err != nil || len(page.Records) > 0 {
		t.Errorf("%+v %v", page, err)
	}
	if left, err := filepath.Glob(filepath.Join(s.scratch, "auth-*")); err != nil || len(left) > 0 {
		t.Errorf("sign-ins are left: %v %v", left, err)
	}
	if code, said := s.run(); code != 0 {
		t.Errorf("the task after it: exit code %d\n%s", code, said)
	}
}

func TestWrongUsage(t *testing.T) {
	s := newStack(t)
	for name, c := range map[string]struct{ env, want string }{
		"no batch":         {wiring.EnvBatch + "=", wiring.EnvBatch},
		"no run":           {wiring.EnvRun + "=", wiring.EnvRun},
		"no configuration": {wiring.EnvConfig + "=ssm:/none", "/none"},
	} {
		if code, said := s.run(c.env); code != 2 || !strings.Contains(said, c.want) {
			t.Errorf("%s: exit code %d\n%s", name, code, said)
		}
	}
	if code, said := s.run(wiring.EnvBatch + "=runs/none.json"); code == 0 || !strings.Contains(said, "runs/none.json") {
		t.Errorf("a batch that is not there: exit code %d\n%s", code, said)
	}
	s.configure(map[string]string{"srcList": "SOME"})
	if code, said := s.run(); code != 2 || !strings.Contains(said, "srcList") {
		t.Errorf("a wrong parameter: exit code %d\n%s", code, said)
	}
}
