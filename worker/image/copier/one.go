package copier

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
	"github.com/datatransferhub/dth/worker/image/record"
	"github.com/datatransferhub/dth/worker/image/skopeo"
)

// maxDepth bounds how deep indexes and referrers may be nested: an index of indexes with signatures of SBOMs.
const maxDepth = 5

// one copies the images of one batch, one after the other.
type one struct {
	*Copier
	from    image.Registry
	batch   image.Batch
	created bool            // the repository at the destination is there
	there   map[string]bool // digests that the destination is known to hold
	// Of deletions: the destination's listing, and when it was read.
	listed   []image.Found
	listedAt time.Time
	kept     kept // what the destination's repository holds, once something of it is to be deleted by its digest
}

// attempt brings one image into agreement and fills in its record.
func (o *one) attempt(ctx context.Context, i image.Image, r *record.Record) error {
	// The tag may have been moved since it was planned: what it names now is copied, by digest, so that it cannot move meanwhile.
	d, err := o.from.Head(ctx, o.batch.Repository, i.Reference())
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	r.SourceDigest, r.MediaType = d.Digest, d.MediaType
	status := record.Done
	switch at, err := o.Destination.Head(ctx, o.batch.Target, i.Reference()); {
	case err == nil && at.Digest == d.Digest:
		status = record.Unchanged
	case err != nil && !failure.Is(err, failure.NotFound):
		return fmt.Errorf("destination: %w", err)
	default:
		if err := o.create(ctx); err != nil {
			return err
		}
		if err := o.transfer(ctx, d, i.Reference(), 0); err != nil {
			return err
		}
	}
	if err := o.prove(ctx, d.Digest, i.Reference(), r); err != nil {
		return err
	}
	if status == record.Unchanged {
		r.Bytes = 0
	}
	if o.Referrers && !image.IsReferrersTag(i.Tag) {
		if r.Referrers, err = o.referrers(ctx, d, 0); err != nil {
			return err
		}
	}
	r.Status = status
	return nil
}

// create makes the repository at the destination, once a batch.
func (o *one) create(ctx context.Context) error {
	keeper, ok := o.Destination.(image.Keeper)
	if !ok || o.created {
		return nil
	}
	var settings *image.Settings
	if of, ok := o.from.(image.Keeper); ok && o.Settings {
		s, err := of.Settings(ctx, o.batch.Repository)
		if err != nil {
			return fmt.Errorf("settings of %s: %w", o.batch.Name, err)
		}
		settings = &s
	}
	made, err := keeper.Create(ctx, o.batch.Target, settings)
	if err != nil {
		return fmt.Errorf("making repository %s: %w", o.batch.Target, err)
	}
	if made {
		o.log().Info("repository made", "repository", o.batch.Target, "settings", settings != nil)
	}
	o.created = true
	return nil
}

// transfer copies a manifest, and all that an index lists.
func (o *one) transfer(ctx context.Context, d image.Descriptor, reference string, depth int) error {
	if !image.IsIndex(d.MediaType) {
		return o.skopeo(ctx, d, reference)
	}
	// A list of referrers is kept by clients, who write it letter by letter.
	if !o.byHand.Load() && !image.IsReferrersTag(reference) {
		err := o.skopeo(ctx, d, reference)
		if !failure.Is(err, image.DigestChanged) {
			return err
		}
		if !o.byHand.Swap(true) {
			o.log().Warn("this skopeo would write indexes anew, with other digests; it is given the images that they list, and indexes are written as they are",
				"skopeo", o.Tool.Version(), "image", o.batch.Name, "reference", reference)
		}
	}
	return o.index(ctx, d, reference, depth)
}

// index copies what an index lists, then writes the index itself, letter by letter.
func (o *one) index(ctx context.Context, d image.Descriptor, reference string, depth int) error {
	if depth == maxDepth {
		return &failure.Error{Class: failure.DestinationRefuses, Op: "copy", Target: o.batch.Name + "@" + d.Digest, Detail: fmt.Sprintf("indexes are nested more than %d deep", maxDepth)}
	}
	_, content, err := o.from.Manifest(ctx, o.batch.Repository, d.Digest)
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	entries, err := image.ReadIndex(content)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := o.ensure(ctx, e, depth+1); err != nil {
			return err
		}
	}
	return o.Destination.Put(ctx, o.batch.Target, reference, d.MediaType, content)
}

// ensure copies a manifest by its digest, unless the destination has it.
func (o *one) ensure(ctx context.Context, d image.Descriptor, depth int) error {
	if o.there[d.Digest] {
		return nil
	}
	_, err := o.Destination.Head(ctx, o.batch.Target, d.Digest)
	if failure.Is(err, failure.NotFound) {
		if err = o.create(ctx); err == nil {
			err = o.transfer(ctx, d, d.Digest, depth)
		}
	}
	if err != nil {
		return err
	}
	o.there[d.Digest] = true
	return nil
}

func (o *one) skopeo(ctx context.Context, d image.Descriptor, reference string) error {
	from, err := end(ctx, o.from, o.batch.Repository, d.Digest)
	if err != nil {
		return err
	}
	to, err := end(ctx, o.Destination, o.batch.Target, reference)
	if err != nil {
		return err
	}
	return o.Tool.Copy(ctx, from, to)
}

