// Command jobworker copies what the finder queues, until it is told to stop.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/datatransferhub/dth/cmd/internal/command"
	"github.com/datatransferhub/dth/cmd/internal/logaws"
	"github.com/datatransferhub/dth/cmd/internal/seeing"
	"github.com/datatransferhub/dth/plugins/contract/configaws"
	"github.com/datatransferhub/dth/plugins/s3"
	"github.com/datatransferhub/dth/worker/consume"
	"github.com/datatransferhub/dth/worker/finder"
	"github.com/datatransferhub/dth/worker/fleet"
	"github.com/datatransferhub/dth/worker/giant/giantaws"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/ledger/ledgeraws"
	"github.com/datatransferhub/dth/worker/metrics"
	"github.com/datatransferhub/dth/worker/multipart"
	"github.com/datatransferhub/dth/worker/multipart/multipartaws"
	"github.com/datatransferhub/dth/worker/queue/queueaws"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run/runaws"
	"github.com/datatransferhub/dth/worker/store/storeaws"
	"github.com/datatransferhub/dth/worker/transfer"
)

// version is set by the build.
var version = "dev"

const usage = `usage: jobworker --config FILE | --config ssm:NAME | --config s3://BUCKET/KEY

Takes messages from the task's queue, copies objects and records the outcomes, until SIGTERM or SIGINT: then it finishes
what is under way, hands back the rest, and exits with 143 or 130. When its EC2 instance is taken away, by a Spot
interruption or a group that shrinks, it does the same in the time that is left and exits with 0: nobody should start it
again there. Exit code 2: wrong usage or configuration.

The log, on standard error and, with --log-group, in CloudWatch Logs, has a line for each object (above 100 a second a sample of those that did not fail; the records
have them all), one of progress a minute and, unless --metrics says otherwise, one of metrics.

`

func main() {
	command.Main("jobworker", func(ctx context.Context) error { return start(ctx, os.Args[1:]) })
}

func start(ctx context.Context, args []string) error {
	var reference string
	var printVersion bool
	var o options
	fs := flag.NewFlagSet("jobworker", flag.ContinueOnError)
	fs.Usage = func() { fmt.Fprint(os.Stderr, usage); fs.PrintDefaults() }
	fs.StringVar(&reference, "config", "", "the configuration document: a file, ssm:NAME or s3://BUCKET/KEY")
	fs.BoolVar(&printVersion, "version", false, "print the version")
	fs.DurationVar(&o.probe, "probe-every", time.Minute, "how often an endpoint that is out of reach is looked at, and its secret read anew")
	fs.DurationVar(&o.silence, "silence", time.Minute, "how long a connection may stay silent")
	o.machine.flags(fs)
	o.log.Flags(fs)
	fs.StringVar(&o.metrics, "metrics", "log", seeing.MetricsHelp)
	fs.DurationVar(&o.every, "metrics-every", time.Minute, "time between two lines of metrics and of progress; 1s..1m")
	fs.DurationVar(&o.receive, "receive-wait", 20*time.Second, "how long a receive waits for messages; 1s..20s")
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return command.UsageError(err)
	case printVersion:
		fmt.Println("jobworker", version)
		return nil
	case fs.NArg() > 0:
		return command.UsageError(fmt.Errorf("argument %q is not expected", fs.Arg(0)))
	case reference == "":
		return command.UsageError(errors.New("--config is required: a file, ssm:NAME or s3://BUCKET/KEY"))
	}
	if err := errors.Join(o.check(), o.machine.check(), o.log.Check()); err != nil {
		return command.UsageError(err)
	}
	// Another name after every start, because the sequence numbers of a worker's records begin anew.
	o.name = command.ProcessName()
	return o.log.Run(ctx, "jobworker", o.name, func(ctx context.Context, log io.Writer) error { return work(ctx, reference, o, log) })
}

// options say how long a worker waits for what, and how it is seen.
type options struct {
	probe, silence, receive, every time.Duration
	metrics, name                  string
	machine                        machine
	log                            logaws.Options
}

func (p *options) check() error {
	for _, f := range []struct {
		name               string
		value, least, most time.Duration
	}{
		{"probe-every", p.probe, time.Second, time.Hour},
		{"silence", p.silence, time.Second, time.Hour},
		{"receive-wait", p.receive, time.Second, 20 * time.Second},
		{"metrics-every", p.every, time.Second, time.Minute},
	} {
		if f.value < f.least || f.value > f.most {
			return fmt.Errorf("--%s: %s: allowed is %s to %s", f.name, f.value, f.least, f.most)
		}
	}
	return nil
}

