// Command main is the Lambda that plans and closes the runs of an ECR task.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/datatransferhub/dth/lambda/imageplan"
	"github.com/datatransferhub/dth/lambda/imageplan/imageplanaws"
	"github.com/datatransferhub/dth/lambda/imageplan/planner"
	"github.com/datatransferhub/dth/lambda/monitor/monitoraws"
	"github.com/datatransferhub/dth/plugins/contract/configaws"
	"github.com/datatransferhub/dth/plugins/ecr"
	"github.com/datatransferhub/dth/plugins/ecr/endsaws"
	"github.com/datatransferhub/dth/plugins/ecr/wiring"
	"github.com/datatransferhub/dth/worker/image/plan"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run/runaws"
	"github.com/datatransferhub/dth/worker/store/storeaws"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil)).With("stack", os.Getenv(wiring.EnvStack))
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		log.Error("the AWS configuration cannot be read", "error", err)
		os.Exit(1)
	}
	configuration := os.Getenv(wiring.EnvConfiguration)
	h := &imageplan.Handler{
		StackName: os.Getenv(wiring.EnvStack), StackID: os.Getenv(wiring.EnvStackID), Region: cfg.Region, Version: os.Getenv(wiring.EnvVersion),
		Registries: planner.Registries{Open: func(ctx context.Context) (plan.Config, error) { return open(ctx, cfg, configuration, log) }},
		Records:    imageplanaws.OpenRecords(cfg, os.Getenv(wiring.EnvRecords)), Runs: runaws.Open(cfg, os.Getenv(wiring.EnvRuns), retry.Policy{}),
		Work: imageplanaws.OpenWork(cfg, os.Getenv(wiring.EnvBucket)), Alive: imageplanaws.Alive(cfg, os.Getenv(wiring.EnvMachine)),
		Tell: monitoraws.Bus(cfg, wiring.EventSource), Metrics: os.Stdout, Log: log, Now: time.Now,
	}
	lambda.Start(h.Handle)
}

// maxWait bounds how long a registry that has had enough is waited for: well within the time of the Lambda, so that a run that cannot be
// planned says why.
const maxWait = 4 * time.Minute

// open reads the configuration anew: a Lambda lives on when its task is edited.
func open(ctx context.Context, cfg aws.Config, configuration string, log *slog.Logger) (plan.Config, error) {
	document, err := configaws.Load(ctx, cfg, "ssm:"+configuration)
	if err != nil {
		return plan.Config{}, err
	}
	c, err := ecr.ParseConfig(document)
	if err != nil {
		return plan.Config{}, fmt.Errorf("configuration %s: %w", configuration, err)
	}
	p, err := endsaws.Plan(ctx, c, endsaws.Options{AWS: cfg, Secrets: storeaws.NewSecretsManager(cfg)})
	p.Log, p.MaxWait = log, maxWait
	return p, err
}
