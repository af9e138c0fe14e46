package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/spf13/cobra"

	"github.com/datatransferhub/dth/cmd/internal/command"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/solo"
	"github.com/datatransferhub/dth/worker/store/storeaws"
)

func newLocal() *cobra.Command {
	var o localOptions
	cmd := &cobra.Command{
		Use:   "local",
		Short: "Run the hub on this machine",
		Long: `Local runs finder, queue and workers in one process, without an AWS account. With --sample it starts two S3 servers on
this machine, fills the first, copies everything to the second, proves that both agree, and goes on copying what is added
to the first until it is stopped. Records are kept under --data, so that a restart goes on where it was stopped.`,
		Example: `  dth local --sample
  dth local --sample --once --data /tmp/dth`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runLocal(cmd.Context(), o) },
	}
	cmd.Flags().BoolVar(&o.sample, "sample", false, "start two sample stores, fill the first and copy it to the second")
	cmd.Flags().StringVar(&o.data, "data", "", "folder of the records and the sample [the user's data folder]")
	cmd.Flags().BoolVar(&o.once, "once", false, "stop after the first run")
	cmd.Flags().DurationVar(&o.every, "every", 5*time.Second, "how often the source is looked at for what was added")
	cmd.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "log what happens to single objects, to standard error")
	return cmd
}

type localOptions struct {
	sample, once, verbose bool
	data                  string
	every                 time.Duration
}

func runLocal(ctx context.Context, o localOptions) error {
	if !o.sample {
		return usageError(errors.New("nothing to run: give --sample; to copy between your own stores, use dth copy"))
	}
	if o.every < 100*time.Millisecond {
		return usageError(fmt.Errorf("--every: %s: allowed is 100ms or more", o.every))
	}
	dir, err := dataFolder(o.data)
	if err != nil {
		return usageError(err)
	}
	screen := newScreen(os.Stderr)
	screen.line("records and sample are kept in %s", dir)
	s, err := startSample(ctx, filepath.Join(dir, "sample"), screen)
	if err != nil {
		return err
	}
	defer s.stop()
	l := &localTask{options: o, screen: screen, sample: s}
	return l.run(ctx, dir)
}

// dataFolder returns the folder of the records, and makes it for this user alone.
func dataFolder(given string) (string, error) {
	dir := given
	if dir == "" {
		base := os.Getenv("XDG_DATA_HOME")
		if base == "" {
			home, err := os.UserHomeDir()
			if err != nil {
				return "", fmt.Errorf("--data: give a folder; there is no home folder: %w", err)
			}
			base = filepath.Join(home, ".local", "share")
		}
		dir = filepath.Join(base, "dth")
	}
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return "", fmt.Errorf("--data: %w", err)
	}
	return dir, nil
}

// localTask is the sample's task: one transfer, again and again.
type localTask struct {
	options localOptions
	screen  *screen
	sample  *sampleStores

	job     *job.Job
	ends    *ends
	records *records
	failed  map[string]ledger.Record // of the run under way
}

func (l *localTask) run(ctx context.Context, dir string) error {
	var err error
	l.job = l.sample.job()
	l.ends, err = openEndsWith(ctx, l.job, storeaws.Options{AWS: aws.Config{Region: "us-east-1"}, Secrets: l.sample})
	if err != nil {
		return err
	}
	defer l.ends.close()
	if l.records, err = openRecords(ctx, filepath.Join(dir, "dth.db"), taskOf(l.job)); err != nil {
		return err
	}
	defer l.records.close()
	l.screen.line("%s", mapping(l.job))
	first, err := l.pass(ctx, "once")
	if err != nil {
		return copyError(ctx, err)
	}
	first.print(l.screen)
	l.explain()
	if l.options.once {
		if first.left() > 0 {
			return &exitError{Code: command.Incomplete}
		}
		return nil
	}
	l.announce()
	return l.follow(ctx)
}

// pass makes one run.
func (l *localTask) pass(ctx context.Context, trigger string) (*summary, error) {
	l.failed = map[string]ledger.Record{}
	c := solo.Config{
		Job: l.job, Source: l.ends.source, Destination: l.ends.destination,
		Queue: l.records.queue, Ledger: l.records.ledger, Runs: l.records.runs, Uploads: l.records.uploads, Resumable: true,
		RunID: newRunID(), Trigger: trigger, Version: version, Prove: true, Log: logger(l.options.verbose), HandBack: 200 * time.Millisecond,
		OnOutcome: func(rec ledger.Record) { // the recorder calls it from one goroutine
			if rec.Status == ledger.Failed {
				l.failed[rec.Key] = rec
			}
		},
	}
	if trigger == "once" {
		c.OnProgress = l.screen.progress
	}
	res, err := solo.Run(ctx, c)
	l.screen.end()
	if err != nil {
		return nil, err
	}
	return summarize(res), nil
}

// explain names what failed; the sample has one object that fails on purpose.
func (l *localTask) explain() {
	for key, rec := range l.failed {
		l.screen.line("failed: %q (%s): %s", key, rec.ErrorClass, rec.Error)
		if key == l.sample.refused {
			l.screen.line("        this one fails on purpose: %q lies at the destination, where a folder would have to be", l.sample.blocker)
		}
	}
}

func (l *localTask) announce() {
	s := l.sample
	l.screen.line("")
	l.screen.line("source:       %s  bucket %s", s.source.url, sampleBucket)
	l.screen.line("destination:  %s  bucket %s", s.destination.url, sampleBucket)
	l.screen.line("credentials:  %s  (profiles dth-source and dth-destination)", s.credentialsFile())
	l.screen.line("records:      %s", filepath.Join(filepath.Dir(s.dir), "dth.db"))
	l.screen.line("")
	l.screen.line("What is added to the source is copied within %s. Ctrl-C stops. To add something, with the AWS CLI:", l.options.every)
	l.screen.line("  AWS_SHARED_CREDENTIALS_FILE=%s aws s3 cp README.md s3://%s/hello --profile dth-source --endpoint-url %s", s.credentialsFile(), sampleBucket, s.source.url)
}

// follow makes passes until the context ends, and tells of those that did something.
func (l *localTask) follow(ctx context.Context) error {
	known := len(l.failed)
	for {
		if err := retry.Sleep(ctx, l.options.every); err != nil {
			return err
		}
		s, err := l.pass(ctx, "schedule")
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			l.screen.line("%s run failed: %v; trying again in %s", clock(), err, l.options.every)
		case s.Copied+s.Deleted+s.Gone > 0 || int(s.Failed) != known:
			known = int(s.Failed)
			l.screen.line("%s copied %d objects; %s", clock(), s.Copied, s.agreement())
		}
	}
}

func clock() string { return time.Now().UTC().Format("15:04:05Z") }
