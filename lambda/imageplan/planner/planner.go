// Package planner has a run of images planned by worker/image/plan.
package planner

import (
	"context"
	"fmt"
	"strings"

	"github.com/datatransferhub/dth/lambda/imageplan"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
	"github.com/datatransferhub/dth/worker/image/plan"
)

// Registries implements imageplan.Registries. Open signs in at both ends, as the task's configuration says; it is called for each
// comparison, so that no token and no list is older than a run.
type Registries struct {
	Open func(ctx context.Context) (plan.Config, error)
}

var _ imageplan.Registries = Registries{}

// Compare implements imageplan.Registries.
func (r Registries) Compare(ctx context.Context) (imageplan.Comparison, error) {
	config, err := r.Open(ctx)
	if err != nil {
		return imageplan.Comparison{}, err
	}
	found, err := plan.Make(ctx, config)
	if err != nil {
		return imageplan.Comparison{}, err
	}
	c := imageplan.Comparison{Totals: found.Totals}
	if found.TooMany != nil {
		c.TooMany = found.TooMany.Error()
	}
	for _, b := range found.Batches {
		document, err := image.MarshalBatch(b)
		if err != nil {
			return c, fmt.Errorf("writing the batch of %s: %w", b.Name, err)
		}
		one := imageplan.Batch{Document: document}
		for _, i := range b.Images {
			one.Images = append(one.Images, imageplan.Image{Name: b.Name, Tag: i.Reference()})
		}
		for _, x := range b.Delete {
			one.Deletes = append(one.Deletes, imageplan.Image{Name: b.Name, Tag: x.Reference()})
		}
		c.Batches = append(c.Batches, one)
	}
	for _, a := range found.Absent {
		c.Absent = append(c.Absent, imageplan.Absent{
			Image: imageplan.Image{Name: a.Name, Tag: a.Reference}, Class: string(failure.ClassOf(a.Err)), Message: a.Err.Error(),
		})
	}
	return c, nil
}

// Check implements imageplan.Registries: it signs in at both ends, lists the source's repositories, and looks into one of the
// destination. A registry that lists no repositories, as many public ones do, is unknown, not denied.
func (r Registries) Check(ctx context.Context) ([]task.Finding, error) {
	config, err := r.Open(ctx)
	if err != nil {
		return []task.Finding{{End: "both", Right: "reach", Result: "denied", Message: err.Error(), Remedy: "look at the credentials and roles of both ends"}}, nil
	}
	source := task.Finding{End: "source", Right: "list", Result: "ok"}
	if _, err := config.Source.Repositories(ctx); err != nil {
		source.Result, source.Message, source.Remedy = "denied", err.Error(), "allow this end's identity to list its repositories, or name each image in a list"
		if config.List != nil {
			source.Result = "unknown"
		}
	}
	// The identity at the destination may see its prefix only, and no list of all repositories.
	destination := task.Finding{End: "destination", Right: "list", Result: "ok"}
	if _, err := config.Destination.List(ctx, target(&config, "data-transfer-hub-check")); err != nil && !failure.Is(err, failure.NotFound) {
		destination.Result, destination.Message, destination.Remedy = "denied", err.Error(), "allow this end's identity to list the images of the repositories below destPrefix"
	}
	return []task.Finding{source, destination}, nil
}

// target is the name of a repository at the destination.
func target(c *plan.Config, repository string) string {
	if prefix := strings.Trim(c.Prefix, "/"); prefix != "" {
		return prefix + "/" + repository
	}
	return repository
}
