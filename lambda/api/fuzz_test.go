package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/datatransferhub/dth/lambda/api"
	"github.com/datatransferhub/dth/lambda/task"
)

var ada = task.Caller{Name: "ada@example.com", Role: task.Admin}

// telling are words of the hub's inside: of Go, of SQL, of what its parts said.
var telling = []string{inside, "panic", "goroutine", "runtime error", ".go:", "SELECT ", "SQLITE", "sql:", "interface conversion", "json:", "nil pointer"}

// quiet refuses an answer that tells of the hub's inside, but for what the caller said itself.
func quiet(t *testing.T, asked string, said []byte) {
	t.Helper()
	if !json.Valid(said) {
		t.Errorf("no JSON: %q", said)
	}
	for _, word := range telling {
		if bytes.Contains(said, []byte(word)) && !strings.Contains(asked, word) {
			t.Errorf("asked %.200q, the answer tells %q: %s", asked, word, said)
		}
	}
}

// FuzzUncheckedArguments gives every root field arguments that nobody has checked, behind AppSync: the same value for all of them, and as
// the only field of an input.
func FuzzUncheckedArguments(f *testing.F) {
	for _, seed := range []string{
		`null`, `""`, `"t-aaaaaaaaaaaaaaaa"`, `-1`, `1e300`, `0.5`, `true`, `[]`, `[null]`, `{}`, `{"id":"t-aaaaaaaaaaaaaaaa","name":"\u0000"}`, `[[[1]]]`,
		`{"states":["NOWHERE"]}`, `{"by":"NAME"}`, `"THROUGHPUT"`, `"2026-03-04T05:06:07Z"`, `"\ud800"`, `{"name":"x","type":"S3","parameters":[{"name":"a","value":"b"}]}`,
		`{"defaults":[{"type":"S3","values":[{"name":"srcBucket","value":"\u0001"}]}]}`, `"'; DROP TABLE tasks; --"`, `99999999999999999999`,
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	s := contract(f)
	f.Fuzz(func(t *testing.T, text string, withTask bool) {
		var value any
		if json.Unmarshal([]byte(text), &value) != nil {
			t.Skip("no JSON")
		}
		a, _ := newHub(t, io.Discard)
		adapter := api.NewAppSync(a, "cognito:groups", nil)
		for _, root := range []*ast.Definition{s.Query, s.Mutation} {
			for _, field := range root.Fields {
				if strings.HasPrefix(field.Name, "__") {
					continue
				}
				arguments := map[string]any{}
				for _, argument := range field.Arguments {
					if arguments[argument.Name] = value; withTask && argument.Name == "id" {
						arguments[argument.Name] = running
					}
				}
				reply, err := adapter.Handle(t.Context(), event(t, root.Name, field.Name, arguments, cognito(ada)))
				if err != nil {
					t.Fatal(err)
				}
				said, err := json.Marshal(reply)
				if err != nil {
					t.Fatal(err)
				}
				quiet(t, text, said)
				if reply.Error != nil && (reply.Error.Code == "" || reply.Error.Code == string(task.Internal)) {
					t.Errorf("%s(%s): an argument is no fault of the hub: %s", field.Name, text, said)
				}
			}
		}
	})
}

// FuzzRequests gives the HTTP entrance whole bodies.
func FuzzRequests(f *testing.F) {
	for _, o := range operations(f) {
		body, err := json.Marshal(map[string]any{"query": o.Ask, "variables": o.Variables})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(body))
	}
	f.Add(`{"query":"{ tasks { nodes { id } }"}`)
	f.Add(`{"query":"query ($a: Int) { tasks(first: $a) { nodes { id } } }","variables":{"a":[]}}`)
	f.Add(`{"query":"fragment f on Task { ...f } { task(id: \"x\") { ...f } }"}`)
	f.Add(`{"query":"{ __schema { types { name } } }"}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, body string) {
		a, _ := newHub(t, io.Discard)
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		a.ServeHTTP(w, r.WithContext(task.WithCaller(r.Context(), ada)))
		quiet(t, body, w.Body.Bytes())
	})
}

// TestFailuresBehindTheServiceStayInside asks everything of a hub whose parts all fail: people read a code and what to do, the
// log has what happened.
func TestFailuresBehindTheServiceStayInside(t *testing.T) {
	failed := 0
	for _, o := range operations(t) {
		for i, entrance := range []entrance{byHTTP, byAppSync} {
			var log bytes.Buffer
			a, behind := newHub(t, &log)
			behind.down = true
			got := entrance(t, a, ada, o.Ask, jsonOf(t, o.Variables).(map[string]any))
			said, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			quiet(t, o.Ask, said)
			if got.Error["code"] != string(task.Unavailable) {
				continue
			}
			failed++
			if got.Error["next"] == nil || !strings.Contains(log.String(), inside) {
				t.Errorf("%s at entrance %d: %s; the log: %s", o.Name, i, said, &log)
			}
		}
	}
	if failed < 20 {
		t.Errorf("only %d operations met a part that fails", failed)
	}
}

// TestAPanicIsNotShown breaks a hub so that every look at its store panics.
func TestAPanicIsNotShown(t *testing.T) {
	var log bytes.Buffer
	a := api.New(&task.Service{Log: slog.New(slog.NewTextHandler(&log, nil))})
	for _, entrance := range []entrance{byHTTP, byAppSync} {
		got := entrance(t, a, ada, "{ summary { states { tasks } } }", nil)
		if got.Error["code"] != string(task.Internal) {
			t.Fatalf("%v", got)
		}
		next, _ := got.Error["next"].(string)
		id := strings.TrimSuffix(strings.TrimPrefix(next, "look for "), " in the hub's log")
		if id == next || !strings.Contains(log.String(), id) || !strings.Contains(log.String(), "nil pointer") {
			t.Errorf("the answer %v names no line of the log: %s", got.Error, &log)
		}
		if said, err := json.Marshal(got); err != nil || strings.Contains(string(said), "nil pointer") {
			t.Errorf("%s, %v", said, err)
		}
	}
}

func TestWhatTheHTTPDoorRefuses(t *testing.T) {
	tests := []struct {
		name, method, kind, body string
		status                   int
		want                     string
	}{
		{"GET", http.MethodGet, "application/json", "", http.StatusMethodNotAllowed, "POST"},
		{"a form", http.MethodPost, "application/x-www-form-urlencoded", "query=x", http.StatusUnsupportedMediaType, "application/json"},
		{"no type", http.MethodPost, "", "{}", http.StatusUnsupportedMediaType, "application/json"},
		{"no JSON", http.MethodPost, "application/json", "{", http.StatusBadRequest, "no JSON object"},
		{"too large", http.MethodPost, "application/json", `{"query":"` + strings.Repeat("x", 9<<20) + `"}`, http.StatusRequestEntityTooLarge, "larger"},
		{"no operation", http.MethodPost, "application/json", `{}`, http.StatusOK, "no operation"},
		{"an unknown field", http.MethodPost, "application/json", `{"query":"{ tusks { id } }"}`, http.StatusOK, "tusks"},
		{"the schema", http.MethodPost, "application/json", `{"query":"{ __schema { types { name } } }"}`, http.StatusOK, "introspection is off"},
		{"a variable of another type", http.MethodPost, "application/json", `{"query":"query ($n: Int) { tasks(first: $n) { nodes { id } } }","variables":{"n":"x"}}`, http.StatusOK, `"field":"n"`},
		{"too many fields", http.MethodPost, "application/json", `{"query":"{ ` + aliases(800) + `}"}`, http.StatusOK, "complexity"},
	}
	a, _ := newHub(t, t.Output())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(tt.method, "/graphql", strings.NewReader(tt.body))
			r.Header.Set("Content-Type", tt.kind)
			a.ServeHTTP(w, r.WithContext(task.WithCaller(r.Context(), ada)))
			if said := w.Body.String(); w.Code != tt.status || !strings.Contains(said, tt.want) || !strings.Contains(said, `"code":"INVALID"`) {
				t.Errorf("%d %s", w.Code, said)
			}
		})
	}
}

// aliases asks for tasks so many times.
func aliases(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "a%d: tasks { nodes { id } } ", i)
	}
	return b.String()
}
