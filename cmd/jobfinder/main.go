// Command jobfinder makes one pass of a task: it lists both ends, compares them, queues what differs, and ends.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/datatransferhub/dth/cmd/internal/command"
	"github.com/datatransferhub/dth/cmd/internal/logaws"
	"github.com/datatransferhub/dth/cmd/internal/seeing"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/plugins/contract/configaws"
	"github.com/datatransferhub/dth/plugins/s3"
	"github.com/datatransferhub/dth/worker/estimate"
	"github.com/datatransferhub/dth/worker/finder"
	"github.com/datatransferhub/dth/worker/fleet/fleetaws"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/ledger/ledgeraws"
	"github.com/datatransferhub/dth/worker/metrics"
	"github.com/datatransferhub/dth/worker/multipart/multipartaws"
	"github.com/datatransferhub/dth/worker/pass"
	"github.com/datatransferhub/dth/worker/preflight"
	"github.com/datatransferhub/dth/worker/queue/queueaws"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/run/runaws"
	"github.com/datatransferhub/dth/worker/store/storeaws"
)

// version is set by the build.
var version = "dev"

const usage = `usage: jobfinder --config FILE | --config ssm:NAME | --config s3://BUCKET/KEY [flags]
       jobfinder --config ... --close RUN

Lists both ends of a task, compares them and queues what differs. A pass that was stopped or killed is continued by the
next call. Nothing is listed while the run before is still copying, or while another finder is at work: such a pass is
recorded as SKIPPED. With --close, both ends of a run that has drained are compared once more, the report goes to the
report bucket, and the run is DONE; what then differs without a reason on record is in the run's record. Exit codes: 0 done, or skipped; 1 the pass failed, or the closed run left failures or differences; 2 wrong usage or configuration; 3 an end cannot
be reached or refuses; 130 and 143 stopped by a signal.

`

type options struct {
	config, runID, holder    string
	group, closeRun, metrics string
	answer                   string
	plan, check, jsonLine    bool
	force, version, noProbe  bool
	closeEmpty               bool
	checkpoint               time.Duration
	prices                   *estimate.Prices // nil: the built-in ones
	log                      logaws.Options
}

func main() {
	command.Main("jobfinder", func(ctx context.Context) error { return start(ctx, os.Args[1:], os.Stdout) })
}

func start(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return command.UsageError(err)
	}
	if o.version {
		_, err := fmt.Fprintln(out, "jobfinder", version)
		return err
	}
	return o.log.Run(ctx, "jobfinder", command.ProcessName(), func(ctx context.Context, log io.Writer) error { return work(ctx, o, log, out) })
}

func work(ctx context.Context, o options, log, out io.Writer) error {
	f, err := open(ctx, o, log)
	if err != nil {
		return err
	}
	defer f.close()
	switch {
	case o.closeRun != "":
		return f.closing(ctx, out)
	case o.check:
		return f.answered(ctx, func(ctx context.Context, a *answering) error { return f.inspect(ctx, out, a) })
	case o.plan:
		return f.answered(ctx, func(ctx context.Context, a *answering) error { return f.plan(ctx, out, a) })
	}
	return f.pass(ctx, out)
}

