// Command infra is the CDK app: it writes the templates.
//
// Context published=true writes the released form, for which bucketPrefix and version say where its files are published.
// Built files are read below dist, which `make lambdas engines` fills.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/datatransferhub/dth/infra/kit"
	"github.com/datatransferhub/dth/infra/portal"
	"github.com/datatransferhub/dth/lambda/api/schema"
	ecrstack "github.com/datatransferhub/dth/plugins/ecr/stack"
	s3stack "github.com/datatransferhub/dth/plugins/s3/stack"
)

func main() {
	app := awscdk.NewApp(&awscdk.AppProps{AnalyticsReporting: new(false), TreeMetadata: new(false)})
	err := build(app, "dist")
	if err == nil {
		app.Synth(nil)
	}
	jsii.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, "infra:", err)
		os.Exit(1)
	}
}

// build puts every stack into the app. The error names the built files that are missing.
func build(app awscdk.App, dist string) error {
	version := context(app, "version", "dev")
	assets := kit.Assets{Lambdas: filepath.Join(dist, "lambda"), Engines: filepath.Join(dist, "engine")}
	if context(app, "published", "false") == "true" {
		assets.Published = &kit.Published{BucketPrefix: context(app, "bucketPrefix", "data-transfer-hub"), Version: version}
	}
	if _, err := s3stack.New(app, assets, version); err != nil {
		return err
	}
	if _, err := ecrstack.New(app, assets, version); err != nil {
		return err
	}
	for _, variant := range portal.Variants() {
		if _, err := portal.New(app, assets, version, variant, portal.API{Schema: schema.Text(), Resolver: schema.Resolver()}); err != nil {
			return err
		}
	}
	return nil
}

// context returns a value of the app's context.
func context(app awscdk.App, key, otherwise string) string {
	if value, ok := app.Node().TryGetContext(&key).(string); ok && value != "" {
		return value
	}
	return otherwise
}
