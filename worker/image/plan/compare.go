package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
	"github.com/datatransferhub/dth/worker/image/imagelist"
)

// repository compares one repository. What cannot be looked at stops nothing else.
func (p *planner) repository(ctx context.Context, w *work) error {
	s, err := p.choose(ctx, w)
	if err != nil || len(s.wanted) == 0 && !(p.Delete && s.whole) {
		return err
	}
	there, err := p.holding(ctx, w.batch.Target)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		for _, f := range s.wanted {
			p.absent(w.batch.Name, reference(f), fmt.Errorf("destination: %w", err))
		}
		return nil
	}
	images := make([]*image.Image, len(s.wanted))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(p.Parallel) // more would only wait for their slots
	for i := range s.wanted {
		g.Go(func() error {
			var err error
			if images[i], err = p.compare(gctx, w, s.wanted[i], there); err != nil && gctx.Err() == nil {
				p.absent(w.batch.Name, reference(s.wanted[i]), err)
			}
			return gctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	p.batches(w.batch, images)
	return p.extraneous(ctx, w, s, there)
}

func reference(f image.Found) string { return image.Image{Tag: f.Tag, Digest: f.Digest}.Reference() }

// selection is what is chosen of a repository.
type selection struct {
	wanted []image.Found
	listed []image.Found // all that the source has
	whole  bool          // all of it is chosen, and listed holds all of it
}

// choose returns the images of a repository that are wanted: tags first, then lists of referrers, then what has no tag, so that most
// of the latter is there when its turn comes. The error is that of ctx.
func (p *planner) choose(ctx context.Context, w *work) (*selection, error) {
	s := &selection{}
	every := w.entries == nil || slices.ContainsFunc(w.entries, func(e imagelist.Entry) bool { return e.Kind == imagelist.Every })
	listed := true
	if must := needsListing(w.entries); must || p.Referrers {
		err := p.call(ctx, w.from, func() (err error) { s.listed, err = w.from.List(ctx, w.batch.Repository); return err })
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			s.listed, listed = nil, false
			if must {
				p.unlisted(w, err)
			}
		} else {
			s.whole = every
			p.mu.Lock()
			p.looked++
			p.mu.Unlock()
		}
	}
	wanted := map[string]image.Found{}
	for _, f := range s.listed {
		if f.Tag == "" && !p.Untagged || image.IsReferrersTag(f.Tag) && !p.Referrers {
			continue
		}
		if w.entries == nil || f.Tag != "" && slices.ContainsFunc(w.entries, func(e imagelist.Entry) bool { return e.MatchTag(f.Tag) }) {
			wanted[f.Tag+"@"+f.Digest] = f
		}
	}
	p.named(w, wanted, listed)
	if !every {
		if err := p.belonging(ctx, w, s.listed, wanted); err != nil {
			return nil, err
		}
	}
	for _, f := range wanted {
		s.wanted = append(s.wanted, f)
	}
	slices.SortFunc(s.wanted, func(a, b image.Found) int {
		return cmp.Or(rank(a)-rank(b), strings.Compare(a.Tag+a.Digest, b.Tag+b.Digest))
	})
	return s, nil
}

// unlisted takes down that the source does not list a repository: for what is chosen by patterns, that is the end.
func (p *planner) unlisted(w *work, err error) {
	if w.entries == nil {
		if !isMissing(err) { // one that was deleted meanwhile has no images
			p.absent(w.batch.Name, imagelist.AllTags, err)
		}
		return
	}
	for i := range w.entries {
		if e := &w.entries[i]; e.Kind == imagelist.Every {
			p.absent(w.batch.Name, imagelist.AllTags, err)
		} else if byPattern(*e) {
			p.absent(w.batch.Name, e.String(), err)
		}
	}
}

// named adds what a list names by the letter: that needs no listing. Patterns that chose nothing of a listing are taken down.
func (p *planner) named(w *work, wanted map[string]image.Found, listed bool) {
	tags := map[string]bool{}
	for _, f := range wanted {
		tags[f.Tag] = true
	}
	delete(tags, "") // of what has none
	for i := range w.entries {
		switch e := &w.entries[i]; e.Kind {
		case imagelist.Literal:
			if !tags[e.Text] {
				wanted[e.Text+"@"] = image.Found{Tag: e.Text}
			}
		case imagelist.Digest:
			wanted["@"+e.Text] = image.Found{Digest: e.Text}
		default:
			if listed && !slices.ContainsFunc(slices.Collect(maps.Keys(tags)), e.MatchTag) {
				p.absent(w.batch.Name, e.String(), &failure.Error{Class: failure.NotFound, Op: "list tags", Target: w.batch.Name, Err: errNoImage})
			}
		}
	}
}

// belonging adds the tags that belong to images which a list chooses: signatures and lists of referrers. An image that cannot be
// looked at has none; compare tells of it. The error is that of ctx.
func (p *planner) belonging(ctx context.Context, w *work, listed []image.Found, wanted map[string]image.Found) error {
	tags := slices.DeleteFunc(slices.Clone(listed), func(f image.Found) bool { return !image.IsReferrersTag(f.Tag) })
	if !p.Referrers || len(tags) == 0 {
		return nil
	}
	var mu sync.Mutex
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(p.Parallel)
	for key, f := range maps.Clone(wanted) {
		if f.Digest != "" {
			continue
		}
		g.Go(func() error {
			var d image.Descriptor
			err := p.call(gctx, w.from, func() (err error) { d, err = w.from.Head(gctx, w.batch.Repository, f.Tag); return err })
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				f.Digest, f.MediaType = d.Digest, d.MediaType
				wanted[key] = f
			}
			return gctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	subjects := map[string]bool{}
	for _, f := range wanted {
		if f.Digest != "" {
			subjects[image.ReferrersTag(f.Digest)] = true
		}
	}
	for _, f := range tags {
		if subject, _, _ := strings.Cut(f.Tag, "."); subjects[subject] {
			wanted[f.Tag+"@"+f.Digest] = f
		}
	}
	return nil
}

func needsListing(entries []imagelist.Entry) bool {
	return entries == nil || slices.ContainsFunc(entries, byPattern)
}

// byPattern reports whether an entry chooses among the tags of a listing.
func byPattern(e imagelist.Entry) bool {
	return e.Kind != imagelist.Literal && e.Kind != imagelist.Digest
}

func rank(f image.Found) int {
	switch {
	case f.Tag == "":
		return 2
	case image.IsReferrersTag(f.Tag):
		return 1
	}
	return 0
}

// holding is what the destination has of a repository.
type holding struct {
	tags    map[string]string // digest by tag; empty where the listing does not say it
	digests map[string]bool
	told    bool // the listing says digests, and untagged manifests
	listed  []image.Found
}

// holding lists a repository of the destination; one that is not there holds nothing.
func (p *planner) holding(ctx context.Context, target string) (*holding, error) {
	var listed []image.Found
	err := p.call(ctx, p.Destination, func() (err error) { listed, err = p.Destination.List(ctx, target); return err })
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil && !isMissing(err) {
		if p.closed == nil {
			p.closed = err
		}
		return nil, err
	}
	p.held++
	h := &holding{tags: map[string]string{}, digests: map[string]bool{}, told: isMissing(err), listed: listed}
	for _, f := range listed {
		if f.Tag != "" {
			h.tags[f.Tag] = f.Digest
		}
		if f.Digest != "" {
			h.digests[f.Digest], h.told = true, true
		}
	}
	p.result.Totals.ListedDestination += int64(len(listed))
	return h, nil
}

// compare returns an image when it is to be copied, else nil. The error says why it cannot be looked at; it is of class NotFound when
// the source does not have the image.
func (p *planner) compare(ctx context.Context, w *work, f image.Found, there *holding) (*image.Image, error) {
	i := &image.Image{Tag: f.Tag, Digest: f.Digest, Media: f.MediaType, Bytes: f.Bytes}
	if i.Digest == "" || i.Media == "" {
		var d image.Descriptor
		err := p.call(ctx, w.from, func() (err error) { d, err = w.from.Head(ctx, w.batch.Repository, i.Reference()); return err })
		if err != nil {
			return nil, err
		}
		i.Digest, i.Media = d.Digest, d.MediaType
	}
	p.mu.Lock()
	p.result.Totals.ListedSource++
	p.mu.Unlock()
	at, err := p.at(ctx, w.batch.Target, i, there)
	if err != nil {
		return nil, fmt.Errorf("destination: %w", err)
	}
	switch {
	case at == "":
		p.count(New, i.Bytes)
		return i, nil
	case at != i.Digest:
		p.count(Changed, i.Bytes)
		return i, nil
	}
	complete, err := p.complete(ctx, w, i)
	if err != nil {
		return nil, err
	}
	if !complete {
		p.count(Referrers, 0)
		return i, nil
	}
	p.count(Same, i.Bytes)
	return nil, nil
}

// at returns the digest that the destination holds under an image's tag or digest; empty when it has none.
func (p *planner) at(ctx context.Context, target string, i *image.Image, there *holding) (string, error) {
	if i.Tag == "" && there.digests[i.Digest] {
		return i.Digest, nil
	}
	digest, tagged := there.tags[i.Tag]
	switch {
	case i.Tag != "" && digest != "":
		return digest, nil
	case there.told || i.Tag != "" && !tagged:
		return "", nil
	}
	var d image.Descriptor
	err := p.call(ctx, p.Destination, func() (err error) { d, err = p.Destination.Head(ctx, target, i.Reference()); return err })
	if isMissing(err) {
		return "", nil
	}
	return d.Digest, err
}

// complete reports whether the destination lists all that refers to an image at the source. Signatures come later than images. It is
// asked of tags and of digests that a list names. It is not asked of what an index lists, which would take a read of each index and
// two calls for each of its entries; nor of untagged manifests of a listing, which has their referrers as untagged manifests, too.
func (p *planner) complete(ctx context.Context, w *work, i *image.Image) (bool, error) {
	if !p.Referrers || image.IsReferrersTag(i.Tag) || i.Tag == "" && !namesDigest(w.entries, i.Digest) {
		return true, nil
	}
	var from, to []image.Descriptor
	err := p.call(ctx, w.from, func() (err error) { from, err = w.from.Referrers(ctx, w.batch.Repository, i.Digest); return err })
	if err != nil || len(from) == 0 {
		return true, ignoreMissing(err)
	}
	err = p.call(ctx, p.Destination, func() (err error) { to, err = p.Destination.Referrers(ctx, w.batch.Target, i.Digest); return err })
	for _, d := range from {
		if !slices.ContainsFunc(to, func(o image.Descriptor) bool { return o.Digest == d.Digest }) {
			return false, ignoreMissing(err)
		}
	}
	return true, ignoreMissing(err)
}

func namesDigest(entries []imagelist.Entry, digest string) bool {
	return slices.ContainsFunc(entries, func(e imagelist.Entry) bool { return e.Kind == imagelist.Digest && e.Text == digest })
}

func ignoreMissing(err error) error {
	if isMissing(err) {
		return nil
	}
	return err
}

var errNoImage = errors.New("the source has no image that this entry chooses")
