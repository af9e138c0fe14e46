package main

import (
	"context"
	"path/filepath"

	"github.com/datatransferhub/dth/lambda/imageplan/planner"
	"github.com/datatransferhub/dth/lambda/local"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/plugins/ecr"
	"github.com/datatransferhub/dth/plugins/ecr/endsaws"
	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
	"github.com/datatransferhub/dth/worker/image/plan"
	"github.com/datatransferhub/dth/worker/image/record/recordsqlite"
	"github.com/datatransferhub/dth/worker/image/skopeo"
	"github.com/datatransferhub/dth/worker/run/runsqlite"
)

// openImages implements what the hub opens tasks with that copy images.
func (m *machine) openImages(ctx context.Context, t local.Task) (local.ImageParts, error) {
	// Sign-ins of a task that was killed are removed when its folder is opened again.
	tool, err := skopeo.Open(ctx, "", filepath.Join(m.dir, "images", t.Name))
	if err != nil {
		return local.ImageParts{}, err
	}
	p, err := m.planImages(ctx, t)
	if err != nil {
		return local.ImageParts{}, err
	}
	records, err := m.openImageRecords(ctx, t.Name)
	if err != nil {
		return local.ImageParts{}, err
	}
	return local.ImageParts{Plan: p, Tool: tool, Settings: t.Values["destRepositorySettings"] == "copy", Runs: records.Runs, Records: records.Images}, nil
}

// planImages opens both registries of a task.
func (m *machine) planImages(ctx context.Context, t local.Task) (plan.Config, error) {
	o, err := m.access(ctx)
	if err != nil {
		return plan.Config{}, err
	}
	return endsaws.Plan(ctx, &ecr.Config{Region: o.AWS.Region, Values: t.Values}, endsaws.Options{AWS: o.AWS, Secrets: m})
}

func (m *machine) openImageRecords(ctx context.Context, id string) (task.Records, error) {
	images, err := recordsqlite.Open(ctx, m.db, id)
	if err != nil {
		return task.Records{}, err
	}
	runs, err := runsqlite.Open(ctx, m.db, id)
	return task.Records{Runs: runs, Objects: task.ImageOutcomes{Store: images}, Images: images}, err
}

// examineImages looks whether both registries can be used, and whether there is what copies.
func (m *machine) examineImages(ctx context.Context, t local.Task) ([]task.Finding, error) {
	findings, err := planner.Registries{Open: func(ctx context.Context) (plan.Config, error) { return m.planImages(ctx, t) }}.Check(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := skopeo.Open(ctx, "", filepath.Join(m.dir, "images", t.Name)); failure.Is(err, image.NoSkopeo) {
		findings = append(findings, task.Finding{
			End: "both", Right: "reach", Result: "denied", Message: "skopeo, which copies images, is not on this machine",
			Remedy: "install it (Debian: apt-get install skopeo; macOS: brew install skopeo)",
		})
	}
	return findings, nil
}

// compareImages plans, and copies nothing.
func (m *machine) compareImages(ctx context.Context, t local.Task) (*task.PlanResult, error) {
	c, err := m.planImages(ctx, t)
	if err != nil {
		return nil, err
	}
	found, err := plan.Make(ctx, c)
	if err != nil {
		return nil, err
	}
	found.Totals.Queued = int64(found.Images())
	return &task.PlanResult{Totals: found.Totals}, nil
}
