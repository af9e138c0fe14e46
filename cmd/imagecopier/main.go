// Command imagecopier copies one batch of container images. It is the program of the ECR plugin's Fargate tasks, and has skopeo beside
// it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/datatransferhub/dth/cmd/internal/command"
	"github.com/datatransferhub/dth/plugins/contract/configaws"
	"github.com/datatransferhub/dth/plugins/ecr"
	"github.com/datatransferhub/dth/plugins/ecr/endsaws"
	"github.com/datatransferhub/dth/plugins/ecr/wiring"
	"github.com/datatransferhub/dth/worker/image"
	"github.com/datatransferhub/dth/worker/image/copier"
	"github.com/datatransferhub/dth/worker/image/record/recordaws"
	"github.com/datatransferhub/dth/worker/image/skopeo"
	"github.com/datatransferhub/dth/worker/store/storeaws"
)

// version is set by the build.
var version = "dev"

const usage = `usage: imagecopier [--version]

Copies the images of one batch with skopeo, proves each by its digest, deletes what the batch says that the source does not have, and
records what became of each. What to do is in the
environment, since a task of Amazon ECS is told so:

  ` + wiring.EnvConfig + `     the configuration document: ssm:NAME, s3://BUCKET/KEY or a file
  ` + wiring.EnvBatch + `      key of the batch in the bucket of work lists
  ` + wiring.EnvRun + `        id of the run
  ` + wiring.EnvScratch + `    a folder for what is under way; nothing is written elsewhere
  ` + wiring.EnvExecution + `  what started the task; kept in records (optional)
  ` + wiring.EnvAttempt + `    how often the batch was tried before (optional)

Images that are in agreement are left alone, so that a batch that is tried again copies what is missing. Exit code 0: all
images are in agreement. 1: some failed; their records say why. 2: wrong usage or configuration. SIGTERM ends the copy that
is under way, and leaves nothing behind; exit code 143.
`

func main() {
	command.Main("imagecopier", func(ctx context.Context) error {
		switch {
		case len(os.Args) == 2 && (os.Args[1] == "--version" || os.Args[1] == "-version"):
			fmt.Println("imagecopier", version)
			return nil
		case len(os.Args) == 2 && (os.Args[1] == "--help" || os.Args[1] == "-h"):
			fmt.Print(usage)
			return nil
		case len(os.Args) > 1:
			return command.UsageError(fmt.Errorf("argument %q is not expected\n\n%s", os.Args[1], usage))
		}
		return start(ctx, os.Stderr)
	})
}

// environment is what a task is told.
type environment struct{ config, batch, run, scratch, execution, attempt string }

func read() (environment, error) {
	e := environment{
		config: os.Getenv(wiring.EnvConfig), batch: os.Getenv(wiring.EnvBatch), run: os.Getenv(wiring.EnvRun), scratch: os.Getenv(wiring.EnvScratch),
		execution: os.Getenv(wiring.EnvExecution), attempt: os.Getenv(wiring.EnvAttempt),
	}
	var missing []string
	for _, v := range [][2]string{{wiring.EnvConfig, e.config}, {wiring.EnvBatch, e.batch}, {wiring.EnvRun, e.run}, {wiring.EnvScratch, e.scratch}} {
		if v[1] == "" {
			missing = append(missing, v[0])
		}
	}
	if len(missing) > 0 {
		return e, fmt.Errorf("the environment lacks %s\n\n%s", strings.Join(missing, ", "), usage)
	}
	return e, nil
}

func start(ctx context.Context, to io.Writer) error {
	e, err := read()
	if err != nil {
		return command.UsageError(err)
	}
	own, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return command.UsageError(fmt.Errorf("the AWS configuration cannot be read: %w", err))
	}
	document, err := configaws.Load(ctx, own, e.config)
	if err != nil {
		return command.UsageError(err)
	}
	c, err := ecr.ParseConfig(document)
	if err != nil {
		return command.UsageError(fmt.Errorf("configuration %s: %w", e.config, err))
	}
	own.Region = c.Region
	text, err := configaws.Read(ctx, own, c.Bucket, e.batch, configaws.MaxDocument)
	if err != nil {
		return fmt.Errorf("batch s3://%s/%s: %w", c.Bucket, e.batch, err)
	}
	batch, err := image.ParseBatch(text)
	if err != nil {
		return fmt.Errorf("batch s3://%s/%s: %w", c.Bucket, e.batch, err)
	}
	log := slog.New(slog.NewJSONHandler(to, nil)).With("stack", c.StackName, "run", e.run, "batch", e.batch)
	return work(ctx, e, c, own, batch, log)
}

// errFailed makes the task fail: the state machine tries it again, and what agrees by then is left alone.
var errFailed = &command.ExitError{Code: command.Incomplete, Err: errors.New("not all images are in agreement; their records say why")}

func work(ctx context.Context, e environment, c *ecr.Config, own aws.Config, batch image.Batch, log *slog.Logger) error {
	tool, err := skopeo.Open(ctx, "", e.scratch)
	if err != nil {
		return command.UsageError(err)
	}
	ends, err := endsaws.Open(ctx, c, endsaws.Options{AWS: own, Secrets: storeaws.NewSecretsManager(own), Registry: endsaws.RegistryOf(batch)})
	if err != nil {
		return err
	}
	one := &copier.Copier{
		Source: ends.Source, Destination: ends.Destination, Open: ends.Other, Tool: tool, Records: recordaws.Open(own, c.RecordTable),
		Referrers: c.Values.Is("includeReferrers"), Settings: c.Values["destRepositorySettings"] == "copy", RunID: e.run, Execution: e.execution, Log: log,
	}
	log.Info("batch begins", "version", version, "skopeo", tool.Version(), "image", batch.Name, "target", batch.Target, "images", len(batch.Images), "delete", len(batch.Delete), "triedBefore", e.attempt)
	s, err := one.Batch(ctx, batch)
	log.Info("batch ends", "copied", s.Copied, "unchanged", s.Unchanged, "deleted", s.Deleted, "failed", s.Failed, "bytes", s.Bytes, "error", err)
	if err == nil && s.Failed > 0 {
		err = errFailed
	}
	return err
}
