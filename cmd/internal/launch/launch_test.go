package launch_test

import (
	"encoding/xml"
	"flag"
	"io"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/cmd/internal/launch"
)

var update = flag.Bool("update", false, "rewrite testdata")

func templates(t *testing.T, names ...string) (out []launch.Template) {
	t.Helper()
	for _, name := range names {
		found, err := launch.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, found)
	}
	return out
}

func request(t *testing.T) launch.Request {
	return launch.Request{
		BucketPrefix: "acme", Version: "1.2.3", StackName: "photos", Regions: []string{"eu-west-1"},
		Templates: templates(t, "DataTransferS3Stack"),
	}
}

func TestLinks(t *testing.T) {
	const (
		quick = "/cloudformation/home?region=%s#/stacks/quickcreate?templateURL="
		at    = "%2Fdata-transfer-hub%2F1.2.3%2FDataTransferS3Stack.template&stackName=photos"
	)
	for region, want := range map[string]string{
		"eu-west-1":      "https://eu-west-1.console.aws.amazon.com" + quick + "https%3A%2F%2Facme-%[1]s.s3.%[1]s.amazonaws.com" + at,
		"us-east-1":      "https://us-east-1.console.aws.amazon.com" + quick + "https%3A%2F%2Facme-%[1]s.s3.%[1]s.amazonaws.com" + at,
		"cn-north-1":     "https://console.amazonaws.cn" + quick + "https%3A%2F%2Facme-%[1]s.s3.%[1]s.amazonaws.com.cn" + at,
		"cn-northwest-1": "https://console.amazonaws.cn" + quick + "https%3A%2F%2Facme-%[1]s.s3.%[1]s.amazonaws.com.cn" + at,
		"us-gov-west-1":  "https://console.amazonaws-us-gov.com" + quick + "https%3A%2F%2Facme-%[1]s.s3.%[1]s.amazonaws.com" + at,
		"eusc-de-east-1": "https://console.amazonaws-eusc.eu" + quick + "https%3A%2F%2Facme-%[1]s.s3.%[1]s.amazonaws.eu" + at,
	} {
		r := request(t)
		r.Regions = []string{region}
		links, err := launch.Links(r)
		if err != nil {
			t.Fatal(err)
		}
		want = strings.NewReplacer("%s", region, "%[1]s", region).Replace(want)
		if len(links) != 1 || links[0].URL != want {
			t.Errorf("%s:\n%s\nwant\n%s", region, links[0].URL, want)
		}
	}
}

// Each template with the partitions that it runs in.
func TestTemplatesByPartition(t *testing.T) {
	regions := map[string]string{"aws": "eu-west-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-east-1", "aws-eusc": "eusc-de-east-1"}
	for _, tt := range []struct {
		template string
		in       map[string]bool
	}{
		{"DataTransferHub-cognito", map[string]bool{"aws": true, "aws-eusc": true}},
		{"DataTransferHub-openid", map[string]bool{"aws": true, "aws-cn": true, "aws-eusc": true}},
		{"DataTransferS3Stack", map[string]bool{"aws": true, "aws-cn": true, "aws-us-gov": true, "aws-eusc": true}},
		{"DataTransferECRStack", map[string]bool{"aws": true, "aws-cn": true, "aws-us-gov": true, "aws-eusc": true}},
	} {
		for name, region := range regions {
			r := request(t)
			r.Regions, r.Templates, r.Version = []string{region}, templates(t, tt.template), "latest"
			links, err := launch.Links(r)
			if err != nil {
				t.Fatal(err)
			}
			if (len(links) == 1) != tt.in[name] {
				t.Errorf("%s has %d links in %s", tt.template, len(links), name)
			}
			if len(links) == 1 && !strings.HasSuffix(links[0].TemplateURL, "/data-transfer-hub/latest/"+tt.template+".template") {
				t.Errorf("the template is at %s", links[0].TemplateURL)
			}
		}
	}
}

