package catalog_test

import (
	"testing"

	"github.com/datatransferhub/dth/lambda/catalog"
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
