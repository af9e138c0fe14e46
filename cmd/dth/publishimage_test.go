package main

import (
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/datatransferhub/dth/cmd/internal/publish/publishtest"
)

// smallBase serves a registry with a base that has nothing in it, and returns the registry's host and the base by digest.
func smallBase(t *testing.T) (host, base string) {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	host = strings.TrimPrefix(server.URL, "http://")
	var index v1.ImageIndex = empty.Index
	for _, arch := range []string{"amd64", "arm64"} {
		image, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: arch, RootFS: v1.RootFS{Type: "layers"}})
		if err != nil {
			t.Fatal(err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	ref, err := name.NewTag(host + "/base:1")
	if err == nil {
		err = remote.WriteIndex(ref, index)
	}
	if err != nil {
		t.Fatal(err)
	}
	digest, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return host, ref.Context().Digest(digest.String()).String()
}

// The image of a release is written as a layout beside the other files, for whoever carries it elsewhere.
func TestPublishImageToAFolder(t *testing.T) {
	host, base := smallBase(t)
	dist, out := publishtest.Dist(t, "1.2.3"), t.TempDir()
	args := []string{"publish", "--from", dist, "--bucket-prefix", "acme", "--regions", "us-east-1", "--out", out, "--image-repository", "copier", "--image-base", base}
	if r := runDTH(t, args...); r.code == 0 || !strings.Contains(r.stderr, "make copier") {
		t.Errorf("without the programs: exit code %d\n%s", r.code, r.stderr)
	}
	publishtest.WithImage(t, dist, "1.2.3")
	if r := runDTH(t, args...); r.code != 0 || !strings.Contains(r.stdout, "OCI layout") {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	if _, err := os.Stat(filepath.Join(out, "image", "index.json")); err != nil {
		t.Error(err)
	}
	args[len(args)-1] = host + "/base:1"
	if r := runDTH(t, args...); r.code == 0 || !strings.Contains(r.stderr, "must name a digest") {
		t.Errorf("a base that may change: exit code %d\n%s", r.code, r.stderr)
	}
}
