package api_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/datatransferhub/dth/lambda/api"
	"github.com/datatransferhub/dth/lambda/task"
)

// operation is one of testdata/operations.yaml: what somebody asks, the lowest role that may, and what those read who may.
type operation struct {
	Name      string         `yaml:"name"`
	Role      task.Role      `yaml:"role"`
	Early     bool           `yaml:"early"` // the schema itself refuses it, whoever asks
	Ask       string         `yaml:"ask"`
	Variables map[string]any `yaml:"variables"`
	Data      any            `yaml:"data"`  // all of it
	Error     map[string]any `yaml:"error"` // what is named here has this value; code always is
}

func operations(t testing.TB) (all []operation) {
	t.Helper()
	text, err := os.ReadFile("testdata/operations.yaml")
	if err == nil {
		err = yaml.UnmarshalWithOptions(text, &all, yaml.Strict())
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

var people = []task.Caller{
	{Name: "ada@example.com", Role: task.Admin},
	{Name: "olaf@example.com", Role: task.Operator},
	{Name: "vera@example.com", Role: task.Viewer},
	{Name: "sten@example.com"}, // known, without a role
	{},                         // not signed in
}

var rank = map[task.Role]int{task.Viewer: 1, task.Operator: 2, task.Admin: 3}

// TestOperationsAnswerAlike asks everything of testdata/operations.yaml at both doors, as each caller. What changes something is
// asked of a new hub each time.
func TestOperationsAnswerAlike(t *testing.T) {
	for _, o := range operations(t) {
		t.Run(o.Name, func(t *testing.T) {
			t.Parallel()
			first, _ := newHub(t, t.Output())
			second, _ := newHub(t, t.Output())
			hubs := [2]*api.API{first, second}
			for i := len(people) - 1; i >= 0; i-- { // those who are refused come first
				c := people[i]
				var got [2]answer
				for d, enter := range []entrance{byHTTP, byAppSync} {
					got[d] = enter(t, hubs[d], c, o.Ask, jsonOf(t, o.Variables).(map[string]any))
					if strings.HasPrefix(o.Ask, "mutation") && rank[c.Role] >= rank[o.Role] {
						hubs[d], _ = newHub(t, t.Output())
					}
				}
				if diff := cmp.Diff(got[0], got[1]); diff != "" {
					t.Errorf("as %q, over HTTP (-) and behind AppSync (+):\n%s", c.Name, diff)
				}
				o.judge(t, c, got[0])
			}
		})
	}
}

// judge compares an answer with what the file says, or with the refusal that the caller has to get.
func (o *operation) judge(t *testing.T, c task.Caller, got answer) {
	t.Helper()
	want, next := o.Error, false
	switch {
	case o.Early:
	case c.Name == "":
		want, next = map[string]any{"code": "UNAUTHENTICATED"}, true
	case rank[c.Role] < rank[o.Role]:
		want, next = map[string]any{"code": "FORBIDDEN"}, true
	}
	if want == nil {
		if diff := cmp.Diff(jsonOf(t, o.Data), any(got.Data)); diff != "" || got.Error != nil {
			t.Errorf("as %q: error %v; data, want (-) and got (+):\n%s", c.Name, got.Error, diff)
		}
		return
	}
	for name, value := range jsonOf(t, want).(map[string]any) {
		if diff := cmp.Diff(value, got.Error[name]); diff != "" {
			t.Errorf("%s of the error %v, want (-) and got (+):\n%s", name, got.Error, diff)
		}
	}
	if next && got.Error["next"] == nil {
		t.Errorf("the error %v has no next step", got.Error)
	}
}

// jsonOf gives a value the types that JSON has.
func jsonOf(t testing.TB, v any) (out any) {
	t.Helper()
	text, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		t.Fatal(err)
	}
	if out == nil {
		return map[string]any(nil)
	}
	return out
}

// TestEveryFieldIsAskedFor keeps the file whole: every root field is asked for, and answers at least once.
func TestEveryFieldIsAskedFor(t *testing.T) {
	s := contract(t)
	answered := map[string]bool{}
	for _, o := range operations(t) {
		document, errs := gqlparser.LoadQueryWithRules(s, o.Ask, rules.NewDefaultRules())
		if errs != nil {
			t.Errorf("%s: %v", o.Name, errs)
			continue
		}
		if rank[o.Role] == 0 || (o.Data == nil) == (o.Error == nil) {
			t.Errorf("%s: required are a role, and data or an error", o.Name)
		}
		for _, chosen := range document.Operations[0].SelectionSet {
			if field := chosen.(*ast.Field); o.Error == nil {
				answered[field.Name] = true
			}
		}
	}
	for _, root := range []*ast.Definition{s.Query, s.Mutation} {
		for _, field := range root.Fields {
			if field.Name[0] != '_' && !answered[field.Name] {
				t.Errorf("%s.%s is answered nowhere in the file", root.Name, field.Name)
			}
		}
	}
}
