// Package control is the one door by which a hub, or a person with the AWS CLI, steers the stack of one S3 task: pause,
// resume, a pass now, failed objects again, a check, a plan, and what became of the latter two.
package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/datatransferhub/dth/lambda/finderlaunch"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/pass"
	"github.com/datatransferhub/dth/worker/queue"
	"github.com/datatransferhub/dth/worker/run"
)

// Operation is what is asked for.
type Operation string

// The operations.
const (
	Pause  Operation = "pause"
	Resume Operation = "resume" // begins with a pass
	Run    Operation = "run"    // a pass now
	Retry  Operation = "retry"
	Check  Operation = "check"
	Plan   Operation = "plan"
	Answer Operation = "answer" // of the check or plan of that request
	// Restore brings back the schedule and the fleet of a task that is not paused, and begins nothing: after an update that
	// CloudFormation rolled back. Only the stacks of S3 tasks know it.
	Restore Operation = "restore"
)

const operations = "pause, resume, run, retry, check, plan and answer"

// MaxKeys is how many keys one retry takes.
const MaxKeys = 1000

// Request asks for something. The same id asks for the same thing, however often it is sent.
type Request struct {
	Operation Operation `json:"operation"`
	Request   string    `json:"request"` // id: 1 to 64 letters, digits, dots, hyphens and underscores
	// Of retry: one of keys, a class of errors, or all.
	Keys  []string `json:"keys,omitempty"`
	Class string   `json:"class,omitempty"`
	All   bool     `json:"all,omitempty"`
}

// Reply tells what was done.
type Reply struct {
	Operation Operation       `json:"operation"`
	Request   string          `json:"request"`
	Instance  string          `json:"instance,omitempty"` // that was started
	Run       string          `json:"run,omitempty"`      // id of the run that follows
	State     run.State       `json:"state,omitempty"`    // of a retry's run
	Queued    int64           `json:"queued,omitempty"`   // objects of a retry
	Answer    json.RawMessage `json:"answer,omitempty"`   // null when nothing is on record (yet)
}

// Refusal says that a request cannot be done, and why.
type Refusal struct{ Message string }

func (e *Refusal) Error() string { return e.Message }

func refuse(format string, args ...any) error { return &Refusal{fmt.Sprintf(format, args...)} }

// Capacity is how many workers the task may have.
type Capacity struct{ Min, Max, Desired int32 }

// AsIs as the desired number of workers leaves it as it is, within the limits.
const AsIs = -1

// Stack is what the operations change in a stack.
type Stack interface {
	// Schedule switches the rule on or off; a task without one has none to switch.
	Schedule(ctx context.Context, on bool) error
	// Fleet sets the limits of the group of workers, within which it follows the queue; Rest takes all workers away and lets it
	// follow nothing; Wake gives it its first worker, when it has none.
	Fleet(ctx context.Context, c Capacity) error
	Rest(ctx context.Context) error
	Wake(ctx context.Context) error
	// Launch has an instance of the finder started.
	Launch(ctx context.Context, r finderlaunch.Request) (finderlaunch.Answer, error)
	// Announce has the monitor begin to look after the stack's runs.
	Announce(ctx context.Context) error
}

// Settings are what the configuration says of the task.
type Settings struct {
	Capacity Capacity
	Deletes  bool
}

// Handler answers requests.
type Handler struct {
	Stack    Stack
	Runs     run.Store
	Ledger   ledger.Ledger
	Queue    queue.Sender
	Settings func(ctx context.Context) (Settings, error)
	Version  string
	Log      *slog.Logger
	Now      func() time.Time
	// Caller names this call, for the lease of retries.
	Caller func(ctx context.Context) string
}

// ids reach instances as tags, and runs as their id.
var ids = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

var classes = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Parse reads a request of one of the operations that the stacks of all kinds of tasks know. Errors name the field, its value and
// what is allowed.
func Parse(event json.RawMessage) (Request, error) {
	return parse(event, Pause, Resume, Run, Retry, Check, Plan, Answer)
}

