package transfer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/multipart"
	"github.com/datatransferhub/dth/worker/queue"
	"github.com/datatransferhub/dth/worker/store"
)

// beginGiant sends the parts of an object to the fleet: those that are not on record yet, of the upload that is on
// record for this version or of a new one.
func (c *Copier) beginGiant(ctx context.Context, w *work, source store.Info, a store.Attributes) Outcome {
	up, done, err := c.adopt(ctx, w, source, a, true)
	if err != nil {
		return Outcome{Err: err}
	}
	begun := Outcome{Status: ledger.InProgress, Method: MethodGiant, Size: up.Size, SourceETag: up.SourceETag, Upload: up.ID}
	if up.RunID != w.m.Run {
		// What becomes of it is counted in the run that created the upload. This one has nothing more to do with it.
		begun.Reason = ledger.Elsewhere
	}
	if w.receives <= 1 && w.row != nil && w.row.Status == ledger.InProgress && w.row.Upload == up.ID {
		// Another message about this version has begun it, and its parts are on their way. Had the worker that sends them
		// died before, that message would come again.
		if begun.Reason == "" {
			return Outcome{Settled: true}
		}
		return begun
	}
	if c.Controller != nil {
		if err := c.Controller(ctx, up); err != nil {
			return Outcome{Err: fmt.Errorf("starting the controller of the upload of %s: %w", w.m.Key, err)}
		}
	}
	// The parts follow the record: others may have copied them all before a slow ledger has taken it.
	begun.Follow = partMessages(up, done)
	begun.Undo = func(ctx context.Context) error {
		if len(done) > 0 {
			return nil // it is under way
		}
		return c.fail(ctx, up, errOvertaken)
	}
	return begun
}

var errOvertaken = errors.New("another message about the object came first")

// fail notes that an upload is to be aborted and its object looked at again.
func (c *Copier) fail(ctx context.Context, up multipart.Upload, cause error) error {
	f := multipart.Failure{Class: string(failure.Conflict), Text: ledger.Bounded(cause.Error()), At: time.Now().UTC().Truncate(time.Millisecond)}
	return c.Uploads.FailUpload(ctx, up, f)
}

// partMessages returns a message for every part that is not done, or the one that completes the upload.
func partMessages(up multipart.Upload, done []multipart.Part) []message.Message {
	have := make(map[int]bool, len(done))
	for _, p := range done {
		have[p.Number] = true
	}
	about := message.Upload{Run: up.RunID, Key: up.SourceKey, ETag: up.SourceETag, UploadID: up.ID}
	if len(have) == up.Parts {
		return []message.Message{message.Complete{Upload: about}}
	}
	out := make([]message.Message, 0, up.Parts-len(have))
	for n := 1; n <= up.Parts; n++ {
		if have[n] {
			continue
		}
		offset := int64(n-1) * up.PartSize
		out = append(out, message.Part{
			Upload: about, VersionID: up.VersionID, Number: n, Of: up.Parts, Offset: offset,
			Length: min(up.PartSize, up.Size-offset), Checksums: up.Checksums,
		})
	}
	return out
}

// uploadOf returns what a part's message says of its upload: all that is needed to copy and record the part.
func (c *Copier) uploadOf(m *message.Part) (multipart.Upload, error) {
	dest, ok := c.keys.Destination(m.Key)
	if !ok {
		return multipart.Upload{}, fmt.Errorf("part %d: key %q has no place at the destination", m.Number, m.Key)
	}
	return multipart.Upload{
		SourceKey: m.Key, SourceETag: m.ETag, DestinationKey: dest, ID: m.UploadID, Parts: m.Of, RunID: m.Run,
		Checksums: m.Checksums, Giant: true, VersionID: m.VersionID,
	}, nil
}

// part copies one part of a giant and records it. Whoever records the last one asks for the completion.
func (c *Copier) part(ctx context.Context, m message.Part, receives int) Outcome {
	up, err := c.uploadOf(&m)
	if err != nil {
		return Outcome{Err: err}
	}
	if receives > 1 {
		// An earlier receive may have recorded it. Sending a part again would change the ETag that is on record, where
		// ETags are no hashes.
		if out := c.partDone(ctx, &m, up); out != nil {
			return *out
		}
	}
	p := &partCopy{
		c: c, up: up, withCRC: up.Checksums, source: store.Info{ETag: m.ETag},
		w: &work{m: message.Object{Run: m.Run, Key: m.Key, ETag: m.ETag, VersionID: m.VersionID}, dest: up.DestinationKey},
	}
	var recorded multipart.Recorded
	out := c.repeat(ctx, p.w, func(ctx context.Context, _ *work) Outcome {
		sent, err := p.sendPart(ctx, m.Number, m.Offset, m.Length)
		if err != nil {
			return Outcome{Err: err}
		}
		sent.At = time.Now().UTC()
		if recorded, err = c.Uploads.PutPart(ctx, up, sent); err != nil {
			return Outcome{Err: err}
		}
		return Outcome{Settled: true, Bytes: m.Length}
	})
	out.Retries, out.Throttles = p.w.retries.Load(), p.w.throttles
	if out.Err != nil {
		return c.partFailed(ctx, &m, up, out, receives)
	}
	if recorded.All {
		out.Send = []message.Message{message.Complete{Upload: m.Upload}}
	}
	return out
}

