// Package monitor sees the runs of a stack to their end: it tells of them on the event bus, waits until they have drained, and
// has them closed by a proof. It holds nothing but what its state says, which a state machine carries from look to look; one
// execution looks after all runs that are open.
package monitor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/datatransferhub/dth/plugins/s3/wiring"
	"github.com/datatransferhub/dth/worker/closing"
	"github.com/datatransferhub/dth/worker/giant"
	"github.com/datatransferhub/dth/worker/pass"
	"github.com/datatransferhub/dth/worker/run"
)

// Verdict is what follows a look.
type Verdict = giant.Verdict

// MaxLooks is how many looks one execution makes: a look with its wait takes 12 of the 25,000 events that Step Functions gives
// an execution (https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html).
const MaxLooks = 1500

// Patience of the monitor.
const (
	// quietLooks is how often in a row a run has to be found drained: a queue's numbers are estimates.
	quietLooks = 2
	// closingTime is how long a finder that closes a run may take until another is started: comparing 100 million objects on
	// both sides takes less.
	closingTime = 2 * time.Hour
	// maxClosings is how often closing a run is tried.
	maxClosings = 5
	// silence is how long a run may be without its finder until another finder goes on with it: a schedule may tick in between,
	// and a task that has none has nobody else to do so.
	silence = 30 * time.Minute
	// retrying is how long failed objects may take to be queued again, by as many calls as Lambda makes.
	retrying = 2 * time.Hour
	// maxResumes is how often that is tried.
	maxResumes = 5
	// tellEvery is how often the progress of a run is told of.
	tellEvery = 5 * time.Minute
	// patience is how many looks wait for a run to appear: an execution begins when a finder's instance does, which boots and
	// looks at both ends before its run is on record.
	patience = 30
	// maxOpen bounds the runs of a state, which Step Functions limits to 256 KiB.
	maxOpen = 50
)

// State is what an execution carries from look to look. It holds no names of objects.
type State struct {
	Begun        string `json:"begun"` // names the first execution
	Continuation int    `json:"continuation"`
	Looks        int    `json:"looks"`
	Seen         bool   `json:"seen,omitempty"` // a run was open, or told to be closed
	// Newest is when the newest run of the look before began; of a later one that is over already nobody has told. Marked says
	// that there was a look before.
	Marked bool            `json:"marked,omitempty"`
	Newest time.Time       `json:"newest,omitzero"`
	Runs   map[string]Open `json:"runs,omitempty"`
}

// Open is a run that is not closed yet.
type Open struct {
	Quiet    int       `json:"quiet,omitempty"`    // looks in a row that found it drained
	Closings int       `json:"closings,omitempty"` // finders that were started to close it
	Launched time.Time `json:"launched,omitzero"`  // when the last of them was
	Told     time.Time `json:"told,omitzero"`      // when its progress was told of
	Silent   time.Time `json:"silent,omitzero"`    // since when it is FINDING and no finder is at work, or the last was started to go on
	Resumes  int       `json:"resumes,omitempty"`  // finders that were started to go on with it
}

// Name is the name of the execution that goes on with a state: of at most 80 letters, digits, hyphens and underscores.
func (s State) Name() string { return fmt.Sprintf("%.60s-%d", s.Begun, s.Continuation) }

// Answer is what the state machine goes on with.
type Answer struct {
	Verdict   Verdict `json:"verdict"`
	Name      string  `json:"name"`
	Execution State   `json:"execution"`
}

// Event is told on the event bus.
type Event struct {
	Kind   string // of package wiring: RunStarted, RunProgress, RunClosed
	Detail Detail
}