func parse(event json.RawMessage, known ...Operation) (Request, error) {
	var r Request
	if err := json.Unmarshal(event, &r); err != nil {
		return r, refuse("the request is no JSON object of operation and request: %v", err)
	}
	if !slices.Contains(known, r.Operation) {
		return r, refuse("operation: %.80q: allowed are %s", r.Operation, operations)
	}
	if !ids.MatchString(r.Request) {
		return r, refuse("request: %.80q: an id of 1 to 64 letters, digits, dots, hyphens and underscores is required; the same id asks for the same thing", r.Request)
	}
	return r, r.choice()
}

// choice checks what a retry chooses, and that nothing else chooses.
func (r *Request) choice() error {
	chosen := 0
	for _, given := range []bool{len(r.Keys) > 0, r.Class != "", r.All} {
		if given {
			chosen++
		}
	}
	switch {
	case r.Operation != Retry && chosen > 0:
		return refuse("keys, class and all belong to retry, not to %s", r.Operation)
	case r.Operation == Retry && chosen != 1:
		return refuse("retry takes one of keys, class and all; %d are given", chosen)
	case len(r.Keys) > MaxKeys:
		return refuse("keys: %d: allowed are up to %d; retry a class, or all", len(r.Keys), MaxKeys)
	case r.Class != "" && !classes.MatchString(r.Class):
		return refuse("class: %.80q: allowed are the classes of errors, such as access_denied", r.Class)
	}
	for _, key := range r.Keys {
		if key == "" || len(key) > 1024 || !utf8.ValidString(key) {
			return refuse("keys: %.80q: a key has 1 to 1024 bytes of UTF-8", key)
		}
	}
	return nil
}

// Handle does what is asked for.
func (h *Handler) Handle(ctx context.Context, event json.RawMessage) (Reply, error) {
	r, err := parse(event, Pause, Resume, Run, Retry, Check, Plan, Answer, Restore)
	if err != nil {
		return Reply{}, err
	}
	reply := Reply{Operation: r.Operation, Request: r.Request}
	switch r.Operation {
	case Pause:
		err = h.pause(ctx)
	case Resume:
		err = h.resume(ctx, r, &reply)
	case Restore:
		err = h.restore(ctx)
	case Run:
		err = h.launch(ctx, finderlaunch.Pass, r, &reply)
	case Check:
		err = h.launch(ctx, finderlaunch.Check, r, &reply)
	case Plan:
		err = h.launch(ctx, finderlaunch.Plan, r, &reply)
	case Retry:
		err = h.retry(ctx, r, &reply)
	case Answer:
		reply.Answer, err = h.Runs.Answer(ctx, r.Request)
	}
	if err != nil {
		h.Log.Warn("not done", "operation", r.Operation, "request", r.Request, "error", err)
		return reply, err
	}
	h.Log.Info("done", "operation", r.Operation, "request", r.Request, "run", reply.Run, "instance", reply.Instance)
	return reply, nil
}

// pause lets nothing new begin. The note comes first: what is started by anybody from then on sees it.
func (h *Handler) pause(ctx context.Context) error {
	if err := h.Runs.SetPaused(ctx, true, h.Now()); err != nil {
		return err
	}
	if err := h.Stack.Schedule(ctx, false); err != nil {
		return err
	}
	return h.Stack.Rest(ctx)
}

// resume brings back what the configuration says, and begins with a pass: events may have been missed. A task that cannot be
// resumed as a whole stays paused: whoever asked is told so, and nothing runs behind his back.
func (h *Handler) resume(ctx context.Context, r Request, reply *Reply) error {
	s, err := h.Settings(ctx)
	if err != nil {
		return err
	}
	err = h.open(ctx, s)
	if err == nil {
		err = h.launch(ctx, finderlaunch.Pass, r, reply)
	}
	if err == nil {
		return nil
	}
	if again := h.pause(context.WithoutCancel(ctx)); again != nil {
		return errors.Join(err, fmt.Errorf("pausing the task again: %w", again))
	}
	return refuse("the task stays paused, as it could not be resumed: %v", err)
}

