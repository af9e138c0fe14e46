package publish_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/cmd/internal/publish"
	"github.com/datatransferhub/dth/cmd/internal/publish/publishtest"
)

func nothing(publish.Step) {}

func read(t *testing.T, dist string) *publish.Release {
	t.Helper()
	r, err := publish.Read(dist, "mine", "")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// put publishes a release into folders, one a region.
func put(t *testing.T, r *publish.Release, root string, regions ...string) error {
	t.Helper()
	p, err := publish.Look(t.Context(), r, folders(r, root, regions...))
	if err != nil {
		return err
	}
	return p.Run(t.Context(), nothing)
}

func folders(r *publish.Release, root string, regions ...string) (out []publish.Target) {
	for _, region := range regions {
		bucket := publish.Bucket(r.BucketPrefix, region)
		out = append(out, publish.Target{Region: region, Bucket: bucket, Store: publish.Folder{Root: filepath.Join(root, bucket)}})
	}
	return out
}

// tree returns the files below a folder with their contents.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(root, path)
		out[filepath.ToSlash(name)] = string(content)
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return out
}

func TestReleaseOfADistFolder(t *testing.T) {
	r := read(t, publishtest.Dist(t, "1.2.3"))
	var names []string
	for _, f := range r.Files {
		names = append(names, f.Name)
		sum := sha256.Sum256(f.Content)
		if f.SHA256 != hex.EncodeToString(sum[:]) {
			t.Errorf("%s: its hash is %s", f.Name, f.SHA256)
		}
	}
	want := []string{"DataTransferS3Stack.template", "LICENSES.txt", publishtest.ZipName, "jobfinder", "jobworker", "SHA256SUMS"}
	slices.Sort(want[:5])
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if got := r.Templates(); !slices.Equal(got, []string{"DataTransferS3Stack"}) || r.Version.String() != "1.2.3" {
		t.Errorf("templates %v of version %s", got, r.Version)
	}
}