// partDone returns the outcome of a part that is on record, nil when it is not.
func (c *Copier) partDone(ctx context.Context, m *message.Part, up multipart.Upload) *Outcome {
	done, err := c.Uploads.Parts(ctx, up)
	if err != nil {
		return &Outcome{Err: err}
	}
	for _, p := range done {
		if p.Number != m.Number {
			continue
		}
		out := Outcome{Settled: true}
		if len(done) == up.Parts {
			out.Send = []message.Message{message.Complete{Upload: m.Upload}}
		}
		return &out
	}
	return nil
}

// partFailed notes at the upload what makes its completion impossible. What may pass is tried again, until the message
// was received as often as it may be.
func (c *Copier) partFailed(ctx context.Context, m *message.Part, up multipart.Upload, out Outcome, receives int) Outcome {
	var source *sourceError
	class := failure.ClassOf(out.Err)
	out.Status = ""
	lost := class == failure.NotFound && !errors.As(out.Err, &source)
	switch {
	case class == failure.Canceled || class.Endpointwide():
		return out
	case class.Retryable() && receives < queue.MaxReceives:
		return out
	case lost:
		recorded, found, err := c.Uploads.GetUpload(ctx, up.SourceKey, up.SourceETag)
		if err != nil {
			return Outcome{Err: err}
		}
		if !found || recorded.ID != up.ID {
			return Outcome{Settled: true} // it was completed or aborted meanwhile
		}
		// Somebody else ended it: a rule of the bucket, or a person. The object is begun anew.
		class = failure.Conflict
	}
	f := multipart.Failure{Class: string(class), Text: ledger.Bounded(out.Err.Error()), Part: m.Number, At: time.Now().UTC().Truncate(time.Millisecond)}
	if err := c.Uploads.FailUpload(ctx, up, f); err != nil {
		return Outcome{Err: err}
	}
	if class.Retryable() {
		return out // its last receive: the message goes where a person sees it
	}
	out.Settled, out.Err = true, nil
	return out
}

// open returns the upload that a message is about; false when it is over.
func (c *Copier) open(ctx context.Context, m message.Upload) (multipart.Upload, bool, error) {
	up, found, err := c.Uploads.GetUpload(ctx, m.Key, m.ETag)
	if err != nil {
		return up, false, fmt.Errorf("reading the recorded upload of %s: %w", m.Key, err)
	}
	return up, found && up.ID == m.UploadID, nil
}

// giantWork is the work on a giant whose beginning was another process's.
func (c *Copier) giantWork(ctx context.Context, up multipart.Upload) (*work, *Outcome) {
	w := &work{dest: up.DestinationKey, m: message.Object{
		Run: up.RunID, Key: up.SourceKey, Size: up.Size, ETag: up.SourceETag, Modified: up.Modified, VersionID: up.VersionID,
		Op: message.Copy, Again: up.Again, DestinationSeen: up.DestinationSeen, DestinationETag: up.DestinationETag,
	}}
	if up.DestinationSeen {
		w.condition = store.Precondition{IfMatch: up.DestinationETag, IfAbsent: up.DestinationETag == ""}
	}
	if c.Ledger != nil {
		if out := c.guard(ctx, w); out != nil {
			return w, out
		}
	}
	return w, nil
}

// completeGiant makes the object of its parts, wherever they were copied.
func (c *Copier) completeGiant(ctx context.Context, m message.Complete) Outcome {
	up, open, err := c.open(ctx, m.Upload)
	if err != nil {
		return Outcome{Err: err}
	}
	if !open || up.Failure != nil {
		return Outcome{Settled: true}
	}
	w, out := c.giantWork(ctx, up)
	if out != nil {
		return *out
	}
	result := c.repeat(ctx, w, func(ctx context.Context, w *work) Outcome { return c.completeOnce(ctx, w, up) })
	if result.Status == ledger.Failed && result.After == nil {
		// What is refused for good is refused whenever it is asked for: the upload ends with the object's record.
		result.Method, result.SourceETag, result.After = MethodGiant, up.SourceETag, c.ending(up)
	}
	result.Retries, result.Throttles = w.retries.Load(), w.throttles
	result.Expect, result.Found, result.Sequencer = w.expect(), w.row, w.sequencer()
	if result.Size == 0 {
		result.Size = up.Size
	}
	return result
}

