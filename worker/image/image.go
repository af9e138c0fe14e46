// Package image holds the words of copying container images between registries: images, what registries can do, batches of
// work. The packages below it list (registry, ecraws), compare (plan), copy (skopeo, copier), remember (record) and put all of it
// together (pass).
package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/datatransferhub/dth/worker/failure"
)

// Classes of failure that only images have, beside those of package failure.
const (
	// DigestChanged says that a copy has another digest than its source: it is no copy.
	DigestChanged failure.Class = "digest_changed"
	// Immutable says that the destination holds another image under a tag that it does not let anybody move.
	Immutable failure.Class = "tag_immutable"
	// NoSkopeo says that the program that copies is not there.
	NoSkopeo failure.Class = "no_skopeo"
)

// Media types of manifests.
// https://github.com/opencontainers/image-spec/blob/main/media-types.md
// https://distribution.github.io/distribution/spec/manifest-v2-2/
const (
	OCIManifest    = "application/vnd.oci.image.manifest.v1+json"
	OCIIndex       = "application/vnd.oci.image.index.v1+json"
	DockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	DockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
)

// Media types of configurations of images that run. Artifacts have others.
const (
	OCIConfig    = "application/vnd.oci.image.config.v1+json"
	DockerConfig = "application/vnd.docker.container.image.v1+json"
)

// IsIndex reports whether a media type is that of a list of manifests.
func IsIndex(mediaType string) bool { return mediaType == OCIIndex || mediaType == DockerList }

// Descriptor is a manifest as registries describe it.
type Descriptor struct {
	Digest    string `json:"digest"`
	MediaType string `json:"mediaType"`
	Size      int64  `json:"size"` // of the manifest, in bytes
	// Of entries of an index, where they have one: os/architecture or os/architecture/variant.
	Platform string `json:"-"`
}

// Found is one tag, or one untagged manifest, of a listing.
type Found struct {
	Tag       string // empty: untagged
	Digest    string // empty: the registry's listing does not say it
	MediaType string // likewise
	Bytes     int64  // of the image as it is stored; 0 when the listing does not say it
}

// Login is what a registry lets somebody in with.
type Login struct {
	User, Password string
	Expires        time.Time // zero: it does not
}

// Anonymous reports whether nobody signs in.
func (l Login) Anonymous() bool { return l.User == "" && l.Password == "" }

// Settings of a repository. Policies and encryption keys name strangers, and are not among them.
type Settings struct {
	Immutable  bool   `json:"immutable,omitempty"`  // tags cannot be moved
	ScanOnPush bool   `json:"scanOnPush,omitempty"` // for weaknesses
	Lifecycle  string `json:"lifecycle,omitempty"`  // policy as JSON; empty: none
}

// Registry is one end of a transfer, as somebody who signed in sees it. References are tags or digests. Errors are failure.Error
// where the registry answered; NotFound where it has no such thing.
type Registry interface {
	// Host is the name under which images are addressed, with a port where it has one.
	Host() string
	// Plain reports whether it is spoken to without TLS.
	Plain() bool
	// Repositories returns the names of all repositories.
	Repositories(ctx context.Context) ([]string, error)
	// List returns all tags of a repository, and its untagged manifests where the registry tells them; NotFound when there is no
	// such repository.
	List(ctx context.Context, repository string) ([]Found, error)
	// Head describes a manifest.
	Head(ctx context.Context, repository, reference string) (Descriptor, error)
	// Manifest returns a manifest, letter by letter.
	Manifest(ctx context.Context, repository, reference string) (Descriptor, []byte, error)
	// Referrers returns the manifests that name a digest as their subject: by the registry's own list, or by the tag that
	// stands for it where the registry keeps none.
	Referrers(ctx context.Context, repository, digest string) ([]Descriptor, error)
	// Put stores a manifest whose parts are there, letter by letter.
	Put(ctx context.Context, repository, reference, mediaType string, content []byte) error
	// Login returns what lets a copier in, valid for half an hour at least.
	Login(ctx context.Context) (Login, error)
	// Limited returns when the registry will serve again, when it has said so; else the zero time.
	Limited() time.Time
}

// Keeper is implemented by registries whose repositories have to be made, and have settings.
type Keeper interface {
	// Settings returns those of a repository.
	Settings(ctx context.Context, repository string) (Settings, error)
	// Create makes a repository that is not there; nil settings are the registry's own. It reports whether it made one.
	Create(ctx context.Context, repository string, s *Settings) (bool, error)
}

// Deleter is implemented by registries that let images be deleted.
type Deleter interface {
	// Delete removes a tag, or a manifest by its digest. The error is ErrByDigest where a tag cannot be removed by itself.
	Delete(ctx context.Context, repository, reference string) error
}

// ErrByDigest says that a registry removes manifests with all their tags, and no tag by itself.
var ErrByDigest = errors.New("this registry removes no tag by itself, only manifests with all their tags")

// Blobs is implemented by registries that give out what manifests name.
type Blobs interface {
	// Blob returns a blob of at most max bytes; a longer one is an error.
	Blob(ctx context.Context, repository, digest string, max int64) ([]byte, error)
}

