// Command licenses collects the licences of everything that a release ships: the modules that the given packages are built
// from, for the platforms that are shipped, and Go itself. It prints one text file, the same for the same go.sum, and fails on
// a module whose licence it does not know.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	in := flag.String("in", ".", "folder of the module that is shipped")
	flag.Parse()
	if flag.NArg() == 0 {
		fmt.Fprintln(os.Stderr, "usage: licenses [--in FOLDER] PACKAGE...")
		os.Exit(2)
	}
	if err := run(os.Stdout, *in, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "licenses:", err)
		os.Exit(1)
	}
}

// platforms are those that binaries are built for; some modules are needed on one of them only.
func platforms() [][2]string {
	return [][2]string{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}}
}

type module struct {
	Path, Version, Dir string
}

func run(out io.Writer, in string, packages []string) error {
	modules, err := shipped(in, packages)
	if err != nil {
		return err
	}
	goroot, err := exec.Command("go", "env", "GOROOT", "GOVERSION").Output()
	if err != nil {
		return err
	}
	root, version, _ := strings.Cut(strings.TrimSpace(string(goroot)), "\n")
	all := append([]module{{Path: "Go and its standard library", Version: version, Dir: root}}, modules...)
	var list, texts strings.Builder
	var errs []error
	for _, m := range all {
		text, err := licenceOf(m.Dir)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %w", m.Path, m.Version, err))
			continue
		}
		name := kindOf(text)
		if name == "" {
			errs = append(errs, fmt.Errorf("%s %s: its licence is none of those that are known: %.200q", m.Path, m.Version, text))
			continue
		}
		fmt.Fprintf(&list, "%-26s %s %s\n", name, m.Path, m.Version)
		line := strings.Repeat("=", 100)
		fmt.Fprintf(&texts, "\n%s\n%s %s (%s)\n%s\n\n%s\n", line, m.Path, m.Version, name, line, strings.TrimSpace(text))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "Licences of the software that is shipped with Data Transfer Hub.\n\n%s%s", list.String(), texts.String())
	return err
}

// shipped returns the modules of others that the packages of a folder are built from, by path.
func shipped(in string, packages []string) ([]module, error) {
	found := map[string]module{}
	for _, p := range platforms() {
		cmd := exec.Command("go", append([]string{"list", "-deps", "-tags", "lambda.norpc", "-json=Module"}, packages...)...)
		cmd.Env = append(os.Environ(), "GOOS="+p[0], "GOARCH="+p[1], "CGO_ENABLED=0")
		cmd.Dir, cmd.Stderr = in, os.Stderr
		listed, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		for d := json.NewDecoder(bytes.NewReader(listed)); ; {
			var one struct {
				Module *struct {
					module
					Main bool
				}
			}
			if err := d.Decode(&one); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, err
			}
			if one.Module != nil && !one.Module.Main {
				found[one.Module.Path] = one.Module.module
			}
		}
	}
	var out []module
	for _, path := range slices.Sorted(maps.Keys(found)) {
		out = append(out, found[path])
	}
	return out, nil
}

var licenceFile = regexp.MustCompile(`(?i)^(licen[sc]e|copying|notice|patents)([-.].*)?$`)

// licenceOf returns the texts of a module's licence and notices.
func licenceOf(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, e := range entries {
		if e.IsDir() || !licenceFile.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%s\n\n", bytes.TrimSpace(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))))
	}
	if b.Len() == 0 {
		return "", errors.New("there is no licence file")
	}
	return b.String(), nil
}

// kindOf names the licences of a text by words that no other has, "" where none is found. Some modules carry code of others
// and so have several.
func kindOf(text string) string {
	words := strings.Join(strings.Fields(text), " ")
	var found []string
	for _, k := range []struct{ name, says string }{
		{"Apache-2.0", "Apache License Version 2.0"},
		{"MPL-2.0", "Mozilla Public License Version 2.0"},
		{"MPL-2.0", "Mozilla Public License, version 2.0"},
		{"BSD-3-Clause", "Neither the name"},
		{"BSD-3-Clause", "may not be used to endorse or promote products"},
		{"BSD-2-Clause", "Redistributions in binary form must reproduce"},
		{"MIT", "Permission is hereby granted, free of charge"},
		{"ISC", "Permission to use, copy, modify, and/or distribute this software"},
		{"ISC", "Permission to use, copy, modify, and distribute this software"},
		{"Public domain", "disclaims copyright to this source code"},
	} {
		// A licence of three clauses holds the words of that of two.
		if strings.Contains(words, k.says) && !slices.Contains(found, k.name) && !(k.name == "BSD-2-Clause" && slices.Contains(found, "BSD-3-Clause")) {
			found = append(found, k.name)
		}
	}
	return strings.Join(found, ", ")
}
