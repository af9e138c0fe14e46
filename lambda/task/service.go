package task

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/datatransferhub/dth/plugins/contract"
	"github.com/datatransferhub/dth/worker/retry"
)

// Plugin is a kind of transfer that the hub knows.
type Plugin struct {
	Type        string // S3
	Description string
	Version     string // that new tasks get
	Contract    *contract.Contract
	// Kept are parameters whose defaults are the hub's: a task that leaves them out keeps those that it began with.
	Kept     []string
	Schedule func(contract.Values) Schedule
	// Ends says in words what is moved from where to where.
	Ends func(parameters map[string]string) (source, destination string)
	// Policies says what the owners of both ends have to allow. nil: the plugin cannot tell.
	Policies func(v contract.Values, stack string) ([]Policy, error)
}

// Policy is something that an owner of an end has to allow.
type Policy struct {
	End      string // source, destination
	Kind     string // identity policy, bucket policy, ...
	AttachTo string
	Document string // JSON; "" where Text says it in words
	Text     string
}

// Hub says what and where a hub is.
type Hub struct {
	Version string
	Region  string // "" on one machine
	Account string
	Local   bool // it runs on one machine
}

// Service is everything that can be asked of a hub. Each method checks the caller's role first; every error it returns is an
// *Error, or the context's.
type Service struct {
	Hub       Hub
	Plugins   []Plugin
	Store     Store
	Stacks    Stacks
	Engine    Engine
	Logs      Logs
	Metrics   Metrics
	Pickers   Pickers
	Existence Existence // nil: nothing is looked for before a task is created
	Log       *slog.Logger
	Now       func() time.Time
}

// CreateInput describes a new task.
type CreateInput struct {
	Name        string
	Description string
	Type        string
	Labels      map[string]string
	Parameters  map[string]string
	// Start makes its first run at once; otherwise the task is PAUSED when its stack is there, to be checked and planned.
	Start bool
	// ClientToken makes the call safe to repeat: the same caller with the same token gets the same task. "": none.
	ClientToken string
}

// UpdateInput changes a task. What is nil stays.
type UpdateInput struct {
	ID          string
	Edition     int64 // that the caller has seen; 0: any
	Name        *string
	Description *string
	Labels      map[string]string // all of them
	Parameters  map[string]string // all of them
	Upgrade     bool              // to the plugin version that new tasks get
}

// Create makes a task: its record first, then its stack.
func (s *Service) Create(ctx context.Context, c Caller, in CreateInput) (Task, error) {
	if err := c.need(Admin); err != nil {
		return Task{}, err
	}
	plugin, err := s.plugin(in.Type)
	if err != nil {
		return Task{}, err
	}
	settings := Settings{Name: in.Name, Description: in.Description, Labels: in.Labels, Parameters: plugin.keep(in.Parameters, nil)}
	if err := s.complete(plugin, &settings); err != nil {
		return Task{}, err
	}
	if len(in.ClientToken) > 64 {
		return Task{}, invalid("clientToken", in.ClientToken, "allowed are up to 64 bytes")
	}
	if err := s.missing(ctx, plugin, settings.Parameters); err != nil {
		return Task{}, err
	}
	now := s.Now().UTC()
	id := NewID(c.Name, in.ClientToken)
	after := InProgress
	if !in.Start {
		after = Paused
	}
	t := Task{
		ID: id, Edition: 1, Settings: settings.clone(), Type: plugin.Type, PluginVersion: plugin.Version, State: Starting,
		Stack: Stack{Name: StackName(id)}, CreatedBy: c.Name, UpdatedBy: c.Name, Created: now, Updated: now, ClientToken: in.ClientToken,
		Input: fingerprint(plugin.Type, settings, in.Start),
	}
	t.begin(Create, after, c, now)
	err = s.Store.Create(ctx, t, Entry{Task: id, At: now, By: c.Name, Action: "created", Changes: changes(Settings{}, t.Settings)})
	if errors.Is(err, ErrExists) {
		return s.again(ctx, t)
	}
	if err != nil {
		return Task{}, s.failed("saving the task", err)
	}
	t.Revision = 1
	s.start(ctx, t)
	return t, nil
}

// again answers a creation whose token was used before.
func (s *Service) again(ctx context.Context, t Task) (Task, error) {
	there, err := s.get(ctx, t.ID)
	if err != nil {
		return Task{}, err
	}
	if there.Input != t.Input {
		return Task{}, &Error{
			Code: Conflict, Field: "clientToken", Value: t.ClientToken,
			Message: fmt.Sprintf("it was used for the task %q, which is another", there.Name), Next: "use a new token for a new task",
		}
	}
	return there, nil
}

