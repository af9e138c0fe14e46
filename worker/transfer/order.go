package transfer

import (
	"context"
	"fmt"

	"github.com/datatransferhub/dth/worker/event"
	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/store"
)

// The order of events. Messages about one object may be delivered in any order, twice, and to two workers at once, so
// none of them is believed: whoever has one looks at the source and makes the destination agree with what is there.
// What can still go wrong is that an older look ends in a later write. Two conditions rule that out:
//
//   - the ledger's record is read before the source and written on condition that nobody wrote it meanwhile;
//   - the destination is written on condition that it is what it was, where the store knows such conditions.
//
// Whoever loses a condition has the object looked at again. So the last one to write the ledger has read the source
// after everybody else wrote the destination.

// guarded says whether more than one message may be about an object at a time, so that its record has to be read.
// Where only finder passes send messages, the conditions on the destination are enough.
func (c *Copier) guarded(m *message.Object) bool {
	if c.Ledger == nil {
		return false
	}
	return m.Op == message.Delete || m.Look || m.Sequencer != "" || c.Job.Events != "" && c.Job.Events != job.EventsNone || !c.Destination.Conditions()
}

// guard reads the object's record. It returns an outcome when that says that nothing is left to do.
func (c *Copier) guard(ctx context.Context, w *work) *Outcome {
	rows, err := c.Ledger.Get(ctx, []string{w.m.Key})
	if err != nil {
		return &Outcome{Err: fmt.Errorf("reading the record of %s: %w", w.m.Key, err)}
	}
	row, there := rows[w.m.Key]
	if there {
		w.row = &row
	}
	if w.m.Sequencer == "" {
		return nil
	}
	// A look is for whoever lost a condition: what it has written came after the newer event was answered, so it is never too old.
	if there && row.Sequencer != "" && settled(row.Status) && !w.m.Look {
		order := event.Compare(w.m.Sequencer, row.Sequencer)
		if order < 0 {
			return &Outcome{Settled: true} // whoever answered the newer event has seen what this one speaks of
		}
		if order == 0 && w.m.Op == message.Copy && row.Status == ledger.Done && row.SourceETag == w.m.ETag {
			return w.repeated()
		}
	}
	if w.m.Op == message.Copy && !w.m.DestinationSeen && !w.m.Look {
		w.condition = store.Precondition{IfAbsent: true}
		if there && row.Status == ledger.Done {
			w.condition = store.Precondition{IfMatch: row.DestinationETag}
		}
	}
	return nil
}

func settled(s ledger.Status) bool {
	return s == ledger.Done || s == ledger.Deleted || s == ledger.Gone || s == ledger.Skipped
}

// repeated is the outcome of an event that was delivered twice: what the record says, written once more in case the
// process that wrote it died before it counted it.
func (w *work) repeated() *Outcome {
	out := recorded(w.row)
	out.Expect, out.Found, out.Sequencer = w.expect(), w.row, w.sequencer()
	return &out
}

// expect is the revision that the ledger must still hold.
func (w *work) expect() *ledger.Revision {
	if w.row == nil {
		return &ledger.Revision{}
	}
	r := w.row.Revision()
	return &r
}

// sequencer is the newest that is known of the object.
func (w *work) sequencer() string {
	if w.row != nil && event.Compare(w.row.Sequencer, w.m.Sequencer) > 0 {
		return w.row.Sequencer
	}
	return w.m.Sequencer
}

// lookOnce makes one try of an object of which only the key is known: both ends are looked at, and what is there now is
// brought into agreement.
func (c *Copier) lookOnce(ctx context.Context, w *work) Outcome {
	source, err := c.Source.Head(ctx, w.m.Key, "")
	switch {
	case failure.Is(err, failure.NotFound) && w.row != nil && w.row.Status == ledger.Deleted:
		// Its deletion was asked for and done; a copy that was under way at the time may have come after it.
		return c.remove(ctx, w)
	case err != nil:
		return c.sourceFailed(ctx, w, err)
	case c.Filter != nil && !c.Filter.Takes(w.m.Key, source.Size, source.Modified):
		return Outcome{Status: ledger.Skipped, Reason: "filtered", Method: MethodNone, Size: source.Size, SourceETag: source.ETag}
	}
	w.m.Size, w.m.ETag, w.m.Modified, w.m.Class, w.m.VersionID = source.Size, source.ETag, source.Modified, source.StorageClass, ""
	there, err := c.Destination.Head(ctx, w.dest, "")
	switch {
	case failure.Is(err, failure.NotFound):
		w.condition = store.Precondition{IfAbsent: true}
	case err != nil:
		return Outcome{Err: err}
	default:
		if by := c.sameContent(ctx, w, source, there); by != "" {
			return c.same(ctx, w, source, there, by)
		}
		w.condition = store.Precondition{IfMatch: there.ETag}
	}
	out := c.copyOnce(ctx, w)
	if out.Size == 0 {
		out.Size = w.m.Size
	}
	if out.SourceETag == "" {
		out.SourceETag = w.m.ETag
	}
	return out
}

// same is the outcome of an object that was there already. When an earlier delivery in this run brought it there, the
// outcome is that of the earlier: how it was copied is not forgotten because it was asked for twice.
func (c *Copier) same(ctx context.Context, w *work, source, there store.Info, by string) Outcome {
	row := w.row
	if row == nil && c.Ledger != nil {
		// A record that cannot be read changes how the object is counted, not what is true of it.
		if rows, err := c.Ledger.Get(ctx, []string{w.m.Key}); err == nil {
			r := rows[w.m.Key]
			row = &r
		}
	}
	if row != nil && row.RunID == w.m.Run && row.Status == ledger.Done && row.SourceETag == source.ETag && row.DestinationETag == there.ETag {
		return recorded(row)
	}
	return Outcome{
		Status: ledger.Done, Method: MethodNone, Size: source.Size, SourceETag: source.ETag,
		DestinationETag: there.ETag, VerifiedBy: by, Checksum: crcOf(there.Checksum),
	}
}

// recorded is the outcome that a record tells of.
func recorded(r *ledger.Record) Outcome {
	return Outcome{
		Status: r.Status, Method: r.Method, Size: r.Size, Bytes: r.Bytes, SourceETag: r.SourceETag, DestinationETag: r.DestinationETag,
		Checksum: r.Checksum, VerifiedBy: r.VerifiedBy,
	}
}
