package copierimage_test

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/datatransferhub/dth/cmd/internal/copierimage"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newBase pushes a small base for both architectures into a registry, and returns its reference by digest.
func newBase(t *testing.T, host string, architectures ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	script := "#!/bin/sh\necho skopeo version 1.22.3\n"
	must(t, w.WriteHeader(&tar.Header{Name: "usr/bin/skopeo", Mode: 0o755, Size: int64(len(script))}))
	_, err := io.WriteString(w, script)
	must(t, err)
	must(t, w.Close())
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil })
	must(t, err)
	var index v1.ImageIndex = empty.Index
	for _, arch := range architectures {
		image, err := mutate.AppendLayers(empty.Image, layer)
		must(t, err)
		file, err := image.ConfigFile()
		must(t, err)
		file = file.DeepCopy()
		file.OS, file.Architecture = "linux", arch
		file.Config = v1.Config{Env: []string{"PATH=/usr/bin", "HOME=/root"}, Entrypoint: []string{"/usr/bin/skopeo"}, Cmd: []string{"--help"}}
		image, err = mutate.ConfigFile(image, file)
		must(t, err)
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	ref, err := name.NewTag(host + "/base/skopeo:stable")
	must(t, err)
	must(t, remote.WriteIndex(ref, index))
	digest, err := index.Digest()
	must(t, err)
	return ref.Context().Digest(digest.String()).String()
}

// serve starts a registry.
func serve(t *testing.T) (host string) {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// programs are the copier as a release builds it: one static binary an architecture.
func programs(t *testing.T) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, arch := range copierimage.Architectures() {
		file := filepath.Join(t.TempDir(), arch)
		cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.version=1.2.3", "-o", file, "../../imagecopier")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		content, err := os.ReadFile(file)
		must(t, err)
		all[arch] = content
	}
	return all
}

func assemble(t *testing.T, base string, programs map[string][]byte) v1.ImageIndex {
	t.Helper()
	under, err := copierimage.Pull(t.Context(), base, nil)
	must(t, err)
	index, err := copierimage.Assemble(under, copierimage.Options{Version: "1.2.3", Programs: programs})
	must(t, err)
	return index
}

// unpack writes the files of an image below a folder, as a runtime would.
func unpack(t *testing.T, image v1.Image, dir string) map[string]*tar.Header {
	t.Helper()
	found := map[string]*tar.Header{}
	content := mutate.Extract(image)
	defer content.Close()
	for r := tar.NewReader(content); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		must(t, err)
		found[strings.TrimSuffix(h.Name, "/")] = h
		at := filepath.Join(dir, filepath.Clean("/"+h.Name))
		if h.Typeflag == tar.TypeDir {
			must(t, os.MkdirAll(at, 0o755))
			continue
		}
		must(t, os.MkdirAll(filepath.Dir(at), 0o755))
		text, err := io.ReadAll(r)
		must(t, err)
		must(t, os.WriteFile(at, text, h.FileInfo().Mode()))
	}
}

// The image is assembled over a base in a registry, pushed, pulled by somebody else, unpacked, and its entry point runs: it is the
// copier of the release, which needs nothing of the base but skopeo, and says what it misses.
func TestImageRuns(t *testing.T) {
	host := serve(t)
	index := assemble(t, newBase(t, host, "arm64", "amd64"), programs(t))
	target := copierimage.Target{Reference: host + "/tools/copier:1.2.3"}
	must(t, target.Push(t.Context(), index))
	ref, err := name.NewTag(target.Reference)
	must(t, err)
	pulled, err := remote.Index(ref)
	must(t, err)
	must(t, validate.Index(pulled))
	for _, arch := range copierimage.Architectures() {
		image, err := remote.Image(ref, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: arch}))
		must(t, err)
		file, err := image.ConfigFile()
		must(t, err)
		c := file.Config
		if file.Architecture != arch || c.User != "65532:65532" || !slices.Equal(c.Entrypoint, []string{copierimage.Program}) || len(c.Cmd) != 0 || c.WorkingDir != "/scratch" {
			t.Errorf("%s: %+v", arch, c)
		}
		if _, volume := c.Volumes["/scratch"]; !volume || !slices.Contains(c.Env, "HOME=/scratch") || !slices.Contains(c.Env, "PATH=/usr/bin") || c.Labels["org.opencontainers.image.version"] != "1.2.3" {
			t.Errorf("%s: %+v", arch, c)
		}
	}
	image, err := remote.Image(ref, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: runtime.GOARCH}))
	must(t, err)
	root := t.TempDir()
	files := unpack(t, image, root)
	if h := files["scratch"]; h == nil || h.Uid != 65532 || h.Gid != 65532 || h.Mode != 0o700 {
		t.Errorf("the writable folder: %+v", h)
	}
	if h := files["usr/local/bin/imagecopier"]; h == nil || h.Uid != 0 || h.Mode != 0o555 {
		t.Errorf("the program: %+v", h)
	}
	entry := filepath.Join(root, copierimage.Program)
	for _, c := range []struct {
		args []string
		env  []string
		code int
		says string
	}{
		{[]string{"--version"}, nil, 0, "imagecopier 1.2.3\n"},
		{[]string{"--help"}, nil, 0, "Copies the images of one batch with skopeo"},
		{nil, nil, 2, "the environment lacks DTH_CONFIG, DTH_BATCH, DTH_RUN, DTH_SCRATCH"},
		{nil, []string{"DTH_CONFIG=" + filepath.Join(root, "nothing.json"), "DTH_BATCH=b", "DTH_RUN=r", "DTH_SCRATCH=" + filepath.Join(root, "scratch"), "AWS_REGION=us-east-1"}, 2, "nothing.json"},
	} {
		cmd := exec.Command(entry, c.args...)
		cmd.Env = append([]string{"PATH=" + filepath.Join(root, "usr/bin"), "HOME=" + filepath.Join(root, "scratch")}, c.env...)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != c.code || !strings.Contains(string(out), c.says) {
			t.Errorf("%q with %q: %v\n%s", c.args, c.env, err, out)
		}
	}
	program, err := elf.Open(entry)
	must(t, err)
	defer program.Close()
	if libraries, err := program.ImportedLibraries(); err != nil || len(libraries) != 0 {
		t.Errorf("the program needs libraries %q, which a base may not have: %v", libraries, err)
	}
}

