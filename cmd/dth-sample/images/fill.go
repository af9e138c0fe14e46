package images

import (
	"context"
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

// Filled counts what the sample has.
type Filled struct {
	Images       int `json:"images"`
	Repositories int `json:"repositories"`
}

// seed makes the same images each time, so that a second fill writes nothing anew.
const seed = 7

// filler writes to one registry.
type filler struct {
	ctx  context.Context
	host string
	out  Filled
}

// Fill puts the sample's images into a registry without sign-in: repositories with several tags that share a base, an image for two
// architectures, and a signature that refers to it.
func Fill(ctx context.Context, host string) (Filled, error) {
	f := &filler{ctx: ctx, host: host}
	for n, repository := range []string{"sample/web", "sample/api", "sample/tools"} {
		f.out.Repositories++
		for v := range 3 {
			if err := f.image(repository, fmt.Sprintf("1.%d", v), uint64(10*n+v)); err != nil {
				return f.out, err
			}
		}
	}
	f.out.Repositories++
	return f.out, f.signed("sample/multi", "2.0")
}

func noise(n uint64, size int) []byte {
	var key [32]byte
	key[0], key[1], key[2] = seed, byte(n), byte(n>>8)
	out := make([]byte, size)
	_, _ = rand.NewChaCha8(key).Read(out) // it never fails
	return out
}

// build makes an image on the base that all share.
func build(n uint64, architecture string) (v1.Image, error) {
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, content := range [][]byte{noise(1000, 2<<20), noise(n, 200<<10)} {
		var err error
		if img, err = mutate.Append(img, mutate.Addendum{Layer: static.NewLayer(content, types.OCILayer)}); err != nil {
			return nil, err
		}
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture = "linux", architecture
	return mutate.ConfigFile(img, config)
}

func (f *filler) tag(repository, tag string) (name.Tag, error) {
	return name.NewTag(f.host+"/"+repository+":"+tag, name.Insecure)
}

func (f *filler) image(repository, tag string, n uint64) error {
	img, err := build(n, "amd64")
	if err != nil {
		return err
	}
	ref, err := f.tag(repository, tag)
	if err == nil {
		err = remote.Write(ref, img, remote.WithContext(f.ctx))
	}
	if err != nil {
		return fmt.Errorf("writing %s:%s: %w", repository, tag, err)
	}
	f.out.Images++
	return nil
}

// signed writes an image for two architectures, and what stands for its signature.
func (f *filler) signed(repository, tag string) error {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for n, arch := range []string{"amd64", "arm64"} {
		img, err := build(uint64(100+n), arch)
		if err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	ref, err := f.tag(repository, tag)
	if err == nil {
		err = remote.WriteIndex(ref, index, remote.WithContext(f.ctx))
	}
	if err != nil {
		return fmt.Errorf("writing %s:%s: %w", repository, tag, err)
	}
	f.out.Images++
	return f.refer(repository, index)
}

func (f *filler) refer(repository string, subject v1.ImageIndex) error {
	digest, err := subject.Digest()
	if err != nil {
		return err
	}
	size, err := subject.Size()
	if err != nil {
		return err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), "application/vnd.example.signature")
	if img, err = mutate.Append(img, mutate.Addendum{Layer: static.NewLayer([]byte("signed, for the sample"), "application/vnd.example.signature")}); err != nil {
		return err
	}
	signature, ok := mutate.Subject(img, v1.Descriptor{MediaType: types.OCIImageIndex, Digest: digest, Size: size}).(v1.Image)
	if !ok {
		return fmt.Errorf("the signature of %s is no image", repository)
	}
	own, err := signature.Digest()
	if err != nil {
		return err
	}
	ref, err := name.NewDigest(f.host+"/"+repository+"@"+own.String(), name.Insecure)
	if err == nil {
		err = remote.Write(ref, signature, remote.WithContext(f.ctx))
	}
	if err != nil {
		return fmt.Errorf("writing the signature of %s: %w", repository, err)
	}
	return nil
}
