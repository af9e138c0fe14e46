package task_test

import (
	"testing"
	"time"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/worker/run"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// told is what a run that began so many hours after noon tells, so many minutes later.
func told(id string, hours, minutes int, s run.State) task.Progress {
	begun := noon.Add(time.Duration(hours) * time.Hour)
	p := task.Progress{Run: task.Run{ID: id, State: s, Started: begun, Told: begun.Add(time.Duration(minutes) * time.Minute)}}
	if s == run.Done || s == run.Failed || s == run.Skipped {
		p.Finished, p.Proved = p.Told, s == run.Done
	}
	return p
}

// News come more than once and in any order; each list of news ends alike.
func TestNewsInAnyOrder(t *testing.T) {
	first, firstOn, firstDone := told("1", 0, 1, run.Finding), told("1", 0, 6, run.Copying), told("1", 0, 50, run.Done)
	second, secondSkipped := told("2", 1, 1, run.Finding), told("2", 1, 1, run.Skipped)
	for _, c := range []struct {
		name    string
		news    []task.Progress
		last    string
		state   run.State
		asOf    time.Time
		changes int
	}{
		{"in order", []task.Progress{first, firstOn, firstDone}, "1", run.Done, noon, 3},
		{"the end first", []task.Progress{firstDone, firstOn, first}, "1", run.Done, noon, 1},
		{"twice", []task.Progress{first, first, firstDone, firstDone}, "1", run.Done, noon, 2},
		{"a proof after the next run's beginning", []task.Progress{first, second, firstDone, firstOn}, "2", run.Finding, noon, 3},
		{"a skipped run", []task.Progress{first, secondSkipped, firstOn}, "1", run.Copying, time.Time{}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got task.Task
			changes := 0
			for _, p := range c.news {
				if got.Observe(p, noon) {
					changes++
				}
			}
			if got.LastRun.ID != c.last || got.LastRun.State != c.state || !got.Agreement.AsOf.Equal(c.asOf) || changes != c.changes {
				t.Errorf("%d changes; last run %+v, agreement %+v", changes, got.LastRun, got.Agreement)
			}
		})
	}
}

// A one-time task is done when its run is proved and nothing is left that nobody can account for.
func TestAOneTimeTaskIsDone(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*task.Task, *task.Progress)
		state  task.State
		health task.Health
	}{
		{"proved", func(*task.Task, *task.Progress) {}, task.Done, task.Healthy},
		{"with failures on record", func(_ *task.Task, p *task.Progress) { p.Failed, p.Named = 2, 2 }, task.Done, task.Attention},
		{"with objects left", func(_ *task.Task, p *task.Progress) { p.Remaining = map[string]int64{"new": 1} }, task.InProgress, task.Attention},
		{"without proof", func(_ *task.Task, p *task.Progress) { p.Proved = false }, task.InProgress, task.Attention},
		{"a run that failed", func(_ *task.Task, p *task.Progress) { p.State, p.Proved = run.Failed, false }, task.InProgress, task.Failing},
		{"while it is paused", func(t *task.Task, _ *task.Progress) { t.State = task.Paused }, task.Paused, task.Healthy},
		{"while it is stopped", func(t *task.Task, _ *task.Progress) { t.State = task.Stopping }, task.Stopping, task.Healthy},
		{"that follows events", func(t *task.Task, _ *task.Progress) { t.Schedule.Events = true }, task.InProgress, task.Healthy},
		{"with a schedule", func(t *task.Task, _ *task.Progress) { t.Schedule.Kind = task.Scheduled }, task.InProgress, task.Healthy},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := task.Task{State: task.InProgress, Settings: task.Settings{Schedule: task.Schedule{Kind: task.Once}}}
			p := told("1", 0, 50, run.Done)
			c.change(&got, &p)
			if !got.Observe(p, noon) || got.State != c.state || got.Health != c.health {
				t.Errorf("the task is %s and %s", got.State, got.Health)
			}
		})
	}
}
