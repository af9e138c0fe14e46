package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/datatransferhub/dth/cmd/internal/command"
	"github.com/datatransferhub/dth/worker/checksum"
	"github.com/datatransferhub/dth/worker/closing"
	"github.com/datatransferhub/dth/worker/finder"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/store"
	"github.com/datatransferhub/dth/worker/store/storeaws"
)

// closing closes a run by a proof.
func (p *program) closing(ctx context.Context, out io.Writer) error {
	// What ended in the dead-letter queue is on record before the proof asks for reasons, and also where no pass is made.
	if recorded, unreadable, err := p.deadLetters(ctx); err != nil {
		p.log.Warn("dead letters are not recorded yet", "error", err)
	} else if recorded+unreadable > 0 {
		p.log.Info("dead letters were read", "recorded", recorded, "unreadable", unreadable)
	}
	id, err := p.runToClose(ctx)
	if errors.Is(err, closing.ErrNothingToClose) {
		return p.print(out, map[string]any{"run": "", "state": "nothing to close"})
	}
	if err != nil {
		return err
	}
	r, err := p.prove(ctx, id)
	if err != nil {
		return err
	}
	if err := p.print(out, map[string]any{"run": r.ID, "state": r.State, "named": r.Named, "newer": r.Newer, "remaining": r.Remaining, "report": r.Report}); err != nil {
		return err
	}
	return p.verdict(ctx, r)
}

// closeEmpty closes the run of a pass that queued nothing: nothing is to be waited for. When that does not work, the monitor
// has it closed later.
func (p *program) closeEmpty(ctx context.Context, r run.Run) run.Run {
	if !p.options.closeEmpty || r.State != run.Copying || r.Finder.Queued > 0 || r.Continued {
		return r
	}
	closed, err := p.prove(ctx, r.ID)
	if err != nil {
		p.log.Warn("the run queued nothing and is not closed yet; the monitor has it closed", "run", r.ID, "error", err)
		return r
	}
	return closed
}

// prove closes a run.
func (p *program) prove(ctx context.Context, id string) (r run.Run, err error) {
	c := closing.Config{
		Finder: finder.Config{Job: p.cfg.Job, Source: p.source, Destination: p.destination, PrefixFile: p.lists, Ledger: p.ledger},
		Ledger: p.ledger, Runs: p.runs, Queue: p.queue, Uploads: p.uploads,
	}
	if p.reports != nil {
		c.Report = p.report
	}
	p.log.Info("closing begins", "run", id)
	err = closing.Hold(ctx, p.runs, p.holder, func(ctx context.Context) (err error) {
		r, err = closing.Close(ctx, c, id)
		return err
	})
	if err == nil {
		p.log.Info("run is closed", "run", r.ID, "named", r.Named, "newer", r.Newer, "remaining", r.Remaining, "report", r.Report)
	}
	return r, err
}

func (p *program) runToClose(ctx context.Context) (string, error) {
	if p.closeRun != "next" {
		return p.closeRun, nil
	}
	r, err := closing.Next(ctx, p.runs, time.Now())
	return r.ID, err
}

// verdict is an error when the run left failures, or differences without a reason.
func (p *program) verdict(ctx context.Context, r run.Run) error {
	counters, err := p.runs.Counters(ctx, r.ID)
	if err != nil {
		return err
	}
	if failed := run.Total(counters).Outcomes["FAILED"].Objects; failed > 0 || len(r.Remaining) > 0 {
		return &command.ExitError{Code: command.Incomplete, Err: fmt.Errorf("run %s: %d objects failed; different without a reason on record: %v", r.ID, failed, r.Remaining)}
	}
	return nil
}

// objectReport is a report that is gathered on disk and becomes an object when it is whole.
type objectReport struct {
	*os.File
	bucket *storeaws.Bucket
	name   string // of the bucket
	key    string
}

// report opens the report of a run.
func (p *program) report(runID string) (closing.Report, error) {
	f, err := os.CreateTemp("", "report-*.jsonl")
	if err != nil {
		return nil, err
	}
	return &objectReport{File: f, bucket: p.reports, name: p.cfg.Job.ReportBucket, key: p.cfg.Job.ReportPrefix + runID + ".jsonl"}, nil
}

// Publish implements closing.Report.
func (r *objectReport) Publish(ctx context.Context, _ int64) (string, error) {
	sum := checksum.New()
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	size, err := io.Copy(sum, r.File)
	if err == nil {
		_, err = r.Seek(0, io.SeekStart)
	}
	if err != nil {
		return "", err
	}
	place := fmt.Sprintf("s3://%s/%s", r.name, r.key)
	_, err = r.bucket.Put(ctx, store.PutRequest{
		Key: r.key, Body: r.File, Size: size, CRC64NVME: checksum.Encode(sum.Sum64()), Attributes: store.Attributes{Headers: store.Headers{ContentType: "application/x-ndjson"}},
	})
	if err != nil {
		return "", fmt.Errorf("%s: %w", place, err)
	}
	return place, nil
}

// Discard implements closing.Report.
func (r *objectReport) Discard() {
	_ = r.Close()
	_ = os.Remove(r.Name())
}
