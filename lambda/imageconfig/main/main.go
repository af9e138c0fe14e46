// Command main is the Lambda that checks an ECR task's parameters and writes its configuration.
package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/datatransferhub/dth/lambda/customresource"
	"github.com/datatransferhub/dth/lambda/imageconfig"
	"github.com/datatransferhub/dth/lambda/taskconfig/taskconfigaws"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		log.Error("the AWS configuration cannot be read", "error", err)
		os.Exit(1)
	}
	documents := taskconfigaws.Open(cfg)
	r := imageconfig.Resource{Documents: documents, Lists: documents}
	lambda.Start(customresource.Handler(r, &http.Client{Timeout: 10 * time.Second}, log))
}
