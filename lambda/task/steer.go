package task

import (
	"context"
	"fmt"
	"regexp"
	"time"
	"unicode/utf8"
)

// Pause lets nothing new begin for a task. What is under way is finished or kept.
func (s *Service) Pause(ctx context.Context, c Caller, id string) (Task, error) {
	return s.change(ctx, c, Operator, id, pause, func(t *Task, now time.Time) (Entry, error) {
		if err := s.Engine.Pause(ctx, *t, t.request()); err != nil {
			return Entry{}, s.failed("pausing the task", err)
		}
		t.State = Paused
		return Entry{Action: "paused"}, nil
	})
}

// Resume lets a paused task go on; it begins with a pass.
func (s *Service) Resume(ctx context.Context, c Caller, id string) (Task, error) {
	return s.change(ctx, c, Operator, id, resume, func(t *Task, now time.Time) (Entry, error) {
		if err := s.Engine.Resume(ctx, *t, t.request()); err != nil {
			return Entry{}, s.failed("resuming the task", err)
		}
		t.State = InProgress
		return Entry{Action: "resumed"}, nil
	})
}

// Run makes a pass now. A token makes the call safe to repeat.
func (s *Service) Run(ctx context.Context, c Caller, id, token string) (Task, error) {
	return s.change(ctx, c, Operator, id, runNow, func(t *Task, now time.Time) (Entry, error) {
		request, err := t.named(token)
		if err != nil {
			return Entry{}, err
		}
		if err := s.Engine.Run(ctx, *t, request); err != nil {
			return Entry{}, s.failed("starting a run", err)
		}
		t.State = InProgress
		return Entry{Action: "run"}, nil
	})
}

// Retry queues failed objects again. A token makes the call safe to repeat.
func (s *Service) Retry(ctx context.Context, c Caller, id string, r Retry, token string) (Task, error) {
	if err := r.check(); err != nil {
		return Task{}, err
	}
	return s.change(ctx, c, Operator, id, redo, func(t *Task, now time.Time) (Entry, error) {
		request, err := t.named(token)
		if err != nil {
			return Entry{}, err
		}
		if err := s.Engine.Retry(ctx, *t, request, r); err != nil {
			return Entry{}, s.failed("retrying objects", err)
		}
		t.State = InProgress
		return Entry{Action: "retried", Note: r.words()}, nil
	})
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

// StartCheck looks with the task's own identity whether both ends can be used. Check tells what it found.
func (s *Service) StartCheck(ctx context.Context, c Caller, id string) (Task, error) {
	return s.change(ctx, c, Operator, id, examine, func(t *Task, now time.Time) (Entry, error) {
		request := t.request()
		if err := s.Engine.Check(ctx, *t, request); err != nil {
			return Entry{}, s.failed("starting the check", err)
		}
		t.Check = &Request{ID: request, Asked: now, By: c.Name}
		return Entry{Action: "check started"}, nil
	})
}

// StartPlan compares both ends and copies nothing. Plan tells what it found.
func (s *Service) StartPlan(ctx context.Context, c Caller, id string) (Task, error) {
	return s.change(ctx, c, Operator, id, examine, func(t *Task, now time.Time) (Entry, error) {
		request := t.request()
		if err := s.Engine.Plan(ctx, *t, request); err != nil {
			return Entry{}, s.failed("starting the plan", err)
		}
		t.Plan = &Request{ID: request, Asked: now, By: c.Name}
		return Entry{Action: "plan started"}, nil
	})
}

// request names something that is asked of the engine. It follows from the task's revision, so that two callers who ask at
// the same moment ask for one thing, of which one is told to look again.
func (t *Task) request() string { return fmt.Sprintf("%s-%d", t.ID, t.Revision) }

var clientToken = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// named is request, by the caller's token where there is one.
func (t *Task) named(token string) (string, error) {
	if token == "" {
		return t.request(), nil
	}
	if !clientToken.MatchString(token) {
		return "", invalid("clientToken", token, "allowed are up to 64 letters, digits, dots, hyphens and underscores")
	}
	return t.ID + "-" + token, nil
}
