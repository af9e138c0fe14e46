package wiring_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/lambda/wiring"
)

// reads finds the variables that a program reads.
var reads = regexp.MustCompile(`os\.Getenv\(wiring\.(\w+)\)`)

// A Lambda is given every variable that its program reads, and no other.
func TestLambdasAreGivenWhatTheyRead(t *testing.T) {
	values := constants(t)
	for _, l := range slices.Concat(wiring.Lambdas(), wiring.FrontLambdas()) {
		source, err := os.ReadFile(filepath.Join("..", l.Name, "main/main.go"))
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

// constants returns the texts of the package's constants by name.
func constants(t *testing.T) map[string]string {
	t.Helper()
	values := map[string]string{}
	for _, name := range []string{"wiring.go", "front.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
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
	}
	return values
}

// Every machine calls a Lambda that is there, and only those that continue start executions.
func TestMachines(t *testing.T) {
	for _, m := range wiring.Machines() {
		if !slices.ContainsFunc(wiring.Lambdas(), func(l wiring.Lambda) bool { return l.Name == m.Lambda }) {
			t.Errorf("machine %s calls %s, which is no Lambda", m.ID, m.Lambda)
		}
		if starts := strings.Contains(m.Definition, ":states:startExecution"); starts != m.Continues {
			t.Errorf("machine %s continues: %t", m.ID, m.Continues)
		}
	}
}

// The mirror is invoked for the events that plugins tell, and for no others: a monitor is started by FinderStarted.
func TestRunEvents(t *testing.T) {
	pattern := wiring.RunEvents()
	if kinds, ok := pattern["detail-type"].([]any); !ok || !slices.Equal(kinds, []any{"RunStarted", "RunProgress", "RunClosed"}) {
		t.Errorf("the pattern is %v", pattern)
	}
	if sources, ok := pattern["source"].([]any); !ok || !slices.Equal(sources, []any{"datatransferhub.s3", "datatransferhub.ecr"}) {
		t.Errorf("the pattern is %v", pattern)
	}
}
