package machines

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/datatransferhub/dth/lambda/imageplan"
	"github.com/datatransferhub/dth/worker/run"
)

// gate is the lease under which runs are begun.
const gate = "image-run"

func image(n int) imageplan.Image {
	return imageplan.Image{Name: "team/app-000", Tag: fmt.Sprintf("v%05d", n)}
}

// Of a burst of pushes some never come to their turn while others decide. They are no failed runs and nobody is told: the run that is
// under way has one follow; where there is none, one follows at once. A schedule's tick is skipped.
func TestPushesThatLoseTheGate(t *testing.T) {
	r := newRegistries(1, 1)
	r.hold = make(chan struct{})
	s := newImages(t, "images-burst", r)
	held := func() {
		t.Helper()
		_, ok, err := s.runs.Lease(t.Context(), gate, "somebody", time.Now(), time.Hour)
		must(t, err)
		if !ok {
			t.Fatal("the gate is not to be had")
		}
	}
	held()
	s.Start("push-1", `{"trigger":"event"}`)
	s.Until("push-1", "SUCCEEDED")
	must(t, s.runs.Unlease(t.Context(), gate, "somebody"))
	first := imageplan.Next("push-1")
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if got, err := s.runs.Get(t.Context(), first); err == nil && got.State == run.Copying {
			break
		}
		if time.Now().After(end) {
			t.Fatal("nothing follows the push")
		}
	}
	held()
	for _, id := range []string{"push-2", "push-3"} {
		s.Start(id, `{"trigger":"event"}`)
	}
	s.Start("tick", `{"trigger":"schedule"}`)
	for _, id := range []string{"push-2", "push-3", "tick"} {
		s.Until(id, "SUCCEEDED")
	}
	must(t, s.runs.Unlease(t.Context(), gate, "somebody"))
	close(r.hold)
	s.Until(first, "SUCCEEDED")
	second := imageplan.Next(first)
	s.Until(second, "SUCCEEDED")
	all, err := s.runs.Latest(t.Context(), 10)
	must(t, err)
	states := map[string]run.State{}
	for _, one := range all {
		states[one.ID] = one.State
	}
	want := map[string]run.State{first: run.Done, second: run.Done, "tick": run.Skipped}
	if !maps.Equal(states, want) || len(s.notices()) != 0 {
		t.Errorf("runs %v, want %v; notices %q", states, want, s.notices())
	}
}

// A plan or a check whose Lambda dies in every try is answered, and is no run that failed.
func TestPlansThatAreLost(t *testing.T) {
	r := newRegistries(1, 1)
	r.lost = 1000
	s := newImages(t, "images-lost", r)
	must(t, s.runs.PutAnswer(t.Context(), "ask-1", []byte(`{"state":"RUNNING"}`)))
	for id, input := range map[string]string{"plan-1": `{"mode":"plan","request":"ask-1"}`, "check-1": `{"mode":"check","request":"ask-2"}`} {
		s.Start(id, input)
		s.Until(id, "SUCCEEDED")
	}
	for _, request := range []string{"ask-1", "ask-2"} {
		doc, err := s.runs.Answer(t.Context(), request)
		must(t, err)
		if text := string(doc); !strings.Contains(text, `"state":"FAILED"`) || !strings.Contains(text, "timed out") {
			t.Errorf("%s: %s", request, text)
		}
	}
	if all, err := s.runs.Latest(t.Context(), 10); err != nil || len(all) != 0 || len(s.notices()) != 0 || len(s.events) != 0 {
		t.Errorf("runs %+v, %v; notices %q, events %v", all, err, s.notices(), s.events)
	}
	// A run that is lost in the same way is a failed one.
	s.Start("run-1", `{"trigger":"schedule"}`)
	s.Until("run-1", "SUCCEEDED")
	if got := s.run(t, "run-1"); got.State != run.Failed || got.Trigger != "schedule" || got.Version != "v1" || !strings.Contains(got.Error, "timed out") || len(s.notices()) != 1 {
		t.Errorf("%+v", got)
	}
}

// Images that failed in other runs and agree by now, or that the source does not have any more, are failures no longer. Those that still
// fail, and what the list names in vain, are.
func TestOldFailuresAreRevised(t *testing.T) {
	r := newRegistries(6, 2)
	for _, n := range []int{0, 1, 2} {
		r.destination[image(n)] = r.source[image(n)]
	}
	for _, n := range []int{0, 1, 2, 3, 7} {
		r.records[image(n)] = imageplan.Outcome{Run: "before", Status: imageplan.Failed, ErrorClass: "network", ErrorMessage: "reset"}
	}
	missing := imageplan.Image{Name: "team/app-000", Tag: "latest"}
	r.absent = []imageplan.Absent{{Image: missing, Class: "not_found", Message: "the source has no such image"}}
	r.broken[image(4)] = 1000
	s := newImages(t, "images-revised", r)
	s.Start("run-1", `{"trigger":"schedule"}`)
	s.Until("run-1", "SUCCEEDED")
	got := map[imageplan.Image]string{}
	for i, o := range r.records {
		got[i] = strings.TrimSpace(o.Run + " " + o.Status + " " + o.ErrorClass)
	}
	want := map[imageplan.Image]string{
		image(0): "run-1 Unchanged", image(1): "run-1 Unchanged", image(2): "run-1 Unchanged", image(3): "run-1 Done", image(4): "run-1 Error manifest", image(5): "run-1 Done",
		image(7): "run-1 Unchanged " + imageplan.ClassGone, missing: "run-1 Error not_found",
	}
	if !maps.Equal(got, want) {
		t.Errorf("on record are %v, want %v", got, want)
	}
	counters, err := s.runs.Counters(t.Context(), "run-1")
	must(t, err)
	if total := run.Total(counters); total.Outcomes["UNCHANGED"].Objects != 0 || total.Outcomes["FAILED"].Objects != 2 { // others' failures are none of this run's counts
		t.Errorf("%+v", total)
	}
}

