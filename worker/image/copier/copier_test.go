package copier_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
	"github.com/datatransferhub/dth/worker/image/copier"
	"github.com/datatransferhub/dth/worker/image/imagetest"
	"github.com/datatransferhub/dth/worker/image/plan"
	"github.com/datatransferhub/dth/worker/image/record"
	"github.com/datatransferhub/dth/worker/image/record/recordsqlite"
	"github.com/datatransferhub/dth/worker/image/skopeo"
	"github.com/datatransferhub/dth/worker/retry"
)

// tool copies in memory, after fail has let it.
type tool struct {
	from, to *imagetest.Memory
	fail     func() error
	copies   atomic.Int64
}

func (t *tool) Version() string { return "of the test" }

func (t *tool) Copy(_ context.Context, from, to skopeo.End) error {
	t.copies.Add(1)
	if t.fail != nil {
		if err := t.fail(); err != nil {
			return err
		}
	}
	return t.from.CopyTo(t.to, from.Repository, from.Reference, to.Repository, to.Reference)
}

// memory keeps records.
type memory struct {
	record.Store
	mu  sync.Mutex
	all map[record.Key]record.Record
}

func (m *memory) Put(_ context.Context, r record.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all[r.Key] = r
	return nil
}

func (m *memory) Get(_ context.Context, keys []record.Key) (map[record.Key]record.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	found := map[record.Key]record.Record{}
	for _, k := range keys {
		if r, ok := m.all[k]; ok {
			found[k] = r
		}
	}
	return found, nil
}

// hand is a copier between two registries in memory.
type hand struct {
	from, to *imagetest.Memory
	tool     *tool
	records  *memory
	said     bytes.Buffer
	copier   *copier.Copier
}

func newHand() *hand {
	h := &hand{from: &imagetest.Memory{Name: "from"}, to: &imagetest.Memory{Name: "to"}, records: &memory{all: map[record.Key]record.Record{}}}
	h.tool = &tool{from: h.from, to: h.to}
	h.copier = &copier.Copier{
		Source: h.from, Destination: h.to, Tool: h.tool, Records: h.records, Referrers: true, RunID: "run1",
		Pause: retry.Policy{Base: time.Millisecond, Cap: time.Millisecond}, Log: slog.New(slog.NewTextHandler(&h.said, nil)),
	}
	return h
}

