package imageplan_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/lambda/imageplan"
)

func TestEventsThatAreRefused(t *testing.T) {
	for event, want := range map[string]string{
		`[]`:                          "no JSON object",
		`{"step":"copy","run":"r"}`:   "step",
		`{"step":"plan"}`:             "run",
		`{"step":"plan","run":"a b"}`: "run",
		`{"step":"plan","run":"` + strings.Repeat("r", 129) + `"}`: "run",
		`{"step":"plan","run":"r","ask":{"mode":"fly"}}`:           "ask.mode",
		`{"step":"plan","run":"r","ask":{"mode":"plan"}}`:          "ask.request",
	} {
		if _, err := imageplan.Parse(json.RawMessage(event)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v does not name %s", event, err, want)
		}
	}
}

// The execution that follows a run has a name of its own, the same each time, that Step Functions takes.
func TestNext(t *testing.T) {
	long := strings.Repeat("r", 80)
	if a, b := imageplan.Next(long), imageplan.Next(long+"x"); a == b || a != imageplan.Next(long) || len(a) > 80 || imageplan.Next(a) == a {
		t.Errorf("%s, %s", a, b)
	}
}

// Whatever comes, it is read or refused, and what is read can be a name of objects in a bucket.
func FuzzParse(f *testing.F) {
	f.Add(`{"step":"plan","run":"run-1","ask":{"trigger":"retry","images":[{"image":"a","tag":"b"}]}}`)
	f.Add(`{"step":"close","run":"run-1","state":{"failure":{"Error":"e","Cause":"{}"}}}`)
	f.Fuzz(func(t *testing.T, event string) {
		e, err := imageplan.Parse(json.RawMessage(event))
		if err == nil && (e.Run == "" || strings.ContainsAny(e.Run, "/ \n")) {
			t.Errorf("run %q", e.Run)
		}
	})
}
