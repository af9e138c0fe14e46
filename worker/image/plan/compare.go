package plan

import (
	"context"
	"slices"
	"strings"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
	"github.com/datatransferhub/dth/worker/image/imagelist"
)

// choose returns the images of a repository that are wanted: tags first, then lists of referrers, then what has no tag, so that most
// of the latter is there when its turn comes.
func (p *planner) choose(ctx context.Context, w *work) ([]image.Found, error) {
	var listed []image.Found
	must := needsListing(w.entries)
	if must || p.Referrers {
		err := p.call(ctx, func() (err error) { listed, err = w.from.List(ctx, w.batch.Repository); return err })
		switch {
		case err == nil || !must: // what is named by the letter can be had without a listing
		case isMissing(err) && w.entries != nil:
			p.absent(w.batch.Name, imagelist.AllTags, err)
			return nil, nil
		case !isMissing(err): // one that was deleted meanwhile has no images
			return nil, err
		}
	}
	wanted := map[string]image.Found{}
	for _, f := range listed {
		if f.Tag == "" && !p.Untagged || image.IsReferrersTag(f.Tag) && !p.Referrers {
			continue
		}
		if w.entries == nil || f.Tag != "" && slices.ContainsFunc(w.entries, func(e imagelist.Entry) bool { return e.MatchTag(f.Tag) }) {
			wanted[f.Tag+"@"+f.Digest] = f
		}
	}
	p.named(w, wanted)
	if err := p.belonging(ctx, w, listed, wanted); err != nil {
		return nil, err
	}
	all := make([]image.Found, 0, len(wanted))
	for _, f := range wanted {
		all = append(all, f)
	}
	slices.SortFunc(all, func(a, b image.Found) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a.Tag+a.Digest, b.Tag+b.Digest)
	})
	return all, nil
}

// named adds what a list names by the letter: that needs no listing.
func (p *planner) named(w *work, wanted map[string]image.Found) {
	for i := range w.entries {
		e := &w.entries[i]
		switch e.Kind {
		case imagelist.Literal:
			if !slices.ContainsFunc(values(wanted), func(f image.Found) bool { return f.Tag == e.Text }) {
				wanted[e.Text+"@"] = image.Found{Tag: e.Text}
			}
		case imagelist.Digest:
			wanted["@"+e.Text] = image.Found{Digest: e.Text}
		default:
			if !slices.ContainsFunc(values(wanted), func(f image.Found) bool { return f.Tag != "" && e.MatchTag(f.Tag) }) {
				p.absent(w.batch.Name, e.String(), &failure.Error{Class: failure.NotFound, Op: "list tags", Target: w.batch.Name, Err: errNoImage})
			}
		}
	}
}

func values(m map[string]image.Found) (all []image.Found) {
	for _, v := range m {
		all = append(all, v)
	}
	return all
}

// belonging adds the tags that belong to images which a list chooses: signatures and lists of referrers.
func (p *planner) belonging(ctx context.Context, w *work, listed []image.Found, wanted map[string]image.Found) error {
	tags := slices.DeleteFunc(slices.Clone(listed), func(f image.Found) bool { return !image.IsReferrersTag(f.Tag) })
	if w.entries == nil || !p.Referrers || len(tags) == 0 {
		return nil
	}
	subjects := map[string]bool{}
	for key, f := range wanted {
		if f.Digest == "" {
			var d image.Descriptor
			err := p.call(ctx, func() (err error) { d, err = w.from.Head(ctx, w.batch.Repository, f.Tag); return err })
			if err != nil {
				if isMissing(err) {
					continue // compare tells of it
				}
				return err
			}
			f.Digest, f.MediaType = d.Digest, d.MediaType
			wanted[key] = f
		}
		subjects[image.ReferrersTag(f.Digest)] = true
	}
	for _, f := range tags {
		if subject, _, _ := strings.Cut(f.Tag, "."); subjects[subject] {
			wanted[f.Tag+"@"+f.Digest] = f
		}
	}
	return nil
}

func needsListing(entries []imagelist.Entry) bool {
	return entries == nil || slices.ContainsFunc(entries, func(e imagelist.Entry) bool {
		return e.Kind != imagelist.Literal && e.Kind != imagelist.Digest
	})
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
}

func (p *planner) held(ctx context.Context, target string) (*holding, error) {
	var listed []image.Found
	err := p.call(ctx, func() (err error) { listed, err = p.Destination.List(ctx, target); return err })
	if err != nil && !isMissing(err) {
		return nil, err
	}
	h := &holding{tags: map[string]string{}, digests: map[string]bool{}, told: isMissing(err)}
	for _, f := range listed {
		if f.Tag != "" {
			h.tags[f.Tag] = f.Digest
		}
		if f.Digest != "" {
			h.digests[f.Digest], h.told = true, true
		}
	}
	p.mu.Lock()
	p.result.Totals.ListedDestination += int64(len(listed))
	p.mu.Unlock()
	return h, nil
}

// compare returns an image when it is to be copied, else nil.
func (p *planner) compare(ctx context.Context, w *work, f image.Found, there *holding) (*image.Image, error) {
	i := &image.Image{Tag: f.Tag, Digest: f.Digest, Media: f.MediaType, Bytes: f.Bytes}
	if i.Digest == "" || i.Media == "" {
		var d image.Descriptor
		err := p.call(ctx, func() (err error) { d, err = w.from.Head(ctx, w.batch.Repository, i.Reference()); return err })
		if isMissing(err) {
			p.absent(w.batch.Name, i.Reference(), err)
			return nil, nil
		}
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
		return nil, err
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
	err := p.call(ctx, func() (err error) { d, err = p.Destination.Head(ctx, target, i.Reference()); return err })
	if isMissing(err) {
		return "", nil
	}
	return d.Digest, err
}

// complete reports whether the destination lists all that refers to an image at the source. Signatures come later than images.
func (p *planner) complete(ctx context.Context, w *work, i *image.Image) (bool, error) {
	if !p.Referrers || i.Tag == "" || image.IsReferrersTag(i.Tag) {
		return true, nil
	}
	var from, to []image.Descriptor
	err := p.call(ctx, func() (err error) { from, err = w.from.Referrers(ctx, w.batch.Repository, i.Digest); return err })
	if err != nil || len(from) == 0 {
		return true, ignoreMissing(err)
	}
	err = p.call(ctx, func() (err error) { to, err = p.Destination.Referrers(ctx, w.batch.Target, i.Digest); return err })
	for _, d := range from {
		if !slices.ContainsFunc(to, func(o image.Descriptor) bool { return o.Digest == d.Digest }) {
			return false, ignoreMissing(err)
		}
	}
	return true, ignoreMissing(err)
}

func ignoreMissing(err error) error {
	if isMissing(err) {
		return nil
	}
	return err
}
