package portal

import (
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/datatransferhub/dth/lambda/api/schema"
)

// Callers by IAM reach what people reach: every object type of the real schema names both modes, because AppSync opens to the
// default mode alone what names none. No field narrows that.
func TestEveryTypeIsOpenToBothModes(t *testing.T) {
	for v, mode := range map[Variant]string{Cognito: "aws_cognito_user_pools", OpenID: "aws_oidc"} {
		document := reread(t, v, schema.Text())
		objects := 0
		for _, d := range document.Definitions {
			if d.Kind != ast.Object {
				if len(d.Directives) > 0 {
					t.Errorf("%s: %s %s has directives, which AppSync takes on object types and fields alone", v, d.Kind, d.Name)
				}
				continue
			}
			objects++
			if d.Directives.ForName(mode) == nil || d.Directives.ForName("aws_iam") == nil || len(d.Directives) != 2 {
				t.Errorf("%s: %s has %d directives, not @%s and @aws_iam", v, d.Name, len(d.Directives), mode)
			}
			for _, f := range d.Fields {
				if len(f.Directives) > 0 {
					t.Errorf("%s: %s.%s has directives of its own", v, d.Name, f.Name)
				}
			}
		}
		if objects < 30 {
			t.Errorf("%s: only %d object types", v, objects)
		}
	}
}

// reread returns the schema of a variant's template, read back.
func reread(t *testing.T, v Variant, text string) *ast.SchemaDocument {
	t.Helper()
	out, err := definition(text, v.mode(), byIAM)
	if err != nil {
		t.Fatal(err)
	}
	document, err := parsed(out)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return document
}

// AppSync refuses schemas with descriptions, and some with comments. What remains is the same schema.
func TestDefinitionHasNoDescriptions(t *testing.T) {
	out, err := definition(schema.Text(), byUserPool, byIAM)
	if err != nil {
		t.Fatal(err)
	}
	for number, line := range strings.Split(out, "\n") {
		if strings.ContainsAny(line, `"#`) {
			t.Errorf("line %d: %s", number+1, line)
		}
	}
	before, err := parsed(schema.Text())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := shape(reread(t, Cognito, schema.Text())), shape(before); got != want {
		t.Errorf("the schema changed:\n%s\nwas\n%s", got, want)
	}
}

// shape says what types a schema has, with their fields, arguments and values.
func shape(document *ast.SchemaDocument) string {
	var b strings.Builder
	for _, d := range document.Definitions {
		b.WriteString(string(d.Kind) + " " + d.Name + "\n")
		for _, f := range d.Fields {
			b.WriteString("  " + f.Name)
			for _, a := range f.Arguments {
				b.WriteString(" " + a.Name + ":" + a.Type.String())
			}
			b.WriteString(" -> " + f.Type.String() + "\n")
		}
		for _, v := range d.EnumValues {
			b.WriteString("  " + v.Name + "\n")
		}
	}
	return b.String()
}

// A directive that is there stays, and is not written twice.
func TestDefinitionKeepsDirectives(t *testing.T) {
	out, err := definition("type Query @aws_iam { a: String @aws_iam }\ninput I { a: String = \"x\" }", byOpenID, byIAM)
	if want := "type Query @aws_iam @aws_oidc {\n  a: String @aws_iam\n}\ninput I {\n  a: String = \"x\"\n}\n"; err != nil || out != want {
		t.Errorf("%v\n%s", err, out)
	}
}

// The template carries that schema, not the file.
func TestTemplateCarriesTheDefinition(t *testing.T) {
	each(t, func(t *testing.T, v Variant, tmpl *template) {
		want, err := definition(sampleSchema, v.mode(), byIAM)
		if err != nil {
			t.Fatal(err)
		}
		if got := tmpl.properties("ApiSchema")["Definition"]; got != want {
			t.Errorf("the schema is\n%v\nwant\n%s", got, want)
		}
		if strings.Count(want, "@aws_iam") != 3 || !strings.Contains(want, "  hub: String\n}") {
			t.Errorf("the sample's three types are not all open to IAM, with the field of the extension:\n%s", want)
		}
	})
}
