package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/datatransferhub/dth/lambda/task"
	"github.com/datatransferhub/dth/worker/image"
	"github.com/datatransferhub/dth/worker/image/copier"
	"github.com/datatransferhub/dth/worker/image/pass"
	"github.com/datatransferhub/dth/worker/image/plan"
	"github.com/datatransferhub/dth/worker/image/record"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run"
)

// ImageParts is what the stack of a task that copies images is made of.
type ImageParts struct {
	Plan     plan.Config // both ends, and what is chosen
	Tool     copier.Tool
	Settings bool // new repositories get those of the source
	Runs     run.Store
	Records  record.Store
	Close    func() // nil: nothing is to be closed
}

// imageBatches is how many batches one machine copies at once.
const imageBatches = 4

// ImageStack is one task at work that copies images.
type ImageStack struct {
	Task Task
	ImageParts
	Version string
	Log     *slog.Logger
	Once    bool             // stop after one run
	Now     func() time.Time // nil: time.Now
	Beat    time.Duration    // how often it is looked whether something is to be done; 0 is half a second
	// Requests are what people ask of the task; nil: nobody asks for anything.
	Requests Requests
	// OnChange, OnClosed and OnOutcome are as those of Stack.
	OnChange  func(Status)
	OnClosed  func(task string, r run.Run, counters []run.Counters)
	OnOutcome func(task string, r ledger.Record)

	voice
}

