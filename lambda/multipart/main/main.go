// Command main is the Lambda of the controller of giants.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/datatransferhub/dth/lambda/multipart"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
	"github.com/datatransferhub/dth/worker/giant"
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
	table := os.Getenv(wiring.EnvRuns)
	h := &multipart.Handler{
		Log: log, Config: giant.Config{Queue: q, Uploads: multipartaws.Open(cfg, table, retry.Policy{})}, Pause: runaws.Open(cfg, table, retry.Policy{}).Pause,
	}
	lambda.Start(h.Handle)
}
