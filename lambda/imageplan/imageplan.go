// Package imageplan is the Lambda of a run of the ECR plugin: it plans the run, and closes it. Between the two a state machine
// has the batches copied that the plan wrote to S3.
package imageplan

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"slices"
	"time"

	"github.com/datatransferhub/dth/lambda/monitor"
	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/plugins/ecr/wiring"
	"github.com/datatransferhub/dth/worker/run"
)

// Image names one image as records do. It is comparable.
type Image struct {
	Name string `json:"image"` // repository, with its registry where that is not the source's ECR
	Tag  string `json:"tag"`   // or digest, of an untagged manifest
}

// Batch is what one Fargate task copies and, after that, deletes.
type Batch struct {
	Document []byte // what the copier reads
	Images   []Image
	Deletes  []Image // at the destination
}

// Comparison is what a look at both registries found.
type Comparison struct {
	Totals  run.FinderTotals // images as objects
	Batches []Batch          // everything that differs
	Absent  []Absent         // what a list names and the source does not have
	// TooMany says why nothing is deleted although there would be something to delete; empty otherwise.
	TooMany string
}

// Absent is an image that a list names and the source does not have. It is a failure of the run, and no work.
type Absent struct {
	Image
	Class, Message string // of the error
}

// Registries are both ends of the task.
type Registries interface {
	// Compare lists the source to its end and asks the destination what it holds. Images whose digest is there are in no batch.
	Compare(ctx context.Context) (Comparison, error)
	// Check looks whether both ends can be used, and changes nothing.
	Check(ctx context.Context) ([]task.Finding, error)
	// Look tells how images stand now. Those of which that cannot be told are not in it.
	Look(ctx context.Context, images []Image) (map[Image]Standing, error)
}

// Standing is how an image stands that is no work.
type Standing string

// The standings.
const (
	Same     Standing = "same"     // the destination has it as the source has it
	Gone     Standing = "gone"     // the source does not have it
	Unwanted Standing = "unwanted" // the list does not choose it
)

// Outcome is what is on record of an image.
type Outcome struct {
	Run          string // that wrote it
	Status       string // Done, Unchanged, Deleted or Error
	Bytes        int64
	ErrorClass   string
	ErrorMessage string
}

// The states of records.
const (
	Done      = "Done"
	Unchanged = "Unchanged"
	Deleted   = "Deleted"
	Failed    = "Error"
)

// Records keep one outcome an image.
type Records interface {
	// Outcomes returns what is on record of images; those without a record are not in it.
	Outcomes(ctx context.Context, images []Image) (map[Image]Outcome, error)
	// PutOutcome replaces what is on record.
	PutOutcome(ctx context.Context, image Image, o Outcome, at time.Time) error
	// Failures returns images that are on record as failed, from a place on that an earlier call returned; "" is before the first,
	// and returned behind the last. It may lag behind PutOutcome.
	Failures(ctx context.Context, after string) (images []Image, next string, err error)
}

// Work is the bucket of work lists.
type Work interface {
	Put(ctx context.Context, key string, content []byte) error
	// Get returns an object; nil when there is none.
	Get(ctx context.Context, key string) ([]byte, error)
}

// Mode is what an execution is for.
type Mode string

// The modes. The zero value is a run.
const (
	RunMode   Mode = ""
	PlanMode  Mode = "plan"  // compares, and copies nothing
	CheckMode Mode = "check" // looks whether both ends can be used
)

// The triggers of runs.
const (
	Schedule = "schedule"
	Once     = "once"
	Manual   = "manual"
	Push     = "event"
	Retry    = run.TriggerRetry
)

// Ask is the input of an execution.
type Ask struct {
	Trigger string `json:"trigger,omitempty"`
	Mode    Mode   `json:"mode,omitempty"`
	Request string `json:"request,omitempty"` // id under which a plan or check is answered
	// Of a retry: only images whose record says that they failed, of those the named ones, or those of a class.
	Images []Image `json:"images,omitempty"`
	Class  string  `json:"class,omitempty"`
	// Kept is the key under which the images of a retry are kept that are too many for an execution's input.
	Kept string `json:"kept,omitempty"`
}

