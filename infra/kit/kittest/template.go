package kittest

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
)

// object is a part of a template.
type object = map[string]any

// Template is a synthesized template with ways to look into it.
type Template struct {
	Text []byte
	object
}

// Synth has a template written into an app of its own, and reads it.
func Synth(t *testing.T, name string, write func(app awscdk.App) error) *Template {
	t.Helper()
	out := t.TempDir()
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: &out, AnalyticsReporting: new(false), TreeMetadata: new(false)})
	if err := write(app); err != nil {
		t.Fatal(err)
	}
	app.Synth(nil)
	text, err := os.ReadFile(filepath.Join(out, name+".template.json"))
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &Template{Text: text}
	if err := json.Unmarshal(text, &tmpl.object); err != nil {
		t.Fatal(err)
	}
	return tmpl
}

// StandIns puts files into the places of built ones: below dir, the bootstraps of Lambdas and the programs. Their content never
// changes, and so their hashes.
func StandIns(t *testing.T, dir string, lambdas, engines []string) (lambdaDir, engineDir string) {
	t.Helper()
	lambdaDir, engineDir = filepath.Join(dir, "lambda"), filepath.Join(dir, "engine")
	var files []string
	for _, name := range engines {
		files = append(files, filepath.Join(engineDir, name))
	}
	for _, name := range lambdas {
		files = append(files, filepath.Join(lambdaDir, name, "bootstrap"))
	}
	for _, file := range files {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("stand-in for "+filepath.Base(filepath.Dir(file))), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return lambdaDir, engineDir
}

// All returns the whole template.
func (t *Template) All() map[string]any { return t.object }

// Write puts the template into a file.
func (t *Template) Write(tb testing.TB, name string) string {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), name+".template.json")
	if err := os.WriteFile(file, t.Text, 0o644); err != nil {
		tb.Fatal(err)
	}
	return file
}

// Part returns the object at a path; nil when there is none.
func (t *Template) Part(names ...string) object {
	at := t.object
	for _, name := range names {
		next, ok := at[name].(object)
		if !ok {
			return nil
		}
		at = next
	}
	return at
}

// Properties returns the properties of a resource.
func (t *Template) Properties(id string) object { return t.Part("Resources", id, "Properties") }

// Each calls f with every value of a tree, outer ones first.
func Each(at any, f func(any)) {
	f(at)
	switch at := at.(type) {
	case object:
		for _, name := range slices.Sorted(maps.Keys(at)) {
			Each(at[name], f)
		}
	case []any:
		for _, value := range at {
			Each(value, f)
		}
	}
}

// InText finds the names that a text of Fn::Sub takes in.
var InText = regexp.MustCompile(`\$\{([^!}]+)\}`)

// Names returns what a value refers to: parameters, resources, pseudo parameters. Those that Fn::Sub is given values for are
// left out; the values are looked into.
func Names(value any) []string {
	found := map[string]bool{}
	Each(value, func(v any) {
		o, ok := v.(object)
		if !ok || len(o) != 1 {
			return
		}
		if ref, ok := o["Ref"].(string); ok {
			found[ref] = true
		}
		if list, ok := o["Fn::GetAtt"].([]any); ok {
			found[list[0].(string)] = true
		}
		text, own := "", object{}
		switch sub := o["Fn::Sub"].(type) {
		case string:
			text = sub
		case []any:
			text, own = sub[0].(string), sub[1].(object)
		}
		for _, in := range InText.FindAllStringSubmatch(text, -1) {
			if name, _, _ := strings.Cut(in[1], "."); own[name] == nil {
				found[name] = true
			}
		}
	})
	return slices.Sorted(maps.Keys(found))
}

// Needs returns every resource that must exist before the one of an id.
func (t *Template) Needs(id string) map[string]bool {
	all := map[string]bool{}
	var visit func(string)
	visit = func(id string) {
		resource := t.Part("Resources", id)
		next := Names(resource["Properties"])
		switch on := resource["DependsOn"].(type) {
		case string:
			next = append(next, on)
		case []any:
			for _, name := range on {
				next = append(next, name.(string))
			}
		}
		for _, name := range next {
			if t.Part("Resources", name) != nil && !all[name] {
				all[name] = true
				visit(name)
			}
		}
	}
	visit(id)
	return all
}

// Of returns the ids of the resources of a type.
func (t *Template) Of(kind string) []string {
	var ids []string
	for id, r := range t.Part("Resources") {
		if r.(object)["Type"] == kind {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// Asserting lets CDK's assertions fail a test instead of ending the program.
func (t *Template) Asserting(tb testing.TB, check func(assertions.Template)) {
	tb.Helper()
	defer func() {
		tb.Helper()
		if failure := recover(); failure != nil {
			tb.Error(failure)
		}
	}()
	content := t.object
	check(assertions.Template_FromJSON(&content, nil))
}

// Statement is one of a synthesized role, whatever condition it is under.
type Statement struct {
	Sid, When string
	Actions   []string
	Resources []any
	Condition any
}

// Statements returns what a role of the template may do.
func (t *Template) Statements(role string) []Statement {
	var out []Statement
	for _, p := range t.Properties(role)["Policies"].([]any) {
		for _, s := range p.(object)["PolicyDocument"].(object)["Statement"].([]any) {
			found := Statement{}
			body := s.(object)
			if choice, ok := body["Fn::If"].([]any); ok {
				found.When, body = choice[0].(string), choice[1].(object)
			}
			found.Sid, _ = body["Sid"].(string)
			for _, a := range body["Action"].([]any) {
				found.Actions = append(found.Actions, a.(string))
			}
			found.Resources, found.Condition = body["Resource"].([]any), body["Condition"]
			out = append(out, found)
		}
	}
	return out
}
