package portal

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/datatransferhub/dth/infra/kit/kittest"
	"github.com/datatransferhub/dth/lambda/api/schema"
)

// utils stands in for AppSync's own module, with what the resolvers use of it: util.error ends the evaluation with an error that has a
// type, data and what is put into extensions.
// https://docs.aws.amazon.com/appsync/latest/devguide/built-in-util-js.html
const utils = `export const util = {
  error(message, errorType, data, errorInfo) {
    if (typeof message !== 'string') throw new TypeError('util.error takes a text');
    throw { appsync: { message, errorType, data, errorInfo } };
  },
};
`

// driver evaluates both functions as AppSync does: each with its context, the results as JSON, errors by util.error apart from
// others.
const driver = `import { readFileSync } from 'node:fs';
import { request, response } from './resolver.mjs';
const evaluate = (f, ctx) => {
  try { return { result: f(ctx) ?? null }; }
  catch (e) { return e.appsync ? { error: e.appsync } : { broke: String(e) }; }
};
const { functions, contexts } = JSON.parse(readFileSync(0, 'utf8'));
console.log(JSON.stringify(contexts.map((ctx, i) => evaluate({ request, response }[functions[i]], ctx))));
`

// evaluated is what came of a function of the resolver's code.
type evaluated struct {
	Result any `json:"result"`
	Error  *struct {
		Message   string `json:"message"`
		ErrorType string `json:"errorType"`
		Data      any    `json:"data"`
		ErrorInfo object `json:"errorInfo"`
	} `json:"error"`
	Broke string `json:"broke"`
}

// evaluate runs the code of the resolvers in Node, with a function and a context for each result.
func evaluate(t *testing.T, functions []string, contexts []string) (all []evaluated) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node is needed, as CDK needs it: ", err)
	}
	dir := t.TempDir()
	for name, content := range map[string]string{
		"resolver.mjs": schema.Resolver(), "driver.mjs": driver,
		"node_modules/@aws-appsync/utils/index.js": utils, "node_modules/@aws-appsync/utils/package.json": `{"name":"@aws-appsync/utils","type":"module","main":"index.js"}`,
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	raw := make([]json.RawMessage, len(contexts))
	for i, c := range contexts {
		raw[i] = json.RawMessage(c)
	}
	input, err := json.Marshal(map[string]any{"functions": functions, "contexts": raw})
	if err != nil {
		t.Fatal(err)
	}
	run := exec.Command(node, "driver.mjs")
	run.Dir, run.Stdin, run.Stderr = dir, bytes.NewReader(input), os.Stderr
	out, err := run.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return all
}

// The code of every field, run: it hands the field to the Lambda with who asks and nothing else, and returns data or an error with
// its code, as the Lambda says.
func TestResolverRuns(t *testing.T) {
	const asked = `{"arguments":{"id":"t-1"},"identity":{"sub":"s","claims":{"a":1}},"info":{"fieldName":"task","parentTypeName":"Query","selectionSetGraphQL":"{ id }","variables":{"x":1}},"request":{"headers":{"authorization":"secret"}},"source":null,"stash":{}}`
	contexts := []string{
		asked,
		`{"arguments":{},"identity":null,"info":{"fieldName":"hub","parentTypeName":"Query"}}`,
		`{"result":{"data":{"id":"t-1","name":"photos"}}}`,
		`{"result":{"data":null}}`,
		`{"result":{"error":{"message":"there is no such task","code":"NOT_FOUND","info":{"code":"NOT_FOUND","field":"id","value":"t-2","next":"look at the list"}}}}`,
		`{"error":{"message":"RequestId: 1 Error: Runtime exited","type":"Lambda:Unhandled"},"result":null}`,
	}
	functions := []string{"request", "request", "response", "response", "response", "response"}
	got := evaluate(t, functions, contexts)
	for i, want := range []string{
		`{"operation":"Invoke","payload":{"arguments":{"id":"t-1"},"identity":{"claims":{"a":1},"sub":"s"},"info":{"fieldName":"task","parentTypeName":"Query"}}}`,
		`{"operation":"Invoke","payload":{"arguments":{},"identity":null,"info":{"fieldName":"hub","parentTypeName":"Query"}}}`,
		`{"id":"t-1","name":"photos"}`,
		`null`,
	} {
		if got[i].Error != nil || got[i].Broke != "" || kittest.Compact(got[i].Result) != want {
			t.Errorf("%s of %s: %+v, want %s", functions[i], contexts[i], got[i], want)
		}
	}
	told := got[4].Error
	if told == nil || told.Message != "there is no such task" || told.ErrorType != "NOT_FOUND" || told.Data != nil || told.ErrorInfo["next"] != "look at the list" || told.ErrorInfo["field"] != "id" {
		t.Errorf("an error of the hub is told as %+v, %s", told, got[4].Broke)
	}
	broke := got[5].Error
	if broke == nil || broke.ErrorType != "INTERNAL" || broke.ErrorInfo["code"] != "INTERNAL" || broke.ErrorInfo["next"] == "" {
		t.Fatalf("a Lambda that broke is told as %+v, %s", broke, got[5].Broke)
	}
	if broke.Message != "something in the hub failed" {
		t.Errorf("a Lambda that broke tells %q: what it said may hold anything", broke.Message)
	}
}
