// Package logaws is where the programs that run on AWS write their logs: to standard error and, when a log group is named, to
// CloudWatch Logs as well.
package logaws

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/datatransferhub/dth/cmd/internal/command"
	"github.com/datatransferhub/dth/worker/logship"
	"github.com/datatransferhub/dth/worker/logship/logshipaws"
)

// Options are the flags of a program's log.
type Options struct {
	Group  string // log group; empty: nothing is shipped
	Stream string // log stream; empty: the name of the process
	Spool  string // folder; empty: one of the program's in the folder for temporary files
}

// Flags declares the flags.
func (o *Options) Flags(fs *flag.FlagSet) {
	fs.StringVar(&o.Group, "log-group", "", "ship the log to this log group of CloudWatch Logs too, in the region of the environment")
	fs.StringVar(&o.Stream, "log-stream", "", "log stream in the group; by default the name of this host and the time of this start")
	fs.StringVar(&o.Spool, "log-spool", "", "folder in which lines wait to be shipped, used by one process at a time; what one that was killed left there is shipped by the next")
}

// Check refuses flags that say nothing without the log group.
func (o *Options) Check() error {
	if o.Group == "" && (o.Stream != "" || o.Spool != "") {
		return errors.New("--log-stream and --log-spool are given with --log-group")
	}
	return nil
}

// flushTime is how long the end of a program waits until its log is shipped. What is not stays in the spool.
const flushTime = 15 * time.Second

// Run runs a program, which writes lines to log. However f ends, what it wrote is shipped before Run returns, and its error
// too, which is returned as it is. Name is the program's, process that of the process.
func (o *Options) Run(ctx context.Context, name, process string, f func(ctx context.Context, log io.Writer) error) error {
	if o.Group == "" {
		return f(ctx, os.Stderr)
	}
	log, err := o.open(ctx, name, process)
	if err != nil {
		return command.UsageError(err)
	}
	err = f(ctx, log)
	if err != nil && err.Error() != "" {
		slog.New(slog.NewJSONHandler(log, nil)).Error(name+" ends", "process", process, "error", err)
	}
	flushing, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	if left := log.Close(flushing); left != nil {
		fmt.Fprintln(os.Stderr, name+":", left)
	}
	return err
}

func (o *Options) open(ctx context.Context, name, process string) (*logship.Shipper, error) {
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, fmt.Errorf("the AWS configuration cannot be read: %w", err)
	}
	sink, err := logshipaws.Open(cfg, o.Group)
	if err != nil {
		return nil, fmt.Errorf("--log-group: %w", err)
	}
	log, err := logship.Open(logship.Config{
		Sink: sink, Stream: cmp.Or(o.Stream, process), Dir: cmp.Or(o.Spool, filepath.Join(os.TempDir(), name+"-log")), Echo: os.Stderr,
	})
	if err != nil {
		return nil, fmt.Errorf("--log-stream or --log-spool: %w", err)
	}
	return log, nil
}
