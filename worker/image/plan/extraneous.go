package plan

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/datatransferhub/dth/worker/image"
)

// TooManyError says that a run would delete a larger part of the destination than is allowed. Nothing was deleted.
type TooManyError struct {
	Extraneous, Listed int64
	MaxShare           float64 // 0 to 1
}

// Share is the part of the destination that would be deleted.
func (e *TooManyError) Share() float64 { return float64(e.Extraneous) / float64(max(e.Listed, 1)) }

func (e *TooManyError) Error() string {
	return fmt.Sprintf("deleteExtraneous would delete %d of the destination's %d images, %.1f %%, more than the %.1f %% that maxDeleteShare allows; "+
		"nothing was deleted. If that is meant, raise maxDeleteShare; if not, check the source's registry and the list of images",
		e.Extraneous, e.Listed, 100*e.Share(), 100*e.MaxShare)
}

// extras is what is only at the destination, of one repository.
type extras struct {
	batch image.Batch // without images
	all   []image.Extra
}

// extraneous finds what the destination has of a repository and the source does not. Only a repository whose source was listed to
// its end is judged. What cannot be looked at is left alone: the next run judges it.
func (p *planner) extraneous(ctx context.Context, w *work, s *selection, there *holding) error {
	if !p.Delete || !s.whole {
		return nil
	}
	tags, digests := map[string]bool{}, map[string]bool{}
	for _, f := range s.listed {
		if f.Tag != "" {
			tags[f.Tag] = true
		}
		if f.Digest != "" {
			digests[f.Digest] = true
		}
	}
	x := extras{batch: w.batch}
	left := map[string]bool{}
	for _, f := range there.listed {
		if tags[f.Tag] || f.Tag == "" {
			// A manifest that the source does not have has no tag, or loses its last one to this run. Where one of the listings tells
			// no digests, nobody knows.
			if !p.Untagged || len(digests) == 0 || f.Digest == "" || digests[f.Digest] || left[f.Digest] {
				continue
			}
			left[f.Digest] = true
			f = image.Found{Digest: f.Digest}
		}
		extra, err := p.extra(ctx, w, f, digests)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			p.Log.Warn("whether this image may be deleted cannot be told; it is left alone", "image", w.batch.Target, "tag", f.Tag, "digest", f.Digest, "error", err)
		case extra != nil:
			x.all = append(x.all, *extra)
		}
	}
	if len(x.all) == 0 {
		return nil
	}
	// Tags go first: what has none may belong to an index that has one.
	tagged := slices.DeleteFunc(slices.Clone(x.all), func(e image.Extra) bool { return e.Tag == "" })
	x.all = append(tagged, slices.DeleteFunc(x.all, func(e image.Extra) bool { return e.Tag != "" })...)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.extras = append(p.extras, x)
	for range x.all {
		p.tally(Extraneous, 0)
	}
	p.result.Extraneous += len(x.all)
	return nil
}

// extra returns what is to be deleted of an entry that only the destination has; nil when it belongs to an image that is there. Lists
// of referrers and signatures do: the copier itself writes some, for registries that keep no lists.
func (p *planner) extra(ctx context.Context, w *work, f image.Found, atSource map[string]bool) (*image.Extra, error) {
	subject := ""
	if f.Tag == "" {
		var err error
		if subject, err = p.subject(ctx, w.batch.Target, f.Digest); err != nil {
			return nil, ignoreMissing(err)
		}
	} else if image.IsReferrersTag(f.Tag) {
		subject, _, _ = strings.Cut(f.Tag, ".")
		subject = strings.Replace(subject, "-", ":", 1)
	}
	if subject != "" {
		there, err := p.has(ctx, w.batch.Target, subject)
		if err != nil || there || atSource[subject] {
			return nil, err
		}
	}
	x := &image.Extra{Tag: f.Tag, Digest: f.Digest}
	if x.Digest != "" {
		return x, nil
	}
	var d image.Descriptor
	err := p.call(ctx, p.Destination, func() (err error) { d, err = p.Destination.Head(ctx, w.batch.Target, f.Tag); return err })
	if err != nil {
		return nil, ignoreMissing(err)
	}
	x.Digest = d.Digest
	return x, nil
}

// subject returns the digest that a manifest at the destination refers to; empty when it refers to none.
func (p *planner) subject(ctx context.Context, target, digest string) (string, error) {
	var content []byte
	err := p.call(ctx, p.Destination, func() (err error) { _, content, err = p.Destination.Manifest(ctx, target, digest); return err })
	if err != nil {
		return "", err
	}
	var m struct{ Subject struct{ Digest string } }
	if err := json.Unmarshal(content, &m); err != nil {
		return "", fmt.Errorf("manifest %s of %s: %w", digest, target, err)
	}
	return m.Subject.Digest, nil
}

func (p *planner) has(ctx context.Context, target, digest string) (bool, error) {
	err := p.call(ctx, p.Destination, func() error { _, err := p.Destination.Head(ctx, target, digest); return err })
	return err == nil, ignoreMissing(err)
}

// judge puts what is to be deleted behind the copies of its repository, unless it is too large a part of what the destination lists.
func (p *planner) judge() {
	n, listed := int64(p.result.Extraneous), p.result.Totals.ListedDestination
	if n == 0 {
		return
	}
	if float64(n) > p.MaxDeleteShare*float64(listed) {
		p.result.TooMany = &TooManyError{n, listed, p.MaxDeleteShare}
		return
	}
	for _, x := range p.extras {
		last := -1
		for i := range p.cuts {
			if p.cuts[i].Target == x.batch.Target && (last < 0 || p.cuts[i].part > p.cuts[last].part) {
				last = i
			}
		}
		for _, one := range x.all {
			if last < 0 || p.cuts[last].length() >= p.BatchImages {
				part := 0
				if last >= 0 {
					part = p.cuts[last].part + 1
				}
				p.cuts = append(p.cuts, cut{Batch: x.batch, part: part})
				last = len(p.cuts) - 1
			}
			p.cuts[last].Delete = append(p.cuts[last].Delete, one)
		}
	}
}
