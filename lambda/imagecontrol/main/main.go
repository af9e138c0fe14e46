// Command main is the Lambda by which an ECR task's stack is steered, and which begins its first run.
package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/datatransferhub/dth/lambda/customresource"
	"github.com/datatransferhub/dth/lambda/imagecontrol"
	"github.com/datatransferhub/dth/lambda/imagecontrol/imagecontrolaws"
	"github.com/datatransferhub/dth/plugins/ecr/wiring"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run/runaws"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil)).With("stack", os.Getenv(wiring.EnvStack))
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		log.Error("the AWS configuration cannot be read", "error", err)
		os.Exit(1)
	}
	stack := imagecontrolaws.Open(cfg, os.Getenv(wiring.EnvMachine), os.Getenv(wiring.EnvSchedule), os.Getenv(wiring.EnvPush))
	runs := runaws.Open(cfg, os.Getenv(wiring.EnvRuns), retry.Policy{})
	h := &imagecontrol.Handler{Stack: stack, Runs: runs, Log: log, Now: time.Now}
	pause := func(ctx context.Context) error { return runs.SetPaused(ctx, true, time.Now()) }
	first := customresource.Handler(imagecontrol.FirstRun{Stack: stack, Pause: pause}, &http.Client{Timeout: 10 * time.Second}, log)
	lambda.Start(func(ctx context.Context, event json.RawMessage) (any, error) {
		if !customresource.IsRequest(event) {
			return h.Handle(ctx, event)
		}
		var e customresource.Event
		if err := json.Unmarshal(event, &e); err != nil {
			return nil, err
		}
		return nil, first(ctx, e)
	})
}
