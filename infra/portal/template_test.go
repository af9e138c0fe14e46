package portal

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/infra/kit/kittest"
	"github.com/datatransferhub/dth/lambda/api/schema"
)

func TestMain(m *testing.M) { os.Exit(kittest.Run(m)) }

// sampleSchema has a root field of each kind, one of them in an extension. What the real schema has is not this package's business.
const sampleSchema = `
schema { query: Query mutation: Mutation }
type Query { tasks(first: Int): [Task!]! task(id: ID!): Task }
type Mutation { createTask(name: String!): Task }
type Task { id: ID! name: String! created: AWSDateTime }
extend type Query { hub: String }
`

// template is a synthesized template with ways to look into it.
type template struct {
	text []byte
	object
}

// standIns are files in the places of the built ones. Their content never changes, and so their hashes.
func standIns(t *testing.T) kit.Assets {
	t.Helper()
	assets := kit.Assets{Lambdas: t.TempDir()}
	for _, name := range lambdaNames() {
		file := filepath.Join(assets.Lambdas, name, "bootstrap")
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("stand-in for "+name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return assets
}

// synth writes both variants once more, with the sample schema.
func synth(t *testing.T, published *kit.Published) map[Variant]*template {
	t.Helper()
	return synthWith(t, published, API{sampleSchema, schema.Resolver()})
}

func synthWith(t *testing.T, published *kit.Published, api API) map[Variant]*template {
	t.Helper()
	assets := standIns(t)
	assets.Published = published
	out := t.TempDir()
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: &out, AnalyticsReporting: new(false), TreeMetadata: new(false)})
	for _, v := range Variants() {
		if _, err := New(app, assets, "v0.0.0", v, api); err != nil {
			t.Fatal(err)
		}
	}
	app.Synth(nil)
	templates := map[Variant]*template{}
	for _, v := range Variants() {
		text, err := os.ReadFile(filepath.Join(out, string(v)+".template.json"))
		if err != nil {
			t.Fatal(err)
		}
		templates[v] = &template{text: text}
		if err := json.Unmarshal(text, &templates[v].object); err != nil {
			t.Fatal(err)
		}
	}
	return templates
}

var once struct {
	sync.Mutex
	released map[Variant]*template
}

// released are the templates of the released form, written once for all tests that only read them.
func released(t *testing.T) map[Variant]*template {
	t.Helper()
	once.Lock()
	defer once.Unlock()
	if once.released == nil {
		once.released = synth(t, &kit.Published{BucketPrefix: "example", Version: "v0.0.0"})
	}
	return once.released
}

// each runs a test on both variants.
func each(t *testing.T, test func(t *testing.T, v Variant, tmpl *template)) {
	t.Helper()
	for _, v := range Variants() {
		t.Run(string(v), func(t *testing.T) { test(t, v, released(t)[v]) })
	}
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

// walk calls f with every value of a tree, outer ones first.
func walk(at any, f func(any)) {
	f(at)
	switch at := at.(type) {
	case object:
		for _, name := range slices.Sorted(maps.Keys(at)) {
			walk(at[name], f)
		}
	case list:
		for _, value := range at {
			walk(value, f)
		}
	}
}

// compact prints a value as JSON.
func compact(value any) string { return kittest.Compact(value) }
