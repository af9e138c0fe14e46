package task

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"regexp"
	"time"
	"unicode/utf8"
)

// Pause lets nothing new begin for a task. What is under way is finished or kept.
func (s *Service) Pause(ctx context.Context, c Caller, id string) (Task, error) {
	return s.steer(ctx, c, pause, Paused, id)
}

// Resume lets a paused task go on; it begins with a pass.
func (s *Service) Resume(ctx context.Context, c Caller, id string) (Task, error) {
	return s.steer(ctx, c, resume, InProgress, id)
}

// steer pauses or resumes a task: the wish is on record first, then the stack is asked, then the record says that it is so. What
// breaks off in between is finished or undone by whoever finds the wish: a hub's reconciler, or the same call once more.
func (s *Service) steer(ctx context.Context, c Caller, a action, to State, id string) (Task, error) {
	if err := c.need(Operator); err != nil {
		return Task{}, err
	}
	if _, err := s.get(ctx, id); err != nil {
		return Task{}, err
	}
	request, err := requestID(id, a, "")
	if err != nil {
		return Task{}, err
	}
	t, err := Amend(ctx, s.Store, id, func(t *Task) (*Entry, error) {
		if err := t.may(a); err != nil {
			return nil, err
		}
		if t.Steering == nil {
			t.Steering = &Steering{ID: request, To: to, Asked: s.Now().UTC(), By: c.Name}
		}
		return nil, nil
	})
	if err != nil {
		return Task{}, s.failed("saving the task", err)
	}
	request = t.Steering.ID
	ask := s.Engine.Pause
	if to == InProgress {
		ask = s.Engine.Resume
	}
	if err := ask(ctx, t, request); err != nil {
		return Task{}, s.notSteered(ctx, id, request, err)
	}
	t, err = Amend(ctx, s.Store, id, func(t *Task) (*Entry, error) {
		e := t.Steered(request, c.Name, s.Now().UTC())
		if e == nil && t.State != to { // somebody stopped it meanwhile
			return nil, t.may(a)
		}
		return e, nil
	})
	if err != nil {
		return Task{}, s.failed("saving the task", err)
	}
	return t, nil
}

// notSteered returns what to tell of a stack that did not do as it was asked. A refusal says that nothing is changed, so the wish is
// withdrawn; else it stays on record, as nobody knows how far the stack came.
func (s *Service) notSteered(ctx context.Context, id, request string, why error) error {
	if Is(why, WrongState) {
		_, err := Amend(context.WithoutCancel(ctx), s.Store, id, func(t *Task) (*Entry, error) {
			t.NotSteered(request, s.Now().UTC())
			return nil, nil
		})
		if err != nil {
			s.Log.Error("a pause or resume that was refused is still on record; the reconciler withdraws it", "task", id, "error", err)
		}
	}
	return s.failed("steering the task", why)
}

// action is what a person asked for.
func (s *Steering) action() action {
	if s.To == Paused {
		return pause
	}
	return resume
}

// Steered brings the end of a pause or a resume into the task, and returns the entry that tells of it; nil when the request is not
// the task's, or not any more.
func (t *Task) Steered(request, by string, now time.Time) *Entry {
	w := t.Steering
	if w == nil || w.ID != request {
		return nil
	}
	from := t.State
	t.Steering, t.State, t.Updated, t.UpdatedBy = nil, w.To, now, w.By
	if w.To == InProgress {
		t.Wanted = w.Asked
		t.Conclude(now) // the pass that it begins with may be through by now
	}
	return &Entry{
		Task: t.ID, At: now, By: by, Action: string(w.action()), Changes: []Change{{Field: "state", Before: string(from), After: string(t.State)}},
	}
}

// NotSteered withdraws a pause or a resume that did not come about, and reports whether it was the task's.
func (t *Task) NotSteered(request string, now time.Time) bool {
	if t.Steering == nil || t.Steering.ID != request {
		return false
	}
	t.Steering = nil
	t.Conclude(now)
	return true
}

// Run makes a pass now. A token makes the call safe to repeat.
func (s *Service) Run(ctx context.Context, c Caller, id, token string) (Task, error) {
	return s.change(ctx, c, wish{
		role: Operator, action: runNow, what: "run", doing: "starting a run",
		ask: func(t Task, request string) error { return s.Engine.RunNow(ctx, t, request) },
		set: func(t *Task, now time.Time, _ string) { t.State, t.Wanted = InProgress, now },
	}, id, token)
}

// Retry queues failed objects again. A token makes the call safe to repeat.
func (s *Service) Retry(ctx context.Context, c Caller, id string, r Retry, token string) (Task, error) {
	if err := c.need(Operator); err != nil {
		return Task{}, err
	}
	if err := r.check(); err != nil {
		return Task{}, err
	}
	return s.change(ctx, c, wish{
		role: Operator, action: redo, what: "asked to retry", doing: "retrying objects",
		note: func(request string) string { return r.words() + ", in run " + request },
		ask:  func(t Task, request string) error { return s.Engine.Retry(ctx, t, request, r) },
		set:  func(t *Task, now time.Time, _ string) { t.State, t.Wanted = InProgress, now },
	}, id, token)
}

