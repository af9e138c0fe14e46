package planner_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/datatransferhub/dth/lambda/imageplan"
	"github.com/datatransferhub/dth/lambda/imageplan/planner"
	"github.com/datatransferhub/dth/worker/failure"
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

// What only the destination has is deleted by the batch of its repository, unless it is too much: then the comparison says so, and what
// differs is copied all the same.
func TestCompareDeletes(t *testing.T) {
	from, to := serve(t), serve(t)
	source, target := imagetest.Filler{Host: from, Base: 100, Layer: 100}, imagetest.Filler{Host: to, Base: 100, Layer: 100}
	for n, tag := range []string{"v1", "v2"} {
		if _, err := source.Write(t.Context(), "team/app", tag, uint64(n)); err != nil {
			t.Fatal(err)
		}
	}
	for n, tag := range []string{"v1", "old"} {
		if _, err := target.Write(t.Context(), "team/app", tag, uint64(10*n)); err != nil {
			t.Fatal(err)
		}
	}
	for share, want := range map[float64]int{0.5: 1, 0.1: 0} {
		r := planner.Registries{Open: func(context.Context) (plan.Config, error) {
			a, err := registries.Open(from, registries.Options{})
			if err != nil {
				return plan.Config{}, err
			}
			b, err := registries.Open(to, registries.Options{})
			return plan.Config{Source: a, Destination: b, Delete: true, MaxDeleteShare: share}, err
		}}
		c, err := r.Compare(t.Context())
		if err != nil || len(c.Batches) != 1 || len(c.Batches[0].Images) != 1 || c.Batches[0].Images[0].Tag != "v2" || len(c.Batches[0].Deletes) != want || (c.TooMany == "") != (want > 0) {
			t.Fatalf("%g: %+v, %v", share, c, err)
		}
		if want > 0 && c.Batches[0].Deletes[0] != (imageplan.Image{Name: "team/app", Tag: "old"}) || want == 0 && !strings.Contains(c.TooMany, "maxDeleteShare") {
			t.Errorf("%g: %+v", share, c)
		}
	}
}

// narrow is a registry as somebody sees it who may look below a prefix only.
type narrow struct {
	image.Registry
	prefix string
}

func (narrow) Repositories(context.Context) ([]string, error) {
	return nil, &failure.Error{Class: failure.AccessDenied}
}

func (n narrow) List(ctx context.Context, repository string) ([]image.Found, error) {
	if !strings.HasPrefix(repository, n.prefix) {
		return nil, &failure.Error{Class: failure.AccessDenied}
	}
	return n.Registry.List(ctx, repository)
}