// The console is one zip with its files at the top, when it is built.
func TestReleaseHasTheConsole(t *testing.T) {
	dist := publishtest.Dist(t, "1.2.3")
	for _, name := range []string{"index.html", "assets/app-1.js"} {
		at := filepath.Join(dist, "console", filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range read(t, dist).Files {
		if f.Name != "console.zip" {
			continue
		}
		z, err := zip.NewReader(bytes.NewReader(f.Content), int64(len(f.Content)))
		if err != nil || len(z.File) != 2 || z.File[0].Name != "assets/app-1.js" || z.File[1].Name != "index.html" || f.ContentType != "application/zip" {
			t.Errorf("%v, %+v", err, f.Name)
		}
		return
	}
	t.Error("the release has no console")
}

// The templates of the hub are not released without the console that their stacks unpack.
func TestHubNeedsItsConsole(t *testing.T) {
	dist := publishtest.Dist(t, "1.2.3")
	template, err := os.ReadFile(filepath.Join(dist, "templates", "DataTransferS3Stack.template"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dist, "templates", "DataTransferHub-cognito.template"), template, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := publish.Read(dist, "mine", ""); err == nil || !strings.Contains(err.Error(), filepath.Join(dist, "console")) || !strings.Contains(err.Error(), "make release") {
		t.Errorf("a release without the console: %v", err)
	}
}

// sha256sum itself takes the list.
func TestSumsAreThoseOfSha256sum(t *testing.T) {
	root := t.TempDir()
	r := read(t, publishtest.Dist(t, "1.2.3"))
	if err := put(t, r, root, "eu-west-1"); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sha256sum", "-c", "--strict", "SHA256SUMS")
	cmd.Dir = filepath.Join(root, "mine-eu-west-1", "data-transfer-hub", "1.2.3")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// Only the bucket prefix of a template changes; every other byte, and the order of its keys, stays.
func TestTemplateIsRebasedAndNotRewritten(t *testing.T) {
	dist := publishtest.Dist(t, "1.2.3")
	before, err := os.ReadFile(filepath.Join(dist, "templates", "DataTransferS3Stack.template"))
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(string(before), `"BucketPrefix": "data-transfer-hub"`, `"BucketPrefix": "mine"`, 1)
	for _, f := range read(t, dist).Files {
		if f.Name == "DataTransferS3Stack.template" && string(f.Content) != want {
			t.Errorf("(-want +got):\n%s", cmp.Diff(want, string(f.Content)))
		}
	}
}

func TestZipsAreReproducibleAndRunnable(t *testing.T) {
	content := func() []byte {
		r := read(t, publishtest.Dist(t, "1.2.3"))
		i := slices.IndexFunc(r.Files, func(f publish.File) bool { return f.Name == publishtest.ZipName })
		return r.Files[i].Content
	}
	one, two := content(), content()
	if !bytes.Equal(one, two) {
		t.Error("two zips of one folder differ")
	}
	z, err := zip.NewReader(bytes.NewReader(one), int64(len(one)))
	if err != nil {
		t.Fatal(err)
	}
	if len(z.File) != 1 || z.File[0].Name != "bootstrap" || z.File[0].Mode().Perm() != 0o755 {
		t.Errorf("the zip holds %+v", z.File[0].FileHeader)
	}
}

func TestReleaseThatDoesNotFitIsRefused(t *testing.T) {
	template := "templates/DataTransferS3Stack.template"
	for _, tt := range []struct {
		name            string
		spoil           func(dist string) error
		prefix, version string
		want            string
	}{
		{"capital prefix", nil, "Mine", "", "lower-case"},
		{"long prefix", nil, strings.Repeat("a", 48), "", "3 to 47"},
		{"dot in prefix", nil, "my.own", "", "lower-case"},
		{"version of no kind", nil, "mine", "v1.2", "semantic"},
		{"version with build", nil, "mine", "1.2.3+x", "semantic"},
		{"other version than the templates", nil, "mine", "1.2.4", "make synth VERSION=1.2.4"},
		{"no templates", func(d string) error { return os.RemoveAll(filepath.Join(d, "templates")) }, "mine", "", "make release"},
		{"template of cdk deploy", func(d string) error {
			return os.WriteFile(filepath.Join(d, template), []byte(`{"Resources":{}}`), 0o600)
		}, "mine", "1.2.3", "not written for publishing"},
		{"no JSON", func(d string) error { return os.WriteFile(filepath.Join(d, template), []byte("a: b\n"), 0o600) }, "mine", "1.2.3", "no JSON template"},
		{"zip that is not listed", func(d string) error { return os.Remove(filepath.Join(d, "cdk", "DataTransferS3Stack.assets.json")) }, "mine", "", publishtest.ZipName},
		{"program of another build", func(d string) error {
			return os.WriteFile(filepath.Join(d, "engine", "jobworker"), []byte("new"), 0o600)
		}, "mine", "", "this build of jobworker"},
		{"asset that is gone", func(d string) error { return os.RemoveAll(filepath.Join(d, "cdk", publishtest.AssetFolder)) }, "mine", "", publishtest.AssetFolder},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dist := publishtest.Dist(t, "1.2.3")
			if tt.spoil != nil {
				if err := tt.spoil(dist); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := publish.Read(dist, tt.prefix, tt.version); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

func TestAgainIsNothingNew(t *testing.T) {
	root := t.TempDir()
	r := read(t, publishtest.Dist(t, "1.2.3"))
	if err := put(t, r, root, "eu-west-1", "us-east-1"); err != nil {
		t.Fatal(err)
	}
	first := tree(t, root)
	if len(first) != 2*(len(r.Files)+2) {
		t.Errorf("%d files were written: %v", len(first), first)
	}
	p, err := publish.Look(t.Context(), r, folders(r, root, "eu-west-1", "us-east-1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range p.Steps {
		if s.State != publish.Same {
			t.Errorf("%s: %s", s.Object.Key, s.State)
		}
	}
	if err := p.Run(t.Context(), nothing); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(first, tree(t, root)); diff != "" {
		t.Errorf("the second time changed (-before +after):\n%s", diff)
	}
}

func TestBrokenOffUploadIsContinued(t *testing.T) {
	root := t.TempDir()
	r := read(t, publishtest.Dist(t, "1.2.3"))
	if err := put(t, r, root, "eu-west-1"); err != nil {
		t.Fatal(err)
	}
	whole := tree(t, root)
	for _, name := range []string{"SHA256SUMS", "jobworker"} {
		if err := os.Remove(filepath.Join(root, "mine-eu-west-1", "data-transfer-hub", "1.2.3", name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := put(t, r, root, "eu-west-1"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(whole, tree(t, root)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// One differing object in one region, and nothing is written in any.
func TestReleasedVersionStaysAsItIs(t *testing.T) {
	root := t.TempDir()
	if err := put(t, read(t, publishtest.Dist(t, "1.2.3")), root, "us-east-1"); err != nil {
		t.Fatal(err)
	}
	before := tree(t, root)
	other := publishtest.Dist(t, "1.2.3")
	if err := os.WriteFile(filepath.Join(other, "LICENSES.txt"), []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := put(t, read(t, other), root, "eu-west-1", "us-east-1")
	var conflict *publish.ConflictError
	if !errors.As(err, &conflict) || !slices.Contains(conflict.Files, "mine-us-east-1/data-transfer-hub/1.2.3/LICENSES.txt") || !strings.Contains(err.Error(), "new version") {
		t.Errorf("the error is %v", err)
	}
	if diff := cmp.Diff(before, tree(t, root)); diff != "" {
		t.Errorf("it wrote (-before +after):\n%s", diff)
	}
}

func TestLatestOnlyMovesForward(t *testing.T) {
	root := t.TempDir()
	for _, step := range []struct{ publish, latest string }{
		{"1.2.3-rc.1", ""}, {"1.2.3", "1.2.3"}, {"1.10.0", "1.10.0"}, {"1.2.4", "1.10.0"}, {"2.0.0-rc.1", "1.10.0"}, {"2.0.0", "2.0.0"},
	} {
		if err := put(t, read(t, publishtest.Dist(t, step.publish)), root, "eu-west-1"); err != nil {
			t.Fatal(err)
		}
		all := tree(t, root)
		const at = "mine-eu-west-1/data-transfer-hub/"
		if got := strings.TrimSpace(all[at+"latest/VERSION"]); got != step.latest {
			t.Errorf("after %s the latest is %q, want %q", step.publish, got, step.latest)
		}
		if step.latest != "" && all[at+"latest/DataTransferS3Stack.template"] != all[at+step.latest+"/DataTransferS3Stack.template"] {
			t.Errorf("after %s the latest template is not that of %s", step.publish, step.latest)
		}
	}
}

// faulty is a folder that keeps no hashes, and does not keep what it was given.
type faulty struct {
	publish.Folder
	mu   sync.Mutex
	puts []string
	lose func(o publish.Object) (publish.Object, bool)
}

func (f *faulty) Look(ctx context.Context, key string) (publish.Stored, bool, error) {
	is, there, err := f.Folder.Look(ctx, key)
	is.SHA256 = ""
	return is, there, err
}

func (f *faulty) Put(ctx context.Context, o publish.Object) error {
	f.mu.Lock()
	f.puts = append(f.puts, o.Key)
	f.mu.Unlock()
	if f.lose != nil {
		kept := true
		if o, kept = f.lose(o); !kept {
			return nil
		}
	}
	return f.Folder.Put(ctx, o)
}

func TestWhatTheStoreKeepsIsReadBack(t *testing.T) {
	swap := func(o publish.Object) (publish.Object, bool) {
		if strings.HasSuffix(o.Key, "/jobfinder") {
			o.Content = bytes.Repeat([]byte("x"), len(o.Content))
		}
		return o, true
	}
	drop := func(o publish.Object) (publish.Object, bool) { return o, !strings.HasSuffix(o.Key, "/jobworker") }
	for _, tt := range []struct {
		name string
		lose func(publish.Object) (publish.Object, bool)
		want string
	}{
		{"kept", nil, ""},
		{"other bytes of the same length", swap, "something else than was uploaded"},
		{"lost", drop, "jobworker is not in bucket"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := read(t, publishtest.Dist(t, "1.2.3"))
			store := &faulty{Folder: publish.Folder{Root: t.TempDir()}, lose: tt.lose}
			p, err := publish.Look(t.Context(), r, []publish.Target{{Region: "eu-west-1", Bucket: "mine-eu-west-1", Store: store}})
			if err != nil {
				t.Fatal(err)
			}
			err = p.Run(t.Context(), nothing)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("the error is %v", err)
			}
			moved := slices.ContainsFunc(store.puts, func(key string) bool { return strings.Contains(key, "/latest/") })
			if moved != (tt.want == "") {
				t.Errorf("latest moved: %v", moved)
			}
			sums := slices.Index(store.puts, "data-transfer-hub/1.2.3/SHA256SUMS")
			if sums != len(r.Files)-1 {
				t.Errorf("the sums were written as number %d of %v", sums, store.puts)
			}
		})
	}
}

func TestFolderRefusesToReplaceNewObjects(t *testing.T) {
	f := publish.Folder{Root: t.TempDir()}
	o := publish.Object{Key: "a/b", Content: []byte("one"), New: true}
	if err := f.Put(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	o.Content = []byte("two")
	if err := f.Put(t.Context(), o); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the error is %v", err)
	}
	o.New = false
	if err := f.Put(t.Context(), o); err != nil {
		t.Error(err)
	}
	if got := tree(t, f.Root); len(got) != 1 || got["a/b"] != "two" {
		t.Errorf("the folder holds %v", got)
	}
}

// Whatever stands in a template, finding the mapping never breaks it.
func FuzzTemplates(f *testing.F) {
	f.Add(publishtest.Template("1.2.3", "p", "q"))
	f.Add([]byte(`{"Mappings":{"Assets":{"Release":{"BucketPrefix":"a","KeyPrefix":"data-transfer-hub/1.2.3"}}}}`))
	f.Add([]byte(`{"Mappings":[]}`))
	f.Add([]byte(`{"Mappings":{"Assets":{"Release":{"KeyPrefix":3}}}}`))
	f.Fuzz(func(t *testing.T, template []byte) {
		dist := t.TempDir()
		if err := os.Mkdir(filepath.Join(dist, "templates"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dist, "templates", "T.template"), template, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := publish.Read(dist, "mine", "1.2.3")
		if err != nil {
			return
		}
		again := t.TempDir()
		if err := os.Mkdir(filepath.Join(again, "templates"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(again, "templates", "T.template"), r.Files[0].Content, 0o600); err != nil {
			t.Fatal(err)
		}
		twice, err := publish.Read(again, "mine", "1.2.3")
		if err != nil || !bytes.Equal(twice.Files[0].Content, r.Files[0].Content) {
			t.Errorf("a rebased template is not taken again: %v\n%s", err, fmt.Sprintf("%q", r.Files[0].Content))
		}
	})
}
