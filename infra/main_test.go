package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"

	"github.com/datatransferhub/dth/infra/kit/kittest"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
)

func TestMain(m *testing.M) { os.Exit(kittest.Run(m)) }

// newDist fills a folder with stand-ins for the built files.
func newDist(t *testing.T) string {
	t.Helper()
	dist := t.TempDir()
	files := []string{"engine/jobfinder", "engine/jobworker"}
	for _, l := range wiring.Lambdas() {
		files = append(files, "lambda/"+l.Name+"/bootstrap")
	}
	for _, file := range files {
		at := filepath.Join(dist, file)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(file), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dist
}

// destinations returns where the files of a synthesized app are put: bucket and key of each.
func destinations(t *testing.T, dist string, given map[string]any) (found []string) {
	t.Helper()
	out := t.TempDir()
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: &out, Context: &given, AnalyticsReporting: new(false), TreeMetadata: new(false)})
	if err := build(app, dist); err != nil {
		t.Fatal(err)
	}
	app.Synth(nil)
	text, err := os.ReadFile(filepath.Join(out, "DataTransferS3Stack.assets.json"))
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Files map[string]struct {
			Destinations map[string]struct{ BucketName, ObjectKey string }
		}
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		t.Fatal(err)
	}
	for _, file := range manifest.Files {
		for _, d := range file.Destinations {
			found = append(found, d.BucketName+"/"+d.ObjectKey)
		}
	}
	return found
}

// One context makes the form for cdk deploy, the other the released one, and neither takes a file from the other's bucket.
func TestFormsKeepTheirFilesApart(t *testing.T) {
	dist := newDist(t)
	own := destinations(t, dist, map[string]any{})
	released := destinations(t, dist, map[string]any{"published": "true", "bucketPrefix": "mine", "version": "v1.2.3"})
	// The released form leaves the programs to dth publish, which knows them by name: six zips and the template.
	if want := len(wiring.Lambdas()) + 1; len(released) != want || len(own) != want+2 {
		t.Errorf("%d files of the released form, %d of the other; want %d and %d", len(released), len(own), want, want+2)
	}
	for _, d := range own {
		if !strings.HasPrefix(d, "cdk-hnb659fds-assets-") {
			t.Errorf("cdk deploy puts a file to %s", d)
		}
	}
	for _, d := range released {
		if !strings.HasPrefix(d, "mine-${AWS::Region}/data-transfer-hub/v1.2.3/") {
			t.Errorf("a released file goes to %s", d)
		}
	}
}
