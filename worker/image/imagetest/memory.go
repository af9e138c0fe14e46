package imagetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
)

// Memory is a registry in memory, which fails as a test wants it to. It is safe for use by several goroutines.
type Memory struct {
	Name string // its host
	// Tells says that listings have digests and untagged manifests, as those of Amazon ECR.
	Tells bool
	// Bytes is what listings say of each image's size, where they tell.
	Bytes int64
	// ByDigest says that no tag can be removed by itself.
	ByDigest bool
	// Fail is asked before each call, by the name of the method; an error is what the call comes to. nil: nothing fails.
	Fail func(method, repository, reference string) error

	mu      sync.Mutex
	all     map[string]*memoryRepository
	calls   map[string]int
	limited time.Time
}

type memoryRepository struct {
	tags      map[string]string // digest by tag
	manifests map[string]memoryManifest
}

type memoryManifest struct {
	media   string
	content []byte
}

var (
	_ image.Registry = (*Memory)(nil)
	_ image.Deleter  = (*Memory)(nil)
	_ image.Blobs    = (*Memory)(nil)
)

// Add stores an image of one layer under a tag, or under its digest alone when the tag is empty; the same seed is the same image. An
// image that refers to another has a subject. It returns the digest.
func (m *Memory) Add(repository, tag string, seed int, subject string) string {
	config := fmt.Sprintf(`{"os":"linux","architecture":"arm64","variant":"v8","author":"%d"}`, seed)
	manifest := map[string]any{
		"schemaVersion": 2, "mediaType": image.OCIManifest, "config": map[string]any{"mediaType": image.OCIConfig, "digest": digestOf([]byte(config)), "size": len(config)},
		"layers": []any{},
	}
	if subject != "" {
		manifest["subject"] = map[string]any{"mediaType": image.OCIManifest, "digest": subject, "size": 1}
	}
	content, err := json.Marshal(manifest)
	if err != nil {
		panic(err) // of what was written above
	}
	m.Store(repository, tag, image.OCIManifest, content)
	m.Store(repository, "", "blob", []byte(config))
	return digestOf(content)
}

// AddIndex stores an index of manifests that are there, and returns its digest.
func (m *Memory) AddIndex(repository, tag string, digests ...string) string {
	var entries []any
	for _, d := range digests {
		entries = append(entries, map[string]any{"mediaType": image.OCIManifest, "digest": d, "size": 1})
	}
	content, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": image.OCIIndex, "manifests": entries})
	if err != nil {
		panic(err) // of what was written above
	}
	m.Store(repository, tag, image.OCIIndex, content)
	return digestOf(content)
}

// Store stores a manifest, whatever is in it.
func (m *Memory) Store(repository, tag, mediaType string, content []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.repository(repository)
	digest := digestOf(content)
	r.manifests[digest] = memoryManifest{mediaType, content}
	if tag != "" {
		r.tags[tag] = digest
	}
}

// Make makes a repository without images.
func (m *Memory) Make(repository string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.repository(repository)
}

func (m *Memory) repository(name string) *memoryRepository {
	if m.all == nil {
		m.all = map[string]*memoryRepository{}
	}
	if m.all[name] == nil {
		m.all[name] = &memoryRepository{tags: map[string]string{}, manifests: map[string]memoryManifest{}}
	}
	return m.all[name]
}

// Remove removes a tag, and the manifest with it when no other names it.
func (m *Memory) Remove(repository, tag string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.repository(repository)
	digest := r.tags[tag]
	delete(r.tags, tag)
	if !slices.Contains(slices.Collect(maps.Values(r.tags)), digest) {
		delete(r.manifests, digest)
	}
}

// Tags returns what tags name.
func (m *Memory) Tags(repository string) map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.repository(repository).tags)
}

// Calls returns how often each method was called, since it was last asked.
func (m *Memory) Calls() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.calls
	m.calls = nil
	return before
}

// Limit says until when the registry serves nobody; calls are refused by whoever sets Fail.
func (m *Memory) Limit(until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.limited = until
}

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// enter counts a call, and returns how it is to fail.
func (m *Memory) enter(method, repository, reference string) error {
	m.mu.Lock()
	if m.calls == nil {
		m.calls = map[string]int{}
	}
	m.calls[method]++
	m.mu.Unlock()
	if m.Fail != nil {
		return m.Fail(method, repository, reference)
	}
	return nil
}

func (m *Memory) missing(repository, reference string) error {
	return &failure.Error{Class: failure.NotFound, Op: "read", Target: m.Name + "/" + repository + " " + reference, Status: 404}
}

// Host implements image.Registry.
func (m *Memory) Host() string { return m.Name }

// Plain implements image.Registry.
func (m *Memory) Plain() bool { return true }

