package house_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/tools/house"
)

const module = house.Module

// check writes files into a fresh folder and returns what the checker says of them, one a line.
func check(t *testing.T, files map[string]string) []string {
	t.Helper()
	root := t.TempDir()
	write(t, root, files)
	return checkRoot(t, root)
}

func write(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func checkRoot(t *testing.T, root string) []string {
	t.Helper()
	tree, err := house.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	findings, err := house.Check(tree)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, f := range findings {
		lines = append(lines, f.String())
	}
	return lines
}

// importing is a Go file of the package that imports one path.
func importing(name, imported string) string {
	return "package " + name + "\n\nimport _ \"" + imported + "\"\n"
}

func TestImports(t *testing.T) {
	const (
		sdk    = "github.com/aws/aws-sdk-go-v2/service/s3"
		smithy = "github.com/aws/smithy-go/middleware"
		cdk    = "github.com/aws/aws-cdk-go/awscdk/v2"
		jsii   = "github.com/aws/jsii-runtime-go"
		sqlite = "modernc.org/sqlite"
	)
	for _, test := range []struct {
		file, name, imported string
		broken               string // part of the rule; empty: allowed
	}{
		{"worker/a/a.go", "a", module + "/worker/b", ""},
		{"worker/a/a.go", "a", module + "/plugins/s3", "worker imports nothing of ours"},
		{"worker/a/a_test.go", "a_test", module + "/cmd/dth", "worker imports nothing of ours"},
		{"plugins/s3/s3.go", "s3", module + "/worker/job", ""},
		{"plugins/s3/s3.go", "s3", module + "/plugins/contract", ""},
		{"plugins/s3/s3.go", "s3", module + "/plugins/ecr", "plugins/NAME imports"},
		{"plugins/s3/s3.go", "s3", module + "/plugins/s3/stack", "plugins/NAME imports"},
		{"plugins/s3/s3.go", "s3", module + "/lambda/task", "plugins/NAME imports"},
		{"plugins/s3/stack/q.go", "stack", module + "/plugins/s3", ""},
		{"plugins/s3/stack/q.go", "stack", module + "/infra/kit", ""},
		{"plugins/s3/stack/q.go", "stack", module + "/infra/portal", "plugins/NAME/stack imports"},
		{"plugins/s3/stack/q.go", "stack", module + "/plugins/ecr", "plugins/NAME/stack imports"},
		{"infra/main.go", "main", module + "/plugins/s3/stack", ""},
		{"infra/main.go", "main", module + "/lambda/task", "infra imports"},
		{"infra/portal/p.go", "portal", module + "/lambda/wiring/policy", ""},
		{"infra/kit/k.go", "kit", module + "/infra/portal", "infra/kit imports nothing"},
		{"lambda/api/a.go", "api", module + "/lambda/task", ""},
		{"lambda/api/a.go", "api", module + "/worker/job", ""},
		{"lambda/api/a.go", "api", module + "/plugins/s3", ""},
		{"lambda/api/a.go", "api", module + "/plugins/s3/stack", "lambda imports"},
		{"lambda/api/a.go", "api", module + "/web", "lambda imports"},
		{"cmd/dth/main.go", "main", module + "/web", ""},
		{"cmd/dth/local/l.go", "local", module + "/lambda/local", ""},
		{"cmd/jobworker/main.go", "main", module + "/web", "web is for cmd/dth only"},
		{"cmd/jobworker/main.go", "main", module + "/worker/consume", ""},
		{"cmd/jobworker/main.go", "main", module + "/infra/kit", "cmd imports"},
		{"cmd/dth/main.go", "main", module + "/plugins/s3/stack", "cmd imports"},
		{"cmd/dth/main.go", "main", module + "/cmd/jobworker/x", "other commands"},
		{"cmd/dth/main.go", "main", module + "/cmd/internal/command", ""},
		{"web/web.go", "web", module + "/worker/job", "outside the house's rooms"},

		{"worker/store/storeaws/s.go", "storeaws", sdk, ""},
		{"worker/store/storeaws/s_test.go", "storeaws_test", smithy, ""},
		{"worker/store/s.go", "store", sdk, "AWS SDK"},
		{"worker/store/s_test.go", "store_test", smithy, "AWS SDK"},
		{"cmd/jobworker/main.go", "main", sdk, ""},
		{"lambda/monitor/main/main.go", "main", sdk, ""},
		{"lambda/monitor/m.go", "monitor", sdk, "AWS SDK"},
		{"infra/portal/p.go", "portal", cdk, ""},
		{"plugins/ecr/stack/s.go", "stack", jsii, ""},
		{"plugins/ecr/e.go", "ecr", cdk, "CDK is imported"},
		{"cmd/dth/main.go", "main", jsii, "CDK is imported"},
		{"worker/queue/queuesqlite/q.go", "queuesqlite", sqlite, ""},
		{"worker/queue/q.go", "queue", sqlite + "/lib", "SQLite is imported"},
	} {
		t.Run(test.file+" imports "+test.imported, func(t *testing.T) {
			got := check(t, map[string]string{test.file: importing(test.name, test.imported)})
			switch {
			case test.broken == "" && len(got) > 0:
				t.Errorf("refused: %s", got)
			case test.broken != "" && (len(got) != 1 || !strings.Contains(got[0], test.broken) ||
				!strings.Contains(got[0], test.file+":3: imports "+test.imported)):
				t.Errorf("findings %q, want one that names file, import and %q", got, test.broken)
			}
		})
	}
}

func TestSource(t *testing.T) {
	for _, test := range []struct {
		name, file, content string
		broken              string
	}{
		{"vague name", "worker/x/x.go", "package util\n", "named for what it holds"},
		{"vague folder", "worker/helpers/x.go", "package x\n", "named for what it holds"},
		{"exit", "worker/x/x.go", "package x\n\nimport \"os\"\n\nfunc f() { os.Exit(1) }\n", "only main packages and cmd end"},
		{"fatal by another name", "lambda/x/x.go", "package x\n\nimport l \"log\"\n\nvar f = l.Fatalf\n", "only main packages and cmd end"},
		{"a method named Fatal", "worker/x/x_test.go", "package x\n\nimport \"testing\"\n\nfunc TestX(t *testing.T) { t.Fatal() }\n", ""},
		{"exit in main", "cmd/x/main.go", "package main\n\nimport \"os\"\n\nfunc main() { os.Exit(1) }\n", ""},
		{
			"exit in TestMain", "worker/x/x_test.go",
			"package x\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\nfunc TestMain(m *testing.M) { os.Exit(m.Run()) }\n", "",
		},
		{"init with work", "cmd/x/main.go", "package main\n\nfunc init() { println() }\n", "init does no work"},
		{"generated init", "lambda/x/x.go", "// Code generated by x. DO NOT EDIT.\n\npackage x\n\nfunc init() { println() }\n", ""},
		{"database", "worker/queue/queuesqlite/q.go", "package queuesqlite\n\nimport \"database/sql\"\n\nvar open = sql.Open\n", "a database is opened"},
		{"database in cmd", "cmd/x/main.go", "package main\n\nimport \"database/sql\"\n\nvar open = sql.Open\n", ""},
		{"no comment", "worker/x/x.go", "package x\n\nfunc F() {}\n", "doc comment"},
		{"type without comment", "worker/x/x.go", "package x\n\ntype T struct{}\n", "doc comment"},
		{"all well", "worker/x/x.go", "package x\n\n// T is a type.\ntype T struct{}\n\n// F does it.\nfunc F() {}\n", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := check(t, map[string]string{test.file: test.content})
			expect(t, got, test.broken)
		})
	}
}

