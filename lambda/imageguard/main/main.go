// Command main is the Lambda that tidies up before an ECR task's stack is deleted.
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
	"github.com/datatransferhub/dth/lambda/imageguard"
	"github.com/datatransferhub/dth/lambda/imageguard/imageguardaws"
)

func main() {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		log.Error("the AWS configuration cannot be read", "error", err)
		os.Exit(1)
	}
	lambda.Start(customresource.Handler(imageguard.Resource{Stack: imageguardaws.Open(cfg)}, &http.Client{Timeout: 10 * time.Second}, log))
}