// Repositories implements image.Registry.
func (m *Memory) Repositories(context.Context) ([]string, error) {
	if err := m.enter("Repositories", "", ""); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.all)), nil
}

// List implements image.Registry.
func (m *Memory) List(_ context.Context, repository string) (all []image.Found, err error) {
	if err := m.enter("List", repository, ""); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.all[repository]
	if r == nil {
		return nil, m.missing(repository, "")
	}
	tagged := map[string]bool{}
	for _, tag := range slices.Sorted(maps.Keys(r.tags)) {
		f := image.Found{Tag: tag}
		if m.Tells {
			f.Digest, f.MediaType, f.Bytes = r.tags[tag], r.manifests[r.tags[tag]].media, m.Bytes
		}
		tagged[r.tags[tag]] = true
		all = append(all, f)
	}
	for _, digest := range slices.Sorted(maps.Keys(r.manifests)) {
		if media := r.manifests[digest].media; m.Tells && !tagged[digest] && media != "blob" {
			all = append(all, image.Found{Digest: digest, MediaType: media, Bytes: m.Bytes})
		}
	}
	return all, nil
}

func (m *Memory) read(method, repository, reference string) (image.Descriptor, []byte, error) {
	if err := m.enter(method, repository, reference); err != nil {
		return image.Descriptor{}, nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	digest := reference
	r := m.all[repository]
	if r != nil && !strings.Contains(reference, ":") {
		digest = r.tags[reference]
	}
	if r == nil || r.manifests[digest].content == nil {
		return image.Descriptor{}, nil, m.missing(repository, reference)
	}
	found := r.manifests[digest]
	return image.Descriptor{Digest: digest, MediaType: found.media, Size: int64(len(found.content))}, found.content, nil
}

// Head implements image.Registry.
func (m *Memory) Head(_ context.Context, repository, reference string) (image.Descriptor, error) {
	d, _, err := m.read("Head", repository, reference)
	return d, err
}

// Manifest implements image.Registry.
func (m *Memory) Manifest(_ context.Context, repository, reference string) (image.Descriptor, []byte, error) {
	return m.read("Manifest", repository, reference)
}

// Blob implements image.Blobs.
func (m *Memory) Blob(_ context.Context, repository, digest string, _ int64) ([]byte, error) {
	_, content, err := m.read("Blob", repository, digest)
	return content, err
}

// Referrers implements image.Registry.
func (m *Memory) Referrers(_ context.Context, repository, digest string) (all []image.Descriptor, err error) {
	if err := m.enter("Referrers", repository, digest); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for d, found := range m.repository(repository).manifests {
		var refers struct{ Subject struct{ Digest string } }
		if json.Unmarshal(found.content, &refers) == nil && refers.Subject.Digest == digest {
			all = append(all, image.Descriptor{Digest: d, MediaType: found.media, Size: int64(len(found.content))})
		}
	}
	return all, nil
}

// Put implements image.Registry.
func (m *Memory) Put(_ context.Context, repository, reference, mediaType string, content []byte) error {
	if err := m.enter("Put", repository, reference); err != nil {
		return err
	}
	if strings.Contains(reference, ":") {
		reference = ""
	}
	m.Store(repository, reference, mediaType, content)
	return nil
}

// Delete implements image.Deleter.
func (m *Memory) Delete(_ context.Context, repository, reference string) error {
	if err := m.enter("Delete", repository, reference); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.repository(repository)
	if !strings.Contains(reference, ":") {
		if m.ByDigest {
			return &failure.Error{Class: failure.DestinationRefuses, Op: "delete", Target: repository + ":" + reference, Err: image.ErrByDigest}
		}
		delete(r.tags, reference)
		return nil
	}
	delete(r.manifests, reference)
	maps.DeleteFunc(r.tags, func(_, digest string) bool { return digest == reference })
	return nil
}

// Login implements image.Registry.
func (m *Memory) Login(context.Context) (image.Login, error) { return image.Login{}, nil }

// Limited implements image.Registry.
func (m *Memory) Limited() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.limited.Before(time.Now()) {
		return time.Time{}
	}
	return m.limited
}

// CopyTo copies a manifest as skopeo does, from this registry to another in memory.
func (m *Memory) CopyTo(to *Memory, repository, reference, target, as string) error {
	d, content, err := m.read("copy", repository, reference)
	if err != nil {
		return err
	}
	if strings.Contains(as, ":") {
		as = ""
	}
	if media, config := image.ConfigOf(content); media != "" {
		if _, blob, err := m.read("copy", repository, config); err == nil {
			to.Store(target, "", "blob", blob)
		}
	}
	entries, err := image.ReadIndex(content)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := m.CopyTo(to, repository, e.Digest, target, e.Digest); err != nil {
			return err
		}
	}
	to.Store(target, as, d.MediaType, content)
	return nil
}
