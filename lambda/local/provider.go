package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/datatransferhub/dth/lambda/task"
)

// Provider makes the stacks of a hub's tasks on this machine: each is a Stack in this process. What is to be done follows
// from the tasks' records alone, so that a process that was killed goes on where it was. It implements task.Stacks and
// task.Engine.
type Provider struct {
	Store    task.Store
	Requests Requests
	Hub      *Hub
	// OpenRecords opens what a task of a type has on record. Runs are the same for all types.
	OpenRecords func(ctx context.Context, id, kind string) (task.Records, error)
	// Forget ends what a task has open at its ends, and removes what it has on record.
	Forget func(ctx context.Context, t Task) error
	// Examine looks at the ends of a task, Compare compares them; told is called with how many objects were listed so far.
	Examine func(ctx context.Context, t Task) ([]task.Finding, error)
	Compare func(ctx context.Context, t Task, told func(listed int64)) (*task.PlanResult, error)
	Log     *slog.Logger
	Now     func() time.Time

	wake chan struct{} // something is to be looked at
	news *news
}

var (
	_ task.Stacks = (*Provider)(nil)
	_ task.Engine = (*Provider)(nil)
)

// NewProvider completes a provider whose exported fields are set, and lets its hub tell it of runs.
func NewProvider(p Provider) *Provider {
	p.wake = make(chan struct{}, 1)
	p.news = newNews()
	p.Hub.Requests = p.Requests
	p.Hub.OnChange = p.news.hear(p.Hub.OnChange)
	return &p
}

// Run keeps the tasks running until ctx ends.
func (p *Provider) Run(ctx context.Context) error {
	changed := make(chan Change)
	var loops sync.WaitGroup
	defer loops.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var ended error
	loops.Go(func() { ended = p.Hub.Run(ctx, nil, changed); stop() })
	loops.Go(func() { p.examine(ctx, Check) })
	loops.Go(func() { p.examine(ctx, Plan) })
	loops.Go(func() { p.tell(ctx) })
	for ctx.Err() == nil {
		if err := p.settle(ctx, changed); err != nil && ctx.Err() == nil {
			p.Log.Error("bringing the tasks to what they should be did not work; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-p.wake:
		case <-time.After(10 * time.Second):
		}
	}
	loops.Wait()
	if errors.Is(ended, context.Canceled) {
		return nil
	}
	return ended
}

func (p *Provider) look() {
	select {
	case p.wake <- struct{}{}:
	default: // somebody said so already
	}
}

// settle brings the stacks of this process to what the tasks' records say, and ends the operations that this completes.
func (p *Provider) settle(ctx context.Context, changed chan<- Change) error {
	all, err := p.all(ctx)
	if err != nil {
		return err
	}
	var wanted []Task
	wrong := map[string]error{}
	for i := range all {
		if t := &all[i]; runs(t) {
			made, err := stackOf(t)
			if err != nil {
				wrong[t.ID] = err
				continue
			}
			wanted = append(wanted, made)
		}
	}
	applied := make(chan struct{})
	select {
	case changed <- Change{Tasks: wanted, Applied: applied}:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-applied:
	case <-ctx.Done():
		return ctx.Err()
	}
	var failed error
	for i := range all {
		switch t := &all[i]; {
		case t.Operation != nil:
			failed = errors.Join(failed, p.complete(ctx, t, wrong[t.ID]))
		case t.Steering != nil && p.Now().Sub(t.Steering.Asked) > patience:
			failed = errors.Join(failed, p.steered(ctx, t))
		}
	}
	return failed
}

// patience is how long a pause or a resume is left to the call that asked for it: longer than that takes, so that only what a crash
// broke off is taken up.
const patience = 5 * time.Second

// steered finishes a pause or a resume that broke off. The stacks of this process follow the record.
func (p *Provider) steered(ctx context.Context, t *task.Task) error {
	w := t.Steering
	if w.To == task.InProgress {
		if err := p.Resume(ctx, *t, w.ID); err != nil {
			return err
		}
	}
	_, err := task.Amend(ctx, p.Store, t.ID, func(t *task.Task) (*task.Entry, error) { return t.Steered(w.ID, "hub", p.Now().UTC()), nil })
	p.lookSoon()
	if errors.Is(err, task.ErrNotFound) {
		return nil
	}
	return err
}

// runs reports whether a task is to have a stack.
func runs(t *task.Task) bool {
	if t.Operation != nil {
		return t.Operation.Kind != task.Delete
	}
	return t.HasStack()
}

// stackOf returns what runs for a task.
func stackOf(t *task.Task) (Task, error) {
	paused := t.State == task.Paused || t.Operation != nil && t.Operation.After == task.Paused
	made := Task{Name: t.ID, Type: t.Type, Parameters: t.Parameters, Paused: paused}
	return made, made.Check()
}

// complete ends the operation of a task, which the stacks of this process have carried out by now.
func (p *Provider) complete(ctx context.Context, t *task.Task, wrong error) error {
	outcome := task.Outcome{Operation: t.Operation.ID, OK: true, StackID: "local:" + t.ID, Outputs: map[string]string{}}
	switch {
	case t.Operation.Kind == task.Delete:
		made, _ := stackOf(t) // what cannot run has opened nothing
		if err := p.Forget(ctx, made); err != nil {
			return fmt.Errorf("removing what task %s has on record: %w", t.ID, err)
		}
		outcome.Gone = true
	case wrong != nil:
		outcome.OK, outcome.RolledBack, outcome.Gone = false, true, t.Operation.Kind == task.Create
		outcome.Reason, outcome.NextStep = wrong.Error(), "this version of the hub does not take these parameters; clone the task and mend them"
	}
	now := p.Now().UTC()
	_, err := task.Amend(ctx, p.Store, t.ID, func(t *task.Task) (*task.Entry, error) {
		from := t.State
		if !t.Settle(outcome, now) {
			return nil, nil
		}
		return &task.Entry{
			Task: t.ID, At: now, By: "hub", Action: "state changed", Note: t.Reason,
			Changes: []task.Change{{Field: "state", Before: string(from), After: string(t.State)}},
		}, nil
	})
	if errors.Is(err, task.ErrNotFound) {
		return nil
	}
	return err
}

// all returns every task.
func (p *Provider) all(ctx context.Context) (tasks []task.Task, err error) {
	q := task.Query{Sort: task.ByCreated, First: task.MaxPage}
	for {
		page, err := p.Store.List(ctx, q)
		if err != nil {
			return nil, err
		}
		tasks = append(tasks, page.Tasks...)
		if q.After = page.Next; q.After == "" {
			return tasks, nil
		}
	}
}

// Begin implements task.Stacks: the record says all.
func (p *Provider) Begin(context.Context, task.Task) error {
	p.look()
	return nil
}

// Pause implements task.Engine. The stack follows from the task's state, which its caller writes.
func (p *Provider) Pause(context.Context, task.Task, string) error {
	p.lookSoon()
	return nil
}

// lookSoon looks when the caller has written what follows.
func (p *Provider) lookSoon() { time.AfterFunc(100*time.Millisecond, p.look) }

// Resume implements task.Engine.
func (p *Provider) Resume(ctx context.Context, t task.Task, request string) error {
	defer p.lookSoon()
	return p.ask(ctx, t, request, RunNow, nil)
}

// RunNow implements task.Engine.
func (p *Provider) RunNow(ctx context.Context, t task.Task, request string) error {
	return p.ask(ctx, t, request, RunNow, nil)
}

// Retry implements task.Engine.
func (p *Provider) Retry(ctx context.Context, t task.Task, request string, r task.Retry) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return p.ask(ctx, t, request, Retry, body)
}

