// Command main is the Lambda that starts the finder's instance.
package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/datatransferhub/dth/lambda/customresource"
	"github.com/datatransferhub/dth/lambda/finderlaunch"
	"github.com/datatransferhub/dth/lambda/finderlaunch/finderlaunchaws"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
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
	runs := runaws.Open(cfg, os.Getenv(wiring.EnvRuns), retry.Policy{})
	leases := finderlaunch.Leases{Runs: runs, Now: time.Now}
	client := &http.Client{Timeout: 10 * time.Second}
	h := &finderlaunch.Handler{
		Stack: os.Getenv(wiring.EnvStackID), Announce: finderlaunchaws.Announce(cfg, os.Getenv(wiring.EnvStack), os.Getenv(wiring.EnvStackID)), Subnets: strings.FieldsFunc(os.Getenv(wiring.EnvSubnets), func(r rune) bool { return r == ',' || r == ' ' }),
		Instances: finderlaunchaws.Open(cfg, finderlaunchaws.Options{
			Stack: os.Getenv(wiring.EnvStack), LaunchTemplate: os.Getenv(wiring.EnvLaunchTemplate), Version: os.Getenv(wiring.EnvVersion),
			SecurityGroup: os.Getenv(wiring.EnvSecurityGroup), PublicAddress: os.Getenv(wiring.EnvPublicAddress) == "true",
		}),
		Alive: leases, Paused: leases.Paused, Log: log, Now: time.Now,
	}
	first := customresource.Handler(finderlaunch.FirstPass{
		Handler: h, Pause: func(ctx context.Context) error { return runs.SetPaused(ctx, true, time.Now()) },
		Signal: func(ctx context.Context, url string, s customresource.Signal) error {
			return customresource.Send(ctx, client, url, s)
		},
	}, client, log)
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
