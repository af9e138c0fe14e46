package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/cmd/internal/publish/publishtest"
)

// place is where a partition's people launch: two of its regions, its console, and how the names of buckets end there.
type place struct {
	regions                 []string
	console, suffix, prefix string
}

func places() map[string]place {
	return map[string]place{
		"aws":        {[]string{"eu-west-1", "us-east-1"}, "https://REGION.console.aws.amazon.com/cloudformation/home?region=REGION#", "amazonaws.com", "acme"},
		"aws-cn":     {[]string{"cn-north-1", "cn-northwest-1"}, "https://console.amazonaws.cn/cloudformation/home?region=REGION#", "amazonaws.com.cn", "acme-cn"},
		"aws-us-gov": {[]string{"us-gov-east-1", "us-gov-west-1"}, "https://console.amazonaws-us-gov.com/cloudformation/home?region=REGION#", "amazonaws.com", "acme-gov"},
	}
}

// A release in a folder is the same tree for each region of a partition, byte for byte: what was built, templates that name the bucket
// prefix, sums of all of it, and a copy of the templates as the newest.
func TestPublishedTrees(t *testing.T) {
	dist := publishtest.Dist(t, "1.2.3")
	for name, p := range places() {
		t.Run(name, func(t *testing.T) {
			out := t.TempDir()
			if r := runDTH(t, "publish", "--from", dist, "--out", out, "--bucket-prefix", p.prefix, "--regions", strings.Join(p.regions, ",")); r.code != 0 {
				t.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
			}
			got, want := tree(t, out), map[string]string{}
			for _, region := range p.regions {
				bucket := p.prefix + "-" + region + "/data-transfer-hub/"
				zip := got[bucket+"1.2.3/"+publishtest.ZipName] // its bytes are those of another test
				if !strings.HasPrefix(zip, "PK") {
					t.Errorf("%s: the Lambda is no zip: %.20q", region, zip)
				}
				for file, content := range release(t, dist, p.prefix, zip) {
					want[bucket+file] = content
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +published):\n%s", diff)
			}
		})
	}
}

// release are the files below data-transfer-hub/ of a bucket.
func release(t *testing.T, dist, prefix, zip string) map[string]string {
	t.Helper()
	read := func(name string) string {
		content, err := os.ReadFile(filepath.Join(dist, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	template := strings.Replace(read("templates/DataTransferS3Stack.template"), `"BucketPrefix": "data-transfer-hub",`, `"BucketPrefix": "`+prefix+`",`, 1)
	files := map[string]string{
		"DataTransferS3Stack.template": template, "LICENSES.txt": read("LICENSES.txt"),
		"jobfinder": read("engine/jobfinder"), "jobworker": read("engine/jobworker"), publishtest.ZipName: zip,
	}
	var sums []string
	for name, content := range files {
		sum := sha256.Sum256([]byte(content))
		sums = append(sums, fmt.Sprintf("%s  %s\n", hex.EncodeToString(sum[:]), name))
	}
	slices.SortFunc(sums, func(a, b string) int { return strings.Compare(a[66:], b[66:]) })
	out := map[string]string{"1.2.3/SHA256SUMS": strings.Join(sums, ""), "latest/DataTransferS3Stack.template": template, "latest/VERSION": "1.2.3\n"}
	for name, content := range files {
		out["1.2.3/"+name] = content
	}
	return out
}

// tree are the files below a folder, by path.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		name, relErr := filepath.Rel(root, path)
		files[filepath.ToSlash(name)] = string(content)
		if err == nil {
			err = relErr
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Each link opens the console of its partition, in its region, with the template of its own bucket.
func TestLinksOpenTheRightConsole(t *testing.T) {
	dist := publishtest.Dist(t, "1.2.3")
	for name, p := range places() {
		r := runDTH(t, "links", "--from", dist, "--bucket-prefix", p.prefix, "--version", "1.2.3", "--stack-name", "photos", "--regions", strings.Join(p.regions, ","))
		if r.code != 0 {
			t.Fatalf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
		}
		lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
		if len(lines) != len(p.regions) {
			t.Errorf("%s: %q", name, lines)
			continue
		}
		for i, region := range p.regions {
			want := strings.ReplaceAll(p.console, "REGION", region) + "/stacks/quickcreate?templateURL=https%3A%2F%2F" + p.prefix + "-" + region + ".s3." + region + "." + p.suffix +
				"%2Fdata-transfer-hub%2F1.2.3%2FDataTransferS3Stack.template&stackName=photos"
			if !strings.HasSuffix(lines[i], want) {
				t.Errorf("%s: the link is\n%s, want\n%s", region, lines[i], want)
			}
		}
	}
}
