package existenceaws_test

import (
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/datatransferhub/dth/lambda/catalog"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/lambda/task/existenceaws"
	"github.com/datatransferhub/dth/worker/standin"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

var moto *standin.Server

func TestMain(m *testing.M) { os.Exit(standin.Run(m, func(s *standin.Server) { moto = s })) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// account is one that has something of each kind; there is what a task's parameters name of it.
func account(t *testing.T, cfg aws.Config) (there map[string]string, otherVPC string) {
	t.Helper()
	buckets := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	for _, name := range []string{"source", "target"} {
		_, err := buckets.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name})
		must(t, err)
	}
	_, err := secretsmanager.NewFromConfig(cfg).CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("keys"), SecretString: aws.String("CANARY")})
	must(t, err)
	key, err := kms.NewFromConfig(cfg).CreateKey(t.Context(), &kms.CreateKeyInput{})
	must(t, err)
	network := ec2.NewFromConfig(cfg)
	vpc, err := network.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.7.0.0/16")})
	must(t, err)
	other, err := network.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.8.0.0/16")})
	must(t, err)
	subnet, err := network.CreateSubnet(t.Context(), &ec2.CreateSubnetInput{VpcId: vpc.Vpc.VpcId, CidrBlock: aws.String("10.7.0.0/24")})
	must(t, err)
	return map[string]string{
		"srcBucket": "source", "destBucket": "target", "srcCredentials": "keys", "destPutObjectSSEType": "AWS_KMS", "destPutObjectSSEKmsKeyId": *key.KeyMetadata.KeyId,
		"ec2VpcId": *vpc.Vpc.VpcId, "ec2Subnets": *subnet.Subnet.SubnetId, "alarmEmail": "a@example.com",
	}, *other.Vpc.VpcId
}

func open(t *testing.T, cfg aws.Config) *existenceaws.Existence {
	buckets, secrets, keys, networks := existenceaws.Actions()
	return existenceaws.Open(standinaws.Only(t, cfg, slices.Concat(buckets, secrets, keys, networks)), catalog.Cloud("1.2.3", catalog.Place{Account: "123456789012", Region: "us-east-1"}))
}

