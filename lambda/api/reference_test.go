package api_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/datatransferhub/dth/lambda/api/generated"
)

var update = flag.Bool("update", false, "write docs/api.md")

const apiHeading = `# The API

GraphQL, at AppSync in the cloud and at /graphql of a hub on one machine. The schema is
[schema.graphql](../lambda/api/schema/schema.graphql); this page is made from it by ` + "`go test ./lambda/api -update`" + `.

- **Who asks**: in the cloud an id token of the hub's user pool or OpenID Connect provider, or a signature by IAM; on one machine the token of
  the file ` + "`token`" + ` in the data folder, as a bearer token. Roles are the groups viewer, operator and admin.
- **Errors** carry in ` + "`extensions`" + ` (AppSync: ` + "`errorInfo`" + `) a ` + "`code`" + `, and where they apply ` + "`field`, `value`, `next`" + ` (what to do now) and
  ` + "`others`" + ` (all else that is wrong with the same arguments). Codes: INVALID, NOT_FOUND, WRONG_STATE, CONFLICT, FORBIDDEN, UNAUTHENTICATED, UNAVAILABLE,
  TOO_LARGE, INTERNAL.
- **Lists** have cursors: pass ` + "`pageInfo.endCursor`" + ` as ` + "`after`" + `. A page may be shorter than asked for, also empty, although more follow.
- **Numbers** of objects and bytes are whole, of type Float, because GraphQL's Int ends at 2^31. Times are UTC.
- **Repeating** a call is safe with a client token: createTask, runTask, retryObjects.
`

// reference writes the schema as Markdown.
func reference(schema *ast.Schema) string {
	var b strings.Builder
	b.WriteString(apiHeading)
	for _, root := range []*ast.Definition{schema.Query, schema.Mutation} {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| field | arguments | answer | |\n|---|---|---|---|\n", root.Name, root.Description)
		for _, f := range root.Fields {
			if strings.HasPrefix(f.Name, "__") {
				continue
			}
			var arguments []string
			for _, a := range f.Arguments {
				arguments = append(arguments, fmt.Sprintf("%s: %s", a.Name, typeLink(schema, a.Type)))
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.Name, strings.Join(arguments, ", "), typeLink(schema, f.Type), line(f.Description))
		}
	}
	b.WriteString("\n## Types\n")
	var names []string
	for name, d := range schema.Types {
		if !d.BuiltIn && d != schema.Query && d != schema.Mutation && d.Kind != ast.Scalar {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		definition(&b, schema, schema.Types[name])
	}
	return b.String()
}

func definition(b *strings.Builder, schema *ast.Schema, d *ast.Definition) {
	fmt.Fprintf(b, "\n### %s\n\n%s\n\n", d.Name, d.Description)
	if d.Kind == ast.Enum {
		b.WriteString("| value | |\n|---|---|\n")
		for _, v := range d.EnumValues {
			fmt.Fprintf(b, "| `%s` | %s |\n", v.Name, line(v.Description))
		}
		return
	}
	b.WriteString("| field | type | |\n|---|---|---|\n")
	for _, f := range d.Fields {
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", f.Name, typeLink(schema, f.Type), line(f.Description))
	}
}

func typeLink(schema *ast.Schema, t *ast.Type) string {
	name := t.Name()
	if d := schema.Types[name]; d != nil && !d.BuiltIn && d.Kind != ast.Scalar {
		return strings.Replace(t.String(), name, "["+name+"](#"+strings.ToLower(name)+")", 1)
	}
	return t.String()
}

func line(text string) string { return strings.ReplaceAll(text, "\n", " ") }

func TestReferenceIsCurrent(t *testing.T) {
	const file = "../../docs/api.md"
	want := reference(generated.NewExecutableSchema(generated.Config{}).Schema())
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != want {
		t.Errorf("%s is not what the schema says (%v); go test ./lambda/api -update writes it", file, err)
	}
}
