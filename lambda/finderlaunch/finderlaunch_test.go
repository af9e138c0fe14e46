package finderlaunch_test

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

	"github.com/datatransferhub/dth/lambda/customresource"
	"github.com/datatransferhub/dth/lambda/finderlaunch"
	"github.com/datatransferhub/dth/worker/closing"
	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/pass"
	"github.com/datatransferhub/dth/worker/run/runsqlite"
)

// hall is where instances run. A token starts one instance, as on EC2.
type hall struct {
	tokens  map[string]string
	full    map[string]bool // subnets
	broken  error
	running []finderlaunch.Instance
	ended   []string
	modes   []string
}

func (h *hall) Start(_ context.Context, l finderlaunch.Launch) (string, error) {
	if h.broken != nil {
		return "", h.broken
	}
	if h.full[l.Subnet] {
		return "", fmt.Errorf("%w: %s", finderlaunch.ErrNoCapacity, l.Subnet)
	}
	if id, again := h.tokens[l.Token]; again {
		return id, nil
	}
	id := fmt.Sprintf("i-%d", len(h.tokens)+1)
	h.tokens[l.Token] = id
	h.modes = append(h.modes, string(l.Mode)+" "+l.Run)
	return id, nil
}
func (h *hall) Running(context.Context) ([]finderlaunch.Instance, error) { return h.running, nil }
func (h *hall) End(_ context.Context, id string) error                   { h.ended = append(h.ended, id); return nil }

const tick = `{"version":"0","id":"e-%d","detail-type":"Scheduled Event","source":"aws.events","time":"2026-11-23T12:00:00Z","resources":["r"],"detail":{}}`

func newHandler(t *testing.T) (*finderlaunch.Handler, *hall, *runsqlite.Runs) {
	t.Helper()
	db, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	runs, err := runsqlite.Open(t.Context(), db, "task")
	if err != nil {
		t.Fatal(err)
	}
	instances := &hall{tokens: map[string]string{}, full: map[string]bool{}}
	leases := finderlaunch.Leases{Runs: runs, Now: time.Now}
	return &finderlaunch.Handler{
		Stack: "stack", Instances: instances, Alive: leases, Paused: leases.Paused, Subnets: []string{"a", "b", "c"},
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
	}, instances, runs
}

func TestOneTickStartsOneInstance(t *testing.T) {
	h, instances, _ := newHandler(t)
	var told []finderlaunch.Mode
	h.Announce = func(_ context.Context, m finderlaunch.Mode) error { told = append(told, m); return nil }
	for n := range 3 { // delivered three times, with ids of their own
		a, err := h.Handle(t.Context(), json.RawMessage(fmt.Sprintf(tick, n)))
		if err != nil || a.Instance != "i-1" {
			t.Errorf("%+v, %v", a, err)
		}
	}
	if len(told) != 3 {
		t.Errorf("told %q", told)
	}
	a, err := h.Handle(t.Context(), json.RawMessage(`{"mode":"close","run":"r.1","id":"close-r.1-1"}`))
	if err != nil || a.Instance != "i-2" || len(told) != 3 || strings.Join(instances.modes, ";") != "pass ;close r.1" {
		t.Errorf("%+v, %v, modes %q", a, err, instances.modes)
	}
}

func TestSubnetsAreTriedInTurn(t *testing.T) {
	h, instances, _ := newHandler(t)
	first, err := h.Handle(t.Context(), json.RawMessage(`{"id":"1"}`))
	if err != nil {
		t.Fatal(err)
	}
	instances.full[first.Subnet] = true
	second, err := h.Handle(t.Context(), json.RawMessage(`{"id":"1"}`))
	if err != nil || second.Subnet == first.Subnet {
		t.Errorf("%+v after %+v, %v", second, first, err)
	}
	for _, s := range h.Subnets {
		instances.full[s] = true
	}
	if _, err := h.Handle(t.Context(), json.RawMessage(`{"id":"2"}`)); !errors.Is(err, finderlaunch.ErrNoCapacity) {
		t.Errorf("without room anywhere: %v", err)
	}
	instances.broken = errors.New("not authorized")
	if _, err := h.Handle(t.Context(), json.RawMessage(`{"id":"3"}`)); err == nil || strings.Count(err.Error(), "subnet") != 1 {
		t.Errorf("another subnet was tried for an error that is no want of room: %v", err)
	}
}

