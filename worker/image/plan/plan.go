// Package plan finds out which images the destination lacks: it lists the source, chooses, asks the destination which digests it
// holds, and puts what is missing into batches, those of one repository together.
package plan

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
	"github.com/datatransferhub/dth/worker/image/imagelist"
	"github.com/datatransferhub/dth/worker/image/patience"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run"
)

// Bounds of a batch, when Config has none. A batch is an object in S3, and the work of one Fargate task: images of one repository are
// to stay together, so that each layer that they share is sent once. What bounds it is the time of a task, which is a day at most
// (the workflow's timeout), and the length of the object, of which a copier reads 1 MiB:
//
//   - 2,000 images: some 3 s each for looks, skopeo and proof at half a CPU make less than two hours; their names and digests are
//     less than 700 KiB. Registries of the OCI protocol tell no sizes in their listings: there this is the only bound, and leaves
//     40 s an image.
//   - 256 GiB, where the listing tells sizes (Amazon ECR does), each image with all its layers: 7.3 hours at 10 MiB/s if no layer
//     were shared.
//
// A task that dies loses nothing: the next one finds what was copied, and goes on. Batches of one repository beyond these bounds are
// put apart in the list of work, so that they are seldom copied at once.
const (
	MaxImages = 2000
	MaxBytes  = 256 << 30
)

// The names under which images are counted.
const (
	New        = "new"
	Changed    = "changed:digest"
	Referrers  = "changed:referrers" // the image is there, but not all that refers to it
	Same       = "same"
	Missing    = "missing"    // the list names it, and the source does not have it
	Unreadable = "unreadable" // a registry would not tell of it
	Extraneous = "extraneous" // the destination has it, and the source does not
	Own        = "own"        // repositories below the destination's prefix in the same registry: they are the copies
)

// Config says what is compared.
type Config struct {
	Source, Destination image.Registry
	// Open returns the other registries that a list names; nil: none may be named.
	Open func(host string) (image.Registry, error)
	// List chooses images; nil: all of the source.
	List []imagelist.Entry
	// Prefix is put in front of the names of repositories, with one slash between.
	Prefix string
	// Untagged takes untagged manifests, too, where the source lists them; Referrers what refers to images.
	Untagged, Referrers bool
	// Delete finds what the destination has and the source does not, of repositories that are chosen whole. MaxDeleteShare, from 0
	// to 1, is the largest part of the destination's listed images that may be deleted.
	Delete         bool
	MaxDeleteShare float64
	// Calls under way at once; 0 is 16.
	Parallel int
	// Bounds of a batch; 0: MaxImages and MaxBytes.
	BatchImages int
	BatchBytes  int64
	Retry       retry.Policy // of calls; the zero value is retry.Calls
	// MaxWait bounds how long one call waits for a registry that has had enough requests; 0 is 15 minutes.
	MaxWait time.Duration
	Log     *slog.Logger // nil: none
}

// Absent is what cannot be planned: what a list names and the source does not have, and what a registry refuses to tell of, lastingly.
// The error's class says which. It stops nothing else.
type Absent struct {
	Name, Reference string // ALL_TAGS or a pattern stands for images whose names are not known
	Err             error
}

// Missing reports whether the source has no such image.
func (a *Absent) Missing() bool { return isMissing(a.Err) }

// Result is what was found.
type Result struct {
	Totals  run.FinderTotals // images as objects
	Batches []image.Batch
	Absent  []Absent
	// Extraneous is how many images are only at the destination. TooMany, a *TooManyError, says that none of them is in a batch, since
	// they are a larger part of it than is allowed; nil otherwise.
	Extraneous int
	TooMany    error
}

// Images is how many are to be copied.
func (r *Result) Images() (n int) {
	for _, b := range r.Batches {
		n += len(b.Images)
	}
	return n
}

// Deletions is how many are to be deleted.
func (r *Result) Deletions() (n int) {
	for _, b := range r.Batches {
		n += len(b.Delete)
	}
	return n
}

// work is one repository to compare.
type work struct {
	from    image.Registry
	batch   image.Batch // without images
	entries []imagelist.Entry
}

type planner struct {
	Config
	slots    chan struct{} // one for each call under way
	doors    doors
	patience patience.Policy

	mu     sync.Mutex
	result Result
	looked int   // images and repositories that could be looked at
	denied error // of the first that could not be
	held   int   // repositories of the destination that could be
	closed error // of the first that could not be
	cuts   []cut
	extras []extras
}

// Make compares both ends. What cannot be looked at is part of the result, and so is what a list names and the source does not have;
// the error says that an end cannot be used at all.
func Make(ctx context.Context, c Config) (Result, error) {
	if c.Parallel == 0 {
		c.Parallel = 16
	}
	if c.BatchImages == 0 {
		c.BatchImages = MaxImages
	}
	if c.BatchBytes == 0 {
		c.BatchBytes = MaxBytes
	}
	if c.Retry == (retry.Policy{}) {
		c.Retry = retry.Calls()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	p := &planner{
		Config: c, slots: make(chan struct{}, c.Parallel), doors: doors{all: map[string]*door{}},
		patience: patience.Policy{MaxWait: c.MaxWait, Log: c.Log},
	}
	p.result.Totals.Decisions = map[string]run.Tally{}
	all, err := p.repositories(ctx)
	if err != nil {
		return Result{}, err
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(c.Parallel)
	for _, w := range all {
		g.Go(func() error { return p.repository(gctx, w) })
	}
	if err := g.Wait(); err != nil {
		return Result{}, err
	}
	if p.looked == 0 && p.denied != nil {
		return Result{}, fmt.Errorf("not one image of the source can be looked at: %w", p.denied)
	}
	if p.held == 0 && p.closed != nil {
		return Result{}, fmt.Errorf("not one repository of the destination can be looked at: %w", p.closed)
	}
	p.judge()
	p.order()
	slices.SortFunc(p.result.Absent, func(a, b Absent) int { return strings.Compare(a.Name+a.Reference, b.Name+b.Reference) })
	p.result.Totals.Ranges = int64(len(all))
	return p.result, nil
}

func (p *planner) count(decision string, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.looked++
	p.tally(decision, bytes)
}

func (p *planner) tally(decision string, bytes int64) {
	t := p.result.Totals.Decisions[decision]
	p.result.Totals.Decisions[decision] = run.Tally{Objects: t.Objects + 1, Bytes: t.Bytes + bytes}
}

// absent takes down what cannot be planned.
func (p *planner) absent(name, reference string, err error) {
	if isMissing(err) {
		p.count(Missing, 0)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !isMissing(err) {
		p.tally(Unreadable, 0)
		if p.denied == nil {
			p.denied = err
		}
		p.Log.Warn("an image cannot be looked at; the others are planned", "image", name, "reference", reference, "class", failure.ClassOf(err), "error", err)
	}
	p.result.Absent = append(p.result.Absent, Absent{name, reference, err})
}

// isMissing reports whether a registry said that it has no such thing.
func isMissing(err error) bool { return failure.Is(err, failure.NotFound) }
