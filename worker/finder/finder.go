// Package finder makes one pass of a task: it lists both ends, compares them, and hands what differs to its
// sinks: a queue, a plan, a report.
package finder

import (
	"context"
	"crypto/md5" //nolint:gosec // to find out whether a store's ETags are MD5s
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/endpoint"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/list"
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
	Ledger              diff.Ledger // nil: no earlier copies are known
	// Sinks returns the sinks of an attempt; a pass is begun anew when a store lists in an unexpected
	// order. All of them get every decision but "same".
	Sinks       func() []diff.Sink
	Concurrency int    // ranges at once; 0 is 32
	SpillDir    string // for sorting and for extraneous keys; empty: the system's
	OnProgress  func(Progress)
}

// Progress is how far a pass is.
type Progress struct {
	list.Counts
	Elapsed time.Duration
}

// Pass lists and compares once. Its totals are exact, also when it had to begin anew; on an error they are
// what the attempt had done so far, without decisions.
func Pass(ctx context.Context, c Config) (run.FinderTotals, error) {
	filter, err := job.NewFilter(c.Job.Selection)
	if err != nil {
		return run.FinderTotals{}, err
	}
	prefixes, err := Prefixes(ctx, c.Job, c.Source)
	if err != nil {
		return run.FinderTotals{}, err
	}
	var differ *diff.Differ
	keys := c.Job.KeyMap()
	began := time.Now()
	var told atomic.Int64
	config := list.Config{
		Source:      list.Side{Lister: c.Source, Base: keys.Strip, StartAfter: c.Source.Capabilities().StartAfter.Value},
		Prefixes:    prefixes,
		Concurrency: c.Concurrency,
		SpillDir:    c.SpillDir,
		Merger: func() list.Merger {
			differ = diff.NewDiffer(c.differ(ctx, filter))
			return differ
		},
	}
	if !c.Job.SkipCompare {
		config.Destination = &list.Side{Lister: c.Destination, Base: keys.Add, StartAfter: c.Destination.Capabilities().StartAfter.Value}
	}
	if c.OnProgress != nil {
		config.OnCounts = func(n list.Counts) {
			// Pages come by the hundred a second; people look ten times a second.
			if at := int64(time.Since(began) / (100 * time.Millisecond)); told.Swap(at) != at {
				c.OnProgress(Progress{n, time.Since(began)})
			}
		}
	}
	counts, err := list.Run(ctx, config)
	totals := run.FinderTotals{
		ListedSource: counts.Source, ListedDestination: counts.Destination, Ranges: counts.Ranges,
		ListCalls: counts.Calls, SortedRanges: counts.Sorted,
	}
	if err != nil {
		return totals, err
	}
	totals.Decisions, totals.DecidedByTime = differ.Decisions()
	return totals, nil
}

func (c *Config) differ(ctx context.Context, filter *job.Filter) diff.Config {
	d := diff.Config{
		Job: c.Job, Filter: filter, Largest: c.Destination.Capabilities().LargestObject.Value, Ledger: c.Ledger,
		Source: c.Source, Destination: c.Destination, Sink: sinks(c.Sinks()), ETagIsMD5: c.etagIsMD5,
	}
	if c.Job.Compare == job.CompareSizeETag && !c.Job.SkipCompare {
		d.KMS = [2]bool{
			!c.Source.Capabilities().ETagIsMD5.Value || c.Source.UsesKMS(ctx),
			!c.Destination.Capabilities().ETagIsMD5.Value || strings.HasPrefix(c.Job.Write.SSE, "aws:kms") || c.Destination.UsesKMS(ctx),
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
	body, err := end.Get(ctx, store.GetRequest{Key: o.Key, IfMatch: o.ETag})
	if err != nil {
		return false, err
	}
	defer body.Close()
	h := md5.New() //nolint:gosec // see above
	if _, err := io.Copy(h, body); err != nil {
		return false, err
	}
	return strings.EqualFold(hex.EncodeToString(h.Sum(nil)), body.Info.ETag), nil
}

// sinks hands every batch to each of several sinks.
type sinks []diff.Sink

func (s sinks) Decide(ctx context.Context, batch []diff.Decision) error {
	for _, sink := range s {
		if err := sink.Decide(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// maxPrefixFile bounds a prefix list, in bytes: some hundred thousand prefixes.
const maxPrefixFile = 64 << 20

// Prefixes returns the names, without the key map's base, that the job selects, merged. A prefix list that cannot be
// read is an error before anything is listed.
func Prefixes(ctx context.Context, j *job.Job, source End) ([]string, error) {
	prefixes := j.Selection.Prefixes
	if key := j.Selection.PrefixFileKey; key != "" {
		text, err := readPrefixFile(ctx, source, key)
		if err != nil {
			return nil, fmt.Errorf("srcPrefixsListFile: %w", err)
		}
		if prefixes, err = job.ParsePrefixes(text); err != nil {
			return nil, fmt.Errorf("srcPrefixsListFile %s: %w", key, err)
		}
		if len(prefixes) == 0 {
			return nil, fmt.Errorf("srcPrefixsListFile %s holds no prefix; put one on each line", key)
		}
	}
	if len(prefixes) > 0 {
		return job.MergePrefixes(prefixes), nil
	}
	return []string{strings.TrimPrefix(j.Source.Prefix, j.KeyMap().Strip)}, nil
}

func readPrefixFile(ctx context.Context, source End, key string) (string, error) {
	body, err := source.Get(ctx, store.GetRequest{Key: key})
	if err != nil {
		return "", err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, maxPrefixFile+1))
	if err == nil && len(text) > maxPrefixFile {
		err = fmt.Errorf("the list is larger than %d bytes", maxPrefixFile)
	}
	return string(text), err
}
