package partition_test

import (
	"strings"
	"testing"

	"github.com/datatransferhub/dth/worker/partition"
)

func TestRegionsAndTheirHosts(t *testing.T) {
	for _, tt := range []struct{ region, name, console, bucket string }{
		{"eu-west-1", "aws", "eu-west-1.console.aws.amazon.com", "https://b.s3.eu-west-1.amazonaws.com"},
		{"us-east-1", "aws", "us-east-1.console.aws.amazon.com", "https://b.s3.us-east-1.amazonaws.com"},
		{"ap-southeast-5", "aws", "ap-southeast-5.console.aws.amazon.com", "https://b.s3.ap-southeast-5.amazonaws.com"},
		{"cn-north-1", "aws-cn", "console.amazonaws.cn", "https://b.s3.cn-north-1.amazonaws.com.cn"},
		{"us-gov-west-1", "aws-us-gov", "console.amazonaws-us-gov.com", "https://b.s3.us-gov-west-1.amazonaws.com"},
		{"eusc-de-east-1", "aws-eusc", "console.amazonaws-eusc.eu", "https://b.s3.eusc-de-east-1.amazonaws.eu"},
	} {
		p, err := partition.Of(tt.region)
		if err != nil {
			t.Fatal(err)
		}
		if p.Name != tt.name || p.Console(tt.region) != tt.console || p.BucketURL("b", tt.region) != tt.bucket {
			t.Errorf("%s: %s, %s, %s", tt.region, p.Name, p.Console(tt.region), p.BucketURL("b", tt.region))
		}
		if again, err := partition.Named(p.Name); err != nil || again != p {
			t.Errorf("%s is not found by its name: %v", p.Name, err)
		}
	}
}

func TestWhatIsNoRegionIsNamed(t *testing.T) {
	for _, text := range []string{"", "eu-west", "EU-WEST-1", "eu_west_1", "eu-west-1 ", "eu-west-1/../x", "auto"} {
		if _, err := partition.Of(text); err == nil || !strings.Contains(err.Error(), "eu-west-1 or cn-north-1") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := partition.Named("aws-moon"); err == nil || !strings.Contains(err.Error(), "aws-cn") {
		t.Errorf("aws-moon: %v", err)
	}
}

func TestARNs(t *testing.T) {
	for arn, want := range map[string]string{"arn:aws-cn:s3:::b": "aws-cn", "arn:aws:iam::1:role/x": "aws", "b": "", "arn:": ""} {
		if got := partition.OfARN(arn); got != want {
			t.Errorf("%q: %q, want %q", arn, got, want)
		}
	}
}

func TestRegionsThatAreOfferedAreRegions(t *testing.T) {
	found := map[string]int{}
	for _, region := range partition.Regions() {
		p, err := partition.Of(region)
		if err != nil {
			t.Fatal(err)
		}
		found[p.Name]++
	}
	if found["aws-cn"] != 2 || found["aws-us-gov"] != 2 || found["aws"] < 20 {
		t.Errorf("regions by partition: %v", found)
	}
}
