package publish_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/cmd/internal/publish"
	"github.com/datatransferhub/dth/cmd/internal/publish/publishtest"
)

// The image is named in the templates that run one, and in nothing else; the hashes follow.
func TestSetImage(t *testing.T) {
	dist := publishtest.Dist(t, "1.2.3")
	image := publish.Image{Account: "123456789012", Repository: "tools/copier", Digest: "sha256:" + strings.Repeat("a", 64)}
	without, err := publish.Read(dist, "acme", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := without.SetImage(image); err == nil {
		t.Error("no template runs an image, and nobody says so")
	}
	publishtest.WithImage(t, dist, "1.2.3")
	before, err := publish.Read(dist, "acme", "")
	if err != nil {
		t.Fatal(err)
	}
	r, err := publish.Read(dist, "acme", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.SetImage(image); err != nil {
		t.Fatal(err)
	}
	if len(r.Files) != len(before.Files) || r.Files[len(r.Files)-1].Name != publish.SumsName {
		t.Fatalf("%d files, %d before", len(r.Files), len(before.Files))
	}
	sums := string(r.Files[len(r.Files)-1].Content)
	for n, f := range r.Files {
		changed := f.SHA256 != before.Files[n].SHA256
		if runs := f.Name == "DataTransferECRStack.template" || f.Name == publish.SumsName; changed != runs {
			t.Errorf("%s changed: %t", f.Name, changed)
		}
		if f.Name != publish.SumsName && !strings.Contains(sums, f.SHA256+"  "+f.Name+"\n") {
			t.Errorf("the hash of %s is not listed", f.Name)
		}
		if f.Name != "DataTransferECRStack.template" {
			continue
		}
		var got struct {
			Mappings struct {
				CopierImage struct{ Release publish.Image }
			}
		}
		if err := json.Unmarshal(f.Content, &got); err != nil || got.Mappings.CopierImage.Release != image {
			t.Errorf("%+v, %v", got, err)
		}
	}
}
