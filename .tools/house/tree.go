// Package house checks the rules that the compiler does not know: which package may import which, what
// a package may be named, what lies at the top of the repository, and that its documents hold together.
// It is a linter, kept away from the product with the other tools.
package house

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Finding is one broken rule.
type Finding struct {
	File string // below the root, with slashes
	Line int    // 0: the file as a whole
	What string // what was found
	Rule string // what holds instead
}

func (f Finding) String() string {
	where := f.File
	if f.Line > 0 {
		where = fmt.Sprintf("%s:%d", f.File, f.Line)
	}
	return fmt.Sprintf("%s: %s (rule: %s)", where, f.What, f.Rule)
}

// Tree is a repository: its root and the files that belong to it.
type Tree struct {
	Root  string
	Files []string // below the root, with slashes, sorted
}

// built are folders that never belong to a repository; they matter only where git cannot be asked.
var built = []string{".git", ".cache", "bin", "dist", "cdk.out", "node_modules"}

// Open lists the files of a repository: what git tracks or would track, else everything that was not built.
func Open(root string) (*Tree, error) {
	tree := &Tree{Root: root}
	_, err := os.Stat(filepath.Join(root, ".git"))
	switch {
	case err == nil:
		err = tree.askGit()
	case errors.Is(err, fs.ErrNotExist):
		err = tree.walk()
	}
	if err != nil {
		return nil, fmt.Errorf("listing the files of %s: %w", root, err)
	}
	slices.Sort(tree.Files)
	return tree, nil
}

func (t *Tree) askGit() error {
	out, err := exec.Command("git", "-C", t.Root, "ls-files", "-coz", "--exclude-standard", "--deduplicate").Output()
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		// A file may be tracked and deleted in the work tree; a link is judged by what it points to.
		if info, err := os.Stat(filepath.Join(t.Root, name)); err == nil && !info.IsDir() {
			t.Files = append(t.Files, name)
		}
	}
	return nil
}

func (t *Tree) walk() error {
	return filepath.WalkDir(t.Root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if slices.Contains(built, entry.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		name, err := filepath.Rel(t.Root, path)
		t.Files = append(t.Files, filepath.ToSlash(name))
		return err
	})
}

// Read returns the content of a file.
func (t *Tree) Read(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(t.Root, filepath.FromSlash(name)))
}

// holds reports whether there is a file or a folder of this name.
func (t *Tree) holds(name string) bool {
	at, found := slices.BinarySearch(t.Files, name)
	return found || at < len(t.Files) && strings.HasPrefix(t.Files[at], name+"/") ||
		slices.ContainsFunc(t.Files, func(file string) bool { return strings.HasPrefix(file, name+"/") })
}

// isText says whether content is worth reading line by line.
func isText(content []byte) bool {
	return !bytes.Contains(content[:min(len(content), 8000)], []byte{0})
}

// Check applies every rule.
func Check(tree *Tree) ([]Finding, error) {
	var findings []Finding
	for _, rule := range []func(*Tree) ([]Finding, error){checkGo, checkTop, checkLinks, checkText} {
		found, err := rule(tree)
		if err != nil {
			return nil, err
		}
		findings = append(findings, found...)
	}
	return findings, nil
}
