package machines

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/datatransferhub/dth/lambda/machines/machinesaws"
	"github.com/datatransferhub/dth/lambda/mirror"
	"github.com/datatransferhub/dth/lambda/monitor"
	"github.com/datatransferhub/dth/lambda/notify"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/lambda/task/tasksim"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
	"github.com/datatransferhub/dth/plugins/s3/workflow"
	"github.com/datatransferhub/dth/worker/run"
)

const newsStack = "arn:aws:cloudformation:us-east-1:123456789012:stack/DTH-" + taskID + "/1"

// bus carries what a monitor tells to a mirror, as EventBridge does; everything arrives twice.
func bus(h *mirror.Handler) func(context.Context, []monitor.Event) error {
	return func(ctx context.Context, events []monitor.Event) error {
		for _, e := range events {
			detail, err := json.Marshal(e.Detail)
			if err != nil {
				return err
			}
			envelope := fmt.Appendf(nil, `{"detail-type":%q,"source":%q,"time":%q,"detail":%s}`, e.Kind, wiring.EventSource, time.Now().UTC().Format(time.RFC3339), detail)
			for range 2 {
				if err := h.Handle(ctx, envelope); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// A one-time task is DONE when the monitor of its stack has had its run proved; failures on record are told to people.
func TestARunReachesItsTask(t *testing.T) {
	for _, c := range []struct {
		name   string
		failed int64
		health task.Health
	}{{"proved", 0, task.Healthy}, {"with-failures", 3, task.Attention}} {
		t.Run(c.name, func(t *testing.T) {
			p := open(t)
			tasks := tasksim.New(task.Task{
				ID: taskID, State: task.InProgress, Stack: task.Stack{Name: task.StackName(taskID), ID: newsStack}, Settings: task.Settings{Schedule: task.Schedule{Kind: task.Once}},
			})
			var sent []string
			h := &mirror.Handler{Recorder: mirror.Recorder{
				Tasks: tasks, Log: slog.New(slog.DiscardHandler), Now: time.Now,
				Notify: func(_ context.Context, m notify.Message) error { sent = append(sent, m.What); return nil },
			}}
			w := watching(p, nil)
			w.StackID, w.Tell = newsStack, bus(h)
			r := run.Run{ID: "one", State: run.Copying, Started: time.Now().UTC(), Finder: run.FinderTotals{Queued: 10}, Named: c.failed}
			must(t, p.runs.Create(t.Context(), r))
			outcomes := map[string]run.Tally{"DONE:stream": {Objects: 10 - c.failed, Bytes: 100}}
			if c.failed > 0 {
				outcomes["FAILED"] = run.Tally{Objects: c.failed}
			}
			must(t, p.runs.PutCounters(t.Context(), "one", run.Counters{Worker: "w", Seq: 10, Outcomes: outcomes}))
			m := machinesaws.Create(t, workflows.URL, "news-"+c.name, quick(workflow.Monitor()))
			answering(t, 0, w.Handle)
			m.Start("pass-1", `{"begun":"pass-1"}`)
			m.Until("pass-1", "SUCCEEDED")
			got, err := tasks.Get(t.Context(), taskID)
			must(t, err)
			if got.State != task.Done || got.Health != c.health || got.LastRun.Settled != 10 || got.LastRun.Failed != c.failed || got.Agreement.Behind != c.failed || !got.Agreement.InSync {
				t.Errorf("the task is %s and %s; its run %+v, agreement %+v", got.State, got.Health, got.LastRun, got.Agreement)
			}
			if told := c.failed > 0; told != (len(sent) == 1) {
				t.Errorf("people are told %q", sent)
			}
		})
	}
}
