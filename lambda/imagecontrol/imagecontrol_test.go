package imagecontrol_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/lambda/control"
	"github.com/datatransferhub/dth/lambda/customresource"
	"github.com/datatransferhub/dth/lambda/imagecontrol"
	"github.com/datatransferhub/dth/lambda/imageplan"
	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/run/runsqlite"
)

// stack notes what is asked of it.
type stack struct {
	on    bool
	begun map[string]imageplan.Ask
	fails error
}

func (s *stack) Schedule(_ context.Context, on bool) error {
	s.on = on
	return s.fails
}

func (s *stack) Begin(_ context.Context, name string, ask imageplan.Ask) error {
	if _, there := s.begun[name]; !there {
		s.begun[name] = ask
	}
	return s.fails
}

func newHandler(t *testing.T) (*imagecontrol.Handler, *stack) {
	t.Helper()
	db, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "r.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	runs, err := runsqlite.Open(t.Context(), db, "task")
	if err != nil {
		t.Fatal(err)
	}
	s := &stack{on: true, begun: map[string]imageplan.Ask{}}
	return &imagecontrol.Handler{Stack: s, Runs: runs, Log: slog.New(slog.DiscardHandler), Now: time.Now}, s
}

func ask(t *testing.T, h *imagecontrol.Handler, request string) (control.Reply, error) {
	t.Helper()
	return h.Handle(t.Context(), json.RawMessage(request))
}

// A paused task begins no run, however it is asked; plans and checks are made. Resuming begins one.
func TestSteering(t *testing.T) {
	h, s := newHandler(t)
	for range 2 {
		if _, err := ask(t, h, `{"operation":"pause","request":"r-1"}`); err != nil || s.on {
			t.Fatalf("%v, schedule on: %t", err, s.on)
		}
	}
	for _, request := range []string{`{"operation":"run","request":"r-2"}`, `{"operation":"retry","request":"r-2","all":true}`} {
		var refusal *control.Refusal
		if _, err := ask(t, h, request); !errors.As(err, &refusal) || !strings.Contains(err.Error(), "paused") {
			t.Errorf("%s: %v", request, err)
		}
	}
	for _, request := range []string{
		`{"operation":"check","request":"r-3"}`, `{"operation":"plan","request":"r-4"}`, `{"operation":"resume","request":"r-5"}`,
		`{"operation":"run","request":"r-6"}`, `{"operation":"retry","request":"r-7","class":"network"}`, `{"operation":"retry","request":"r-8","keys":["localhost:5000/a/b:1","a@sha256:0"]}`,
	} {
		if reply, err := ask(t, h, request); err != nil || strings.Contains(request, "run") && reply.Run != "r-6" {
			t.Errorf("%s: %+v, %v", request, reply, err)
		}
	}
	want := map[string]imageplan.Ask{
		"r-3": {Mode: imageplan.CheckMode, Request: "r-3"}, "r-4": {Mode: imageplan.PlanMode, Request: "r-4"}, "r-5": {Trigger: imageplan.Manual}, "r-6": {Trigger: imageplan.Manual},
		"r-7": {Trigger: imageplan.Retry, Class: "network"},
		"r-8": {Trigger: imageplan.Retry, Images: []imageplan.Image{{Name: "localhost:5000/a/b", Tag: "1"}, {Name: "a", Tag: "sha256:0"}}},
	}
	if d := cmp.Diff(want, s.begun); d != "" || !s.on {
		t.Errorf("schedule on: %t, begun %s", s.on, d)
	}
	if err := h.Runs.PutAnswer(t.Context(), "r-4", []byte(`{"state":"DONE"}`)); err != nil {
		t.Fatal(err)
	}
	if reply, err := ask(t, h, `{"operation":"answer","request":"r-4"}`); err != nil || string(reply.Answer) != `{"state":"DONE"}` {
		t.Errorf("%s, %v", reply.Answer, err)
	}
	for _, request := range []string{`{"operation":"retry","request":"r-9","keys":["app"]}`, `{"operation":"retry","request":"r-9","keys":["localhost:5000/app"]}`, `{"operation":"fly","request":"r-9"}`} {
		if _, err := ask(t, h, request); err == nil {
			t.Errorf("%s is taken", request)
		}
	}
}

