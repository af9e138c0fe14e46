package transfer

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/datatransferhub/dth/worker/endpoint"
	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/multipart"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/store"
)

// Sizes that choose the way of an object, in bytes.
const (
	// SmallBody is the largest body that is read whole before it is sent: its checksum can then go in
	// front of it, and a corrupt one is refused before it is published.
	SmallBody = 256 << 10
	// PartSize is the smallest part that objects are cut into.
	PartSize = 64 << 20
	// MultipartFrom is the size from which an object is copied in parts.
	MultipartFrom = 2 * PartSize
	// MaxServerSide is what one CopyObject call can copy.
	MaxServerSide = 5 << 30
)

// How an object was copied, as ledgers and reports say it.
const (
	MethodServerSide = "server_side"
	MethodStream     = "stream"
	MethodMultipart  = "multipart" // in parts, by one process
	MethodGiant      = "giant"     // in parts, by the fleet
	MethodDelete     = "delete"
	MethodNone       = "none" // it was there already
)

// Config is what a Copier works with. Uploads may be nil for jobs without large objects.
type Config struct {
	Job         *job.Job
	Source      Source
	Destination Destination
	SourceCan   endpoint.Capabilities
	DestCan     endpoint.Capabilities
	// Shared says that the destination could copy from the source by itself, as far as addresses tell.
	Shared  bool
	Uploads multipart.Records
	Ledger  interface {
		Get(ctx context.Context, keys []string) (map[string]ledger.Record, error)
	}
	Worker string
	Pace   *Pace // nil: no bandwidth limit
	// Fleet says that giants go in parts through the queue, for every worker to take; otherwise this process copies
	// all their parts.
	Fleet bool
	// Controller is told of every giant that begins, so that somebody looks after it; nil: somebody does already.
	Controller func(ctx context.Context, u multipart.Upload) error
	// Filter is asked about objects of which the message did not say size and time; nil takes all.
	Filter *job.Filter
	// Attempts bounds the tries of one object in this process; 0 is 4.
	Attempts int
	// Backoff is the first wait between tries; 0 is a second.
	Backoff time.Duration
	// PartSize is the size in bytes of the parts that objects are cut into, as far as the number of parts allows; 0 is
	// the constant of this name. S3 takes none below 5 MiB.
	PartSize int64
	// Now is the clock; nil: time.Now.
	Now func() time.Time
}

// Copier copies and deletes single objects. It is safe for concurrent use.
type Copier struct {
	Config
	keys job.KeyMap
	bulk chan struct{} // one place for each stream with large buffers

	noServerSide atomic.Bool // the destination may not read the source
	md5Trusted   atomic.Bool // the destination's ETags were seen to be MD5
	reach        reach
}

// bulkStreams bounds the streams with large buffers: each holds four of 256 KiB.
const bulkStreams = 12

