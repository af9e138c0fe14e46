package task_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/worker/run"
)

// Why a person is to look at which tasks.
func TestAttention(t *testing.T) {
	hourly := task.Schedule{Kind: task.Scheduled, Expression: "cron(0 * * * ? *)"}
	last := func(of task.Run) *task.Run { of.ID = "r-1"; return &of }
	for _, c := range []struct {
		name string
		task task.Task
		want string
	}{
		{"healthy", task.Task{State: task.InProgress, Health: task.Healthy}, ""},
		{"new", task.Task{State: task.InProgress}, ""},
		{"failing", task.Task{State: task.InProgress, Health: task.Failing, LastRun: last(task.Run{State: run.Failed, Error: "no bucket"})}, "RUN_FAILED 0"},
		{
			"failed objects, of which some are dead letters", task.Task{
				State: task.Done, Health: task.Attention, LastRun: last(task.Run{State: run.Done, Failed: 3, DeadLetters: 2}), Agreement: task.Agreement{RunID: "r-1", Behind: 8, Named: 3},
			}, "OBJECTS_FAILED 3, DEAD_LETTERS 2, DIFFERENT 5",
		},
		{"what a retry left", task.Task{State: task.Done, Health: task.Attention, LastRun: last(task.Run{State: run.Done}), Agreement: task.Agreement{RunID: "r-1", Behind: 4, Named: 4}}, "OBJECTS_FAILED 4"},
		{"no proof", task.Task{State: task.InProgress, Health: task.Attention, LastRun: last(task.Run{State: run.Done})}, "UNPROVED 0"},
		{"in error", task.Task{State: task.Errored, Health: task.Healthy}, "ERROR 0"},
		{"stopped", task.Task{State: task.Stopped, Health: task.Failing}, ""},
		{"two hours without a proof", task.Task{State: task.InProgress, Updated: noon.Add(-125 * time.Minute), Settings: task.Settings{Schedule: hourly}}, "STALE 0"},
		{"less than two hours", task.Task{State: task.InProgress, Updated: noon.Add(-115 * time.Minute), Settings: task.Settings{Schedule: hourly}}, ""},
		{"proved lately", task.Task{State: task.InProgress, Agreement: task.Agreement{Checked: noon.Add(-time.Hour)}, Settings: task.Settings{Schedule: hourly}}, ""},
		{"a long run that tells of itself", task.Task{State: task.InProgress, LastRun: last(task.Run{Told: noon.Add(-5 * time.Minute)}), Settings: task.Settings{Schedule: hourly}}, ""},
		{"a long run that is silent", task.Task{State: task.InProgress, LastRun: last(task.Run{Told: noon.Add(-time.Hour)}), Settings: task.Settings{Schedule: hourly}}, "STALE 0"},
		{"paused", task.Task{State: task.Paused, Settings: task.Settings{Schedule: hourly}}, ""},
		{"once", task.Task{State: task.InProgress, Settings: task.Settings{Schedule: task.Schedule{Kind: task.Once}}}, ""},
	} {
		var got []string
		for _, r := range c.task.Attention(noon) {
			got = append(got, fmt.Sprintf("%s %d", r.Kind, r.Count))
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// Among 1,000 tasks the one that fails is found, however long ago it was changed; what is looked at is bounded, and says so.
func TestTheHomePageOfManyTasks(t *testing.T) {
	o := newOffice(t)
	ctx := t.Context()
	for i := range 1000 {
		one := task.Task{ID: fmt.Sprintf("t-%04d", i), State: task.InProgress, Created: noon, Updated: noon.Add(time.Duration(i) * time.Second)}
		if i == 3 {
			one.Health = task.Failing
		}
		if err := o.Store.Create(ctx, one, task.Entry{Task: one.ID}); err != nil {
			t.Fatal(err)
		}
	}
	sum, err := o.Summary(ctx, viewer)
	if err != nil || len(sum.Attention) != 1 || sum.Attention[0].ID != "t-0003" || sum.More {
		t.Fatalf("to be looked at are %d, more %v, %v", len(sum.Attention), sum.More, err)
	}
	for i := range 40 {
		o.must(task.Amend(ctx, o.Store, fmt.Sprintf("t-%04d", 20*i), func(t *task.Task) (*task.Entry, error) { t.State = task.Errored; return nil, nil }))
	}
	if sum, err = o.Summary(ctx, viewer); err != nil || len(sum.Attention) != 25 || !sum.More {
		t.Errorf("to be looked at are %d, more %v, %v", len(sum.Attention), sum.More, err)
	}
	// The list has them all, page by page.
	seen, q := map[string]bool{}, task.Query{Attention: true, First: 10}
	for {
		page, err := o.List(ctx, viewer, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range page.Tasks {
			seen[one.ID] = true
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	if len(seen) != 41 {
		t.Errorf("listed are %d", len(seen))
	}
}
