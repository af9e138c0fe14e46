package planner

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/datatransferhub/dth/lambda/imageplan"
	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
	"github.com/datatransferhub/dth/worker/image/imagelist"
	"github.com/datatransferhub/dth/worker/image/plan"
	"github.com/datatransferhub/dth/worker/image/registry"
)

// looks is how many images are looked at at once.
const looks = 16

// Look implements imageplan.Registries. It asks both ends for each image by itself, so it is for few.
func (r Registries) Look(ctx context.Context, images []imageplan.Image) (map[imageplan.Image]imageplan.Standing, error) {
	if len(images) == 0 {
		return nil, nil
	}
	config, err := r.Open(ctx)
	if err != nil {
		return nil, err
	}
	standings := map[imageplan.Image]imageplan.Standing{}
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(looks)
	for _, i := range images {
		g.Go(func() error {
			s := standing(ctx, &config, i)
			mu.Lock()
			defer mu.Unlock()
			if s != "" {
				standings[i] = s
			}
			return nil
		})
	}
	_ = g.Wait() // none returns an error: what cannot be told of an image is no standing
	return standings, ctx.Err()
}

// references are what registries know an image by.
var references = regexp.MustCompile(`^([A-Za-z0-9_][A-Za-z0-9._-]{0,127}|sha(256|512):[0-9a-f]+)$`)

// standing is how one image stands; empty when that cannot be told, or when there is work to do. In an image's place may stand an entry
// of the list that had chosen nothing, or all tags of a repository that could not be read.
func standing(ctx context.Context, c *plan.Config, i imageplan.Image) imageplan.Standing {
	host, repository := place(c, i.Name)
	whole := i.Tag == imagelist.AllTags
	switch {
	case slices.ContainsFunc(c.List, func(e imagelist.Entry) bool { return e.String() == i.Tag }):
		return imageplan.Same
	case !whole && (!references.MatchString(i.Tag) || !chosen(c, host, repository, i.Tag)), whole && !of(c, host, repository, nil):
		return imageplan.Unwanted
	}
	from := c.Source
	if host != "" {
		var err error
		if from, err = c.Open(host); err != nil {
			return ""
		}
	}
	var source image.Descriptor
	var err error
	if whole {
		_, err = from.List(ctx, repository)
	} else {
		source, err = from.Head(ctx, repository, i.Tag)
	}
	switch {
	case failure.Is(err, failure.NotFound):
		return imageplan.Gone
	case err != nil:
		return ""
	case whole:
		return imageplan.Same
	}
	if there, err := c.Destination.Head(ctx, target(c, repository), i.Tag); err != nil || there.Digest != source.Digest {
		return ""
	}
	return imageplan.Same
}

// place takes the name of a record apart: a registry, empty for the source's own, and a repository.
func place(c *plan.Config, name string) (host, repository string) {
	if c.Open == nil {
		return "", name
	}
	entries, err := imagelist.Parse(name)
	if err != nil || len(entries) != 1 || entries[0].Registry == "" || registry.HostOf(entries[0].Registry) == c.Source.Host() {
		return "", name
	}
	return entries[0].Registry, entries[0].Repository
}

// chosen reports whether a task takes an image, as far as its names tell.
func chosen(c *plan.Config, host, repository, reference string) bool {
	digest, belongs := strings.Contains(reference, ":"), image.IsReferrersTag(reference)
	if belongs && !c.Referrers || c.List == nil && digest && !c.Untagged {
		return false
	}
	return of(c, host, repository, func(e *imagelist.Entry) bool {
		if digest {
			return e.Kind == imagelist.Digest && e.Text == reference
		}
		return belongs || e.MatchTag(reference)
	})
}

// of reports whether a task takes a repository, by an entry that takes what is meant; nil takes any.
func of(c *plan.Config, host, repository string, takes func(*imagelist.Entry) bool) bool {
	return c.List == nil || slices.ContainsFunc(c.List, func(e imagelist.Entry) bool {
		own := e.Registry == "" || registry.HostOf(e.Registry) == c.Source.Host()
		if own != (host == "") || !own && registry.HostOf(e.Registry) != registry.HostOf(host) {
			return false
		}
		return e.MatchRepository(repository) && (takes == nil || takes(&e))
	})
}
