// Command main is the Lambda of the monitor of runs.
package main

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/datatransferhub/dth/lambda/monitor"
	"github.com/datatransferhub/dth/lambda/monitor/monitoraws"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
	"github.com/datatransferhub/dth/worker/closing"
	"github.com/datatransferhub/dth/worker/multipart/multipartaws"
	"github.com/datatransferhub/dth/worker/queue/queueaws"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run/runaws"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil)).With("stack", os.Getenv(wiring.EnvStack))
	ctx := context.Background()
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		log.Error("the AWS configuration cannot be read", "error", err)
		os.Exit(1)
	}
	q, err := queueaws.Open(ctx, cfg, os.Getenv(wiring.EnvQueue), queueaws.Options{})
	if err != nil {
		log.Error("the queue cannot be used", "error", err)
		os.Exit(1)
	}
	services := monitoraws.Open(cfg, os.Getenv(wiring.EnvFinderLaunch))
	table := os.Getenv(wiring.EnvRuns)
	h := &monitor.Handler{
		StackName: os.Getenv(wiring.EnvStack), StackID: os.Getenv(wiring.EnvStackID), Tell: services.Tell, Close: services.Close, Resume: services.Resume, Log: log, Now: time.Now,
		Closing: closing.Config{Runs: runaws.Open(cfg, table, retry.Policy{}), Queue: q, Uploads: multipartaws.Open(cfg, table, retry.Policy{})},
	}
	lambda.Start(h.Handle)
}
