package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/datatransferhub/dth/cmd/internal/copierimage"
	"github.com/datatransferhub/dth/cmd/internal/publish"
	"github.com/datatransferhub/dth/cmd/internal/publish/publishaws"
)

// imageFlags say where the copier's container image is published.
type imageFlags struct{ repository, base string }

// named reports whether the repository is given with its registry. A registry's name has a dot or a port.
func (f imageFlags) named() bool {
	host, _, found := strings.Cut(f.repository, "/")
	return found && (strings.ContainsAny(host, ".:") || host == "localhost")
}

// assemble makes the image from the binaries of a release.
func (f imageFlags) assemble(ctx context.Context, from, version string) (v1.ImageIndex, v1.Hash, error) {
	programs, err := copierimage.ReadPrograms(filepath.Join(from, "image"))
	if err != nil {
		return nil, v1.Hash{}, err
	}
	base, err := copierimage.Pull(ctx, f.base, nil)
	if err != nil {
		return nil, v1.Hash{}, err
	}
	index, err := copierimage.Assemble(base, copierimage.Options{Version: version, Programs: programs})
	if err != nil {
		return nil, v1.Hash{}, err
	}
	digest, err := index.Digest()
	return index, digest, err
}

// imagePlan is what is to be done with the image.
type imagePlan struct {
	index   v1.ImageIndex
	digest  v1.Hash
	layout  string // folder to write to, instead of registries
	targets []copierimage.Target
}

// plan assembles the image, finds its registries, and has the templates name it, when it goes to the ECR of each region. No
// registry is written to, but for repositories that are made when write is set.
func (f imageFlags) plan(ctx context.Context, p *publishFlags, r *publish.Release, write bool) (*imagePlan, error) {
	if f.repository == "" {
		return nil, nil
	}
	version := r.Version.String()
	index, digest, err := f.assemble(ctx, p.from, version)
	if err != nil {
		return nil, err
	}
	plan := &imagePlan{index: index, digest: digest}
	switch {
	case p.out != "":
		plan.layout = filepath.Join(p.out, "image")
		return plan, nil
	case f.named():
		plan.targets = []copierimage.Target{{Reference: f.repository + ":" + version}}
		return plan, nil
	}
	cfg, account, err := p.account(ctx)
	if err != nil {
		return nil, err
	}
	if plan.targets, err = f.inRegions(ctx, cfg, p.regions, version, write); err != nil {
		return nil, err
	}
	return plan, r.SetImage(publish.Image{Account: account, Repository: f.repository, Digest: digest.String()})
}

// inRegions are the tags in the ECR of each region.
func (f imageFlags) inRegions(ctx context.Context, cfg aws.Config, regions []string, version string, write bool) ([]copierimage.Target, error) {
	var targets []copierimage.Target
	for _, region := range regions {
		repository, err := publishaws.OpenRepository(ctx, cfg, region, f.repository, write)
		if err != nil {
			return nil, err
		}
		auth := authn.FromConfig(authn.AuthConfig{Username: repository.User, Password: repository.Password})
		targets = append(targets, copierimage.Target{Reference: repository.Address + ":" + version, Auth: auth})
	}
	return targets, nil
}

// look prints what would be done.
func (p *imagePlan) look(ctx context.Context, out io.Writer) error {
	if p == nil {
		return nil
	}
	for _, t := range p.targets {
		state, err := t.Look(ctx, p.index)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%-8s %10s  %s@%s\n", state, "image", t.Reference, p.digest)
	}
	return nil
}

// push puts the image everywhere before any template names it.
func (p *imagePlan) push(ctx context.Context, out io.Writer) error {
	if p == nil {
		return nil
	}
	if p.layout != "" {
		if err := copierimage.WriteLayout(p.layout, p.index); err != nil {
			return err
		}
		fmt.Fprintf(out, "the image %s is in %s as an OCI layout; push it to the ECR of each region, and give it as copierImage\n", p.digest, p.layout)
		return nil
	}
	for _, t := range p.targets {
		if err := t.Push(ctx, p.index); err != nil {
			return err
		}
		fmt.Fprintf(out, "the image %s@%s is published and was read back\n", t.Reference, p.digest)
	}
	return nil
}