func end(ctx context.Context, r image.Registry, repository, reference string) (skopeo.End, error) {
	login, err := r.Login(ctx)
	return skopeo.End{Host: r.Host(), Repository: repository, Reference: reference, Plain: r.Plain(), Login: login}, err
}

// prove reads what the destination holds now, and compares its digest with the source's. Bytes and platforms are read from there,
// too: the source may count its reads.
func (o *one) prove(ctx context.Context, digest, reference string, r *record.Record) error {
	at, content, err := o.Destination.Manifest(ctx, o.batch.Target, reference)
	if err != nil {
		return fmt.Errorf("destination: %w", err)
	}
	r.DestinationDigest = at.Digest
	if at.Digest != digest {
		return &failure.Error{
			Class: image.DigestChanged, Op: "compare", Target: o.batch.Target + " " + reference,
			Detail: fmt.Sprintf("the source has %s, the copy %s: skopeo %s has rewritten it, or somebody else has pushed to the destination; a newer skopeo keeps digests", digest, at.Digest, o.Tool.Version()),
		}
	}
	if !image.IsIndex(at.MediaType) {
		r.Bytes, r.Platforms = sizeOf(content), o.platform(ctx, content)
		return nil
	}
	entries, err := image.ReadIndex(content)
	if err != nil {
		return err
	}
	r.Bytes, r.Platforms = 0, nil
	for _, e := range entries {
		_, content, err := o.Destination.Manifest(ctx, o.batch.Target, e.Digest)
		if err != nil {
			return fmt.Errorf("destination: %s of index %s: %w", e.Digest, digest, err)
		}
		r.Bytes += sizeOf(content)
		if e.Platform != "" {
			r.Platforms = append(r.Platforms, e.Platform)
		}
	}
	return nil
}

// maxConfig bounds what is read of an image's configuration, in bytes. Registries bound manifests likewise.
const maxConfig = 4 << 20

// platform returns what an image for one platform says of it in its configuration, as os/architecture or os/architecture/variant. It
// is nil of what has no such configuration, and of one that cannot be read: that the copy is one is proved by its digest alone.
func (o *one) platform(ctx context.Context, manifest []byte) []string {
	from, ok := o.Destination.(image.Blobs)
	media, digest := image.ConfigOf(manifest)
	if !ok || digest == "" || media != image.OCIConfig && media != image.DockerConfig {
		return nil
	}
	content, err := from.Blob(ctx, o.batch.Target, digest, maxConfig)
	if err != nil {
		o.log().Warn("the platform of an image is not known: its configuration cannot be read", "image", o.batch.Target, "config", digest, "error", err)
		return nil
	}
	if p := image.PlatformOf(content); p != "" {
		return []string{p}
	}
	return nil
}

// sizeOf adds up configuration and layers.
func sizeOf(manifest []byte) (n int64) {
	var m struct {
		Config image.Descriptor   `json:"config"`
		Layers []image.Descriptor `json:"layers"`
	}
	if json.Unmarshal(manifest, &m) != nil {
		return 0 // of an older form; the digest was compared all the same
	}
	n = m.Config.Size
	for _, l := range m.Layers {
		n += l.Size
	}
	return n
}

// referrers brings what refers to a manifest, to what it lists, and to what refers to it, and returns how many there are.
func (o *one) referrers(ctx context.Context, d image.Descriptor, depth int) (n int, err error) {
	if depth == maxDepth {
		return 0, nil
	}
	all, err := o.from.Referrers(ctx, o.batch.Repository, d.Digest)
	if err != nil && !failure.Is(err, failure.NotFound) {
		return 0, fmt.Errorf("referrers: %w", err)
	}
	for _, r := range all {
		if err := o.ensure(ctx, r, depth+1); err != nil {
			return n, fmt.Errorf("referrer %s: %w", r.Digest, err)
		}
		below, err := o.referrers(ctx, r, depth+1)
		if err != nil {
			return n, err
		}
		n += 1 + below
	}
	if len(all) > 0 {
		if err := o.list(ctx, d.Digest, all); err != nil {
			return n, err
		}
	}
	if depth > 0 || !image.IsIndex(d.MediaType) {
		return n, nil
	}
	_, content, err := o.Destination.Manifest(ctx, o.batch.Target, d.Digest)
	if err != nil {
		return n, err
	}
	entries, err := image.ReadIndex(content)
	for _, e := range entries {
		below, failed := o.referrers(ctx, e, 1)
		if n += below; failed != nil {
			return n, failed
		}
	}
	return n, err
}

// list makes sure that the destination lists referrers. A registry that keeps no lists gets those that its clients keep: whoever
// stores a manifest with a subject has to write them, and skopeo does not.
func (o *one) list(ctx context.Context, digest string, wanted []image.Descriptor) error {
	listed, err := o.Destination.Referrers(ctx, o.batch.Target, digest)
	if err != nil && !failure.Is(err, failure.NotFound) {
		return fmt.Errorf("referrers: %w", err)
	}
	for _, w := range wanted {
		if slices.ContainsFunc(listed, func(l image.Descriptor) bool { return l.Digest == w.Digest }) {
			continue
		}
		_, content, err := o.Destination.Manifest(ctx, o.batch.Target, w.Digest)
		if err == nil {
			err = o.Destination.Put(ctx, o.batch.Target, w.Digest, w.MediaType, content)
		}
		if err != nil {
			return fmt.Errorf("listing referrer %s: %w", w.Digest, err)
		}
	}
	return nil
}
