package wiring

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

// reads finds the variables that a program reads.
var reads = regexp.MustCompile(`os\.Getenv\(wiring\.(\w+)\)`)

// A Lambda is given every variable that its program reads, and no other.
func TestLambdasAreGivenWhatTheyRead(t *testing.T) {
	values := constants(t)
	for _, l := range Lambdas() {
		source, err := os.ReadFile(filepath.Join("../../../lambda", l.Name, "main/main.go"))
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, found := range reads.FindAllStringSubmatch(string(source), -1) {
			want = append(want, values[found[1]])
		}
		slices.Sort(want)
		want = slices.Compact(want)
		if got := slices.Sorted(slices.Values(l.Environment)); !slices.Equal(got, want) {
			t.Errorf("%s is given %v and reads %v", l.Name, got, want)
		}
	}
}

// constants returns the texts of this package's constants by name.
func constants(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "wiring.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for i, name := range spec.Names {
			if literal, ok := spec.Values[i].(*ast.BasicLit); ok && literal.Kind == token.STRING {
				if values[name.Name], err = strconv.Unquote(literal.Value); err != nil {
					t.Fatal(err)
				}
			}
		}
		return true
	})
	return values
}