func parse(args []string) (options, error) {
	var o options
	fs := flag.NewFlagSet("jobfinder", flag.ContinueOnError)
	fs.Usage = func() { fmt.Fprint(os.Stderr, usage); fs.PrintDefaults() }
	fs.StringVar(&o.config, "config", "", "the configuration document: a file, ssm:NAME or s3://BUCKET/KEY")
	fs.StringVar(&o.runID, "run-id", "", "id of the run; by default a pass that broke off is continued, or a new id is given")
	fs.BoolVar(&o.force, "force", false, "make the pass although the run before is still copying")
	fs.StringVar(&o.holder, "holder", "", "who makes the pass, as the lease names it; by default the name of this host, so that a restart need not wait")
	fs.StringVar(&o.metrics, "metrics", "log", seeing.MetricsHelp)
	fs.DurationVar(&o.checkpoint, "checkpoint", 10*time.Second, "time between two checkpoints; while objects are queued it is a tenth of that")
	fs.BoolVar(&o.plan, "plan", false, "queue nothing; print what would be done, and an estimate of its cost and duration")
	prices := fs.String("prices", "", "with --plan: file with prices of your own, YAML or JSON, that replace built-in ones")
	fs.StringVar(&o.group, "auto-scaling-group", "", "the workers' group, which is given its first worker when something is queued and it has none")
	fs.BoolVar(&o.closeEmpty, "close-empty", false, "close the run at once when the pass queued nothing, instead of leaving that to a call with --close")
	fs.StringVar(&o.closeRun, "close", "", "close this run by a proof; \"next\": the oldest that waits for it")
	fs.BoolVar(&o.check, "check", false, "only look, by using it, at each right that the task needs at either end, with this identity; print the findings as JSON")
	fs.BoolVar(&o.noProbe, "no-probe", false, "with --check: write nothing to the destination; else an object "+preflight.ProbeName+" is written below its prefix and removed")
	fs.StringVar(&o.answer, "answer", "", "with --check or --plan: write progress and result to the run table, as the answer to the request of this id")
	fs.BoolVar(&o.jsonLine, "json", false, "print the totals as one JSON object")
	o.log.Flags(fs)
	fs.BoolVar(&o.version, "version", false, "print the version")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("argument %q is not expected", fs.Arg(0))
	}
	if modes := count(o.plan, o.check, o.closeRun != ""); modes > 1 {
		return o, errors.New("--plan, --check and --close exclude each other")
	}
	if o.answer != "" && !o.check && !o.plan {
		return o, fmt.Errorf("--answer %s: only --check and --plan are answered", o.answer)
	}
	if o.noProbe && !o.check {
		return o, errors.New("--no-probe: it belongs to --check")
	}
	if o.config == "" && !o.version {
		return o, errors.New("--config is required: a file, ssm:NAME or s3://BUCKET/KEY")
	}
	if err := o.log.Check(); err != nil {
		return o, err
	}
	if o.checkpoint <= 0 {
		return o, fmt.Errorf("--checkpoint %v: a time above zero, such as 10s", o.checkpoint)
	}
	if err := o.readPrices(*prices); err != nil {
		return o, err
	}
	if o.holder != "" {
		return o, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return o, fmt.Errorf("the name of this host, which the lease is taken by, is not known; give one with --holder: %w", err)
	}
	o.holder = host
	return o, nil
}

func count(flags ...bool) (n int) {
	for _, f := range flags {
		if f {
			n++
		}
	}
	return n
}

// program is a finder with everything it needs.
type program struct {
	options
	cfg                 *s3.Config
	own                 aws.Config // of the stack
	region              string     // of the stack
	source, destination *storeaws.Bucket
	lists               finder.Getter // holds the prefix list
	queue               *queueaws.Queue
	dead                *queueaws.Queue // nil: the stack has no dead-letter queue
	ledger              *ledgeraws.Ledger
	runs                *runaws.Runs
	reports             *storeaws.Bucket // nil: the task has no report bucket
	uploads             *multipartaws.Records
	logged              io.Writer // where lines of the log and of metrics go
	log                 *slog.Logger
}

func open(ctx context.Context, o options, log io.Writer) (*program, error) {
	own, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, command.UsageError(fmt.Errorf("the AWS configuration cannot be read: %w", err))
	}
	document, err := configaws.Load(ctx, own, o.config)
	if err != nil {
		return nil, command.UsageError(err)
	}
	cfg, err := s3.ParseConfig(document)
	if err != nil {
		return nil, command.UsageError(fmt.Errorf("configuration %s: %w", o.config, err))
	}
	if cfg.Region != "" {
		own.Region = cfg.Region
	}
	p := &program{
		options: o, cfg: cfg, own: own, region: own.Region, logged: log,
		log: slog.New(slog.NewJSONHandler(log, nil)).With("stack", cfg.StackName),
	}
	if err := p.openRecords(ctx, own); err != nil {
		return nil, command.UsageError(err)
	}
	store := storeaws.Options{AWS: own, Secrets: storeaws.NewSecretsManager(own)}
	if p.source, err = storeaws.Open(ctx, cfg.Job.Source, store); err != nil {
		return nil, command.UsageError(fmt.Errorf("source: %w", err))
	}
	p.lists = p.source
	if name := cfg.Job.Selection.PrefixFileBucket; name != "" && name != cfg.Job.Source.Bucket {
		at := cfg.Job.Source
		at.Bucket, at.ExpectedOwner = name, ""
		if p.lists, err = storeaws.Open(ctx, at, store); err != nil {
			return nil, command.UsageError(fmt.Errorf("bucket of the prefix list: %w", err))
		}
	}
	if name := cfg.Job.ReportBucket; name != "" {
		// With the stack's own rights, not those of an end.
		at := job.Endpoint{Provider: job.AmazonS3, Bucket: name, Region: own.Region}
		if p.reports, err = storeaws.Open(ctx, at, store); err != nil {
			return nil, command.UsageError(fmt.Errorf("reportBucket: %w", err))
		}
	}
	if p.destination, err = storeaws.Open(ctx, cfg.Job.Destination, store); err != nil {
		return nil, command.UsageError(fmt.Errorf("destination: %w", err))
	}
	return p, nil
}

