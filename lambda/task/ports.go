package task

import (
	"context"
	"errors"
	"time"

	"github.com/datatransferhub/dth/worker/estimate"
	"github.com/datatransferhub/dth/worker/image/record"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/run"
)

// Stacks begins what is done with stacks. How an operation ended is told by Task.Settle through the Store.
type Stacks interface {
	// Begin begins t.Operation: Create makes the stack t.Stack.Name, Update brings t's parameters and version to it, Delete
	// removes it, also while it is being created or changed. Beginning the same operation again changes nothing.
	Begin(ctx context.Context, t Task) error
}

// Engine speaks to the stack of a task that is there. A request has an id; the same id asks for the same thing, however
// often.
type Engine interface {
	// Pause lets nothing new begin: no pass, no copy, no clock. Resume takes that back and makes a pass.
	Pause(ctx context.Context, t Task, request string) error
	Resume(ctx context.Context, t Task, request string) error
	// RunNow makes a pass.
	RunNow(ctx context.Context, t Task, request string) error
	// Retry queues failed objects again, in a run of their own.
	Retry(ctx context.Context, t Task, request string, r Retry) error
	// Check looks with the task's identity whether both ends can be used; Plan compares them and copies nothing. Both take
	// their time: Answer tells how far they are.
	Check(ctx context.Context, t Task, request string) error
	Plan(ctx context.Context, t Task, request string) error
	// Answer returns what became of a check or plan; ErrNoAnswer when nothing is on record (yet).
	Answer(ctx context.Context, t Task, request string) (Answer, error)
	// Records opens what the stack has on record. Close it after use.
	Records(ctx context.Context, t Task) (Records, error)
}

// ErrNoAnswer says that nothing is on record of a check or plan.
var ErrNoAnswer = errors.New("no answer yet")

// Retry chooses failed objects: by keys, by the class of their error, or all when both are empty.
type Retry struct {
	Keys  []string // up to MaxRetryKeys
	Class string
}

// MaxRetryKeys is how many keys one retry takes.
const MaxRetryKeys = 1000

// Records are what a task's stack has on record.
type Records struct {
	Runs    run.Store
	Objects Outcomes
	Images  record.Store // of a task that copies images, whose Objects are those images; else nil
	Close   func()       // nil: nothing is to be closed
}

// Outcomes are what became of objects. ledger.Ledger is one, ImageOutcomes another.
type Outcomes interface {
	Get(ctx context.Context, keys []string) (map[string]ledger.Record, error)
	Failures(ctx context.Context, class string, limit int, after string) (ledger.Page, error)
}

// AnswerState is how far a check or plan is.
type AnswerState string

// The states of answers.
const (
	Running  AnswerState = "RUNNING"
	Finished AnswerState = "DONE"
	Broken   AnswerState = "FAILED"
)

// Answer is what became of a check or a plan. Its form in JSON is that in which engines keep it.
type Answer struct {
	State    AnswerState `json:"state"`
	Started  time.Time   `json:"started"`
	Finished time.Time   `json:"finished,omitzero"`
	Listed   int64       `json:"listed,omitempty"` // objects so far, at both ends
	Error    string      `json:"error,omitempty"`
	Findings []Finding   `json:"findings,omitempty"` // of a check
	Plan     *PlanResult `json:"plan,omitempty"`
}

// Finding is one thing that a check looked at.
type Finding struct {
	End     string `json:"end"`    // source or destination
	Right   string `json:"right"`  // reach, list, read, readTags, write, writeTags, multipart, delete, kms, ownership, events
	Result  string `json:"result"` // ok, denied or unknown
	Message string `json:"message,omitempty"`
	Remedy  string `json:"remedy,omitempty"`
}

// PlanResult is what a plan found.
type PlanResult struct {
	Totals    run.FinderTotals   `json:"totals"`
	Histogram []Bin              `json:"histogram,omitempty"` // of the sizes of what would be copied
	Largest   []Sized            `json:"largest,omitempty"`   // of the objects to copy, the largest first
	Estimate  *estimate.Estimate `json:"estimate,omitempty"`  // of requests, cost and duration
}