// Run works until ctx ends, or until one run is through when Once is set. A run that is cut off is gone on with by the next start.
func (s *ImageStack) Run(ctx context.Context) error {
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Beat == 0 {
		s.Beat = 500 * time.Millisecond
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	for ctx.Err() == nil {
		r, choice, err := s.next(ctx)
		if err == nil && r.ID != "" {
			err = s.work(ctx, r, choice)
		}
		wait := s.Beat
		switch {
		case ctx.Err() != nil:
			return nil
		case s.Once && (err != nil || r.ID != "" || s.Task.Paused):
			return err
		case err != nil:
			s.say(func(st *Status) { st.State, st.Error = Failed, err.Error() })
			wait = 5 * s.Beat
		}
		if retry.Sleep(ctx, wait) != nil {
			return nil
		}
	}
	return nil
}

func (s *ImageStack) say(change func(*Status)) { s.tell(s.Task.Name, s.OnChange, change) }

// next returns the run that is to be made now: one that broke off, one that somebody asked for, or one that is due. Its id is empty
// when there is none. A choice is what a retry asks for.
func (s *ImageStack) next(ctx context.Context) (run.Run, *task.Retry, error) {
	if s.Task.Paused {
		s.say(func(st *Status) { st.State = Paused })
		return run.Run{}, nil, nil
	}
	latest, err := s.Runs.Latest(ctx, 20)
	if err != nil {
		return run.Run{}, nil, err
	}
	open := slices.IndexFunc(latest, func(r run.Run) bool {
		return r.State == run.Finding || r.State == run.Copying || r.State == run.Proving
	})
	if open >= 0 {
		choice, err := s.choice(ctx, latest[open])
		return latest[open], choice, err
	}
	for _, kind := range []RequestKind{RunNow, Retry} {
		if r, choice, err := s.asked(ctx, kind); err != nil || r.ID != "" {
			return r, choice, err
		}
	}
	due, when, err := s.Task.due(ctx, s.Runs, true, s.Now(), 10*s.Beat) // a run that failed as a whole is made again, but not at once
	if err != nil {
		return run.Run{}, nil, err
	}
	if due && s.Task.Ticks == nil && s.Task.Events.Poll == 0 && through(latest) {
		due = false // it would end in the same way: somebody has to decide first
	}
	if !due && !s.Once {
		s.say(func(st *Status) {
			if st.Next = when; st.State == "" {
				st.State = Waiting
			}
		})
		return run.Run{}, nil, nil
	}
	trigger := "schedule"
	if s.Once || s.Task.Ticks == nil && s.Task.Events.Poll == 0 {
		trigger = "once"
	}
	r, err := s.create(ctx, "", trigger)
	return r, nil, err
}

// through reports whether the newest pass has done all that it could, and failed all the same: it found too much to be deleted.
func through(latest []run.Run) bool {
	i := slices.IndexFunc(latest, func(r run.Run) bool { return r.IsPass() })
	return i >= 0 && latest[i].State == run.Failed && latest[i].Proved
}

func (s *ImageStack) create(ctx context.Context, id, trigger string) (run.Run, error) {
	r := run.Run{ID: id, Trigger: trigger, State: run.Finding, Started: s.Now().UTC(), Version: s.Version}
	if id == "" {
		r.ID = pass.RunID(r.Started)
	}
	return r, s.Runs.Create(ctx, r)
}

// asked returns the run that a person asked for. A request stays until its run is through: a crash loses none.
func (s *ImageStack) asked(ctx context.Context, kind RequestKind) (run.Run, *task.Retry, error) {
	if s.Requests == nil {
		return run.Run{}, nil, nil
	}
	ask, err := s.Requests.Next(ctx, s.Task.Name, kind)
	if err != nil || ask.ID == "" {
		return run.Run{}, nil, err
	}
	made, err := s.Runs.Get(ctx, ask.ID)
	if err == nil { // it is through; only the request was not told
		return run.Run{}, nil, errors.Join(s.Requests.Done(ctx, ask.ID, nil), notOpen(made))
	}
	if !errors.Is(err, run.ErrNotFound) {
		return run.Run{}, nil, err
	}
	trigger := "manual"
	if kind == Retry {
		trigger = run.TriggerRetry
	}
	r, err := s.create(ctx, ask.ID, trigger)
	if err != nil {
		return run.Run{}, nil, err
	}
	choice, err := s.choice(ctx, r)
	return r, choice, err
}

// notOpen guards what next relies on: a run that is open was found there.
func notOpen(r run.Run) error {
	if r.Finished.IsZero() {
		return fmt.Errorf("run %s is open and was not gone on with", r.ID)
	}
	return nil
}

// choice returns what the retry asks for whose run this is; nil for other runs.
func (s *ImageStack) choice(ctx context.Context, r run.Run) (*task.Retry, error) {
	if !r.OfRetry() || s.Requests == nil {
		return nil, nil
	}
	ask, err := s.Requests.Get(ctx, r.ID)
	if err != nil {
		return nil, fmt.Errorf("what run %s was to retry: %w", r.ID, err)
	}
	var choice task.Retry
	if err := json.Unmarshal(ask.Body, &choice); err != nil {
		return nil, fmt.Errorf("retry %s cannot be read: %w", r.ID, err)
	}
	return &choice, nil
}

// work makes a run, or goes on with one. What fails as a whole is on record as a failed run.
func (s *ImageStack) work(ctx context.Context, r run.Run, choice *task.Retry) error {
	w := &imageRun{ImageStack: s, run: r, choice: choice}
	s.say(func(st *Status) { *st = Status{State: Listing, Run: r.ID, Next: st.Next} })
	if err := w.recount(ctx); err != nil {
		return err
	}
	var flushes sync.WaitGroup
	flushing, stop := context.WithCancel(ctx)
	flushes.Go(func() { w.flushEvery(flushing, time.Second) })
	result, err := pass.Run(ctx, pass.Config{
		Plan: s.Plan,
		Copier: &copier.Copier{
			Source: s.Plan.Source, Destination: s.Plan.Destination, Open: s.Plan.Open, Tool: s.Tool, Records: s.Records, Referrers: s.Plan.Referrers,
			Settings: s.Settings, RunID: r.ID, Log: s.Log, OnRecord: w.heard,
		},
		Batches: imageBatches, Prove: true, OnPlan: func(p *plan.Result) error { return w.planned(ctx, p) }, OnProve: func() error { return w.proving(ctx) },
	})
	stop()
	flushes.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return w.finish(ctx, result, err)
}

// imageRun is one run under way.
type imageRun struct {
	*ImageStack
	run    run.Run
	choice *task.Retry

	mu       sync.Mutex
	counters run.Counters
}

// planned puts on record what the run will copy. A run that is gone on with keeps what it had planned.
func (w *imageRun) planned(ctx context.Context, p *plan.Result) error {
	if w.choice != nil {
		if err := w.choose(ctx, p); err != nil {
			return err
		}
	}
	if w.run.State == run.Finding {
		w.run.State, w.run.Found, w.run.Finder = run.Copying, w.Now().UTC(), p.Totals
		w.run.Finder.Queued = int64(p.Images() + p.Deletions() + len(p.Absent))
		if err := w.Runs.Update(ctx, w.run); err != nil {
			return err
		}
	}
	w.say(func(st *Status) { st.State, st.Queued = Copying, w.run.Finder.Queued })
	return nil
}

// choose leaves the images that a retry asks for: failed ones, of those the named ones or those of a class. What was to be deleted is
// chosen likewise; whether all of it is too much, only a whole run says.
func (w *imageRun) choose(ctx context.Context, p *plan.Result) error {
	var kept []image.Batch
	for _, b := range p.Batches {
		var keys []record.Key
		for _, i := range b.Images {
			keys = append(keys, record.Key{Image: b.Name, Tag: i.Reference()})
		}
		for _, x := range b.Delete {
			keys = append(keys, record.Key{Image: b.Name, Tag: x.Reference()})
		}
		on, err := w.Records.Get(ctx, keys)
		if err != nil {
			return err
		}
		left := func(reference string) bool {
			r := on[record.Key{Image: b.Name, Tag: reference}]
			return !w.chosen(r) && r.RunID != w.run.ID // of this run, before it broke off
		}
		b.Images = slices.DeleteFunc(slices.Clone(b.Images), func(i image.Image) bool { return left(i.Reference()) })
		b.Delete = slices.DeleteFunc(slices.Clone(b.Delete), func(x image.Extra) bool { return left(x.Reference()) })
		if len(b.Images)+len(b.Delete) > 0 {
			kept = append(kept, b)
		}
	}
	p.Batches, p.TooMany = kept, nil
	return nil
}

func (w *imageRun) chosen(r record.Record) bool {
	switch {
	case r.Status != record.Failed:
		return false
	case len(w.choice.Keys) > 0:
		return slices.Contains(w.choice.Keys, r.Key.String())
	}
	return w.choice.Class == "" || r.ErrorClass == w.choice.Class
}

func (w *imageRun) proving(ctx context.Context) error {
	w.run.State = run.Proving
	w.say(func(st *Status) { st.State = Proving })
	return w.Runs.Update(ctx, w.run)
}

// heard counts a record. Batches call it at once.
func (w *imageRun) heard(r record.Record) {
	w.mu.Lock()
	count(&w.counters, &r)
	c := w.counters
	w.mu.Unlock()
	failed, copied := c.Outcomes[string(ledger.Failed)], c.Outcomes[copiedImages]
	settled := run.Settled([]run.Counters{c})
	w.say(func(st *Status) {
		st.Settled, st.Failed, st.Copied, st.Bytes = settled, failed.Objects, copied.Objects, copied.Bytes
	})
	if w.OnOutcome != nil {
		w.OnOutcome(w.Task.Name, task.ObjectOfImage(&r))
	}
}

// copiedImages is the outcome under which copied images are counted.
const copiedImages = "DONE:copy"

// count adds a record to counters.
func count(c *run.Counters, r *record.Record) {
	o := task.ObjectOfImage(r)
	next := run.Counters{Worker: c.Worker, Seq: c.Seq, Outcomes: map[string]run.Tally{}, Errors: map[string]int64{}}
	for name, n := range c.Outcomes {
		next.Outcomes[name] = n
	}
	for name, n := range c.Errors {
		next.Errors[name] = n
	}
	tally := next.Outcomes[o.Outcome()]
	next.Outcomes[o.Outcome()] = run.Tally{Objects: tally.Objects + 1, Bytes: tally.Bytes + o.Size}
	if class := o.Class(); class != "" {
		next.Errors[class]++
	}
	*c = next
}

// recount counts what is on record of the run: that is what counts, whoever wrote it before a crash.
func (w *imageRun) recount(ctx context.Context) error {
	c := run.Counters{Worker: "this machine", Outcomes: map[string]run.Tally{}, Errors: map[string]int64{}}
	for after := ""; ; {
		page, err := w.Records.List(ctx, "", 1000, after)
		if err != nil {
			return err
		}
		for i := range page.Records {
			if page.Records[i].RunID == w.run.ID {
				count(&c, &page.Records[i])
			}
		}
		if after = page.Next; after == "" {
			break
		}
	}
	w.mu.Lock()
	w.counters = c
	w.mu.Unlock()
	return w.flush(ctx)
}

func (w *imageRun) flush(ctx context.Context) error {
	w.mu.Lock()
	c := w.counters
	w.mu.Unlock()
	c.Seq, c.Updated = w.Now().UnixNano(), w.Now().UTC()
	return w.Runs.PutCounters(ctx, w.run.ID, c)
}

// flushEvery writes the counters while images are copied, for those who look on.
func (w *imageRun) flushEvery(ctx context.Context, every time.Duration) {
	for retry.Sleep(ctx, every) == nil {
		if err := w.flush(ctx); err != nil && ctx.Err() == nil {
			w.Log.Warn("the run's counters are not on record yet", "run", w.run.ID, "error", err)
		}
	}
}

// finish puts the end of a run on record; what is counted comes first, so that a closed run has its counters.
func (w *imageRun) finish(ctx context.Context, result *pass.Result, failed error) error {
	if err := w.recount(ctx); err != nil {
		return err
	}
	w.run.State, w.run.Finished = run.Done, w.Now().UTC()
	if failed != nil {
		w.run.State, w.run.Error = run.Failed, failed.Error()
	}
	if result != nil && result.Proved {
		w.run.Proved, w.run.Named, w.run.Newer, w.run.Remaining = true, int64(result.Named+result.Absent), int64(result.Newer), map[string]int64{}
		if result.Left > 0 {
			w.run.Remaining["changed"] = int64(result.Left)
		}
	}
	if err := w.Runs.Update(ctx, w.run); err != nil {
		return err
	}
	if err := w.answered(ctx); err != nil {
		return err
	}
	counters, err := w.Runs.Counters(ctx, w.run.ID)
	if err != nil {
		return err
	}
	if w.OnClosed != nil {
		w.OnClosed(w.Task.Name, w.run, counters)
	}
	w.say(func(st *Status) {
		st.State, st.Named = Done, w.run.Named
		if failed != nil {
			st.State, st.Error = Failed, failed.Error()
		}
	})
	return nil
}

// answered ends the request that asked for the run, if one did.
func (w *imageRun) answered(ctx context.Context) error {
	if w.Requests == nil || w.run.Trigger != "manual" && !w.run.OfRetry() {
		return nil
	}
	err := w.Requests.Done(ctx, w.run.ID, nil)
	if errors.Is(err, ErrNoRequest) {
		return nil
	}
	return err
}
