// Command main is the Lambda that answers the API of a hub on AWS: the direct resolver of every root field.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/datatransferhub/dth/lambda/api"
	"github.com/datatransferhub/dth/lambda/catalog"
	"github.com/datatransferhub/dth/lambda/stackops/startaws"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/lambda/task/engineaws"
	"github.com/datatransferhub/dth/lambda/task/existenceaws"
	"github.com/datatransferhub/dth/lambda/task/logsaws"
	"github.com/datatransferhub/dth/lambda/task/metricsaws"
	"github.com/datatransferhub/dth/lambda/task/pickersaws"
	"github.com/datatransferhub/dth/lambda/task/taskaws"
	"github.com/datatransferhub/dth/lambda/wiring"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil)).With("hub", os.Getenv(wiring.EnvHub))
	appsync, err := open(context.Background(), log)
	if err != nil {
		log.Error("the API cannot answer", "error", err)
		os.Exit(1)
	}
	lambda.Start(appsync.Handle)
}

func open(ctx context.Context, log *slog.Logger) (*api.AppSync, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("the AWS configuration cannot be read: %w", err)
	}
	service, err := service(cfg, log)
	if err != nil {
		return nil, err
	}
	callers, err := programs(os.Getenv(wiring.EnvAutomationRole), service.Hub.Account)
	if err != nil {
		return nil, err
	}
	return api.NewAppSync(api.New(service), os.Getenv(wiring.EnvGroupsClaim), callers), nil
}

func service(cfg aws.Config, log *slog.Logger) (*task.Service, error) {
	workflow, hub := os.Getenv(wiring.EnvStackWorkflow), os.Getenv(wiring.EnvHub)
	machine, err := arn.Parse(workflow)
	if err != nil {
		return nil, fmt.Errorf("%s: %q is no ARN: %w", wiring.EnvStackWorkflow, workflow, err)
	}
	plugins := catalog.Cloud(os.Getenv(wiring.EnvPluginVersion), catalog.Place{Account: machine.AccountID, Region: cfg.Region, Network: network()})
	store := taskaws.Open(cfg, os.Getenv(wiring.EnvTasks), os.Getenv(wiring.EnvAudit))
	return &task.Service{
		Hub: task.Hub{Version: os.Getenv(wiring.EnvVersion), Region: cfg.Region, Account: machine.AccountID}, Plugins: plugins,
		Store: store, Stacks: startaws.Open(cfg, workflow), Engine: engineaws.Open(cfg),
		Logs: logsaws.Open(cfg), Metrics: metricsaws.Open(cfg, store, time.Now), Pickers: pickersaws.Open(cfg, hub), Existence: existenceaws.Open(cfg, plugins),
		Log: log, Now: time.Now,
	}, nil
}

// network is where tasks run that do not say otherwise.
func network() catalog.Network {
	subnets := strings.FieldsFunc(os.Getenv(wiring.EnvSubnets), func(r rune) bool { return r == ',' })
	return catalog.Network{Cluster: os.Getenv(wiring.EnvCluster), VPC: os.Getenv(wiring.EnvVPC), Subnets: subnets, Public: os.Getenv(wiring.EnvPublic) == "true"}
}
