package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/datatransferhub/dth/worker/closing"
	"github.com/datatransferhub/dth/worker/consume"
	"github.com/datatransferhub/dth/worker/finder"
	"github.com/datatransferhub/dth/worker/fleet"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/multipart"
	"github.com/datatransferhub/dth/worker/pass"
	"github.com/datatransferhub/dth/worker/queue"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/transfer"
)

// Source and Destination are the ends of a task, as finder and workers see them.
type (
	Source interface {
		finder.End
		transfer.Source
	}
	Destination interface {
		finder.End
		transfer.Destination
	}
)

// Parts is what a task's stack is made of.
type Parts struct {
	Source      Source
	Destination Destination
	Shared      bool
	PrefixFile  finder.Getter
	Queue       interface {
		queue.Queue
		Len() int64
	}
	DeadLetters queue.Queue
	Ledger      ledger.Ledger
	Runs        run.Store
	Uploads     multipart.Records
	// Position keeps how far the task's event file was read; nil: the task has none.
	Position Position
	// Report opens run reports; nil: none are written.
	Report func(runID string) (closing.Report, error)
	// Tidy removes records that are kept no longer; nil: all are kept. It is called when a run is closed.
	Tidy  func(ctx context.Context) error
	Close func()
}

// Stack is one task at work.
type Stack struct {
	Task Task
	Parts
	Version string
	Log     *slog.Logger
	// Once stops the stack after one pass and its proof.
	Once bool
	Now  func() time.Time // nil: time.Now
	// OnChange is told of every change worth a line, OnClosed of every run that was proved, OnOutcome of every object. nil:
	// nobody is.
	OnChange  func(Status)
	OnClosed  func(task string, r run.Run, counters []run.Counters)
	OnOutcome func(task string, r ledger.Record)
	// Beat is how often runs are looked at; 0 is half a second.
	Beat time.Duration
	// Requests are what people ask of the task; nil: nobody asks for anything.
	Requests Requests

	voice
	worker      *fleet.Worker
	lettersRead time.Time // of the loop that makes passes
}

// voice tells how a task is doing.
type voice struct {
	mu     sync.Mutex
	status Status
}

// tell changes the status and tells of it when it is another.
func (v *voice) tell(name string, onChange func(Status), change func(*Status)) {
	v.mu.Lock()
	before := v.status
	change(&v.status)
	v.status.Task = name
	now := v.status
	v.mu.Unlock()
	if onChange != nil && now != before {
		onChange(now)
	}
}

// Status returns how the task is doing.
func (v *voice) Status() Status {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.status
}

// Status is how a task is doing.
type Status struct {
	Task    string    `json:"task"`
	State   State     `json:"state"`
	Run     string    `json:"run,omitempty"`
	Queued  int64     `json:"queued"`  // objects that the run asked for
	Settled int64     `json:"settled"` // of those, how many have an outcome
	Copied  int64     `json:"copied"`
	Bytes   int64     `json:"bytes"` // copied
	Failed  int64     `json:"failed"`
	Named   int64     `json:"named,omitempty"` // after the proof: different, and the ledger says why
	Left    int64     `json:"left,omitempty"`  // after the proof: different without a reason
	Next    time.Time `json:"next,omitzero"`   // of the next pass
	Error   string    `json:"error,omitempty"`
}

// State is what a task is at.
type State string

// The states.
const (
	Waiting State = "waiting" // nothing is under way
	Listing State = "listing" // both ends are listed and compared
	Copying State = "copying" // what differs is copied
	Proving State = "proving" // both ends are compared again
	Done    State = "done"    // the latest run is proved
	Failed  State = "failed"  // something is wrong with the task as a whole; it is tried again
	Paused  State = "paused"  // no pass is made
)

// maxQueued bounds the messages that wait on this machine's disk.
const maxQueued = 200_000