// What a browser hands to the console is what was given, whatever it holds.
func TestParametersSurviveTheAddress(t *testing.T) {
	given := map[string]string{
		"srcBucket": "photos", "srcPrefix": "a&b=c#d?e+f g/%41 ü😀\"'<>()[]|", "srcPrefixList": "", "ec2CronExpression": "0/5 * * * ? *", "alarmEmail": "a+b@example.com",
	}
	r := request(t)
	r.Parameters = given
	links, err := launch.Links(r)
	if err != nil {
		t.Fatal(err)
	}
	_, query, ok := strings.Cut(links[0].URL, "#/stacks/quickcreate?")
	if !ok || strings.ContainsAny(query, " +\"'<>()[]|") {
		t.Fatalf("the address is %s", links[0].URL)
	}
	got := map[string]string{}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if name, ok := strings.CutPrefix(name, "param_"); ok {
			if got[name], err = url.PathUnescape(value); err != nil { // %20 only, as decodeURIComponent
				t.Fatal(err)
			}
		}
	}
	if diff := cmp.Diff(given, got); diff != "" {
		t.Errorf("(-given +read):\n%s", diff)
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*launch.Request)
		want   string
	}{
		{"bucket prefix", func(r *launch.Request) { r.BucketPrefix = "A" }, "bucket prefix"},
		{"version", func(r *launch.Request) { r.Version = "newest" }, "semantic"},
		{"region", func(r *launch.Request) { r.Regions = []string{"europe"} }, "no region"},
		{"no region", func(r *launch.Request) { r.Regions = nil }, "no region is named"},
		{"stack name", func(r *launch.Request) { r.StackName = "1&2" }, "stack name"},
		{"unknown parameter", func(r *launch.Request) { r.Parameters = map[string]string{"srcBuckt": "x"} }, "did you mean srcBucket?"},
		{"value of another kind", func(r *launch.Request) { r.Parameters = map[string]string{"maxCapacity": "many"} }, "maxCapacity"},
		{"two that do not go together", func(r *launch.Request) { r.Parameters = map[string]string{"minCapacity": "30"} }, "maxCapacity 20"},
		{"a template without a contract", func(r *launch.Request) {
			r.Templates = templates(t, "DataTransferHub-openid")
			r.Parameters = map[string]string{"srcBucket": "x"}
		}, "cannot be checked"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := request(t)
			tt.change(&r)
			if _, err := launch.Links(r); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// A link may fill in some parameters and leave the others, required ones too.
func TestSomeParametersAreEnough(t *testing.T) {
	for _, given := range []map[string]string{
		{"destPrefix": "copies"}, {"srcType": "S3_Compatible"}, {"srcBucket": "photos"}, {"destPutObjectSSEType": "AWS_KMS"}, {"alarmEmail": "me@example.com"},
	} {
		r := request(t)
		r.Parameters = given
		if _, err := launch.Links(r); err != nil {
			t.Errorf("%v: %v", given, err)
		}
	}
}

func TestPages(t *testing.T) {
	r := request(t)
	r.Regions = []string{"eu-west-1", "cn-north-1", "us-gov-west-1"}
	r.Templates = templates(t, "DataTransferHub-openid", "DataTransferS3Stack")
	links, err := launch.Links(r)
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]string{"links.md": launch.Markdown(links, "1.2.3"), "links.html": launch.HTML(links, "1.2.3"), "links.txt": launch.Text(links)} {
		golden := "testdata/" + name
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	// Every element is closed, every value escaped, and every address is one.
	d := xml.NewDecoder(strings.NewReader(launch.HTML(links, "1.2.3")))
	d.Strict, d.AutoClose, d.Entity = false, []string{"meta", "!doctype"}, xml.HTMLEntity
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if a, ok := token.(xml.StartElement); ok && a.Name.Local == "a" && !strings.HasPrefix(a.Attr[0].Value, "https://") {
			t.Errorf("a link leads to %q", a.Attr[0].Value)
		}
	}
}
