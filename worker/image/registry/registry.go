// Package registry speaks to registries by the OCI distribution specification.
// https://github.com/opencontainers/distribution-spec/blob/main/spec.md
package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
)

// DockerHub is the registry of images that name none.
const DockerHub = "docker.io"

// pageSize is how many names or tags are asked for at once. Registries may give fewer; the client follows their links.
const pageSize = 1000

// Options say how a registry is spoken to.
type Options struct {
	// Plain leaves TLS away. Without it, nothing is ever said plainly, but to this machine itself: servers on loopback addresses are
	// spoken to as they speak themselves.
	Plain bool
	// Login returns what lets in; nil: nobody signs in. It is asked before each call, and is to keep what it knows.
	Login func(ctx context.Context) (image.Login, error)
	// Transport carries the requests; nil: one of its own.
	Transport http.RoundTripper
}

// Registry implements image.Registry.
type Registry struct {
	host    string
	options Options
	limits  *limits
	speech  speech

	mu     sync.Mutex
	puller *remote.Puller
	pusher *remote.Pusher
	known  image.Login // that puller and pusher were made with
	plain  bool        // so were they
}

var (
	_ image.Registry = (*Registry)(nil)
	_ image.Deleter  = (*Registry)(nil)
	_ image.Blobs    = (*Registry)(nil)
)

// HostOf returns the one spelling of a registry's name; Docker Hub's when it is empty.
func HostOf(name string) string {
	name = strings.ToLower(name)
	if name == "" || name == "index.docker.io" || name == "registry-1.docker.io" {
		return DockerHub
	}
	return name
}

// Open returns the registry at a host, such as ghcr.io or localhost:5000. It makes no call.
func Open(host string, o Options) (*Registry, error) {
	host = HostOf(host)
	if _, err := name.NewRegistry(host, name.Insecure); err != nil {
		return nil, fmt.Errorf("%q is no registry's host: %w", host, err)
	}
	base := o.Transport
	if base == nil {
		t := remote.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = 32
		base = t
	}
	r := &Registry{host: host, options: o, speech: speech{host: host, plain: o.Plain, local: loopback(host)}}
	r.limits = &limits{next: &guard{next: base, host: addressOf(host), plain: r.Plain}, now: time.Now}
	return r, nil
}

// addressOf is the host that requests go to: Docker Hub's is another than its name.
func addressOf(host string) string {
	if at, err := name.NewRegistry(host); err == nil {
		return at.RegistryStr()
	}
	return host
}

// Host implements image.Registry.
func (r *Registry) Host() string { return r.host }

// Plain implements image.Registry.
func (r *Registry) Plain() bool { return r.speech.isPlain() }

// Limited implements image.Registry.
func (r *Registry) Limited() time.Time { return r.limits.until() }

// Login implements image.Registry.
func (r *Registry) Login(ctx context.Context) (image.Login, error) {
	if r.options.Login == nil {
		return image.Login{}, nil
	}
	return r.options.Login(ctx)
}

// clients returns what speaks to the registry, made anew when the login is another.
func (r *Registry) clients(ctx context.Context) (*remote.Puller, *remote.Pusher, error) {
	login, err := r.Login(ctx)
	if err != nil {
		return nil, nil, err
	}
	plain := r.Plain()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.puller != nil && r.known == login && r.plain == plain {
		return r.puller, r.pusher, nil
	}
	who := authn.Anonymous
	if !login.Anonymous() {
		who = authn.FromConfig(authn.AuthConfig{Username: login.User, Password: login.Password})
	}
	// The caller repeats what may be repeated, and has to see a 429.
	options := []remote.Option{
		remote.WithAuth(who), remote.WithTransport(r.limits), remote.WithPageSize(pageSize), remote.WithUserAgent("data-transfer-hub"),
		remote.WithRetryStatusCodes(http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout),
	}
	if r.puller, err = remote.NewPuller(options...); err != nil {
		return nil, nil, err
	}
	if r.pusher, err = remote.NewPusher(options...); err != nil {
		return nil, nil, err
	}
	r.known, r.plain = login, plain
	return r.puller, r.pusher, nil
}

func (r *Registry) nameOptions() []name.Option {
	if r.Plain() {
		return []name.Option{name.Insecure}
	}
	return nil
}

