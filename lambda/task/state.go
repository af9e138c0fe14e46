package task

import (
	"fmt"
	"slices"
	"time"

	"github.com/datatransferhub/dth/worker/run"
)

// State is where a task is in its life.
type State string

// The states.
const (
	Draft      State = "DRAFT"       // filled in, not created: what a clone begins as
	Starting   State = "STARTING"    // its stack is being created
	InProgress State = "IN_PROGRESS" // it makes its runs
	Paused     State = "PAUSED"      // its stack is there, and nothing new is begun
	Updating   State = "UPDATING"    // its stack is being changed
	Done       State = "DONE"        // a one-time task whose run is closed by proof
	Stopping   State = "STOPPING"    // its stack is being deleted
	Stopped    State = "STOPPED"     // its stack is gone; the record stays
	Errored    State = "ERROR"       // something failed; Reason and NextStep say what, and what to do
)

// States are all states that a stored task can have.
func States() []State {
	return []State{Starting, InProgress, Paused, Updating, Done, Stopping, Stopped, Errored}
}

// Valid reports whether the state is one of a stored task.
func (s State) Valid() bool { return slices.Contains(States(), s) }

// Busy reports whether an operation on the stack is under way.
func (s State) Busy() bool { return s == Starting || s == Updating || s == Stopping }

// HasStack reports whether the task's stack is there, as far as the hub knows.
func (t *Task) HasStack() bool { return t.Stack.ID != "" }

// action is something that a person asks for.
type action string

const (
	edit    action = "edited"
	stop    action = "stopped"
	remove  action = "deleted"
	pause   action = "paused"
	resume  action = "resumed"
	runNow  action = "run"
	redo    action = "asked to retry objects"
	examine action = "checked or planned"
)

// allowed are the states from which a task can be asked for something.
var allowed = map[action][]State{
	edit:    {InProgress, Paused, Done, Errored},
	stop:    {Starting, InProgress, Paused, Updating, Done, Errored},
	remove:  {Stopped, Errored},
	pause:   {InProgress},
	resume:  {Paused},
	runNow:  {InProgress, Done},
	redo:    {InProgress, Done},
	examine: {InProgress, Paused, Done},
}

// may returns why a task in its state cannot be asked for something; nil when it can.
func (t *Task) may(a action) error {
	refuse := func(why, next string) error {
		return &Error{Code: WrongState, Message: fmt.Sprintf("task %q cannot be %s: %s", t.Name, a, why), Field: "id", Value: t.ID, Next: next}
	}
	switch {
	case a == remove && t.State == Errored && t.HasStack():
		return refuse("its stack "+t.Stack.Name+" is still there", "stop the task first, which deletes the stack")
	case a == edit && t.State == Errored && !t.HasStack():
		return refuse("it has no stack that could be changed", "clone the task, or delete it")
	case a == edit && t.Steering != nil:
		return refuse("it is being "+string(t.Steering.action()), "wait a moment, or ask for that once more; what broke off is looked after within a quarter of an hour")
	case slices.Contains(allowed[a], t.State):
		return nil
	case t.State.Busy():
		return refuse(fmt.Sprintf("it is %s", t.State), "wait until this is done; the task's page shows how far it is")
	case a == remove:
		return refuse(fmt.Sprintf("it is %s", t.State), "stop the task first, which deletes its stack")
	case t.State == Paused && (a == runNow || a == redo):
		return refuse("it is PAUSED", "resume the task; that begins with a pass")
	}
	return refuse(fmt.Sprintf("it is %s; allowed in %s", t.State, words(allowed[a])), "look at the task's state and reason")
}

func words(states []State) string {
	text := ""
	for i, s := range states {
		switch {
		case i > 0 && i == len(states)-1:
			text += " and "
		case i > 0:
			text += ", "
		}
		text += string(s)
	}
	return text
}

// Outcome is the end of an operation.
type Outcome struct {
	Operation string // its id
	OK        bool
	// Gone says that there is no stack any more: it was deleted, or it never came to be.
	Gone    bool
	StackID string
	Outputs map[string]string
	// RolledBack says that a failed update left the stack as it was before.
	RolledBack bool
	Reason     string // why it failed: the first resource that did, and what it said
	NextStep   string
}