func (c *Copier) completeOnce(ctx context.Context, w *work, up multipart.Upload) Outcome {
	parts, err := c.Uploads.Parts(ctx, up)
	if err != nil {
		return Outcome{Err: err}
	}
	if len(parts) < up.Parts {
		return Outcome{Settled: true} // asked for too early; the last part asks again
	}
	source, err := c.Source.Head(ctx, w.m.Key, w.m.VersionID)
	if err == nil && source.ETag != up.SourceETag {
		out := c.again(ctx, w)
		out.After = c.ending(up)
		return out
	}
	if err != nil {
		out := c.sourceFailed(ctx, w, err)
		if out.Err == nil {
			out.After = c.ending(up)
		}
		return out
	}
	p := &partCopy{c: c, w: w, source: source, up: up, parts: parts, withCRC: up.Checksums, moved: up.Size}
	return c.complete(ctx, p)
}

// abortGiant ends an upload that cannot be completed, and records why, or has the object begun anew.
func (c *Copier) abortGiant(ctx context.Context, m message.Abort) Outcome {
	up, open, err := c.open(ctx, m.Upload)
	if err != nil {
		return Outcome{Err: err}
	}
	if !open {
		return Outcome{Settled: true}
	}
	if !up.Giant {
		// One process copied its parts and left it; the object's own message has been settled since, or will be.
		return Outcome{Settled: true, After: c.ending(up)}
	}
	w, out := c.giantWork(ctx, up)
	if out != nil {
		return *out
	}
	if c.Ledger != nil && (w.row == nil || w.row.Status != ledger.InProgress || w.row.SourceETag != up.SourceETag) {
		// The record speaks of something else by now, so this upload is nobody's business any more.
		out := Outcome{Settled: true, After: c.ending(up)}
		if r := w.row; r != nil && r.RunID != up.RunID && uncounted(r, up.RunID) {
			// The record is another run's, and the run of this upload would wait for ever for what becomes of its object.
			out.Again = &message.Object{Run: up.RunID, Key: up.SourceKey, Op: message.Copy, Look: true}
		}
		return out
	}
	end := c.repeat(ctx, w, func(ctx context.Context, _ *work) Outcome {
		return Outcome{Settled: true, Err: c.Destination.AbortUpload(ctx, up.DestinationKey, up.ID)}
	})
	if end.Err != nil && end.Status == "" {
		return end
	}
	// An abort that is refused for good does not keep the object from its record. The upload's stays.
	result := c.repeat(ctx, w, func(ctx context.Context, w *work) Outcome { return c.aborted(ctx, w, up) })
	result.Expect, result.Found, result.Sequencer = w.expect(), w.row, w.sequencer()
	result.After = func(ctx context.Context) error {
		if end.Err != nil {
			return c.abortFailed(ctx, up, end.Err)
		}
		return c.Uploads.DeleteUpload(ctx, up)
	}
	return result
}

// uncounted reports whether a record remembers no outcome of its object in a run.
func uncounted(r *ledger.Record, runID string) bool {
	known := r.Counted(runID)
	return len(known) == 0 || known[0].Outcome == string(ledger.InProgress)
}

// giantFailed is the outcome of a giant that cannot be completed. The record of the object is written before the upload's is
// removed: whoever dies in between leaves an upload that the controller finds.
func (c *Copier) giantFailed(up multipart.Upload, cause error) Outcome {
	return Outcome{Status: ledger.Failed, Method: MethodGiant, Err: cause, Size: up.Size, SourceETag: up.SourceETag, After: c.ending(up)}
}

// aborted is the outcome of an object whose upload was aborted.
func (c *Copier) aborted(ctx context.Context, w *work, up multipart.Upload) Outcome {
	f := up.Failure
	if f == nil {
		f = &multipart.Failure{Class: string(failure.Other), Text: "the upload was aborted"}
	}
	failed := Outcome{Size: up.Size, SourceETag: up.SourceETag, Method: MethodGiant, Started: up.Created}
	switch class := failure.Class(f.Class); class {
	case failure.NotFound, failure.Changed, failure.Conflict:
		again := c.again(ctx, w) // what is there now, or GONE
		again.Size, again.SourceETag = up.Size, up.SourceETag
		if again.Again != nil {
			again.Again.Look = true // it may have been settled in another way
		}
		return again
	case failure.Archived:
		failed.Status, failed.Reason = ledger.Skipped, "archived"
	default:
		failed.Status = ledger.Failed
		failed.Err = &failure.Error{Class: class, Op: "copy", Target: up.SourceKey, Detail: f.Text}
	}
	return failed
}