func (p *program) openRecords(ctx context.Context, cfg aws.Config) error {
	var err error
	if p.queue, err = queueaws.Open(ctx, cfg, p.cfg.QueueURL, queueaws.Options{}); err != nil {
		return err
	}
	if err = p.openDeadLetters(ctx, cfg); err != nil {
		return err
	}
	if p.ledger, err = ledgeraws.Open(ctx, cfg, p.cfg.LedgerTable, retry.Policy{}); err != nil {
		return err
	}
	p.ledger.Keep(s3.KeepRecords(p.cfg.Values))
	p.runs = runaws.Open(cfg, p.cfg.RunTable, retry.Policy{})
	p.uploads = multipartaws.Open(cfg, p.cfg.RunTable, retry.Policy{})
	return nil
}

func (p *program) close() {
	p.source.Close()
	p.destination.Close()
	if p.reports != nil {
		p.reports.Close()
	}
}

// preflight looks at both ends and reports every finding, not only the first.
func (p *program) preflight(ctx context.Context) error {
	return unreachable(errors.Join(
		preflight.Check(ctx, p.source, preflight.ParameterNames("source")), preflight.Check(ctx, p.destination, preflight.ParameterNames("destination"))))
}

// inspect looks at each right that the task needs.
func (p *program) inspect(ctx context.Context, out io.Writer, a *answering) error {
	found, err := preflight.Inspect(ctx, preflight.Subject{
		Job: p.cfg.Job, Source: p.source, Destination: p.destination, PrefixFile: p.lists, LookOnly: p.noProbe, EventSeen: p.eventSeen,
	})
	if err != nil {
		return err
	}
	a.answer.Findings = task.FindingsOf(found)
	if err := p.print(out, map[string]any{"findings": found}); err != nil {
		return err
	}
	return unreachable(preflight.AnyDenied(found))
}

// eventSeen returns when a worker last settled what an event asked for.
func (p *program) eventSeen(ctx context.Context) (time.Time, error) {
	latest, err := p.runs.Made(ctx, 50)
	if err != nil {
		return time.Time{}, err
	}
	for i := range latest {
		if latest[i].OfEvents() {
			counters, err := p.runs.Counters(ctx, latest[i].ID)
			return run.Total(counters).Updated, err
		}
	}
	return time.Time{}, nil
}

func (p *program) pass(ctx context.Context, out io.Writer) error {
	to, closeMetrics, err := seeing.OpenMetrics(p.metrics, p.logged)
	if err != nil {
		return command.UsageError(err)
	}
	defer func() { _ = closeMetrics() }() // what it took is written
	show := &seeing.Finder{
		Emitter: metrics.New(to, p.cfg.StackName, map[string]string{"process": "jobfinder", "version": version}, time.Now), Log: p.log, Every: time.Minute,
	}
	told := show.Begin()
	var queue pass.Queue = p.queue
	if p.group != "" {
		w := &waking{Queue: p.queue, wake: unlessPaused(p.runs, fleetaws.Open(p.own, p.group).Wake), log: p.log}
		defer w.done.Wait()
		queue = w
	}
	r, err := pass.Run(ctx, pass.Config{
		Job: p.cfg.Job, Source: show.Listing(p.source), Destination: show.Listing(p.destination), PrefixFile: p.lists,
		Queue: show.Queueing(queue), Ledger: p.ledger, Runs: p.runs, Progress: pass.UploadProgress(p.uploads), Check: p.preflight, DeadLetters: p.deadLetters, Sweep: p.sweep,
		RunID: p.runID, Trigger: p.trigger(), Version: version, Holder: p.holder, Force: p.force, Checkpoint: p.checkpoint, Log: p.log,
		OnProgress: show.Progress,
	})
	told(r.Finder)
	if err != nil {
		return err
	}
	r = p.closeEmpty(ctx, r)
	return p.print(out, map[string]any{"run": r.ID, "state": r.State, "reason": r.Error, "totals": r.Finder})
}

// trigger says why a pass is made: one with a name of its own, somebody has asked for.
func (p *program) trigger() string {
	if p.runID != "" {
		return "manual"
	}
	return "" // the schedule's
}

// print writes the result: as one JSON object, or not at all, because the log has it.
func (p *program) print(out io.Writer, result map[string]any) error {
	if !p.jsonLine && !p.options.plan && !p.check && p.closeRun == "" {
		return nil
	}
	return json.NewEncoder(out).Encode(result)
}
