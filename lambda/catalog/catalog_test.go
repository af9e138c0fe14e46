package catalog_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/lambda/catalog"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/plugins/contract"
)

// What is moved is told as a person would write it down. A prefix of the source is text, and stays as it was given: data
// and data/ choose other objects.
func TestEndsInWords(t *testing.T) {
	ends := catalog.Local("v1")[0].Ends
	for _, c := range []struct {
		name         string
		parameters   map[string]string
		source, dest string
	}{
		{
			"Amazon S3",
			map[string]string{"srcBucket": "a", "destBucket": "b"},
			"s3://a", "s3://b",
		},
		{
			"prefixes",
			map[string]string{"srcBucket": "a", "srcPrefix": "data/", "destBucket": "b", "destPrefix": "/kept"},
			"s3://a/data/", "s3://b/kept/",
		},
		{
			"a prefix that is no folder",
			map[string]string{"srcBucket": "a", "srcPrefix": "data", "destBucket": "b"},
			"s3://a/data", "s3://b",
		},
		{
			"own endpoint",
			map[string]string{"srcType": "S3_Compatible", "srcEndpoint": "http://nas:9000/", "srcBucket": "a", "destBucket": "b"},
			"http://nas:9000/a", "s3://b",
		},
		{
			"another cloud",
			map[string]string{"srcType": "Google_GCS", "srcBucket": "a", "destBucket": "b"},
			"Google GCS: a", "s3://b",
		},
	} {
		if source, dest := ends(c.parameters); source != c.source || dest != c.dest {
			t.Errorf("%s: %q -> %q, want %q -> %q", c.name, source, dest, c.source, c.dest)
		}
	}
}

// A hub in the cloud knows both plugins; what a task of images does is told as a person would write it down.
func TestImagesInWords(t *testing.T) {
	all := catalog.Cloud("v1", catalog.Place{Account: "123456789012", Region: "eu-west-1"})
	i := slices.IndexFunc(all, func(p task.Plugin) bool { return p.Type == "ECR" })
	if len(all) != 2 || i < 0 {
		t.Fatalf("%d plugins", len(all))
	}
	for _, c := range []struct {
		parameters   map[string]string
		source, dest string
	}{
		{map[string]string{"destRegion": "cn-north-1"}, "Amazon ECR", "Amazon ECR in cn-north-1"},
		{map[string]string{"srcRegion": "eu-west-1", "srcAccountId": "210987654321", "destRegion": "eu-west-2", "destPrefix": "mirror/"}, "Amazon ECR in eu-west-1 of account 210987654321", "Amazon ECR in eu-west-2, below mirror"},
		{map[string]string{"sourceType": "Public", "srcImageList": "quay.io/a/b:1\nc:2", "destRegion": "eu-west-2"}, "Registries: quay.io/a/b:1 and others", "Amazon ECR in eu-west-2"},
		{map[string]string{"sourceType": "Public", "srcImageListParameter": "/lists/images", "destRegion": "eu-west-2"}, "Registries: /lists/images", "Amazon ECR in eu-west-2"},
	} {
		if source, dest := all[i].Ends(c.parameters); source != c.source || dest != c.dest {
			t.Errorf("%q -> %q, want %q -> %q", source, dest, c.source, c.dest)
		}
	}
	if s := all[i].Schedule(contract.Values{"scheduleExpression": "rate(1 day)", "pushEvents": "Yes"}); s.Kind != task.Scheduled || s.Expression != "rate(1 day)" || !s.Events {
		t.Errorf("%+v", s)
	}
	if s := all[i].Schedule(contract.Values{}); s.Kind != task.Once || s.Events {
		t.Errorf("%+v", s)
	}
}

// A hub refuses what its stacks could not do where they are, before one is made.
func TestImagesKnowTheirPlace(t *testing.T) {
	all := catalog.Cloud("v1", catalog.Place{Account: "123456789012", Region: "eu-west-1"})
	i := slices.IndexFunc(all, func(p task.Plugin) bool { return p.Type == "ECR" })
	for field, change := range map[string]map[string]string{
		"pushEvents": {"pushEvents": "Yes", "srcRegion": "eu-west-2"}, "destPrefix": {"destRegion": "eu-west-1"}, "": {"pushEvents": "Yes"},
	} {
		given := map[string]string{
			"destRegion": "eu-west-3", "ecsClusterName": "c", "ecsVpcId": "vpc-0123456789abcdef0", "ecsSubnetA": "subnet-0123456789abcdef0", "ecsSubnetB": "subnet-0123456789abcdef1",
			"alarmEmail": "ops@example.com",
		}
		maps.Copy(given, change)
		_, err := all[i].Contract.Validate(given)
		if (err == nil) != (field == "") || err != nil && !strings.HasPrefix(err.Error(), field+":") {
			t.Errorf("%v: %v", change, err)
		}
	}
}