// Run works until ctx ends, or until one pass is proved when Once is set. What is under way is finished or kept for the
// next start.
func (s *Stack) Run(ctx context.Context) error {
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Beat == 0 {
		s.Beat = 500 * time.Millisecond
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	name := fmt.Sprintf("%s-%d", s.Task.Name, time.Now().UnixNano())
	var err error
	s.worker, err = fleet.New(ctx, fleet.Config{
		Job: s.Task.Job, Source: s.Source, Destination: s.Destination, Shared: s.Shared, PrefixFile: s.PrefixFile, Queue: s.Queue, Ledger: s.Ledger,
		Runs: s.Runs, Uploads: s.Uploads, Worker: name, Log: s.Log, Every: time.Second, OnOutcome: s.outcome,
		Tune: func(c *consume.Config, x *transfer.Config) {
			c.Batch, c.Receivers, c.HandBack, c.HandBackCap, c.ProbeEvery, c.Drain = 100, 2, time.Second, time.Minute, 5*time.Second, 10*time.Second
			x.Fleet = false // one process has nobody to share a giant with
		},
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var loops sync.WaitGroup
	if !s.Task.Paused {
		loops.Go(func() {
			if err := s.worker.Run(ctx); err != nil {
				stop(err)
			}
		})
	}
	loops.Go(func() { s.feed(ctx) })
	err = s.schedule(ctx)
	stop(err)
	loops.Wait()
	if cause := context.Cause(ctx); err == nil && cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return err
}

func (s *Stack) outcome(r ledger.Record) {
	if s.OnOutcome != nil {
		s.OnOutcome(s.Task.Name, r)
	}
}

// schedule makes passes when they are due and closes runs, one after the other.
func (s *Stack) schedule(ctx context.Context) error {
	wanted := s.Once && !s.Task.Paused // one pass whatever the schedule says
	made := ""
	for ctx.Err() == nil {
		s.letters(ctx)
		closed, idle, err := s.close(ctx)
		if err == nil && closed != "" && closed == made {
			return nil
		}
		if err == nil && idle {
			var r run.Run
			if r, err = s.asked(ctx); r.ID != "" {
				idle = false
			}
		}
		if err == nil {
			var r run.Run
			if r, err = s.passIfDue(ctx, idle, wanted); err == nil && wanted && r.ID != "" && r.State != run.Skipped {
				wanted, made = false, r.ID
			}
		}
		wait := s.Beat
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && s.Once:
			return err
		case err != nil:
			s.say(func(st *Status) { st.State, st.Error = Failed, err.Error() })
			wait = 5 * s.Beat
		case s.Once && s.Task.Paused && idle:
			return nil
		}
		if err := retry.Sleep(ctx, wait); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// passIfDue makes a pass when it is time for one.
func (s *Stack) passIfDue(ctx context.Context, idle, wanted bool) (run.Run, error) {
	due, next, err := s.due(ctx, idle)
	if err != nil {
		return run.Run{}, err
	}
	if wanted && idle {
		due = true
	}
	if !due || s.Task.Paused {
		s.say(func(st *Status) {
			st.Next = next
			switch {
			case s.Task.Paused:
				st.State = Paused
			case st.State == "" && idle:
				st.State = Waiting
			}
		})
		return run.Run{}, nil
	}
	trigger := "schedule"
	if s.Once || s.Task.Ticks == nil && s.Task.Events.Poll == 0 {
		trigger = "once"
	}
	return s.pass(ctx, trigger, "")
}

// asked does what a person asked for, if there is something: a pass, or a retry. It waits until the run before is closed; what
// broke off goes on.
func (s *Stack) asked(ctx context.Context) (run.Run, error) {
	if s.Requests == nil || s.Task.Paused {
		return run.Run{}, nil
	}
	r, err := s.Requests.Next(ctx, s.Task.Name, RunNow)
	if err != nil {
		return run.Run{}, err
	}
	if r.ID == "" {
		return s.askedAgain(ctx)
	}
	made, err := s.Runs.Get(ctx, r.ID)
	if errors.Is(err, run.ErrNotFound) || err == nil && made.State == run.Finding {
		made, err = s.pass(ctx, "manual", r.ID)
	}
	if err != nil && made.State != run.Failed { // one that failed is on record: whoever asked sees why
		return made, err
	}
	return made, errors.Join(err, s.Requests.Done(ctx, r.ID, nil))
}

// askedAgain queues the failed objects again that a person asked for, in a run of the request's id.
func (s *Stack) askedAgain(ctx context.Context) (run.Run, error) {
	r, err := s.Requests.Next(ctx, s.Task.Name, Retry)
	if err != nil || r.ID == "" {
		return run.Run{}, err
	}
	var choose pass.Again
	if err := json.Unmarshal(r.Body, &choose); err != nil {
		return run.Run{}, errors.Join(fmt.Errorf("retry %s cannot be read: %w", r.ID, err), s.Requests.Done(ctx, r.ID, nil))
	}
	made, err := pass.Retry(ctx, pass.RetryConfig{
		RunID: r.ID, Choose: choose, Queue: s.Queue, Ledger: s.Ledger, Runs: s.Runs, Version: s.Version, Holder: "this machine", Room: s.room, Log: s.Log,
		Deletes: s.Task.Job.Deletes(),
	})
	var other *pass.RetryChoiceError
	if err != nil && !errors.As(err, &other) {
		return made, err
	}
	if made.State == run.Copying {
		s.say(func(st *Status) {
			*st = Status{State: Copying, Run: made.ID, Queued: made.Finder.Queued}
		})
	}
	return made, errors.Join(err, s.Requests.Done(ctx, r.ID, nil))
}

// due reports whether a pass should begin: there was none, one broke off, or the schedule has ticked since the last one
// began. However many ticks were missed, one pass makes up for them. A clock that was put back makes nothing run twice:
// the tick after the last start lies ahead.
func (s *Stack) due(ctx context.Context, idle bool) (due bool, next time.Time, err error) {
	return s.Task.due(ctx, s.Runs, idle, s.Now(), s.Beat)
}

func (t *Task) due(ctx context.Context, runs run.Store, idle bool, now time.Time, beat time.Duration) (due bool, next time.Time, err error) {
	r, err := newestPass(ctx, runs)
	if err != nil {
		return false, next, err
	}
	if r != nil {
		if r.State == run.Finding {
			return true, next, nil
		}
		if t.Events.Poll > 0 {
			// Polling means "again when it is done", not a pass on top of another.
			next = r.Started.Add(t.Events.Poll)
			return idle && !now.Before(next), next, nil
		}
		if t.Ticks == nil {
			// A pass that failed before it was through is made again; whoever wanted one pass wanted that one.
			return r.State == run.Failed && now.After(r.Started.Add(10*beat)), next, nil
		}
		next, more := t.Ticks.Next(r.Started)
		return more && !now.Before(next), next, nil
	}
	return true, now, nil
}

// newestPass returns the newest pass, skipped ones among them, however many runs of events and retries came since; nil when there
// is none.
func newestPass(ctx context.Context, runs run.Store) (*run.Run, error) {
	const page = 20
	found, err := runs.Latest(ctx, page)
	for err == nil && len(found) > 0 {
		for i := range found {
			if found[i].IsPass() {
				return &found[i], nil
			}
		}
		last := found[len(found)-1]
		found, err = runs.Before(ctx, last.Started, last.ID, 10*page)
	}
	return nil, err
}

// pass makes one pass. One that comes while the run before still copies is recorded as skipped.
func (s *Stack) pass(ctx context.Context, trigger, id string) (run.Run, error) {
	s.say(func(st *Status) { *st = Status{State: Listing} })
	r, err := pass.Run(ctx, pass.Config{
		Job: s.Task.Job, Source: s.Source, Destination: s.Destination, PrefixFile: s.PrefixFile, Queue: s.Queue, Ledger: s.Ledger, Runs: s.Runs,
		Progress: pass.UploadProgress(s.Uploads), DeadLetters: s.buried, Trigger: trigger, RunID: id, Version: s.Version, Holder: "this machine", Sends: 4,
		Room: s.room, Log: s.Log,
	})
	if err != nil {
		return r, err
	}
	s.say(func(st *Status) {
		st.Run, st.State, st.Queued = r.ID, Copying, r.Finder.Queued
		if r.State == run.Skipped {
			st.State = Waiting
		}
	})
	return r, nil
}

// buried puts on record what lies in the dead-letter queue.
func (s *Stack) buried(ctx context.Context) (recorded, unreadable int64, err error) {
	s.lettersRead = time.Now()
	list := s.PrefixFile
	if list == nil {
		list = s.Source
	}
	return pass.DeadLetters{
		Job: s.Task.Job, PrefixFile: list, Queue: s.DeadLetters, Ledger: s.Ledger, Runs: s.Runs, Uploads: s.Uploads, Holder: s.Task.Name, Log: s.Log,
		Quiet: 200 * time.Millisecond,
	}.Read(ctx)
}

// lettersEvery is how often dead letters are looked for between passes: of a task that follows events there may be none for ever.
const lettersEvery = 10 * time.Minute

// letters looks for dead letters now and then.
func (s *Stack) letters(ctx context.Context) {
	if s.Task.Paused || time.Since(s.lettersRead) < lettersEvery {
		return
	}
	recorded, unreadable, err := s.buried(ctx)
	if err != nil && ctx.Err() == nil {
		s.Log.Warn("dead letters are not recorded yet", "error", err)
	}
	if recorded+unreadable > 0 {
		s.Log.Info("dead letters were read", "recorded", recorded, "unreadable", unreadable)
	}
}

// room waits while the queue is fuller than this machine should keep.
func (s *Stack) room(ctx context.Context) error {
	for s.Queue.Len() > maxQueued {
		if err := retry.Sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// close proves the oldest run that has drained. It returns the run's id when it did, and whether no run is under way.
func (s *Stack) close(ctx context.Context) (closed string, idle bool, err error) {
	r, err := closing.Next(ctx, s.Runs, s.Now())
	if errors.Is(err, closing.ErrNothingToClose) {
		return "", true, nil
	}
	if err != nil {
		return "", false, err
	}
	c := closing.Config{
		Finder: finder.Config{Job: s.Task.Job, Source: s.Source, Destination: s.Destination, PrefixFile: s.PrefixFile, Ledger: s.Ledger},
		Ledger: s.Ledger, Runs: s.Runs, Queue: s.Queue, Uploads: s.Uploads, Report: s.Report,
	}
	why, err := closing.Drained(ctx, c, r.ID)
	if err != nil {
		return "", false, err
	}
	if _, err := s.count(ctx, r, Copying); why != "" || err != nil {
		return "", false, err
	}
	s.say(func(st *Status) { st.State = Proving })
	if r, err = closing.Close(ctx, c, r.ID); err != nil {
		return "", false, err
	}
	counters, err := s.count(ctx, r, Done)
	if err != nil {
		return "", false, err
	}
	if s.OnClosed != nil {
		s.OnClosed(s.Task.Name, r, counters)
	}
	if s.Tidy != nil {
		if err := s.Tidy(ctx); err != nil {
			s.Log.Warn("old records stay; the end of the next run removes them", "error", err)
		}
	}
	return r.ID, true, nil
}

// count brings the figures of a run into the status.
func (s *Stack) count(ctx context.Context, r run.Run, state State) ([]run.Counters, error) {
	all, err := s.Runs.Counters(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	now := Status{State: state, Run: r.ID, Queued: r.Finder.Queued, Settled: run.Settled(all), Named: r.Named}
	for _, n := range r.Remaining {
		now.Left += n
	}
	t := run.Total(all)
	for name, n := range t.Outcomes {
		switch status, method := outcome(name); {
		case status == ledger.Failed:
			now.Failed += n.Objects
		case status == ledger.Done && method != "none": // none: it was there already
			now.Copied += n.Objects
			now.Bytes += n.Bytes
		}
	}
	s.say(func(st *Status) { now.Next = st.Next; *st = now })
	return all, nil
}

// outcome takes the name of a counted outcome apart.
func outcome(name string) (ledger.Status, string) {
	status, method, _ := strings.Cut(name, ":")
	return ledger.Status(status), method
}

func (s *Stack) say(change func(*Status)) { s.tell(s.Task.Name, s.OnChange, change) }
