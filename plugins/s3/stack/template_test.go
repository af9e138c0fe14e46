package stack

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/infra/kit/kittest"
)

func TestMain(m *testing.M) { os.Exit(kittest.Run(m)) }

// object is a part of a template.
type object = map[string]any

// template is a synthesized template with ways to look into it.
type template struct {
	text []byte
	object
}

// standIns are files in the places of the built ones. Their content never changes, and so their hashes.
func standIns(t *testing.T) kit.Assets {
	t.Helper()
	dir := t.TempDir()
	assets := kit.Assets{Lambdas: filepath.Join(dir, "lambda"), Engines: filepath.Join(dir, "engine")}
	files := []string{filepath.Join(assets.Engines, "jobfinder"), filepath.Join(assets.Engines, "jobworker")}
	for _, name := range lambdaNames() {
		files = append(files, filepath.Join(assets.Lambdas, name, "bootstrap"))
	}
	for _, file := range files {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("stand-in for "+filepath.Base(filepath.Dir(file))), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return assets
}

// synth writes the template once more.
func synth(t *testing.T, published *kit.Published) *template {
	t.Helper()
	assets := standIns(t)
	assets.Published = published
	out := t.TempDir()
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: &out, AnalyticsReporting: new(false), TreeMetadata: new(false)})
	if _, err := New(app, assets, "v0.0.0"); err != nil {
		t.Fatal(err)
	}
	app.Synth(nil)
	text, err := os.ReadFile(filepath.Join(out, Name+".template.json"))
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &template{text: text}
	if err := json.Unmarshal(text, &tmpl.object); err != nil {
		t.Fatal(err)
	}
	return tmpl
}

var once struct {
	sync.Mutex
	released *template
}

// released is the template of the released form, written once for all tests that only read it.
func released(t *testing.T) *template {
	t.Helper()
	once.Lock()
	defer once.Unlock()
	if once.released == nil {
		once.released = synth(t, &kit.Published{BucketPrefix: "example", Version: "v0.0.0"})
	}
	return once.released
}

func (t *template) part(names ...string) object {
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

// properties returns the properties of a resource.
func (t *template) properties(id string) object { return t.part("Resources", id, "Properties") }

// each calls f with every value of a tree, outer ones first.
func each(at any, f func(any)) {
	f(at)
	switch at := at.(type) {
	case object:
		for _, name := range slices.Sorted(maps.Keys(at)) {
			each(at[name], f)
		}
	case []any:
		for _, value := range at {
			each(value, f)
		}
	}
}

// inText finds the names that a text of Fn::Sub takes in.
var inText = regexp.MustCompile(`\$\{([^!}]+)\}`)

// names returns what a value refers to: parameters, resources, pseudo parameters. Those that Fn::Sub is given values for are
// left out; the values are looked into.
func names(value any) []string {
	found := map[string]bool{}
	each(value, func(v any) {
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
		for _, in := range inText.FindAllStringSubmatch(text, -1) {
			if name, _, _ := strings.Cut(in[1], "."); own[name] == nil {
				found[name] = true
			}
		}
	})
	return slices.Sorted(maps.Keys(found))
}

// needs returns every resource that must exist before the one of an id.
func (t *template) needs(id string) map[string]bool {
	all := map[string]bool{}
	var visit func(string)
	visit = func(id string) {
		resource := t.part("Resources", id)
		next := names(resource["Properties"])
		switch on := resource["DependsOn"].(type) {
		case string:
			next = append(next, on)
		case []any:
			for _, name := range on {
				next = append(next, name.(string))
			}
		}
		for _, name := range next {
			if t.part("Resources", name) != nil && !all[name] {
				all[name] = true
				visit(name)
			}
		}
	}
	visit(id)
	return all
}

// of returns the ids of the resources of a type.
func (t *template) of(kind string) []string {
	var ids []string
	for id, r := range t.part("Resources") {
		if r.(object)["Type"] == kind {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// asserting lets CDK's assertions fail a test instead of ending the program.
func asserting(t *testing.T, check func(assertions.Template)) {
	t.Helper()
	defer func() {
		t.Helper()
		if failure := recover(); failure != nil {
			t.Error(failure)
		}
	}()
	content := released(t).object
	check(assertions.Template_FromJSON(&content, nil))
}
