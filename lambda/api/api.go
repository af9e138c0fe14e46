package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/datatransferhub/dth/lambda/api/generated"
	"github.com/datatransferhub/dth/lambda/task"
)

// Limits of one operation. AppSync gives a resolver 30 s and an answer 5 MB
// (https://docs.aws.amazon.com/general/latest/gr/appsync.html).
const (
	maxTime       = 28 * time.Second
	maxAnswer     = 5_000_000 - 100_000
	maxComplexity = 2000  // fields, as often as they are asked for
	maxTokens     = 10000 // of a query
)

// API executes operations of the schema on a service.
type API struct {
	exec      *executor.Executor
	log       *slog.Logger
	arguments map[string]map[string]bool // of root fields
}

// New returns the API of a service. Who asks is in the context: task.WithCaller.
func New(s *task.Service) *API {
	schema := generated.NewExecutableSchema(generated.Config{Resolvers: &resolver{s}})
	a := &API{exec: executor.New(schema), log: s.Log, arguments: map[string]map[string]bool{}}
	for _, root := range []*ast.Definition{schema.Schema().Query, schema.Schema().Mutation} {
		for _, field := range root.Fields {
			a.arguments[field.Name] = map[string]bool{}
			for _, argument := range field.Arguments {
				a.arguments[field.Name][argument.Name] = true
			}
		}
	}
	a.exec.Use(extension.FixedComplexityLimit(maxComplexity))
	a.exec.SetParserTokenLimit(maxTokens)
	a.exec.SetErrorPresenter(a.present)
	a.exec.SetRecoverFunc(a.recovered)
	return a
}

// Do executes one operation and returns the answer as JSON: data and errors. Nothing of the hub's inside is in it.
func (a *API) Do(ctx context.Context, p graphql.RawParams) json.RawMessage {
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	numbers(p.Variables)
	p.ReadTime.Start, p.ReadTime.End = graphql.Now(), graphql.Now()
	ctx = graphql.StartOperationTrace(ctx)
	var response *graphql.Response
	if op, errs := a.exec.CreateOperationContext(ctx, &p); errs != nil {
		response = &graphql.Response{Errors: refused(errs)}
	} else {
		answers, ctx := a.exec.DispatchOperation(ctx, op)
		response = answers(ctx)
	}
	text, err := json.Marshal(response)
	if err == nil && len(text) > maxAnswer {
		err = &task.Error{
			Code: task.TooLarge, Message: fmt.Sprintf("the answer would be %d bytes; the API carries %d", len(text), maxAnswer),
			Next: "ask for fewer entries with first, or for fewer fields",
		}
	}
	if err == nil {
		return text
	}
	text, _ = json.Marshal(&graphql.Response{Errors: gqlerror.List{a.present(ctx, err)}}) // texts only
	return text
}

// refused completes the errors of an operation that does not fit the schema.
func refused(errs gqlerror.List) gqlerror.List {
	for _, e := range errs {
		e.Extensions = map[string]any{"code": string(task.Invalid), "next": "compare the operation and its variables with the schema"}
		if len(e.Path) > 1 && e.Path[0] == ast.PathName("variable") {
			e.Extensions["field"] = e.Path[1:].String()
		}
	}
	return errs
}

// present turns an error into one that a caller may see.
func (a *API) present(ctx context.Context, err error) *gqlerror.Error {
	shown := graphql.DefaultErrorPresenter(ctx, err)
	var e *task.Error
	switch {
	case errors.As(err, &e):
		if e.Err != nil {
			a.log.Error("an operation failed", "code", e.Code, "message", e.Message, "error", e.Err, "path", shown.Path.String())
		}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		e = &task.Error{Code: task.Unavailable, Message: "this took too long", Next: "ask for less at once, or try again"}
	case a.ofArgument(shown.Path):
		e = &task.Error{Code: task.Invalid, Message: shown.Message, Field: shown.Path[1:].String(), Next: "compare the variables with the schema"}
	case len(shown.Path) == 1 && (shown.Path[0] == ast.PathName("__schema") || shown.Path[0] == ast.PathName("__type")):
		e = &task.Error{Code: task.Invalid, Message: "introspection is off", Next: "read the schema in the documentation"}
	default:
		id := graphqlID()
		a.log.Error("an operation failed", "id", id, "error", err, "path", shown.Path.String())
		e = &task.Error{Code: task.Internal, Message: "something in the hub failed", Next: "look for " + id + " in the hub's log"}
	}
	shown.Message, shown.Extensions = said(e), extensions(e)
	return shown
}

// ofArgument reports whether a path leads to an argument of a root field, and not to something in its answer.
func (a *API) ofArgument(path ast.Path) bool {
	if len(path) < 2 {
		return false
	}
	root, _ := path[0].(ast.PathName)
	argument, _ := path[1].(ast.PathName)
	return a.arguments[string(root)][string(argument)]
}

// numbers gives numbers the form in which the executor takes whole ones.
func numbers(v any) any {
	switch v := v.(type) {
	case float64:
		return json.Number(strconv.FormatFloat(v, 'f', -1, 64))
	case map[string]any:
		for name := range v {
			v[name] = numbers(v[name])
		}
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	}
	return v
}

// said is what people read first: with the field, without the next step, which has a place of its own.
func said(e *task.Error) string {
	short := *e
	short.Next = ""
	return short.Error()
}

func extensions(e *task.Error) map[string]any {
	m := map[string]any{"code": string(e.Code)}
	for name, text := range map[string]string{"field": e.Field, "value": e.Value, "next": e.Next} {
		if text != "" {
			m[name] = text
		}
	}
	if len(e.Others) > 0 {
		others := make([]map[string]any, len(e.Others))
		for i := range e.Others {
			others[i] = extensions(&e.Others[i])
			others[i]["message"] = e.Others[i].Message
		}
		m["others"] = others
	}
	return m
}

// recovered turns a panic into an error without its text.
func (a *API) recovered(_ context.Context, cause any) error {
	id := graphqlID()
	a.log.Error("an operation panicked", "id", id, "panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
	return &task.Error{Code: task.Internal, Message: "something in the hub failed", Next: "look for " + id + " in the hub's log"}
}