// New returns a copier.
func New(c Config) *Copier {
	if c.Attempts == 0 {
		c.Attempts = 4
	}
	if c.Backoff == 0 {
		c.Backoff = time.Second
	}
	if c.PartSize == 0 {
		c.PartSize = PartSize
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Copier{Config: c, keys: c.Job.KeyMap(), bulk: make(chan struct{}, bulkStreams)}
}

// Outcome is what became of one message.
type Outcome struct {
	// Status is the object's new status; empty when there is none: then Settled, Again or Err says why.
	Status ledger.Status
	// Settled says that the message is done with although the object's record stays as it is: a part, or something that
	// others have done already.
	Settled bool
	// Again is the message that takes this one's place, because the source changed.
	Again *message.Object
	// Err is why the object failed, or could not be settled for now.
	Err error
	// Send are messages to be queued before anything of the outcome is recorded.
	Send []message.Message
	// Follow are messages to be queued when the outcome is on record, and before its message is deleted.
	Follow []message.Message
	// After is to be done when the outcome is on record and before the message is deleted; it may be repeated. Nil: nothing.
	After func(ctx context.Context) error
	// Undo is to be done when the outcome is not recorded, because somebody else wrote the record meanwhile. Nil: nothing.
	Undo func(ctx context.Context) error
	// Expect is the revision of the ledger's record that the outcome was reached upon; nil: any. When another is there,
	// the object is looked at again.
	Expect *ledger.Revision
	// Found is the record that Expect is the revision of; nil: none was there.
	Found *ledger.Record
	// Sequencer is that of the newest event which the outcome answers.
	Sequencer string

	Reason          string // of a skip
	Upload          string // the destination's UploadId, of a giant that is in progress
	Method          string
	Size, Bytes     int64
	SourceETag      string
	DestinationETag string
	Checksum        string
	VerifiedBy      string
	Started         time.Time
	Retries         int64
	Throttles       int64
}

// work is one object on its way.
type work struct {
	m         message.Object
	dest      string // destination key
	receives  int    // of the message, this one included
	condition store.Precondition
	retries   atomic.Int64
	throttles int64
	conflicts int
	noMD5     bool           // the ETag of the source turned out to be no MD5
	refreshed bool           // the credentials were read anew for this object
	row       *ledger.Record // what the ledger held before; nil: nothing, or nobody looked
}

// maxConflicts bounds how often a destination may change under one copy.
const maxConflicts = 5

// maxHold bounds how long a throttled object is held here, within the lease that a queue allows.
const maxHold = time.Hour

// Settle settles one message, which was received this often. It returns an unsettled outcome with a retryable error when
// this process has tried often enough, and with class Canceled when ctx ended.
func (c *Copier) Settle(ctx context.Context, m message.Message, receives int) Outcome {
	started := time.Now().UTC()
	var out Outcome
	switch m := m.(type) {
	case message.Object:
		out = c.object(ctx, m, receives)
	case message.Part:
		out = c.part(ctx, m, receives)
	case message.Complete:
		out = c.completeGiant(ctx, m)
	case message.Abort:
		out = c.abortGiant(ctx, m)
	default:
		out.Err = fmt.Errorf("%w: %T", message.ErrUnknown, m)
	}
	out.Started = started
	return out
}

func (c *Copier) object(ctx context.Context, m message.Object, receives int) Outcome {
	out := c.do(ctx, m, receives)
	if out.SourceETag == "" {
		out.SourceETag = m.ETag
	}
	if out.Size == 0 {
		out.Size = m.Size
	}
	return out
}

func (c *Copier) do(ctx context.Context, m message.Object, receives int) Outcome {
	dest, ok := c.keys.Destination(m.Key)
	if !ok {
		return Outcome{Status: ledger.Skipped, Reason: "unmappable", Method: MethodNone}
	}
	w := &work{m: m, dest: dest, receives: receives}
	if m.DestinationSeen {
		w.condition = store.Precondition{IfMatch: m.DestinationETag, IfAbsent: m.DestinationETag == ""}
	}
	guarded := c.guarded(&m) || c.giant(m.Size)
	if guarded {
		if settled := c.guard(ctx, w); settled != nil {
			return *settled
		}
	}
	attempt := c.copyOnce
	switch {
	case m.Op == message.Delete:
		attempt = c.deleteOnce
	case m.Look:
		attempt = c.lookOnce
	}
	out := c.repeat(ctx, w, attempt)
	out.Retries, out.Throttles = w.retries.Load(), w.throttles
	if guarded {
		out.Expect, out.Found, out.Sequencer = w.expect(), w.row, w.sequencer()
	}
	return out
}

// repeat tries until the object is settled or there is no sense in going on for now.
func (c *Copier) repeat(ctx context.Context, w *work, attempt func(context.Context, *work) Outcome) Outcome {
	policy := retry.Policy{Attempts: c.Attempts, Base: c.Backoff, Cap: 20 * time.Second}
	held := time.Now()
	for tries := 1; ; tries++ {
		out := attempt(ctx, w)
		if out.Err == nil || out.Status != "" {
			return out
		}
		switch class := failure.ClassOf(out.Err); {
		case class == failure.Conflict && w.conflicts < maxConflicts:
			w.conflicts++
			settled, err := c.reconsider(ctx, w)
			if settled != nil {
				return *settled
			}
			if err != nil {
				out.Err = err
				break // how that error is taken is decided by its own class, at the next turn
			}
			tries--
			continue
		case refusesIdentity(class) && !w.refreshed:
			// A rotated key is picked up without a restart.
			w.refreshed = true
			c.refresh()
			tries--
			continue
		case class == failure.Throttled && time.Since(held) < maxHold:
			// Held here and not handed back: a busy store must not use up a message's receives.
			w.throttles++
			tries = min(tries, policy.Attempts-1)
		case !class.Retryable() || tries >= policy.Attempts:
			return c.judge(w, out)
		default:
			w.retries.Add(1)
		}
		if class := failure.ClassOf(out.Err); class == failure.Checksum {
			w.noMD5 = true
		}
		if err := retry.Sleep(ctx, policy.Delay(tries)); err != nil {
			return Outcome{Err: &failure.Error{Class: failure.Canceled, Op: "copy", Target: w.m.Key, Err: err}}
		}
	}
}

// judge turns a last error into an outcome: permanent classes settle the object as FAILED.
func (c *Copier) judge(w *work, out Outcome) Outcome {
	class := failure.ClassOf(out.Err)
	if class.Retryable() || class.Endpointwide() || class == failure.Canceled {
		return out
	}
	out.Status = ledger.Failed
	return out
}

// copyOnce makes one try of the way that suits the object.
func (c *Copier) copyOnce(ctx context.Context, w *work) Outcome {
	if w.m.Size > c.DestCan.LargestObject.Value {
		err := fmt.Errorf("the object has %d bytes, the destination takes %d", w.m.Size, c.DestCan.LargestObject.Value)
		return Outcome{Status: ledger.Failed, Err: &failure.Error{Class: failure.TooLarge, Op: "copy", Target: w.m.Key, Detail: err.Error(), Err: err}}
	}
	if c.serverSide() {
		out := c.copyServerSide(ctx, w)
		if c.Job.Mode == job.ModeServerSide || !refusesServerSide(out.Err) {
			return out
		}
		c.noServerSide.Store(true)
	}
	if w.m.Size >= min(MultipartFrom, c.Job.GiantThreshold) && c.Uploads != nil {
		return c.copyParts(ctx, w, c.giant(w.m.Size))
	}
	return c.copyStream(ctx, w)
}

// giant says whether the fleet shares an object of this size.
func (c *Copier) giant(size int64) bool {
	return c.Fleet && c.Uploads != nil && size >= c.Job.GiantThreshold
}

func (c *Copier) serverSide() bool {
	return c.Job.Mode == job.ModeServerSide || c.Job.Mode == job.ModeAuto && c.Shared && !c.noServerSide.Load()
}

// refusesServerSide tells "this destination cannot copy from this source" from failures that the other
// ways would meet too.
func refusesServerSide(err error) bool {
	switch failure.ClassOf(err) {
	case failure.AccessDenied, failure.NoSuchBucket, failure.DestinationRefuses, failure.WrongRegion, failure.BadCredentials:
		return true
	}
	return false
}

// sourceFailed turns an error of the source into an outcome.
func (c *Copier) sourceFailed(ctx context.Context, w *work, err error) Outcome {
	switch failure.ClassOf(err) {
	case failure.NotFound:
		return Outcome{Status: ledger.Gone, Method: MethodNone}
	case failure.Archived:
		return Outcome{Status: ledger.Skipped, Reason: "archived", Method: MethodNone}
	case failure.Changed:
		return c.again(ctx, w)
	}
	return Outcome{Err: err}
}

// again asks for what the source holds now, as a new message.
func (c *Copier) again(ctx context.Context, w *work) Outcome {
	info, err := c.Source.Head(ctx, w.m.Key, "")
	if err != nil {
		if failure.Is(err, failure.NotFound) {
			return Outcome{Status: ledger.Gone, Method: MethodNone}
		}
		return Outcome{Err: err}
	}
	m := w.m
	m.Size, m.ETag, m.Modified, m.VersionID, m.Class, m.Seen = info.Size, info.ETag, info.Modified, "", info.StorageClass, false
	if m.Again++; m.Again > maxAgain {
		err := fmt.Errorf("the source changed %d times while it was being copied; the next pass tries again", maxAgain)
		return Outcome{Status: ledger.Failed, Err: &failure.Error{Class: failure.Changed, Op: "copy", Target: m.Key, Detail: err.Error(), Err: err}}
	}
	return Outcome{Again: &m}
}

// maxAgain is how often a source may change under its copy before that is called a failure: an object that is written
// all the time would keep a run from ever ending.
const maxAgain = 20

// RecheckFrom is the size in bytes from which the source is looked at once more after a copy.
const RecheckFrom = 8 << 20

// overtaken returns what to do when the source was overwritten while it was copied. The copy is whole, but where ETags
// cannot be compared its time, which is later than that of the new version, would hide that it is an old one. The
// time that a copy takes grows with its size, so only large ones are worth the call.
func (c *Copier) overtaken(ctx context.Context, w *work, copied, written string) *Outcome {
	if w.m.Size < RecheckFrom || w.m.VersionID != "" {
		return nil
	}
	now, err := c.Source.Head(ctx, w.m.Key, "")
	if err != nil || now.ETag == copied {
		return nil // a source that is gone now is for the next pass
	}
	out := c.again(ctx, w)
	if out.Again == nil {
		return nil
	}
	out.Again.DestinationSeen, out.Again.DestinationETag = true, written
	return &out
}

// reconsider looks at both ends after the destination turned out to be another than expected. It
// returns an outcome when nothing is left to do; otherwise the next try expects what is there now.
func (c *Copier) reconsider(ctx context.Context, w *work) (*Outcome, error) {
	source, err := c.Source.Head(ctx, w.m.Key, w.m.VersionID)
	if err != nil {
		out := c.sourceFailed(ctx, w, err)
		if out.Status == "" && out.Again == nil {
			return nil, err
		}
		return &out, nil
	}
	if source.ETag != w.m.ETag && w.m.ETag != "" {
		out := c.again(ctx, w)
		return &out, nil
	}
	there, err := c.Destination.Head(ctx, w.dest, "")
	if failure.Is(err, failure.NotFound) {
		w.condition = store.Precondition{IfAbsent: true}
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if by := c.sameContent(ctx, w, source, there); by != "" {
		out := c.same(ctx, w, source, there, by)
		return &out, nil
	}
	w.condition = store.Precondition{IfMatch: there.ETag}
	return nil, nil
}

// sameContent returns by what the two ends are known to hold the same bytes, "" when they are not.
func (c *Copier) sameContent(ctx context.Context, w *work, source, there store.Info) string {
	if source.Size != there.Size {
		return ""
	}
	if a, b := source.Checksum, there.Checksum; a.Value != "" && a.Algorithm == b.Algorithm && !a.Composite && !b.Composite {
		if a.Value == b.Value {
			return "checksum"
		}
		return ""
	}
	if source.ETag == there.ETag && store.HashETag(source.ETag) {
		return "etag"
	}
	if c.Ledger == nil {
		return ""
	}
	rows, err := c.Ledger.Get(ctx, []string{w.m.Key})
	if err != nil {
		return "" // copying once more is always right
	}
	if r, ok := rows[w.m.Key]; ok && r.Status == ledger.Done && r.SourceETag == source.ETag && r.DestinationETag == there.ETag {
		return "ledger"
	}
	return ""
}

func crcOf(s store.Checksum) string {
	if s.Algorithm == "CRC64NVME" && !s.Composite {
		return s.Value
	}
	return ""
}

// deleteOnce removes a destination object whose source is gone. The source is the truth: an object
// that is there again is copied instead.
func (c *Copier) deleteOnce(ctx context.Context, w *work) Outcome {
	_, err := c.Source.Head(ctx, w.m.Key, "")
	if err == nil {
		again := c.again(ctx, w)
		if again.Again != nil {
			again.Again.Op, again.Again.Look = message.Copy, true
			again.Again.DestinationSeen, again.Again.DestinationETag = false, ""
		}
		return again
	}
	if !failure.Is(err, failure.NotFound) {
		return Outcome{Err: err}
	}
	return c.remove(ctx, w)
}

// remove deletes the destination object.
func (c *Copier) remove(ctx context.Context, w *work) Outcome {
	if err := c.Destination.Delete(ctx, w.dest); err != nil {
		return Outcome{Err: err}
	}
	return Outcome{Status: ledger.Deleted, Method: MethodDelete}
}