// Detail is the detail of an event.
type Detail struct {
	StackName string               `json:"stackName"`
	StackID   string               `json:"stackId"`
	Run       string               `json:"run"`
	Trigger   string               `json:"trigger"`
	State     run.State            `json:"state"`
	Started   time.Time            `json:"started"`
	Finished  time.Time            `json:"finished,omitzero"`
	Finder    run.FinderTotals     `json:"finder"`
	Outcomes  map[string]run.Tally `json:"outcomes,omitempty"`
	Settled   int64                `json:"settled,omitempty"` // objects that have an outcome
	Errors    map[string]int64     `json:"errors,omitempty"`  // failed objects by class
	Proved    bool                 `json:"proved"`
	Named     int64                `json:"named"`
	Newer     int64                `json:"newer"`
	// Unaccounted is how many queued objects had no outcome when the run was closed.
	Unaccounted int64 `json:"unaccounted,omitempty"`

	Remaining map[string]int64 `json:"remaining,omitempty"`
	Report    string           `json:"report,omitempty"`
	Error     string           `json:"error,omitempty"`
}

// Handler looks once for each call.
type Handler struct {
	StackName, StackID string
	Closing            closing.Config // Runs, Queue and Uploads of it
	// Tell puts events on the bus.
	Tell func(ctx context.Context, events []Event) error
	// Close starts a finder that closes a run; the same request never starts a second one.
	Close func(ctx context.Context, runID, request string) error
	// Resume starts a finder that goes on with the run whose finder is gone.
	Resume func(ctx context.Context, request string) error
	Log    *slog.Logger
	Now    func() time.Time
}

// Handle makes one look. Whatever it did is on record, or done once more by the next look: events are told at least once.
func (h *Handler) Handle(ctx context.Context, s State) (Answer, error) {
	mine, err := h.lease(ctx, s.Begun)
	if err != nil {
		return Answer{}, err
	}
	if !mine {
		return h.wait(s), nil
	}
	l := &look{Handler: h, begun: s.Begun, before: s.Runs, after: map[string]Open{}, marked: s.Marked, newest: s.Newest}
	if err := l.runs(ctx); err != nil {
		h.Log.Error("looking at the runs failed; it is tried again", "error", err)
		return Answer{}, err
	}
	s.Runs, s.Looks, s.Seen = l.after, s.Looks+1, s.Seen || l.seen
	s.Marked, s.Newest = true, l.newest
	answer := Answer{Verdict: giant.Wait, Execution: s}
	switch {
	case len(s.Runs) == 0 && (s.Seen || s.Looks >= patience):
		answer.Verdict = giant.End
		if err := h.deadLetters(ctx, s); err != nil {
			return Answer{}, err
		}
		if err := h.Closing.Runs.Unlease(ctx, leaseName, s.Begun); err != nil {
			return Answer{}, err
		}
	case s.Looks >= MaxLooks:
		answer.Verdict = giant.Continue
		answer.Execution.Continuation, answer.Execution.Looks = s.Continuation+1, 0
	}
	answer.Name = answer.Execution.Name()
	h.Log.Info("looked", "open", len(s.Runs), "verdict", answer.Verdict)
	return answer, nil
}

// deadLetters has what ended in the dead-letter queue put on record, where no pass and no closing of a run has done so for a
// day. The finder that closes the next run does it first, whether or not a run waits to be closed.
func (h *Handler) deadLetters(ctx context.Context, s State) error {
	if s.Seen || !strings.HasPrefix(s.Begun, wiring.DailyMonitor) {
		return nil
	}
	h.Log.Info("no run was seen; a finder is started to look for dead letters")
	if err := h.Close(ctx, "next", fmt.Sprintf("close-%.60s-next", s.Begun)); err != nil {
		return fmt.Errorf("starting the finder that looks for dead letters: %w", err)
	}
	return nil
}

// wait is the answer while another execution looks after all runs. That one may end before the run appears for which this one
// was started, so this one waits as long as that could take.
func (h *Handler) wait(s State) Answer {
	s.Looks++
	a := Answer{Verdict: giant.Wait, Name: s.Name(), Execution: s}
	if s.Looks >= patience {
		a.Verdict = giant.End
	}
	return a
}

// One execution looks after all runs of a stack. Each pass starts one.
const (
	leaseName = "monitor"
	leaseTime = 10 * time.Minute // looks come each minute
)