// A registry that does not tell of a repository when a run is proved proves nothing of it.
func TestProofThatIsBlind(t *testing.T) {
	r := newRegistries(2, 2)
	r.hold = make(chan struct{})
	r.records[image(7)] = imageplan.Outcome{Run: "before", Status: imageplan.Failed, ErrorClass: "network"}
	s := newImages(t, "images-blind", r)
	s.Start("run-1", `{"trigger":"schedule"}`)
	for end := time.Now().Add(3 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if got, err := s.runs.Get(t.Context(), "run-1"); err == nil && got.State == run.Copying {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the run does not come to its copies")
		}
	}
	r.mu.Lock()
	r.absent = []imageplan.Absent{{Image: imageplan.Image{Name: "team/app-000", Tag: "ALL_TAGS"}, Class: "access_denied", Message: "the source says 403"}}
	r.mu.Unlock()
	close(r.hold)
	s.Until("run-1", "SUCCEEDED")
	if got := s.run(t, "run-1"); got.State != run.Failed || got.Proved || !strings.Contains(got.Error, "could not be proved") || !strings.Contains(got.Error, "403") {
		t.Errorf("%+v", got)
	}
	if o := r.records[image(7)]; o.Status != imageplan.Failed {
		t.Errorf("a failure of what cannot be seen is %+v", o)
	}
}

// What only the destination has is deleted and counted. When it would be too much nothing is, and the run fails with the reason, after
// its copies.
func TestRunThatDeletes(t *testing.T) {
	r := newRegistries(3, 2)
	r.deletes = true
	r.destination[image(8)], r.destination[image(9)] = "sha256:8", "sha256:9"
	s := newImages(t, "images-deletes", r)
	s.Start("run-1", `{"trigger":"schedule"}`)
	s.Until("run-1", "SUCCEEDED")
	counters, err := s.runs.Counters(t.Context(), "run-1")
	must(t, err)
	got, total := s.run(t, "run-1"), run.Total(counters)
	if got.State != run.Done || !got.Proved || got.Finder.Queued != 3 || total.Outcomes["DELETED"].Objects != 2 || total.Outcomes["DONE:copy"].Objects != 3 || len(r.destination) != 3 {
		t.Errorf("%+v, %+v; the destination holds %d", got, total, len(r.destination))
	}
	if len(got.Remaining) != 0 || len(s.notices()) != 0 || !strings.Contains(s.metrics.String(), `"ImagesDeleted":2`) {
		t.Errorf("%+v; notices %q; figures %s", got, s.notices(), s.metrics.String())
	}
	r.mu.Lock()
	r.destination[image(8)] = "sha256:8"
	r.tooMany = "deleteExtraneous would delete 1 of 3 images"
	delete(r.destination, image(0))
	r.mu.Unlock()
	s.Start("run-2", `{"trigger":"schedule"}`)
	s.Until("run-2", "SUCCEEDED")
	if got := s.run(t, "run-2"); got.State != run.Failed || !got.Proved || !strings.Contains(got.Error, "would delete 1 of 3") || len(r.destination) != 4 {
		t.Errorf("%+v; the destination holds %d", got, len(r.destination))
	}
	if notices := s.notices(); len(notices) != 1 || !strings.Contains(notices[0], "would delete 1 of 3") {
		t.Errorf("notices %q", notices)
	}
}

// The images of a retry that are too many for an execution's input come from where they are kept. When they are gone the run says so.
func TestLongRetry(t *testing.T) {
	r := newRegistries(1000, 1)
	var asked []imageplan.Image
	for n := range 1000 {
		i := imageplan.Image{Name: "team/" + strings.Repeat("long-name-", 10), Tag: fmt.Sprintf("v%05d", n)}
		asked = append(asked, i)
		if n%500 == 0 { // all others agree
			r.source[i] = "sha256:1"
			r.records[i] = imageplan.Outcome{Run: "before", Status: imageplan.Failed, ErrorClass: "network"}
		}
	}
	s := newImages(t, "images-kept", r)
	ask, err := imageplan.Keep(t.Context(), s.runs, "r-1", imageplan.Ask{Trigger: imageplan.Retry, Images: asked})
	must(t, err)
	if ask.Kept == "" || len(ask.Images) != 0 {
		t.Fatalf("the execution is given %d images", len(ask.Images))
	}
	s.Start("r-1", fmt.Sprintf(`{"trigger":"retry","kept":%q}`, ask.Kept))
	s.Until("r-1", "SUCCEEDED")
	if got := s.run(t, "r-1"); got.State != run.Done || got.Finder.Queued != 2 || len(r.destination) != 2 {
		t.Errorf("%+v, %d images at the destination", got, len(r.destination))
	}
	s.Start("r-2", `{"trigger":"retry","kept":"asked.nothing"}`)
	s.Until("r-2", "SUCCEEDED")
	if got, err := s.runs.Get(t.Context(), "r-2"); err != nil || got.State != run.Failed || !strings.Contains(got.Error, "ask again") {
		t.Errorf("%+v, %v", got, err)
	}
}
