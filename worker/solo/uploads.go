package solo

import (
	"context"
	"errors"
	"time"

	"github.com/datatransferhub/dth/worker/giant"
)

// sweep aborts uploads that an earlier process of this task created and died before recording.
func (t *transferring) sweep(ctx context.Context) error {
	if t.Uploads == nil {
		return nil
	}
	_, err := giant.Sweep(ctx, t.Uploads, t.Destination, time.Now())
	return err
}

// abortUploads aborts what is recorded as open: uploads of versions that are not there any more, and of objects that
// failed.
func (t *transferring) abortUploads(ctx context.Context) error {
	if t.Uploads == nil {
		return nil
	}
	uploads, err := t.Uploads.Uploads(ctx)
	if err != nil {
		return err
	}
	var all error
	for _, u := range uploads {
		err := t.Destination.AbortUpload(ctx, u.DestinationKey, u.ID)
		if err == nil {
			err = t.Uploads.DeleteUpload(ctx, u)
		}
		all = errors.Join(all, err)
	}
	return all
}
