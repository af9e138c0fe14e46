// Package plan finds out which images the destination lacks: it lists the source, chooses, asks the destination which digests it
// holds, and puts what is missing into batches, those of one repository together.
package plan

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
	"github.com/datatransferhub/dth/worker/image/imagelist"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run"
)

// Bounds of a batch, when Config has none.
const (
	MaxImages = 100
	MaxBytes  = 50 << 30
)

// The names under which images are counted.
const (
	New       = "new"
	Changed   = "changed:digest"
	Referrers = "changed:referrers" // the image is there, but not all that refers to it
	Same      = "same"
	Missing   = "missing" // the list names it, and the source does not have it
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
	// Calls under way at once; 0 is 16.
	Parallel int
	// Bounds of a batch; 0: MaxImages and MaxBytes.
	BatchImages int
	BatchBytes  int64
	Retry       retry.Policy // of calls; the zero value is retry.Calls
	Log         *slog.Logger // nil: none
}

// Absent is what a list names and the source does not have.
type Absent struct {
	Name, Reference string
	Err             error
}

// Result is what was found.
type Result struct {
	Totals  run.FinderTotals // images as objects
	Batches []image.Batch
	Absent  []Absent
}

// Images is how many are to be copied.
func (r *Result) Images() (n int) {
	for _, b := range r.Batches {
		n += len(b.Images)
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
	slots chan struct{} // one for each call under way

	mu     sync.Mutex
	result Result
}

// Make compares both ends. What a list names and the source does not have is part of the result; an end that cannot be listed is
// the error.
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
	p := &planner{Config: c, slots: make(chan struct{}, c.Parallel)}
	p.result.Totals.Decisions = map[string]run.Tally{}
	all, err := p.repositories(ctx)
	if err != nil {
		return Result{}, err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(c.Parallel)
	for _, w := range all {
		g.Go(func() error { return p.repository(ctx, w) })
	}
	if err := g.Wait(); err != nil {
		return Result{}, err
	}
	slices.SortFunc(p.result.Batches, func(a, b image.Batch) int {
		return strings.Compare(a.Name+a.Images[0].Reference(), b.Name+b.Images[0].Reference())
	})
	slices.SortFunc(p.result.Absent, func(a, b Absent) int { return strings.Compare(a.Name+a.Reference, b.Name+b.Reference) })
	p.result.Totals.Ranges = int64(len(all))
	return p.result, nil
}

// call makes one call at a registry, and repeats it while that helps.
func (p *planner) call(ctx context.Context, f func() error) error {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-p.slots }()
	p.mu.Lock()
	p.result.Totals.ListCalls++
	p.mu.Unlock()
	return p.Retry.Do(ctx, f)
}

func (p *planner) count(decision string, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.result.Totals.Decisions[decision]
	p.result.Totals.Decisions[decision] = run.Tally{Objects: t.Objects + 1, Bytes: t.Bytes + bytes}
}

func (p *planner) absent(name, reference string, err error) {
	p.count(Missing, 0)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.result.Absent = append(p.result.Absent, Absent{name, reference, err})
}

// repositories returns what is to be compared, each repository once. Two that would become one at the destination are refused.
func (p *planner) repositories(ctx context.Context) ([]*work, error) {
	byName := map[string]*work{}
	byTarget := map[string]string{}
	var all []*work
	add := func(from image.Registry, repository string, e *imagelist.Entry) error {
		w := p.work(from, repository)
		if known, ok := byName[w.batch.Name]; ok {
			w = known
		} else {
			if other, taken := byTarget[w.batch.Target]; taken {
				return fmt.Errorf("%s and %s would both become %s at the destination; put them into two tasks with a prefix each", other, w.batch.Name, w.batch.Target)
			}
			byName[w.batch.Name], byTarget[w.batch.Target] = w, w.batch.Name
			all = append(all, w)
		}
		if e != nil {
			w.entries = append(w.entries, *e)
		}
		return nil
	}
	if p.List == nil {
		names, err := p.catalog(ctx, p.Source)
		for _, name := range names {
			if err == nil {
				err = add(p.Source, name, nil)
			}
		}
		return all, err
	}
	catalogs := map[string][]string{}
	for i := range p.List {
		e := &p.List[i]
		from, err := p.registry(e.Registry)
		if err != nil {
			return nil, err
		}
		names := []string{e.Repository}
		if e.Pattern() {
			if names, err = p.matching(ctx, catalogs, from, e); err != nil {
				return nil, err
			}
		}
		for _, name := range names {
			if err := add(from, name, e); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

func (p *planner) matching(ctx context.Context, catalogs map[string][]string, from image.Registry, e *imagelist.Entry) (names []string, err error) {
	known, ok := catalogs[from.Host()]
	if !ok {
		if known, err = p.catalog(ctx, from); err != nil {
			return nil, err
		}
		catalogs[from.Host()] = known
	}
	for _, name := range known {
		if e.MatchRepository(name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		p.absent(e.Repository, e.String(), &failure.Error{Class: failure.NotFound, Op: "list repositories", Target: from.Host(), Detail: "none has a name of this pattern"})
	}
	return names, nil
}

func (p *planner) catalog(ctx context.Context, from image.Registry) (names []string, err error) {
	err = p.call(ctx, func() (err error) { names, err = from.Repositories(ctx); return err })
	if err != nil {
		return nil, fmt.Errorf("the repositories of %s cannot be listed; name each in a list: %w", from.Host(), err)
	}
	return names, nil
}

func (p *planner) registry(host string) (image.Registry, error) {
	if host == "" || host == p.Source.Host() {
		return p.Source, nil
	}
	if p.Open == nil {
		return nil, fmt.Errorf("the list names registry %s, and the source is %s", host, p.Source.Host())
	}
	return p.Open(host)
}

func (p *planner) work(from image.Registry, repository string) *work {
	b := image.Batch{Name: repository, Repository: repository, Target: repository}
	if from.Host() != p.Source.Host() {
		b.Registry, b.Name = from.Host(), from.Host()+"/"+repository
	}
	if prefix := strings.Trim(p.Prefix, "/"); prefix != "" {
		b.Target = prefix + "/" + repository
	}
	return &work{from: from, batch: b}
}

// repository compares one repository.
func (p *planner) repository(ctx context.Context, w *work) error {
	chosen, err := p.choose(ctx, w)
	if err != nil || len(chosen) == 0 {
		return err
	}
	there, err := p.held(ctx, w.batch.Target)
	if err != nil {
		return err
	}
	images := make([]*image.Image, len(chosen))
	g, gctx := errgroup.WithContext(ctx)
	for i := range chosen {
		g.Go(func() (err error) {
			images[i], err = p.compare(gctx, w, chosen[i], there)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	p.batches(w.batch, images)
	return nil
}

// batches cuts the work of a repository.
func (p *planner) batches(b image.Batch, images []*image.Image) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var bytes int64
	flush := func() {
		if len(b.Images) > 0 {
			p.result.Batches = append(p.result.Batches, b)
		}
		b.Images, bytes = nil, 0
	}
	for _, i := range images {
		if i == nil {
			continue
		}
		if len(b.Images) == p.BatchImages || len(b.Images) > 0 && bytes+i.Bytes > p.BatchBytes {
			flush()
		}
		b.Images, bytes = append(b.Images, *i), bytes+i.Bytes
	}
	flush()
}

// isMissing reports whether a registry said that it has no such thing.
func isMissing(err error) bool { return failure.Is(err, failure.NotFound) }

var errNoImage = errors.New("the source has no image that this entry chooses")
