package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/lambda/api"
	"github.com/datatransferhub/dth/lambda/api/generated"
	"github.com/datatransferhub/dth/lambda/catalog"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/lambda/task/tasksqlite"
	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/ledger/ledgersqlite"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/run/runsqlite"
)

var start = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// stack stands for the stack of a task: it takes what is asked of it, and has records of its own.
type stack struct{ records task.Records }

func (stack) Begin(context.Context, task.Task) error                     { return nil }
func (stack) Pause(context.Context, task.Task, string) error             { return nil }
func (stack) Resume(context.Context, task.Task, string) error            { return nil }
func (stack) RunNow(context.Context, task.Task, string) error            { return nil }
func (stack) Retry(context.Context, task.Task, string, task.Retry) error { return nil }
func (stack) Check(context.Context, task.Task, string) error             { return nil }
func (stack) Plan(context.Context, task.Task, string) error              { return nil }
func (s stack) Records(context.Context, task.Task) (task.Records, error) { return s.records, nil }

func (stack) Answer(_ context.Context, t task.Task, _ string) (task.Answer, error) {
	if t.Plan == nil {
		return task.Answer{State: task.Finished, Started: start, Findings: []task.Finding{
			{End: "source", Right: "list", Result: "ok"}, {End: "destination", Right: "write", Result: "denied", Remedy: "grant s3:PutObject"},
		}}, nil
	}
	return task.Answer{State: task.Finished, Started: start, Plan: &task.PlanResult{
		Totals:    run.FinderTotals{ListedSource: 3_000_000_000, Decisions: map[string]run.Tally{"new": {Objects: 3, Bytes: 7}}},
		Histogram: []task.Bin{{Objects: 3, Bytes: 7}}, Largest: []task.Sized{{Key: `a "b"`, Size: 5}},
	}}, nil
}

func (stack) Streams(context.Context, task.Task, task.LogSource, int, string) (task.Streams, error) {
	return task.Streams{Streams: []task.Stream{{Name: "stream", First: start, End: start}}}, nil
}

func (stack) Lines(_ context.Context, _ task.Task, q task.LogQuery) (task.Lines, error) {
	return task.Lines{Lines: []task.Line{{At: start, Stream: "stream", Text: "about " + q.Text}}}, nil
}

func (stack) Series(context.Context, task.Task, task.MetricSet, time.Time, time.Time) ([]task.Series, error) {
	return []task.Series{{Name: "bytes", Unit: "Bytes", Step: time.Minute, Points: []task.Point{{At: start, Value: 42}}}}, nil
}

func (stack) Total(context.Context, task.MetricSet, time.Time, time.Time) ([]task.Series, error) {
	return []task.Series{{Name: "copied", Unit: "Count", Step: time.Minute}}, nil
}

func (stack) Pick(_ context.Context, q task.PickQuery) (task.Picks, error) {
	return task.Picks{Picks: []task.Pick{{Value: string(q.Kind) + " " + q.Text, Label: "x", Note: q.Within}}}, nil
}

// newService returns a service on a store of its own, whose clock and ids are the same each time.
func newService(t testing.TB) *task.Service {
	t.Helper()
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	db, err := databasesqlite.Open(ctx, filepath.Join(t.TempDir(), "dth.db"))
	must(err)
	t.Cleanup(func() { db.Close() })
	store, err := tasksqlite.Open(ctx, db)
	must(err)
	runs, err := runsqlite.Open(ctx, db, "stack")
	must(err)
	objects, err := ledgersqlite.Open(ctx, db, "stack")
	must(err)
	t.Cleanup(func() { objects.Close() })
	for i, id := range []string{"r1", "r2"} {
		must(runs.Create(ctx, run.Run{ID: id, Trigger: "schedule", State: run.Done, Started: start.Add(time.Duration(i) * time.Hour), Proved: true}))
	}
	must(runs.PutCounters(ctx, "r2", run.Counters{
		Worker: "w", Seq: 1, Outcomes: map[string]run.Tally{"DONE:stream": {Objects: 5_000_000_000, Bytes: 1}}, Errors: map[string]int64{"AccessDenied": 2},
	}))
	for i, key := range []string{"a/1", "b/ü\n2"} {
		_, err := objects.Put(ctx, ledger.Record{Key: key, Status: ledger.Failed, Size: 12, Attempts: 5, ErrorClass: "AccessDenied", Error: "403", Worker: "w", Seq: int64(i)}, nil)
		must(err)
	}
	s := stack{records: task.Records{Runs: runs, Objects: objects}}
	now := start
	return &task.Service{
		Hub: task.Hub{Version: "1.0.0", Region: "eu-west-1", Account: "111122223333"}, Plugins: catalog.Cloud("1.0.0", catalog.Place{Account: "111122223333", Region: "eu-west-1"}),
		Store: store, Stacks: s, Engine: s, Logs: s, Metrics: s, Pickers: s, Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { now = now.Add(time.Second); return now },
	}
}