func expect(t *testing.T, got []string, broken string) {
	t.Helper()
	if broken == "" && len(got) > 0 {
		t.Errorf("refused: %q", got)
	}
	if broken != "" && (len(got) != 1 || !strings.Contains(got[0], broken)) {
		t.Errorf("findings %q, want one with %q", got, broken)
	}
}

func TestDocuments(t *testing.T) {
	home := "/" + "root" + "/project/file" // in pieces, since this file is checked too
	for _, test := range []struct {
		name, file, content string
		broken              string
	}{
		{"top level", "notes.txt", "x\n", "top level"},
		{"top-level folder", "scripts/run.sh", "x\n", "top level"},
		{"dot file", ".editorconfig", "x\n", ""},
		{"link", "docs/a.md", "see [b](b.md)\n", "docs/a.md:1: link to b.md leads nowhere"},
		{"link upwards", "docs/a.md", "see [b](../README.md)\n", "leads nowhere"},
		{"link to itself", "docs/a.md", "# One thing\n\nsee [it](#one-thing) and [it](a.md#one-thing)\n", ""},
		{"wrong anchor", "docs/a.md", "# One thing\n\nsee [it](#another)\n", "leads nowhere"},
		{"heading in code", "docs/a.md", "```\n# One thing\n```\n[it](#one-thing)\n", "leads nowhere"},
		{"reference", "docs/a.md", "see [b]\n\n[b]: b.md\n", "leads nowhere"},
		{"folder", "docs/a.md", "see [here](../docs)\n", ""},
		{"web and mail", "docs/a.md", "[w](https://example.com/x) [m](mailto:a@example.com)\n", ""},
		{"link in code", "docs/a.md", "write `[b](b.md)`\n\n```\n[c](c.md)\n```\n", ""},
		{"machine path", "docs/a.md", "look in " + home + "\n", "no text names a path"},
		{"machine path in a script", ".ci/x", "dir=\"" + home + "\"\n", "no text names a path"},
		{"path on Amazon Linux", "docs/a.md", "look in /home/ec2-user/x\n", ""},
		{"path of an address", "docs/a.md", "https://example.com/root/x and docs/root/x\n", ""},
		{"registry", "web/package-lock.json", "\"resolved\": \"https://npm.example.com/x.tgz\"\n", "no registry"},
	} {
		t.Run(test.name, func(t *testing.T) {
			expect(t, check(t, map[string]string{test.file: test.content}), test.broken)
		})
	}
}

func TestOnlyFilesOfTheRepositoryAreJudged(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{
		".gitignore": "out/\n", "out/x.txt": "x", "stray.txt": "x", "README.md": "# Title\n",
	})
	if out, err := exec.Command("git", "-C", root, "init", "-q").CombinedOutput(); err != nil {
		t.Fatalf("git init: %v: %s", err, out)
	}
	expect(t, checkRoot(t, root), "stray.txt: is at the top level")
}
