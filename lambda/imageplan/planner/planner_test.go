package planner_test

import (
	"context"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/datatransferhub/dth/lambda/imageplan/planner"
	"github.com/datatransferhub/dth/worker/image"
	"github.com/datatransferhub/dth/worker/image/imagelist"
	"github.com/datatransferhub/dth/worker/image/imagetest"
	"github.com/datatransferhub/dth/worker/image/plan"
	registries "github.com/datatransferhub/dth/worker/image/registry"
)

func serve(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true)))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// What differs becomes batches that name their images as records do; what a list names in vain is told apart.
func TestCompare(t *testing.T) {
	from, to := serve(t), serve(t)
	source, target := imagetest.Filler{Host: from, Base: 100, Layer: 100}, imagetest.Filler{Host: to, Base: 100, Layer: 100}
	for n, tag := range []string{"v1", "v2"} {
		if _, err := source.Write(t.Context(), "team/app", tag, uint64(n)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := target.Write(t.Context(), "team/app", "v1", 0); err != nil {
		t.Fatal(err)
	}
	list, err := imagelist.Parse("team/app:v1,team/app:v2,team/app:v3")
	if err != nil {
		t.Fatal(err)
	}
	r := planner.Registries{Open: func(context.Context) (plan.Config, error) {
		a, err := registries.Open(from, registries.Options{})
		if err != nil {
			return plan.Config{}, err
		}
		b, err := registries.Open(to, registries.Options{})
		return plan.Config{Source: a, Destination: b, List: list}, err
	}}
	c, err := r.Compare(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Batches) != 1 || len(c.Batches[0].Images) != 1 || c.Batches[0].Images[0].Name != "team/app" || c.Batches[0].Images[0].Tag != "v2" || c.Totals.Decisions["same"].Objects != 1 {
		t.Errorf("%+v", c)
	}
	if b, err := image.ParseBatch(c.Batches[0].Document); err != nil || b.Repository != "team/app" {
		t.Errorf("%+v, %v", b, err)
	}
	if len(c.Absent) != 1 || c.Absent[0].Tag != "v3" || c.Absent[0].Class != "not_found" {
		t.Errorf("%+v", c.Absent)
	}
	findings, err := r.Check(t.Context())
	if err != nil || len(findings) != 2 || findings[0].Result != "ok" || findings[1].End != "destination" {
		t.Errorf("%+v, %v", findings, err)
	}
}
