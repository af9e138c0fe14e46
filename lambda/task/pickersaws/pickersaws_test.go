package pickersaws_test

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/lambda/task/pickersaws"
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

// config is of an account without anything.
func config(t *testing.T) aws.Config {
	t.Helper()
	must(t, moto.Reset())
	return standinaws.Config(t, moto.URL)
}

// pick lists all pages of a kind, two things on each, as value, label and note.
func pick(t *testing.T, cfg aws.Config, q task.PickQuery) (found []string) {
	t.Helper()
	p := pickersaws.Open(standinaws.Only(t, cfg, pickersaws.Actions()), "hub-a")
	for q.First = 2; ; {
		page, err := p.Pick(t.Context(), q)
		must(t, err)
		if len(page.Picks) > 2 {
			t.Errorf("%d things on a page of two", len(page.Picks))
		}
		for _, one := range page.Picks {
			found = append(found, strings.Join([]string{one.Value, one.Label, one.Note}, "|"))
		}
		if q.After = page.Next; q.After == "" {
			return found
		}
		if len(found) > 100 {
			t.Fatal("the pages have no end")
		}
	}
}

func TestBuckets(t *testing.T) {
	cfg := config(t)
	client := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	for _, name := range []string{"photos", "archive", "photos-2", "more-photos"} {
		_, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name})
		must(t, err)
	}
	got := pick(t, cfg, task.PickQuery{Kind: task.Buckets, Text: "Photo"})
	for i := range got {
		got[i], _, _ = strings.Cut(got[i], "|")
	}
	if want := []string{"more-photos", "photos", "photos-2"}; !slices.Equal(got, want) {
		t.Errorf("found %q", got)
	}
}

// A secret is offered by the hub that it is tagged for, or by all of them; one whose tag only begins alike is not.
func TestSecrets(t *testing.T) {
	cfg := config(t)
	client := secretsmanager.NewFromConfig(cfg)
	for name, tag := range map[string]*types.Tag{
		"a": {Key: aws.String("DataTransferHub"), Value: aws.String("hub-a")}, "all": {Key: aws.String("DataTransferHub"), Value: aws.String("")},
		"b": {Key: aws.String("DataTransferHub"), Value: aws.String("hub-b")}, "alike": {Key: aws.String("DataTransferHubStack"), Value: aws.String("hub-a")}, "none": nil,
	} {
		in := &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String("CANARY"), Description: aws.String("of " + name)}
		if tag != nil {
			in.Tags = []types.Tag{*tag}
		}
		_, err := client.CreateSecret(t.Context(), in)
		must(t, err)
	}
	if got := pick(t, cfg, task.PickQuery{Kind: task.Secrets}); !slices.Equal(got, []string{"a|a|of a", "all|all|of all"}) {
		t.Errorf("found %q", got)
	}
}

// Keys of the account are offered by their alias; those of AWS are not.
func TestKeys(t *testing.T) {
	cfg := config(t)
	client := kms.NewFromConfig(cfg)
	var want []string
	for _, alias := range []string{"alias/mine", ""} {
		made, err := client.CreateKey(t.Context(), &kms.CreateKeyInput{})
		must(t, err)
		id, arn := *made.KeyMetadata.KeyId, *made.KeyMetadata.Arn
		if alias == "" {
			want = append(want, arn+"|"+id+"|")
			continue
		}
		_, err = client.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: &alias, TargetKeyId: &id})
		must(t, err)
		want = append(want, arn+"|mine|"+id)
	}
	// The list of aliases has those of AWS's own keys, too.
	aliased := strings.Split(want[0], "|")[2]
	cfg = standinaws.Between(cfg, func(r standinaws.Request, next func() (*http.Response, error)) (*http.Response, error) {
		switch {
		case strings.HasSuffix(r.HTTP.Header.Get("X-Amz-Target"), ".ListKeys"):
			return standinaws.Answer(r, 200, fmt.Sprintf(`{"Keys":[{"KeyId":"own","KeyArn":"arn:own"},%s],"Truncated":false}`, strings.Join(keysOf(want), ","))), nil
		case strings.HasSuffix(r.HTTP.Header.Get("X-Amz-Target"), ".ListAliases"):
			return standinaws.Answer(r, 200, fmt.Sprintf(`{"Aliases":[{"AliasName":"alias/aws/s3","TargetKeyId":"own"},{"AliasName":"alias/zz","TargetKeyId":%q},{"AliasName":"alias/mine","TargetKeyId":%q},{"AliasName":"alias/aws/unused"}],"Truncated":false}`, aliased, aliased)), nil
		}
		return next()
	})
	slices.Sort(want)
	got := pick(t, cfg, task.PickQuery{Kind: task.KMSKeys})
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