// While the task is paused nothing new is begun; what looks only is allowed. Ticks are answered, not failed.
func TestNothingIsStartedWhilePaused(t *testing.T) {
	h, instances, runs := newHandler(t)
	told := 0
	h.Announce = func(context.Context, finderlaunch.Mode) error { told++; return nil }
	if err := runs.SetPaused(t.Context(), true, time.Now()); err != nil {
		t.Fatal(err)
	}
	for event, started := range map[string]bool{
		fmt.Sprintf(tick, 1): false, `{"id":"1"}`: false, `{"mode":"close","run":"r","id":"2"}`: false, `{"mode":"plan","id":"3"}`: true, `{"mode":"check","id":"4"}`: true,
	} {
		a, err := h.Handle(t.Context(), json.RawMessage(event))
		if err != nil || a.Paused == started || (a.Instance != "") != started {
			t.Errorf("%s: %+v, %v", event, a, err)
		}
	}
	if err := runs.SetPaused(t.Context(), false, time.Now()); err != nil {
		t.Fatal(err)
	}
	if a, err := h.Handle(t.Context(), json.RawMessage(fmt.Sprintf(tick, 1))); err != nil || a.Instance == "" || told != 1 || len(instances.tokens) != 3 {
		t.Errorf("after the pause: %+v, %v, told %d times", a, err, told)
	}
}

func TestInstancesThatHangAreEnded(t *testing.T) {
	h, instances, runs := newHandler(t)
	holders := map[string]string{pass.LeaseName: "i-passing", closing.LeaseName: "i-closing"}
	for name, holder := range holders {
		if _, held, err := runs.Lease(t.Context(), name, holder, time.Now(), time.Minute); err != nil || !held {
			t.Fatal(held, err)
		}
	}
	long := time.Now().Add(-time.Hour)
	instances.running = []finderlaunch.Instance{
		{ID: "i-passing", Mode: finderlaunch.Pass, Launched: long},
		{ID: "i-closing", Mode: finderlaunch.Close, Launched: long},
		{ID: "i-booting", Mode: finderlaunch.Pass, Launched: time.Now().Add(-time.Minute)},
		{ID: "i-hanging", Mode: finderlaunch.Pass, Launched: long},
		{ID: "i-planning", Mode: finderlaunch.Plan, Launched: long},
		{ID: "i-planning-for-ever", Mode: finderlaunch.Plan, Launched: time.Now().Add(-7 * time.Hour)},
	}
	if _, err := h.Handle(t.Context(), json.RawMessage(`{"id":"1"}`)); err != nil || strings.Join(instances.ended, " ") != "i-hanging i-planning-for-ever" {
		t.Errorf("ended %q, %v", instances.ended, err)
	}
	// Asking who holds a lease leaves free ones free.
	for name, holder := range holders {
		if err := runs.Unlease(t.Context(), name, holder); err != nil {
			t.Fatal(err)
		}
	}
	left, err := finderlaunch.Leases{Runs: runs, Now: time.Now}.Holders(t.Context())
	if err != nil || len(left) != 0 {
		t.Errorf("holders %q, %v", left, err)
	}
	if _, held, err := runs.Lease(t.Context(), pass.LeaseName, "i-next", time.Now(), time.Minute); err != nil || !held {
		t.Errorf("the next finder cannot take the lease: %v", err)
	}
}

