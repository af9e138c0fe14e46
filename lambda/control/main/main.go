// Command main is the Lambda by which a task's stack is steered.
package main

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/datatransferhub/dth/lambda/control"
	"github.com/datatransferhub/dth/lambda/control/controlaws"
	"github.com/datatransferhub/dth/plugins/contract/configaws"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
	"github.com/datatransferhub/dth/worker/ledger/ledgeraws"
	"github.com/datatransferhub/dth/worker/queue/queueaws"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run/runaws"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil)).With("stack", os.Getenv(wiring.EnvStack))
	h, err := open(context.Background(), log)
	if err != nil {
		log.Error("the stack cannot be steered", "error", err)
		os.Exit(1)
	}
	lambda.Start(h.Handle)
}

func open(ctx context.Context, log *slog.Logger) (*control.Handler, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	queue, err := queueaws.Open(ctx, cfg, os.Getenv(wiring.EnvQueue), queueaws.Options{})
	if err != nil {
		return nil, err
	}
	ledger, err := ledgeraws.Open(ctx, cfg, os.Getenv(wiring.EnvLedger), retry.Policy{})
	if err != nil {
		return nil, err
	}
	return &control.Handler{
		Stack: controlaws.Open(cfg, controlaws.Options{
			StackName: os.Getenv(wiring.EnvStack), StackID: os.Getenv(wiring.EnvStackID), Rule: os.Getenv(wiring.EnvSchedule),
			Group: os.Getenv(wiring.EnvWorkers), Alarms: strings.FieldsFunc(os.Getenv(wiring.EnvAlarms), func(r rune) bool { return r == ',' }), Launcher: os.Getenv(wiring.EnvFinderLaunch),
		}),
		Runs: runaws.Open(cfg, os.Getenv(wiring.EnvRuns), retry.Policy{}), Ledger: ledger, Queue: queue, Log: log, Now: time.Now,
		Settings: func(ctx context.Context) (control.Settings, error) {
			document, err := configaws.Load(ctx, cfg, "ssm:"+os.Getenv(wiring.EnvConfiguration))
			if err != nil {
				return control.Settings{}, err
			}
			return control.SettingsOf(document)
		},
		Caller: func(ctx context.Context) string {
			if c, ok := lambdacontext.FromContext(ctx); ok {
				return c.AwsRequestID
			}
			return "control"
		},
	}, nil
}
