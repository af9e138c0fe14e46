package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/datatransferhub/dth/cmd/internal/command"
	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/estimate"
	"github.com/datatransferhub/dth/worker/finder"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/solo"
	"github.com/datatransferhub/dth/worker/units"
)

func newPlan() *cobra.Command {
	var f transferFlags
	var cost costFlags
	cmd := &cobra.Command{
		Use:   "plan SRC DST",
		Short: "Compare both ends and say what a copy would do and cost, without writing anything",
		Long: `Plan lists and compares like copy and prints what it would do: counts and bytes for each decision, a histogram of
sizes, the largest objects, and an estimate of requests, duration and cost. Nothing is written. Exit codes are those of copy;
differences are no failure.

Where an end is Amazon S3, the estimate is of a copy by the S3 plugin's stack; --max-capacity 0 asks for one of a copy by this
machine. Prices come from one dated table; --prices lays one of your own over it.`,
		Example: `  dth plan s3://photos/2024/ s3://archive/photos/2024/
  dth plan s3://photos s3://archive --dest-storage-class GLACIER_IR --max-capacity 5 --prices ours.yaml --json`,
		Args: twoAddresses,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := cost.check(); err != nil {
				return usageError(err)
			}
			plan := &finder.Plan{}
			c, err := compare(cmd.Context(), &f, args, func(j *job.Job) diff.Sink {
				plan.Rules = estimate.RulesOf(j)
				return plan
			})
			if err != nil {
				return err
			}
			e := cost.estimate(c, plan)
			printPlan(cmd.OutOrStdout(), c, plan, e)
			if !f.json {
				return nil
			}
			return json.NewEncoder(cmd.OutOrStdout()).Encode(struct {
				*summary
				Decisions map[string]run.Tally `json:"decisions"`
				Histogram []finder.Bin         `json:"histogram"`
				Largest   []largest            `json:"largest"`
				Requests  finder.Requests      `json:"requests"`
				Estimate  *estimate.Estimate   `json:"estimate"`
			}{newSummary(c.totals, c.seconds), c.totals.Decisions, plan.Histogram(), largestOf(plan), plan.Requests(c.totals), e})
		},
	}
	f.register(cmd)
	cost.register(cmd)
	return cmd
}

type largest struct {
	Key  string `json:"key"`
	Size int64  `json:"size"`
}

func largestOf(p *finder.Plan) []largest {
	out := []largest{}
	for _, o := range p.Largest() {
		out = append(out, largest{o.Key, o.Size})
	}
	return out
}

func newVerify() *cobra.Command {
	var f transferFlags
	cmd := &cobra.Command{
		Use:   "verify SRC DST",
		Short: "Compare both ends and name every difference, without writing anything",
		Long: `Verify lists and compares like copy and prints a line for every object that is missing, different or extraneous at the
destination. It exits with 1 on any difference.`,
		Example: `  dth verify s3://photos/2024/ s3://archive/photos/2024/ --compare-mode checksum`,
		Args:    twoAddresses,
		RunE: func(cmd *cobra.Command, args []string) error {
			printer := &differences{out: cmd.OutOrStdout()}
			c, err := compare(cmd.Context(), &f, args, func(*job.Job) diff.Sink { return finder.Held(printer, "") })
			if err != nil {
				return err
			}
			s := newSummary(c.totals, c.seconds)
			if f.json {
				if err := s.printJSON(cmd.OutOrStdout()); err != nil {
					return err
				}
			}
			differ := s.New + s.Changed + s.Extraneous
			fmt.Fprintf(os.Stderr, "%d objects listed at the source, %d at the destination: %d same, %d missing, %d different, %d extraneous, %d skipped\n",
				s.ListedSource, s.ListedDestination, s.Same, s.New, s.Changed, s.Extraneous, s.Skipped)
			if differ > 0 {
				return &exitError{Code: command.Incomplete}
			}
			return nil
		},
	}
	f.register(cmd)
	return cmd
}

// comparison is what one pass found, and what it learned of the ends.
type comparison struct {
	job                             *job.Job
	totals                          run.FinderTotals
	seconds                         float64
	shared                          bool // the destination could copy from the source by itself
	sourceRegion, destinationRegion string
}

