package machines

import (
	"context"
	"errors"
	"testing"

	"github.com/datatransferhub/dth/lambda/machines/machinesaws"
	"github.com/datatransferhub/dth/lambda/reconcile"
	"github.com/datatransferhub/dth/lambda/stackops/workflow"
)

// The reconciler goes through all tasks, some at a time; tasks that could not be looked at fail the execution at its end.
func TestReconciler(t *testing.T) {
	for _, c := range []struct {
		name     string
		failures int // calls of the Lambda that fail first
		failed   int // tasks
		status   string
	}{
		{"all", 0, 0, "SUCCEEDED"},
		{"a-lambda-that-fails", 2, 0, "SUCCEEDED"},
		{"some-not", 0, 1, "FAILED"},
		{"broken", 1000, 0, "FAILED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := machinesaws.Create(t, workflows.URL, "reconcile-"+c.name, hurried(workflow.Reconcile()))
			answering(t, c.failures, func(_ context.Context, e reconcile.Execution) (reconcile.Answer, error) {
				if want := map[string]int{"": 0, "25": 25, "50": 50}[e.After]; e.Tasks != want {
					return reconcile.Answer{}, errors.New("another execution was handed on")
				}
				e.Tasks += 25
				e.Failed = c.failed
				switch e.After = map[string]string{"": "25", "25": "50"}[e.After]; {
				case e.After != "":
					return reconcile.Answer{Verdict: reconcile.Continue, Execution: e}, nil
				case c.failed > 0:
					return reconcile.Answer{Verdict: reconcile.Failed, Execution: e}, nil
				}
				return reconcile.Answer{Verdict: reconcile.End, Execution: e}, nil
			})
			m.Start("tick-1", `{}`)
			m.Until("tick-1", c.status)
		})
	}
}