// As many keys as a retry takes, each as long as names of repositories and tags can be, still fit an execution's input: the images are
// kept aside.
func TestALongRetry(t *testing.T) {
	h, s := newHandler(t)
	keys := make([]string, control.MaxKeys)
	for n := range keys {
		keys[n] = fmt.Sprintf("%s/%06d:%s", strings.Repeat("long", 62), n, strings.Repeat("t", 128))
	}
	request, err := json.Marshal(control.Request{Operation: control.Retry, Request: "r-1", Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ask(t, h, string(request)); err != nil {
		t.Fatal(err)
	}
	begun := s.begun["r-1"]
	input, err := json.Marshal(begun)
	if err != nil || len(request) < 256<<10 || len(input) > 256<<10 || begun.Kept == "" || begun.Trigger != imageplan.Retry {
		t.Errorf("of %d bytes an execution is given %d: %.200s, %v", len(request), len(input), input, err)
	}
	var kept []imageplan.Image
	if doc, err := h.Runs.Answer(t.Context(), begun.Kept); err != nil || json.Unmarshal(doc, &kept) != nil || len(kept) != len(keys) || kept[999].Tag != strings.Repeat("t", 128) {
		t.Errorf("%d images are kept, %v", len(kept), err)
	}
	few, err := json.Marshal(control.Request{Operation: control.Retry, Request: "r-2", Keys: keys[:10]})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ask(t, h, string(few)); err != nil || len(s.begun["r-2"].Images) != 10 || s.begun["r-2"].Kept != "" {
		t.Errorf("%+v, %v", s.begun["r-2"], err)
	}
}

// The first run is begun once, however often CloudFormation asks.
func TestFirstRun(t *testing.T) {
	_, s := newHandler(t)
	e := customresource.Event{RequestId: "one", StackId: "arn:aws:cloudformation:us-east-1:123456789012:stack/task/0a1b"}
	for range 2 {
		if r, err := (imagecontrol.FirstRun{Stack: s}).Create(t.Context(), e); err != nil || r.ID != "first-run-of-0a1b" {
			t.Errorf("%+v, %v", r, err)
		}
	}
	if want := map[string]imageplan.Ask{"first-one": {Trigger: imageplan.Once}}; !cmp.Equal(want, s.begun) {
		t.Errorf("%+v", s.begun)
	}
	s.fails = errors.New("no")
	if _, err := (imagecontrol.FirstRun{Stack: s}).Create(t.Context(), e); err == nil {
		t.Error("a run that was not begun is no success")
	}
}

// The stack of a paused task begins no run; the pause is on record for what asks later. One that cannot be noted is no success.
func TestFirstRunOfAPausedTask(t *testing.T) {
	h, s := newHandler(t)
	first := imagecontrol.FirstRun{Stack: s, Pause: func(ctx context.Context) error { return h.Runs.SetPaused(ctx, true, time.Now()) }}
	e := customresource.Event{RequestId: "one", StackId: "arn:aws:cloudformation:us-east-1:123456789012:stack/task/0a1b", ResourceProperties: json.RawMessage(`{"Paused":"true"}`)}
	for range 2 {
		if r, err := first.Create(t.Context(), e); err != nil || r.ID != "first-run-of-0a1b" || !strings.Contains(r.Note, "paused") {
			t.Errorf("%+v, %v", r, err)
		}
	}
	if p, err := h.Runs.Pause(t.Context()); err != nil || !p.Paused || len(s.begun) != 0 {
		t.Errorf("%+v, %v; begun %v", p, err, s.begun)
	}
	if _, err := ask(t, h, `{"operation":"run","request":"r-1"}`); err == nil {
		t.Error("a run is begun beside the pause")
	}
	if _, err := ask(t, h, `{"operation":"resume","request":"r-2"}`); err != nil || len(s.begun) != 1 || !s.on {
		t.Errorf("%v; begun %v", err, s.begun)
	}
	e.PhysicalResourceId = "first-run-of-0a1b"
	if r, err := first.Update(t.Context(), e); err != nil || r.ID != e.PhysicalResourceId || len(s.begun) != 1 {
		t.Errorf("%+v, %v; begun %v", r, err, s.begun)
	}
	first.Pause = func(context.Context) error { return errors.New("no table") }
	if _, err := first.Create(t.Context(), e); err == nil {
		t.Error("a pause that is not on record is no pause")
	}
	e.ResourceProperties = json.RawMessage(`[]`)
	if _, err := first.Create(t.Context(), e); err == nil {
		t.Error("properties that cannot be read are taken")
	}
}

// Whatever keys say, they are read or refused, and what is read names an image.
func FuzzImages(f *testing.F) {
	for _, key := range []string{"app:1", "localhost:5000/app:1", "a/b@sha256:00", "@", ":", "a:", "localhost:5000/app"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		images, err := imagecontrol.Images([]string{key})
		if err == nil && (images[0].Name == "" || images[0].Tag == "" || len(images[0].Name)+len(images[0].Tag) >= len(key)) {
			t.Errorf("%q is read as %+v", key, images)
		}
	})
}