func (r *Registry) reference(repository, reference string) (name.Reference, error) {
	at := ":"
	if strings.Contains(reference, ":") {
		at = "@"
	}
	ref, err := name.ParseReference(r.host+"/"+repository+at+reference, r.nameOptions()...)
	if err != nil {
		return nil, &failure.Error{Class: failure.NotFound, Op: "name", Target: r.host + "/" + repository + at + reference, Err: err}
	}
	return ref, nil
}

// Repositories implements image.Registry.
func (r *Registry) Repositories(ctx context.Context) ([]string, error) {
	puller, _, err := r.clients(ctx)
	if err != nil {
		return nil, err
	}
	at, err := name.NewRegistry(r.host, r.nameOptions()...)
	if err != nil {
		return nil, err
	}
	catalog, err := puller.Catalogger(ctx, at)
	if err != nil {
		return nil, classed("list repositories", r.host, err)
	}
	var all []string
	for catalog.HasNext() {
		page, err := catalog.Next(ctx)
		if err != nil {
			return nil, classed("list repositories", r.host, err)
		}
		all = append(all, page.Repos...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// List implements image.Registry. The listing of the protocol knows tags only.
func (r *Registry) List(ctx context.Context, repository string) ([]image.Found, error) {
	puller, _, err := r.clients(ctx)
	if err != nil {
		return nil, err
	}
	target := r.host + "/" + repository
	repo, err := name.NewRepository(target, r.nameOptions()...)
	if err != nil {
		return nil, err
	}
	lister, err := puller.Lister(ctx, repo)
	if err != nil {
		return nil, classed("list tags", target, err)
	}
	var tags []string
	for lister.HasNext() {
		page, err := lister.Next(ctx)
		if err != nil {
			return nil, classed("list tags", target, err)
		}
		tags = append(tags, page.Tags...)
	}
	slices.Sort(tags)
	tags = slices.Compact(tags)
	all := make([]image.Found, len(tags))
	for i, t := range tags {
		all[i].Tag = t
	}
	return all, nil
}

// Head implements image.Registry. Registries that answer HEAD without a digest are asked for the manifest itself.
func (r *Registry) Head(ctx context.Context, repository, reference string) (image.Descriptor, error) {
	puller, _, err := r.clients(ctx)
	if err != nil {
		return image.Descriptor{}, err
	}
	ref, err := r.reference(repository, reference)
	if err != nil {
		return image.Descriptor{}, err
	}
	d, err := puller.Head(ctx, ref)
	if err != nil {
		class := classed("look at", ref.String(), err)
		if failure.ClassOf(class) != failure.Other {
			return image.Descriptor{}, class
		}
		described, _, err := r.Manifest(ctx, repository, reference)
		return described, err
	}
	return descriptor(*d), nil
}

func descriptor(d v1.Descriptor) image.Descriptor {
	return image.Descriptor{Digest: d.Digest.String(), MediaType: string(d.MediaType), Size: d.Size}
}

// Manifest implements image.Registry. Its digest is computed, and compared with the one that was asked for.
func (r *Registry) Manifest(ctx context.Context, repository, reference string) (image.Descriptor, []byte, error) {
	puller, _, err := r.clients(ctx)
	if err != nil {
		return image.Descriptor{}, nil, err
	}
	ref, err := r.reference(repository, reference)
	if err != nil {
		return image.Descriptor{}, nil, err
	}
	d, err := puller.Get(ctx, ref)
	if err != nil {
		return image.Descriptor{}, nil, classed("read", ref.String(), err)
	}
	return descriptor(d.Descriptor), d.Manifest, nil
}

// Referrers implements image.Registry.
func (r *Registry) Referrers(ctx context.Context, repository, digest string) ([]image.Descriptor, error) {
	puller, _, err := r.clients(ctx)
	if err != nil {
		return nil, err
	}
	target := r.host + "/" + repository + "@" + digest
	ref, err := name.NewDigest(target, r.nameOptions()...)
	if err != nil {
		return nil, err
	}
	index, err := remote.Referrers(ref, remote.WithContext(ctx), remote.Reuse(puller))
	if err != nil {
		return nil, classed("list referrers of", target, err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return nil, classed("list referrers of", target, err)
	}
	var all []image.Descriptor
	for _, m := range manifest.Manifests {
		all = append(all, descriptor(m))
	}
	return all, nil
}

// raw is a manifest that is sent as it is.
type raw struct {
	media   types.MediaType
	content []byte
}

func (m raw) RawManifest() ([]byte, error)        { return m.content, nil }
func (m raw) MediaType() (types.MediaType, error) { return m.media, nil }

// Put implements image.Registry.
func (r *Registry) Put(ctx context.Context, repository, reference, mediaType string, content []byte) error {
	_, pusher, err := r.clients(ctx)
	if err != nil {
		return err
	}
	ref, err := r.reference(repository, reference)
	if err != nil {
		return err
	}
	if err := pusher.Put(ctx, ref, raw{types.MediaType(mediaType), content}); err != nil {
		return classed("write", ref.String(), err)
	}
	return nil
}

// Delete implements image.Deleter. Registries before version 3 of the CNCF's distribution remove manifests only.
func (r *Registry) Delete(ctx context.Context, repository, reference string) error {
	_, pusher, err := r.clients(ctx)
	if err != nil {
		return err
	}
	ref, err := r.reference(repository, reference)
	if err != nil {
		return err
	}
	err = pusher.Delete(ctx, ref)
	if err == nil {
		return nil
	}
	f := classed("delete", ref.String(), err)
	if !strings.Contains(reference, ":") && noTagDeletion(err) {
		f.Err = image.ErrByDigest
	}
	return f
}

// noTagDeletion reports whether a registry takes digests only. The specification has 400 and 405 for it; distribution 2 says that the
// digest is invalid.
// https://github.com/opencontainers/distribution-spec/blob/main/spec.md#deleting-tags
func noTagDeletion(err error) bool {
	var answer *transport.Error
	if !errors.As(err, &answer) {
		return false
	}
	return answer.StatusCode == http.StatusBadRequest ||
		answer.StatusCode == http.StatusMethodNotAllowed && !strings.Contains(strings.ToLower(err.Error()), "disabled")
}

// Blob implements image.Blobs. What arrives has the digest that was asked for, or it is an error.
func (r *Registry) Blob(ctx context.Context, repository, digest string, most int64) ([]byte, error) {
	puller, _, err := r.clients(ctx)
	if err != nil {
		return nil, err
	}
	target := r.host + "/" + repository + "@" + digest
	ref, err := name.NewDigest(target, r.nameOptions()...)
	if err != nil {
		return nil, err
	}
	layer, err := puller.Layer(ctx, ref)
	if err != nil {
		return nil, classed("read", target, err)
	}
	body, err := layer.Compressed()
	if err != nil {
		return nil, classed("read", target, err)
	}
	defer body.Close()
	content, err := io.ReadAll(io.LimitReader(body, most+1))
	if err != nil {
		return nil, classed("read", target, err)
	}
	if int64(len(content)) > most {
		return nil, &failure.Error{Class: failure.TooLarge, Op: "read", Target: target, Detail: fmt.Sprintf("it is longer than %d bytes", most)}
	}
	return content, nil
}

// classed sorts what a registry answered.
func classed(op, target string, err error) *failure.Error {
	f := &failure.Error{Class: failure.Network, Op: op, Target: target, Err: err}
	var answer *transport.Error
	switch {
	case errors.Is(err, context.Canceled):
		f.Class = failure.Canceled
	case errors.As(err, &answer):
		f.Status, f.Class = answer.StatusCode, classOf(answer.StatusCode)
		for _, d := range answer.Errors {
			f.Code, f.Detail = string(d.Code), d.Message
			if d.Code == transport.TooManyRequestsErrorCode {
				f.Class = failure.Throttled
			}
		}
	case strings.Contains(err.Error(), "response did not include"):
		f.Class = failure.Other
	}
	return f
}

func classOf(status int) failure.Class {
	switch {
	case status == http.StatusUnauthorized:
		return failure.BadCredentials
	case status == http.StatusForbidden:
		return failure.AccessDenied
	case status == http.StatusNotFound:
		return failure.NotFound
	case status == http.StatusTooManyRequests:
		return failure.Throttled
	case status >= 500:
		return failure.Server
	}
	return failure.DestinationRefuses
}
