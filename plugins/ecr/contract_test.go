package ecr

import (
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/plugins/contract"
)

var update = flag.Bool("update", false, "rewrite the generated documents")

// valid is the least that the contract takes.
func valid(changes ...string) map[string]string {
	p := map[string]string{
		"destRegion": "cn-north-1", "ecsClusterName": "c", "ecsVpcId": "vpc-0123456789abcdef0", "ecsSubnetA": "subnet-0123456789abcdef0",
		"ecsSubnetB": "subnet-0123456789abcdef1", "alarmEmail": "ops@example.com",
	}
	for i := 0; i < len(changes); i += 2 {
		p[changes[i]] = changes[i+1]
	}
	return p
}

// The parameters of the specification, in its order.
func TestEveryParameterIsThere(t *testing.T) {
	want := strings.Fields(`sourceType srcRegion srcAccountId srcList srcImageList srcImageListParameter srcCredential srcRoleArn srcExternalId
		destRegion destAccountId destPrefix destCredential destRoleArn destExternalId destRepositorySettings
		includeUntagged includeReferrers deleteExtraneous maxDeleteShare scheduleExpression pushEvents
		ecsClusterName ecsVpcId ecsSubnetA ecsSubnetB assignPublicIp taskCpu taskMemory cpuArchitecture copierImage
		alarmEmail logRetentionDays startPaused permissionsBoundaryArn`)
	var got []string
	for _, p := range Contract().Parameters {
		got = append(got, p.Name)
		if p.Help == "" || p.Label == "" || p.OnUpdate == "" || p.Group == "" {
			t.Errorf("%s lacks help, label, group or what an update does", p.Name)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		field, says string
		given       []string
	}{
		{"destRegion", "required", []string{"destRegion", ""}},
		{"srcAccountId", "12 digits", []string{"srcAccountId", "123"}},
		{"srcList", "SELECTED", []string{"sourceType", "Public"}},
		{"srcImageList", "SELECTED needs one of", []string{"srcList", "SELECTED"}},
		{"srcImageList", "applies only when", []string{"srcImageList", "app"}},
		{"srcImageList", "line 2, column 1", []string{"srcList", "SELECTED", "srcImageList", "app\nApp:1"}},
		{"srcImageList", "no image in this list", []string{"srcList", "SELECTED", "srcImageList", "# nothing"}},
		{"srcImageList", "another registry", []string{"srcList", "SELECTED", "srcImageList", "ghcr.io/o/app"}},
		{"destRoleArn", "not both", []string{"destRoleArn", "arn:aws:iam::123456789012:role/x", "destCredential", "s"}},
		{"srcExternalId", "srcRoleArn", []string{"srcExternalId", "x"}},
		{"deleteExtraneous", "ALL_TAGS", []string{"deleteExtraneous", "Yes", "srcList", "SELECTED", "srcImageList", "app:1\nteam/*:v*"}},
		{"deleteExtraneous", "allowed", []string{"deleteExtraneous", "true"}},
		{"maxDeleteShare", "applies only when", []string{"maxDeleteShare", "20"}},
		{"maxDeleteShare", "0 to 100", []string{"deleteExtraneous", "Yes", "maxDeleteShare", "101"}},
		{"destPrefix", "lower-case", []string{"destPrefix", "/x"}},
		{"scheduleExpression", "", []string{"scheduleExpression", "often"}},
		{"ecsSubnetB", "one", []string{"ecsSubnetB", "subnet-0123456789abcdef0"}},
	} {
		_, err := Contract().Validate(valid(c.given...))
		var errs contract.Errors
		if !errors.As(err, &errs) || errs[0].Field != c.field || !strings.Contains(errs[0].Message, c.says) {
			t.Errorf("%v: %v", c.given, err)
		}
	}
}

// What depends on where the stack is: pushes are told of in a registry's own account and region alone, and nothing is copied onto itself.
func TestPlace(t *testing.T) {
	const own, other = "111122223333", "444455556666"
	role := func(account string) string { return "arn:aws:iam::" + account + ":role/r" }
	for _, c := range []struct {
		field, says string // "": taken
		given       []string
	}{
		{"", "", nil},
		{"", "", []string{"pushEvents", "Yes"}},
		{"", "", []string{"pushEvents", "Yes", "srcRegion", "eu-west-1", "srcAccountId", own}},
		{"", "", []string{"pushEvents", "Yes", "srcRoleArn", role(own)}},
		{"", "", []string{"pushEvents", "Yes", "srcCredential", "keys", "srcAccountId", own}},
		{"pushEvents", "region eu-west-2, and this task is in eu-west-1", []string{"pushEvents", "Yes", "srcRegion", "eu-west-2"}},
		{"pushEvents", "account " + other, []string{"pushEvents", "Yes", "srcAccountId", other}},
		{"pushEvents", "account " + other, []string{"pushEvents", "Yes", "srcRoleArn", role(other)}},
		{"srcAccountId", "whose registry", []string{"pushEvents", "Yes", "srcCredential", "keys"}},
		{"", "", []string{"srcRegion", "eu-west-2", "srcAccountId", other}},
		{"destPrefix", "onto themselves", []string{"destRegion", "eu-west-1"}},
		{"destPrefix", "onto themselves", []string{"destRegion", "eu-west-2", "srcRegion", "eu-west-2", "srcAccountId", own}},
		{"destPrefix", "onto themselves", []string{"destRegion", "eu-west-1", "srcAccountId", other, "destRoleArn", role(other)}},
		{"", "", []string{"destRegion", "eu-west-1", "destPrefix", "mirror/", "pushEvents", "Yes"}},
		{"", "", []string{"destRegion", "eu-west-1", "destAccountId", other}},
		{"", "", []string{"destRegion", "eu-west-1", "destCredential", "keys"}}, // whose they are nobody knows
		{"", "", []string{"destRegion", "eu-west-1", "sourceType", "Public", "srcList", "SELECTED", "srcImageList", "app:1"}},
	} {
		_, err := At(own, "eu-west-1").Validate(valid(c.given...))
		var errs contract.Errors
		if (err == nil) != (c.field == "") || errors.As(err, &errs) && (errs[0].Field != c.field || !strings.Contains(errs[0].Message, c.says)) {
			t.Errorf("%v: %v; want %q", c.given, err, c.field)
		}
	}
	// Without a place, what cannot be known is taken.
	for _, given := range [][]string{{"pushEvents", "Yes", "srcRegion", "eu-west-2"}, {"destRegion", "eu-west-1"}} {
		if _, err := Contract().Validate(valid(given...)); err != nil {
			t.Errorf("%v: %v", given, err)
		}
	}
}

func TestTaken(t *testing.T) {
	for _, given := range [][]string{
		{},
		{"srcList", "SELECTED", "srcImageList", "app:ALL_TAGS\nteam/*:/v[0-9]{1,2}/"},
		{"sourceType", "Public", "srcList", "SELECTED", "srcImageList", "ghcr.io/o/app:semver(>=1, <2)"},
		{"srcList", "SELECTED", "srcImageList", "s3://bucket/list.txt"},
		{"srcList", "SELECTED", "srcImageListParameter", "/images"},
		{"scheduleExpression", ""},
		{"deleteExtraneous", "Yes"},
		{"deleteExtraneous", "Yes", "maxDeleteShare", "0%", "includeUntagged", "false"},
		{"deleteExtraneous", "Yes", "srcList", "SELECTED", "srcImageList", "app:1\nteam/*:ALL_TAGS"},
		{"deleteExtraneous", "Yes", "srcList", "SELECTED", "srcImageList", "s3://bucket/list.txt"},
		{"deleteExtraneous", "Yes", "srcList", "SELECTED", "srcImageListParameter", "/images"},
	} {
		if _, err := Contract().Validate(valid(given...)); err != nil {
			t.Errorf("%v: %v", given, err)
		}
	}
}

func TestLocal(t *testing.T) {
	for _, c := range []struct {
		refused string
		given   map[string]string
	}{
		{"", map[string]string{"sourceType": "Public", "srcRegistry": "localhost:5000", "destRegistry": "localhost:5001", "pollEvery": "30s"}},
		{"", map[string]string{"destRegion": "eu-west-1"}},
		{"srcRegistry", map[string]string{"srcRegistry": "localhost:5000", "destRegistry": "localhost:5001"}},
		{"srcList", map[string]string{"sourceType": "Public", "destRegistry": "localhost:5001"}},
		{"destRegistry", map[string]string{}},
		{"destRegistry", map[string]string{"sourceType": "Public", "srcRegistry": "a.example", "destRegistry": "a.example"}},
		{"srcImageList", map[string]string{"srcList": "SELECTED", "destRegion": "eu-west-1"}},
		{"srcImageList", map[string]string{"srcList": "SELECTED", "destRegion": "eu-west-1", "srcImageList": "s3://b/k"}},
		{"", map[string]string{"destRegion": "eu-west-1", "deleteExtraneous": "Yes", "maxDeleteShare": "50"}},
		{"deleteExtraneous", map[string]string{"destRegion": "eu-west-1", "deleteExtraneous": "Yes", "srcList": "SELECTED", "srcImageList": "app:1"}},
		{"ecsVpcId", map[string]string{"destRegion": "eu-west-1", "ecsVpcId": "vpc-0123456789abcdef0"}},
	} {
		_, err := Local().Validate(c.given)
		var errs contract.Errors
		if (err == nil) != (c.refused == "") || errors.As(err, &errs) && errs[0].Field != c.refused {
			t.Errorf("%v: %v; want %q", c.given, err, c.refused)
		}
	}
}

const heading = `# Parameters of the ECR plugin

Generated from the contract in ` + "`plugins/ecr`" + `; ` + "`go test ./plugins/ecr -update`" + ` writes it anew. How images are named in lists is in
[guide/images.md](guide/images.md).

`

func TestDocumentIsCurrent(t *testing.T) {
	const file = "../../docs/parameters-ecr.md"
	want := heading + Contract().Markdown()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != want {
		t.Errorf("%s is not what the contract says (%v); go test ./plugins/ecr -update writes it", file, err)
	}
}

func FuzzValidate(f *testing.F) {
	f.Add("srcImageList", "a:{b,c}")
	f.Add("taskCpu", "512")
	f.Add("scheduleExpression", "rate(1 day)")
	f.Fuzz(func(t *testing.T, name, value string) {
		v, err := Contract().Validate(valid(name, value))
		if err == nil && v["destRegion"] == "" {
			t.Errorf("%s=%q: %v", name, value, v)
		}
	})
}
