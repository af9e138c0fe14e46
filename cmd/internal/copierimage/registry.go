package copierimage

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Pull opens a base that is named by digest; its layers are read when they are pushed. A reference without a digest is refused:
// what it means tomorrow nobody knows. auth may be nil: nobody in particular.
func Pull(ctx context.Context, reference string, auth authn.Authenticator) (v1.ImageIndex, error) {
	ref, err := name.NewDigest(reference)
	if err != nil {
		return nil, fmt.Errorf("the base %q must name a digest, REGISTRY/REPOSITORY@sha256:...: %w", reference, err)
	}
	index, err := remote.Index(ref, options(ctx, auth)...)
	if err != nil {
		return nil, fmt.Errorf("pulling the base %s: %w", reference, err)
	}
	return index, nil
}

func options(ctx context.Context, auth authn.Authenticator) []remote.Option {
	if auth == nil {
		auth = authn.Anonymous
	}
	return []remote.Option{remote.WithContext(ctx), remote.WithAuth(auth), remote.WithJobs(4)}
}

// State says what has to be done with an image in a registry.
type State string

// The states.
const (
	Missing  State = "upload"
	Same     State = "same"     // the tag is there, with this digest
	Conflict State = "conflict" // the tag is there, with another one
)

// Target is a tag in a registry: REGISTRY/REPOSITORY:TAG, and who pushes.
type Target struct {
	Reference string
	Auth      authn.Authenticator // nil: nobody in particular
}

// Look compares an image with what is under a tag. Nothing is written.
func (t Target) Look(ctx context.Context, index v1.ImageIndex) (State, error) {
	ref, err := name.NewTag(t.Reference)
	if err != nil {
		return "", fmt.Errorf("the image's place %q: %w", t.Reference, err)
	}
	want, err := index.Digest()
	if err != nil {
		return "", err
	}
	is, err := remote.Head(ref, options(ctx, t.Auth)...)
	var refused *transport.Error
	switch {
	case errors.As(err, &refused) && refused.StatusCode == http.StatusNotFound:
		return Missing, nil
	case err != nil:
		return "", fmt.Errorf("looking at %s: %w", t.Reference, err)
	case is.Digest == want:
		return Same, nil
	}
	return Conflict, nil
}

// Push puts an image under a tag, and reads back that it is there. A tag that is there with another digest stays: the error says
// so.
func (t Target) Push(ctx context.Context, index v1.ImageIndex) error {
	state, err := t.Look(ctx, index)
	switch {
	case err != nil:
		return err
	case state == Same:
		return nil
	case state == Conflict:
		return fmt.Errorf("%s is there with another digest and stays as it is; publish under a new version", t.Reference)
	}
	ref, err := name.NewTag(t.Reference)
	if err != nil {
		return err
	}
	if err := remote.WriteIndex(ref, index, options(ctx, t.Auth)...); err != nil {
		return fmt.Errorf("pushing %s: %w", t.Reference, err)
	}
	if state, err = t.Look(ctx, index); err == nil && state != Same {
		err = fmt.Errorf("%s was pushed, and is not what was read back", t.Reference)
	}
	return err
}

// WriteLayout writes an image as an OCI layout below a folder, to be carried elsewhere.
func WriteLayout(dir string, index v1.ImageIndex) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if _, err := layout.Write(dir, index); err != nil {
		return fmt.Errorf("writing the image to %s: %w", dir, err)
	}
	return nil
}

// ReadPrograms reads the copier's binaries from the folder that make release filled: DIR/linux-ARCH/imagecopier.
func ReadPrograms(dir string) (map[string][]byte, error) {
	programs := map[string][]byte{}
	var missing error
	for _, arch := range Architectures() {
		content, err := os.ReadFile(filepath.Join(dir, "linux-"+arch, "imagecopier"))
		if err != nil {
			missing = errors.Join(missing, fmt.Errorf("the copier for %s is not built (make copier): %w", arch, err))
		}
		programs[arch] = content
	}
	return programs, missing
}