// compare makes one pass that queues nothing.
func compare(ctx context.Context, f *transferFlags, args []string, sink func(*job.Job) diff.Sink) (*comparison, error) {
	j, err := f.job(args[0], args[1])
	if err != nil {
		return nil, err
	}
	if err := stateExists(f.state); err != nil {
		return nil, usageError(err)
	}
	screen := newScreen(os.Stderr)
	screen.line("%s", mapping(j))
	for _, w := range warnings(j) {
		screen.line("note: %s", w)
	}
	e, err := openEnds(ctx, j)
	if err != nil {
		return nil, err
	}
	defer e.close()
	c := finder.Config{
		Job: j, Source: e.source, Destination: e.destination, PrefixFile: e.prefixFile(), Concurrency: f.listConcurrency,
		Sinks:      func() []diff.Sink { return []diff.Sink{sink(j)} },
		OnProgress: func(p finder.Progress) { screen.progress(listing(p)) },
	}
	if f.state != "" {
		records, err := openRecords(ctx, f.state, taskOf(j))
		if err != nil {
			return nil, usageError(err)
		}
		defer records.close()
		c.Ledger = records.ledger
	}
	began := time.Now()
	totals, err := finder.Pass(ctx, c)
	screen.end()
	if err != nil {
		return nil, copyError(ctx, err)
	}
	return &comparison{
		job: j, totals: totals, seconds: time.Since(began).Seconds(), shared: e.destination.Shares(e.source),
		sourceRegion: e.source.Region(), destinationRegion: e.destination.Region(),
	}, nil
}

// stateExists refuses a state file that is not there: a plan would only make an empty one.
func stateExists(path string) error {
	if path == "" {
		return nil
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("--state: %s does not exist; dth copy --state makes it", path)
	}
	return nil
}

func listing(p finder.Progress) solo.Progress {
	return solo.Progress{Phase: solo.Listing, Listed: p.Source, Elapsed: p.Elapsed}
}

func printPlan(w io.Writer, c *comparison, plan *finder.Plan, e *estimate.Estimate) {
	totals := c.totals
	fmt.Fprintf(w, "listed %d at the source, %d at the destination in %.1f s with %d calls\n\n", totals.ListedSource, totals.ListedDestination, c.seconds, totals.ListCalls)
	fmt.Fprintf(w, "%-24s %14s %12s\n", "decision", "objects", "size")
	for _, name := range sortedNames(totals.Decisions) {
		t := totals.Decisions[name]
		fmt.Fprintf(w, "%-24s %14d %12s\n", name, t.Objects, units.FormatSize(t.Bytes))
	}
	if bins := plan.Histogram(); len(bins) > 0 {
		fmt.Fprintf(w, "\n%-24s %14s %12s\n", "to copy, of at least", "objects", "size")
		for _, b := range bins {
			fmt.Fprintf(w, "%-24s %14d %12s\n", units.FormatSize(b.From), b.Objects, units.FormatSize(b.Bytes))
		}
		fmt.Fprintf(w, "\nlargest\n")
		for _, o := range plan.Largest() {
			fmt.Fprintf(w, "%12s  %q\n", units.FormatSize(o.Size), o.Key)
		}
	}
	fmt.Fprintf(w, "\n%s", e.Text())
}

// differences prints a line for each.
type differences struct {
	mu  sync.Mutex
	out io.Writer
}

func (d *differences) Decide(_ context.Context, batch []diff.Decision) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range batch {
		v := &batch[i]
		var err error
		switch v.Kind {
		case diff.New:
			_, err = fmt.Fprintf(d.out, "missing    %q\n", v.Source.Key)
		case diff.Changed:
			_, err = fmt.Fprintf(d.out, "different  %q (%s)\n", v.Source.Key, v.Reason)
		case diff.Extraneous:
			_, err = fmt.Fprintf(d.out, "extraneous %q\n", v.Destination.Key)
		case diff.Same, diff.Skipped:
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func sortedNames(m map[string]run.Tally) []string { return slices.Sorted(maps.Keys(m)) }
