// Command main is the Lambda that subscribes a task's queue to the events of its source bucket.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/datatransferhub/dth/lambda/customresource"
	"github.com/datatransferhub/dth/lambda/s3events"
	"github.com/datatransferhub/dth/lambda/s3events/s3eventsaws"
	"github.com/datatransferhub/dth/plugins/contract/configaws"
	"github.com/datatransferhub/dth/plugins/s3"
	"github.com/datatransferhub/dth/plugins/s3/wiring"
	"github.com/datatransferhub/dth/worker/store/storeaws"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil)).With("stack", os.Getenv(wiring.EnvStack))
	client := &http.Client{Timeout: 10 * time.Second}
	lambda.Start(func(ctx context.Context, e customresource.Event) error {
		return customresource.Handler(late{}, client, log)(ctx, e)
	})
}

// late opens the source with the task's identity when it is asked, so that what is wrong is told to CloudFormation.
type late struct{}

func open(ctx context.Context) (s3events.Resource, error) {
	own, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return s3events.Resource{}, fmt.Errorf("the AWS configuration cannot be read: %w", err)
	}
	document, err := configaws.Load(ctx, own, "ssm:"+os.Getenv(wiring.EnvConfiguration))
	if err != nil {
		return s3events.Resource{}, err
	}
	cfg, err := s3.ParseConfig(json.RawMessage(document))
	if err != nil {
		return s3events.Resource{}, err
	}
	if region := cfg.Job.Source.Region; region != "" && region != own.Region {
		return s3events.Resource{}, fmt.Errorf("srcRegion: %q: this stack is in %s: %w", region, own.Region, s3events.ErrElsewhere)
	}
	as, err := storeaws.Identity(ctx, cfg.Job.Source, storeaws.Options{AWS: own, Secrets: storeaws.NewSecretsManager(own)})
	if err != nil {
		return s3events.Resource{}, fmt.Errorf("source: %w", err)
	}
	return s3events.Resource{Bucket: s3eventsaws.Open(as, cfg.Job.Source.ExpectedOwner)}, nil
}

// Create implements customresource.Resource.
func (late) Create(ctx context.Context, e customresource.Event) (customresource.Result, error) {
	r, err := open(ctx)
	if err != nil {
		return customresource.Result{}, err
	}
	return r.Create(ctx, e)
}

// Update implements customresource.Resource.
func (late) Update(ctx context.Context, e customresource.Event) (customresource.Result, error) {
	r, err := open(ctx)
	if err != nil {
		return customresource.Result{}, err
	}
	return r.Update(ctx, e)
}

// Delete implements customresource.Resource.
func (late) Delete(ctx context.Context, e customresource.Event) (customresource.Result, error) {
	r, err := open(ctx)
	if err != nil {
		return customresource.Result{ID: e.PhysicalResourceId, Note: fmt.Sprintf("the notification may be left: %v", err)}, nil
	}
	return r.Delete(ctx, e)
}