// keysOf are entries of ListKeys.
func keysOf(picks []string) (all []string) {
	for _, p := range picks {
		parts := strings.Split(p, "|")
		all = append(all, fmt.Sprintf(`{"KeyArn":%q,"KeyId":%q}`, parts[0], parts[0][strings.LastIndex(parts[0], "/")+1:]))
	}
	return all
}

func TestKeysOfTheServiceItself(t *testing.T) {
	cfg := config(t)
	made, err := kms.NewFromConfig(cfg).CreateKey(t.Context(), &kms.CreateKeyInput{})
	must(t, err)
	_, err = kms.NewFromConfig(cfg).CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: aws.String("alias/mine"), TargetKeyId: made.KeyMetadata.KeyId})
	must(t, err)
	want := *made.KeyMetadata.Arn + "|mine|" + *made.KeyMetadata.KeyId
	if got := pick(t, cfg, task.PickQuery{Kind: task.KMSKeys, Text: "MINE"}); !slices.Equal(got, []string{want}) {
		t.Errorf("found %q, want %q", got, want)
	}
}

func TestNetworks(t *testing.T) {
	cfg := config(t)
	client := ec2.NewFromConfig(cfg)
	made, err := client.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: aws.String("10.7.0.0/16"), TagSpecifications: []ec2types.TagSpecification{{
		ResourceType: ec2types.ResourceTypeVpc, Tags: []ec2types.Tag{{Key: aws.String("Name"), Value: aws.String("transfers")}},
	}}})
	must(t, err)
	vpc := *made.Vpc.VpcId
	var want []string
	for i, zone := range []string{"us-east-1a", "us-east-1b", "us-east-1c"} {
		subnet, err := client.CreateSubnet(t.Context(), &ec2.CreateSubnetInput{VpcId: &vpc, CidrBlock: aws.String(fmt.Sprintf("10.7.%d.0/24", i)), AvailabilityZone: &zone})
		must(t, err)
		id := *subnet.Subnet.SubnetId
		want = append(want, id+"|"+id+"|"+zone)
	}
	slices.Sort(want)
	if got := pick(t, cfg, task.PickQuery{Kind: task.Subnets, Within: vpc}); !slices.Equal(got, want) {
		t.Errorf("subnets: %q, want %q", got, want)
	}
	if got := pick(t, cfg, task.PickQuery{Kind: task.VPCs, Text: "TRANSFERS"}); !slices.Equal(got, []string{vpc + "|transfers (" + vpc + ")|10.7.0.0/16"}) {
		t.Errorf("VPCs: %q", got)
	}
}

// The regions of the account come with those of other partitions, where the other end may be.
func TestRegions(t *testing.T) {
	cfg := config(t)
	for text, want := range map[string]string{"us-east-1": "us-east-1|us-east-1|the hub's", "eu-west-1": "eu-west-1|eu-west-1|", "cn-north-1": "cn-north-1|cn-north-1|aws-cn"} {
		if got := pick(t, cfg, task.PickQuery{Kind: task.Regions, Text: text}); !slices.Contains(got, want) {
			t.Errorf("%s: %q", text, got)
		}
	}
}

// A service that does not answer is named, and so is a kind that there is none of.
func TestErrors(t *testing.T) {
	cfg := config(t)
	cfg.RetryMaxAttempts = 1
	cfg = standinaws.Between(cfg, func(r standinaws.Request, _ func() (*http.Response, error)) (*http.Response, error) {
		return standinaws.Answer(r, http.StatusForbidden, `{"__type":"AccessDeniedException"}`), nil
	})
	for kind, want := range map[task.PickKind]string{
		task.Buckets: "listing buckets", task.Secrets: "listing secrets", task.KMSKeys: "aliases of keys", task.VPCs: "listing VPCs", task.Subnets: "subnets of vpc-1", task.Regions: "listing regions", "STARS": "STARS",
	} {
		if _, err := pickersaws.Open(cfg, "hub").Pick(t.Context(), task.PickQuery{Kind: kind, Within: "vpc-1", First: 1}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