// CloudFormation's request starts the first finder, once.
func TestFirstPass(t *testing.T) {
	h, instances, _ := newHandler(t)
	first := finderlaunch.FirstPass{Handler: h}
	e := customresource.Event{RequestType: "Create", RequestId: "5e8a-1", StackId: "arn:aws:cloudformation:us-east-1:123456789012:stack/task/0a1b"}
	for range 2 {
		if r, err := first.Create(t.Context(), e); err != nil || r.ID != "first-pass-of-0a1b" || len(instances.tokens) != 1 {
			t.Errorf("%+v, %v, %d instances", r, err, len(instances.tokens))
		}
	}
	e.PhysicalResourceId = "first-pass-of-0a1b"
	for _, call := range []func(context.Context, customresource.Event) (customresource.Result, error){first.Update, first.Delete} {
		if r, err := call(t.Context(), e); err != nil || r.ID != e.PhysicalResourceId || len(instances.tokens) != 1 {
			t.Errorf("%+v, %v, %d instances", r, err, len(instances.tokens))
		}
	}
	instances.broken = errors.New("not authorized")
	e.RequestId = "5e8a-2"
	if _, err := first.Create(t.Context(), e); err == nil {
		t.Error("a finder that could not be started is no failure")
	}
	for event, want := range map[string]bool{`{"RequestType":"Create","ResponseURL":"https://x"}`: true, fmt.Sprintf(tick, 1): false, `{"mode":"pass","id":"x"}`: false, `[]`: false} {
		if customresource.IsRequest(json.RawMessage(event)) != want {
			t.Errorf("%s: a custom resource is %v", event, !want)
		}
	}
}

// The stack of a paused task gets a note of its pause, no finder; the wait condition is told in the finder's place. What fails
// fails the stack.
func TestFirstPassOfAPausedTask(t *testing.T) {
	h, instances, runs := newHandler(t)
	var told []string
	var broken error
	first := finderlaunch.FirstPass{
		Handler: h, Pause: func(ctx context.Context) error { return runs.SetPaused(ctx, true, time.Now()) },
		Signal: func(_ context.Context, url string, s customresource.Signal) error {
			told = append(told, url+" "+s.UniqueID)
			return broken
		},
	}
	e := customresource.Event{RequestType: "Create", RequestId: "5e8a-1", StackId: "arn:aws:cloudformation:us-east-1:123456789012:stack/task/0a1b", ResourceProperties: json.RawMessage(`{"Paused":"true","Signal":"https://handle"}`)}
	for range 2 {
		if r, err := first.Create(t.Context(), e); err != nil || r.ID != "first-pass-of-0a1b" || !strings.Contains(r.Note, "paused") {
			t.Errorf("%+v, %v", r, err)
		}
	}
	if p, err := runs.Pause(t.Context()); err != nil || !p.Paused || len(instances.tokens) != 0 || strings.Join(told, ";") != "https://handle paused;https://handle paused" {
		t.Errorf("%+v, %v, %d instances, told %q", p, err, len(instances.tokens), told)
	}
	if a, err := h.Handle(t.Context(), json.RawMessage(`{"mode":"pass","id":"x"}`)); err != nil || !a.Paused || len(instances.tokens) != 0 {
		t.Errorf("a pass of a paused task: %+v, %v", a, err)
	}
	broken = errors.New("no way")
	if _, err := first.Create(t.Context(), e); err == nil || !strings.Contains(err.Error(), "wait condition: no way") {
		t.Errorf("a signal that cannot be sent: %v", err)
	}
	first.Pause = func(context.Context) error { return errors.New("no table") }
	if _, err := first.Create(t.Context(), e); err == nil || !strings.Contains(err.Error(), "no table") {
		t.Errorf("a note that cannot be written: %v", err)
	}
}

func TestRequests(t *testing.T) {
	for _, c := range []struct{ event, want string }{
		{`[]`, "no JSON object"},
		{`{"id":"x","mode":"copy"}`, "pass, close, plan and check"},
		{`{"id":"x","mode":"close"}`, "required to close"},
		{`{"id":"x","run":"$(reboot)"}`, "run"},
		{`{"mode":"pass"}`, "id"},
		{`{"id":"a b"}`, "id"},
	} {
		if _, err := finderlaunch.Parse(json.RawMessage(c.event)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.event, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(fmt.Sprintf(tick, 1)))
	f.Add([]byte(`{"mode":"close","run":"r","id":"x"}`))
	f.Fuzz(func(t *testing.T, event []byte) {
		if r, err := finderlaunch.Parse(event); err == nil && (r.ID == "" || r.Mode == "" || strings.ContainsAny(r.Run+r.ID, " $`\"'\\")) {
			t.Errorf("%s is taken as %+v", event, r)
		}
	})
}