func (h *Handler) lease(ctx context.Context, holder string) (bool, error) {
	_, held, err := h.Closing.Runs.Lease(ctx, leaseName, holder, h.Now(), leaseTime)
	if err != nil {
		h.Log.Error("the lease of the monitor cannot be had; it is tried again", "error", err)
	}
	return held, err
}

// look is one look at all runs.
type look struct {
	*Handler
	begun         string
	before, after map[string]Open
	events        []Event
	paused        bool // the task is: everything waits
	finder        bool // one is at work
	seen          bool // a run was open, or told to be closed

	marked bool
	newest time.Time
}

// unseen reports whether a run that is over began after the look before: it was closed by its own finder, or failed at once.
func (l *look) unseen(r run.Run) bool {
	return l.marked && r.Started.After(l.newest) && r.State != run.Skipped
}

func (l *look) runs(ctx context.Context) error {
	concerned, err := l.concerned(ctx)
	if err != nil {
		return err
	}
	now := l.Now()
	if err := l.circumstances(ctx, now); err != nil {
		return err
	}
	for _, r := range concerned {
		open, known := l.before[r.ID]
		switch {
		case r.OfEvents() && r.State.Open() && now.Sub(r.Started) <= closing.EventDay:
		case !r.State.Open():
			if known || l.unseen(r) {
				l.seen, err = true, l.tell(ctx, wiring.RunClosed, r)
			}
		case len(l.after) < maxOpen:
			if !known {
				if err = l.tell(ctx, wiring.RunStarted, r); err != nil {
					return err
				}
				open.Told = now
			}
			if open, err = l.one(ctx, r, open, now); err == nil {
				l.after[r.ID], l.seen = open, true
			}
		}
		if err != nil {
			return err
		}
	}
	for i := range concerned {
		if concerned[i].Started.After(l.newest) {
			l.newest = concerned[i].Started
		}
	}
	if len(l.events) == 0 {
		return nil
	}
	return l.Tell(ctx, l.events)
}