func (h *hand) batch(t *testing.T, b image.Batch) copier.Summary {
	t.Helper()
	b.Name, b.Repository, b.Target = "app", "app", "copy/app"
	s, err := h.copier.Batch(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (h *hand) record(reference string) record.Record {
	return h.records.all[record.Key{Image: "app", Tag: reference}]
}

func throttled() error {
	return &failure.Error{Class: failure.Throttled, Op: "copy", Target: "x", Detail: "too many requests"}
}

// An image is copied with its digest, its platform and what refers to it; a second batch finds it there.
func TestBatch(t *testing.T) {
	h := newHand()
	digest := h.from.Add("app", "v1", 1, "")
	signature := h.from.Add("app", "", 2, digest)
	b := image.Batch{Images: []image.Image{{Tag: "v1", Digest: digest}}}
	if s := h.batch(t, b); s.Copied != 1 || s.Failed != 0 {
		t.Errorf("%+v\n%s", s, h.said.String())
	}
	r := h.record("v1")
	if r.Status != record.Done || r.SourceDigest != digest || r.DestinationDigest != digest || !slices.Equal(r.Platforms, []string{"linux/arm64/v8"}) || r.Referrers != 1 {
		t.Errorf("%+v", r)
	}
	if _, err := h.to.Head(t.Context(), "copy/app", signature); err != nil {
		t.Error(err)
	}
	h.copier.RunID = "run2"
	if s := h.batch(t, b); s.Unchanged != 1 || h.tool.copies.Load() != 2 {
		t.Errorf("%+v, %d copies", s, h.tool.copies.Load())
	}
}

// A configuration that cannot be read costs the platform's name, and nothing else.
func TestPlatformThatCannotBeRead(t *testing.T) {
	h := newHand()
	digest := h.from.Add("app", "v1", 1, "")
	h.to.Fail = func(method, _, _ string) error {
		if method == "Blob" {
			return &failure.Error{Class: failure.AccessDenied, Op: "read", Target: "blob"}
		}
		return nil
	}
	h.batch(t, image.Batch{Images: []image.Image{{Tag: "v1", Digest: digest}}})
	if r := h.record("v1"); r.Status != record.Done || r.Platforms != nil || !strings.Contains(h.said.String(), "platform") {
		t.Errorf("%+v\n%s", r, h.said.String())
	}
}

// Either end may have had enough. It is asked until when, since skopeo does not tell, and is waited for.
func TestLimits(t *testing.T) {
	for name, destination := range map[string]bool{"source": false, "destination": true} {
		t.Run(name, func(t *testing.T) {
			h := newHand()
			digest := h.from.Add("app", "v1", 1, "")
			limited := h.from
			if destination {
				limited = h.to
			}
			var until atomic.Pointer[time.Time]
			h.tool.fail = func() error {
				if at := until.Load(); at == nil {
					at := time.Now().Add(1100 * time.Millisecond)
					until.Store(&at)
					return throttled()
				}
				return nil
			}
			limited.Fail = func(string, string, string) error {
				if at := until.Load(); at != nil && time.Now().Before(*at) {
					limited.Limit(*at)
					return throttled()
				}
				return nil
			}
			began := time.Now()
			s := h.batch(t, image.Batch{Images: []image.Image{{Tag: "v1", Digest: digest}}})
			if took := time.Since(began); s.Copied != 1 || took < time.Second || took > 10*time.Second || h.record("v1").Attempts != 2 {
				t.Errorf("%+v after %s: %+v", s, took, h.record("v1"))
			}
			if !strings.Contains(h.said.String(), "registry="+limited.Name) {
				t.Errorf("nobody is told: %s", h.said.String())
			}
		})
	}
}

// A limit that lasts longer than is waited for is a failure that says until when, at once.
func TestALimitThatLastsTooLong(t *testing.T) {
	for name, destination := range map[string]bool{"source": false, "destination": true} {
		t.Run(name, func(t *testing.T) {
			h := newHand()
			digest := h.from.Add("app", "v1", 1, "")
			limited := h.from
			if destination {
				limited = h.to
			}
			h.tool.fail = throttled
			limited.Fail = func(string, string, string) error {
				if h.tool.copies.Load() == 0 {
					return nil
				}
				limited.Limit(time.Now().Add(time.Hour))
				return throttled()
			}
			s := h.batch(t, image.Batch{Images: []image.Image{{Tag: "v1", Digest: digest}}})
			r := h.record("v1")
			if s.Failed != 1 || r.ErrorClass != string(failure.Throttled) || r.Attempts != 1 || !strings.Contains(r.ErrorMessage, limited.Name+" says that it serves again at 20") {
				t.Errorf("%+v %+v", s, r)
			}
		})
	}
}

// extra describes what the destination has under a reference.
func (h *hand) extra(t *testing.T, reference string) image.Extra {
	t.Helper()
	d, err := h.to.Head(t.Context(), "copy/app", reference)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(reference, ":") {
		return image.Extra{Digest: reference}
	}
	return image.Extra{Tag: reference, Digest: d.Digest}
}

// What the source does not have is deleted, after the copies; what it has by now, what was pushed to the destination meanwhile, and
// what is gone already are each left as they are.
func TestDeletions(t *testing.T) {
	h := newHand()
	image1 := h.from.Add("app", "v1", 1, "")
	for n, tag := range []string{"old", "back", "moved", "gone"} {
		h.to.Add("copy/app", tag, 10+n, "")
	}
	untagged := h.to.Add("copy/app", "", 20, "")
	b := image.Batch{Images: []image.Image{{Tag: "v1", Digest: image1}}, Delete: []image.Extra{
		h.extra(t, "old"), h.extra(t, "back"), h.extra(t, "moved"), h.extra(t, "gone"), h.extra(t, untagged),
	}}
	h.from.Add("app", "back", 11, "")
	h.to.Add("copy/app", "moved", 99, "")
	h.to.Remove("copy/app", "gone")
	h.to.Fail = func(method, _, reference string) error {
		if method == "Delete" && h.tool.copies.Load() == 0 {
			t.Errorf("%s is deleted before anything was copied", reference)
		}
		return nil
	}
	if s := h.batch(t, b); s.Copied != 1 || s.Deleted != 3 || s.Failed != 0 {
		t.Errorf("%+v\n%s", s, h.said.String())
	}
	if got := slices.Sorted(maps.Keys(h.to.Tags("copy/app"))); !slices.Equal(got, []string{"back", "moved", "v1"}) {
		t.Errorf("left: %v", got)
	}
	for reference, want := range map[string]record.Status{"old": record.Deleted, "gone": record.Deleted, untagged: record.Deleted, "back": "", "moved": ""} {
		if r := h.record(reference); r.Status != want || want != "" && (r.DestinationDigest == "" || r.RunID != "run1") {
			t.Errorf("%s: %+v", reference, r)
		}
	}
}

// A manifest that was to lose its last tag to a copy is not deleted when the copy failed: its tag would go with it.
func TestMovedTagWhoseCopyFailed(t *testing.T) {
	for _, fails := range []bool{true, false} {
		h := newHand()
		h.from.Tells, h.to.Tells = true, true
		h.from.Add("app", "latest", 2, "")
		before := h.to.Add("copy/app", "latest", 1, "")
		found, err := plan.Make(t.Context(), plan.Config{Source: h.from, Destination: h.to, Prefix: "copy", Untagged: true, Delete: true, MaxDeleteShare: 1})
		if err != nil || len(found.Batches) != 1 || len(found.Batches[0].Delete) != 1 || found.Batches[0].Delete[0] != (image.Extra{Digest: before}) {
			t.Fatalf("%+v %v", found, err)
		}
		if fails {
			h.tool.fail = func() error { return &failure.Error{Class: failure.AccessDenied, Op: "copy", Target: "x"} }
		}
		s := h.batch(t, found.Batches[0])
		_, err = h.to.Head(t.Context(), "copy/app", before)
		if there := err == nil; there != fails || (s.Deleted == 0) != fails || len(h.to.Tags("copy/app")) != 1 {
			t.Errorf("copy fails: %t, %+v, %v", fails, s, err)
		}
	}
}

// A source that does not say whether it has an image has it deleted by nobody.
func TestDeletionNeedsAnAnswer(t *testing.T) {
	for _, class := range []failure.Class{failure.AccessDenied, failure.Server, failure.Network} {
		h := newHand()
		h.to.Add("copy/app", "old", 1, "")
		h.from.Fail = func(string, string, string) error { return &failure.Error{Class: class, Op: "read", Target: "x"} }
		s := h.batch(t, image.Batch{Delete: []image.Extra{h.extra(t, "old")}})
		if r := h.record("old"); s.Failed != 1 || s.Deleted != 0 || r.Status != record.Failed || r.ErrorClass != string(class) || len(h.to.Tags("copy/app")) != 1 {
			t.Errorf("%s: %+v %+v", class, s, r)
		}
	}
}

// A registry that removes manifests only, with all their tags, loses none that stays: neither a tag nor what an index lists.
func TestDeletionByDigest(t *testing.T) {
	h := newHand()
	h.to.ByDigest = true
	for tag, seed := range map[string]int{"old": 1, "twin1": 2, "twin2": 2, "shared": 3, "kept": 3, "part": 4} {
		h.to.Add("copy/app", tag, seed, "")
	}
	h.to.AddIndex("copy/app", "index", h.extra(t, "part").Digest)
	var b image.Batch
	for _, tag := range []string{"old", "twin1", "twin2", "shared", "part"} {
		b.Delete = append(b.Delete, h.extra(t, tag))
	}
	if s := h.batch(t, b); s.Deleted != 3 || s.Failed != 2 {
		t.Errorf("%+v\n%s", s, h.said.String())
	}
	if got := slices.Sorted(maps.Keys(h.to.Tags("copy/app"))); !slices.Equal(got, []string{"index", "kept", "part", "shared"}) {
		t.Errorf("left: %v", got)
	}
	for tag, why := range map[string]string{"shared": "tag kept", "part": "part of index index"} {
		if r := h.record(tag); r.ErrorClass != string(failure.DestinationRefuses) || !strings.Contains(r.ErrorMessage, why) {
			t.Errorf("%s: %+v", tag, r)
		}
	}
}

// keepers let nothing be deleted.
type keeper struct{ image.Registry }

func TestRegistryThatDeletesNothing(t *testing.T) {
	h := newHand()
	h.to.Add("copy/app", "old", 1, "")
	h.copier.Destination = keeper{h.to}
	if s := h.batch(t, image.Batch{Delete: []image.Extra{h.extra(t, "old")}}); s.Failed != 1 || h.record("old").ErrorClass != string(failure.DestinationRefuses) {
		t.Errorf("%+v %+v", s, h.record("old"))
	}
}

// Whatever both ends hold, however the destination deletes, and whatever changes between plan and deletion: each reference that the
// source has is still at the destination afterwards, if it was, and a second pass finds nothing to do.
func TestNothingOfTheSourceIsDeleted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newHand()
		h.from.Tells = rapid.Bool().Draw(t, "listings tell")
		h.to.Tells, h.to.ByDigest = h.from.Tells, rapid.Bool().Draw(t, "by digest")
		draw := func(at *imagetest.Memory, repository, what string) {
			for range rapid.IntRange(0, 8).Draw(t, what) {
				at.Add(repository, rapid.SampledFrom([]string{"v1", "v2", "v3", "v4", "v5"}).Draw(t, "tag"), rapid.IntRange(0, 4).Draw(t, "content"), "")
			}
		}
		h.from.Make("app")
		draw(h.from, "app", "source")
		draw(h.to, "copy/app", "destination")
		c := plan.Config{Source: h.from, Destination: h.to, Prefix: "copy", Untagged: true, Delete: true, MaxDeleteShare: 1}
		found, err := plan.Make(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		draw(h.from, "app", "pushed meanwhile")
		at := h.to.Tags("copy/app")
		for _, b := range found.Batches {
			if _, err := h.copier.Batch(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		after := h.to.Tags("copy/app")
		for tag := range h.from.Tags("app") {
			if _, before := at[tag]; before && after[tag] == "" {
				t.Errorf("%s is at the source and was deleted", tag)
			}
		}
		for range 2 {
			if found, err = plan.Make(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			for _, b := range found.Batches {
				if _, err := h.copier.Batch(t.Context(), b); err != nil {
					t.Fatal(err)
				}
			}
		}
		if !h.to.ByDigest && !maps.Equal(h.from.Tags("app"), h.to.Tags("copy/app")) {
			t.Errorf("source %v, destination %v", h.from.Tags("app"), h.to.Tags("copy/app"))
		}
	})
}

// A task that was thought dead, and ends after the one that took its place, changes no record.
func TestLateRecords(t *testing.T) {
	db, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "r.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	records, err := recordsqlite.Open(t.Context(), db, "task")
	if err != nil {
		t.Fatal(err)
	}
	h := newHand()
	h.copier.Records = records
	h.from.Add("app", "v1", 1, "")
	b := image.Batch{Name: "app", Repository: "app", Target: "app", Images: []image.Image{{Tag: "v1", Digest: "sha256:" + strings.Repeat("0", 64)}}}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for n, step := range []time.Duration{0, -time.Hour} {
		h.copier.RunID, h.copier.Now = fmt.Sprint("run", n), func() time.Time { return now.Add(step) }
		if _, err := h.copier.Batch(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	key := record.Key{Image: "app", Tag: "v1"}
	if on, err := records.Get(t.Context(), []record.Key{key}); err != nil || on[key].RunID != "run0" {
		t.Errorf("%+v %v", on[key], err)
	}
}