// door is one way to the API.
type door struct {
	service *task.Service
	// ask returns the data of a root field, or the error's extensions.
	ask func(t testing.TB, as, field string, arguments map[string]any) (data any, failed map[string]any)
}

// identities are those that AppSync tells of: a user pool's, a provider's, and one by IAM.
var identities = map[string]string{
	"admin": `{"sub":"s1","issuer":"https://cognito","username":"u1","groups":["admin"],"claims":{"email":"ada@example.com","groups":["other","admin"]},
		"sourceIp":["10.0.0.1"],"defaultAuthStrategy":"ALLOW"}`,
	"operator": `{"sub":"s2","issuer":"https://idp.example.com","claims":{"preferred_username":"olaf","groups":"operator,people"}}`,
	"viewer":   `{"accountId":"111122223333","username":"AROA:vera","userArn":"arn:aws:sts::111122223333:assumed-role/Readers/vera","sourceIp":["10.0.0.1"]}`,
	"nobody":   `null`,
}

var callers = map[string]task.Caller{
	"admin": {Name: "ada@example.com", Role: task.Admin}, "operator": {Name: "olaf", Role: task.Operator},
	"viewer": {Name: "arn:aws:sts::111122223333:assumed-role/Readers/vera", Role: task.Viewer}, "nobody": {},
}

func newAppSync(s *task.Service) *api.AppSync {
	return api.NewAppSync(api.New(s), "groups", []api.IAMRole{{ARN: regexp.MustCompile(`:assumed-role/Readers/`), Role: task.Viewer}})
}

// appSync takes events as AppSync's resolver gives them.
func appSync(t testing.TB) door {
	service := newService(t)
	handler := newAppSync(service)
	return door{service, func(t testing.TB, as, field string, arguments map[string]any) (any, map[string]any) {
		parent, name, _ := strings.Cut(field, ".")
		text, err := json.Marshal(map[string]any{"arguments": arguments, "identity": json.RawMessage(identities[as]), "info": map[string]any{"fieldName": name, "parentTypeName": parent}})
		if err != nil {
			t.Fatal(err)
		}
		var event api.Event
		if err := json.Unmarshal(text, &event); err != nil {
			t.Fatal(err)
		}
		reply, err := handler.Handle(context.Background(), event)
		if err != nil {
			t.Fatal(err)
		}
		if reply.Error != nil {
			return nil, reply.Error.Info
		}
		return decode(t, reply.Data), nil
	}}
}

// overHTTP takes whole operations.
func overHTTP(t testing.TB) door {
	service := newService(t)
	handler, operations := api.New(service), newAppSync(service)
	return door{service, func(t testing.TB, as, field string, arguments map[string]any) (any, map[string]any) {
		_, name, _ := strings.Cut(field, ".")
		body, err := json.Marshal(map[string]any{"query": operations.Operation(field), "variables": arguments})
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r.WithContext(task.WithCaller(r.Context(), callers[as])))
		var answer struct {
			Data   map[string]json.RawMessage
			Errors []struct{ Extensions map[string]any }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatalf("%s: %v", w.Body, err)
		}
		if len(answer.Errors) > 0 {
			return nil, answer.Errors[0].Extensions
		}
		return decode(t, answer.Data[name]), nil
	}}
}

func decode(t testing.TB, text []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

// step is one operation of the conformance file.
type step struct {
	As        string            `yaml:"as"`
	Field     string            `yaml:"field"`
	Arguments map[string]any    `yaml:"arguments"`
	Want      any               `yaml:"want"`
	Error     string            `yaml:"error"`
	On        string            `yaml:"on"`
	Save      map[string]string `yaml:"save"`
	Settle    string            `yaml:"settle"` // the task's creation is through
	Gone      string            `yaml:"gone"`   // its stack is deleted
}

func steps(t testing.TB) []step {
	t.Helper()
	text, err := os.ReadFile("testdata/conformance.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all []step
	if err := yaml.UnmarshalWithOptions(text, &all, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	return all
}

var parameters = []any{
	map[string]any{"name": "srcBucket", "value": "photos"},
	map[string]any{"name": "srcRegion", "value": "eu-west-1"},
	map[string]any{"name": "destBucket", "value": "archive"},
	map[string]any{"name": "destRegion", "value": "eu-west-1"},
	map[string]any{"name": "alarmEmail", "value": "ops@example.com"},
	map[string]any{"name": "ec2VpcId", "value": "vpc-0a1b2c3d"},
	map[string]any{"name": "ec2Subnets", "value": "subnet-0a1b2c3d,subnet-1a2b3c4d"},
}

// plain gives a value the form that JSON decodes to, with what was saved in the place of $NAME.
func plain(t testing.TB, v any, saved map[string]any) any {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var fill func(v any) any
	fill = func(v any) any {
		switch v := v.(type) {
		case string:
			if name, is := strings.CutPrefix(v, "$"); is {
				return saved[name]
			}
		case map[string]any:
			for k := range v {
				v[k] = fill(v[k])
			}
		case []any:
			for i := range v {
				v[i] = fill(v[i])
			}
		}
		return v
	}
	return fill(decode(t, text))
}

// part keeps of an answer what a wish names.
func part(got, want any) any {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return got
		}
		kept := map[string]any{}
		for k := range w {
			kept[k] = part(g[k], w[k])
		}
		return kept
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) < len(w) || len(w) == 0 {
			return got
		}
		kept := make([]any, len(w))
		for i := range w {
			kept[i] = part(g[i], w[i])
		}
		return kept
	}
	return got
}

