package local_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/datatransferhub/dth/lambda/local"
	"github.com/datatransferhub/dth/lambda/local/localsqlite"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/worker/s3sim"
)

// Failed objects are queued again by class, by key and all, in runs of their own that count them once and are closed by proof.
func TestFailedObjectsAreRetried(t *testing.T) {
	d := newDesk(t)
	d.fill("one", 40)
	var refused []string
	refuse := func(keys ...string) {
		refused = keys
		d.dstSim.SetFault(func(c s3sim.Call) s3sim.Fault {
			for _, k := range refused {
				if c.Op == "PutObject" && strings.HasSuffix(c.Key, k) {
					return s3sim.Fault{Status: 403, Code: "AccessDenied"}
				}
			}
			return s3sim.Fault{}
		})
	}
	refuse("1", "2", "3") // 12 of them
	b := d.bureau()
	made := b.got(b.Create(t.Context(), ada, d.input("one")))
	passed := b.is(made.ID, "the first run is done", func(t *task.Task) bool { return t.State == task.Done && t.LastRun.Failed == 12 }).Agreement.AsOf
	for _, step := range []struct {
		name           string
		refuse         []string
		retry          task.Retry
		copied, failed int64
		agree          bool
	}{
		{"those of another class: none", nil, task.Retry{Class: "kms"}, 0, 0, false},
		{"two keys, and one that never failed", nil, task.Retry{Keys: []string{"one/0011", "one/0021", "one/0000"}}, 2, 0, false},
		{"a class, of which some fail again", []string{"3"}, task.Retry{Class: "access_denied"}, 6, 4, false},
		{"all", nil, task.Retry{}, 4, 0, true},
	} {
		refuse(step.refuse...)
		asked := b.got(b.Retry(t.Context(), ada, made.ID, step.retry, strings.ReplaceAll(step.name[:3], " ", "-")))
		got := b.is(asked.ID, step.name, func(t *task.Task) bool {
			return t.State == task.Done && t.LastRun.Trigger == "retry" && t.LastRun.Copied == step.copied && t.LastRun.Failed == step.failed
		})
		if got.LastRun.Settled != step.copied+step.failed || !got.Agreement.InSync || !got.Agreement.AsOf.Equal(passed) {
			t.Errorf("%s: the run is %+v", step.name, got.LastRun)
		}
		if d.agree("one") != step.agree {
			t.Errorf("%s: the buckets agree: %v", step.name, d.agree("one"))
		}
	}
}

// A request is kept once; one of the same id that asks for something else is refused, and not passed over. What was asked of a task goes
// with it.
func TestRequestsOfOneID(t *testing.T) {
	d := newDesk(t)
	requests, err := localsqlite.OpenRequests(t.Context(), d.db)
	d.must(err)
	first := local.Request{ID: "r-1", Task: "t-1", Kind: local.Retry, Body: json.RawMessage(`{"Keys":["a"]}`)}
	for range 2 {
		d.must(requests.Add(t.Context(), first))
	}
	for name, change := range map[string]func(*local.Request){
		"kind": func(r *local.Request) { r.Kind = local.RunNow }, "choice": func(r *local.Request) { r.Body = nil }, "task": func(r *local.Request) { r.Task = "t-2" },
	} {
		other := first
		change(&other)
		if err := requests.Add(t.Context(), other); !errors.Is(err, local.ErrOther) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	d.must(requests.Forget(t.Context(), "t-1"))
	if _, err := requests.Get(t.Context(), "r-1"); !errors.Is(err, local.ErrNoRequest) {
		t.Errorf("of a task that is gone: %v", err)
	}
}

// A pause and a resume that a crash broke off are finished by the next start.
func TestSteeringThatACrashBrokeOff(t *testing.T) {
	d := newDesk(t)
	d.fill("one", 3)
	b := d.bureau()
	made := b.got(b.Create(t.Context(), ada, d.input("one", "ec2CronExpression", "0 3 * * ? *")))
	b.is(made.ID, "the first run is closed", func(t *task.Task) bool {
		return t.State == task.InProgress && t.LastRun != nil && t.LastRun.State == "DONE"
	})
	for n, to := range []task.State{task.Paused, task.InProgress} {
		b.stop()
		_, err := task.Amend(t.Context(), b.Store, made.ID, func(t *task.Task) (*task.Entry, error) {
			t.Steering = &task.Steering{ID: "r-" + string(to), To: to, Asked: d.now().Add(-time.Minute), By: "ada"}
			return nil, nil
		})
		d.must(err)
		b = d.bureau()
		b.is(made.ID, string(to), func(t *task.Task) bool { return t.State == to && t.Steering == nil })
		if n == 1 {
			b.is(made.ID, "resuming began with a run", func(t *task.Task) bool { return t.LastRun.ID == "r-IN_PROGRESS" && t.LastRun.State == "DONE" })
		}
	}
}
