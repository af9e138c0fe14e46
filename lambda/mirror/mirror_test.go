package mirror_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/lambda/mirror"
	"github.com/datatransferhub/dth/lambda/monitor"
	"github.com/datatransferhub/dth/lambda/notify"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/lambda/task/tasksim"
	"github.com/datatransferhub/dth/worker/run"
)

const stackID = "arn:aws:cloudformation:us-east-1:123456789012:stack/DTH-t-1/c0ffee"

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// event is what EventBridge delivers, so many minutes after noon.
func event(kind string, minute int, d monitor.Detail) json.RawMessage {
	detail, err := json.Marshal(d)
	if err != nil {
		panic(err) // a mistake of the test
	}
	return fmt.Appendf(nil, `{"version":"0","id":"e","detail-type":%q,"source":"datatransferhub.s3","account":"123456789012","time":%q,"region":"us-east-1","resources":[%q],"detail":%s}`,
		kind, noon.Add(time.Duration(minute)*time.Minute).Format(time.RFC3339), d.StackID, detail)
}

// began is a run that began at noon.
func began(state run.State) monitor.Detail {
	return monitor.Detail{StackName: "DTH-t-1", StackID: stackID, Run: "run-1", Trigger: "schedule", State: state, Started: noon}
}

// life is a run from its beginning to its proof: 90 objects copied, 5 there already, 5 failed.
func life() []json.RawMessage {
	progress := began(run.Copying)
	progress.Finder.Queued = 100
	progress.Outcomes, progress.Settled = map[string]run.Tally{"DONE:stream": {Objects: 40, Bytes: 4000}, "IN_PROGRESS": {Objects: 1}}, 40
	closed := progress
	closed.State, closed.Finished, closed.Proved, closed.Named = run.Done, noon.Add(50*time.Minute), true, 5
	closed.Outcomes = map[string]run.Tally{"DONE:stream": {Objects: 90, Bytes: 9000}, "DONE:none": {Objects: 5, Bytes: 500}, "FAILED": {Objects: 5, Bytes: 50}}
	closed.Settled = 100
	return []json.RawMessage{event("RunStarted", 1, began(run.Finding)), event("RunProgress", 6, progress), event("RunClosed", 50, closed)}
}

type hub struct {
	t     *testing.T
	h     *mirror.Handler
	tasks *tasksim.Store
	sent  []notify.Message
	fail  error // of sending
}

func newHub(t *testing.T, of task.Task) *hub {
	t.Helper()
	of.ID, of.Stack.ID = "t-1", stackID
	h := &hub{t: t, tasks: tasksim.New(of)}
	h.h = &mirror.Handler{Recorder: mirror.Recorder{
		Tasks: h.tasks, Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return noon.Add(time.Hour) },
		Notify: func(_ context.Context, m notify.Message) error { h.sent = append(h.sent, m); return h.fail },
	}}
	return h
}

func (h *hub) take(events ...json.RawMessage) task.Task {
	h.t.Helper()
	for _, e := range events {
		if err := h.h.Handle(h.t.Context(), e); err != nil {
			h.t.Fatal(err)
		}
	}
	t, err := h.tasks.Get(h.t.Context(), "t-1")
	if err != nil {
		h.t.Fatal(err)
	}
	return t
}

func TestALife(t *testing.T) {
	h := newHub(t, task.Task{State: task.InProgress, Settings: task.Settings{Schedule: task.Schedule{Kind: task.Scheduled}}})
	all := life()
	if got := h.take(all[0]); got.LastRun == nil || got.LastRun.State != run.Finding || got.Health != task.Unknown {
		t.Errorf("at its beginning the task is %+v", got)
	}
	got := h.take(all[1])
	if r := got.LastRun; r.Queued != 100 || r.Settled != 40 || r.Copied != 40 || r.Bytes != 4000 || !r.Told.Equal(noon.Add(6*time.Minute)) {
		t.Errorf("on its way the run is %+v", r)
	}
	got = h.take(all[2])
	want := &task.Run{
		ID: "run-1", Trigger: "schedule", State: run.Done, Started: noon, Finished: noon.Add(50 * time.Minute), Queued: 100, Settled: 100,
		Copied: 90, Bytes: 9000, Failed: 5, Told: noon.Add(50 * time.Minute),
	}
	if diff := cmp.Diff(want, got.LastRun); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(task.Agreement{AsOf: noon, InSync: true, Behind: 5, Named: 5, RunID: "run-1", Checked: noon.Add(50 * time.Minute)}, got.Agreement); diff != "" {
		t.Error(diff)
	}
	if got.Health != task.Attention || got.State != task.InProgress || len(h.tasks.Entries()) != 0 {
		t.Errorf("at its end the task is %s and %s", got.State, got.Health)
	}
	if len(h.sent) != 1 || !strings.HasPrefix(h.sent[0].What, "5 objects of its run run-1 failed") {
		t.Errorf("people are told %+v", h.sent)
	}
}

