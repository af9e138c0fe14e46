package api_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator"
	"github.com/vektah/gqlparser/v2/validator/rules"

	"github.com/datatransferhub/dth/lambda/api"
	"github.com/datatransferhub/dth/lambda/api/schema"
	"github.com/datatransferhub/dth/lambda/task"
)

// answer is what a caller reads at either entrance: data by the names that the operation asked for, or the first error.
type answer struct {
	Data  map[string]any
	Error map[string]any // message and what the extensions have
}

// entrance executes an operation of a caller.
type entrance func(t testing.TB, a *api.API, c task.Caller, query string, variables map[string]any) answer

func contract(t testing.TB) *ast.Schema {
	t.Helper()
	s, err := gqlparser.LoadSchema(&ast.Source{Name: "schema.graphql", Input: schema.Text()}, &ast.Source{Name: "prelude", Input: "scalar AWSDateTime"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// byHTTP is the entrance of a hub on one machine.
func byHTTP(t testing.TB, a *api.API, c task.Caller, query string, variables map[string]any) answer {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.ServeHTTP(w, r.WithContext(task.WithCaller(r.Context(), c)))
	}))
	defer server.Close()
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(server.URL, "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var got struct {
		Data   map[string]any
		Errors []struct {
			Message    string
			Extensions map[string]any
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if len(got.Errors) == 0 {
		return answer{Data: got.Data}
	}
	return answer{Error: failure(got.Errors[0].Message, got.Errors[0].Extensions)}
}

func failure(message string, extensions map[string]any) map[string]any {
	e := map[string]any{"message": message}
	for name, value := range extensions {
		e[name] = value
	}
	return e
}

// byAppSync is the entrance of a hub in the cloud. It does what AppSync does around a direct resolver, and no more: checks the
// operation against the schema, resolves its variables, hands each root field over in the form that the resolver's code gives
// it, and takes from the answer what was asked for.
func byAppSync(t testing.TB, a *api.API, c task.Caller, query string, variables map[string]any) answer {
	t.Helper()
	s := contract(t)
	document, errs := gqlparser.LoadQueryWithRules(s, query, rules.NewDefaultRules())
	if errs != nil {
		t.Fatalf("AppSync would refuse the operation: %v", errs)
	}
	op := document.Operations[0]
	values, err := validator.VariableValues(s, op, variables)
	if err != nil {
		t.Fatalf("AppSync would refuse the variables: %v", err)
	}
	adapter := api.NewAppSync(a, "cognito:groups", nil)
	out := answer{Data: map[string]any{}}
	for _, chosen := range op.SelectionSet {
		field := chosen.(*ast.Field)
		parent := map[ast.Operation]string{ast.Query: "Query", ast.Mutation: "Mutation"}[op.Operation]
		reply, err := adapter.Handle(t.Context(), event(t, parent, field.Name, listed(field.ArgumentMap(values)).(map[string]any), cognito(c)))
		if err != nil {
			t.Fatal(err)
		}
		if reply.Error != nil {
			return answer{Error: failure(reply.Error.Message, reply.Error.Info)}
		}
		var data any
		if err := json.Unmarshal(reply.Data, &data); err != nil {
			t.Fatal(err)
		}
		out.Data[field.Alias] = pruned(data, field.SelectionSet)
	}
	return out
}

// listed gives empty lists, of which the parser keeps nothing, their form.
func listed(v any) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = listed(v[i])
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for name := range v {
			out[name] = listed(v[name])
		}
		return out
	}
	return v
}

