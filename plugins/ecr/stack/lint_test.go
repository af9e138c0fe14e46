package stack

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/infra/kit/kittest"
)

// written puts a template into a file.
func written(t *testing.T, tmpl *kittest.Template) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), Name+".template.json")
	if err := os.WriteFile(file, tmpl.Text, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// cfn-lint knows the resource types of each region. Of aws-eusc it knows too little to prove anything.
func TestLint(t *testing.T) {
	lint := os.Getenv("DTH_CFN_LINT")
	if lint == "" {
		t.Skip("skipped: DTH_CFN_LINT is not set; it is the output of .ci/need cfn-lint")
	}
	for name, form := range map[string]*kit.Published{"released": {BucketPrefix: "example", Version: "v0.0.0"}, "own": nil} {
		t.Run(name, func(t *testing.T) {
			file := written(t, synth(t, form))
			if out, err := exec.Command(lint, "--regions", "us-east-1", "cn-north-1", "us-gov-west-1", "--", file).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// cdk-nag's AWS Solutions rules; nag.json says why each finding is accepted.
func TestNag(t *testing.T) {
	check := os.Getenv("DTH_CDK_NAG")
	if check == "" {
		t.Skip("skipped: DTH_CDK_NAG is not set; it is the output of .ci/need nag")
	}
	if out, err := exec.Command("node", check, written(t, released(t)), "nag.json").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