// MaxInput is the longest list of images, in bytes of JSON, that an execution is given. Its input is part of what later steps are
// given, and all of that may have 256 KiB.
// https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
const MaxInput = 64 << 10

// Keep puts the images of a retry aside in the run table when they are too many for an execution's input. The table packs what it
// keeps; the error is a *run.CheckpointSizeError where even that is too long.
func Keep(ctx context.Context, runs run.Store, request string, a Ask) (Ask, error) {
	doc, err := json.Marshal(a.Images)
	if err != nil || len(doc) <= MaxInput {
		return a, err
	}
	a.Images, a.Kept = nil, "asked."+request
	return a, runs.PutAnswer(ctx, a.Kept, doc)
}

// images returns the images that a retry names.
func (h *Handler) images(ctx context.Context, a Ask) ([]Image, error) {
	if a.Kept == "" {
		return a.Images, nil
	}
	doc, err := h.Runs.Answer(ctx, a.Kept)
	if err != nil {
		return nil, err
	}
	var images []Image
	if err := json.Unmarshal(doc, &images); err != nil || len(images) == 0 {
		return nil, fmt.Errorf("the images of this retry, kept under %s, are not there any more; ask again", a.Kept)
	}
	return images, nil
}

// Event is what the state machine gives.
type Event struct {
	Step string `json:"step"` // plan or close
	Run  string `json:"run"`  // id: the execution's name
	Ask  Ask    `json:"ask"`
	// State is what an execution came to that is to be closed.
	State struct {
		Failure *Failure `json:"failure"`
	} `json:"state"`
}

// Failure is an error of Step Functions.
type Failure struct{ Error, Cause string }

// Verdict is what follows a plan.
type Verdict string

// The verdicts.
const (
	Copy  Verdict = "COPY"
	Close Verdict = "CLOSE" // nothing is to be copied
	End   Verdict = "END"   // this is no run
)

// Planned is the answer to plan. Its texts are short, whatever the number of images.
type Planned struct {
	Verdict Verdict `json:"verdict"`
	Run     string  `json:"run"`
	List    string  `json:"list,omitempty"` // key of the list of batches, a JSON array of their keys
	Batches int     `json:"batches"`
	Images  int     `json:"images"`
}

// Closed is the answer to close.
type Closed struct {
	Run     string    `json:"run"`
	State   run.State `json:"state"`
	Tell    bool      `json:"tell"`
	Subject string    `json:"subject"`
	Message string    `json:"message"`
	Again   bool      `json:"again"` // images were pushed meanwhile
	Next    string    `json:"next"`  // name of the execution that follows then
}

// Handler plans and closes runs.
type Handler struct {
	StackName, StackID, Region, Version string

	Registries Registries
	Records    Records
	Runs       run.Store
	Work       Work
	// Alive tells whether the execution of that name still runs.
	Alive func(ctx context.Context, name string) (bool, error)
	// Tell puts events about runs on the event bus.
	Tell    func(ctx context.Context, events []monitor.Event) error
	Metrics io.Writer // of lines in the embedded metric format
	Log     *slog.Logger
	Now     func() time.Time
}

// names are those of executions.
var names = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// Parse reads an event. Errors name the field, its value and what is allowed.
func Parse(event json.RawMessage) (Event, error) {
	var e Event
	if err := json.Unmarshal(event, &e); err != nil {
		return e, fmt.Errorf("the event is no JSON object of step, run, ask and state: %w", err)
	}
	switch {
	case e.Step != "plan" && e.Step != "close":
		return e, fmt.Errorf("step: %.80q: allowed are plan and close", e.Step)
	case !names.MatchString(e.Run):
		return e, fmt.Errorf("run: %.80q: 1 to 128 letters, digits, dots, hyphens and underscores are required", e.Run)
	case !slices.Contains([]Mode{RunMode, PlanMode, CheckMode}, e.Ask.Mode):
		return e, fmt.Errorf("ask.mode: %.80q: allowed are plan, check, and nothing for a run", e.Ask.Mode)
	case e.Ask.Mode != RunMode && !names.MatchString(e.Ask.Request):
		return e, fmt.Errorf("ask.request: %.80q: a %s is answered under an id of 1 to 128 letters, digits, dots, hyphens and underscores", e.Ask.Request, e.Ask.Mode)
	}
	return e, nil
}

