package portal

import (
	"bytes"
	"maps"
	"regexp"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/lambda/api/schema"
)

// serviceNames are names of AWS services in policies: they end alike in every partition.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-services
var serviceNames = regexp.MustCompile(`"(appsync|autoscaling|cloudformation|cloudfront|cloudwatch|ec2|ecs-tasks|events|lambda|logging\.s3|scheduler|states|vpc-flow-logs)\.amazonaws\.com"|role/aws-service-role/autoscaling\.amazonaws\.com`)

// The templates say of no partition that it is the one, but where there is only one: web ACLs of CloudFront live in one region. What
// is refused where is in the rules, by the names of regions.
func TestNoPartitionIsHardCoded(t *testing.T) {
	each(t, func(t *testing.T, v Variant, tmpl *template) {
		without := maps.Clone(tmpl.object)
		delete(without, "Rules")
		text := serviceNames.ReplaceAll([]byte(compact(without)), []byte("SERVICE"))
		text = regexp.MustCompile(`arn:aws\[a-z-\]\*:`).ReplaceAll(text, nil) // patterns of parameters take ARNs of all partitions
		text = bytes.ReplaceAll(text, []byte("CloudFront takes those of us-east-1 only"), nil)
		edge := regexp.MustCompile(`"Ref":"AWS::Region"\},"us-east-1"`)
		if n := len(edge.FindAll(text, -1)); n != 1 {
			t.Errorf("the region of edge firewalls is asked for %d times", n)
		}
		text = edge.ReplaceAll(text, nil)
		for _, word := range []string{"arn:aws", "amazonaws.com", "amazonaws.cn", "us-east-1", "cn-north-1"} {
			if at := bytes.Index(text, []byte(word)); at >= 0 {
				t.Errorf("%q: %s", word, text[max(0, at-80):min(len(text), at+80)])
			}
		}
		// Hosts of sign-in pages are in a mapping by partition.
		if n := bytes.Count(text, []byte("amazoncognito")); v == OpenID && n != 0 || v == Cognito && n != len(loginHosts) {
			t.Errorf("hosts of sign-in pages are named %d times", n)
		}
	})
}

// The released form needs no bootstrap, and takes its files from one place that one mapping names; the other form knows nothing
// of that place, and asks where releases are.
func TestForms(t *testing.T) {
	own := synth(t, nil)
	each(t, func(t *testing.T, v Variant, rel *template) {
		for _, word := range []string{"BootstrapVersion", "cdk-hnb659fds", "bootstrap parameter"} {
			if bytes.Contains(rel.text, []byte(word)) {
				t.Errorf("the released form says %s", word)
			}
		}
		if n := bytes.Count(rel.text, []byte(`"BucketPrefix": "example"`)); n != 1 {
			t.Errorf("the place of released files is named %d times", n)
		}
		if own[v].part("Mappings", "Assets") != nil || !bytes.Contains(own[v].text, []byte("cdk-hnb659fds-assets-")) {
			t.Error("the form for cdk deploy does not take its files from the bootstrap bucket alone")
		}
		if _, has := own[v].part("Parameters", "AssetsBucketPrefix")["Default"]; has {
			t.Error("the form for cdk deploy does not ask where releases are")
		}
		for _, id := range rel.of("AWS::Lambda::Function") {
			key := compact(rel.properties(id)["Code"].(object)["S3Key"])
			if !regexp.MustCompile(`\{"Fn::Join":\["/",\[\{"Fn::FindInMap":\["Assets","Release","KeyPrefix"\]\},"[0-9a-f]{64}\.zip"\]\]\}`).MatchString(key) {
				t.Errorf("%s: key %s", id, key)
			}
		}
	})
}

// The same files give the same templates.
func TestSynthIsReproducible(t *testing.T) {
	again := synth(t, &kit.Published{BucketPrefix: "example", Version: "v0.0.0"})
	each(t, func(t *testing.T, v Variant, tmpl *template) {
		if !bytes.Equal(again[v].text, tmpl.text) {
			t.Error("two templates of the same files differ")
		}
	})
}

// The template with the real schema keeps within CloudFormation's limits: https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
func TestLimits(t *testing.T) {
	for v, tmpl := range synthWith(t, &kit.Published{BucketPrefix: "example", Version: "v0.0.0"}, API{schema.Text(), schema.Resolver()}) {
		for name, most := range map[string]int{"Parameters": 200, "Mappings": 200, "Resources": 500, "Outputs": 200} {
			if n := len(tmpl.part(name)); n == 0 || n > most {
				t.Errorf("%s: %d %s, allowed are %d", v, n, name, most)
			}
		}
		if len(tmpl.text) > 1<<20 {
			t.Errorf("%s: %d bytes", v, len(tmpl.text))
		}
	}
}

// Any number of hubs fits into an account and region: nothing is exported, and whatever is given a name has the stack's own in it.
func TestNothingHasAFixedName(t *testing.T) {
	each(t, func(t *testing.T, _ Variant, tmpl *template) {
		for id, o := range tmpl.part("Outputs") {
			if o.(object)["Export"] != nil {
				t.Errorf("output %s is exported", id)
			}
		}
		named := map[string]string{
			"AWS::CloudFront::OriginAccessControl": "OriginAccessControlConfig", "AWS::CloudFront::ResponseHeadersPolicy": "ResponseHeadersPolicyConfig",
		}
		for id := range tmpl.part("Resources") {
			kind, _ := tmpl.part("Resources", id)["Type"].(string)
			properties := tmpl.properties(id)
			if inner, ok := named[kind]; ok {
				properties = properties[inner].(object)
			}
			for _, property := range []string{"Name", "LogGroupName", "StateMachineName", "TableName", "QueueName", "RoleName", "FunctionName", "TopicName", "Domain", "BucketName"} {
				value, given := properties[property]
				switch kind {
				case "AWS::AppSync::DataSource", "AWS::Cognito::UserPoolGroup", "AWS::Lambda::Permission", "AWS::Lambda::EventInvokeConfig", "AWS::EC2::FlowLog":
					continue // within an API, a pool; or of another resource
				}
				text := compact(value)
				if given && !strings.Contains(text, "AWS::StackName") && !strings.Contains(text, "AWS::StackId") && !strings.Contains(text, "Api") {
					t.Errorf("%s: %s is %s", id, property, text)
				}
			}
		}
	})
}

// Whatever built file is missing is named, with the way to build it; so is a schema that cannot be read.
func TestWhatIsMissingIsNamed(t *testing.T) {
	_, err := New(nil, kit.Assets{Lambdas: t.TempDir()}, "v0", Cognito, API{sampleSchema, "x"})
	if err == nil {
		t.Fatal("a template of nothing")
	}
	for _, want := range append(lambdaNames(), "make lambdas") {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not named: %v", want, err)
		}
	}
	for schema, want := range map[string]string{"type Query {": "cannot be read", "type Task { id: ID }": "no fields"} {
		if _, err := New(nil, standIns(t), "v0", Cognito, API{schema, "x"}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("schema %q: %v", schema, err)
		}
	}
}
