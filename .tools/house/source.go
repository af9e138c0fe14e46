package house

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
)

// The rules on Go code beside those on imports.
const (
	ruleName = "a package is named for what it holds"
	ruleExit = "only main packages and cmd end the process; others return errors"
	ruleInit = "init does no work; what is needed is made where it is used"
	ruleOpen = "a database is opened in cmd and worker/database/databasesqlite"
	ruleDoc  = "exported names have a doc comment"
)

// vague are names that say nothing of what a package holds.
var vague = []string{"util", "utils", "common", "helper", "helpers", "misc", "shared", "base"}

// checkGo applies the rules on Go code.
func checkGo(tree *Tree) ([]Finding, error) {
	var findings []Finding
	for _, name := range tree.Files {
		if !strings.HasSuffix(name, ".go") || strings.Contains("/"+name, "/testdata/") {
			continue
		}
		content, err := tree.Read(name)
		if err != nil {
			return nil, err
		}
		set := token.NewFileSet()
		parsed, err := parser.ParseFile(set, name, content, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		file := &source{name: name, dir: folder(path.Dir(name)), set: set, syntax: parsed}
		file.check()
		findings = append(findings, file.findings...)
	}
	return findings, nil
}

// source is one parsed Go file.
type source struct {
	name     string
	dir      folder
	set      *token.FileSet
	syntax   *ast.File
	findings []Finding
}

func (s *source) report(at token.Pos, rule, format string, args ...any) {
	s.findings = append(s.findings, Finding{
		File: s.name, Line: s.set.Position(at).Line, What: fmt.Sprintf(format, args...), Rule: rule,
	})
}

func (s *source) check() {
	s.checkImports()
	own := strings.TrimSuffix(s.syntax.Name.Name, "_test")
	if slices.Contains(vague, own) || slices.Contains(vague, path.Base(string(s.dir))) {
		s.report(s.syntax.Name.Pos(), ruleName, "package %s in %s", own, s.dir)
	}
	if ast.IsGenerated(s.syntax) {
		return
	}
	for _, declaration := range s.syntax.Decls {
		s.checkDeclaration(declaration)
	}
	s.checkCalls()
}

func (s *source) checkImports() {
	for _, spec := range s.syntax.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser has seen it
		}
		rule := guardedRule(s.dir, s.syntax.Name.Name, imported)
		if to, found := ours(imported); found {
			rule = importRule(s.dir, to)
		}
		if rule != "" {
			s.report(spec.Pos(), rule, "imports %s", imported)
		}
	}
}

func (s *source) isTest() bool { return strings.HasSuffix(s.name, "_test.go") }

func (s *source) checkDeclaration(declaration ast.Decl) {
	exporting := s.syntax.Name.Name != "main" && !s.isTest()
	switch d := declaration.(type) {
	case *ast.FuncDecl:
		if d.Name.Name == "init" && d.Recv == nil && d.Body != nil && len(d.Body.List) > 0 {
			s.report(d.Pos(), ruleInit, "func init with a body")
		}
		if exporting && d.Recv == nil && d.Name.IsExported() && d.Doc == nil {
			s.report(d.Pos(), ruleDoc, "func %s has none", d.Name.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			named, ok := spec.(*ast.TypeSpec)
			if ok && exporting && named.Name.IsExported() && d.Doc == nil && named.Doc == nil && named.Comment == nil {
				s.report(named.Pos(), ruleDoc, "type %s has none", named.Name.Name)
			}
		}
	}
}

// checkCalls looks for calls that end the process or open a database.
func (s *source) checkCalls() {
	names := s.importNames()
	mayOpen := s.dir.below("cmd") || s.dir.below("worker/database/databasesqlite")
	for _, declaration := range s.syntax.Decls {
		function, _ := declaration.(*ast.FuncDecl)
		mayExit := s.syntax.Name.Name == "main" || s.dir.below("cmd") ||
			s.isTest() && function != nil && function.Recv == nil && function.Name.Name == "TestMain"
		ast.Inspect(declaration, func(node ast.Node) bool {
			selector, ok := node.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			qualifier, ok := selector.X.(*ast.Ident)
			if !ok {
				return true
			}
			called := names[qualifier.Name] + "." + selector.Sel.Name
			switch called {
			case "os.Exit", "log.Fatal", "log.Fatalf", "log.Fatalln":
				if !mayExit {
					s.report(selector.Pos(), ruleExit, "uses %s", called)
				}
			case "database/sql.Open", "database/sql.OpenDB":
				if !mayOpen {
					s.report(selector.Pos(), ruleOpen, "uses %s", called)
				}
			}
			return true
		})
	}
}

// importNames maps the names that imports have in this file to their paths. Only the standard library
// matters here, whose packages are named as their paths end.
func (s *source) importNames() map[string]string {
	names := map[string]string{}
	for _, spec := range s.syntax.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		name := path.Base(imported)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = imported
	}
	return names
}