func TestBothDoorsAnswerAlike(t *testing.T) {
	a, b := appSync(t), overHTTP(t)
	saved := map[string]any{"parameters": parameters}
	seen := map[string]bool{}
	for i, s := range steps(t) {
		label := fmt.Sprintf("step %d, %s as %s", i+1, s.Field, s.As)
		if s.Settle+s.Gone != "" {
			for _, d := range []door{a, b} {
				d.end(t, plain(t, s.Settle+s.Gone, saved).(string), s.Gone != "")
			}
			continue
		}
		seen[s.Field] = true
		arguments, _ := plain(t, s.Arguments, saved).(map[string]any)
		data, failed := a.ask(t, s.As, s.Field, arguments)
		other, otherFailed := b.ask(t, s.As, s.Field, arguments)
		if diff := cmp.Diff(data, other) + cmp.Diff(failed, otherFailed); diff != "" {
			t.Errorf("%s: AppSync (-) and HTTP (+) differ: %s", label, diff)
		}
		if s.Error != "" {
			if failed["code"] != s.Error || s.On != "" && failed["field"] != s.On {
				t.Errorf("%s: wanted was %s on %q, got %v and %v", label, s.Error, s.On, data, failed)
			}
			continue
		}
		want := plain(t, s.Want, saved)
		if diff := cmp.Diff(want, part(data, want)); failed != nil || diff != "" {
			t.Errorf("%s: %v %s", label, failed, diff)
		}
		for name, path := range s.Save {
			saved[name] = at(data, path)
		}
	}
	schema := generated.NewExecutableSchema(generated.Config{}).Schema()
	for _, f := range schema.Query.Fields {
		if !strings.HasPrefix(f.Name, "__") && !seen["Query."+f.Name] {
			t.Errorf("no step asks for Query.%s", f.Name)
		}
	}
	for _, f := range schema.Mutation.Fields {
		if !seen["Mutation."+f.Name] {
			t.Errorf("no step asks for Mutation.%s", f.Name)
		}
	}
}

func at(v any, path string) any {
	for _, name := range strings.Split(path, ".") {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

// end brings a task's operation to its end.
func (d door) end(t testing.TB, id string, gone bool) {
	t.Helper()
	_, err := task.Amend(context.Background(), d.service.Store, id, func(t *task.Task) (*task.Entry, error) {
		if !t.Settle(task.Outcome{Operation: t.Operation.ID, OK: true, Gone: gone, StackID: "arn:stack"}, start) {
			return nil, errors.New("the task has no operation")
		}
		return nil, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Whatever is given as an argument, nothing breaks, and nothing of the inside is shown.
func FuzzArguments(f *testing.F) {
	for _, s := range steps(f) {
		if s.Field == "" {
			continue
		}
		text, err := json.Marshal(s.Arguments)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(s.Field, string(text))
	}
	f.Add("Query.tasks", `{"first":-1,"after":"AAAA","filter":{"text":"\u0000"},"sort":{"by":1}}`)
	f.Add("Mutation.createTask", `{"input":{"name":{"a":1},"parameters":[null]}}`)
	f.Add("Query.taskObject", `{"id":"t-aaaaaaaaaaaaaaaa","key":"\ud800"}`)
	d := appSync(f)
	codes := map[any]bool{}
	for _, c := range []task.Code{task.Invalid, task.NotFound, task.WrongState, task.Conflict, task.Forbidden, task.TooLarge} {
		codes[string(c)] = true
	}
	known := newAppSync(d.service)
	f.Fuzz(func(t *testing.T, field, text string) {
		var arguments map[string]any
		if known.Operation(field) == "" || json.Unmarshal([]byte(text), &arguments) != nil {
			return
		}
		if _, failed := d.ask(t, "admin", field, arguments); failed != nil && !codes[failed["code"]] {
			t.Errorf("%s with %s: %v", field, text, failed)
		}
	})
}