// event is what AppSync sends, through JSON as it is sent.
func event(t testing.TB, parent, field string, arguments map[string]any, identity map[string]any) (e api.Event) {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"arguments": arguments, "identity": identity, "info": map[string]any{"fieldName": field, "parentTypeName": parent},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// cognito is a person as AppSync tells of one whom a user pool knows
// (https://docs.aws.amazon.com/appsync/latest/devguide/resolver-context-reference.html#aws-appsync-resolver-context-reference-identity).
func cognito(c task.Caller) map[string]any {
	if c.Name == "" {
		return nil
	}
	claims := map[string]any{
		"sub": "0c1d2e3f-0000-4000-8000-000000000001", "email": c.Name, "token_use": "id", "aud": "client", "event_id": "e", "auth_time": 1772600000, "exp": 1772603600,
		"iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc", "cognito:username": "0c1d2e3f-0000-4000-8000-000000000001",
	}
	groups := any(nil)
	if c.Role != "" {
		groups = []any{"staff", string(c.Role)}
		claims["cognito:groups"] = groups
	}
	return map[string]any{
		"sub": claims["sub"], "issuer": claims["iss"], "username": claims["cognito:username"], "claims": claims, "sourceIp": []any{"192.0.2.1"},
		"defaultAuthStrategy": "ALLOW", "groups": groups,
	}
}

// pruned takes from a value what a selection asks for.
func pruned(v any, selection ast.SelectionSet) any {
	switch v := v.(type) {
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = pruned(v[i], selection)
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for _, chosen := range selection {
			f := chosen.(*ast.Field)
			out[f.Alias] = pruned(v[f.Name], f.SelectionSet)
		}
		return out
	}
	return v
}

func TestWhoAsksBehindAppSync(t *testing.T) {
	const arn = "arn:aws:sts::111122223333:assumed-role/"
	tests := []struct {
		name     string
		identity map[string]any
		want     string // name and role; a code when refused
	}{
		{"user pool", cognito(task.Caller{Name: "ada@example.com", Role: task.Admin}), "ada@example.com admin"},
		{"provider, groups as a list", oidc([]any{"x", "operator", "viewer"}), "Ola operator"},
		{"provider, groups as one text", oidc("x, viewer"), "Ola viewer"},
		{"provider, groups as a list in a text", oidc(`["viewer","admin"]`), "Ola admin"},
		{"provider, a group that only begins like a role", oidc([]any{"administrators"}), "FORBIDDEN"},
		{"provider, groups of another type", oidc(map[string]any{"admin": true}), "FORBIDDEN"},
		{"provider, no groups", oidc(nil), "FORBIDDEN"},
		{"IAM, a rule names it", iam(arn + "Automation/ci"), arn + "Automation/ci operator"},
		{"IAM, no rule names it", iam(arn + "Other/ci"), "FORBIDDEN"},
		{"IAM, claims beside the ARN give nothing", map[string]any{"userArn": arn + "Other/ci", "claims": map[string]any{"groups": []any{"admin"}}}, "FORBIDDEN"},
		{"an API key has no identity", nil, "UNAUTHENTICATED"},
	}
	a, _ := newHub(t, t.Output())
	rules := []api.IAMRole{{ARN: regexp.MustCompile(`^` + regexp.QuoteMeta(arn) + `Automation/[^/]+$`), Role: task.Operator}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			claim := "groups"
			if tt.name == "user pool" {
				claim = "cognito:groups"
			}
			reply, err := api.NewAppSync(a, claim, rules).Handle(t.Context(), event(t, "Query", "hub", nil, tt.identity))
			if err != nil {
				t.Fatal(err)
			}
			var hub struct{ Caller struct{ Name, Role string } }
			got := ""
			if reply.Error != nil {
				got = reply.Error.Code
			} else if err := json.Unmarshal(reply.Data, &hub); err != nil {
				t.Fatal(err)
			} else {
				got = hub.Caller.Name + " " + hub.Caller.Role
			}
			if got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func oidc(groups any) map[string]any {
	return map[string]any{
		"sub": "s-1", "issuer": "https://id.example.com",
		"claims": map[string]any{"sub": "s-1", "iss": "https://id.example.com", "aud": "client", "preferred_username": "Ola", "groups": groups},
	}
}

func iam(arn string) map[string]any {
	return map[string]any{
		"accountId": "111122223333", "userArn": arn, "username": "AROAEXAMPLE:ci", "cognitoIdentityPoolId": nil, "cognitoIdentityId": nil,
		"cognitoIdentityAuthType": nil, "cognitoIdentityAuthProvider": nil, "sourceIp": []any{"192.0.2.1"},
	}
}
