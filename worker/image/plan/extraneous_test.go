package plan_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
	"github.com/datatransferhub/dth/worker/image/imagetest"
	"github.com/datatransferhub/dth/worker/image/plan"
)

// deletions are what batches delete, as NAME:REFERENCE.
func deletions(r *plan.Result) (all []string) {
	for _, b := range r.Batches {
		for _, x := range b.Delete {
			all = append(all, b.Name+":"+x.Reference())
		}
	}
	slices.Sort(all)
	return all
}

func deleting(from, to image.Registry) plan.Config {
	c := config(from, to)
	c.Delete, c.MaxDeleteShare = true, 1
	return c
}

func equal(t *testing.T, got []string, want ...string) {
	t.Helper()
	if slices.Sort(want); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// Only repositories that are chosen whole are judged, and whole repositories that vanished are left alone.
func TestExtraneous(t *testing.T) {
	for _, tells := range []bool{false, true} {
		t.Run(fmt.Sprint("digests told: ", tells), func(t *testing.T) {
			from, to := two()
			from.Tells, to.Tells = tells, tells
			for _, repository := range []string{"a", "b", "vanished"} {
				to.Add(repository, "old", 500, "")
			}
			nobodys := to.Add("a", "", 501, "")
			from.Add("emptied", "x", 1, "")
			to.Add("emptied", "x", 1, "")
			from.Remove("emptied", "x")
			want := []string{"a:old", "b:old", "emptied:x"}
			if tells {
				want = append(want, "a:"+nobodys)
			}
			c := deleting(from, to)
			r := planned(t, c)
			equal(t, deletions(&r), want...)
			if r.Extraneous != len(want) || r.Totals.Decisions[plan.Extraneous].Objects != int64(len(want)) || r.TooMany != nil || r.Images() != 9 {
				t.Errorf("%+v", r)
			}
			c.List = list(t, "a:ALL_TAGS, b:v*, b:old, vanished:ALL_TAGS")
			r = planned(t, c)
			equal(t, deletions(&r), slices.DeleteFunc(want, func(s string) bool { return !strings.HasPrefix(s, "a:") || s == "a:"+nobodys && !tells })...)
			c.Delete, c.List = false, nil
			if r = planned(t, c); r.Extraneous != 0 || deletions(&r) != nil {
				t.Errorf("%+v", r)
			}
			c.Delete, c.Untagged = true, false
			r = planned(t, c)
			equal(t, deletions(&r), "a:old", "b:old", "emptied:x")
		})
	}
}

// What belongs to an image that is there stays: lists of referrers, signatures by tag and by subject.
func TestReferrersAreNotExtraneous(t *testing.T) {
	from, to := &imagetest.Memory{Name: "from", Tells: true}, &imagetest.Memory{Name: "to", Tells: true}
	subject := from.Add("a", "v1", 1, "")
	to.Add("a", "v1", 1, "")
	gone := "sha256:" + strings.Repeat("0", 64)
	to.Add("a", image.ReferrersTag(subject), 2, "")
	to.Add("a", image.ReferrersTag(subject)+".sig", 3, "")
	to.Add("a", "", 4, subject)
	to.Add("a", image.ReferrersTag(gone)+".sig", 5, "")
	orphan := to.Add("a", "", 6, gone)
	r := planned(t, deleting(from, to))
	equal(t, deletions(&r), "a:"+image.ReferrersTag(gone)+".sig", "a:"+orphan)
}

// Too large a part of the destination is not deleted, and everything else is planned.
func TestTooMany(t *testing.T) {
	from, to := two()
	for n := range 3 {
		to.Add("a", fmt.Sprint("old", n), 100+n, "")
	}
	for n := range 3 {
		to.Add("b", fmt.Sprint("v", n), 10+n, "")
	}
	c := deleting(from, to)
	c.MaxDeleteShare = 0.5
	if r := planned(t, c); r.TooMany != nil || len(deletions(&r)) != 3 {
		t.Errorf("3 of 6 at a share of a half: %+v", r)
	}
	c.MaxDeleteShare = 0.49
	r := planned(t, c)
	var many *plan.TooManyError
	if !errors.As(r.TooMany, &many) || many.Extraneous != 3 || many.Listed != 6 || deletions(&r) != nil || r.Images() != 6 || r.Extraneous != 3 {
		t.Fatalf("%+v", r)
	}
	for _, word := range []string{"deleteExtraneous", "3 of the destination's 6", "50.0 %", "49.0 %", "maxDeleteShare", "nothing was deleted"} {
		if !strings.Contains(many.Error(), word) {
			t.Errorf("%q is not in %s", word, many)
		}
	}
}

// Deletions come after the copies of their repository, and are bounded as batches are.
func TestDeletionsComeLast(t *testing.T) {
	from, to := two()
	for n := range 7 {
		to.Add("a", fmt.Sprint("old", n), 100+n, "")
	}
	c := deleting(from, to)
	c.BatchImages = 2
	r := planned(t, c)
	var order []string
	for _, b := range r.Batches {
		if b.Name == "a" {
			order = append(order, fmt.Sprintf("%d+%d", len(b.Images), len(b.Delete)))
		}
	}
	if want := []string{"2+0", "1+1", "0+2", "0+2", "0+2"}; !slices.Equal(order, want) {
		t.Errorf("%v", order)
	}
}

// Whatever both ends hold, and whatever fails: what the source lists is never among the deletions, and nothing is deleted of a
// repository whose source could not be listed.
func TestNothingOfTheSourceIsExtraneous(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, to := &imagetest.Memory{Name: "from"}, &imagetest.Memory{Name: "to"}
		from.Tells, to.Tells = rapid.Bool().Draw(t, "source tells"), rapid.Bool().Draw(t, "destination tells")
		repositories := []string{"a", "b", "c"}
		for _, at := range []*imagetest.Memory{from, to} {
			for n := range rapid.IntRange(0, 12).Draw(t, "images") {
				repository := rapid.SampledFrom(repositories).Draw(t, "repository")
				tag := rapid.SampledFrom([]string{"", "v1", "v2", "v3", "v4"}).Draw(t, "tag")
				at.Add(repository, tag, n, "")
			}
		}
		denied := rapid.SampledFrom(append(repositories, "none")).Draw(t, "denied")
		from.Fail = func(method, repository, _ string) error {
			if method == "List" && repository == denied {
				return refused(failure.Server)
			}
			return nil
		}
		r, err := plan.Make(t.Context(), deleting(from, to))
		if err != nil {
			return // not one could be looked at
		}
		from.Fail = nil
		for _, b := range r.Batches {
			if len(b.Delete) > 0 && b.Repository == denied {
				t.Errorf("%s was not listed", b.Repository)
			}
			for _, x := range b.Delete {
				if _, err := from.Head(t.Context(), b.Repository, x.Reference()); err == nil {
					t.Errorf("%s:%s is at the source", b.Repository, x.Reference())
				}
				if d, err := to.Head(t.Context(), b.Repository, x.Reference()); err != nil || d.Digest != x.Digest {
					t.Errorf("%s:%s is not at the destination: %v", b.Repository, x.Reference(), err)
				}
			}
		}
	})
}
