// Package task is the domain of the hub: tasks, their life, who may do what with them, and the ports to what stores and runs
// them. It knows no cloud. One Service answers the API, in Lambda and on one machine alike.
package task

import (
	"maps"
	"slices"
	"time"

	"github.com/datatransferhub/dth/worker/estimate"
	"github.com/datatransferhub/dth/worker/run"
)

// Task is one configured transfer.
type Task struct {
	ID       string // t- and 16 letters and digits
	Revision int64  // grows by one with each write
	Edition  int64  // grows by one with each change of the settings by a person
	Settings
	Type          string // of the plugin: S3
	PluginVersion string // of the stack's template
	State         State
	Reason        string // why the task is in ERROR, or what the latest operation could not do; "" when all is well
	NextStep      string // what to do about Reason
	Return        State  // of a task in ERROR: where it goes on when its stack is whole again; "": nothing but a person leads out
	Stack         Stack
	Operation     *Operation // what is under way with the stack; nil: nothing
	Steering      *Steering  // a pause or a resume that is not known to be through; nil: none
	Health        Health
	LastRun       *Run // the run that was told of last
	Agreement     Agreement
	Plan, Check   *Request  // the last ones asked for
	Estimate      *Estimate // of the last plan that was looked at; nil: none was
	CreatedBy     string
	UpdatedBy     string
	Created       time.Time
	Updated       time.Time // by a person or by the end of an operation; not by a run
	Wanted        time.Time // when a person last asked for a run: what was proved before is not its end
	ClientToken   string    // of the creation
	Input         string    // fingerprint of what the task was created with
}

// Settings are what a person says of a task.
type Settings struct {
	Name        string
	Description string
	Labels      map[string]string
	Parameters  map[string]string // as they were given, by the names of the plugin's contract
	Schedule    Schedule          // follows from the parameters
}

// Schedule says when passes are made.
type Schedule struct {
	Kind       ScheduleKind
	Expression string // EventBridge cron or rate; "" when Kind is Once
	Events     bool   // changes at the source are followed as they happen, too
}

// ScheduleKind tells one-time tasks from others.
type ScheduleKind string

// The kinds of schedules.
const (
	Once      ScheduleKind = "ONCE"
	Scheduled ScheduleKind = "SCHEDULED"
)

// Stack is the plugin stack of a task.
type Stack struct {
	Name    string // derived from the task's id; known before there is a stack
	ID      string // ARN; "" when there is none
	Outputs map[string]string
}

// Operation is what is under way with a task's stack. Its end is told by Settle.
type Operation struct {
	ID    string // of the workflow's execution: the same for every attempt to begin it
	Kind  Kind
	Begun time.Time
	By    string
	// After is the state that follows success.
	After State
	// Undo are the settings whose parameters come back when an update fails; nil for other operations.
	Undo        *Settings
	UndoVersion string
}

// Steering is a pause or a resume. It is on record before the stack is asked: whoever finds it later can look how far it came.
type Steering struct {
	ID    string // of the request: the same for every attempt
	To    State  // Paused or InProgress
	Asked time.Time
	By    string
}

// Kind is what an operation does to a stack.
type Kind string

// The kinds of operations.
const (
	Create Kind = "CREATE"
	Update Kind = "UPDATE"
	Delete Kind = "DELETE"
)

// Health is how a task is doing, beside its state.
type Health string

// The healths. The zero value is Unknown: no run was told of yet.
const (
	Unknown   Health = ""
	Healthy   Health = "HEALTHY"
	Attention Health = "ATTENTION" // objects failed, or both ends differ after the last run
	Failing   Health = "FAILING"   // the last run itself failed
)

// Run is what the hub keeps of a task's latest run. All of it is in the run's own record, too.
type Run struct {
	ID       string
	Trigger  string
	State    run.State
	Started  time.Time
	Finished time.Time // zero while it goes on
	Queued   int64     // objects that the finder asked for
	Settled  int64     // of those, how many have an outcome
	Copied   int64
	Bytes    int64 // copied
	Failed   int64
	Told     time.Time // when this was so
	Error    string
	// DeadLetters is how many messages its finder found that had failed five times, as far as that was told.
	DeadLetters int64
}

// Agreement is what the last proof has shown.
type Agreement struct {
	AsOf    time.Time // when the proved run began: everything written before is accounted for; zero: nothing is proved
	InSync  bool      // nothing was left different without a reason on record
	Behind  int64     // objects that differed
	Named   int64     // of those, how many the ledger gives a reason for
	RunID   string
	Checked time.Time // when the proof was made
}

// Request is a check or a plan that was asked for.
type Request struct {
	ID    string
	Asked time.Time
	By    string
}

// Estimate is what a plan found a pass to cost.
type Estimate struct {
	Request  string         // of the plan
	At       time.Time      // when the plan was through
	Bytes    int64          // to copy
	Duration estimate.Range // seconds
	Costs    []estimate.Total
	Text     string // in words
}

// Clone returns a copy that shares nothing.
func (t *Task) Clone() Task {
	c := *t
	c.Settings = t.Settings.clone()
	c.Stack.Outputs = maps.Clone(t.Stack.Outputs)
	c.LastRun, c.Plan, c.Check, c.Steering = copied(t.LastRun), copied(t.Plan), copied(t.Check), copied(t.Steering)
	if c.Estimate = copied(t.Estimate); c.Estimate != nil {
		c.Estimate.Costs = slices.Clone(t.Estimate.Costs)
	}
	if c.Operation = copied(t.Operation); c.Operation != nil && c.Operation.Undo != nil {
		undo := c.Operation.Undo.clone()
		c.Operation.Undo = &undo
	}
	return c
}

func (s *Settings) clone() Settings {
	c := *s
	c.Labels, c.Parameters = maps.Clone(s.Labels), maps.Clone(s.Parameters)
	return c
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}
