package plan_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/image"
	"github.com/datatransferhub/dth/worker/image/imagelist"
	"github.com/datatransferhub/dth/worker/image/imagetest"
	"github.com/datatransferhub/dth/worker/image/patience"
	"github.com/datatransferhub/dth/worker/image/plan"
	"github.com/datatransferhub/dth/worker/retry"
)

var quick = retry.Policy{Attempts: 3, Base: time.Millisecond, Cap: 5 * time.Millisecond}

func config(from, to image.Registry) plan.Config {
	return plan.Config{Source: from, Destination: to, Untagged: true, Referrers: true, Retry: quick}
}

func list(t *testing.T, text string) []imagelist.Entry {
	t.Helper()
	all, err := imagelist.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func planned(t *testing.T, c plan.Config) plan.Result {
	t.Helper()
	r, err := plan.Make(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// two are registries with three repositories at the source.
func two() (from, to *imagetest.Memory) {
	from, to = &imagetest.Memory{Name: "from"}, &imagetest.Memory{Name: "to"}
	for n, repository := range []string{"a", "b", "c"} {
		for tag := range 3 {
			from.Add(repository, fmt.Sprint("v", tag), 10*n+tag, "")
		}
	}
	return from, to
}

func refused(class failure.Class) error {
	return &failure.Error{Class: class, Op: "read", Target: "x", Detail: "no"}
}

// keys are what batches hold, as NAME:REFERENCE.
func keys(r *plan.Result) (all []string) {
	for _, b := range r.Batches {
		for _, i := range b.Images {
			all = append(all, b.Name+":"+i.Reference())
		}
	}
	slices.Sort(all)
	return all
}

// One image, one listing or one repository of either end that a registry refuses to tell of stops nothing else; it is told with its
// class.
func TestOneBadImageStopsNoOther(t *testing.T) {
	for name, c := range map[string]struct {
		method, repository, reference string
		destination                   bool
		class                         failure.Class
		want                          int // images planned, of nine
		absent                        []string
	}{
		"an image that may not be read": {"Head", "b", "v1", false, failure.AccessDenied, 8, []string{"b:v1"}},
		"an image of a broken registry": {"Head", "b", "v1", false, failure.Server, 8, []string{"b:v1"}},
		"a listing that is denied":      {"List", "b", "", false, failure.BadCredentials, 6, []string{"b:ALL_TAGS"}},
		"referrers that are denied":     {"Referrers", "b", "", false, failure.AccessDenied, 9, nil}, // nothing is there yet: not asked
		"a repository at the destination": {
			"List", "b", "", true, failure.AccessDenied, 6, []string{"b:v0", "b:v1", "b:v2"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := two()
			fail := func(method, repository, reference string) error {
				if method == c.method && repository == c.repository && (c.reference == "" || reference == c.reference) {
					return refused(c.class)
				}
				return nil
			}
			if from.Fail = fail; c.destination {
				from.Fail, to.Fail = nil, fail
			}
			r := planned(t, config(from, to))
			var absent []string
			for _, a := range r.Absent {
				absent = append(absent, a.Name+":"+a.Reference)
				if failure.ClassOf(a.Err) != c.class || a.Missing() {
					t.Errorf("%s: %v", a.Reference, a.Err)
				}
			}
			if r.Images() != c.want || !slices.Equal(absent, c.absent) || r.Totals.Decisions[plan.Unreadable].Objects != int64(len(c.absent)) {
				t.Errorf("%d images, absent %v, %v", r.Images(), absent, r.Totals.Decisions)
			}
		})
	}
}

// Docker Hub answers 401 for repositories that do not exist: a typo in a list is one failed image.
func TestTypoInAList(t *testing.T) {
	from, to := two()
	from.Fail = func(_, repository, _ string) error {
		if repository == "typo" {
			return refused(failure.BadCredentials)
		}
		return nil
	}
	c := config(from, to)
	c.List = list(t, "a:v1, typo:ALL_TAGS, typo:1.*, typo:2, b:v0, c:none")
	r := planned(t, c)
	var absent []string
	for _, a := range r.Absent {
		absent = append(absent, a.Name+" "+a.Reference+" "+string(failure.ClassOf(a.Err)))
	}
	want := []string{"c none not_found", "typo 2 bad_credentials", "typo ALL_TAGS bad_credentials", "typo typo:1.* bad_credentials"}
	if !slices.Equal(absent, want) || !slices.Equal(keys(&r), []string{"a:v1", "b:v0"}) {
		t.Errorf("%v\n%v", absent, keys(&r))
	}
}

// An end that cannot be used at all is an error of the run: nothing would ever be copied.
func TestAnEndThatCannotBeUsed(t *testing.T) {
	everything := func(class failure.Class, methods ...string) func(string, string, string) error {
		return func(method, _, _ string) error {
			if slices.Contains(methods, method) {
				return refused(class)
			}
			return nil
		}
	}
	for name, c := range map[string]struct {
		source, destination func(string, string, string) error
		list, want          string
	}{
		"no catalog":                  {source: everything(failure.AccessDenied, "Repositories"), want: "name each in a list"},
		"no listing":                  {source: everything(failure.BadCredentials, "List"), want: "not one image of the source"},
		"no image of a list":          {source: everything(failure.BadCredentials, "List", "Head"), list: "a:v1, b:v1", want: "not one image of the source"},
		"no repository to compare to": {destination: everything(failure.AccessDenied, "List"), want: "not one repository of the destination"},
	} {
		t.Run(name, func(t *testing.T) {
			from, to := two()
			from.Fail, to.Fail = c.source, c.destination
			one := config(from, to)
			if c.list != "" {
				one.List = list(t, c.list)
			}
			if _, err := plan.Make(t.Context(), one); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

// A registry that has had enough is waited for, at both ends, and the log says so; one that wants a longer rest is not asked again.
func TestLimits(t *testing.T) {
	for name, destination := range map[string]bool{"source": false, "destination": true} {
		t.Run(name, func(t *testing.T) {
			from, to := two()
			limited := from
			if destination {
				limited = to
			}
			var calls atomic.Int64
			limited.Fail = func(method, _, _ string) error {
				if method != "List" || calls.Add(1) > 1 && limited.Limited().IsZero() {
					return nil
				}
				if calls.Load() == 1 {
					limited.Limit(time.Now().Add(1200 * time.Millisecond))
				}
				return refused(failure.Throttled)
			}
			var said bytes.Buffer
			c := config(from, to)
			c.Log = slog.New(slog.NewTextHandler(&said, nil))
			began := time.Now()
			r := planned(t, c)
			if took := time.Since(began); r.Images() != 9 || len(r.Absent) > 0 || took < time.Second {
				t.Errorf("%d images, %d absent after %s", r.Images(), len(r.Absent), took)
			}
			if !strings.Contains(said.String(), "waiting until it serves again") {
				t.Errorf("nobody is told: %s", said.String())
			}
		})
	}
}

func TestALimitThatLastsTooLong(t *testing.T) {
	from, to := two()
	for n := range 500 {
		from.Add("b", fmt.Sprint("more", n), 1000+n, "")
	}
	from.Fail = func(method, repository, _ string) error {
		if method == "Head" && repository == "b" {
			from.Limit(time.Now().Add(time.Hour))
			return refused(failure.Throttled)
		}
		return nil
	}
	c := config(from, to)
	c.List, c.Parallel = list(t, "a:ALL_TAGS, b:ALL_TAGS"), 4
	c.MaxWait = time.Second
	r, err := plan.Make(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if calls := from.Calls()["Head"]; len(r.Absent) < 500 || calls > 20 {
		t.Errorf("%d absent with %d calls", len(r.Absent), calls)
	}
	if text := r.Absent[0].Err.Error(); !strings.Contains(text, "serves again at 20") || errors.Is(r.Absent[0].Err, patience.ErrTooLong) {
		t.Error(text)
	}
}

// A registry that does not answer any more is given up, and not asked for each of thousands of images.
func TestARegistryThatGoesAway(t *testing.T) {
	from, to := two()
	for n := range 2000 {
		from.Add("z", fmt.Sprint("t", n), 1000+n, "")
	}
	from.Fail = func(method, repository, _ string) error {
		if method == "Head" && repository == "z" {
			return refused(failure.Network)
		}
		return nil
	}
	c := config(from, to)
	c.Retry.Attempts = 1
	r := planned(t, c)
	if calls := from.Calls()["Head"]; len(r.Absent) < 2000 || calls > 200 {
		t.Errorf("%d absent with %d calls", len(r.Absent), calls)
	}
	if last := r.Absent[len(r.Absent)-1].Err.Error(); !strings.Contains(last, "asked no more") {
		t.Error(last)
	}
}

// A copy within one registry goes below a prefix, and is never a source itself: each run would copy it one level deeper.
func TestWithinOneRegistry(t *testing.T) {
	at := &imagetest.Memory{Name: "one"}
	at.Add("app", "1", 1, "")
	at.Add("copying/app", "1", 2, "") // its name only begins alike
	c := config(at, at)
	for _, text := range []string{"", "app:1", "**:1"} {
		if c.List = nil; text != "" {
			c.List = list(t, text)
		}
		if _, err := plan.Make(t.Context(), c); err == nil || !strings.Contains(err.Error(), "onto itself") {
			t.Errorf("list %q without a prefix: %v", text, err)
		}
	}
	c.Prefix = "copy"
	for _, text := range []string{"", "**:ALL_TAGS"} {
		if c.List = nil; text != "" {
			c.List = list(t, text)
		}
		for range 3 {
			r := planned(t, c)
			for _, b := range r.Batches {
				if b.Target != "copy/"+b.Repository || strings.HasPrefix(b.Repository, "copy/") {
					t.Errorf("%+v", b)
				}
				for _, i := range b.Images {
					if err := at.CopyTo(at, b.Repository, i.Reference(), b.Target, i.Reference()); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		if r := planned(t, c); r.Images() != 0 || r.Totals.Decisions[plan.Own].Objects != 2 {
			t.Errorf("list %q: %+v", text, r)
		}
	}
}

// Images of a repository are in as few batches as the bounds allow, of which no two are neighbours in the list of work, and the longest
// one can be read by a copier.
func TestBatches(t *testing.T) {
	from, to := &imagetest.Memory{Name: "from", Tells: true, Bytes: 1 << 30}, &imagetest.Memory{Name: "to", Tells: true}
	for _, repository := range []string{"a", "b"} {
		for n := range plan.MaxImages + 1 {
			from.Add(repository, fmt.Sprint("v", n), n, "")
		}
	}
	c := config(from, to)
	c.BatchBytes = 1 << 60
	r := planned(t, c)
	var order []string
	for _, b := range r.Batches {
		order = append(order, fmt.Sprint(b.Name, len(b.Images)))
	}
	if want := []string{"a2000", "b2000", "a1", "b1"}; !slices.Equal(order, want) {
		t.Errorf("%v", order)
	}
	c.BatchBytes = 0
	if r = planned(t, c); len(r.Batches) != 2*8 {
		t.Errorf("%d batches of %d GiB", len(r.Batches), plan.MaxBytes>>30)
	}
	b := image.Batch{Name: strings.Repeat("n", 256), Registry: strings.Repeat("h", 255), Repository: strings.Repeat("r", 256), Target: strings.Repeat("t", 256)}
	for range plan.MaxImages {
		b.Images = append(b.Images, image.Image{Tag: strings.Repeat("t", 128), Digest: "sha256:" + strings.Repeat("0", 64), Media: image.DockerManifest, Bytes: 1 << 50})
	}
	if text, err := image.MarshalBatch(b); err != nil || len(text) > 1<<20 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}

// Signatures by tags come along with what a list chooses. Digests are asked for in parallel, and not at all when all tags are chosen.
func TestWhatBelongsToAnImage(t *testing.T) {
	from, to := &imagetest.Memory{Name: "from"}, &imagetest.Memory{Name: "to"}
	var signed string
	for n := range 30 {
		signed = from.Add("a", fmt.Sprint("v", n), n, "")
	}
	tag := image.ReferrersTag(signed) + ".sig"
	from.Add("a", tag, 99, "")
	from.Add("a", image.ReferrersTag("sha256:"+strings.Repeat("0", 64)), 98, "")
	var now, most atomic.Int64
	from.Fail = func(method, _, _ string) error {
		if method == "Head" {
			most.Store(max(most.Load(), now.Add(1)))
			time.Sleep(2 * time.Millisecond)
			now.Add(-1)
		}
		return nil
	}
	c := config(from, to)
	c.List = list(t, "a:v*")
	r := planned(t, c)
	if n := r.Images(); n != 31 || !slices.Contains(keys(&r), "a:"+tag) || from.Calls()["Head"] != 31 {
		t.Errorf("%d images", n)
	}
	if most.Load() < 2 {
		t.Error("one after the other")
	}
	c.List = list(t, "a:ALL_TAGS")
	if r = planned(t, c); r.Images() != 32 || from.Calls()["Head"] != 32 {
		t.Errorf("%d images", r.Images())
	}
}

// A signature that comes later is noticed, of tags and of digests that a list names.
func TestLaterSignatures(t *testing.T) {
	from, to := &imagetest.Memory{Name: "from"}, &imagetest.Memory{Name: "to"}
	tagged, untagged := from.Add("a", "v1", 1, ""), from.Add("a", "", 2, "")
	c := config(from, to)
	c.List = list(t, "a:v1, a@"+untagged)
	for _, reference := range []string{"v1", untagged} {
		if err := from.CopyTo(to, "a", reference, "a", reference); err != nil {
			t.Fatal(err)
		}
	}
	if r := planned(t, c); r.Images() != 0 {
		t.Fatalf("%v", keys(&r))
	}
	from.Add("a", "", 3, tagged)
	from.Add("a", "", 4, untagged)
	if r := planned(t, c); !slices.Equal(keys(&r), []string{"a:" + untagged, "a:v1"}) || r.Totals.Decisions[plan.Referrers].Objects != 2 {
		t.Errorf("%v %v", keys(&r), r.Totals.Decisions)
	}
}

// A registry of 20,000 tags is planned with no call but those that it takes: one listing a repository and end, one look a tag at a source
// that tells no digests, and none at one that does.
func TestTwentyThousandTags(t *testing.T) {
	for name, tells := range map[string]bool{"OCI": false, "Amazon ECR": true} {
		t.Run(name, func(t *testing.T) {
			from, to := &imagetest.Memory{Name: "from", Tells: tells}, &imagetest.Memory{Name: "to", Tells: tells}
			const repositories, tags = 20, 1000
			for n := range repositories * tags {
				from.Add(fmt.Sprint("r", n%repositories), fmt.Sprint("v", n/repositories), n, "")
			}
			c := config(from, to)
			c.Referrers = false // else one call more a tag, where the destination has the image
			r := planned(t, c)
			source, destination := from.Calls(), to.Calls()
			heads := repositories * tags
			if tells {
				heads = 0
			}
			if r.Images() != repositories*tags || len(r.Batches) != repositories || source["Repositories"] != 1 || source["List"] != repositories || source["Head"] != heads ||
				destination["List"] != repositories || destination["Head"] != 0 {
				t.Errorf("%d images in %d batches; source %v, destination %v", r.Images(), len(r.Batches), source, destination)
			}
			for _, b := range r.Batches {
				for _, i := range b.Images {
					if err := from.CopyTo(to, b.Repository, i.Reference(), b.Target, i.Reference()); err != nil {
						t.Fatal(err)
					}
				}
			}
			from.Calls()
			r = planned(t, c)
			if source, destination = from.Calls(), to.Calls(); r.Images() != 0 || r.Totals.Decisions[plan.Same].Objects != repositories*tags || source["Head"] != heads || destination["Head"] != heads {
				t.Errorf("%d images; source %v, destination %v", r.Images(), source, destination)
			}
		})
	}
}

func TestStopped(t *testing.T) {
	from, to := two()
	ctx, stop := context.WithCancel(t.Context())
	from.Fail = func(method, _, _ string) error {
		if method == "Head" {
			stop()
			return refused(failure.Canceled)
		}
		return nil
	}
	if r, err := plan.Make(ctx, config(from, to)); !errors.Is(err, context.Canceled) {
		text, _ := json.Marshal(r)
		t.Errorf("%v %s", err, text)
	}
}
