package pass_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
	"github.com/datatransferhub/dth/worker/image/copier"
	"github.com/datatransferhub/dth/worker/image/imagetest"
	"github.com/datatransferhub/dth/worker/image/pass"
	"github.com/datatransferhub/dth/worker/image/plan"
	"github.com/datatransferhub/dth/worker/image/record"
	"github.com/datatransferhub/dth/worker/image/skopeo"
)

// gone reports whether an end has no such image.
func gone(t *testing.T, at image.Registry, repository, reference string) bool {
	t.Helper()
	_, err := at.Head(t.Context(), repository, reference)
	if err != nil && !failure.Is(err, failure.NotFound) {
		t.Error(err)
	}
	return err != nil
}

// What was deleted at the source is deleted at a real registry, which removes manifests only, and nothing else is.
func TestDeletionAtARegistry(t *testing.T) {
	need(t)
	source, destination := server(t), server(t)
	from, to := open(t, source.Host, nil), open(t, destination.Host, nil)
	all := fill(t, source.Host)
	h := newHand(t, from, to)
	h.config.Plan.Delete, h.config.Plan.MaxDeleteShare = true, 0.5
	if r := h.run(t, "run1"); !r.Agree() || r.Deleted != 0 || r.Plan.Extraneous != 0 {
		t.Fatalf("%+v\n%s", r, h.log)
	}
	for _, tag := range []string{"1.1", "1.2"} {
		if err := from.Delete(t.Context(), "team/app", all["team/app "+tag]); err != nil {
			t.Fatal(err)
		}
		delete(all, "team/app "+tag)
	}
	stranger := imagetest.Filler{Host: destination.Host, Base: 100, Layer: 10}
	if _, err := stranger.Write(t.Context(), "another/app", "1", 77); err != nil {
		t.Fatal(err)
	}
	if r := h.run(t, "run2"); !r.Agree() || r.Deleted != 2 || r.Copied != 0 {
		t.Errorf("%+v\n%s", r, h.log)
	}
	agree(t, to, "", all)
	if !gone(t, to, "team/app", "1.1") || !gone(t, to, "team/app", "1.2") || gone(t, to, "another/app", "1") {
		t.Error("the wrong ones were deleted")
	}
	on, err := h.records.List(t.Context(), record.Deleted, 10, "")
	if err != nil || len(on.Records) != 2 || on.Records[0].RunID != "run2" || on.Records[0].DestinationDigest == "" {
		t.Errorf("%+v %v", on, err)
	}
	if r := h.run(t, "run3"); !r.Agree() || r.Deleted != 0 {
		t.Errorf("%+v", r)
	}
}

// Too much to be deleted fails the run, after everything was copied, and nothing is deleted.
func TestTooManyToDelete(t *testing.T) {
	need(t)
	source, destination := server(t), server(t)
	f, other := imagetest.Filler{Host: source.Host, Base: 100, Layer: 10}, imagetest.Filler{Host: destination.Host, Base: 100, Layer: 10}
	digest, err := f.Write(t.Context(), "app", "new", 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Write(t.Context(), "app", "old", 2); err != nil {
		t.Fatal(err)
	}
	to := open(t, destination.Host, nil)
	h := newHand(t, open(t, source.Host, nil), to)
	h.config.Plan.Delete, h.config.Plan.MaxDeleteShare = true, 0.1
	r, err := pass.Run(t.Context(), h.config)
	var many *plan.TooManyError
	if !errors.As(err, &many) || r == nil || r.Copied != 1 || r.Deleted != 0 || !r.Proved || r.Agree() {
		t.Errorf("%v %+v", err, r)
	}
	agree(t, to, "", map[string]string{"app new": digest})
	if gone(t, to, "app", "old") {
		t.Error("it was deleted")
	}
}

// slow is a tool that copies in memory, and watches how many copies go to each repository at once.
type slow struct {
	from, to *imagetest.Memory

	mu       sync.Mutex
	under    map[string]int
	together int // the most in one repository
	apart    int // the most in all
}

func (s *slow) Version() string { return "of the test" }

func (s *slow) Copy(_ context.Context, from, to skopeo.End) error {
	s.mu.Lock()
	s.under[to.Repository]++
	all := 0
	for _, n := range s.under {
		all += n
	}
	s.together, s.apart = max(s.together, s.under[to.Repository]), max(s.apart, all)
	s.mu.Unlock()
	time.Sleep(time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.under[to.Repository]--
	return s.from.CopyTo(s.to, from.Repository, from.Reference, to.Repository, to.Reference)
}

// Batches of one repository are copied one after the other, so that none sends the layers that another is sending; those of several
// at once.
func TestBatchesOfOneRepositoryAreInSequence(t *testing.T) {
	s := &slow{from: &imagetest.Memory{Name: "from"}, to: &imagetest.Memory{Name: "to"}, under: map[string]int{}}
	for n := range 40 {
		s.from.Add(fmt.Sprint("r", n%2), fmt.Sprint("v", n), n, "")
	}
	store := newRecords(t)
	r, err := pass.Run(t.Context(), pass.Config{
		Plan:   plan.Config{Source: s.from, Destination: s.to, BatchImages: 3},
		Copier: &copier.Copier{Source: s.from, Destination: s.to, Tool: s, Records: store, RunID: "run1"}, Prove: true,
	})
	if err != nil || !r.Agree() || r.Copied != 40 || s.together != 1 || s.apart != 2 {
		t.Errorf("%v %+v: %d at once in one repository, %d in all", err, r, s.together, s.apart)
	}
}

// An image that cannot be looked at is a failure with its reason; all else is copied, and the run is no failure as a whole. What cannot
// be looked at by the proof is never called agreement.
func TestUnreadableImages(t *testing.T) {
	s := &slow{from: &imagetest.Memory{Name: "from"}, to: &imagetest.Memory{Name: "to"}, under: map[string]int{}}
	for n := range 4 {
		s.from.Add("app", fmt.Sprint("v", n), n, "")
	}
	denied := "v1"
	s.from.Fail = func(method, _, reference string) error {
		if method == "Head" && reference == denied {
			return &failure.Error{Class: failure.AccessDenied, Op: "read", Target: reference, Detail: "denied for the test"}
		}
		return nil
	}
	store := newRecords(t)
	c := pass.Config{
		Plan:   plan.Config{Source: s.from, Destination: s.to},
		Copier: &copier.Copier{Source: s.from, Destination: s.to, Tool: s, Records: store, RunID: "run1"}, Prove: true,
	}
	r, err := pass.Run(t.Context(), c)
	if err != nil || r.Copied != 3 || r.Absent != 1 || r.Agree() || r.Named+r.Newer+r.Left != 0 {
		t.Errorf("%v %+v", err, r)
	}
	key := record.Key{Image: "app", Tag: "v1"}
	on, err := store.Get(t.Context(), []record.Key{key})
	if one := on[key]; err != nil || one.Status != record.Failed || one.ErrorClass != string(failure.AccessDenied) || !strings.Contains(one.ErrorMessage, "denied for the test") {
		t.Errorf("%+v %v", one, err)
	}
	denied = ""
	c.OnProve = func() error { denied = "v2"; return nil }
	c.Copier.RunID = "run2"
	if r, err = pass.Run(t.Context(), c); err != nil || r.Copied != 1 || r.Left != 1 || r.Agree() {
		t.Errorf("%v %+v", err, r)
	}
}
