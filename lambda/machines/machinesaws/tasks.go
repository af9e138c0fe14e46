package machinesaws

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/datatransferhub/dth/lambda/task/taskaws"
	"github.com/datatransferhub/dth/lambda/task/wiring"
	"github.com/datatransferhub/dth/worker/standin/standinaws"
)

// Tasks makes the tables of tasks and of their audit on a stand-in, and opens them.
func Tasks(t *testing.T, url, tasks, audit string) *taskaws.Store {
	t.Helper()
	cfg := standinaws.Config(t, url)
	client := dynamodb.NewFromConfig(cfg)
	for name, form := range map[string]wiring.Table{tasks: wiring.Tasks(), audit: wiring.Audit()} {
		if _, err := client.CreateTable(t.Context(), taskaws.TableInput(name, form)); err != nil {
			t.Fatal(err)
		}
	}
	return taskaws.Open(cfg, tasks, audit)
}
