package copier

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
	"github.com/datatransferhub/dth/worker/image/record"
)

// deletions deletes what a batch names, after its images were copied. Each is looked at again before: what the source has by now, and
// what somebody else has pushed to the destination meanwhile, stays.
func (o *one) deletions(ctx context.Context, s *Summary) error {
	for _, x := range o.batch.Delete {
		r := record.Record{
			Key: record.Key{Image: o.batch.Name, Tag: x.Reference()}, DestinationDigest: x.Digest, RunID: o.RunID, Execution: o.Execution, StartedAt: o.now(),
		}
		deleted, err := o.delete(ctx, x, &r)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch r.FinishedAt = o.now(); {
		case err != nil:
			r.Status, r.ErrorClass, r.ErrorMessage = record.Failed, string(failure.ClassOf(err)), record.Bounded(err.Error())
			s.Failed++
		case deleted:
			r.Status = record.Deleted
			s.Deleted++
		default:
			o.log().Info("not deleted: it is no longer what was planned", "image", o.batch.Target, "reference", x.Reference())
			continue
		}
		if err := o.put(ctx, r, record.Record{}); err != nil {
			return err
		}
	}
	return nil
}

// delete deletes one, and tries again while that may help. It is false when the image stays.
func (o *one) delete(ctx context.Context, x image.Extra, r *record.Record) (deleted bool, err error) {
	began := time.Now()
	for try := 1; try <= Tries; try++ {
		r.Attempts++
		if deleted, err = o.deleteOnce(ctx, x); err == nil || ctx.Err() != nil {
			break
		}
		if class := failure.ClassOf(err); !class.Retryable() || try == Tries || o.pause(ctx, err, try, began) != nil {
			break
		}
	}
	return deleted, err
}

func (o *one) deleteOnce(ctx context.Context, x image.Extra) (bool, error) {
	gone, err := o.stillExtraneous(ctx, x)
	if err != nil || !gone {
		return false, err
	}
	at, err := o.Destination.Head(ctx, o.batch.Target, x.Reference())
	switch {
	case failure.Is(err, failure.NotFound):
		return true, nil // by a task before, or with another tag of its
	case err != nil:
		return false, fmt.Errorf("destination: %w", err)
	case at.Digest != x.Digest:
		return false, nil
	}
	if x.Tag == "" {
		if tagged, err := o.tagged(ctx, x.Digest); err != nil || tagged {
			return false, err // it would take its tags with it
		}
	}
	deleter, ok := o.Destination.(image.Deleter)
	if !ok {
		return false, &failure.Error{Class: failure.DestinationRefuses, Op: "delete", Target: o.batch.Target + " " + x.Reference(), Detail: "this kind of registry lets nothing be deleted"}
	}
	err = deleter.Delete(ctx, o.batch.Target, x.Reference())
	if errors.Is(err, image.ErrByDigest) {
		return o.deleteByDigest(ctx, x, deleter)
	}
	if failure.Is(err, failure.NotFound) {
		err = nil
	}
	return err == nil, err
}

// stillExtraneous reports whether the source does not have an image.
func (o *one) stillExtraneous(ctx context.Context, x image.Extra) (bool, error) {
	_, err := o.from.Head(ctx, o.batch.Repository, x.Reference())
	if failure.Is(err, failure.NotFound) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("source: %w", err)
	}
	return false, nil
}

// fresh is how long a listing of the destination is relied upon before what has no tag in it is deleted.
const fresh = time.Minute

// tagged reports whether a manifest has a tag at the destination: it was to lose its last one to a copy that failed, or somebody has
// given it one since.
func (o *one) tagged(ctx context.Context, digest string) (bool, error) {
	if time.Since(o.listedAt) > fresh {
		all, err := o.Destination.List(ctx, o.batch.Target)
		if err != nil {
			return false, fmt.Errorf("destination: %w", err)
		}
		o.listed, o.listedAt = all, time.Now()
	}
	return slices.ContainsFunc(o.listed, func(f image.Found) bool { return f.Tag != "" && f.Digest == digest }), nil
}

// deleteByDigest deletes the manifest that a tag names, with all its tags, where a tag cannot be removed by itself: only if each of
// these tags is to be deleted, and nothing that stays lists the manifest.
func (o *one) deleteByDigest(ctx context.Context, x image.Extra, d image.Deleter) (bool, error) {
	refuse := func(why string) error {
		return &failure.Error{
			Class: failure.DestinationRefuses, Op: "delete", Target: o.batch.Target + ":" + x.Tag, Err: image.ErrByDigest,
			Detail: fmt.Sprintf("%s, and %s, %s; remove the tag there yourself", image.ErrByDigest, x.Digest, why),
		}
	}
	if err := o.look(ctx); err != nil {
		return false, err
	}
	if index := o.kept.listedBy[x.Digest]; index != "" {
		return false, refuse("is part of " + index + ", which stays")
	}
	for tag, digest := range o.kept.tags {
		if digest != x.Digest {
			continue
		}
		n := slices.IndexFunc(o.batch.Delete, func(other image.Extra) bool { return other.Tag == tag && other.Digest == digest })
		if n < 0 {
			return false, refuse("has the tag " + tag + ", too, which stays")
		}
		gone, err := o.stillExtraneous(ctx, o.batch.Delete[n])
		if err != nil {
			return false, err
		}
		if !gone {
			return false, refuse("has the tag " + tag + ", too, which the source has again")
		}
	}
	err := d.Delete(ctx, o.batch.Target, x.Digest)
	if failure.Is(err, failure.NotFound) {
		err = nil
	}
	return err == nil, err
}

// kept is what a repository of the destination holds.
type kept struct {
	tags     map[string]string // digest by tag
	listedBy map[string]string // a tag of an index that stays, by the digest of what it lists
}

// look reads what the destination's repository holds. Tags that are known are not read again.
func (o *one) look(ctx context.Context) error {
	listed, err := o.Destination.List(ctx, o.batch.Target)
	if err != nil {
		return fmt.Errorf("destination: %w", err)
	}
	before := o.kept
	o.kept = kept{tags: map[string]string{}, listedBy: before.listedBy}
	if o.kept.listedBy == nil {
		o.kept.listedBy = map[string]string{}
	}
	for _, f := range listed {
		if known, ok := before.tags[f.Tag]; ok {
			o.kept.tags[f.Tag] = known
			continue
		}
		d, err := o.Destination.Head(ctx, o.batch.Target, f.Tag)
		if failure.Is(err, failure.NotFound) {
			continue
		}
		if err != nil {
			return fmt.Errorf("destination: %w", err)
		}
		o.kept.tags[f.Tag] = d.Digest
		stays := !slices.ContainsFunc(o.batch.Delete, func(x image.Extra) bool { return x.Tag == f.Tag })
		if stays && image.IsIndex(d.MediaType) {
			if err := o.entries(ctx, f.Tag, d.Digest, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// entries notes what an index lists, however deep.
func (o *one) entries(ctx context.Context, tag, digest string, depth int) error {
	_, content, err := o.Destination.Manifest(ctx, o.batch.Target, digest)
	if err != nil {
		return fmt.Errorf("destination: %w", err)
	}
	all, err := image.ReadIndex(content)
	if err != nil {
		return err
	}
	for _, e := range all {
		o.kept.listedBy[e.Digest] = "index " + tag
		if image.IsIndex(e.MediaType) && depth < maxDepth {
			if err := o.entries(ctx, tag, e.Digest, depth+1); err != nil && !failure.Is(err, failure.NotFound) {
				return err
			}
		}
	}
	return nil
}