// Everything that is not there is told at once, each with its field; what the hub cannot see is not.
func TestMissing(t *testing.T) {
	must(t, moto.Reset())
	cfg := standinaws.Config(t, moto.URL)
	there, other := account(t, cfg)
	const unknown = "12345678-1234-1234-1234-123456789012"
	for name, c := range map[string]struct {
		with map[string]string
		want []string // field and a word of the message
	}{
		"all there":                     {nil, nil},
		"buckets":                       {map[string]string{"srcBucket": "nowhere", "destBucket": "nowhere-2"}, []string{"srcBucket no bucket", "destBucket no bucket"}},
		"a bucket of another provider":  {map[string]string{"srcType": "Aliyun_OSS", "srcBucket": "nowhere", "srcRegion": "cn-hangzhou"}, nil},
		"a bucket of another partition": {map[string]string{"srcBucket": "nowhere", "srcRegion": "cn-north-1"}, nil},
		"a bucket behind an address":    {map[string]string{"srcBucket": "nowhere", "srcEndpoint": "https://s3.example.com"}, nil},
		"a secret":                      {map[string]string{"srcCredentials": "lost"}, []string{"srcCredentials no secret"}},
		"a secret of another region":    {map[string]string{"srcCredentials": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x-abcdef"}, nil},
		"a key":                         {map[string]string{"destPutObjectSSEKmsKeyId": unknown}, []string{"destPutObjectSSEKmsKeyId no such key"}},
		"a key of another region":       {map[string]string{"destPutObjectSSEKmsKeyId": "arn:aws:kms:eu-west-1:123456789012:key/" + unknown}, nil},
		"networks":                      {map[string]string{"ec2VpcId": "vpc-12345678", "ec2Subnets": "subnet-12345678"}, []string{"ec2VpcId no such VPC", "ec2Subnets no such subnet"}},
		"subnets of another VPC":        {map[string]string{"ec2VpcId": other}, []string{"ec2Subnets not in " + other}},
	} {
		t.Run(name, func(t *testing.T) {
			parameters := maps.Clone(there)
			maps.Copy(parameters, c.with)
			wrong, err := open(t, cfg).Missing(t.Context(), "S3", parameters)
			must(t, err)
			if len(wrong) != len(c.want) {
				t.Fatalf("told %+v, want %q", wrong, c.want)
			}
			for i, want := range c.want {
				field, word, _ := strings.Cut(want, " ")
				if w := wrong[i]; w.Code != task.Invalid || w.Field != "parameters."+field || !strings.Contains(w.Message, word) || w.Next == "" || w.Value != parameters[field] {
					t.Errorf("told %+v, want %s", w, want)
				}
			}
		})
	}
	if wrong, err := open(t, cfg).Missing(t.Context(), "Other", map[string]string{"srcBucket": "nowhere"}); err != nil || wrong != nil {
		t.Errorf("of a plugin that it does not know it tells %v, %v", wrong, err)
	}
}

// Of a task that copies images: its secrets and its network.
func TestMissingOfImages(t *testing.T) {
	must(t, moto.Reset())
	cfg := standinaws.Config(t, moto.URL)
	there, other := account(t, cfg)
	second, err := ec2.NewFromConfig(cfg).CreateSubnet(t.Context(), &ec2.CreateSubnetInput{VpcId: aws.String(there["ec2VpcId"]), CidrBlock: aws.String("10.7.1.0/24")})
	must(t, err)
	parameters := map[string]string{
		"destRegion": "us-east-1", "sourceType": "Amazon_ECR", "srcRegion": "eu-west-1", "srcCredential": "keys", "srcAccountId": "123456789012", "ecsClusterName": "plugins",
		"ecsVpcId": there["ec2VpcId"], "ecsSubnetA": there["ec2Subnets"], "ecsSubnetB": *second.Subnet.SubnetId, "alarmEmail": "a@example.com",
	}
	for name, c := range map[string]struct {
		with map[string]string
		want []string
	}{
		"all there": {nil, nil},
		"a secret":  {map[string]string{"srcCredential": "lost"}, []string{"srcCredential no secret"}},
		"a subnet":  {map[string]string{"ecsSubnetB": "subnet-12345678"}, []string{"ecsSubnetB no such subnet"}},
		"a VPC":     {map[string]string{"ecsVpcId": other}, []string{"ecsSubnetA not in", "ecsSubnetB not in"}},
	} {
		with := maps.Clone(parameters)
		maps.Copy(with, c.with)
		wrong, err := open(t, cfg).Missing(t.Context(), "ECR", with)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got []string
		for _, w := range wrong {
			got = append(got, strings.TrimPrefix(w.Field, "parameters.")+" "+w.Message)
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: told %q, want %q", name, got, c.want)
			continue
		}
		for i, want := range c.want {
			field, word, _ := strings.Cut(want, " ")
			if !strings.HasPrefix(got[i], field) || !strings.Contains(got[i], word) {
				t.Errorf("%s: told %q, want %q", name, got[i], want)
			}
		}
	}
}

// A key that is disabled, and a secret that is about to go, do not help a task.
func TestWhatIsThereAndOfNoUse(t *testing.T) {
	must(t, moto.Reset())
	cfg := standinaws.Config(t, moto.URL)
	there, _ := account(t, cfg)
	_, err := kms.NewFromConfig(cfg).DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: aws.String(there["destPutObjectSSEKmsKeyId"])})
	must(t, err)
	_, err = secretsmanager.NewFromConfig(cfg).DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: aws.String("keys")})
	must(t, err)
	wrong, err := open(t, cfg).Missing(t.Context(), "S3", there)
	must(t, err)
	if len(wrong) != 2 || !strings.Contains(wrong[0].Message, "deleted") || !strings.Contains(wrong[1].Message, "Disabled") {
		t.Errorf("told %+v", wrong)
	}
}

// What the hub may not look at may be there; a service that is out of order says nothing.
func TestAnswersThatTellNothing(t *testing.T) {
	parameters := map[string]string{
		"srcBucket": "source", "destBucket": "target", "srcCredentials": "keys", "destPutObjectSSEType": "AWS_KMS", "destPutObjectSSEKmsKeyId": "alias/k",
		"ec2VpcId": "vpc-12345678", "ec2Subnets": "subnet-12345678", "alarmEmail": "a@example.com",
	}
	answering := func(status int) *existenceaws.Existence {
		cfg := standinaws.Config(t, "http://127.0.0.1:1")
		cfg.RetryMaxAttempts = 1
		return open(t, standinaws.Between(cfg, func(r standinaws.Request, _ func() (*http.Response, error)) (*http.Response, error) {
			body := `{"__type":"AccessDeniedException"}`
			if strings.Contains(string(r.Body), "Action=Describe") {
				body = `<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error></Errors><RequestID>r</RequestID></Response>`
			}
			return standinaws.Answer(r, status, body), nil
		}))
	}
	for _, status := range []int{http.StatusForbidden, http.StatusMovedPermanently} {
		if status != http.StatusForbidden {
			parameters = map[string]string{"srcBucket": "source", "destBucket": "target", "ec2VpcId": "vpc-12345678", "ec2Subnets": "subnet-12345678", "alarmEmail": "a@example.com"}
		}
		if wrong, err := answering(status).Missing(t.Context(), "S3", parameters); err != nil || wrong != nil {
			t.Errorf("%d tells %v, %v", status, wrong, err)
		}
	}
	if _, err := answering(http.StatusServiceUnavailable).Missing(t.Context(), "S3", parameters); err == nil || !strings.Contains(err.Error(), "bucket source") {
		t.Errorf("a service that is out of order: %v", err)
	}
}
