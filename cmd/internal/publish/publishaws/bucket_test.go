package publishaws_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/datatransferhub/dth/cmd/internal/publish"
	"github.com/datatransferhub/dth/cmd/internal/publish/publishaws"
	"github.com/datatransferhub/dth/cmd/internal/publish/publishtest"
	"github.com/datatransferhub/dth/worker/standin"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

// The owners of buckets that are made on the two servers. versitygw calls an account by its access key.
const (
	motoAccount    = "123456789012"
	gatewayAccount = "publisher"
)

// owners are the servers with the accounts that own their buckets.
func owners(t *testing.T) map[string]server {
	return map[string]server{"moto": {standinaws.Config(t, moto.URL), motoAccount}, "versitygw": gateway(t)}
}

type server struct {
	cfg     aws.Config
	account string
}

var moto *standin.Server

func TestMain(m *testing.M) { os.Exit(standin.Run(m, func(s *standin.Server) { moto = s })) }

// gateway starts versitygw, a real S3 server, and returns a configuration for it.
func gateway(t *testing.T) server {
	t.Helper()
	helper := os.Getenv("DTH_SAMPLE_BIN")
	if helper == "" {
		helper = "../../../../bin/dth-sample"
	}
	helper, err := filepath.Abs(helper)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(helper, "serve", "s3", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--access", gatewayAccount)
	cmd.Env = append(os.Environ(), "DTH_SAMPLE_SECRET=made-up")
	in, err := cmd.StdinPipe() // the server ends when it closes
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v; make build makes the sample's servers", err)
	}
	t.Cleanup(func() { _, _ = in.Close(), cmd.Wait() }) // it was told to end
	var ready struct{ URL string }
	if err := json.NewDecoder(out).Decode(&ready); err != nil {
		t.Fatal(err)
	}
	cfg := standinaws.Config(t, ready.URL)
	cfg.Credentials = credentials.NewStaticCredentialsProvider(gatewayAccount, "made-up", "")
	return server{cfg, gatewayAccount}
}

// client makes what the publisher does not make: buckets, and objects of others.
func (s server) client() *s3.Client {
	return s3.NewFromConfig(s.cfg, func(o *s3.Options) { o.UsePathStyle = true })
}

func (s server) makeBucket(t *testing.T, name, region string) {
	t.Helper()
	in := &s3.CreateBucketInput{Bucket: &name}
	if region != "us-east-1" {
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(region)}
	}
	if _, err := s.client().CreateBucket(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

func (s server) targets(t *testing.T, prefix string, regions ...string) (out []publish.Target) {
	t.Helper()
	// HeadBucket is allowed by s3:ListBucket, HeadObject by s3:GetObject.
	allowed := append(publishaws.Actions(), "s3:HeadBucket", "s3:HeadObject")
	for _, region := range regions {
		name := publish.Bucket(prefix, region)
		b, err := publishaws.Open(t.Context(), standinaws.Only(t, s.cfg, allowed), region, name, s.account)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, publish.Target{Region: region, Bucket: name, Store: b})
	}
	return out
}

func publishTo(t *testing.T, r *publish.Release, to []publish.Target) (*publish.Plan, error) {
	t.Helper()
	p, err := publish.Look(t.Context(), r, to)
	if err != nil {
		t.Fatal(err)
	}
	return p, p.Run(t.Context(), func(publish.Step) {})
}

