package workflow_test

import (
	"encoding/json"
	"testing"

	"github.com/datatransferhub/dth/plugins/ecr/workflow"
	"github.com/datatransferhub/dth/worker/standin/asl"
)

func TestDefinition(t *testing.T) {
	asl.Check(t, workflow.Run(), "${Partition}", "${Function}", "${Topic}", "${Bucket}", "${Cluster}", "${TaskDefinition}", "${SubnetA}", "${SubnetB}", "${SecurityGroup}", "${AssignPublicIp}")
}

type retrier struct {
	ErrorEquals     []string
	IntervalSeconds int
	BackoffRate     float64
	MaxAttempts     int
}

// The terms of the product: ten tasks at once, three retries of each that wait 60 s and then twice as long, retries of their own
// for want of room, failed batches that stop no others, and a work list that lies in S3.
func TestTerms(t *testing.T) {
	var m struct {
		States struct {
			Copy struct {
				MaxConcurrency, ToleratedFailurePercentage int
				ItemReader                                 struct{ Resource string }
				ItemSelector                               map[string]string
				ResultWriter                               struct{ Resource string }
				ResultPath                                 *string
				ItemProcessor                              struct {
					ProcessorConfig struct{ Mode, ExecutionType string }
					States          map[string]struct {
						Resource   string
						Parameters struct{ LaunchType string }
						Retry      []retrier
					}
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(workflow.Run()), &m); err != nil {
		t.Fatal(err)
	}
	c := m.States.Copy
	if c.MaxConcurrency != 10 || c.ToleratedFailurePercentage != 100 || c.ItemProcessor.ProcessorConfig.Mode != "DISTRIBUTED" || c.ItemProcessor.ProcessorConfig.ExecutionType != "STANDARD" {
		t.Errorf("%+v", c)
	}
	if c.ItemReader.Resource != "arn:${Partition}:states:::s3:getObject" || c.ResultWriter.Resource != "arn:${Partition}:states:::s3:putObject" || c.ResultPath != nil || len(c.ItemSelector) != 2 {
		t.Errorf("the list, or what becomes of it, travels through state: %+v", c)
	}
	task := c.ItemProcessor.States["Copy a batch"]
	if task.Resource != "arn:${Partition}:states:::ecs:runTask.sync" || task.Parameters.LaunchType != "FARGATE" || len(task.Retry) != 2 {
		t.Fatalf("%+v", task)
	}
	room, tries := task.Retry[0], task.Retry[1]
	if tries.ErrorEquals[0] != "States.ALL" || tries.MaxAttempts != 3 || tries.IntervalSeconds != 60 || tries.BackoffRate != 2 {
		t.Errorf("tries: %+v", tries)
	}
	if room.ErrorEquals[0] != "ECS.AmazonECSException" || room.MaxAttempts < 5 {
		t.Errorf("want of room: %+v", room)
	}
}
