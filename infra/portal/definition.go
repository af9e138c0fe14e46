package portal

import (
	"fmt"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/formatter"
	"github.com/vektah/gqlparser/v2/parser"
)

// The directives that open types and fields to a mode of authorization.
// https://docs.aws.amazon.com/appsync/latest/devguide/security-authz.html#using-additional-authorization-modes
const (
	byUserPool = "aws_cognito_user_pools"
	byOpenID   = "aws_oidc"
	byIAM      = "aws_iam"
)

// parsed reads a schema.
func parsed(schema string) (*ast.SchemaDocument, error) {
	document, err := parser.ParseSchema(&ast.Source{Name: "schema.graphql", Input: schema})
	if err != nil {
		return nil, fmt.Errorf("the schema of the API cannot be read: %w", err)
	}
	return document, nil
}

// definition is the schema in the form that AppSync takes for an API with several modes of authorization: what has no directive is
// open to the default mode alone, so every object type names all modes. A type's fields follow it, unless they name modes
// themselves.
//
// Descriptions and comments stay behind. AppSync refuses a schema with descriptions in quotes, and one whose comments have null or
// true at some places: https://github.com/aws/aws-appsync-community/issues/38 and /410.
func definition(schema string, modes ...string) (string, error) {
	document, err := parsed(schema)
	if err != nil {
		return "", err
	}
	fold(document)
	for _, d := range document.Definitions {
		if d.Kind == ast.Object {
			open(d, modes)
		}
	}
	var out strings.Builder
	formatter.NewFormatter(&out, formatter.WithIndent("  "), formatter.WithoutDescription()).FormatSchemaDocument(document)
	return out.String(), nil
}

// fold puts the fields of extensions into the types that they extend, so that the modes of those are theirs, too.
func fold(document *ast.SchemaDocument) {
	for _, extension := range document.Extensions {
		if d := document.Definitions.ForName(extension.Name); d != nil {
			d.Fields = append(d.Fields, extension.Fields...)
		}
	}
	document.Extensions = nil
}

// open names modes on a type that does not name them yet.
func open(d *ast.Definition, modes []string) {
	for _, mode := range modes {
		if d.Directives.ForName(mode) == nil {
			d.Directives = append(d.Directives, &ast.Directive{Name: mode})
		}
	}
}

// field is one that the API's Lambda answers: Query.tasks.
type field struct{ parent, name string }

// rootFields are the fields of a schema's Query and Mutation, in their order.
func rootFields(schema string) ([]field, error) {
	document, err := parsed(schema)
	if err != nil {
		return nil, err
	}
	var fields []field
	for _, definitions := range []ast.DefinitionList{document.Definitions, document.Extensions} {
		for _, d := range definitions {
			if d.Name != "Query" && d.Name != "Mutation" {
				continue
			}
			for _, f := range d.Fields {
				fields = append(fields, field{d.Name, f.Name})
			}
		}
	}
	if len(fields) == 0 {
		return nil, fmt.Errorf("the schema of the API has no fields of Query or Mutation")
	}
	return fields, nil
}
