package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"

	"github.com/datatransferhub/dth/lambda/local"
	"github.com/datatransferhub/dth/lambda/task"
)

// startRegistries starts two registries and fills the first. Without skopeo there would be nothing to copy with: then there are none.
func (s *sampleStores) startRegistries(ctx context.Context, helper string, screen *screen) error {
	if _, err := exec.LookPath("skopeo"); err != nil {
		screen.line("sample images: left out, since skopeo, which copies images, is not on this machine (Debian: apt-get install skopeo)")
		return nil
	}
	for _, name := range []string{"registry-source", "registry-destination"} {
		c, err := startChild(ctx, helper, s.dir, name, "DTH_SAMPLE_SECRET=", "registry")
		if err != nil {
			return err
		}
		s.registries = append(s.registries, c)
	}
	out, err := exec.CommandContext(ctx, helper, "fill-images", "--registry", s.registries[0].host()).Output()
	if err != nil {
		return fmt.Errorf("filling the sample's registry: %w", err)
	}
	var filled struct{ Images, Repositories int }
	if err := json.Unmarshal(out, &filled); err != nil {
		return fmt.Errorf("filling the sample's registry: %w", err)
	}
	screen.line("sample images: %d images in %d repositories", filled.Images, filled.Repositories)
	return nil
}

func (st *child) host() string { return strings.TrimPrefix(st.url, "http://") }

// imageInput describes the sample's task of images. One entry of its list is there on purpose that the source does not have.
func (s *sampleStores) imageInput() task.CreateInput {
	return task.CreateInput{
		Name: "sample-images", Description: "Images of the sample, copied from one registry to another as they are pushed. One is missing on purpose.", Type: local.Images,
		Start: true, ClientToken: "sample-images",
		Parameters: map[string]string{
			"sourceType": "Public", "srcRegistry": s.registries[0].host(), "srcList": "SELECTED", "srcImageList": "sample/*:ALL_TAGS\nsample/missing:1.0",
			"destRegistry": s.registries[1].host(), "destPrefix": "copy", "pollEvery": "30s",
		},
	}
}
