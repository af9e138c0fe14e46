package local_test

import (
	"strings"
	"testing"

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
