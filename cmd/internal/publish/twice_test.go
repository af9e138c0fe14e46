package publish

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A Lambda that is built in two folders, as `make lambdas` does, is the same zip. For all of a release `make release-twice` looks.
func TestLambdaBuiltTwiceIsTheSameZip(t *testing.T) {
	const name = "siteconfig"
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	files := sources(t, root, "./lambda/"+name+"/main")
	var zips [][]byte
	for _, folder := range []string{"one", "another/deeper"} {
		to := filepath.Join(t.TempDir(), folder)
		for _, file := range files {
			copyFile(t, filepath.Join(root, file), filepath.Join(to, file))
		}
		cmd := exec.Command("make", "-C", to, "lambdas", "LAMBDAS="+name)
		// What make gives to a test that it runs is not for another make.
		cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=", "GOFLAGS=")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		zip, err := zipFolder(filepath.Join(to, "dist", "lambda", name))
		if err != nil {
			t.Fatal(err)
		}
		zips = append(zips, zip)
	}
	if len(zips[0]) < 1<<20 || !bytes.Equal(zips[0], zips[1]) {
		t.Errorf("two builds differ, or are none: %d and %d bytes", len(zips[0]), len(zips[1]))
	}
}

// sources are the files that a program of ours is built from, and what builds it, below root.
func sources(t *testing.T, root, program string) []string {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-f", `{{with .Module}}{{if .Main}}{{range $.GoFiles}}{{$.Dir}}/{{.}}
{{end}}{{range $.EmbedFiles}}{{$.Dir}}/{{.}}
{{end}}{{end}}{{end}}`, program)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("listing what %s is built from: %v", program, err)
	}
	files := []string{"Makefile", "go.mod", "go.sum", ".ci/need"}
	for path := range strings.FieldsSeq(string(out)) {
		file, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	info, err := os.Stat(from)
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, content, info.Mode().Perm()); err != nil {
		t.Fatal(err)
	}
}
