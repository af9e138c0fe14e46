package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/datatransferhub/dth/cmd/internal/command"
	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/finder"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/solo"
)

func newCopy() *cobra.Command {
	var f transferFlags
	var reportPath string
	var reportAll, noProof bool
	cmd := &cobra.Command{
		Use:   "copy SRC DST",
		Short: "Copy what is new or changed, and prove that both sides agree",
		Long: `Copy lists both ends, compares them, copies what is new or changed, and compares again.
Addresses are s3://bucket or s3://bucket/prefix. A prefix is taken literally and is removed from the keys;
--strip-src-prefix=false keeps it.

Progress goes to standard error. Exit codes: 0 both sides agree; 1 finished, some objects failed or differ;
2 wrong usage; 3 an end cannot be reached or refuses; 130 or 143 stopped by a signal.`,
		Example: `  dth copy s3://photos/2024/ s3://archive/photos/2024/
  dth copy s3://bucket s3://copy --dst-endpoint https://minio.example.com --dst-profile minio
  dth copy s3://data/ s3://data-copy/ --state data.db --report data.jsonl --json`,
		Args: twoAddresses,
		RunE: func(cmd *cobra.Command, args []string) error {
			j, err := f.job(args[0], args[1])
			if err != nil {
				return err
			}
			rep, err := openReport(reportPath, reportAll)
			if err != nil {
				return usageError(err)
			}
			return errors.Join(runCopy(cmd.Context(), &f, j, rep, !noProof), rep.close())
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&reportPath, "report", "", "file that gets a JSON line for every object that failed or was skipped")
	cmd.Flags().BoolVar(&reportAll, "report-all", false, "a line for every object")
	cmd.Flags().BoolVar(&noProof, "no-proof", false, "do not compare both ends again after the last copy")
	return cmd
}

func twoAddresses(_ *cobra.Command, args []string) error {
	if len(args) != 2 {
		return usageError(fmt.Errorf("two addresses are needed, SRC and DST, such as s3://bucket/prefix; %d were given", len(args)))
	}
	return nil
}

func runCopy(ctx context.Context, f *transferFlags, j *job.Job, rep *report, prove bool) error {
	screen := newScreen(os.Stderr)
	screen.line("%s", mapping(j))
	for _, w := range warnings(j) {
		screen.line("note: %s", w)
	}
	e, err := openEnds(ctx, j)
	if err != nil {
		return err
	}
	defer e.close()
	records, err := openRecords(ctx, f.state, taskOf(j))
	if err != nil {
		return usageError(err)
	}
	defer records.close()
	res, err := solo.Run(ctx, solo.Config{
		Job: j, Source: e.source, Destination: e.destination, Shared: e.destination.Shares(e.source),
		Queue: records.queue, Ledger: records.ledger, Runs: records.runs, Uploads: records.uploads, Resumable: f.state != "",
		RunID: newRunID(), Trigger: "manual", Version: version, Prove: prove, ListConcurrency: f.listConcurrency,
		PrefixFile: e.prefixFile(), Sinks: rep.sinks(), OnOutcome: rep.outcome, OnProgress: screen.progress, Log: logger(f.verbose),
	})
	screen.end()
	if res != nil {
		s := summarize(res)
		s.print(screen)
		if s.Failed > 0 && rep.file == nil {
			screen.line("--report FILE names what fails, and why")
		}
		if f.json {
			if jsonErr := s.printJSON(os.Stdout); jsonErr != nil {
				return jsonErr
			}
		}
		if err == nil {
			return s.verdict()
		}
	}
	return copyError(ctx, err)
}

// taskOf names the records of a transfer, so that one state file can serve several.
func taskOf(j *job.Job) string {
	return fmt.Sprintf("s3://%s/%s -> s3://%s/%s", j.Source.Bucket, j.Source.Prefix, j.Destination.Bucket, j.Destination.Prefix)
}

func copyError(ctx context.Context, err error) error {
	var share *finder.TooManyError
	var f *failure.Error
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case databasesqlite.IsFull(err):
		return &exitError{Code: command.Usage, Err: fmt.Errorf("there is no room for the records; nothing is lost: make room on the disk of --state or of the temporary folder, and run the same command again: %w", err)}
	case errors.As(err, &share):
		return &exitError{Code: command.Incomplete, Err: err}
	case errors.As(err, &f):
		return &exitError{Code: command.Unreachable, Err: err}
	}
	return err
}
