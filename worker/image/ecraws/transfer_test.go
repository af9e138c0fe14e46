package ecraws_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
	"github.com/datatransferhub/dth/worker/image/copier"
	"github.com/datatransferhub/dth/worker/image/ecraws"
	"github.com/datatransferhub/dth/worker/image/imagetest"
	"github.com/datatransferhub/dth/worker/image/pass"
	"github.com/datatransferhub/dth/worker/image/plan"
	"github.com/datatransferhub/dth/worker/image/record/recordsqlite"
	"github.com/datatransferhub/dth/worker/image/skopeo"
)

// amazon opens an imitated Amazon ECR, and what fills it.
func amazon(t *testing.T) (*imagetest.ECR, *ecraws.Registry, imagetest.Filler) {
	t.Helper()
	e := imagetest.NewECR("token")
	t.Cleanup(e.Close)
	r, err := ecraws.Open(t.Context(), aws.Config{Region: "us-east-1", BaseEndpoint: &e.URL, Credentials: credentials.NewStaticCredentialsProvider("k", "s", "")}, "", nil)
	must(t, err)
	return e, r, imagetest.Filler{Host: e.Host, Base: 100, Layer: 10, Options: []remote.Option{remote.WithAuth(&authn.Basic{Username: "AWS", Password: "token"})}}
}

// mirror returns what makes whole passes between two registries.
func mirror(t *testing.T, from, to image.Registry) func(run string) *pass.Result {
	t.Helper()
	if _, err := exec.LookPath("skopeo"); err != nil {
		t.Skip("skopeo is not on this machine (Debian: apt-get install skopeo)")
	}
	db, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "r.db"))
	must(t, err)
	t.Cleanup(func() { db.Close() })
	records, err := recordsqlite.Open(t.Context(), db, "task")
	must(t, err)
	tool, err := skopeo.Open(t.Context(), "", t.TempDir())
	must(t, err)
	return func(run string) *pass.Result {
		r, err := pass.Run(t.Context(), pass.Config{
			Plan:   plan.Config{Source: from, Destination: to, Untagged: true, Referrers: true, Delete: true, MaxDeleteShare: 1},
			Copier: &copier.Copier{Source: from, Destination: to, Tool: tool, Records: records, Referrers: true, RunID: run}, Prove: true,
		})
		must(t, err)
		return r
	}
}

// Between two Amazon ECRs what has no tag is compared, too: a tag that was moved leaves nothing behind but what the source has.
func TestDeletionBetweenECRs(t *testing.T) {
	source, from, f := amazon(t)
	_, to, _ := amazon(t)
	run := mirror(t, from, to)
	source.Add("app")
	write := func(tag string, seed uint64) string {
		digest, err := f.Write(t.Context(), "app", tag, seed)
		must(t, err)
		return digest
	}
	moved, old := write("latest", 1), write("old", 2)
	index, err := f.WriteIndex(t.Context(), "app", "multi", 5, false)
	must(t, err)
	if r := run("run1"); !r.Agree() || r.Deleted != 0 {
		t.Fatalf("%+v", r)
	}
	_, content, err := from.Manifest(t.Context(), "app", index)
	must(t, err)
	entries, err := image.ReadIndex(content)
	must(t, err)
	latest := write("latest", 3)
	for _, reference := range []string{"old", moved, "multi", entries[0].Digest, entries[1].Digest} {
		must(t, from.Delete(t.Context(), "app", reference))
	}
	// Tags: old and multi. Without: what latest was, both images of the index.
	if r := run("run2"); !r.Agree() || r.Deleted != 5 {
		t.Errorf("%+v", r)
	}
	for _, reference := range []string{"old", old, "multi", index, moved, entries[0].Digest} {
		if _, err := to.Head(t.Context(), "app", reference); !failure.Is(err, failure.NotFound) {
			t.Errorf("%s is still there: %v", reference, err)
		}
	}
	if d, err := to.Head(t.Context(), "app", "latest"); err != nil || d.Digest != latest {
		t.Errorf("%+v %v", d, err)
	}
	if r := run("run3"); !r.Agree() || r.Deleted+r.Copied != 0 {
		t.Errorf("%+v", r)
	}
}