// concerned returns the runs that there is something to say or to do about, the oldest first: those that are open, those that
// were at the look before, and those that began since.
func (l *look) concerned(ctx context.Context) ([]run.Run, error) {
	all, err := l.Closing.Runs.Open(ctx)
	if err != nil {
		return nil, err
	}
	there := map[string]bool{}
	for i := range all {
		there[all[i].ID] = true
	}
	for id := range l.before {
		if there[id] {
			continue
		}
		r, err := l.Closing.Runs.Get(ctx, id)
		if errors.Is(err, run.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		there[id] = true
		all = append(all, r)
	}
	begun, err := l.since(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range begun {
		if !there[r.ID] {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b run.Run) int { return cmp.Or(a.Started.Compare(b.Started), strings.Compare(a.ID, b.ID)) })
	return all, nil
}

// since returns the runs that began after the look before, and one more.
func (l *look) since(ctx context.Context) ([]run.Run, error) {
	if !l.marked {
		return l.Closing.Runs.Made(ctx, 1)
	}
	const most = 2000 // a monitor that begins to look after a long time tells of no more
	for limit := 20; ; limit = min(10*limit, most) {
		begun, err := l.Closing.Runs.Made(ctx, limit)
		if err != nil || len(begun) < limit || limit == most || !begun[len(begun)-1].Started.After(l.newest) {
			return begun, err
		}
	}
}

// prober is the name under which the finder's lease is asked for, to see whether somebody has it. It is given back at once.
const prober = "monitor"

// circumstances are those that all runs share.
func (l *look) circumstances(ctx context.Context, now time.Time) error {
	pause, err := l.Closing.Runs.Pause(ctx)
	if err != nil {
		return err
	}
	l.paused = pause.Paused
	_, free, err := l.Closing.Runs.Lease(ctx, pass.LeaseName, prober, now, time.Millisecond)
	if err != nil {
		return fmt.Errorf("looking whether a finder is at work: %w", err)
	}
	if l.finder = !free; free {
		return l.Closing.Runs.Unlease(ctx, pass.LeaseName, prober)
	}
	return nil
}

// one looks at a run that is open.
func (l *look) one(ctx context.Context, r run.Run, o Open, now time.Time) (Open, error) {
	if now.Sub(o.Told) >= tellEvery {
		if err := l.tell(ctx, wiring.RunProgress, r); err != nil {
			return o, err
		}
		o.Told = now
	}
	if l.paused {
		o.Quiet, o.Silent = 0, time.Time{}
		return o, nil
	}
	if r.State == run.Finding && r.OfRetry() {
		if now.Sub(r.Started) < retrying {
			return o, nil
		}
		return o, l.giveUp(ctx, r, now, "the retry broke off before all of its objects were queued; ask for another one")
	}
	if r.State == run.Finding && !r.OfEvents() {
		return l.finding(ctx, r, o, now)
	}
	c := l.Closing
	c.Now = l.Now
	why, err := closing.Drained(ctx, c, r.ID)
	if err != nil {
		return o, err
	}
	if why != "" {
		o.Quiet = 0
		return o, nil
	}
	if o.Quiet++; o.Quiet < quietLooks || !o.Launched.IsZero() && now.Sub(o.Launched) < closingTime {
		return o, nil
	}
	if o.Closings >= maxClosings {
		return o, l.giveUp(ctx, r, now, fmt.Sprintf("the proof that both ends agree was begun %d times and never came to its end; the finders' log says why", maxClosings))
	}
	l.Log.Info("run has drained; a finder is started to close it", "run", r.ID, "try", o.Closings+1)
	if err := l.Close(ctx, r.ID, l.request("close", r.ID, o.Closings+1)); err != nil {
		return o, fmt.Errorf("starting the finder that closes run %s: %w", r.ID, err)
	}
	o.Closings++
	o.Launched = now
	return o, nil
}

// finding looks at a run whose finder is not through. A finder that died leaves a checkpoint, and another one goes on from it.
func (l *look) finding(ctx context.Context, r run.Run, o Open, now time.Time) (Open, error) {
	o.Quiet = 0
	switch {
	case l.finder:
		o.Silent = time.Time{}
	case o.Silent.IsZero():
		o.Silent = now
	case now.Sub(o.Silent) < silence:
	case o.Resumes >= maxResumes:
		return o, l.giveUp(ctx, r, now, fmt.Sprintf("its finder died, and %d others that were started to go on did not; the finders' log says why", maxResumes))
	default:
		l.Log.Info("run has no finder any more; one is started to go on", "run", r.ID, "try", o.Resumes+1)
		if err := l.Resume(ctx, l.request("resume", r.ID, o.Resumes+1)); err != nil {
			return o, fmt.Errorf("starting the finder that goes on with run %s: %w", r.ID, err)
		}
		o.Resumes++
		o.Silent = now
	}
	return o, nil
}

// request names a start of a finder, for the retries of one look. It names the execution too: another one that begins to count
// anew must not be given the instances of this one, which are gone. It has at most 128 letters.
func (l *look) request(kind, runID string, try int) string {
	return fmt.Sprintf("%s-%.50s-%.60s-%d", kind, l.begun, runID, try)
}

// giveUp puts on record that a run failed. The next look tells of it.
func (l *look) giveUp(ctx context.Context, r run.Run, now time.Time, why string) error {
	r.State, r.Finished, r.Error = run.Failed, now, why
	return l.Closing.Runs.Update(ctx, r)
}

// tell notes an event about a run.
func (l *look) tell(ctx context.Context, kind string, r run.Run) error {
	counters, err := l.Closing.Runs.Counters(ctx, r.ID)
	if err != nil {
		return err
	}
	t := run.Total(counters)
	l.events = append(l.events, Event{kind, Detail{
		StackName: l.StackName, StackID: l.StackID, Run: r.ID, Trigger: r.Trigger, State: r.State, Started: r.Started, Finished: r.Finished, Finder: r.Finder,
		Outcomes: t.Outcomes, Settled: run.Settled(counters), Errors: t.Errors, Proved: r.Proved, Named: r.Named, Newer: r.Newer, Unaccounted: r.Unaccounted, Remaining: r.Remaining, Report: r.Report, Error: r.Error,
	}})
	return nil
}
