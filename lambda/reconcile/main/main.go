// Command main is the Lambda that compares tasks with their stacks, workflows and runs.
package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/datatransferhub/dth/lambda/notify/notifyaws"
	"github.com/datatransferhub/dth/lambda/reconcile"
	"github.com/datatransferhub/dth/lambda/stackops/stackopsaws"
	"github.com/datatransferhub/dth/lambda/stackops/startaws"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/lambda/task/engineaws"
	"github.com/datatransferhub/dth/lambda/task/taskaws"
	"github.com/datatransferhub/dth/lambda/wiring"
	s3 "github.com/datatransferhub/dth/plugins/s3/wiring"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run/runaws"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil)).With("hub", os.Getenv(wiring.EnvHub))
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		log.Error("the AWS configuration cannot be read", "error", err)
		os.Exit(1)
	}
	h := &reconcile.Handler{
		Tasks: taskaws.Open(cfg, os.Getenv(wiring.EnvTasks), os.Getenv(wiring.EnvAudit)), CloudFormation: stackopsaws.Open(cfg, ""), Workflows: startaws.Open(cfg, os.Getenv(wiring.EnvStackWorkflow)),
		Stacks: engineaws.Open(cfg),
		Notify: notifyaws.To(cfg, os.Getenv(wiring.EnvTopic)), Log: log, Now: time.Now,
		Runs: func(t *task.Task) reconcile.Runs {
			table := t.Stack.Outputs[s3.OutputRuns]
			if table == "" {
				return nil
			}
			return runaws.Open(cfg, table, retry.Policy{Attempts: 4, Base: 200 * time.Millisecond, Cap: 2 * time.Second})
		},
	}
	lambda.Start(h.Handle)
}
