package imageplan

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/datatransferhub/dth/lambda/monitor"
	"github.com/datatransferhub/dth/plugins/ecr/wiring"
	"github.com/datatransferhub/dth/worker/metrics"
	"github.com/datatransferhub/dth/worker/run"
)

// close proves what a run did, records it, and says whom to tell. Of what was no run it says that it broke.
func (h *Handler) close(ctx context.Context, e Event) (Closed, error) {
	if e.Ask.Mode != RunMode {
		return Closed{Run: e.Run}, h.broken(ctx, e)
	}
	r, err := h.Runs.Get(ctx, e.Run)
	if errors.Is(err, run.ErrNotFound) {
		if f := e.State.Failure; f != nil && f.Error == lostGate {
			return h.late(ctx, e)
		}
		// The plan failed before it was on record. A failure without a record would be nobody's.
		r = h.newRun(e)
		err = h.Runs.Create(ctx, r)
	}
	if err != nil {
		return Closed{}, err
	}
	closed := !r.State.Open()
	planned, err := h.planned(ctx, e.Run)
	if err != nil {
		return Closed{}, err
	}
	p, why := h.prove(ctx, &r, planned, e.State.Failure, closed)
	if p != nil {
		if err := h.revise(ctx, &r, planned, p); err != nil {
			return Closed{}, err
		}
	}
	failed, counters, err := h.settle(ctx, &r, planned, p, closed)
	if err != nil {
		return Closed{}, err
	}
	if !closed {
		if err := h.finish(ctx, &r, why, counters, planned, failed); err != nil {
			return Closed{}, err
		}
	}
	answer := Closed{Run: r.ID, State: r.State, Next: Next(r.ID)}
	if len(failed) > 0 || r.State == run.Failed || len(r.Remaining) > 0 {
		answer.Tell, answer.Subject, answer.Message = true, h.subject(r, len(failed)), h.message(r, failed, counters)
	}
	answer.Again, err = h.again(ctx, r.Started)
	return answer, err
}

// late says what follows an execution that waited in vain to be told whether it begins: others decided all the time. Pushes are
// noted for the run that is under way; when none is any more, one follows. Other runs were skipped, as beside a run.
func (h *Handler) late(ctx context.Context, e Event) (Closed, error) {
	answer := Closed{Run: e.Run, Next: Next(e.Run)}
	if e.Ask.Trigger == Push {
		// The note comes first: whoever closes the other run either sees it, or had closed that run before this look.
		if err := h.noteAgain(ctx); err != nil {
			return answer, err
		}
		other, err := h.other(ctx, e.Run)
		answer.Again = err == nil && other == ""
		return answer, err
	}
	r := h.newRun(e)
	r.State, r.Finished, r.Error = run.Skipped, r.Started, "others were deciding all the time whether they begin; nothing was done"
	answer.State = r.State
	if err := h.Runs.Create(ctx, r); err != nil {
		return answer, err
	}
	return answer, h.tell(ctx, wiring.RunClosed, r)
}

// planned returns the images that the run was to copy.
func (h *Handler) planned(ctx context.Context, runID string) ([]plannedImage, error) {
	text, err := h.Work.Get(ctx, imagesKey(runID))
	if err != nil || text == nil {
		return nil, err
	}
	var images []plannedImage
	if err := json.Unmarshal(text, &images); err != nil {
		return nil, fmt.Errorf("the list of images in %s cannot be read: %w", imagesKey(runID), err)
	}
	return images, nil
}

// prove compares both registries once more. It returns what that says, nil when it could not be done, and why the run failed.
func (h *Handler) prove(ctx context.Context, r *run.Run, planned []plannedImage, failure *Failure, closed bool) (p *proof, why string) {
	why = r.Error // that of the plan, which had copies made nevertheless
	if failure != nil {
		why = cause(*failure)
	}
	if closed || r.State == run.Finding { // nothing was planned, so nothing is to be proved
		return nil, why
	}
	const unproved = "whether both ends agree could not be proved: "
	c, err := h.Registries.Compare(ctx)
	if err != nil {
		return nil, cmp.Or(why, unproved+err.Error())
	}
	named := make(map[Image]bool, len(planned))
	for _, i := range planned {
		named[i.Image] = true
	}
	r.Proved = true
	for _, a := range c.Absent {
		if a.Class != notFound && !named[a.Image] { // else it is on record as failed
			r.Proved, why = false, cmp.Or(why, unproved+a.Message)
		}
	}
	return proofOf(c), why
}

