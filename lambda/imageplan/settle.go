package imageplan

import (
	"context"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/worker/run"
)

// notRun is the class of images whose task never said what became of them.
const notRun = "task"

// The classes of records that were failures and are none any more, though no copy settled them. They are on record as Unchanged: the
// run has done nothing, and nothing is left to do.
const (
	ClassGone     = task.ImageGone
	ClassUnwanted = "not_chosen"
)

// closer counts what became of a run. Worker is the name under which its counters are kept.
const closer = "close"

// failedImage is an image with what its record says.
type failedImage struct {
	Image
	Outcome
}

// proof is what a comparison after the copies says.
type proof struct {
	pending map[Image]bool  // is still to be copied
	deletes map[Image]bool  // is still to be deleted
	absent  map[Image]bool  // is wanted, and the source does not have it, or does not say
	blind   map[string]bool // repositories of which not everything could be told
}

func proofOf(c Comparison) *proof {
	p := &proof{map[Image]bool{}, map[Image]bool{}, map[Image]bool{}, map[string]bool{}}
	for _, b := range c.Batches {
		for _, i := range b.Images {
			p.pending[i] = true
		}
		for _, i := range b.Deletes {
			p.deletes[i] = true
		}
	}
	for _, a := range c.Absent {
		p.absent[a.Image] = true
		if a.Class != notFound {
			p.blind[a.Name] = true
		}
	}
	return p
}

// notFound is the class of what a registry says that it does not have. All else says that it could not be asked.
const notFound = "not_found"

// settled reports whether nothing is left to do for an image. Without a proof nothing is known to be so.
func (p *proof) settled(i Image) bool {
	return p != nil && !p.pending[i] && !p.deletes[i] && !p.absent[i] && !p.blind[i.Name]
}

// settle looks what became of each planned image. One that differs still and has no record of this run gets one, unless the run was
// closed before.
func (h *Handler) settle(ctx context.Context, r *run.Run, planned []plannedImage, p *proof, closed bool) ([]failedImage, run.Counters, error) {
	c := run.Counters{Worker: closer, Seq: 1, Outcomes: map[string]run.Tally{}, Errors: map[string]int64{}, Updated: h.Now()}
	on, err := h.Records.Outcomes(ctx, imagesOf(planned))
	if err != nil {
		return nil, c, err
	}
	var failed []failedImage
	for _, i := range planned {
		o, there := on[i.Image]
		if !there || o.Run != r.ID {
			switch {
			case closed:
				continue
			case !p.settled(i.Image):
				o = Outcome{Run: r.ID, Status: Failed, ErrorClass: notRun, ErrorMessage: "no task came to the end of its batch; the log of the copier and the history of the state machine say why"}
			case i.Delete: // it went with another of its tags, or somebody wants it again
				continue
			default:
				o = Outcome{Run: r.ID, Status: Unchanged} // it is there; whoever copied it did not live to say so
			}
			if err := h.Records.PutOutcome(ctx, i.Image, o, h.Now()); err != nil {
				return nil, c, err
			}
		}
		name := nameOf(o)
		c.Outcomes[name] = add(c.Outcomes[name], o.Bytes)
		if o.Status == Failed {
			c.Errors[o.ErrorClass]++
			failed = append(failed, failedImage{i.Image, o})
		}
	}
	if p != nil {
		difference(r, planned, failed, p)
	}
	return failed, c, nil
}

func imagesOf(planned []plannedImage) []Image {
	images := make([]Image, len(planned))
	for n, i := range planned {
		images[n] = i.Image
	}
	return images
}

// difference sorts what still differs into what the run says a reason of, what is newer than its plan, and the rest.
func difference(r *run.Run, planned []plannedImage, failed []failedImage, p *proof) {
	wanted, named := make(map[Image]bool, len(planned)), make(map[Image]bool, len(failed))
	for _, i := range planned {
		wanted[i.Image] = true
	}
	for _, f := range failed {
		named[f.Image] = true
	}
	r.Remaining, r.Named, r.Newer = map[string]int64{}, 0, 0
	for decision, left := range map[string]map[Image]bool{"changed": p.pending, "extraneous": p.deletes} {
		for i := range left {
			switch {
			case named[i]:
				r.Named++
			case !wanted[i]:
				r.Newer++ // it was pushed since, or a retry did not ask for it
			default:
				r.Remaining[decision]++
			}
		}
	}
}

// outcomes are the names of counters by the status of records, those of the S3 plugin.
var outcomes = map[string]string{Done: "DONE:copy", Unchanged: "UNCHANGED", Deleted: "DELETED", Failed: "FAILED"}

// nameOf is the name of the counter of an outcome.
func nameOf(o Outcome) string {
	if o.Status == Unchanged && o.ErrorClass == ClassGone {
		return "GONE"
	}
	return outcomes[o.Status]
}

func add(t run.Tally, bytes int64) run.Tally {
	return run.Tally{Objects: t.Objects + 1, Bytes: t.Bytes + bytes}
}

// Bounds of what one run revises. What is beyond waits for the next run.
const (
	maxRevised = 1000 // images that are looked at
	maxPages   = 50   // of failures that are read
)

// revise takes out of the failures what is none any more: images that agree by now, whoever copied them, that the source does not
// have any more, or that nobody chooses any more. No run would ever come back to them.
func (h *Handler) revise(ctx context.Context, r *run.Run, planned []plannedImage, p *proof) error {
	candidates, err := h.candidates(ctx, planned, p)
	if err != nil || len(candidates) == 0 {
		return err
	}
	on, err := h.Records.Outcomes(ctx, candidates)
	if err != nil {
		return err
	}
	var failed []Image
	for _, i := range candidates {
		if on[i].Status == Failed { // the list of failures may lag behind
			failed = append(failed, i)
		}
	}
	standings, err := h.Registries.Look(ctx, failed)
	if err != nil {
		h.Log.Warn("images that failed before could not be looked at; the next run does so", "run", r.ID, "images", len(failed), "error", err)
		return nil
	}
	for _, i := range failed {
		o := Outcome{Run: r.ID, Status: Unchanged}
		switch standings[i] {
		case Same:
		case Gone:
			o.ErrorClass, o.ErrorMessage = ClassGone, "it had failed, and the source does not have it any more; what the destination holds under this name stays"
		case Unwanted:
			o.ErrorClass, o.ErrorMessage = ClassUnwanted, "it had failed, and is not chosen any more; what the destination holds under this name stays"
		default:
			continue
		}
		if err := h.Records.PutOutcome(ctx, i, o, h.Now()); err != nil {
			return err
		}
	}
	return nil
}

// candidates are images that are on record as failed, or may be, and of which the proof knows nothing to do.
func (h *Handler) candidates(ctx context.Context, planned []plannedImage, p *proof) ([]Image, error) {
	var found []Image
	known := map[Image]bool{}
	take := func(i Image) {
		if p.settled(i) && !known[i] && len(found) < maxRevised {
			known[i], found = true, append(found, i)
		}
	}
	on, err := h.Records.Outcomes(ctx, imagesOf(planned))
	if err != nil {
		return nil, err
	}
	for i, o := range on {
		if o.Status == Failed {
			take(i)
		}
	}
	for n, after := 0, ""; n < maxPages && len(found) < maxRevised; n++ {
		page, next, err := h.Records.Failures(ctx, after)
		if err != nil {
			return nil, err
		}
		for _, i := range page {
			take(i)
		}
		if after = next; after == "" {
			break
		}
	}
	return found, nil
}
