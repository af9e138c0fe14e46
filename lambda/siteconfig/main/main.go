// Command main is the Lambda that brings the console into its bucket.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/datatransferhub/dth/lambda/customresource"
	"github.com/datatransferhub/dth/lambda/siteconfig"
	"github.com/datatransferhub/dth/lambda/siteconfig/siteconfigaws"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	client := &http.Client{Timeout: 10 * time.Second}
	lambda.Start(func(ctx context.Context, e customresource.Event) error {
		return customresource.Handler(late{}, client, log)(ctx, e)
	})
}

// late opens the site when it is asked, so that what is wrong is told to CloudFormation.
type late struct{}

func open(ctx context.Context) (siteconfig.Resource, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return siteconfig.Resource{}, fmt.Errorf("the AWS configuration cannot be read: %w", err)
	}
	return siteconfig.Resource{Site: siteconfigaws.Open(cfg)}, nil
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
		return customresource.Result{}, err
	}
	return r.Delete(ctx, e)
}