// finish puts the end of the run on record. What is counted is counted before the run is closed, so that a closed run has its
// counters.
func (h *Handler) finish(ctx context.Context, r *run.Run, why string, c run.Counters, planned []plannedImage, failed []failedImage) error {
	r.State, r.Finished, r.Error = run.Done, h.Now(), why
	if why != "" {
		r.State = run.Failed
	}
	if err := h.Runs.PutCounters(ctx, r.ID, c); err != nil {
		return err
	}
	repeated, err := h.repeated(ctx, r, planned, failed)
	if err != nil {
		return err
	}
	if err := h.Runs.Update(ctx, *r); err != nil {
		return err
	}
	h.measure(*r, c, repeated)
	return h.tell(ctx, wiring.RunClosed, *r)
}

// measure writes the run's figures, once.
func (h *Handler) measure(r run.Run, c run.Counters, repeated int) {
	m := metrics.New(h.Metrics, h.StackName, map[string]string{"run": r.ID}, h.Now)
	copied := c.Outcomes[outcomes[Done]]
	m.Add("ImagesCopied", metrics.Count, float64(copied.Objects))
	m.Add("BytesCopied", metrics.Bytes, float64(copied.Bytes))
	m.Add("ImagesUnchanged", metrics.Count, float64(r.Finder.Decisions["same"].Objects+c.Outcomes[outcomes[Unchanged]].Objects))
	m.Add("ImagesDeleted", metrics.Count, float64(c.Outcomes[outcomes[Deleted]].Objects))
	m.Add("ImagesFailed", metrics.Count, float64(c.Outcomes[outcomes[Failed]].Objects))
	m.Add("ImagesFailedRepeatedly", metrics.Count, float64(repeated))
	failedRun := 0.0
	if r.State == run.Failed {
		failedRun = 1
	}
	m.Add("RunsFailed", metrics.Count, failedRun)
	m.Observe("RunDuration", metrics.Milliseconds, float64(r.Finished.Sub(r.Started).Milliseconds()))
	if err := m.Flush(); err != nil {
		h.Log.Warn("the run's figures could not be written", "error", err)
	}
}

// tell puts an event about a run on the bus.
func (h *Handler) tell(ctx context.Context, kind string, r run.Run) error {
	counters, err := h.Runs.Counters(ctx, r.ID)
	if err != nil {
		return err
	}
	t := run.Total(counters)
	return h.Tell(ctx, []monitor.Event{{Kind: kind, Detail: monitor.Detail{
		StackName: h.StackName, StackID: h.StackID, Run: r.ID, Trigger: r.Trigger, State: r.State, Started: r.Started, Finished: r.Finished, Finder: r.Finder,
		Outcomes: t.Outcomes, Settled: run.Settled(counters), Errors: t.Errors, Proved: r.Proved, Named: r.Named, Newer: r.Newer, Remaining: r.Remaining, Error: r.Error,
	}}})
}

// cause is an error of Step Functions in words. A Lambda's own error is JSON within it.
func cause(f Failure) string {
	var said struct{ ErrorMessage string }
	if json.Unmarshal([]byte(f.Cause), &said) == nil && said.ErrorMessage != "" {
		return said.ErrorMessage
	}
	if f.Cause == "" {
		return f.Error
	}
	return f.Error + ": " + clip(f.Cause, 4*maxLine)
}

// againKey is the answer in the run table that says when images were pushed while a run was under way.
const againKey = "pushed-meanwhile"

type note struct{ At time.Time }

func (h *Handler) noteAgain(ctx context.Context) error {
	doc, err := json.Marshal(note{h.Now()})
	if err != nil {
		return err
	}
	return h.Runs.PutAnswer(ctx, againKey, doc)
}

// again tells whether images were pushed since a run began.
func (h *Handler) again(ctx context.Context, started time.Time) (bool, error) {
	doc, err := h.Runs.Answer(ctx, againKey)
	if err != nil || doc == nil {
		return false, err
	}
	var n note
	if err := json.Unmarshal(doc, &n); err != nil {
		return false, fmt.Errorf("the note of pushed images: %w", err)
	}
	return n.At.After(started), nil
}

// Next names the execution that follows a run: of at most 80 letters, and the same when the run is closed again.
func Next(runID string) string {
	sum := sha256.Sum256([]byte(runID))
	return "push-" + hex.EncodeToString(sum[:16])
}
