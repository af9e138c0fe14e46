package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"

	"github.com/datatransferhub/dth/infra/kit/kittest"
	"github.com/datatransferhub/dth/infra/portal"
	hub "github.com/datatransferhub/dth/lambda/wiring"
	images "github.com/datatransferhub/dth/plugins/ecr/wiring"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
)

func TestMain(m *testing.M) { os.Exit(kittest.Run(m)) }

// newDist fills a folder with stand-ins for the built files.
func newDist(t *testing.T) string {
	t.Helper()
	dist := t.TempDir()
	files := []string{"engine/jobfinder", "engine/jobworker"}
	for _, l := range images.Lambdas() {
		files = append(files, "lambda/"+l.Name+"/bootstrap")
	}
	for _, l := range wiring.Lambdas() {
		files = append(files, "lambda/"+l.Name+"/bootstrap")
	}
	for _, l := range slices.Concat(hub.Lambdas(), hub.FrontLambdas()) {
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

// destinations returns where the files of each template of a synthesized app are put: bucket and key.
func destinations(t *testing.T, dist string, given map[string]any) (found map[string][]string) {
	t.Helper()
	out := t.TempDir()
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: &out, Context: &given, AnalyticsReporting: new(false), TreeMetadata: new(false)})
	if err := build(app, dist); err != nil {
		t.Fatal(err)
	}
	app.Synth(nil)
	found = map[string][]string{}
	for _, name := range []string{"DataTransferS3Stack", "DataTransferECRStack", string(portal.Cognito), string(portal.OpenID)} {
		found[name] = listed(t, filepath.Join(out, name+".assets.json"))
	}
	return found
}

// listed returns where the files of one list are put.
func listed(t *testing.T, list string) (found []string) {
	t.Helper()
	text, err := os.ReadFile(list)
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
	// The released form leaves the programs to dth publish, which knows them by name: the zips and the template are left.
	hubs := len(hub.Lambdas()) + len(hub.FrontLambdas()) + 1
	for name, want := range map[string][2]int{"DataTransferS3Stack": {len(wiring.Lambdas()) + 1, len(wiring.Lambdas()) + 3}, "DataTransferECRStack": {len(images.Lambdas()) + 1, len(images.Lambdas()) + 1}, string(portal.Cognito): {hubs, hubs}, string(portal.OpenID): {hubs, hubs}} {
		if len(released[name]) != want[0] || len(own[name]) != want[1] {
			t.Errorf("%s: %d files of the released form, %d of the other; want %v", name, len(released[name]), len(own[name]), want)
		}
		for _, d := range own[name] {
			if !strings.HasPrefix(d, "cdk-hnb659fds-assets-") {
				t.Errorf("cdk deploy puts a file of %s to %s", name, d)
			}
		}
		for _, d := range released[name] {
			if !strings.HasPrefix(d, "mine-${AWS::Region}/data-transfer-hub/v1.2.3/") {
				t.Errorf("a released file of %s goes to %s", name, d)
			}
		}
	}
}