// Update changes a task's settings, and its stack when the stack depends on them.
func (s *Service) Update(ctx context.Context, c Caller, in UpdateInput) (Task, error) {
	if err := c.need(Admin); err != nil {
		return Task{}, err
	}
	there, err := s.get(ctx, in.ID)
	if err != nil {
		return Task{}, err
	}
	if err := s.misnamed(ctx, &there, in); err != nil {
		return Task{}, err
	}
	began := false
	t, err := Amend(ctx, s.Store, in.ID, func(t *Task) (e *Entry, err error) {
		e, began, err = s.update(t, c, in)
		return e, err
	})
	if err != nil {
		return Task{}, s.failed("saving the task", err)
	}
	if began {
		s.start(ctx, t)
	}
	return t, nil
}

// update brings an update into a task, and reports whether it began an operation.
func (s *Service) update(t *Task, c Caller, in UpdateInput) (e *Entry, began bool, err error) {
	if in.Edition != 0 && in.Edition != t.Edition {
		return nil, false, ErrConflict
	}
	plugin, err := s.plugin(t.Type)
	if err != nil {
		return nil, false, err
	}
	next, err := s.edited(plugin, *t, in)
	if err != nil {
		return nil, false, err
	}
	before, version := t.Settings.clone(), t.PluginVersion
	if in.Upgrade {
		version = plugin.Version
	}
	made := changes(before, next)
	if version != t.PluginVersion {
		made = append(made, Change{Field: "pluginVersion", Before: t.PluginVersion, After: version})
	}
	// The stack of a task in ERROR may be another than the record says: then the same parameters once more are an edit, too.
	mend := t.State == Errored && t.HasStack() && in.Parameters != nil
	if len(made) == 0 && !mend {
		return nil, false, nil
	}
	now := s.Now().UTC()
	if began = mend || !maps.Equal(before.Parameters, next.Parameters) || version != t.PluginVersion; began {
		if err := t.may(edit); err != nil {
			return nil, false, err
		}
		undo := t.PluginVersion
		t.begin(Update, t.afterEdit(next.Schedule != before.Schedule), c, now)
		t.Operation.Undo, t.Operation.UndoVersion, t.PluginVersion = &before, undo, version
	}
	t.Settings, t.UpdatedBy, t.Updated = next, c.Name, now
	if len(made) > 0 {
		t.Edition++
	}
	return &Entry{Task: t.ID, At: now, By: c.Name, Action: "edited", Changes: made}, began, nil
}

// afterEdit is the state that follows a change of the stack: the one that the task is in, or was in before its ERROR.
func (t *Task) afterEdit(rescheduled bool) State {
	after := t.State
	if after == Errored {
		after = cmp.Or(t.Return, InProgress)
	}
	if after == Done && rescheduled {
		after = InProgress
	}
	return after
}

// edited returns the settings that an update asks for.
func (s *Service) edited(plugin Plugin, t Task, in UpdateInput) (Settings, error) {
	next := t.Settings.clone()
	if in.Name != nil {
		next.Name = *in.Name
	}
	if in.Description != nil {
		next.Description = *in.Description
	}
	if in.Labels != nil {
		next.Labels = in.Labels
	}
	if in.Parameters != nil {
		next.Parameters = plugin.keep(in.Parameters, &t)
	}
	if err := s.complete(plugin, &next); err != nil {
		return next, err
	}
	if err := plugin.Contract.CheckUpdate(t.Parameters, next.Parameters); err != nil {
		return next, fieldErrors("parameters.", err)
	}
	return next.clone(), nil
}

// start begins a task's operation. When that does not work, nothing is lost: the record says what is to be done, and the
// reconciler begins it.
func (s *Service) start(ctx context.Context, t Task) {
	if err := s.Stacks.Begin(context.WithoutCancel(ctx), t); err != nil {
		s.Log.Error("an operation could not be begun; the reconciler will", "task", t.ID, "operation", t.Operation.ID, "error", err)
	}
}

// Delete removes the record of a task without a stack.
func (s *Service) Delete(ctx context.Context, c Caller, id string) (Task, error) {
	if err := c.need(Admin); err != nil {
		return Task{}, err
	}
	t, err := s.get(ctx, id)
	if err != nil {
		return Task{}, err
	}
	if err := t.may(remove); err != nil {
		return Task{}, err
	}
	e := Entry{Task: id, At: s.Now().UTC(), By: c.Name, Action: "deleted", Changes: changes(t.Settings, Settings{})}
	if err := s.Store.Delete(ctx, id, t.Revision, e); err != nil {
		return Task{}, s.failed("deleting the task", err)
	}
	return t, nil
}

// CloneDraft returns what a copy of a task would be created with.
func (s *Service) CloneDraft(ctx context.Context, c Caller, id string) (CreateInput, error) {
	if err := c.need(Admin); err != nil {
		return CreateInput{}, err
	}
	t, err := s.get(ctx, id)
	if err != nil {
		return CreateInput{}, err
	}
	from := t.Settings.clone()
	return CreateInput{Name: from.Name + " copy", Description: from.Description, Type: t.Type, Labels: from.Labels, Parameters: from.Parameters}, nil
}

