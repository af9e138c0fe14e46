package giant

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/datatransferhub/dth/worker/multipart"
	"github.com/datatransferhub/dth/worker/store"
)

// Destination is where uploads are swept.
type Destination interface {
	Uploads(ctx context.Context, key string) ([]store.Upload, error)
	AbortUpload(ctx context.Context, key, uploadID string) error
}

// clockDoubt is how far the destination's clock may be behind ours when it says when an upload began.
const clockDoubt = 15 * time.Minute

// SweepAfter is how old an intent is when its process is certainly dead or through: it lies between two calls.
const SweepAfter = 30 * time.Minute

// Sweep aborts uploads that a process created and died before recording, and returns how many. Only keys with an intent
// from before a time are looked at, and of their uploads those that began after the intent and before that time: nobody else's
// are touched, nor one that is just being recorded.
func Sweep(ctx context.Context, records multipart.Records, d Destination, before time.Time) (swept int, err error) {
	intents, err := records.Intents(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading upload intents: %w", err)
	}
	for _, i := range intents {
		if i.At.After(before) {
			continue
		}
		n, err := sweepKey(ctx, records, d, i, before)
		swept += n
		if err != nil {
			return swept, err
		}
	}
	return swept, nil
}

func sweepKey(ctx context.Context, records multipart.Records, d Destination, i multipart.Intent, before time.Time) (swept int, err error) {
	open, err := d.Uploads(ctx, i.DestinationKey)
	if err != nil {
		return 0, fmt.Errorf("looking for lost uploads of %s: %w", i.DestinationKey, err)
	}
	// The records are read after the listing: an upload that was recorded in between is known.
	recorded, err := recordedIDs(ctx, records)
	if err != nil {
		return 0, err
	}
	young := false
	for _, u := range open {
		if u.Key != i.DestinationKey || recorded[u.ID] || u.Initiated.Before(i.At.Add(-clockDoubt)) {
			continue
		}
		if u.Initiated.After(before) {
			young = true // somebody may be about to record it
			continue
		}
		if err := d.AbortUpload(ctx, u.Key, u.ID); err != nil {
			return swept, fmt.Errorf("aborting the lost upload %s of %s: %w", u.ID, u.Key, err)
		}
		swept++
	}
	if young {
		return swept, nil
	}
	return swept, records.DeleteIntent(ctx, i)
}

func recordedIDs(ctx context.Context, records multipart.Records) (map[string]bool, error) {
	uploads, err := records.Uploads(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading recorded uploads: %w", err)
	}
	ids := make(map[string]bool, len(uploads))
	for _, u := range uploads {
		ids[u.ID] = true
	}
	return ids, nil
}

// abandons is how many uploads are aborted at once: a task may have thousands of them open.
const abandons = 16

// Abandon aborts all uploads of a task for which nobody works any more, recorded or only meant, and returns how many there were.
// What cannot be aborted stays on record, and is part of the error.
func Abandon(ctx context.Context, records multipart.Records, d Destination, now time.Time) (aborted int, err error) {
	open, err := records.Uploads(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading open uploads: %w", err)
	}
	lost, err := Sweep(ctx, records, d, now)
	var n atomic.Int64
	var g errgroup.Group
	g.SetLimit(abandons)
	for _, u := range open {
		g.Go(func() error {
			if err := d.AbortUpload(ctx, u.DestinationKey, u.ID); err != nil {
				return err
			}
			n.Add(1)
			return records.DeleteUpload(ctx, u)
		})
	}
	err = errors.Join(g.Wait(), err)
	return lost + int(n.Load()), err
}
