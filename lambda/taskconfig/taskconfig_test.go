package taskconfig_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/lambda/taskconfig"
	"github.com/datatransferhub/dth/plugins/s3"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
)

// What is taken is a document that the programs take, and holds every parameter as it was given.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"Name":"n","Document":{"queueUrl":"q","ledgerTable":"l","runTable":"r","parameters":{"srcBucket":"source-bucket","srcPrefix":"$(x)\"","destBucket":"destination-bucket"}}}`))
	f.Add([]byte(`{"Name":"n","Document":{"parameters":{"ec2Subnets":["a","b"],"srcBucket":1}}}`))
	f.Add([]byte(`{"Name":"n","Document":{"queueUrl":"q","ledgerTable":"l","runTable":"r","parameters":{"srcBucket":"source-bucket","include":"s3://lists/{{{{{","destBucket":"destination-bucket","destPrefix":"{{{x}}"}}}`))
	f.Fuzz(func(t *testing.T, properties []byte) {
		d, err := taskconfig.Parse(properties, func(string, string) (string, error) { return "a/**\n", nil })
		if err != nil {
			return
		}
		c, err := s3.ParseConfig([]byte(d.Text))
		if err != nil || d.Name == "" || len(d.Attributes[wiring.AttrDigest]) != 64 || len(d.Text) > s3.MaxDocument || strings.Contains(d.Text, "{{") {
			t.Fatalf("%s is taken as %+v: %v", properties, d, err)
		}
		var given struct {
			Document struct{ Parameters map[string]any }
		}
		if err := json.Unmarshal(properties, &given); err != nil {
			t.Fatal(err)
		}
		for name, value := range given.Document.Parameters {
			if text, ok := value.(string); ok && c.Parameters[name] != text && !strings.HasPrefix(text, "s3://") {
				t.Errorf("%s: %q became %q", name, text, c.Parameters[name])
			}
		}
	})
}