// Check implements task.Engine.
func (p *Provider) Check(ctx context.Context, t task.Task, request string) error {
	return p.ask(ctx, t, request, Check, nil)
}

// Plan implements task.Engine.
func (p *Provider) Plan(ctx context.Context, t task.Task, request string) error {
	return p.ask(ctx, t, request, Plan, nil)
}

func (p *Provider) ask(ctx context.Context, t task.Task, id string, kind RequestKind, body json.RawMessage) error {
	err := p.Requests.Add(ctx, Request{ID: id, Task: t.ID, Kind: kind, Body: body, Asked: p.Now().UTC()})
	if errors.Is(err, ErrOther) {
		return &task.Error{Code: task.Conflict, Field: "clientToken", Message: "it was used to ask for something else", Next: "use a new token", Err: err}
	}
	return err
}

// Answer implements task.Engine.
func (p *Provider) Answer(ctx context.Context, _ task.Task, request string) (task.Answer, error) {
	var a task.Answer
	r, err := p.Requests.Get(ctx, request)
	if errors.Is(err, ErrNoRequest) || err == nil && r.Answer == nil {
		return a, task.ErrNoAnswer
	}
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(r.Answer, &a)
}

// Records implements task.Engine.
func (p *Provider) Records(ctx context.Context, t task.Task) (task.Records, error) {
	return p.OpenRecords(ctx, t.ID, t.Type)
}

// examine answers requests for checks or plans, one at a time.
func (p *Provider) examine(ctx context.Context, kind RequestKind) {
	for {
		r, err := p.Requests.Next(ctx, "", kind)
		if err == nil && r.ID != "" {
			err = p.answer(ctx, r)
		}
		if err != nil && ctx.Err() == nil {
			p.Log.Error("a request cannot be answered yet; it is tried again", "kind", kind, "request", r.ID, "error", err)
		}
		wait := 200 * time.Millisecond
		if err != nil {
			wait = 5 * time.Second
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// answer carries out a check or a plan. One that is cut off by the end of the process is begun again by the next.
func (p *Provider) answer(ctx context.Context, r Request) error {
	a := task.Answer{State: task.Running, Started: p.Now().UTC()}
	tell := func(write func(context.Context, string, json.RawMessage) error) error {
		text, err := json.Marshal(a)
		if err != nil {
			return err
		}
		return write(ctx, r.ID, text)
	}
	if err := tell(p.Requests.Tell); err != nil {
		return err
	}
	err := p.carryOut(ctx, r, &a, func() error { return tell(p.Requests.Tell) })
	if ctx.Err() != nil {
		return ctx.Err()
	}
	a.State, a.Finished = task.Finished, p.Now().UTC()
	if err != nil {
		a.State, a.Error = task.Broken, err.Error()
	}
	return tell(p.Requests.Done)
}

func (p *Provider) carryOut(ctx context.Context, r Request, a *task.Answer, tell func() error) error {
	t, err := p.Store.Get(ctx, r.Task)
	if err != nil {
		return err
	}
	made, err := stackOf(&t)
	if err != nil {
		return err
	}
	if r.Kind == Check {
		a.Findings, err = p.Examine(ctx, made)
		return err
	}
	var mu sync.Mutex
	var told time.Time
	a.Plan, err = p.Compare(ctx, made, func(listed int64) {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); now.Sub(told) >= time.Second {
			told, a.Listed = now, listed
			if err := tell(); err != nil {
				p.Log.Warn("the progress of a plan is not on record", "request", r.ID, "error", err)
			}
		}
	})
	return err
}
