package transfer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/multipart"
)

// AbandonAfter is for how long the abort of an upload is asked for again when the destination refuses it: rights are
// corrected within a day, or nobody cares. An upload that is on record keeps its run from being closed.
const AbandonAfter = 24 * time.Hour

// LeftError says that an upload could not be aborted because the destination refuses it. It changes nothing about the object: it
// is for the log. Forgotten tells an upload that stays open, and paid for, from one whose abort is asked for again.
type LeftError struct {
	Upload    multipart.Upload
	Forgotten bool
	Err       error
}

func (e *LeftError) Error() string {
	what := "its abort is asked for again"
	if e.Forgotten {
		what = fmt.Sprintf("after %s it is left as it is, and its parts with it", AbandonAfter)
	}
	return fmt.Sprintf("upload %s of %s stays open, %s: %v", e.Upload.ID, e.Upload.DestinationKey, what, e.Err)
}

func (e *LeftError) Unwrap() error { return e.Err }

// discard aborts an upload and forgets it. An upload whose abort is refused stays on record as one that failed, so that the
// controller asks again: then, and when that has gone on for too long, the error is a *LeftError.
func (c *Copier) discard(ctx context.Context, up multipart.Upload) error {
	err := c.Destination.AbortUpload(ctx, up.DestinationKey, up.ID)
	if err != nil {
		return c.abortFailed(ctx, up, err)
	}
	return c.Uploads.DeleteUpload(ctx, up)
}

// abortFailed notes that an upload could not be aborted. An error that may pass is returned as it is.
func (c *Copier) abortFailed(ctx context.Context, up multipart.Upload, err error) error {
	class := failure.ClassOf(err)
	if class.Retryable() || class.Endpointwide() || class == failure.Canceled {
		return err
	}
	left := &LeftError{Upload: up, Err: err}
	if f := up.Failure; f != nil && c.Now().Sub(f.At) > AbandonAfter {
		if err := c.Uploads.DeleteUpload(ctx, up); err != nil {
			return err
		}
		left.Forgotten = true
		return left
	}
	f := multipart.Failure{Class: string(class), Text: ledger.Bounded("its upload cannot be aborted: " + err.Error()), At: c.Now().UTC().Truncate(time.Millisecond)}
	if err := c.Uploads.FailUpload(ctx, up, f); err != nil {
		return err
	}
	return left
}

// ending is what ends an upload when its object is on record.
func (c *Copier) ending(up multipart.Upload) func(context.Context) error {
	return func(ctx context.Context) error { return c.discard(ctx, up) }
}

// discarded is an outcome that is reached when its upload is discarded. An abort that is refused is told with it.
func (c *Copier) discarded(ctx context.Context, up multipart.Upload, out Outcome) Outcome {
	err := c.discard(ctx, up)
	var left *LeftError
	switch {
	case err == nil:
		return out
	case errors.As(err, &left):
		out.After = func(context.Context) error { return left }
		return out
	}
	return Outcome{Err: err}
}