// The same base and the same programs are the same image; another program is another one, and never takes its tag.
func TestTagsStay(t *testing.T) {
	host := serve(t)
	base := newBase(t, host, "amd64", "arm64")
	first, err := assemble(t, base, map[string][]byte{"amd64": []byte("a"), "arm64": []byte("b")}).Digest()
	must(t, err)
	again := assemble(t, base, map[string][]byte{"amd64": []byte("a"), "arm64": []byte("b")})
	if digest, err := again.Digest(); err != nil || digest != first {
		t.Errorf("%s and %s, %v", first, digest, err)
	}
	target := copierimage.Target{Reference: host + "/tools/copier:1.2.3"}
	if state, err := target.Look(t.Context(), again); err != nil || state != copierimage.Missing {
		t.Errorf("%s, %v", state, err)
	}
	for range 2 {
		must(t, target.Push(t.Context(), again))
	}
	other := assemble(t, base, map[string][]byte{"amd64": []byte("a"), "arm64": []byte("c")})
	if err := target.Push(t.Context(), other); err == nil || !strings.Contains(err.Error(), "another digest") {
		t.Errorf("%v", err)
	}
	if state, err := target.Look(t.Context(), again); err != nil || state != copierimage.Same {
		t.Errorf("%s, %v", state, err)
	}
}

func TestLayout(t *testing.T) {
	host := serve(t)
	index := assemble(t, newBase(t, host, "amd64", "arm64"), map[string][]byte{"amd64": []byte("a"), "arm64": []byte("b")})
	dir := filepath.Join(t.TempDir(), "image")
	must(t, copierimage.WriteLayout(dir, index))
	written, err := layout.ImageIndexFromPath(dir)
	must(t, err)
	must(t, validate.Index(written))
}

func TestWhatIsMissingIsNamed(t *testing.T) {
	host := serve(t)
	both := map[string][]byte{"amd64": []byte("a"), "arm64": []byte("b")}
	one := newBase(t, host, "amd64")
	under, err := copierimage.Pull(t.Context(), one, nil)
	must(t, err)
	if _, err := copierimage.Assemble(under, copierimage.Options{Programs: both}); err == nil || !strings.Contains(err.Error(), "arm64") {
		t.Errorf("%v", err)
	}
	if _, err := copierimage.Assemble(under, copierimage.Options{Programs: map[string][]byte{"arm64": []byte("b")}}); err == nil || !strings.Contains(err.Error(), "no program for linux/amd64") {
		t.Errorf("%v", err)
	}
	for _, reference := range []string{host + "/base/skopeo:stable", "", host + "/base/skopeo@sha256:" + strings.Repeat("0", 64)} {
		if _, err := copierimage.Pull(t.Context(), reference, nil); err == nil {
			t.Errorf("%q was pulled", reference)
		}
	}
	if _, err := copierimage.ReadPrograms(t.TempDir()); err == nil || !strings.Contains(err.Error(), "make copier") {
		t.Errorf("%v", err)
	}
}

// The Dockerfile makes the like of it: the same base, the same user, the same program.
func TestDockerfile(t *testing.T) {
	text, err := os.ReadFile("../../imagecopier/Dockerfile")
	must(t, err)
	for _, want := range []string{"FROM " + copierimage.Base + "\n", "USER 65532:65532\n", `ENTRYPOINT ["` + copierimage.Program + `"]`, "VOLUME /scratch\n"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the Dockerfile does not say %q", want)
		}
	}
}
