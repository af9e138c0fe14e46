package workflow_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/datatransferhub/dth/plugins/s3/workflow"
	"github.com/datatransferhub/dth/worker/standin/asl"
)

func TestDefinitions(t *testing.T) {
	for name, text := range map[string]string{"controller": workflow.Controller(), "monitor": workflow.Monitor()} {
		t.Run(name, func(t *testing.T) { asl.Check(t, text, "${Partition}", "${Function}") })
	}
}

// Whoever finds that somebody handed over already ends at once: what exists does not go away by trying again.
func TestHandingOverTwiceIsNotRetried(t *testing.T) {
	const exists = "StepFunctions.ExecutionAlreadyExistsException"
	for name, text := range map[string]string{"controller": workflow.Controller(), "monitor": workflow.Monitor()} {
		var machine struct {
			States map[string]struct {
				Retry []struct {
					ErrorEquals []string
					MaxAttempts *int
				}
				Catch []struct {
					ErrorEquals []string
					Next        string
				}
			}
		}
		if err := json.Unmarshal([]byte(text), &machine); err != nil {
			t.Fatal(err)
		}
		over := machine.States["Hand over"]
		// The first that names an error, or all, decides: https://states-language.net/#retrying-after-error
		first := over.Retry[0]
		if len(over.Retry) < 2 || !slices.Equal(first.ErrorEquals, []string{exists}) || first.MaxAttempts == nil || *first.MaxAttempts != 0 {
			t.Errorf("%s: retries are %+v", name, over.Retry)
		}
		if c := over.Catch[0]; !slices.Equal(c.ErrorEquals, []string{exists}) || c.Next != "Nothing is open" {
			t.Errorf("%s: caught are %+v", name, over.Catch)
		}
	}
}
