// Package copier copies batches of images: it makes repositories, has skopeo copy, brings what refers to images along, proves each
// copy by its digest, and records what became of it.
package copier

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
	"github.com/datatransferhub/dth/worker/image/patience"
	"github.com/datatransferhub/dth/worker/image/record"
	"github.com/datatransferhub/dth/worker/image/skopeo"
	"github.com/datatransferhub/dth/worker/retry"
)

// Tries is how often an image is tried before it is recorded as failed.
const Tries = 3

// Tool copies one manifest with its layers, and all of an index. *skopeo.Tool implements it.
type Tool interface {
	Copy(ctx context.Context, from, to skopeo.End) error
	Version() string
}

// Copier copies batches. Batches may be copied at once.
type Copier struct {
	Source, Destination image.Registry
	// Open returns the other registries that batches name; nil: none may be named.
	Open      func(host string) (image.Registry, error)
	Tool      Tool
	Records   record.Store
	Referrers bool // copy what refers to images
	Settings  bool // new repositories get those of the source
	RunID     string
	Execution string
	// MaxWait bounds how long registries that have had enough are waited for, for one image; 0 is 15 minutes. Beyond it the image
	// fails for now.
	MaxWait time.Duration
	Pause   retry.Policy // between tries; the zero value is 2 s to a minute
	Log     *slog.Logger // nil: none
	Now     func() time.Time
	// OnRecord is told of each record; nil: nobody is.
	OnRecord func(r record.Record)

	byHand atomic.Bool // skopeo refuses to keep the digests of indexes
}

// Summary counts batches.
type Summary struct {
	Copied, Unchanged, Deleted, Failed int
	Bytes                              int64 // of what was copied
}

// Add adds what another batch came to.
func (s *Summary) Add(o Summary) {
	s.Copied, s.Unchanged, s.Deleted, s.Failed, s.Bytes = s.Copied+o.Copied, s.Unchanged+o.Unchanged, s.Deleted+o.Deleted, s.Failed+o.Failed, s.Bytes+o.Bytes
}

// Batch copies a batch, and deletes then what it says. A failed image stops no other; it is recorded and counted. The error says why the batch could not be worked
// on to its end.
func (c *Copier) Batch(ctx context.Context, b image.Batch) (Summary, error) {
	var s Summary
	from, err := c.registry(b.Registry)
	if err != nil {
		return s, err
	}
	o := &one{Copier: c, from: from, batch: b, there: map[string]bool{}}
	keys := make([]record.Key, len(b.Images))
	for n, i := range b.Images {
		keys[n] = record.Key{Image: b.Name, Tag: i.Reference()}
	}
	before, err := c.Records.Get(ctx, keys)
	if err != nil {
		return s, err
	}
	for n, i := range b.Images {
		r := o.copy(ctx, i, before[keys[n]])
		if ctx.Err() != nil {
			return s, ctx.Err() // what is half done is no failure; it is done again
		}
		if err := c.put(ctx, r, before[keys[n]]); err != nil {
			return s, err
		}
		switch r.Status {
		case record.Done:
			s.Copied++
			s.Bytes += r.Bytes
		case record.Unchanged:
			s.Unchanged++
		case record.Failed:
			s.Failed++
		}
	}
	return s, o.deletions(ctx, &s)
}

func (c *Copier) registry(host string) (image.Registry, error) {
	if host == "" || host == c.Source.Host() {
		return c.Source, nil
	}
	if c.Open == nil {
		return nil, fmt.Errorf("the batch names registry %s, and the source is %s", host, c.Source.Host())
	}
	return c.Open(host)
}

// put records an outcome. A batch that is tried again finds what it has copied before: that stays recorded as copied.
func (c *Copier) put(ctx context.Context, r, before record.Record) error {
	if r.Status == record.Unchanged && before.Status == record.Done && before.RunID == r.RunID && before.DestinationDigest == r.DestinationDigest {
		return nil
	}
	if err := c.Records.Put(ctx, r); err != nil {
		return err
	}
	c.log().Info("image", "key", r.Key.String(), "image", r.Image, "tag", r.Tag, "status", r.Status, "digest", r.DestinationDigest, "bytes", r.Bytes, "attempts", r.Attempts, "class", r.ErrorClass, "error", r.ErrorMessage)
	if c.OnRecord != nil {
		c.OnRecord(r)
	}
	return nil
}

func (c *Copier) log() *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log
}

func (c *Copier) now() time.Time {
	if c.Now == nil {
		return time.Now().UTC().Truncate(time.Millisecond)
	}
	return c.Now().UTC().Truncate(time.Millisecond)
}

// copy copies an image, and tries again while that may help.
func (o *one) copy(ctx context.Context, i image.Image, before record.Record) record.Record {
	r := record.Record{Key: record.Key{Image: o.batch.Name, Tag: i.Reference()}, SourceDigest: i.Digest, MediaType: i.Media, RunID: o.RunID, Execution: o.Execution, StartedAt: o.now()}
	if before.RunID == o.RunID {
		r.Attempts = before.Attempts // of the same run, by a task before
	}
	began := time.Now()
	var err error
	for try := 1; try <= Tries; try++ {
		r.Attempts++
		if err = o.attempt(ctx, i, &r); err == nil || ctx.Err() != nil {
			break
		}
		if class := failure.ClassOf(err); !class.Retryable() || try == Tries || o.pause(ctx, err, try, began) != nil {
			break
		}
	}
	r.FinishedAt = o.now()
	if err != nil {
		r.Status, r.ErrorClass, r.ErrorMessage = record.Failed, string(failure.ClassOf(err)), record.Bounded(o.explain(err))
	}
	return r
}

// pause waits before the next try: until the registries say that they serve again, or a little.
func (o *one) pause(ctx context.Context, err error, try int, began time.Time) error {
	wait := o.Pause
	if wait == (retry.Policy{}) {
		wait = retry.Policy{Base: 2 * time.Second, Cap: time.Minute}
	}
	if failure.Is(err, failure.Throttled) {
		o.askLimits(ctx)
	}
	return patience.Policy{MaxWait: o.MaxWait, Log: o.log()}.Wait(ctx, wait.Delay(try), err, began, o.from, o.Destination)
}

// askLimits makes a call at each registry that does not say yet until when it serves nobody: skopeo does not tell what the answers
// said that it got. What comes back does not matter here; a registry remembers the limit that its answer told.
func (o *one) askLimits(ctx context.Context) {
	reference := image.ReferrersTag("sha256:" + strings.Repeat("0", 64)) // a tag that nobody has
	if len(o.batch.Images) > 0 {
		reference = o.batch.Images[0].Reference()
	}
	if o.from.Limited().IsZero() {
		_, _ = o.from.Head(ctx, o.batch.Repository, reference)
	}
	if o.Destination.Limited().IsZero() {
		_, _ = o.Destination.Head(ctx, o.batch.Target, reference)
	}
}

// explain adds to an error what a person can do about it.
func (o *one) explain(err error) string {
	text := err.Error()
	switch failure.ClassOf(err) {
	case failure.Throttled:
		if hint := patience.Hint(err, o.from, o.Destination); hint != "" {
			text += "; " + hint
		}
	case image.Immutable:
		text += "; the destination holds another image under this tag, and its repository lets no tag be moved: delete the tag there, or make tags mutable"
	}
	return text
}
