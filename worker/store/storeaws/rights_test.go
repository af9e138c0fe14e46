package storeaws

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// operationsSent returns the names that the package's calls give themselves, from its source.
func operationsSent(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var ops []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if value := operationIn(n); value != nil {
				ops = append(ops, literal(t, name, value))
			}
			return true
		})
	}
	return ops
}

// operationIn returns what a piece of source sets a call's op to, nil where it sets none.
func operationIn(n ast.Node) ast.Expr {
	switch n := n.(type) {
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); ok && key.Name == "op" {
			return n.Value
		}
	case *ast.AssignStmt:
		if field, ok := n.Lhs[0].(*ast.SelectorExpr); ok && field.Sel.Name == "op" {
			return n.Rhs[0]
		}
	}
	return nil
}

func literal(t *testing.T, file string, value ast.Expr) string {
	t.Helper()
	text, ok := value.(*ast.BasicLit)
	if !ok {
		t.Fatalf("%s: an operation is not named by a literal, so that it cannot be checked", file)
	}
	op, err := strconv.Unquote(text.Value)
	if err != nil {
		t.Fatal(err)
	}
	return op
}

// Every request that this package can send has an action, and every action is among the rights of an end.
func TestEveryOperationIsDeclared(t *testing.T) {
	ops := operationsSent(t)
	if len(ops) < 14 {
		t.Errorf("only these operations were found: %v", ops)
	}
	used := map[string]bool{}
	for _, op := range ops {
		action := ActionOf(op)
		if action == "" || !slices.Contains(Actions(), action) {
			t.Errorf("%s needs %q, which is no right of any end", op, action)
		}
		used[action] = true
	}
	// These belong to what a request says, not to its operation.
	beside := []string{"s3:GetObjectVersion", "s3:GetObjectVersionTagging", "s3:PutObjectAcl", "s3:PutObjectTagging"}
	for _, action := range Actions() {
		if !used[action] && !slices.Contains(beside, action) {
			t.Errorf("%s is declared and no operation needs it", action)
		}
	}
}

func TestReadersDoNotWrite(t *testing.T) {
	for _, r := range []Rights{ReaderRights(), ComparerRights()} {
		for _, action := range slices.Concat(r.Bucket, r.Objects) {
			if !strings.HasPrefix(action, "s3:Get") && !strings.HasPrefix(action, "s3:List") {
				t.Errorf("a reader has %s", action)
			}
		}
	}
	if ActionOf("DeleteBucket") != "" {
		t.Error("an operation that is never sent has an action")
	}
}
