package workflow_test

import (
	"testing"

	"github.com/datatransferhub/dth/plugins/s3/workflow"
	"github.com/datatransferhub/dth/worker/standin/asl"
)

func TestDefinitions(t *testing.T) {
	for name, text := range map[string]string{"controller": workflow.Controller(), "monitor": workflow.Monitor()} {
		t.Run(name, func(t *testing.T) { asl.Check(t, text, "${Partition}", "${Function}") })
	}
}
