package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/store/storeaws"
)

// ends are the two opened buckets of a transfer.
type ends struct {
	source, destination *storeaws.Bucket
}

func (e *ends) close() {
	e.source.Close()
	e.destination.Close()
}

// openEnds opens both ends and makes sure that they can be reached, before anything is written.
func openEnds(ctx context.Context, j *job.Job) (*ends, error) {
	// The SDK's own remarks would stand in the middle of the progress.
	cfg, err := config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{}))
	if err != nil {
		return nil, usageError(fmt.Errorf("the AWS configuration of this machine cannot be read: %w", err))
	}
	return openEndsWith(ctx, j, storeaws.Options{AWS: cfg, Secrets: storeaws.NewSecretsManager(cfg)})
}

func openEndsWith(ctx context.Context, j *job.Job, o storeaws.Options) (*ends, error) {
	source, err := storeaws.Open(ctx, j.Source, o)
	if err != nil {
		return nil, usageError(fmt.Errorf("source: %w", err))
	}
	destination, err := storeaws.Open(ctx, j.Destination, o)
	if err != nil {
		return nil, usageError(fmt.Errorf("destination: %w", err))
	}
	e := &ends{source, destination}
	if err := reach(ctx, "source", "src", source); err != nil {
		e.close()
		return nil, err
	}
	if err := reach(ctx, "destination", "dst", destination); err != nil {
		e.close()
		return nil, err
	}
	return e, nil
}

// reach tells what is wrong with an end, and the way out.
func reach(ctx context.Context, end, flag string, b *storeaws.Bucket) error {
	err := b.Reach(ctx)
	if err == nil {
		return nil
	}
	var f *failure.Error
	if !errors.As(err, &f) {
		return &exitError{exitUnreachable, fmt.Errorf("%s: %w", end, err)}
	}
	var hint string
	switch class := f.Class; {
	case class == failure.NoSuchBucket:
		hint = fmt.Sprintf("bucket %s does not exist at %s; check the bucket's name, --%s-region and --%s-endpoint", b.Name(), b.Address(), flag, flag)
	case class == failure.WrongRegion:
		hint = fmt.Sprintf("bucket %s: %s; give --%s-region", b.Name(), f.Detail, flag)
	case class == failure.BadCredentials && f.Status == 0:
		hint = fmt.Sprintf("no credentials were found for %s; give --%s-profile, set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give --%s-anonymous for a public bucket",
			b.Address(), flag, flag)
	case class == failure.BadCredentials:
		hint = fmt.Sprintf("%s does not know these credentials (%s); check --%s-profile or the environment, or give --%s-anonymous for a public bucket",
			b.Address(), firstNonEmpty(f.Code, f.Detail), flag, flag)
	case class == failure.AccessDenied:
		hint = fmt.Sprintf("these credentials may not list bucket %s (%s); grant s3:ListBucket and %s, or use other credentials with --%s-profile",
			b.Name(), firstNonEmpty(f.Code, "HTTP 403"), rights(end), flag)
	case class == failure.Network:
		hint = fmt.Sprintf("%s cannot be reached: %s; check --%s-endpoint and --%s-region, and the network", b.Address(), f.Detail, flag, flag)
	default:
		hint = f.Error()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &exitError{exitUnreachable, fmt.Errorf("%s: %s", end, hint)}
}

func rights(end string) string {
	if end == "source" {
		return "s3:GetObject"
	}
	return "s3:GetObject, s3:PutObject and s3:AbortMultipartUpload"
}

func firstNonEmpty(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// warnings are about things that are allowed and may surprise.
func warnings(j *job.Job) []string {
	var out []string
	if p := j.Source.Prefix; p != "" && !strings.HasSuffix(p, "/") {
		out = append(out, fmt.Sprintf("the source prefix %q is literal: it selects %sx too; write %s/ for a folder", p, p, p))
	}
	return out
}

// mapping describes in a line where keys go.
func mapping(j *job.Job) string {
	keys := j.KeyMap()
	s := fmt.Sprintf("s3://%s/%s* -> s3://%s/%s*", j.Source.Bucket, j.Source.Prefix, j.Destination.Bucket, keys.Add+strings.TrimPrefix(j.Source.Prefix, keys.Strip))
	if keys.Strip != "" {
		s += " (the source prefix is removed from keys; --strip-src-prefix=false keeps it)"
	}
	return s
}

func logger(verbose bool) *slog.Logger {
	level := slog.LevelError
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}
