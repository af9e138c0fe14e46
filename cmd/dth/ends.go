package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"

	"github.com/datatransferhub/dth/cmd/internal/command"
	"github.com/datatransferhub/dth/worker/finder"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/preflight"
	"github.com/datatransferhub/dth/worker/store/storeaws"
)

// ends are the two opened buckets of a transfer.
type ends struct {
	source, destination *storeaws.Bucket
	lists               *storeaws.Bucket // that holds the prefix list; the source unless the job names another
}

// prefixFile returns where the prefix list is read from.
func (e *ends) prefixFile() finder.Getter {
	if e.lists == nil {
		return e.source
	}
	return e.lists
}

func (e *ends) close() {
	for _, b := range []*storeaws.Bucket{e.source, e.destination, e.lists} {
		if b != nil {
			b.Close()
		}
	}
}

// openEnds opens both ends and makes sure that they can be reached, before anything is written.
func openEnds(ctx context.Context, j *job.Job) (*ends, error) {
	// The SDK's own remarks would stand in the middle of the progress.
	cfg, err := config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{}))
	if err != nil {
		return nil, usageError(fmt.Errorf("the AWS configuration of this machine cannot be read: %w", err))
	}
	return openEndsNamed(ctx, j, storeaws.Options{AWS: cfg, Secrets: storeaws.NewSecretsManager(cfg)}, flagNames)
}

// openEndsNamed opens both ends and makes sure that they can be reached; names gives an end's settings the names that the
// person knows.
func openEndsNamed(ctx context.Context, j *job.Job, o storeaws.Options, names func(end, prefix, rights string) preflight.Names) (*ends, error) {
	e, err := openUnseen(ctx, j, o)
	if err != nil {
		return nil, err
	}
	for _, end := range []struct {
		bucket *storeaws.Bucket
		names  preflight.Names
	}{
		{e.source, names("source", "src", "s3:GetObject")},
		{e.destination, names("destination", "dst", "s3:GetObject, s3:PutObject and s3:AbortMultipartUpload")},
	} {
		if err := preflight.Check(ctx, end.bucket, end.names); err != nil {
			e.close()
			return nil, &exitError{Code: command.Unreachable, Err: err}
		}
	}
	return e, nil
}

// openUnseen opens both ends and asks nothing of them.
func openUnseen(ctx context.Context, j *job.Job, o storeaws.Options) (*ends, error) {
	source, err := storeaws.Open(ctx, j.Source, o)
	if err != nil {
		return nil, usageError(fmt.Errorf("source: %w", err))
	}
	destination, err := storeaws.Open(ctx, j.Destination, o)
	if err != nil {
		return nil, usageError(fmt.Errorf("destination: %w", err))
	}
	e := &ends{source: source, destination: destination}
	if name := j.Selection.PrefixFileBucket; name != "" && name != j.Source.Bucket {
		at := j.Source
		at.Bucket, at.ExpectedOwner = name, ""
		if e.lists, err = storeaws.Open(ctx, at, o); err != nil {
			return nil, usageError(fmt.Errorf("bucket of the prefix list: %w", err))
		}
	}
	return e, nil
}

func flagNames(end, flag, rights string) preflight.Names {
	flag = "--" + flag
	return preflight.Names{
		End: end, Region: flag + "-region", Endpoint: flag + "-endpoint", Credentials: flag + "-profile and the environment", Anonymous: flag + "-anonymous", Rights: rights,
	}
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