// Bin counts the objects to copy of at least From bytes and less than twice as many.
type Bin struct {
	From    int64 `json:"from"`
	Objects int64 `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

// Sized is an object with its size in bytes.
type Sized struct {
	Key  string `json:"key"`
	Size int64  `json:"size"`
}

// Logs reads the logs of a task's own stack.
type Logs interface {
	// Streams returns the log streams of a source, the newest first.
	Streams(ctx context.Context, t Task, source LogSource, first int, after string) (Streams, error)
	// Lines returns lines of a source within a time, in order, that contain the text (an object's key, say). A page may be
	// empty although more follow.
	Lines(ctx context.Context, t Task, q LogQuery) (Lines, error)
}

// LogSource is one of a task's programs.
type LogSource string

// The sources.
const (
	FinderLog     LogSource = "FINDER"
	WorkerLog     LogSource = "WORKER"
	ControllerLog LogSource = "CONTROLLER"
)

// LogQuery asks for log lines.
type LogQuery struct {
	Source   LogSource
	Stream   string // empty: all
	Text     string // empty: all lines
	From, To time.Time
	First    int // 1 to 1000
	After    string
}

// Streams is a page of log streams.
type Streams struct {
	Streams []Stream
	Next    string
}

// Stream is one program's log.
type Stream struct {
	Name       string
	First, End time.Time // of its lines
}

// Lines is a page of log lines.
type Lines struct {
	Lines []Line
	Next  string
}

// Line is one log line.
type Line struct {
	At     time.Time
	Stream string
	Text   string
}

// Metrics reads the measurements of a task's own stack.
type Metrics interface {
	// Series returns the lines of a chart. Points lie Step apart, a whole number of minutes, at most 1,500 of them.
	Series(ctx context.Context, t Task, set MetricSet, from, to time.Time) ([]Series, error)
	// Total is Series over all tasks of the hub together.
	Total(ctx context.Context, set MetricSet, from, to time.Time) ([]Series, error)
}

// MetricSet is what belongs into one chart.
type MetricSet string

// The sets.
const (
	Throughput MetricSet = "THROUGHPUT" // bytes
	Objects    MetricSet = "OBJECTS"    // copied, failed
	Failures   MetricSet = "FAILURES"   // by class
	Backlog    MetricSet = "BACKLOG"    // messages that wait, age of the oldest in seconds
	Instances  MetricSet = "INSTANCES"  // of workers
)

// Series is one line of a chart.
type Series struct {
	Name   string
	Unit   string // Bytes, Count, Seconds
	Step   time.Duration
	Points []Point
}

// Point is one measurement: the sum, or for gauges the mean, of the step that begins At.
type Point struct {
	At    time.Time
	Value float64
}

// Pickers list what a person chooses from in a form.
type Pickers interface {
	// Pick returns things of a kind whose name contains the text. Values of secrets are never among them.
	Pick(ctx context.Context, q PickQuery) (Picks, error)
}

// PickKind is what is chosen from.
type PickKind string

// The kinds of things to choose from.
const (
	Buckets PickKind = "BUCKETS"
	Secrets PickKind = "SECRETS" // those tagged for the hub
	KMSKeys PickKind = "KMS_KEYS"
	VPCs    PickKind = "VPCS"
	Subnets PickKind = "SUBNETS" // Within: id of a VPC
	Regions PickKind = "REGIONS"
)

// PickQuery asks for things to choose from.
type PickQuery struct {
	Kind   PickKind
	Text   string
	Within string
	First  int
	After  string
}

// Picks is a page of things to choose from.
type Picks struct {
	Picks []Pick
	Next  string
}

// Pick is one thing to choose.
type Pick struct {
	Value string // as a parameter takes it
	Label string
	Note  string // region of a bucket, zone of a subnet
}

// Existence looks, before anything is created, whether what parameters name is there.
type Existence interface {
	// Missing returns what is not, each with its field; the parameters are valid ones.
	Missing(ctx context.Context, kind string, parameters map[string]string) ([]Error, error)
}