// begin notes a new operation, which takes the place of the one before. Its id is that of no other, also not of a task of this id
// that was deleted: names of executions are taken for months.
func (t *Task) begin(k Kind, after State, c Caller, now time.Time) {
	id := fmt.Sprintf("%s-%d-%s", t.ID, t.Revision+1, strings.ToLower(rand.Text()[:10]))
	t.Operation = &Operation{ID: id, Kind: k, Begun: now, By: c.Name, After: after}
	t.State = map[Kind]State{Create: Starting, Update: Updating, Delete: Stopping}[k]
	t.Reason, t.NextStep, t.Return, t.Steering = "", "", "", nil
}

// PluginOf returns a plugin by its type; false when the hub does not know it (any more).
func (s *Service) PluginOf(kind string) (Plugin, bool) {
	p, err := s.plugin(kind)
	return p, err == nil
}

func (s *Service) plugin(kind string) (Plugin, error) {
	var names []string
	for _, p := range s.Plugins {
		if p.Type == kind {
			return p, nil
		}
		names = append(names, p.Type)
	}
	return Plugin{}, invalid("type", kind, "allowed are "+strings.Join(names, ", "))
}

func (s *Service) get(ctx context.Context, id string) (Task, error) {
	if !taskID.MatchString(id) {
		return Task{}, invalid("id", id, "a task's id is t- and 16 small letters and digits")
	}
	t, err := s.Store.Get(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return Task{}, &Error{Code: NotFound, Field: "id", Value: id, Message: "there is no such task", Next: "look at the list of tasks; it may have been deleted"}
	}
	if err != nil {
		return Task{}, s.failed("reading the task", err)
	}
	return t, nil
}

// changeTries bounds how often a change is made again because somebody else wrote the task at the same moment.
const changeTries = 20

// Amend reads a task, lets it be changed, and writes it; again when somebody else wrote it meanwhile. Without an entry and
// without a change nothing is written. An error of with ends it and is returned as it is.
func Amend(ctx context.Context, store Store, id string, with func(*Task) (*Entry, error)) (Task, error) {
	for try := 1; ; try++ {
		t, err := store.Get(ctx, id)
		if err != nil {
			return Task{}, err
		}
		before := t.Clone()
		e, err := with(&t)
		if err != nil {
			return Task{}, err
		}
		if e == nil && reflect.DeepEqual(before, t) {
			return t, nil
		}
		t, err = store.Update(ctx, t, e)
		if err == nil {
			return t, nil
		}
		if !errors.Is(err, ErrConflict) || try == changeTries {
			return Task{}, err
		}
		if err := retry.Sleep(ctx, retry.Policy{Base: 2 * time.Millisecond, Cap: 100 * time.Millisecond}.Delay(try)); err != nil {
			return Task{}, err
		}
	}
}

// failed turns an error of a port into one for callers.
func (s *Service) failed(doing string, err error) error {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, ErrNotFound):
		return &Error{Code: NotFound, Message: "the task is gone", Next: "look at the list of tasks", Err: err}
	case errors.Is(err, ErrConflict):
		return &Error{Code: Conflict, Message: "somebody changed this meanwhile", Next: "read it again, and repeat what you want to change", Err: err}
	case errors.Is(err, ErrCursor):
		return &Error{Code: Invalid, Field: "after", Message: "this cursor was not given by this list", Next: "begin from the first page", Err: err}
	}
	return unavailable(doing, err)
}

var taskID = regexp.MustCompile(`^t-[a-z2-7]{16}$`)

// NewID returns the id of a new task: the same for the same caller and token, a random one without a token.
func NewID(caller, token string) string {
	sum := sha256.Sum256([]byte(caller + "\x00" + token))
	if token == "" {
		rand.Read(sum[:])
	}
	return "t-" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:10]))
}

// fingerprint tells one input of a creation from another.
func fingerprint(kind string, s Settings, start bool) string {
	var lines []string
	for _, c := range changes(Settings{}, s) {
		lines = append(lines, fmt.Sprintf("%q=%q", c.Field, c.After))
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %t %s", kind, start, strings.Join(lines, "\n")))
	return base32.StdEncoding.EncodeToString(sum[:])
}

// StackName returns the name of a task's stack: DTH- and the id.
func StackName(id string) string { return "DTH-" + id }

func clamp(first, standard, most int) (int, error) {
	if n := cmp.Or(first, standard); n >= 1 && n <= most {
		return n, nil
	}
	return 0, invalid("first", fmt.Sprint(first), fmt.Sprintf("allowed are 1 to %d", most))
}
