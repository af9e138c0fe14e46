package workflow_test

import (
	"testing"

	"github.com/datatransferhub/dth/lambda/stackops/workflow"
	"github.com/datatransferhub/dth/worker/standin/asl"
)

func TestDefinitions(t *testing.T) {
	for name, text := range map[string]string{"stack": workflow.Stack(), "reconcile": workflow.Reconcile()} {
		t.Run(name, func(t *testing.T) { asl.Check(t, text, "${Partition}", "${Function}") })
	}
}
