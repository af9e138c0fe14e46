// Package imagetest fills registries with images for tests, the sample and the bench: tags, images for several architectures, a
// base that many share, and what refers to an image. The same seed makes the same digests.
package imagetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Filler writes images to a registry.
type Filler struct {
	Host string // host:port, spoken to without TLS
	// Base is the size in bytes of the layer that all images share, Layer that of each image's own.
	Base, Layer int
	Options     []remote.Option
}

func (f *Filler) options(ctx context.Context) []remote.Option {
	return append([]remote.Option{remote.WithContext(ctx)}, f.Options...)
}

func (f *Filler) tag(repository, tag string) (name.Tag, error) {
	return name.NewTag(f.Host+"/"+repository+":"+tag, name.Insecure)
}

// noise is content that does not compress, the same for the same seed.
func noise(seed uint64, n int) []byte {
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	out := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(out) // it never fails
	return out
}

// Image makes an image of an architecture: the shared base, and a layer of its own. Docker's media types where docker is true,
// else OCI's.
func (f *Filler) Image(seed uint64, architecture string, docker bool) (v1.Image, error) {
	layerType, manifestType, configType := types.OCILayer, types.OCIManifestSchema1, types.OCIConfigJSON
	if docker {
		layerType, manifestType, configType = types.DockerLayer, types.DockerManifestSchema2, types.DockerConfigJSON
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, manifestType), configType)
	for _, content := range [][]byte{noise(1, f.Base), noise(seed+1000, f.Layer)} {
		var err error
		if img, err = mutate.Append(img, mutate.Addendum{Layer: static.NewLayer(content, layerType)}); err != nil {
			return nil, err
		}
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Author = "linux", architecture, fmt.Sprintf("sample %d", seed)
	return mutate.ConfigFile(img, config)
}

// Write puts an image of one architecture under a tag.
func (f *Filler) Write(ctx context.Context, repository, tag string, seed uint64) (string, error) {
	ref, err := f.tag(repository, tag)
	if err != nil {
		return "", err
	}
	img, err := f.Image(seed, "amd64", seed%2 == 0)
	if err != nil {
		return "", err
	}
	if err := remote.Write(ref, img, f.options(ctx)...); err != nil {
		return "", err
	}
	return digest(img)
}

func digest(of interface{ Digest() (v1.Hash, error) }) (string, error) {
	d, err := of.Digest()
	return d.String(), err
}

// WriteIndex puts an image of two architectures under a tag. With odd, its index names the type of an artifact, which some
// versions of skopeo leave out.
func (f *Filler) WriteIndex(ctx context.Context, repository, tag string, seed uint64, odd bool) (string, error) {
	ref, err := f.tag(repository, tag)
	if err != nil {
		return "", err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for n, architecture := range []string{"amd64", "arm64"} {
		img, err := f.Image(2*seed+uint64(n), architecture, false)
		if err != nil {
			return "", err
		}
		add := mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: architecture}}}
		if odd {
			add.ArtifactType = "application/vnd.example.sample.v1"
		}
		index = mutate.AppendManifests(index, add)
	}
	if err := remote.WriteIndex(ref, index, f.options(ctx)...); err != nil {
		return "", err
	}
	return digest(index)
}

// artifact is a manifest of OCI 1.1 that refers to another.
type artifact struct {
	v1.Image
	content []byte
}

func (a artifact) RawManifest() ([]byte, error)        { return a.content, nil }
func (a artifact) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

// Refer puts a manifest of a type (a signature, an SBOM) that refers to a digest. It has no tag of its own; at registries that keep
// no list of referrers, the list's tag names it.
func (f *Filler) Refer(ctx context.Context, repository, subject, kind string) (string, error) {
	to, err := name.NewDigest(f.Host+"/"+repository+"@"+subject, name.Insecure)
	if err != nil {
		return "", err
	}
	described, err := remote.Head(to, f.options(ctx)...)
	if err != nil {
		return "", err
	}
	config, layer := static.NewLayer([]byte("{}"), "application/vnd.oci.empty.v1+json"), static.NewLayer([]byte(kind+" of "+subject), types.MediaType(kind))
	manifest := map[string]any{"schemaVersion": 2, "mediaType": types.OCIManifestSchema1, "artifactType": kind, "subject": map[string]any{
		"mediaType": described.MediaType, "digest": subject, "size": described.Size,
	}}
	var descriptors []map[string]any
	for _, l := range []v1.Layer{config, layer} {
		if err := remote.WriteLayer(to.Context(), l, f.options(ctx)...); err != nil {
			return "", err
		}
		media, err1 := l.MediaType()
		d, err2 := l.Digest()
		size, err3 := l.Size()
		for _, err := range []error{err1, err2, err3} {
			if err != nil {
				return "", err
			}
		}
		descriptors = append(descriptors, map[string]any{"mediaType": media, "digest": d.String(), "size": size})
	}
	manifest["config"], manifest["layers"] = descriptors[0], descriptors[1:]
	content, err := json.Marshal(manifest)
	if err != nil {
		return "", err
	}
	sum, _, err := v1.SHA256(bytes.NewReader(content))
	if err != nil {
		return "", err
	}
	return sum.String(), remote.Put(to.Context().Digest(sum.String()), artifact{empty.Image, content}, f.options(ctx)...)
}