// Handle does one step. Each may be done again, when its answer was lost.
func (h *Handler) Handle(ctx context.Context, event json.RawMessage) (any, error) {
	e, err := Parse(event)
	if err != nil {
		return nil, err
	}
	log := h.Log.With("run", e.Run, "step", e.Step)
	var answer any
	switch {
	case e.Step == "close":
		answer, err = h.close(ctx, e)
	case e.Ask.Mode != RunMode:
		answer, err = h.reply(ctx, e)
	default:
		answer, err = h.plan(ctx, e)
	}
	if err != nil {
		log.Error("the step failed; it is tried again", "error", err)
		return nil, err
	}
	log.Info("the step is done", "answer", answer)
	return answer, nil
}

// The objects of a run.
func folder(runID string) string    { return "runs/" + runID + "/" }
func listKey(runID string) string   { return folder(runID) + "list.json" }
func imagesKey(runID string) string { return folder(runID) + "images.json" }
func batchKey(runID string, n int) string {
	return fmt.Sprintf("%sbatch-%06d.json", folder(runID), n)
}

// gate is the lease under which it is decided whether a run begins.
const (
	gate     = "image-run"
	gateTime = 2 * time.Minute
)

// gateError says that a run could not yet be begun. Its name is how the state machine knows it, and waits.
type gateError struct{}

func (gateError) Error() string {
	return "another execution is deciding whether it begins; this one asks again"
}

// lostGate is the name under which Step Functions knows a gateError: Lambda gives errors the names of their types.
const lostGate = "gateError"

// plan begins a run, unless one is under way.
func (h *Handler) plan(ctx context.Context, e Event) (Planned, error) {
	end := Planned{Verdict: End, Run: e.Run}
	begins, err := h.begin(ctx, e)
	if err != nil || !begins {
		return end, err
	}
	c, err := h.Registries.Compare(ctx)
	if err != nil {
		return end, fmt.Errorf("comparing both registries: %w", err)
	}
	if e.Ask.Trigger == Retry {
		if c, err = h.chosen(ctx, c, e.Ask); err != nil {
			return end, err
		}
	}
	if err := h.missing(ctx, e.Run, c.Absent); err != nil {
		return end, err
	}
	p, err := h.write(ctx, e.Run, c)
	if err != nil {
		return end, err
	}
	r, err := h.Runs.Get(ctx, e.Run)
	if err != nil {
		return end, err
	}
	r.State, r.Found, r.Finder, r.Error = run.Copying, h.Now(), c.Totals, c.TooMany
	r.Finder.Queued = int64(p.Images)
	if err := h.Runs.Update(ctx, r); err != nil {
		return end, err
	}
	return p, h.tell(ctx, wiring.RunProgress, r)
}

// begin puts a run on record. It is false when the task is paused, or another run is under way.
func (h *Handler) begin(ctx context.Context, e Event) (bool, error) {
	pause, err := h.Runs.Pause(ctx)
	if err != nil || pause.Paused {
		return false, err
	}
	_, held, err := h.Runs.Lease(ctx, gate, e.Run, h.Now(), gateTime)
	if err != nil {
		return false, err
	}
	if !held {
		return false, gateError{}
	}
	begins, err := h.decide(ctx, e)
	return begins, errors.Join(err, h.Runs.Unlease(ctx, gate, e.Run))
}

// newRun is a run that begins.
func (h *Handler) newRun(e Event) run.Run {
	return run.Run{ID: e.Run, Trigger: cmp.Or(e.Ask.Trigger, Manual), State: run.Finding, Started: h.Now(), Version: h.Version}
}