func release(t *testing.T, dist, prefix string) *publish.Release {
	t.Helper()
	r, err := publish.Read(dist, prefix, "")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The life of releases in one bucket, on a stand-in and on a real server: published, published again, refused with other
// content, followed by the next one.
func TestReleases(t *testing.T) {
	for name, at := range owners(t) {
		t.Run(name, func(t *testing.T) {
			at.makeBucket(t, "mine-us-east-1", "us-east-1")
			to := at.targets(t, "mine", "us-east-1")
			first := release(t, publishtest.Dist(t, "1.0.0"), "mine")
			if _, err := publishTo(t, first, to); err != nil {
				t.Fatal(err)
			}
			for _, f := range first.Files {
				if got, err := to[0].Store.Get(t.Context(), "data-transfer-hub/1.0.0/"+f.Name); err != nil || !bytes.Equal(got, f.Content) {
					t.Errorf("%s: %d bytes, %v", f.Name, len(got), err)
				}
			}
			again, err := publishTo(t, first, to)
			if err != nil {
				t.Fatal(err)
			}
			if slices.ContainsFunc(again.Steps, func(s publish.Step) bool { return s.State != publish.Same }) {
				t.Errorf("the second time does something: %+v", again.Steps)
			}
			changed := publishtest.Dist(t, "1.0.0")
			if err := os.WriteFile(filepath.Join(changed, "LICENSES.txt"), []byte("other\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			var conflict *publish.ConflictError
			if _, err := publishTo(t, release(t, changed, "mine"), to); !errors.As(err, &conflict) {
				t.Errorf("other content: %v", err)
			}
			if _, err := publishTo(t, release(t, publishtest.Dist(t, "1.1.0"), "mine"), to); err != nil {
				t.Fatal(err)
			}
			if got, err := to[0].Store.Get(t.Context(), "data-transfer-hub/latest/VERSION"); err != nil || string(got) != "1.1.0\n" {
				t.Errorf("the latest is %q, %v", got, err)
			}
		})
	}
}

func TestBucketsOfOtherPartitions(t *testing.T) {
	regions := []string{"cn-north-1", "cn-northwest-1"}
	for _, region := range regions {
		there := server{standinaws.Config(t, moto.URL), motoAccount}
		there.cfg.Region = region
		there.makeBucket(t, "china-"+region, region)
	}
	at := server{standinaws.Config(t, moto.URL), motoAccount}
	if _, err := publishTo(t, release(t, publishtest.Dist(t, "1.0.0"), "china"), at.targets(t, "china", regions...)); err != nil {
		t.Error(err)
	}
}

// Two people at once: the slower one is refused by the bucket itself.
func TestObjectThatAppearsMeanwhileIsNotReplaced(t *testing.T) {
	for name, at := range owners(t) {
		t.Run(name, func(t *testing.T) {
			at.makeBucket(t, "race-us-east-1", "us-east-1")
			to := at.targets(t, "race", "us-east-1")
			r := release(t, publishtest.Dist(t, "1.0.0"), "race")
			p, err := publish.Look(t.Context(), r, to)
			if err != nil {
				t.Fatal(err)
			}
			key := "data-transfer-hub/1.0.0/jobworker"
			if _, err := at.client().PutObject(t.Context(), &s3.PutObjectInput{Bucket: &to[0].Bucket, Key: &key, Body: strings.NewReader("theirs")}); err != nil {
				t.Fatal(err)
			}
			if err := p.Run(t.Context(), func(publish.Step) {}); err == nil || !strings.Contains(err.Error(), "somebody else") {
				t.Errorf("the error is %v", err)
			}
			if got, err := to[0].Store.Get(t.Context(), key); err != nil || string(got) != "theirs" {
				t.Errorf("the bucket holds %q, %v", got, err)
			}
		})
	}
}

// An object of somebody who sent no SHA-256 is read to be compared.
func TestObjectWithoutHashIsRead(t *testing.T) {
	at := gateway(t)
	at.makeBucket(t, "plain-us-east-1", "us-east-1")
	to := at.targets(t, "plain", "us-east-1")
	r := release(t, publishtest.Dist(t, "1.0.0"), "plain")
	for i, body := range []string{string(r.Files[0].Content), strings.Repeat("x", len(r.Files[1].Content))} {
		key := "data-transfer-hub/1.0.0/" + r.Files[i].Name
		if _, err := at.client().PutObject(t.Context(), &s3.PutObjectInput{Bucket: &to[0].Bucket, Key: &key, Body: strings.NewReader(body)}); err != nil {
			t.Fatal(err)
		}
	}
	p, err := publish.Look(t.Context(), r, to)
	if err != nil {
		t.Fatal(err)
	}
	if p.Steps[0].State != publish.Same || p.Steps[1].State != publish.Conflict {
		t.Errorf("states %s and %s, want same and conflict", p.Steps[0].State, p.Steps[1].State)
	}
}

func TestBucketThatIsNotThereIsSaid(t *testing.T) {
	cfg := standinaws.Config(t, moto.URL)
	_, err := publishaws.Open(t.Context(), cfg, "eu-west-1", "none-eu-west-1", motoAccount)
	if err == nil || !strings.Contains(err.Error(), "--create-bucket-configuration LocationConstraint=eu-west-1") {
		t.Errorf("the error is %v", err)
	}
	if got, err := publishaws.Account(t.Context(), cfg); err != nil || got != motoAccount {
		t.Errorf("account %q, %v", got, err)
	}
}

// A bucket of somebody else has the right name: versitygw compares the owner, as S3 does.
func TestBucketOfAnotherAccountIsRefused(t *testing.T) {
	at := gateway(t)
	at.makeBucket(t, "theirs-us-east-1", "us-east-1")
	if _, err := publishaws.Open(t.Context(), at.cfg, "us-east-1", "theirs-us-east-1", "somebody"); err == nil || !strings.Contains(err.Error(), "another account") {
		t.Errorf("the error is %v", err)
	}
}

func TestDamagedUploadIsRefused(t *testing.T) {
	at := gateway(t)
	at.makeBucket(t, "damaged-us-east-1", "us-east-1")
	to := at.targets(t, "damaged", "us-east-1")
	o := publish.Object{Key: "k", Content: []byte("not what the hash says"), SHA256: strings.Repeat("00", 32), New: true}
	if err := to[0].Store.Put(t.Context(), o); err == nil {
		t.Error("it was taken")
	}
}