// A check asks of the destination what runs ask of it: an identity that may use its prefix alone is enough.
func TestCheckOfANarrowDestination(t *testing.T) {
	a, err := registries.Open(serve(t), registries.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for prefix, want := range map[string]string{"mirror/": "ok", "mirror": "ok", "other": "denied", "": "denied"} {
		r := planner.Registries{Open: func(context.Context) (plan.Config, error) {
			return plan.Config{Source: a, Destination: narrow{a, "mirror/"}, Prefix: prefix}, nil
		}}
		if findings, err := r.Check(t.Context()); err != nil || findings[0].Result != "ok" || findings[1].Result != want {
			t.Errorf("prefix %q: %+v, %v", prefix, findings, err)
		}
	}
	r := planner.Registries{Open: func(context.Context) (plan.Config, error) {
		return plan.Config{Source: narrow{a, ""}, Destination: a, List: []imagelist.Entry{}}, nil
	}}
	if findings, err := r.Check(t.Context()); err != nil || findings[0].Result != "unknown" || findings[1].Result != "ok" {
		t.Errorf("%+v, %v", findings, err)
	}
}

// What failed before agrees by now, has gone, is not chosen any more, or is work; where that cannot be told, nothing is said.
func TestLook(t *testing.T) {
	from, to, other := serve(t), serve(t), serve(t)
	source, target, third := imagetest.Filler{Host: from, Base: 100, Layer: 100}, imagetest.Filler{Host: to, Base: 100, Layer: 100}, imagetest.Filler{Host: other, Base: 100, Layer: 100}
	write := func(f imagetest.Filler, repository, tag string, seed uint64) {
		t.Helper()
		if _, err := f.Write(t.Context(), repository, tag, seed); err != nil {
			t.Fatal(err)
		}
	}
	write(source, "team/app", "same", 1)
	write(target, "mirror/team/app", "same", 1)
	write(source, "team/app", "changed", 2)
	write(target, "mirror/team/app", "changed", 3)
	write(source, "team/app", "new", 4)
	write(third, "lib", "v1", 5)
	write(target, "mirror/lib", "v1", 5)
	open := func(list string, apart bool) planner.Registries {
		return planner.Registries{Open: func(context.Context) (plan.Config, error) {
			c := plan.Config{Prefix: "mirror/", Referrers: true}
			var err error
			if c.List, err = imagelist.Parse(list); err != nil {
				return c, err
			}
			if c.Source, err = registries.Open(from, registries.Options{}); err != nil {
				return c, err
			}
			if apart {
				c.Open = func(host string) (image.Registry, error) { return registries.Open(host, registries.Options{}) }
			}
			c.Destination, err = registries.Open(to, registries.Options{})
			return c, err
		}}
	}
	digest := "sha256:" + strings.Repeat("a", 64)
	for _, c := range []struct {
		list        string
		name, tag   string
		want        imageplan.Standing
		onlyOneHost bool
	}{
		{"", "team/app", "same", imageplan.Same, false},
		{"", "team/app", "changed", "", false},
		{"", "team/app", "new", "", false},
		{"", "team/app", "old", imageplan.Gone, false},
		{"", "team/gone", "1", imageplan.Gone, false},
		{"", "team/app", digest, imageplan.Unwanted, false}, // what has no tag is not taken
		{"", "team/app", imagelist.AllTags, imageplan.Same, false},
		{"", "team/gone", imagelist.AllTags, imageplan.Gone, false},
		{"team/*:s*", "team/app", "same", imageplan.Same, false},
		{"team/*:s*", "team/app", "changed", imageplan.Unwanted, false},
		{"team/*:s*", "team/app", "team/*:s*", imageplan.Same, false}, // the entry itself had chosen nothing
		{"team/*:s*", "team/app", "team/*:x*", imageplan.Unwanted, false},
		{"team/*:s*", "else", imagelist.AllTags, imageplan.Unwanted, false},
		{"team/app@" + digest, "team/app", digest, imageplan.Gone, false},
		{other + "/lib:v1", other + "/lib", "v1", imageplan.Same, false},
		{other + "/lib:v1", "lib", "v1", imageplan.Unwanted, false},
		{"lib:v1", other + "/lib", "v1", imageplan.Unwanted, false},
		{"localhost:1/lib:v1", "localhost:1/lib", "v1", "", false}, // nobody listens there
		{"team/app:same", "team/app", "sha256-" + strings.Repeat("a", 64), imageplan.Gone, false},
		{"team/app:same", "team/app", "same", imageplan.Same, true},
	} {
		i := imageplan.Image{Name: c.name, Tag: c.tag}
		got, err := open(c.list, !c.onlyOneHost).Look(t.Context(), []imageplan.Image{i})
		if err != nil || got[i] != c.want || len(got) > 1 {
			t.Errorf("%q: %v stands %v, %v; want %q", c.list, i, got, err, c.want)
		}
	}
	none := planner.Registries{Open: func(context.Context) (plan.Config, error) { return plan.Config{}, errors.New("no way in") }}
	if _, err := none.Look(t.Context(), []imageplan.Image{{Name: "a", Tag: "b"}}); err == nil {
		t.Error("a look without registries succeeds")
	}
}
