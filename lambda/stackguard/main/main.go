// Command main is the Lambda that tidies up before a task's stack is deleted.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/datatransferhub/dth/lambda/customresource"
	"github.com/datatransferhub/dth/lambda/stackguard"
	"github.com/datatransferhub/dth/lambda/stackguard/stackguardaws"
	"github.com/datatransferhub/dth/plugins/contract/configaws"
	"github.com/datatransferhub/dth/plugins/s3"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
	"github.com/datatransferhub/dth/worker/giant"
	"github.com/datatransferhub/dth/worker/multipart/multipartaws"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run/runaws"
	"github.com/datatransferhub/dth/worker/store/storeaws"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil)).With("stack", os.Getenv(wiring.EnvStack))
	own, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		log.Error("the AWS configuration cannot be read", "error", err)
		os.Exit(1)
	}
	stack := stackguardaws.Open(own, multipartaws.Open(own, os.Getenv(wiring.EnvRuns), retry.Policy{}), func(ctx context.Context) (giant.Destination, func(), error) {
		return destination(ctx, own)
	})
	runs := runaws.Open(own, os.Getenv(wiring.EnvRuns), retry.Policy{})
	r := stackguard.Resource{
		Stack: stack, Name: os.Getenv(wiring.EnvStack),
		Pause: func(ctx context.Context) error { return runs.SetPaused(ctx, true, time.Now()) },
	}
	lambda.Start(customresource.Handler(r, &http.Client{Timeout: 10 * time.Second}, log))
}

// destination opens the task's destination, as the configuration says.
func destination(ctx context.Context, own aws.Config) (giant.Destination, func(), error) {
	document, err := configaws.Load(ctx, own, "ssm:"+os.Getenv(wiring.EnvConfiguration))
	if err != nil {
		return nil, nil, err
	}
	cfg, err := s3.ParseConfig(document)
	if err != nil {
		return nil, nil, err
	}
	b, err := storeaws.Open(ctx, cfg.Job.Destination, storeaws.Options{AWS: own, Secrets: storeaws.NewSecretsManager(own)})
	if err != nil {
		return nil, nil, fmt.Errorf("destination: %w", err)
	}
	return b, b.Close, nil
}
