package stack

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata/template.txt anew")

// The whole template, a line a property, so that a change of the code shows what it changes for a deployed stack. Run the
// test with -update and read the difference.
func TestGolden(t *testing.T) {
	const file = "testdata/template.txt"
	got := golden(released(t))
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
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
		t.Errorf("the template changed; if it should have: go test ./plugins/s3/stack -run Golden -update\n%s", d)
	}
}

// golden prints a template: a line for each value that fits one, a tree of lines for the others.
func golden(t *template) string {
	var b strings.Builder
	for _, section := range slices.Sorted(maps.Keys(t.object)) {
		if section == "Parameters" || section == "Metadata" {
			continue // that they are the contract's is another test
		}
		fmt.Fprintf(&b, "\n== %s\n", section)
		part := t.part(section)
		if part == nil {
			fmt.Fprintln(&b, compact(t.object[section]))
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
	text := compact(value)
	members, isObject := value.(object)
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

// compact prints a value as JSON without spaces, keys sorted.
func compact(value any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(b.String(), "\n")
}
