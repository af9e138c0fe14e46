package solo

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// clockDoubt is how far the destination's clock may be behind ours when it says when an upload began.
const clockDoubt = 15 * time.Minute

// sweep aborts uploads that an earlier process created and died before recording. Only keys with an intent are looked
// at, and only uploads begun after it, so nobody else's are touched.
func (t *transferring) sweep(ctx context.Context) error {
	if t.Uploads == nil {
		return nil
	}
	intents, err := t.Uploads.Intents(ctx)
	if err != nil {
		return fmt.Errorf("reading upload intents: %w", err)
	}
	for _, i := range intents {
		recorded, err := t.recordedIDs(ctx)
		if err != nil {
			return err
		}
		open, err := t.Destination.Uploads(ctx, i.DestinationKey)
		if err != nil {
			return fmt.Errorf("looking for lost uploads of %s: %w", i.DestinationKey, err)
		}
		for _, u := range open {
			if recorded[u.ID] || u.Initiated.Before(i.At.Add(-clockDoubt)) {
				continue
			}
			if err := t.Destination.AbortUpload(ctx, u.Key, u.ID); err != nil {
				return fmt.Errorf("aborting the lost upload %s of %s: %w", u.ID, u.Key, err)
			}
		}
		if err := t.Uploads.DeleteIntent(ctx, i.DestinationKey); err != nil {
			return err
		}
	}
	return nil
}

func (t *transferring) recordedIDs(ctx context.Context) (map[string]bool, error) {
	uploads, err := t.Uploads.Uploads(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading recorded uploads: %w", err)
	}
	ids := make(map[string]bool, len(uploads))
	for _, u := range uploads {
		ids[u.ID] = true
	}
	return ids, nil
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
