// Command dth-chaos proves that nothing is lost when everything goes wrong at once: it runs the real finder and workers
// between two real S3 servers, makes trouble for all of them, and looks at what is left.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/datatransferhub/dth/cmd/internal/command"
)

const usage = `usage: dth-chaos [flags]

Copies objects between two S3 servers (versitygw) with jobfinder and four jobworkers, behind a proxy that refuses, resets,
truncates, delays and loses; with a queue and tables that throttle, fail in part, lose answers and deliver twice; while
programs are killed, source objects change and vanish, and the secret is wrong for a while. Then everything is compared.
Exit code 1: a promise was not kept.

`

func main() {
	command.Main("dth-chaos", func(ctx context.Context) error { return start(ctx, os.Args[1:], os.Stdout, os.Stderr) })
}

func start(ctx context.Context, args []string, out, log io.Writer) error {
	o := options{log: log}
	own, err := os.Executable()
	if err != nil {
		return err
	}
	var logFile string
	fs := flag.NewFlagSet("dth-chaos", flag.ContinueOnError)
	fs.Usage = func() { fmt.Fprint(os.Stderr, usage); fs.PrintDefaults() }
	fs.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "the same seed draws the same faults, as far as timing allows")
	fs.IntVar(&o.objects, "objects", 5000, "objects of the sample")
	fs.IntVar(&o.giants, "giants", 3, "objects that the fleet shares: of 64 MiB, 134 MiB, ...")
	fs.IntVar(&o.workers, "workers", 4, "worker processes")
	fs.DurationVar(&o.storm, "storm", 90*time.Second, "how long there is trouble")
	fs.DurationVar(&o.kills, "kills", 4*time.Second, "time between two kill -9 of a worker")
	fs.DurationVar(&o.wrong, "wrong", 15*time.Second, "how long the secret is wrong")
	fs.BoolVar(&o.stalls, "stalls", true, "let connections go silent")
	fs.StringVar(&o.bin, "bin", filepath.Dir(own), "folder of the binaries")
	fs.StringVar(&logFile, "log", "", "file for the log of all programs")
	if err := fs.Parse(args); err != nil {
		return command.UsageError(err)
	}
	r, err := chaos(ctx, o, logFile)
	if r != nil {
		r.print(out)
	}
	if err != nil {
		return &command.ExitError{Code: command.Incomplete, Err: err}
	}
	return nil
}

// report is what happened.
type report struct {
	Seed       uint64         `json:"seed"`
	Objects    int            `json:"objects"`
	Seconds    float64        `json:"seconds"`
	Faults     map[string]int `json:"faults"`
	Retries    int64          `json:"retries"`
	Throttles  int64          `json:"throttles"`
	Calls      int64          `json:"calls"`      // of queue and tables
	Superseded int64          `json:"superseded"` // messages of runs that a later one overtook
	SecretRead int64          `json:"secretReads"`
	Duplicates int            `json:"duplicates"` // deliveries beyond the first
}

func (r *report) print(out io.Writer) {
	fmt.Fprintf(out, "\nseed %d: %d objects, %.0f s\n\n| trouble | times |\n|---|---|\n", r.Seed, r.Objects, r.Seconds)
	for _, kind := range slices.Sorted(maps.Keys(r.Faults)) {
		fmt.Fprintf(out, "| %s | %d |\n", kind, r.Faults[kind])
	}
	fmt.Fprintf(out, "\nretries %d, throttled %d, duplicate deliveries %d, messages of superseded runs %d, calls of queue and tables %d, reads of the secret %d\n", r.Retries, r.Throttles, r.Duplicates, r.Superseded, r.Calls, r.SecretRead)
}

// chaos makes a run in the storm and two after it, and judges.
func chaos(ctx context.Context, o options, logFile string) (r *report, err error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	w, err := newWorld(o)
	if err != nil {
		return nil, err
	}
	defer w.close()
	defer func() {
		if logFile != "" {
			w.mu.Lock()
			defer w.mu.Unlock()
			_ = os.WriteFile(logFile, w.logs.Bytes(), 0o600) // the report is what counts
		}
	}()
	w.say("seed %d: %d objects, %d giants, %d workers, %s of trouble", o.seed, o.objects, o.giants, o.workers, o.storm)
	if err := w.start(ctx); err != nil {
		return nil, err
	}
	err = w.weather(ctx)
	r = &report{Seed: o.seed, Objects: o.objects + o.giants, Seconds: time.Since(began).Seconds(), Faults: maps.Clone(w.faults), SecretRead: w.secrets.reads.Load()}
	for i, g := range w.gates {
		for kind, n := range g.injected() {
			r.Faults[[]string{"source: ", "destination: "}[i]+kind] = n
		}
	}
	for _, kind := range []string{"SQS: delivered twice", "SQS: delivered again after its deletion", "event told twice"} {
		r.Duplicates += r.Faults[kind]
	}
	if t, countErr := w.retries(ctx); countErr == nil {
		r.Retries, r.Throttles, r.Superseded = t.Retries, t.Throttles, t.Superseded
	}
	for _, n := range w.aws.Stats().Operations {
		r.Calls += n
	}
	return r, err
}

// weather is the storm and the calm after it.
func (w *world) weather(ctx context.Context) error {
	if err := w.blow(ctx); err != nil {
		return err
	}
	for _, quiet := range []string{"calm", "last"} {
		if err := w.pass(ctx, quiet, nil); err != nil {
			return err
		}
	}
	// What events caused is counted in a run of its own.
	if err := w.countersEqualLedger(ctx, "events-"+w.began.UTC().Format("20060102")); err != nil {
		return err
	}
	if err := w.calm(); err != nil {
		return err
	}
	return w.judge(ctx)
}
