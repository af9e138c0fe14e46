package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/plugins/s3/grant"
	"github.com/datatransferhub/dth/worker/s3sim"
	"github.com/datatransferhub/dth/worker/store/storeaws"
)

func policies(t *testing.T, args ...string) []grant.Grant {
	t.Helper()
	r := runDTH(t, append([]string{"policy", "--json"}, args...)...)
	if r.code != 0 {
		t.Fatalf("exit code %d\n%s", r.code, r.stderr)
	}
	var grants []grant.Grant
	if err := json.Unmarshal([]byte(r.stdout), &grants); err != nil {
		t.Fatal(err)
	}
	return grants
}

// What dth policy prints for a copy allows every operation that the copy sends to an end, of whichever way and kind.
func TestPolicyAllowsWhatACopyDoes(t *testing.T) {
	for _, tt := range []struct {
		name  string
		flags []string
		one   bool // both buckets in one store, so that it copies by itself
	}{
		{"streamed and in parts", []string{"--transfer-mode", "stream", "--giant-threshold", "64MiB"}, false},
		{"with tags and deletes", []string{"--include-tags", "--delete-extraneous", "Yes", "--max-delete-share", "100"}, false},
		{"by the store itself", []string{"--giant-threshold", "64MiB"}, true},
		{"without comparing", []string{"--src-skip-compare"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src, dst, flags := stores(t, s3sim.Options{}, s3sim.Options{})
			if tt.one {
				dst = src
				src.Bucket("dst")
				flags = []string{flags[0], flags[1], "--src-endpoint", flags[3], "--dst-endpoint", flags[3]}
			}
			src.Bucket("src").PutPattern("large", 70<<20, 1)
			src.Bucket("src").PutPattern("small", 1000, 2)
			dst.Bucket("dst").PutPattern("extraneous", 10, 3)
			if r := runDTH(t, slices.Concat([]string{"copy"}, flags, tt.flags)...); r.code != 0 {
				t.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
			}
			allowed := map[string][]string{}
			for _, g := range policies(t, slices.Concat([]string{"s3://src", "s3://dst"}, tt.flags)...) {
				allowed[g.End] = append(allowed[g.End], g.Policy.Actions()...)
			}
			for end, sim := range map[string]*s3sim.Sim{"source": src, "destination": dst} {
				may := allowed[end]
				if tt.one {
					may = slices.Concat(allowed["source"], allowed["destination"]) // one store saw both
				}
				for op := range sim.Stats().Operations {
					if !slices.Contains(may, storeaws.ActionOf(op)) {
						t.Errorf("the %s saw %s, which needs %q, and the policy allows %v", end, op, storeaws.ActionOf(op), may)
					}
				}
			}
		})
	}
}

func TestPolicyOfATask(t *testing.T) {
	file := filepath.Join(t.TempDir(), "task.json")
	params := `[{"ParameterKey":"srcBucket","ParameterValue":"photos"},{"ParameterKey":"destBucket","ParameterValue":"archive"},{"ParameterKey":"srcAccountId","ParameterValue":"444455556666"}]`
	if err := os.WriteFile(file, []byte(params), 0o600); err != nil {
		t.Fatal(err)
	}
	grants := policies(t, "--params", file, "--account", "111122223333", "--region", "us-gov-west-1", "--stack-name", "nightly")
	var kinds []grant.Kind
	for _, g := range grants {
		kinds = append(kinds, g.Kind)
	}
	if !slices.Equal(kinds, []grant.Kind{grant.Identity, grant.Bucket, grant.Identity}) {
		t.Fatalf("kinds %v", kinds)
	}
	// A task writes bucket-owner-full-control unless it is told otherwise.
	if !slices.Contains(grants[2].Policy.Actions(), "s3:PutObjectAcl") {
		t.Errorf("the destination allows %v", grants[2].Policy.Actions())
	}
	text := runDTH(t, "policy", "--params", file, "--account", "111122223333", "--region", "us-gov-west-1")
	if !strings.Contains(text.stdout, "# source: bucket policy, for bucket photos of account 444455556666\n{\n") || !strings.Contains(text.stdout, "arn:aws-us-gov:s3:::photos/*") {
		t.Errorf("exit code %d\n%s%s", text.code, text.stdout, text.stderr)
	}
}

func TestPolicyRefuses(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "--params FILE"},
		{[]string{"s3://a-bucket"}, "--params FILE"},
		{[]string{"s3://a-bucket", "s3://b-bucket", "--params", "x"}, "not both"},
		{[]string{"--params", "nowhere.json"}, "nowhere.json"},
		{[]string{"s3://a-bucket", "s3://b-bucket", "--src-account-id", "444455556666"}, "give the account that the task runs in"},
		{[]string{"s3://a-bucket", "s3://b-bucket", "--dest-region", "cn-north-1", "--src-region", "eu-west-1"}, "no role reaches across"},
		{[]string{"s3://a-bucket", "s3://b-bucket", "--src-event", "Often"}, "CreateAndDelete"},
	} {
		if r := runDTH(t, append([]string{"policy"}, tt.args...)...); r.code != 2 || !strings.Contains(r.stderr, tt.want) {
			t.Errorf("%v: exit code %d\n%s", tt.args, r.code, r.stderr)
		}
	}
}

// A task of images has policies, too: of its ends, whatever its file says of the stack.
func TestPolicyOfImages(t *testing.T) {
	file := filepath.Join(t.TempDir(), "images.json")
	content := `{"srcAccountId": "444455556666", "srcList": "SELECTED", "srcImageList": "team/app:1", "destRegion": "eu-west-1", "ecsClusterName": "c"}`
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	r := runDTH(t, "policy", "--type", "ECR", "--params", file, "--account", "111122223333", "--region", "eu-west-1")
	for _, want := range []string{"# source: repository policy, for each repository of account 444455556666", `"AWS": "arn:aws:iam::111122223333:root"`, `"ecr:BatchGetImage"`, "# destination: in words"} {
		if r.code != 0 || !strings.Contains(r.stdout, want) {
			t.Errorf("exit code %d, %s%s does not say %s", r.code, r.stdout, r.stderr, want)
		}
	}
	for _, args := range [][]string{{"--type", "ECR"}, {"--type", "GCR", "--params", file}, {"--type", "ECR", "--params", file, "a", "b"}, {"--params", file}} {
		if r := runDTH(t, append([]string{"policy"}, args...)...); r.code != 2 {
			t.Errorf("%q: exit code %d, %s", args, r.code, r.stderr)
		}
	}
}
