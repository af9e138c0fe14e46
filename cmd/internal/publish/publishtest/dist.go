// Package publishtest makes small releases for tests.
package publishtest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

const assetHash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// The one Lambda of a test's release.
const (
	ZipName     = assetHash + ".zip"
	AssetFolder = "asset." + assetHash
)

// Template returns a template of the released form that expects two programs.
func Template(version, finderSum, workerSum string) []byte {
	return fmt.Appendf(nil, `{
 "Description": "\"BucketPrefix\": \"data-transfer-hub\" in a text stays",
 "Mappings": {
  "Other": {"Release": {"KeyPrefix": "no"}},
  "Assets": {
   "Release": {
    "BucketPrefix": "data-transfer-hub",
    "KeyPrefix": "data-transfer-hub/%s"
   }
  }
 },
 "Resources": {"Z": {"Code": "%s"}, "A": {"UserData": "sha256='%s' sha256='%s'"}}
}
`, version, ZipName, finderSum, workerSum)
}

// Dist fills a folder as `make release` does: one template, one Lambda, two programs. It returns the folder.
func Dist(tb testing.TB, version string) string {
	tb.Helper()
	dist := tb.TempDir()
	write := func(name, content string, mode os.FileMode) {
		path := filepath.Join(dist, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			tb.Fatal(err)
		}
	}
	sum := func(content string) string {
		s := sha256.Sum256([]byte(content))
		return hex.EncodeToString(s[:])
	}
	finder, worker := "finder "+version, "worker "+version
	write("engine/jobfinder", finder, 0o755)
	write("engine/jobworker", worker, 0o755)
	write("templates/DataTransferS3Stack.template", string(Template(version, sum(finder), sum(worker))), 0o644)
	write("cdk/"+AssetFolder+"/bootstrap", "lambda "+version, 0o755)
	write("cdk/DataTransferS3Stack.assets.json", fmt.Sprintf(`{"version": "48.0.0", "files": {
		%q: {"source": {"path": %q, "packaging": "zip"}, "destinations": {"current": {"bucketName": "data-transfer-hub-${AWS::Region}", "objectKey": %q}}},
		"t": {"source": {"path": "DataTransferS3Stack.template.json", "packaging": "file"}, "destinations": {"current": {"objectKey": "x/t.json"}}}}}`,
		assetHash, AssetFolder, "data-transfer-hub/"+version+"/"+ZipName), 0o644)
	write("LICENSES.txt", "licences\n", 0o644)
	return dist
}

// ImageTemplate returns a template of the released form that runs a container image.
func ImageTemplate(version string) []byte {
	return fmt.Appendf(nil, `{
 "Mappings": {
  "Assets": {"Release": {"BucketPrefix": "data-transfer-hub", "KeyPrefix": "data-transfer-hub/%s"}},
  "CopierImage": {"Release": {"Account": "", "Repository": "", "Digest": ""}}
 },
 "Resources": {}
}
`, version)
}

// WithImage adds to a folder of Dist what the ECR plugin has: a template that runs an image, and its programs.
func WithImage(tb testing.TB, dist, version string) {
	tb.Helper()
	for name, content := range map[string]string{
		"templates/DataTransferECRStack.template": string(ImageTemplate(version)), "image/linux-amd64/imagecopier": "program amd64", "image/linux-arm64/imagecopier": "program arm64",
	} {
		path := filepath.Join(dist, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			tb.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			tb.Fatal(err)
		}
	}
}
