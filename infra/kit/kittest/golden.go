package kittest

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Golden compares a template, as Print gives it, with the one that a file keeps. With update the file is written anew.
func Golden(t *testing.T, file, got string, update bool) {
	t.Helper()
	if update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); d != "" {
		t.Errorf("the template changed; if it should have, run this test with -update\n%s", d)
	}
}

// Print prints the sections of a template but those that are left out: a line for each value that fits one, a tree of lines for
// the others.
func Print(template map[string]any, without ...string) string {
	var b strings.Builder
	for _, section := range slices.Sorted(maps.Keys(template)) {
		if slices.Contains(without, section) {
			continue
		}
		fmt.Fprintf(&b, "\n== %s\n", section)
		part, ok := template[section].(map[string]any)
		if !ok {
			fmt.Fprintln(&b, Compact(template[section]))
			continue
		}
		for _, id := range slices.Sorted(maps.Keys(part)) {
			lines(&b, "", id, part[id])
		}
	}
	return b.String()
}

const widest = 140

func lines(b *strings.Builder, indent, name string, value any) {
	text := Compact(value)
	members, isObject := value.(map[string]any)
	list, isList := value.([]any)
	switch {
	case len(indent)+len(name)+len(text) <= widest || !isObject && !isList:
		if s, ok := value.(string); ok && strings.Contains(s, "\n") {
			text = "|\n" + indent + "  " + strings.ReplaceAll(s, "\n", "\n"+indent+"  ")
		}
		fmt.Fprintf(b, "%s%s: %s\n", indent, name, text)
	case isObject:
		fmt.Fprintf(b, "%s%s:\n", indent, name)
		for _, key := range slices.Sorted(maps.Keys(members)) {
			lines(b, indent+"  ", key, members[key])
		}
	default:
		fmt.Fprintf(b, "%s%s:\n", indent, name)
		for _, element := range list {
			lines(b, indent+"  ", "-", element)
		}
	}
}

// Compact prints a value as JSON without spaces, keys sorted.
func Compact(value any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(b.String(), "\n")
}
