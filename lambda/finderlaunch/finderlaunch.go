// Package finderlaunch starts the finder's instance: by the schedule, by hand, or to close a run. One request starts one
// instance, however often it is delivered.
package finderlaunch

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Mode is what an instance is started for.
type Mode string

// The modes.
const (
	Pass  Mode = "pass"
	Close Mode = "close"
	Plan  Mode = "plan"
	Check Mode = "check"
)

// Request asks for an instance. A scheduled event of EventBridge asks for a pass, and its id is the request's.
type Request struct {
	Mode Mode   `json:"mode"`
	Run  string `json:"run,omitempty"` // id of the run; of Close it is required
	ID   string `json:"id"`            // the same for every delivery of one request
}

// Instance is a finder's instance that is there.
type Instance struct {
	ID       string // which is how it signs its lease
	Mode     Mode
	Launched time.Time
}

// Launch describes an instance that is to be started.
type Launch struct {
	Subnet string
	Token  string // at most 64 letters; the same token never starts a second instance
	Mode   Mode
	Run    string
	// Request is the id under which a plan or check is answered; empty for the others.
	Request string
}

// ErrNoCapacity says that a subnet has no room for such an instance at present.
var ErrNoCapacity = errors.New("no capacity")

// Instances starts, finds and ends the instances of one stack's finder.
type Instances interface {
	Start(ctx context.Context, l Launch) (id string, err error)
	// Running returns those that are pending or running.
	Running(ctx context.Context) ([]Instance, error)
	End(ctx context.Context, id string) error
}

// Alive tells who has a sign of life on record: a finder's instance holds a lease that it renews each minute.
type Alive interface {
	Holders(ctx context.Context) ([]string, error)
}

// How long an instance may be there without a sign of life.
const (
	silentAfter = 30 * time.Minute // it boots, and looks at both ends, before it takes a lease
	planTime    = 6 * time.Hour    // of plans and checks, which hold no lease
)

// Handler answers requests.
type Handler struct {
	Stack     string
	Instances Instances
	Alive     Alive
	// Paused tells whether the task is paused: no pass is begun then and no run closed, but plans and checks are made.
	Paused  func(ctx context.Context) (bool, error)
	Subnets []string
	// Announce tells that a finder was started, upon which the monitor begins to look after the stack's runs; nil: nobody
	// is told.
	Announce func(ctx context.Context, mode Mode) error
	Log      *slog.Logger
	Now      func() time.Time
}

// Answer tells what was started.
type Answer struct {
	Instance string   `json:"instance,omitempty"`
	Subnet   string   `json:"subnet,omitempty"`
	Paused   bool     `json:"paused,omitempty"` // nothing was started, because the task is paused
	Ended    []string `json:"ended,omitempty"`  // instances without a sign of life
}

// Handle starts an instance, after ending those that hang.
func (h *Handler) Handle(ctx context.Context, event json.RawMessage) (Answer, error) {
	r, err := Parse(event)
	if err != nil {
		return Answer{}, err
	}
	var answer Answer
	if answer.Ended, err = h.endSilent(ctx); err != nil {
		h.Log.Warn("looking for finders that hang failed; the pass is started all the same", "error", err)
	}
	if r.Mode == Pass || r.Mode == Close {
		if answer.Paused, err = h.Paused(ctx); err != nil {
			return answer, err
		}
	}
	if answer.Paused {
		h.Log.Info("the task is paused; no finder is started", "mode", r.Mode, "run", r.Run)
		return answer, nil
	}
	if answer.Instance, answer.Subnet, err = h.start(ctx, r); err != nil {
		return answer, err
	}
	h.Log.Info("finder is started", "instance", answer.Instance, "subnet", answer.Subnet, "mode", r.Mode, "run", r.Run)
	if r.Mode == Pass && h.Announce != nil {
		if err := h.Announce(ctx, r.Mode); err != nil {
			return answer, fmt.Errorf("the finder is started, its monitor is not: %w", err)
		}
	}
	return answer, nil
}

