package portal

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/lambda/api/schema"
)

// written puts a template into a file.
func written(t *testing.T, v Variant, tmpl *template) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), string(v)+".template.json")
	if err := os.WriteFile(file, tmpl.text, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// cfn-lint knows the resource types of each region. The variant without Cognito is right in China, too. There is no hub in
// GovCloud: TestRules has the rule that says so.
func TestLint(t *testing.T) {
	lint := os.Getenv("DTH_CFN_LINT")
	if lint == "" {
		t.Skip("skipped: DTH_CFN_LINT is not set; it is the output of .ci/need cfn-lint")
	}
	regions := map[Variant][]string{Cognito: {"us-east-1", "eu-west-1"}, OpenID: {"us-east-1", "eu-west-1", "cn-north-1", "cn-northwest-1"}}
	for name, form := range map[string]*kit.Published{"released": {BucketPrefix: "example", Version: "v0.0.0"}, "own": nil} {
		for v, tmpl := range synthWith(t, form, API{schema.Text(), schema.Resolver()}) {
			t.Run(name+" "+string(v), func(t *testing.T) {
				args := append(append([]string{"--regions"}, regions[v]...), "--", written(t, v, tmpl))
				if out, err := exec.Command(lint, args...).CombinedOutput(); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			})
		}
	}
}

// cdk-nag's AWS Solutions rules, on the template with the real schema; nag.json says why each finding is accepted.
func TestNag(t *testing.T) {
	check := os.Getenv("DTH_CDK_NAG")
	if check == "" {
		t.Skip("skipped: DTH_CDK_NAG is not set; it is the output of .ci/need nag")
	}
	templates := synthWith(t, &kit.Published{BucketPrefix: "example", Version: "v0.0.0"}, API{schema.Text(), schema.Resolver()})
	for v, reasons := range map[Variant]string{Cognito: "nag-cognito.json", OpenID: "nag-openid.json"} {
		t.Run(string(v), func(t *testing.T) {
			if out, err := exec.Command("node", check, written(t, v, templates[v]), reasons).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