// Events come in any order and more than once; the task is the same in the end, and people are told once.
func TestAnyOrder(t *testing.T) {
	var want task.Task
	for seed := range uint64(50) {
		h := newHub(t, task.Task{State: task.InProgress})
		all := append(life(), life()...)
		if seed > 0 {
			rand.New(rand.NewPCG(seed, 0)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		}
		got := h.take(all...)
		got.Revision = 0
		if seed == 0 {
			want = got
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("order %d: %s", seed, diff)
		}
		if len(h.sent) != 1 {
			t.Errorf("order %d: people are told %+v", seed, h.sent)
		}
	}
}

// A one-time task is done when its run is proved with nothing left; what ends otherwise is told to people.
func TestEnds(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*monitor.Detail)
		state  task.State
		health task.Health
		told   string
		next   string
	}{
		{"proved", func(d *monitor.Detail) { d.Proved, d.State = true, run.Done }, task.Done, task.Healthy, "", ""},
		{"failed", func(d *monitor.Detail) { d.State, d.Error = run.Failed, "no such bucket" }, task.InProgress, task.Failing, "its run run-1 failed", "put right"},
		{"objects left", func(d *monitor.Detail) {
			d.Proved, d.State, d.Remaining = true, run.Done, map[string]int64{"new": 2, "changed:size": 1}
		}, task.InProgress, task.Attention, "3 objects differ after its run run-1", "run the task once more"},
		{"skipped", func(d *monitor.Detail) { d.State = run.Skipped }, task.InProgress, task.Unknown, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHub(t, task.Task{State: task.InProgress, Settings: task.Settings{Schedule: task.Schedule{Kind: task.Once}}})
			d := began(run.Done)
			d.Finished = noon.Add(time.Minute)
			c.change(&d)
			e := event("RunClosed", 2, d)
			got := h.take(e, e)
			if got.State != c.state || got.Health != c.health {
				t.Errorf("the task is %s and %s", got.State, got.Health)
			}
			var told []string
			for _, m := range h.sent {
				told = append(told, m.What+" "+m.Next)
			}
			if (len(told) > 0) != (c.told != "") || len(told) > 1 || c.told != "" && (!strings.HasPrefix(told[0], c.told) || !strings.Contains(told[0], c.next)) {
				t.Errorf("people are told %q", told)
			}
			entries := h.tasks.Entries()
			if done := c.state == task.Done; done != (len(entries) == 1) || done && (entries[0].Action != "run proved" || entries[0].Changes[0].After != "DONE" || !entries[0].At.Equal(noon.Add(time.Hour))) {
				t.Errorf("the audit says %+v", entries)
			}
		})
	}
}

// A topic that does not work holds up no record.
func TestAMessageThatCannotBeSent(t *testing.T) {
	h := newHub(t, task.Task{State: task.InProgress})
	h.fail = errors.New("no topic")
	if got := h.take(life()[2]); got.LastRun == nil || len(h.sent) != 1 {
		t.Errorf("the run is %+v, messages %d", got.LastRun, len(h.sent))
	}
}

// Somebody else writes the record at the same time: both changes are in it, and the message is sent once.
func TestConflicts(t *testing.T) {
	h := newHub(t, task.Task{State: task.InProgress})
	h.tasks.Meanwhile(func() {
		_, err := task.Amend(t.Context(), h.tasks, "t-1", func(t *task.Task) (*task.Entry, error) { t.State = task.Paused; return nil, nil })
		if err != nil {
			t.Error(err)
		}
	})
	if got := h.take(life()[2]); got.State != task.Paused || got.LastRun == nil || len(h.sent) != 1 {
		t.Errorf("the task is %+v, messages %d", got, len(h.sent))
	}
}

// Plugins can be launched without a hub, and events can be anything.
func TestWhatIsLeftAlone(t *testing.T) {
	h := newHub(t, task.Task{State: task.InProgress})
	stranger := began(run.Finding)
	stranger.StackID = "arn:aws:cloudformation:us-east-1:123456789012:stack/by-hand/1"
	got := h.take(event("RunStarted", 1, stranger), json.RawMessage(`[]`), json.RawMessage(`{"detail-type":"RunStarted"}`))
	if got.LastRun != nil || got.Revision != 1 {
		t.Errorf("the task is %+v", got)
	}
	h.tasks.Fail(errors.New("no table"))
	if err := h.h.Handle(t.Context(), life()[0]); err == nil {
		t.Error("an event that cannot be recorded is taken as if it were")
	}
}

func TestParse(t *testing.T) {
	good := string(life()[0])
	if _, err := mirror.Parse([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, bad, want string }{
		{`"source":"datatransferhub.s3"`, `"source":"aws.s3"`, `source: "aws.s3"`},
		{`"detail-type":"RunStarted"`, `"detail-type":"FinderStarted"`, `detail-type: "FinderStarted"`},
		{`"time":"2026-11-23T12:01:00Z"`, `"when":1`, "time: it is required"},
		{`"time":"2026-11-23T12:01:00Z"`, `"time":"today"`, "no event about a run"},
		{`"stackId":"` + stackID + `"`, `"stackId":"DTH-t-1"`, `detail.stackId: "DTH-t-1"`},
		{`"run":"run-1"`, `"run":"run 1"`, `detail.run: "run 1"`},
		{`"state":"FINDING"`, `"state":"LOST"`, `detail.state: "LOST"`},
		{`"started":"2026-11-23T12:00:00Z"`, `"started":"0001-01-01T00:00:00Z"`, "detail.started: it is required"},
	} {
		bad := strings.Replace(good, c.old, c.bad, 1)
		if bad == good {
			t.Fatalf("%s is not in the event", c.old)
		}
		if _, err := mirror.Parse([]byte(bad)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.bad, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, e := range life() {
		f.Add([]byte(e))
	}
	f.Add([]byte(`{"detail":{"outcomes":{"DONE":null},"remaining":{"":-1}}}`))
	f.Fuzz(func(t *testing.T, event []byte) {
		e, err := mirror.Parse(event)
		if err != nil {
			return
		}
		var of task.Task
		of.Observe(e.Progress(), noon)
		if of.LastRun != nil && of.LastRun.ID != e.Detail.Run {
			t.Errorf("%s is the news of run %q", event, of.LastRun.ID)
		}
	})
}