// StartCheck looks with the task's own identity whether both ends can be used. CheckAnswer tells what it found.
func (s *Service) StartCheck(ctx context.Context, c Caller, id string) (Task, error) {
	return s.change(ctx, c, wish{
		role: Operator, action: examine, what: "check started", doing: "starting the check",
		ask: func(t Task, request string) error { return s.Engine.Check(ctx, t, request) },
		set: func(t *Task, now time.Time, request string) { t.Check = &Request{ID: request, Asked: now, By: c.Name} },
	}, id, "")
}

// StartPlan compares both ends and copies nothing. PlanAnswer tells what it found.
func (s *Service) StartPlan(ctx context.Context, c Caller, id string) (Task, error) {
	return s.change(ctx, c, wish{
		role: Operator, action: examine, what: "plan started", doing: "starting the plan",
		ask: func(t Task, request string) error { return s.Engine.Plan(ctx, t, request) },
		set: func(t *Task, now time.Time, request string) { t.Plan = &Request{ID: request, Asked: now, By: c.Name} },
	}, id, "")
}

// Stop deletes a task's stack; the record stays.
func (s *Service) Stop(ctx context.Context, c Caller, id string) (Task, error) {
	return s.change(ctx, c, wish{
		role: Admin, action: stop, what: "stopped",
		set: func(t *Task, now time.Time, _ string) { t.begin(Delete, Stopped, c, now) },
	}, id, "")
}

// wish is something that a person asks of a task.
type wish struct {
	role   Role
	action action
	what   string                      // as the audit calls it
	note   func(request string) string // nil: none
	doing  string                      // what did not work when ask fails
	// ask asks the engine, once; nil: nothing is asked of it. set brings it into the record, as often as others write at
	// the same time.
	ask func(t Task, request string) error
	set func(t *Task, now time.Time, request string)
}

// change does what is asked of a task: the engine first, so that the record never says what is not so.
func (s *Service) change(ctx context.Context, c Caller, w wish, id, token string) (Task, error) {
	if err := c.need(w.role); err != nil {
		return Task{}, err
	}
	request, err := requestID(id, w.action, token)
	if err != nil {
		return Task{}, err
	}
	t, err := s.get(ctx, id)
	if err != nil {
		return Task{}, err
	}
	if err := t.may(w.action); err != nil {
		return Task{}, err
	}
	now := s.Now().UTC() // what comes of it is later
	if w.ask != nil {
		if err := w.ask(t, request); err != nil {
			return Task{}, s.failed(w.doing, err)
		}
	}
	began := ""
	t, err = Amend(ctx, s.Store, id, func(t *Task) (*Entry, error) {
		if err := t.may(w.action); err != nil {
			return nil, err
		}
		from, op := t.State, t.Operation
		w.set(t, now, request)
		t.Updated, t.UpdatedBy = now, c.Name
		if began = ""; t.Operation != op {
			began = t.Operation.ID
		}
		e := Entry{Task: id, At: now, By: c.Name, Action: w.what}
		if w.note != nil {
			e.Note = w.note(request)
		}
		if t.State != from {
			e.Changes = []Change{{Field: "state", Before: string(from), After: string(t.State)}}
		}
		return &e, nil
	})
	if err != nil {
		return Task{}, s.failed("saving the task", err)
	}
	if began != "" {
		s.start(ctx, t)
	}
	return t, nil
}

func (r Retry) check() error {
	if len(r.Keys) > MaxRetryKeys {
		return invalid("keys", fmt.Sprint(len(r.Keys)), fmt.Sprintf("allowed are up to %d; retry a class, or all", MaxRetryKeys))
	}
	if len(r.Keys) > 0 && r.Class != "" {
		return invalid("errorClass", r.Class, "give keys or a class, not both")
	}
	for _, k := range r.Keys {
		if k == "" || len(k) > 1024 || !utf8.ValidString(k) {
			return invalid("keys", k, "a key has 1 to 1024 bytes of UTF-8")
		}
	}
	if r.Class != "" && !class.MatchString(r.Class) {
		return invalid("errorClass", r.Class, "allowed are the classes of this task's failed objects")
	}
	return nil
}

var class = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

func (r Retry) words() string {
	switch {
	case len(r.Keys) == 1:
		return r.Keys[0]
	case len(r.Keys) > 1:
		return fmt.Sprintf("%d objects", len(r.Keys))
	case r.Class != "":
		return "all failed objects of class " + r.Class
	}
	return "all failed objects"
}

var clientToken = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// requestID names something that is asked of a task: the same for the same action and token.
func requestID(task string, a action, token string) (string, error) {
	if token == "" {
		return "r-" + rand.Text()[:16], nil
	}
	if !clientToken.MatchString(token) {
		return "", invalid("clientToken", token, "allowed are up to 64 letters, digits, dots, hyphens and underscores")
	}
	sum := sha256.Sum256([]byte(task + "\x00" + string(a) + "\x00" + token))
	return "r-" + base32.StdEncoding.EncodeToString(sum[:10]), nil
}