// Image is one image of a plan.
type Image struct {
	Tag    string `json:"tag,omitempty"` // empty: it is known by its digest only
	Digest string `json:"digest"`        // at the source, when it was planned
	Media  string `json:"mediaType,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"` // of the image, as far as the source says so
}

// Reference is the tag, or the digest of what has none.
func (i Image) Reference() string {
	if i.Tag != "" {
		return i.Tag
	}
	return i.Digest
}

// Batch is the work on one repository, or a part of it: what one process copies, so that shared layers move once. It is JSON in
// the list of work.
type Batch struct {
	Name       string  `json:"name"`               // repository as records name it: with its registry where that is not the source's own
	Registry   string  `json:"registry,omitempty"` // host of the source; empty: the source's own
	Repository string  `json:"repository"`
	Target     string  `json:"target"` // repository at the destination
	Images     []Image `json:"images"`
	Delete     []Extra `json:"delete,omitempty"` // after the images were copied
}

// Extra is what the destination has and the source does not.
type Extra struct {
	Tag    string `json:"tag,omitempty"` // empty: it has none
	Digest string `json:"digest"`        // at the destination, when it was planned
}

// Reference is the tag, or the digest of what has none.
func (x Extra) Reference() string { return Image{Tag: x.Tag, Digest: x.Digest}.Reference() }

// MarshalBatch returns a batch as it stands in the list of work.
func MarshalBatch(b Batch) ([]byte, error) { return json.Marshal(b) }

// ParseBatch reads a batch, and checks it.
func ParseBatch(document []byte) (Batch, error) {
	var b Batch
	if err := json.Unmarshal(document, &b); err != nil {
		return b, fmt.Errorf("the batch is no JSON object of name, repository, target and images: %w", err)
	}
	if b.Name == "" || b.Repository == "" || b.Target == "" {
		return b, fmt.Errorf("the batch of %q lacks one of name, repository and target", b.Name)
	}
	for _, i := range b.Images {
		if !digestForm.MatchString(i.Digest) {
			return b, fmt.Errorf("image %s of the batch of %s: %.80q is no digest", i.Tag, b.Name, i.Digest)
		}
	}
	for _, x := range b.Delete {
		if !digestForm.MatchString(x.Digest) {
			return b, fmt.Errorf("what is to be deleted, %s of the batch of %s: %.80q is no digest", x.Tag, b.Name, x.Digest)
		}
	}
	return b, nil
}

var (
	digestForm    = regexp.MustCompile(`^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$`)
	referrersForm = regexp.MustCompile(`^sha256-[0-9a-f]{64}(\.[a-z]+)?$`)
)

// ReferrersTag is the tag under which clients list the referrers of a digest at registries that keep no such lists.
// https://github.com/opencontainers/distribution-spec/blob/main/spec.md#referrers-tag-schema
func ReferrersTag(digest string) string { return strings.Replace(digest, ":", "-", 1) }

// IsReferrersTag reports whether a tag belongs to another manifest: a list of referrers, or a signature, attestation or SBOM by
// the older custom of a suffix (sha256-....sig).
func IsReferrersTag(tag string) bool { return referrersForm.MatchString(tag) }

// ReadIndex returns the entries of an index.
func ReadIndex(content []byte) ([]Descriptor, error) {
	var index struct {
		Manifests []struct {
			Descriptor
			Platform *struct{ OS, Architecture, Variant string } `json:"platform"`
		} `json:"manifests"`
	}
	if err := json.Unmarshal(content, &index); err != nil {
		return nil, fmt.Errorf("the index cannot be read: %w", err)
	}
	var all []Descriptor
	for _, m := range index.Manifests {
		if !digestForm.MatchString(m.Digest) {
			return nil, fmt.Errorf("the index has an entry whose digest is %.80q", m.Digest)
		}
		d := m.Descriptor
		if p := m.Platform; p != nil && p.OS != "" && p.OS != "unknown" {
			d.Platform = strings.TrimSuffix(p.OS+"/"+p.Architecture+"/"+p.Variant, "/")
		}
		all = append(all, d)
	}
	return all, nil
}

// ConfigOf returns media type and digest of the configuration that a manifest names; empty when it names none, as those of older forms.
func ConfigOf(manifest []byte) (mediaType, digest string) {
	var m struct{ Config Descriptor }
	if json.Unmarshal(manifest, &m) != nil || !digestForm.MatchString(m.Config.Digest) {
		return "", ""
	}
	return m.Config.MediaType, m.Config.Digest
}

// PlatformOf reads os/architecture or os/architecture/variant from a configuration; empty when it does not say it.
func PlatformOf(config []byte) string {
	var p struct {
		OS           string `json:"os"`
		Architecture string `json:"architecture"`
		Variant      string `json:"variant"`
	}
	if json.Unmarshal(config, &p) != nil || p.OS == "" || p.Architecture == "" {
		return ""
	}
	return strings.TrimSuffix(p.OS+"/"+p.Architecture+"/"+p.Variant, "/")
}