func (h *Handler) decide(ctx context.Context, e Event) (bool, error) {
	r := h.newRun(e)
	switch there, err := h.Runs.Get(ctx, e.Run); {
	case err == nil:
		return there.State.Open(), nil // an answer was lost
	case !errors.Is(err, run.ErrNotFound):
		return false, err
	}
	other, err := h.other(ctx, e.Run)
	if err == nil && other != "" && r.Trigger == Push {
		// The note comes first: whoever closes the other run either sees it, or had closed that run before this look.
		if err = h.noteAgain(ctx); err == nil {
			other, err = h.other(ctx, e.Run)
		}
		if err == nil && other != "" {
			return false, nil
		}
	}
	if err != nil {
		return false, err
	}
	kind := wiring.RunStarted
	if other != "" {
		r.State, r.Finished, r.Error = run.Skipped, r.Started, fmt.Sprintf("run %s is under way", other)
		kind = wiring.RunClosed
	}
	if err := h.Runs.Create(ctx, r); err != nil {
		return false, err
	}
	return other == "", h.tell(ctx, kind, r)
}

// other returns the run that is under way. One whose execution is gone is closed as failed: nobody else would.
func (h *Handler) other(ctx context.Context, self string) (string, error) {
	open, err := h.Runs.Open(ctx)
	if err != nil {
		return "", err
	}
	for _, r := range open {
		if r.ID == self {
			continue
		}
		alive, err := h.Alive(ctx, r.ID)
		if err != nil || alive {
			return r.ID, err
		}
		r.State, r.Finished, r.Error = run.Failed, h.Now(), "its execution ended without closing it; the history of the state machine says why"
		if err := h.Runs.Update(ctx, r); err != nil {
			return "", err
		}
		if err := h.tell(ctx, wiring.RunClosed, r); err != nil {
			return "", err
		}
	}
	return "", nil
}

// chosen leaves in a comparison what a retry asks for: images that failed, of those the named ones or those of a class.
// Batches that hold one of them are copied whole, since what agrees already costs a look.
func (h *Handler) chosen(ctx context.Context, c Comparison, ask Ask) (Comparison, error) {
	kept := c
	kept.Batches, kept.TooMany = nil, "" // a whole run says it
	named, err := h.images(ctx, ask)
	if err != nil {
		return kept, err
	}
	wanted := make(map[Image]bool, len(named))
	for _, i := range named {
		wanted[i] = true
	}
	for _, b := range c.Batches {
		all := slices.Concat(b.Images, b.Deletes)
		on, err := h.Records.Outcomes(ctx, all)
		if err != nil {
			return kept, err
		}
		if slices.ContainsFunc(all, func(i Image) bool {
			o := on[i]
			return o.Status == Failed && (ask.Class == "" || o.ErrorClass == ask.Class) && (len(wanted) == 0 || wanted[i])
		}) {
			kept.Batches = append(kept.Batches, b)
		}
	}
	return kept, nil
}

// missing records what the source does not have.
func (h *Handler) missing(ctx context.Context, runID string, all []Absent) error {
	for _, a := range all {
		o := Outcome{Run: runID, Status: Failed, ErrorClass: a.Class, ErrorMessage: a.Message}
		if err := h.Records.PutOutcome(ctx, a.Image, o, h.Now()); err != nil {
			return err
		}
	}
	return nil
}

// plannedImage is an image in the list of what a run was to do.
type plannedImage struct {
	Image
	Delete bool `json:"delete,omitempty"`
}

// write puts the batches, then the list of their keys and of their images, into the bucket.
func (h *Handler) write(ctx context.Context, runID string, c Comparison) (Planned, error) {
	p := Planned{Verdict: Close, Run: runID, Batches: len(c.Batches)}
	var keys []string
	var images []plannedImage
	for n, b := range c.Batches {
		keys = append(keys, batchKey(runID, n))
		for _, i := range b.Images {
			images = append(images, plannedImage{Image: i})
		}
		for _, i := range b.Deletes {
			images = append(images, plannedImage{i, true})
		}
		p.Images += len(b.Images)
		if err := h.Work.Put(ctx, keys[n], b.Document); err != nil {
			return p, err
		}
	}
	for _, a := range c.Absent {
		images = append(images, plannedImage{Image: a.Image}) // so that closing counts it
	}
	if len(images) == 0 {
		return p, nil
	}
	for key, content := range map[string]any{listKey(runID): keys, imagesKey(runID): images} {
		text, err := json.Marshal(content)
		if err == nil {
			err = h.Work.Put(ctx, key, text)
		}
		if err != nil {
			return p, err
		}
	}
	if p.Batches > 0 {
		p.Verdict, p.List = Copy, listKey(runID)
	}
	return p, nil
}