func work(ctx context.Context, reference string, p options, to io.Writer) error {
	own, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return command.UsageError(fmt.Errorf("the AWS configuration cannot be read: %w", err))
	}
	document, err := configaws.Load(ctx, own, reference)
	if err != nil {
		return command.UsageError(err)
	}
	cfg, err := s3.ParseConfig(document)
	if err != nil {
		return command.UsageError(fmt.Errorf("configuration %s: %w", reference, err))
	}
	if cfg.Region != "" {
		own.Region = cfg.Region
	}
	o := storeaws.Options{AWS: own, Secrets: storeaws.NewSecretsManager(own), Progress: p.silence, RefreshEvery: p.probe}
	source, err := storeaws.Open(ctx, cfg.Job.Source, o)
	if err != nil {
		return command.UsageError(fmt.Errorf("source: %w", err))
	}
	defer source.Close()
	destination, err := storeaws.Open(ctx, cfg.Job.Destination, o)
	if err != nil {
		return command.UsageError(fmt.Errorf("destination: %w", err))
	}
	defer destination.Close()
	lists, err := openLists(ctx, cfg.Job, source, o)
	if err != nil {
		return command.UsageError(fmt.Errorf("bucket of the prefix list: %w", err))
	}

	q, err := queueaws.Open(ctx, own, cfg.QueueURL, queueaws.Options{})
	if err != nil {
		return command.UsageError(err)
	}
	defer q.Close()
	ledger, err := ledgeraws.Open(ctx, own, cfg.LedgerTable, retry.Policy{})
	if err != nil {
		return command.UsageError(err)
	}
	defer ledger.Close()
	ledger.Keep(s3.KeepRecords(cfg.Values))
	log := slog.New(slog.NewJSONHandler(to, nil)).With("stack", cfg.StackName, "worker", p.name)
	out, closeMetrics, err := seeing.OpenMetrics(p.metrics, to)
	if err != nil {
		return command.UsageError(err)
	}
	defer func() { _ = closeMetrics() }() // what it took is written
	show := &seeing.Worker{
		Emitter: metrics.New(out, cfg.StackName, map[string]string{"process": "jobworker", "worker": p.name, "version": version}, time.Now), Log: log, Every: p.every, Backlog: q.Depth,
	}
	w, err := fleet.New(ctx, fleet.Config{
		Job: cfg.Job, Source: source, Destination: destination, Shared: destination.Shares(source), PrefixFile: lists,
		Queue: q, Ledger: ledger, Runs: runaws.Open(own, cfg.RunTable, retry.Policy{}), Uploads: multipartaws.Open(own, cfg.RunTable, retry.Policy{}),
		Controller: controller(own, cfg.ControllerARN), Worker: p.name, Log: log, OnOutcome: show.Outcome,
		Tune: func(c *consume.Config, _ *transfer.Config) {
			c.FinishReceives, c.ReceiveWait, c.ProbeEvery = true, p.receive, p.probe
			c.DeleteWait, c.OnPart = time.Second, show.Part
		},
	})
	if err != nil {
		return command.UsageError(err)
	}
	log.Info("worker begins", "version", version, "source", source.Address(), "destination", destination.Address())
	show.Stats = w.Stats
	show.Begin()
	err = p.machine.untilTaken(ctx, own, log, func(ctx context.Context) error {
		showing, stop := context.WithCancel(context.WithoutCancel(ctx))
		var shown sync.WaitGroup
		shown.Go(func() { show.Run(showing) })
		err := w.Run(ctx)
		stop()
		shown.Wait()
		return err
	})
	log.Info("worker ends", "error", err)
	return err
}

// openLists returns the bucket that holds the task's prefix list.
func openLists(ctx context.Context, j *job.Job, source *storeaws.Bucket, o storeaws.Options) (finder.Getter, error) {
	name := j.Selection.PrefixFileBucket
	if name == "" || name == j.Source.Bucket {
		return source, nil
	}
	at := j.Source
	at.Bucket, at.ExpectedOwner = name, ""
	return storeaws.Open(ctx, at, o)
}

// controller starts the state machine that looks after giants. A stack without one leaves that to its workers.
func controller(cfg aws.Config, arn string) func(context.Context, multipart.Upload) error {
	if arn == "" {
		return nil
	}
	return giantaws.Open(cfg, arn).Ensure
}