// Settle brings the end of an operation into the task, and reports whether it did: the end of an operation that is no longer
// the task's, because a newer one took its place, changes nothing.
func (t *Task) Settle(o Outcome, now time.Time) bool {
	op := t.Operation
	if op == nil || op.ID != o.Operation {
		return false
	}
	t.Operation, t.Updated = nil, now
	t.Reason, t.NextStep = o.Reason, o.NextStep
	if o.StackID != "" {
		t.Stack.ID = o.StackID
	}
	if o.Outputs != nil {
		t.Stack.Outputs = o.Outputs
	}
	if o.Gone {
		t.Stack.ID, t.Stack.Outputs = "", nil
	}
	switch {
	case o.OK:
		t.State, t.Reason, t.NextStep = op.After, "", ""
	case op.Kind == Update && op.Undo != nil:
		t.Parameters, t.Schedule, t.PluginVersion = op.Undo.Parameters, op.Undo.Schedule, op.UndoVersion
		if t.State = op.After; !o.RolledBack {
			t.Fail(op.After)
		}
	case op.Kind == Delete:
		t.Fail("") // whoever wanted it stopped decides
	default:
		t.Fail(op.After)
	}
	t.Conclude(now)
	return true
}

// Fail brings the task into ERROR. It goes on in a state when its stack is whole again; "" when a person has to decide.
func (t *Task) Fail(back State) { t.State, t.Return = Errored, back }

// Mend begins an update that brings the stack of a task in ERROR, which is whole again, to what is on record; the task goes on
// then as it was before. It reports whether there is anything to go on with.
func (t *Task) Mend(by string, now time.Time) bool {
	if t.State != Errored || t.Return == "" || !t.HasStack() {
		return false
	}
	before, version := t.Settings.clone(), t.PluginVersion
	t.begin(Update, t.Return, Caller{Name: by}, now)
	t.Operation.Undo, t.Operation.UndoVersion = &before, version
	return true
}

// Conclude makes a one-time task DONE whose latest run was proved while the task was in a state in which it could not be done, and
// reports whether it did.
func (t *Task) Conclude(now time.Time) bool {
	last := t.LastRun
	if last == nil || last.State != run.Done || !last.Finished.After(t.Wanted) || t.Agreement.RunID != last.ID || !t.Agreement.InSync || !t.once() {
		return false
	}
	t.State, t.Updated = Done, now
	return true
}

// once reports whether a proof makes the task DONE.
func (t *Task) once() bool {
	return t.Schedule.Kind == Once && !t.Schedule.Events && t.State == InProgress && t.Steering == nil
}

// Progress is what a run told of itself, at a time.
type Progress struct {
	Run
	Proved       bool
	Remaining    map[string]int64 // what differs without a reason on record, by decision
	Named, Newer int64
}

// Observe brings what a run told of itself into the task, and reports whether anything changed: what is older than what is
// known changes nothing, in whatever order it comes. The proof of a run counts also when a newer run has begun, until that
// one is proved. A run that was skipped is no news: it made way for another that goes on telling.
func (t *Task) Observe(p Progress, now time.Time) bool {
	over := !p.Finished.IsZero() && p.State != run.Failed
	switch last := t.LastRun; {
	case p.State == run.Skipped:
		return false
	case last != nil && !p.Run.after(last):
		return over && t.agree(p)
	}
	r := p.Run
	t.LastRun = &r
	if r.State == run.Failed {
		t.Health = Failing
	}
	if over {
		t.closed(p, now)
	}
	return true
}

// after reports whether a run's news are newer than those known.
func (r *Run) after(known *Run) bool {
	if r.ID != known.ID {
		return r.Started.After(known.Started) || r.Started.Equal(known.Started) && r.ID > known.ID
	}
	if r.Finished.IsZero() != known.Finished.IsZero() {
		return known.Finished.IsZero()
	}
	return r.Told.After(known.Told)
}

// closed brings the end of the latest run into the task. A one-time task is done when nothing is left without a reason on
// record.
func (t *Task) closed(p Progress, now time.Time) {
	t.Health = Healthy
	// A retry takes up what a pass left: what it did not choose is still in want of attention.
	if p.Failed > 0 || p.Left() > 0 || !p.Proved || p.Trigger == run.TriggerRetry && p.Named > 0 {
		t.Health = Attention
	}
	t.agree(p)
	if p.Proved && p.Left() == 0 && t.once() {
		t.State, t.Updated = Done, now
	}
}

// agree notes what a proof has shown, and reports whether it is the newest. What came to the source since the latest pass is not
// accounted for by a retry.
func (t *Task) agree(p Progress) bool {
	if !p.Proved || !p.Started.After(t.Agreement.AsOf) || !p.Finished.After(t.Agreement.Checked) {
		return false
	}
	asOf := p.Started
	if p.Trigger == run.TriggerRetry && !t.Agreement.AsOf.IsZero() {
		asOf = t.Agreement.AsOf
	}
	t.Agreement = Agreement{AsOf: asOf, InSync: p.Left() == 0, Behind: p.Left() + p.Named, Named: p.Named, RunID: p.ID, Checked: p.Finished}
	return true
}

// Left is how many objects differ without a reason on record.
func (p *Progress) Left() (n int64) {
	for _, of := range p.Remaining {
		n += of
	}
	return n
}
