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
	return s.change(ctx, c, wish{
		role: Operator, action: pause, what: "paused", doing: "pausing the task",
		ask: func(t Task, request string) error { return s.Engine.Pause(ctx, t, request) },
		set: func(t *Task, _ time.Time, _ string) { t.State = Paused },
	}, id, "")
}

// Resume lets a paused task go on; it begins with a pass.
func (s *Service) Resume(ctx context.Context, c Caller, id string) (Task, error) {
	return s.change(ctx, c, wish{
		role: Operator, action: resume, what: "resumed", doing: "resuming the task",
		ask: func(t Task, request string) error { return s.Engine.Resume(ctx, t, request) },
		set: func(t *Task, _ time.Time, _ string) { t.State = InProgress },
	}, id, "")
}

// Run makes a pass now. A token makes the call safe to repeat.
func (s *Service) Run(ctx context.Context, c Caller, id, token string) (Task, error) {
	return s.change(ctx, c, wish{
		role: Operator, action: runNow, what: "run", doing: "starting a run",
		ask: func(t Task, request string) error { return s.Engine.RunNow(ctx, t, request) },
		set: func(t *Task, _ time.Time, _ string) { t.State = InProgress },
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
		role: Operator, action: redo, what: "retried", doing: "retrying objects", note: r.words(),
		ask: func(t Task, request string) error { return s.Engine.Retry(ctx, t, request, r) },
		set: func(t *Task, _ time.Time, _ string) { t.State = InProgress },
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
	what   string // as the audit calls it
	note   string
	doing  string // what did not work when ask fails
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
	request, err := requestID(id, token)
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
		from, now, op := t.State, s.Now().UTC(), t.Operation
		w.set(t, now, request)
		t.Updated, t.UpdatedBy = now, c.Name
		if began = ""; t.Operation != op {
			began = t.Operation.ID
		}
		e := Entry{Task: id, At: now, By: c.Name, Action: w.what, Note: w.note}
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

// requestID names something that is asked of a task: the same for the same token.
func requestID(task, token string) (string, error) {
	if token == "" {
		return "r-" + rand.Text()[:16], nil
	}
	if !clientToken.MatchString(token) {
		return "", invalid("clientToken", token, "allowed are up to 64 letters, digits, dots, hyphens and underscores")
	}
	sum := sha256.Sum256([]byte(task + "\x00" + token))
	return "r-" + base32.StdEncoding.EncodeToString(sum[:10]), nil
}
