// Package finder makes one pass of a task: it lists both ends, compares them, and hands what differs to its
// sinks: a queue, a plan, a report.
package finder

import (
	"context"
	"crypto/md5" //nolint:gosec // the digest that ETags are made of
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/endpoint"
	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/list"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/store"
)

// End is one end of the transfer as the finder sees it.
type End interface {
	list.Lister
	diff.Header
	Get(ctx context.Context, r store.GetRequest) (*store.Body, error)
	// UsesKMS reports whether new objects are encrypted with KMS by default.
	UsesKMS(ctx context.Context) bool
	Capabilities() endpoint.Capabilities
}

// Config describes a pass.
type Config struct {
	Job                 *job.Job
	Source, Destination End
	// PrefixFile is the bucket that holds the job's prefix list; nil: it is the source.
	PrefixFile Getter
	Ledger     diff.Ledger // nil: no earlier copies are known
	// Sinks returns the sinks of the pass, and is called once. All of them get every decision but
	// "same". Those that are Background are begun before and flushed after.
	Sinks       func() []diff.Sink
	Concurrency int    // ranges at once; 0 is 32
	SpillDir    string // for sorting and for extraneous keys; empty: the system's
	OnProgress  func(Progress)
	Checkpoints *Checkpoints // nil: the pass cannot be continued
	// TellSame has the sinks be told also of what is the same.
	TellSame bool
}

// Background is a sink that works on after it has taken decisions.
type Background interface {
	diff.Sink
	// Begin gives the context for that work: calls of Decide may have shorter ones.
	Begin(ctx context.Context)
	// Flush returns when everything that was taken is done, or the first error.
	Flush(ctx context.Context) error
}

// Progress is how far a pass is.
type Progress struct {
	list.Counts
	Elapsed time.Duration
}

// Pass lists and compares once. Its totals are exact; on an error they are what was listed so far, without
// decisions.
func Pass(ctx context.Context, c Config) (run.FinderTotals, error) {
	filter, err := job.NewFilter(c.Job.Selection)
	if err != nil {
		return run.FinderTotals{}, err
	}
	prefixes, err := c.prefixes(ctx)
	if err != nil {
		return run.FinderTotals{}, err
	}
	whole := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	sinks := c.sinks()
	for _, s := range sinks {
		if b, ok := s.(Background); ok {
			b.Begin(ctx)
		}
	}
	differ := diff.NewDiffer(c.differ(ctx, filter, sinks))
	listing := c.listing(prefixes, differ.Comparer)
	k := &keeper{Checkpoints: c.Checkpoints, differ: differ}
	if c.Checkpoints != nil {
		if err := k.open(c.Job, &listing, sinks); err != nil {
			return run.FinderTotals{}, err
		}
	}
	pass := list.New(listing)
	stopKeeping := k.begin(ctx, pass)
	counts, err := pass.Run(ctx)
	stopKeeping(whole.Err() != nil)
	if err != nil {
		cancel(err) // what sinks still have in flight is of no use
	}
	if flushErr := flush(ctx, sinks); err == nil {
		err = flushErr
	}
	totals := run.FinderTotals{
		ListedSource: counts.Source, ListedDestination: counts.Destination, Ranges: counts.Ranges,
		ListCalls: counts.Calls, SortedRanges: counts.Sorted,
	}
	if err != nil {
		return totals, err
	}
	t := differ.Totals()
	totals.Decisions, totals.DecidedByTime, totals.NoChecksum = t.Decisions, t.ByTime, t.NoChecksum
	return totals, nil
}

func (c *Config) sinks() []diff.Sink {
	if c.Sinks == nil {
		return nil
	}
	return c.Sinks()
}

func flush(ctx context.Context, sinks []diff.Sink) error {
	var all error
	for _, s := range sinks {
		if b, ok := s.(Background); ok {
			all = errors.Join(all, b.Flush(ctx))
		}
	}
	return all
}

// listing says what is listed: the prefixes at the source and, unless everything is to be copied anyway, the
// places of their copies.
func (c *Config) listing(prefixes []string, comparer func(string) list.Comparer) list.Config {
	keys := c.Job.KeyMap()
	l := list.Config{
		Source: side(c.Source, c.Job.Source, job.KeyMap{}), Prefixes: prefixes, Concurrency: c.Concurrency, SpillDir: c.SpillDir, Comparer: comparer,
		Marks: c.Checkpoints != nil,
	}
	if !c.Job.SkipCompare {
		d := side(c.Destination, c.Job.Destination, keys)
		l.Destination = &d
	}
	if c.OnProgress != nil {
		began := time.Now()
		var told atomic.Int64
		l.OnCounts = func(n list.Counts) {
			// Pages come by the hundred a second; people look ten times a second.
			elapsed := time.Since(began)
			if at := int64(elapsed/(100*time.Millisecond)) + 1; told.Swap(at) != at {
				c.OnProgress(Progress{n, elapsed})
			}
		}
	}
	return l
}

// directoryBucket ends the names of S3 directory buckets. They list in no order and cannot begin after a key.
const directoryBucket = "--x-s3"

func side(e End, at job.Endpoint, keys job.KeyMap) list.Side {
	can := e.Capabilities()
	ordered := !strings.HasSuffix(at.Bucket, directoryBucket)
	return list.Side{
		Lister: e, Strip: keys.Strip, Add: keys.Add, StartAfter: can.StartAfter.Value && ordered,
		// Others promise it, but nobody has looked: their order is checked, and cuts are careful.
		ByteOrder: can.ListsUTF8Order.Value && can.Provider == job.AmazonS3 && ordered,
	}
}

func (c *Config) differ(ctx context.Context, filter *job.Filter, sinks []diff.Sink) diff.Config {
	source, destination := c.Source.Capabilities(), c.Destination.Capabilities()
	d := diff.Config{
		Job: c.Job, Filter: filter, Largest: destination.LargestObject.Value, Ledger: c.Ledger,
		Source: c.Source, Destination: c.Destination, Sinks: sinks, ETagIsMD5: c.etagIsMD5, TellSame: c.TellSame,
	}
	if c.Checkpoints != nil {
		d.MarkEvery = c.Checkpoints.MarkEvery
	}
	byETag := c.Job.Compare == job.CompareSizeETag || c.Job.Compare == job.CompareChecksum
	if byETag && !c.Job.SkipCompare {
		d.KMS = [2]bool{
			!source.ETagIsMD5.Value || c.Source.UsesKMS(ctx),
			!destination.ETagIsMD5.Value || strings.HasPrefix(c.Job.Write.SSE, "aws:kms") || c.Destination.UsesKMS(ctx),
		}
	}
	return d
}

// etagIsMD5 reads an object and compares its MD5 with its ETag.
func (c *Config) etagIsMD5(ctx context.Context, side int, o store.Object) (bool, error) {
	end := c.Source
	if side == 1 {
		end = c.Destination
	}
	var is bool
	err := retry.Calls().Do(ctx, func() error {
		body, err := end.Get(ctx, store.GetRequest{Key: o.Key, SizeHint: o.Size})
		if err != nil {
			return err
		}
		defer body.Close()
		h := md5.New() //nolint:gosec // the digest that ETags are made of
		if _, err := io.Copy(h, body); err != nil {
			return &failure.Error{Class: failure.Network, Op: "GetObject", Target: o.Key, Err: err}
		}
		is = strings.EqualFold(hex.EncodeToString(h.Sum(nil)), o.ETag)
		return nil
	})
	return is, err
}
