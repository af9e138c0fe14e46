// Command main is the Lambda that makes the steps of the workflow of a task's stack.
package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/datatransferhub/dth/lambda/notify/notifyaws"
	"github.com/datatransferhub/dth/lambda/stackops"
	"github.com/datatransferhub/dth/lambda/stackops/stackopsaws"
	"github.com/datatransferhub/dth/lambda/task/engineaws"
	"github.com/datatransferhub/dth/lambda/task/taskaws"
	"github.com/datatransferhub/dth/lambda/wiring"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil)).With("hub", os.Getenv(wiring.EnvHub))
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		log.Error("the AWS configuration cannot be read", "error", err)
		os.Exit(1)
	}
	h := &stackops.Handler{
		CloudFormation: stackopsaws.Open(cfg, os.Getenv(wiring.EnvServiceRole)), Tasks: taskaws.Open(cfg, os.Getenv(wiring.EnvTasks), os.Getenv(wiring.EnvAudit)),
		Stacks: engineaws.Open(cfg), Notify: notifyaws.To(cfg, os.Getenv(wiring.EnvTopic)), Log: log, Now: time.Now,
		Templates: stackops.Templates{
			BucketPrefix: os.Getenv(wiring.EnvAssets), Region: cfg.Region, Boundary: os.Getenv(wiring.EnvBoundary), Hub: os.Getenv(wiring.EnvHub), Plugins: stackops.Plugins(),
		},
	}
	lambda.Start(h.Handle)
}
