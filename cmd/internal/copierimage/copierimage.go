// Package copierimage assembles the container image of the ECR plugin's copier without Docker: a pinned base that holds skopeo,
// and one layer with our program. The same base and the same programs give the same image, byte for byte. The Dockerfile beside
// the program makes the like of it.
package copierimage

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/match"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/datatransferhub/dth/plugins/ecr/wiring"
)

// Base is the image that the copier's is built upon: upstream's own of skopeo 1.22.3. It is named by digest; the tag is the one
// that upstream never moves.
const Base = "quay.io/skopeo/stable:v1.22.3-immutable@sha256:c0ee1f4edca5c01cb8d5611124f92f3cc47196ecab68aee5d0f90834e00574d5"

// Program is where the copier lies in its image.
const Program = "/usr/local/bin/imagecopier"

// Architectures are those that an image is made for.
func Architectures() []string { return []string{"amd64", "arm64"} }

// Options say what goes into an image.
type Options struct {
	Version  string
	Programs map[string][]byte // static Linux binaries by architecture; one for each of Architectures
}

// Assemble returns the image for all architectures. The base has to hold each of them. Errors name what is missing.
func Assemble(base v1.ImageIndex, o Options) (v1.ImageIndex, error) {
	var index v1.ImageIndex = empty.Index
	index = mutate.IndexMediaType(index, types.OCIImageIndex)
	for _, arch := range Architectures() {
		platform := v1.Platform{OS: "linux", Architecture: arch}
		program := o.Programs[arch]
		if len(program) == 0 {
			return nil, fmt.Errorf("there is no program for %s", platform)
		}
		under, variant, err := child(base, platform)
		if err != nil {
			return nil, err
		}
		image, err := one(under, program, o.Version)
		if err != nil {
			return nil, fmt.Errorf("assembling for %s: %w", platform, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch, Variant: variant}}})
	}
	return index, nil
}

// child returns the image of a platform, and the variant of the processor that it names.
func child(base v1.ImageIndex, platform v1.Platform) (v1.Image, string, error) {
	m, err := base.IndexManifest()
	if err != nil {
		return nil, "", fmt.Errorf("reading the base: %w", err)
	}
	fits := match.Platforms(platform)
	i := slices.IndexFunc(m.Manifests, func(d v1.Descriptor) bool {
		return d.MediaType.IsImage() && d.Platform != nil && (fits(d) || d.Platform.OS == platform.OS && d.Platform.Architecture == platform.Architecture)
	})
	if i < 0 {
		return nil, "", fmt.Errorf("the base has no image for %s", platform)
	}
	image, err := base.Image(m.Manifests[i].Digest)
	if err != nil {
		return nil, "", fmt.Errorf("reading the base for %s: %w", platform, err)
	}
	return image, m.Manifests[i].Platform.Variant, nil
}

// one puts our layer and our settings on the base's image of one platform.
func one(base v1.Image, program []byte, version string) (v1.Image, error) {
	content, err := layer(program)
	if err != nil {
		return nil, err
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil })
	if err != nil {
		return nil, err
	}
	image, err := mutate.Append(base, mutate.Addendum{Layer: l, History: v1.History{CreatedBy: "dth publish " + version, Comment: "Data Transfer Hub's copier"}})
	if err != nil {
		return nil, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config := file.Config
	user := fmt.Sprint(wiring.UserID)
	config.Entrypoint, config.Cmd, config.User, config.WorkingDir = []string{Program}, nil, user+":"+user, wiring.Scratch
	// Fargate gives a volume the owner and the mode that the image's folder has, when the image calls it a volume.
	// https://docs.aws.amazon.com/AmazonECS/latest/developerguide/bind-mounts.html
	config.Volumes = map[string]struct{}{wiring.Scratch: {}}
	config.Env = set(config.Env, "HOME", wiring.Scratch)
	config.Labels = map[string]string{
		"org.opencontainers.image.title": "Data Transfer Hub image copier", "org.opencontainers.image.version": version,
		"org.opencontainers.image.licenses": "Apache-2.0", "org.opencontainers.image.base.name": Base,
	}
	return mutate.Config(image, config)
}

// set returns variables with one of them changed or added.
func set(variables []string, name, value string) []string {
	kept := slices.DeleteFunc(slices.Clone(variables), func(v string) bool { return strings.HasPrefix(v, name+"=") })
	return append(kept, name+"="+value)
}

// layer is our layer as a tar archive: the program, which nobody may write, and the one folder that the program may write to.
func layer(program []byte) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	never := time.Unix(0, 0) // so that the same files are the same layer
	headers := []struct {
		tar.Header
		content []byte
	}{
		{tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimPrefix(Program, "/"), Mode: 0o555, Size: int64(len(program))}, program},
		{tar.Header{Typeflag: tar.TypeDir, Name: strings.TrimPrefix(wiring.Scratch, "/") + "/", Mode: 0o700, Uid: wiring.UserID, Gid: wiring.UserID}, nil},
	}
	var all error
	for i := range headers {
		h := &headers[i]
		h.ModTime, h.Format = never, tar.FormatPAX
		all = errors.Join(all, w.WriteHeader(&h.Header))
		_, err := w.Write(h.content)
		all = errors.Join(all, err)
	}
	return b.Bytes(), errors.Join(all, w.Close())
}
