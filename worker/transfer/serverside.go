package transfer

import (
	"context"
	"strings"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/store"
)

// copyServerSide makes the destination copy by itself: no byte passes through this process.
func (c *Copier) copyServerSide(ctx context.Context, w *work) Outcome {
	source, err := c.Source.Head(ctx, w.m.Key, w.m.VersionID)
	if err != nil {
		return c.sourceFailed(ctx, w, err)
	}
	if w.m.ETag != "" && source.ETag != w.m.ETag {
		return c.again(ctx, w)
	}
	if store.ArchivedClass(source.StorageClass) && !source.Restored {
		return Outcome{Status: ledger.Skipped, Reason: "archived", Method: MethodNone}
	}
	a, err := c.attributes(ctx, w, source)
	if err != nil {
		return c.sourceFailed(ctx, w, err)
	}
	r := c.copyRequest(w, source, a)
	if source.Size > MaxServerSide {
		return c.copyPartsFrom(ctx, w, source, a, true)
	}
	written, err := c.Destination.Copy(ctx, r)
	if err != nil {
		return c.serverSideFailed(ctx, w, err)
	}
	by, err := proveServerSide(w, source, written)
	if err != nil {
		return Outcome{Err: err}
	}
	return Outcome{
		Status: ledger.Done, Method: MethodServerSide, Size: source.Size, SourceETag: source.ETag,
		DestinationETag: written.ETag, Checksum: crcOf(written.Checksum), VerifiedBy: by,
	}
}

func (c *Copier) copyRequest(w *work, source store.Info, a store.Attributes) store.CopyRequest {
	return store.CopyRequest{
		SourceBucket: c.Source.Name(), SourceKey: w.m.Key, SourceVersionID: w.m.VersionID, SourceETag: source.ETag,
		Key: w.dest, Condition: w.condition, Attributes: a, KeepHeaders: c.Job.IncludeMetadata, KeepTags: c.Job.IncludeTags,
	}
}

// serverSideFailed tells which end a failed copy speaks of: a precondition can be the source's or the
// destination's, and one look at the source decides.
func (c *Copier) serverSideFailed(ctx context.Context, w *work, err error) Outcome {
	switch failure.ClassOf(err) {
	case failure.NotFound, failure.Archived:
		return c.sourceFailed(ctx, w, err)
	case failure.Conflict:
		if now, headErr := c.Source.Head(ctx, w.m.Key, w.m.VersionID); headErr != nil || w.m.ETag != "" && now.ETag != w.m.ETag {
			return c.again(ctx, w)
		}
	}
	return Outcome{Err: err}
}

// proveServerSide compares what both stores say of their objects.
func proveServerSide(w *work, source store.Info, written store.Written) (string, error) {
	a, b := source.Checksum, written.Checksum
	if a.Value != "" && a.Algorithm == b.Algorithm && !a.Composite && !b.Composite {
		if a.Value != b.Value {
			return "", &failure.Error{
				Class: failure.Checksum, Op: "CopyObject", Target: w.dest,
				Detail: a.Algorithm + " at the source is " + a.Value + ", of the copy " + b.Value,
			}
		}
		return strings.ToLower(a.Algorithm), nil
	}
	if store.HashETag(source.ETag) && strings.EqualFold(source.ETag, written.ETag) {
		return "etag", nil
	}
	return "server", nil
}
