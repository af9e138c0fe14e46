package bootstrap

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/lambda/machines/machinesaws"
	"github.com/datatransferhub/dth/lambda/wiring"
	"github.com/datatransferhub/dth/worker/standin"
)

// consoleZip is a release's console of one script.
func consoleZip(t *testing.T, script string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range map[string]string{"index.html": "<script src=/" + script + ">", script: "x"} {
		w, err := z.Create(name)
		must(t, err)
		_, err = io.WriteString(w, content)
		must(t, err)
	}
	must(t, z.Close())
	return b.String()
}

// The custom resource in its shipped form fills the console's bucket, brings it to a newer version, and empties it.
func TestSiteConfiguration(t *testing.T) {
	server, err := standin.Start()
	must(t, err)
	defer func() { must(t, server.Stop()) }()
	for version, script := range map[string]string{"1.0.0": "assets/a.js", "1.1.0": "assets/b.js", "1.2.0": "assets/c.js"} {
		machinesaws.Put(t, server.URL, "acme-us-east-1", "data-transfer-hub/"+version+"/console.zip", consoleZip(t, script))
	}
	id := machinesaws.Site(t, server.URL, "console")
	properties := func(version string) string {
		return fmt.Sprintf(`{"Bucket":"console","Distribution":%q,"ReleasesBucket":"acme-us-east-1","Version":%q,"Configuration":{"mode":"aws","version":%q},"HeadersPolicy":"","ContentSecurity":""}`, id, version, version)
	}
	told := make(chan string, 1)
	cloudformation := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		told <- string(body)
	}))
	defer cloudformation.Close()
	for _, step := range []struct {
		kind, version, before string
		keys                  []string
	}{
		{"Create", "1.0.0", "", []string{"assets/a.js", "config.json", "index.html"}},
		{"Update", "1.1.0", "1.0.0", []string{"assets/a.js", "assets/b.js", "config.json", "index.html"}},
		{"Update", "1.2.0", "1.1.0", []string{"assets/b.js", "assets/c.js", "config.json", "index.html"}},
		{"Delete", "1.2.0", "", nil},
	} {
		event := fmt.Sprintf(`{"RequestType":%q,"ResponseURL":%q,"StackId":"s","RequestId":"r-%s-%s","LogicalResourceId":"Site","PhysicalResourceId":"console/config.json","ResourceProperties":%s,"OldResourceProperties":%s}`,
			step.kind, cloudformation.URL, step.kind, step.version, properties(step.version), properties(step.before))
		if text, failed := invoke(t, wiring.SiteConfig, event, "AWS_ENDPOINT_URL="+server.URL); failed {
			t.Fatalf("%s failed: %s", step.kind, text)
		}
		var answer struct{ Status, Reason string }
		if must(t, json.Unmarshal([]byte(<-told), &answer)); answer.Status != "SUCCESS" {
			t.Fatalf("%s: CloudFormation was told %+v", step.kind, answer)
		}
		there := machinesaws.Objects(t, server.URL, "console")
		keys := slices.Sorted(maps.Keys(there))
		if !slices.Equal(keys, step.keys) {
			t.Errorf("after %s of %s there are %q", step.kind, step.version, keys)
		}
		for _, key := range keys {
			// Browsers keep the files with a hash in their name for good, the others not at all.
			want := "no-store"
			if strings.HasPrefix(key, "assets/") {
				want = "public, max-age=31536000, immutable"
			}
			if there[key] != want {
				t.Errorf("%s is kept by %q", key, there[key])
			}
		}
	}
	if n := machinesaws.Invalidations(t, server.URL, id); n != 3 {
		t.Errorf("%d invalidations", n)
	}
}
