package imageplan

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/datatransferhub/dth/lambda/monitor"
	"github.com/datatransferhub/dth/plugins/ecr/wiring"
	"github.com/datatransferhub/dth/worker/metrics"
	"github.com/datatransferhub/dth/worker/run"
)

// notRun is the class of images whose task never said what became of them.
const notRun = "task"

// closer counts what became of a run. Worker is the name under which its counters are kept.
const closer = "close"

// failedImage is an image with what its record says.
type failedImage struct {
	Image
	Outcome
}

// close proves what a run did, records it, and says whom to tell.
func (h *Handler) close(ctx context.Context, e Event) (Closed, error) {
	r, err := h.Runs.Get(ctx, e.Run)
	if errors.Is(err, run.ErrNotFound) {
		// The plan failed before it was on record. A failure without a record would be nobody's.
		r = run.Run{ID: e.Run, Trigger: e.Ask.Trigger, State: run.Finding, Started: h.Now(), Version: h.Version}
		err = h.Runs.Create(ctx, r)
	}
	if err != nil {
		return Closed{}, err
	}
	closed := r.State != run.Finding && r.State != run.Copying && r.State != run.Proving
	planned, err := h.planned(ctx, e.Run)
	if err != nil {
		return Closed{}, err
	}
	pending, why := h.prove(ctx, &r, e.State.Failure, closed)
	failed, counters, err := h.settle(ctx, &r, planned, pending)
	if err != nil {
		return Closed{}, err
	}
	if !closed {
		if err := h.finish(ctx, &r, why, counters, failed); err != nil {
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

// planned returns the images that the run was to copy.
func (h *Handler) planned(ctx context.Context, runID string) ([]Image, error) {
	text, err := h.Work.Get(ctx, imagesKey(runID))
	if err != nil || text == nil {
		return nil, err
	}
	var images []Image
	if err := json.Unmarshal(text, &images); err != nil {
		return nil, fmt.Errorf("the list of images in %s cannot be read: %w", imagesKey(runID), err)
	}
	return images, nil
}

// prove compares both registries once more. It returns what still differs, nil when that is not known, and why the run failed.
func (h *Handler) prove(ctx context.Context, r *run.Run, failure *Failure, closed bool) (pending map[Image]bool, why string) {
	if failure != nil {
		why = cause(*failure)
	}
	if closed || r.State == run.Finding { // nothing was planned, so nothing is to be proved
		return nil, why
	}
	c, err := h.Registries.Compare(ctx)
	if err != nil {
		if why == "" {
			why = "whether both ends agree could not be proved: " + err.Error()
		}
		return nil, why
	}
	pending = map[Image]bool{}
	for _, b := range c.Batches {
		for _, i := range b.Images {
			pending[i] = true
		}
	}
	r.Proved = true
	return pending, why
}

// settle looks what became of each planned image. One that differs still and has no record of this run gets one.
func (h *Handler) settle(ctx context.Context, r *run.Run, planned []Image, pending map[Image]bool) ([]failedImage, run.Counters, error) {
	c := run.Counters{Worker: closer, Seq: 1, Outcomes: map[string]run.Tally{}, Errors: map[string]int64{}, Updated: h.Now()}
	on, err := h.Records.Outcomes(ctx, planned)
	if err != nil {
		return nil, c, err
	}
	var failed []failedImage
	for _, i := range planned {
		o, there := on[i]
		if !there || o.Run != r.ID {
			if pending != nil && !pending[i] {
				o = Outcome{Run: r.ID, Status: Unchanged} // it is there; whoever copied it did not live to say so
			} else {
				o = Outcome{Run: r.ID, Status: Failed, ErrorClass: notRun, ErrorMessage: "no task came to the end of its batch; the log of the copier and the history of the state machine say why"}
			}
			if err := h.Records.PutOutcome(ctx, i, o, h.Now()); err != nil {
				return nil, c, err
			}
		}
		c.Outcomes[outcomes[o.Status]] = add(c.Outcomes[outcomes[o.Status]], o.Bytes)
		if o.Status == Failed {
			c.Errors[o.ErrorClass]++
			failed = append(failed, failedImage{i, o})
		}
	}
	if pending != nil {
		difference(r, planned, failed, pending)
	}
	return failed, c, nil
}

// difference sorts what still differs into what the run says a reason of, what is newer than its plan, and the rest.
func difference(r *run.Run, planned []Image, failed []failedImage, pending map[Image]bool) {
	wanted, named := make(map[Image]bool, len(planned)), make(map[Image]bool, len(failed))
	for _, i := range planned {
		wanted[i] = true
	}
	for _, f := range failed {
		named[f.Image] = true
	}
	r.Remaining, r.Named, r.Newer = map[string]int64{}, 0, 0
	for i := range pending {
		switch {
		case named[i]:
			r.Named++
		case !wanted[i]:
			r.Newer++ // it was pushed since, or a retry did not ask for it
		default:
			r.Remaining["changed"]++
		}
	}
}

// outcomes are the names of counters by the status of records, those of the S3 plugin.
var outcomes = map[string]string{Done: "DONE:copy", Unchanged: "UNCHANGED", Failed: "FAILED"}

func add(t run.Tally, bytes int64) run.Tally {
	return run.Tally{Objects: t.Objects + 1, Bytes: t.Bytes + bytes}
}

// finish puts the end of the run on record. What is counted is counted before the run is closed, so that a closed run has its
// counters.
func (h *Handler) finish(ctx context.Context, r *run.Run, why string, c run.Counters, failed []failedImage) error {
	r.State, r.Finished, r.Error = run.Done, h.Now(), why
	if why != "" {
		r.State = run.Failed
	}
	if err := h.Runs.PutCounters(ctx, r.ID, c); err != nil {
		return err
	}
	repeated, err := h.repeated(ctx, r.ID, failed)
	if err != nil {
		return err
	}
	if err := h.Runs.Update(ctx, *r); err != nil {
		return err
	}
	h.measure(*r, c, repeated)
	return h.tell(ctx, wiring.RunClosed, *r)
}

// streakKey is the object that counts for each image in how many runs in a row it has failed.
const streakKey = "streaks.json"

// Streak is how many failed runs in a row are worth an alarm.
const Streak = 3

type streaks struct {
	Run    string        `json:"run"` // that was counted last
	Images []streakOfOne `json:"images"`
}

type streakOfOne struct {
	Image
	Runs int `json:"runs"`
}

// repeated counts the images that failed in Streak runs in a row, this one included.
func (h *Handler) repeated(ctx context.Context, runID string, failed []failedImage) (int, error) {
	text, err := h.Work.Get(ctx, streakKey)
	if err != nil {
		return 0, err
	}
	var before streaks
	if text != nil {
		if err := json.Unmarshal(text, &before); err != nil {
			h.Log.Warn("the count of runs in which images failed is unreadable and begins anew", "error", err)
		}
	}
	now := streaks{Run: runID}
	had := map[Image]int{}
	for _, s := range before.Images {
		had[s.Image] = s.Runs
	}
	n := 0
	for _, f := range failed {
		runs := had[f.Image]
		if before.Run != runID {
			runs++
		}
		if runs >= Streak {
			n++
		}
		now.Images = append(now.Images, streakOfOne{f.Image, runs})
	}
	out, err := json.Marshal(now)
	if err != nil {
		return 0, err
	}
	return n, h.Work.Put(ctx, streakKey, out)
}

// measure writes the run's figures, once.
func (h *Handler) measure(r run.Run, c run.Counters, repeated int) {
	m := metrics.New(h.Metrics, h.StackName, map[string]string{"run": r.ID}, h.Now)
	copied := c.Outcomes[outcomes[Done]]
	m.Add("ImagesCopied", metrics.Count, float64(copied.Objects))
	m.Add("BytesCopied", metrics.Bytes, float64(copied.Bytes))
	m.Add("ImagesUnchanged", metrics.Count, float64(r.Finder.Decisions["same"].Objects+c.Outcomes[outcomes[Unchanged]].Objects))
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

// Bounds of what people read: SNS takes subjects of 100 letters of ASCII, and the first images show what is wrong.
// https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
const (
	maxSubject = 100
	maxListed  = 20
	maxLine    = 300
)

func (h *Handler) subject(r run.Run, failed int) string {
	text := fmt.Sprintf("Data Transfer Hub: %d images failed in %s", failed, h.StackName)
	if r.State == run.Failed {
		text = "Data Transfer Hub: a run failed in " + h.StackName
	}
	return text[:min(len(text), maxSubject)] // names of stacks are ASCII
}

func (h *Handler) message(r run.Run, failed []failedImage, c run.Counters) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Task %s in %s, run %s, %s.\n", h.StackName, h.Region, r.ID, strings.ToLower(string(r.State)))
	if r.Error != "" {
		fmt.Fprintf(&b, "Error: %s\n", clip(r.Error, 4*maxLine))
	}
	fmt.Fprintf(&b, "Images copied %d, failed %d; still different without a reason on record %d.\n",
		c.Outcomes[outcomes[Done]].Objects, len(failed), sum(r.Remaining))
	for n, f := range failed {
		if n == maxListed {
			fmt.Fprintf(&b, "... and %d more; the table of records has all of them.\n", len(failed)-n)
			break
		}
		fmt.Fprintf(&b, "- %s %s: %s: %s\n", f.Name, f.Tag, f.ErrorClass, clip(f.ErrorMessage, maxLine))
	}
	b.WriteString("The next run tries again what still differs.\n")
	return b.String()
}

func clip(text string, most int) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "..."
}

func sum(all map[string]int64) (n int64) {
	for v := range maps.Values(all) {
		n += v
	}
	return n
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
