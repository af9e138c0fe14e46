package api

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/datatransferhub/dth/lambda/api/generated"
	"github.com/datatransferhub/dth/lambda/task"
)

// Event is what AppSync gives a Lambda for one root field
// (https://docs.aws.amazon.com/appsync/latest/devguide/resolver-context-reference.html).
type Event struct {
	Arguments map[string]any `json:"arguments"`
	Identity  *Identity      `json:"identity"`
	Info      struct {
		FieldName      string `json:"fieldName"`
		ParentTypeName string `json:"parentTypeName"`
	} `json:"info"`
}

// Identity is who asks, as AppSync has verified it. Which fields are there depends on how: by a user pool, by an OpenID Connect
// provider, or by IAM.
type Identity struct {
	Sub      string         `json:"sub"`
	Issuer   string         `json:"issuer"`
	Username string         `json:"username"`
	Claims   map[string]any `json:"claims"`
	UserARN  string         `json:"userArn"`
}

// Reply is what the resolver's code goes on with: data, or an error for util.error.
type Reply struct {
	Data  json.RawMessage `json:"data,omitempty"`
	Error *ReplyError     `json:"error,omitempty"`
}

// ReplyError is an error with its extensions.
type ReplyError struct {
	Message string         `json:"message"`
	Code    string         `json:"code"`
	Info    map[string]any `json:"info"`
}

// AppSync answers events. Each root field has one operation, which asks for everything that the field's type has: AppSync
// takes from the answer what the caller asked for.
type AppSync struct {
	API *API
	// GroupsClaim is the claim that carries the groups of people; their names are those of the roles.
	GroupsClaim string
	// Callers gives roles to callers by IAM: the first whose pattern matches the ARN of the user or role.
	Callers []IAMRole

	operations map[string]string
}

// IAMRole is the role of callers by IAM.
type IAMRole struct {
	ARN  *regexp.Regexp
	Role task.Role
}

// NewAppSync prepares the operations.
func NewAppSync(a *API, groupsClaim string, callers []IAMRole) *AppSync {
	schema := generated.NewExecutableSchema(generated.Config{}).Schema()
	s := &AppSync{API: a, GroupsClaim: groupsClaim, Callers: callers, operations: map[string]string{}}
	for _, root := range []*ast.Definition{schema.Query, schema.Mutation} {
		for _, field := range root.Fields {
			if !strings.HasPrefix(field.Name, "__") {
				s.operations[root.Name+"."+field.Name] = operation(schema, root, field)
			}
		}
	}
	return s
}

// Operation returns the operation of a root field, as in Query.tasks; "" when the schema has no such field.
func (s *AppSync) Operation(field string) string { return s.operations[field] }

// operation is the operation of one root field with its arguments as variables of the same names.
func operation(schema *ast.Schema, root *ast.Definition, field *ast.FieldDefinition) string {
	var variables, arguments []string
	for _, a := range field.Arguments {
		variables = append(variables, "$"+a.Name+": "+a.Type.String())
		arguments = append(arguments, a.Name+": $"+a.Name)
	}
	paren := func(list []string) string {
		if len(list) == 0 {
			return ""
		}
		return "(" + strings.Join(list, ", ") + ")"
	}
	return strings.ToLower(root.Name) + paren(variables) + " { " + field.Name + paren(arguments) + selection(schema, field.Type.Name(), maxDepth) + " }"
}

// maxDepth bounds how deep a selection goes; a type that holds itself would have no end.
const maxDepth = 8

// selection asks for all fields of a type.
func selection(schema *ast.Schema, name string, depth int) string {
	def := schema.Types[name]
	if def == nil || def.Kind != ast.Object || depth == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(" {")
	for _, f := range def.Fields {
		if strings.HasPrefix(f.Name, "__") {
			continue
		}
		b.WriteString(" " + f.Name + selection(schema, f.Type.Name(), depth-1))
	}
	return b.String() + " }"
}

// Handle answers an event.
func (s *AppSync) Handle(ctx context.Context, e Event) (Reply, error) {
	name := e.Info.ParentTypeName + "." + e.Info.FieldName
	query, known := s.operations[name]
	if !known {
		return Reply{}, fmt.Errorf("the schema has no field %s", name)
	}
	text := s.API.Do(task.WithCaller(ctx, s.caller(e.Identity)), graphql.RawParams{Query: query, Variables: e.Arguments})
	var answer struct {
		Data   map[string]json.RawMessage `json:"data"`
		Errors []struct {
			Message    string         `json:"message"`
			Extensions map[string]any `json:"extensions"`
		} `json:"errors"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return Reply{}, fmt.Errorf("the answer of %s cannot be read: %w", name, err)
	}
	if len(answer.Errors) > 0 {
		first := answer.Errors[0]
		code, _ := first.Extensions["code"].(string)
		return Reply{Error: &ReplyError{Message: first.Message, Code: code, Info: first.Extensions}}, nil
	}
	return Reply{Data: answer.Data[e.Info.FieldName]}, nil
}

// caller returns who asks. AppSync has verified the identity; a person without groups, and a caller by IAM whom no rule
// names, may do nothing.
func (s *AppSync) caller(i *Identity) task.Caller {
	switch {
	case i == nil:
		return task.Caller{}
	case i.UserARN != "":
		c := task.Caller{Name: i.UserARN}
		for _, rule := range s.Callers {
			if rule.ARN.MatchString(i.UserARN) {
				c.Role = rule.Role
				break
			}
		}
		return c
	}
	c := task.Caller{Name: i.Sub, Role: task.Highest(texts(i.Claims[s.GroupsClaim]))}
	for _, name := range []any{i.Claims["email"], i.Claims["preferred_username"], i.Username} {
		if text, ok := name.(string); ok && text != "" {
			c.Name = text
			break
		}
	}
	return c
}

// texts reads a claim that is a list, or one text with names between commas or white space.
func texts(claim any) (all []string) {
	switch v := claim.(type) {
	case string:
		return strings.FieldsFunc(strings.Trim(v, "[]"), func(r rune) bool { return r == ',' || r == ' ' || r == '"' })
	case []any:
		for _, x := range v {
			if text, ok := x.(string); ok {
				all = append(all, text)
			}
		}
	}
	return all
}