func (h *Handler) open(ctx context.Context, s Settings) error {
	if err := h.Stack.Fleet(ctx, s.Capacity); err != nil {
		return err
	}
	if err := h.Runs.SetPaused(ctx, false, h.Now()); err != nil {
		return err
	}
	return h.Stack.Schedule(ctx, true)
}

// restore brings back the limits of the fleet, which follows the queue again, and the schedule. Workers that are at work go on. A
// paused task has neither.
func (h *Handler) restore(ctx context.Context) error {
	p, err := h.Runs.Pause(ctx)
	if err != nil || p.Paused {
		return err
	}
	s, err := h.Settings(ctx)
	if err != nil {
		return err
	}
	if err := h.Stack.Fleet(ctx, Capacity{Min: s.Capacity.Min, Max: s.Capacity.Max, Desired: AsIs}); err != nil {
		return err
	}
	return h.Stack.Schedule(ctx, true)
}

// launch has a finder started. A pass is the run of the request's id.
func (h *Handler) launch(ctx context.Context, mode finderlaunch.Mode, r Request, reply *Reply) error {
	ask := finderlaunch.Request{Mode: mode, ID: r.Request}
	if mode == finderlaunch.Pass {
		if err := h.running(ctx); err != nil {
			return err
		}
		ask.Run, reply.Run = r.Request, r.Request
	}
	started, err := h.Stack.Launch(ctx, ask)
	if err != nil {
		return err
	}
	if started.Paused {
		return errPaused()
	}
	reply.Instance = started.Instance
	return nil
}

func errPaused() error {
	return refuse("the task is paused: nothing is begun for it; resume it first")
}

// running refuses what a paused task does not do.
func (h *Handler) running(ctx context.Context) error {
	p, err := h.Runs.Pause(ctx)
	if err == nil && p.Paused {
		err = errPaused()
	}
	return err
}

// unheard puts on record why a retry of a class, or of all, is not made, as a run of its id that was skipped: a hub hands such requests
// over and waits for no reply.
func (h *Handler) unheard(ctx context.Context, r Request, why error) error {
	var no *Refusal
	if len(r.Keys) > 0 || !errors.As(why, &no) {
		return why
	}
	now := h.Now().UTC()
	err := h.Runs.Create(ctx, run.Run{ID: r.Request, Trigger: run.TriggerRetry, State: run.Skipped, Started: now, Finished: now, Version: h.Version, Error: why.Error()})
	if err != nil && !errors.Is(err, run.ErrExists) {
		return errors.Join(why, err)
	}
	return why
}

// reserve is the time that is kept to end a call in good order.
const reserve = 30 * time.Second

// retry queues failed objects again. It goes on where an earlier call with this id stopped.
func (h *Handler) retry(ctx context.Context, r Request, reply *Reply) error {
	if err := h.running(ctx); err != nil {
		return h.unheard(ctx, r, err)
	}
	s, err := h.Settings(ctx)
	if err != nil {
		return err
	}
	c := pass.RetryConfig{
		RunID: r.Request, Choose: pass.Again{Keys: r.Keys, Class: r.Class}, Queue: h.Queue, Ledger: h.Ledger, Runs: h.Runs,
		Deletes: s.Deletes, Version: h.Version, Holder: h.Caller(ctx), Log: h.Log, Now: h.Now,
	}
	if end, bounded := ctx.Deadline(); bounded {
		c.Until = end.Add(-reserve)
	}
	made, err := pass.Retry(ctx, c)
	if err != nil {
		return err
	}
	reply.Run, reply.State, reply.Queued = made.ID, made.State, made.Finder.Queued
	if made.State == run.Failed {
		return refuse("retry %s: %s", made.ID, made.Error)
	}
	if made.State == run.Finding {
		return fmt.Errorf("retry %s has more objects than one call queues; send the same request again, it goes on", made.ID)
	}
	if err := h.Stack.Announce(ctx); err != nil {
		return err
	}
	if reply.Queued == 0 {
		return nil
	}
	return h.Stack.Wake(ctx)
}