// start tries the subnets in turn, another one first each time.
func (h *Handler) start(ctx context.Context, r Request) (id, subnet string, err error) {
	if len(h.Subnets) == 0 {
		return "", "", errors.New("no subnet is given to start the finder in")
	}
	first := sha256.Sum256([]byte(r.ID))
	var all error
	for i := range h.Subnets {
		subnet = h.Subnets[(int(first[0])+i)%len(h.Subnets)]
		l := Launch{Subnet: subnet, Token: token(h.Stack, subnet, r), Mode: r.Mode, Run: r.Run}
		if r.Mode == Plan || r.Mode == Check {
			l.Request = r.ID
		}
		id, err = h.Instances.Start(ctx, l)
		if err == nil {
			return id, subnet, nil
		}
		all = errors.Join(all, fmt.Errorf("subnet %s: %w", subnet, err))
		if !errors.Is(err, ErrNoCapacity) {
			break
		}
		h.Log.Warn("no room for the finder in a subnet; the next is tried", "subnet", subnet, "error", err)
	}
	return "", "", fmt.Errorf("starting the finder: %w", all)
}

// token is the client token of a request in a subnet. Which subnet is tried first follows from the request, so a request that
// is delivered twice asks for the same instance.
func token(stack, subnet string, r Request) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{stack, subnet, string(r.Mode), r.Run, r.ID}, "\x00")))
	return hex.EncodeToString(sum[:])[:64]
}

// endSilent ends instances that have been there for long and hold no lease.
func (h *Handler) endSilent(ctx context.Context) (ended []string, err error) {
	running, err := h.Instances.Running(ctx)
	if err != nil || len(running) == 0 {
		return nil, err
	}
	holders, err := h.Alive.Holders(ctx)
	if err != nil {
		return nil, err
	}
	for _, i := range running {
		patience := silentAfter
		if i.Mode == Plan || i.Mode == Check {
			patience = planTime
		}
		if h.Now().Sub(i.Launched) < patience || slices.Contains(holders, i.ID) {
			continue
		}
		h.Log.Warn("a finder shows no sign of life and is ended", "instance", i.ID, "launched", i.Launched)
		if err := h.Instances.End(ctx, i.ID); err != nil {
			return ended, err
		}
		ended = append(ended, i.ID)
	}
	return ended, nil
}

// names are run ids: they reach the instance as a tag.
var names = regexp.MustCompile(`^[A-Za-z0-9._-]{0,128}$`)

// Parse reads a request, or a scheduled event. Errors name the field, its value and what is allowed.
func Parse(event json.RawMessage) (Request, error) {
	var e struct {
		Request
		DetailType string    `json:"detail-type"`
		Time       time.Time `json:"time"`
	}
	if err := json.Unmarshal(event, &e); err != nil {
		return Request{}, fmt.Errorf("the request is no JSON object of mode, run and id: %w", err)
	}
	r := e.Request
	if e.DetailType != "" {
		// All deliveries of one tick have its time; their ids differ when two rules tick.
		r.Mode, r.ID = Pass, cmp.Or(e.Time.UTC().Format("20060102T150405Z"), e.ID)
		if e.Time.IsZero() {
			r.ID = e.ID
		}
	}
	r.Mode = cmp.Or(r.Mode, Pass)
	switch {
	case !slices.Contains([]Mode{Pass, Close, Plan, Check}, r.Mode):
		return r, fmt.Errorf("mode: %q: allowed are pass, close, plan and check", r.Mode)
	case !names.MatchString(r.Run):
		return r, fmt.Errorf("run: %q: allowed are up to 128 letters, digits, dots, hyphens and underscores", r.Run)
	case r.Mode == Close && r.Run == "":
		return r, errors.New("run: it is required to close one; \"next\" is the oldest that waits")
	case r.ID == "" || !names.MatchString(r.ID):
		return r, fmt.Errorf("id: %q: 1 to 128 letters, digits, dots, hyphens and underscores are required; the same id never starts two instances", r.ID)
	}
	return r, nil
}
