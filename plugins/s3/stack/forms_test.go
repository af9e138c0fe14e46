package stack

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/infra/kit"
)

// serviceNames are names of AWS services in policies: they end alike in every partition.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-services
var serviceNames = regexp.MustCompile(`"(cloudwatch|ec2|events|lambda|s3|states)\.amazonaws\.com\*?"`)

// The template says of no partition that it is the one.
func TestNoPartitionIsHardCoded(t *testing.T) {
	text := serviceNames.ReplaceAll(released(t).Text, []byte(`"SERVICE"`))
	for _, word := range []string{"arn:aws", "amazonaws.com", "us-east-1", "cn-north-1"} {
		// Patterns of parameters take ARNs of all partitions; they are no ARNs.
		without := bytes.ReplaceAll(text, []byte("arn:aws[a-z-]*:"), nil)
		if at := bytes.Index(without, []byte(word)); at >= 0 {
			t.Errorf("%q: %s", word, without[max(0, at-80):min(len(without), at+80)])
		}
	}
}

// The released form needs no bootstrap, and takes its files from one place that one mapping names; the other form knows
// nothing of that place.
func TestForms(t *testing.T) {
	own := synth(t, nil)
	rel := released(t)
	for _, word := range []string{"BootstrapVersion", "cdk-hnb659fds", "bootstrap parameter"} {
		if bytes.Contains(rel.Text, []byte(word)) {
			t.Errorf("the released form says %s", word)
		}
	}
	if !bytes.Contains(own.Text, []byte("cdk-hnb659fds-assets-")) || own.Part("Mappings", "Assets") != nil || bytes.Contains(own.Text, []byte("example")) && strings.Contains(string(own.Text), `"BucketPrefix"`) {
		t.Error("the form for cdk deploy does not take its files from the bootstrap bucket alone")
	}
	if n := bytes.Count(rel.Text, []byte(`"BucketPrefix": "example"`)); n != 1 {
		t.Errorf("the place of released files is named %d times", n)
	}
	if got := rel.Part("Mappings", "Assets", "Release"); got["KeyPrefix"] != "data-transfer-hub/v0.0.0" {
		t.Errorf("mapping %v", got)
	}
	for _, id := range rel.Of("AWS::Lambda::Function") {
		code := rel.Properties(id)["Code"].(object)
		want := `["-",[{"Fn::FindInMap":["Assets","Release","BucketPrefix"]},{"Ref":"AWS::Region"}]]`
		if got := compact(code["S3Bucket"].(object)["Fn::Join"]); got != want {
			t.Errorf("%s: bucket %s", id, got)
		}
		if got := compact(code["S3Key"]); !regexp.MustCompile(`\{"Fn::Join":\["/",\[\{"Fn::FindInMap":\["Assets","Release","KeyPrefix"\]\},"[0-9a-f]{64}\.zip"\]\]\}`).MatchString(got) {
			t.Errorf("%s: key %s", id, got)
		}
	}
}

// The same files give the same template.
func TestSynthIsReproducible(t *testing.T) {
	again := synth(t, &kit.Published{BucketPrefix: "example", Version: "v0.0.0"})
	if !bytes.Equal(again.Text, released(t).Text) {
		t.Error("two templates of the same files differ")
	}
}

// CloudFormation's limits: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
func TestLimits(t *testing.T) {
	tmpl := released(t)
	for name, most := range map[string]int{"Parameters": 200, "Mappings": 200, "Resources": 500, "Outputs": 200} {
		if n := len(tmpl.Part(name)); n == 0 || n > most {
			t.Errorf("%d %s, allowed are %d", n, name, most)
		}
	}
	if len(tmpl.Text) > 1<<20 {
		t.Errorf("%d bytes", len(tmpl.Text))
	}
	for _, id := range []string{"FinderTemplate", "WorkerTemplate"} {
		data := compact(tmpl.Properties(id)["LaunchTemplateData"].(object)["UserData"])
		if len(data) > 16<<10 {
			t.Errorf("%s: user data of %d bytes", id, len(data))
		}
	}
}

// Whatever built file is missing is named, with the way to build it.
func TestMissingFilesAreNamed(t *testing.T) {
	_, err := New(nil, kit.Assets{Lambdas: t.TempDir(), Engines: t.TempDir()}, "v0")
	if err == nil {
		t.Fatal("a template of nothing")
	}
	for _, want := range append(lambdaNames(), "jobfinder", "jobworker", "make lambdas", "make engines") {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not named: %v", want, err)
		}
	}
}
