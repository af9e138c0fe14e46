// Package stacksim is a CloudFormation in memory, for tests: its stacks go through the statuses of the real one, a look at a
// time, and fail when they are told to.
package stacksim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/datatransferhub/dth/lambda/stackops"
)

// CloudFormation implements stackops.CloudFormation.
type CloudFormation struct {
	mu        sync.Mutex
	stacks    []*stack // those that are gone, too
	calls     []string // what was asked for, with the stack's name
	looks     int      // how many looks see a status before the next one
	failing   string   // why the next operation fails
	throttled int      // so many calls fail first
	refusal   error    // of the next change
	lost      bool     // the next answer to a change gets lost
	held      bool
	outputs   map[string]string
}

type stack struct {
	stackops.Stack
	change  stackops.Change
	coming  []stackops.Status // the statuses that follow
	seen    int               // looks at the present one
	stories map[string]stackops.Story
}

// New returns a CloudFormation without stacks. Each status that passes is seen by so many looks.
func New(looks int) *CloudFormation {
	return &CloudFormation{looks: looks, outputs: map[string]string{"RunTableName": "runs"}}
}

func (c *CloudFormation) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
}

// FailNext lets the operation that is begun next fail for a reason, and be rolled back.
func (c *CloudFormation) FailNext(reason string) { c.set(func() { c.failing = reason }) }

// Throttle lets so many calls fail.
func (c *CloudFormation) Throttle(calls int) { c.set(func() { c.throttled = calls }) }

// Refuse lets the next change be refused with an error.
func (c *CloudFormation) Refuse(err error) { c.set(func() { c.refusal = err }) }

// LoseNext lets the answer to the next change get lost: it is made, and the caller told that nobody answered.
func (c *CloudFormation) LoseNext() { c.set(func() { c.lost = true }) }

// Hold lets all stacks stay in their statuses, until they are held no longer.
func (c *CloudFormation) Hold(held bool) { c.set(func() { c.held = held }) }

// Calls returns what was asked for so far: create, update, delete, cancel.
func (c *CloudFormation) Calls() (all []string) {
	c.set(func() { all = slices.Clone(c.calls) })
	return all
}

// Put puts a stack into a status, as somebody does who works on it by hand; it makes one that is not there.
func (c *CloudFormation) Put(name string, s stackops.Status, tags map[string]string) (id string) {
	c.set(func() {
		st := c.find(name)
		if st == nil {
			st = c.add(stackops.Change{Name: name, Tags: tags})
		}
		st.Status, st.coming, st.seen, id = s, nil, 0, st.ID
	})
	return id
}

// Told gives a stack outputs.
func (c *CloudFormation) Told(name string, outputs map[string]string) {
	c.set(func() {
		if st := c.last(name); st != nil {
			st.Outputs = outputs
		}
	})
}

// Tag gives a stack other tags.
func (c *CloudFormation) Tag(name string, tags map[string]string) {
	c.set(func() {
		if st := c.last(name); st != nil {
			st.Tags = tags
		}
	})
}

// Record notes what happened to a stack on behalf of a token.
func (c *CloudFormation) Record(name, token string, s stackops.Story) {
	c.set(func() {
		if st := c.last(name); st != nil {
			st.stories[token] = s
		}
	})
}

// last returns the newest stack of a name, also one that is gone.
func (c *CloudFormation) last(name string) *stack {
	for _, st := range slices.Backward(c.stacks) {
		if st.Name == name {
			return st
		}
	}
	return nil
}

// Status returns a stack's status without being a look at it.
func (c *CloudFormation) Status(name string) (s stackops.Status) {
	c.set(func() {
		if st := c.find(name); st != nil {
			s = st.Status
		}
	})
	return s
}

// Asked returns how the stack was last asked to be.
func (c *CloudFormation) Asked(name string) (ch stackops.Change) {
	c.set(func() {
		if st := c.find(name); st != nil {
			ch = st.change
		}
	})
	return ch
}

func (c *CloudFormation) add(ch stackops.Change) *stack {
	st := &stack{change: ch, stories: map[string]stackops.Story{}}
	st.Name, st.Tags = ch.Name, maps.Clone(ch.Tags)
	st.ID = fmt.Sprintf("arn:aws:cloudformation:us-east-1:123456789012:stack/%s/%d", ch.Name, len(c.stacks)+1)
	c.stacks = append(c.stacks, st)
	return st
}

// find returns a stack by its id, or the one that is there by its name.
func (c *CloudFormation) find(nameOrID string) *stack {
	for _, st := range slices.Backward(c.stacks) {
		if st.ID == nameOrID || st.Name == nameOrID && !st.Status.Gone() {
			return st
		}
	}
	return nil
}

// call notes a call, and fails it when calls are throttled.
func (c *CloudFormation) call(what, stack string) error {
	if what != "" {
		c.calls = append(c.calls, what+" "+stack)
	}
	if c.throttled > 0 {
		c.throttled--
		return errors.New("rate exceeded")
	}
	err := c.refusal
	if what != "" {
		c.refusal = nil
		return err
	}
	return nil
}

// answer is nil, or that nobody answered.
func (c *CloudFormation) answer() error {
	if c.lost {
		c.lost = false
		return errors.New("connection reset by peer")
	}
	return nil
}

// move lets a stack go through statuses on behalf of a token.
func (c *CloudFormation) move(st *stack, token string, good, bad []stackops.Status) {
	story := stackops.Story{Begun: true, Failure: c.failing}
	way := good
	if c.failing != "" {
		way, c.failing = bad, ""
	}
	st.Status, st.coming, st.seen, st.stories[token] = way[0], way[1:], 0, story
}

// Create implements stackops.CloudFormation.
func (c *CloudFormation) Create(_ context.Context, ch stackops.Change) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.call("create", ch.Name); err != nil {
		return "", err
	}
	if c.find(ch.Name) != nil {
		return "", stackops.ErrExists
	}
	st := c.add(ch)
	st.Outputs = maps.Clone(c.outputs)
	c.move(st, ch.Token, []stackops.Status{"CREATE_IN_PROGRESS", "CREATE_COMPLETE"}, []stackops.Status{"CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"})
	return st.ID, c.answer()
}

// Update implements stackops.CloudFormation.
func (c *CloudFormation) Update(_ context.Context, ch stackops.Change) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.call("update", ch.Name); err != nil {
		return err
	}
	st := c.find(ch.Name)
	switch {
	case st == nil || st.Status.Gone():
		return stackops.ErrMissing
	case !st.Status.Usable():
		return fmt.Errorf("%w: it is in %s state and can not be updated", stackops.ErrBusy, st.Status)
	case ch.TemplateURL == st.change.TemplateURL && slices.Equal(ch.Parameters, st.change.Parameters):
		return stackops.ErrNoChange
	}
	if c.failing == "" {
		ch.Name = st.Name
		st.change = ch
	}
	c.move(st, ch.Token,
		[]stackops.Status{"UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE"},
		[]stackops.Status{"UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"})
	return c.answer()
}

// Delete implements stackops.CloudFormation. A stack can be deleted while it is created, and not while it is changed.
func (c *CloudFormation) Delete(_ context.Context, name, token string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.call("delete", name); err != nil {
		return err
	}
	st := c.find(name)
	switch {
	case st == nil || st.Status.Gone() || st.Status == stackops.DeleteInProgress:
		return nil
	case st.Status.Moving() && st.Status != "CREATE_IN_PROGRESS":
		return fmt.Errorf("%w: it cannot be deleted while in status %s", stackops.ErrBusy, st.Status)
	}
	c.move(st, token, []stackops.Status{"DELETE_IN_PROGRESS", "DELETE_COMPLETE"}, []stackops.Status{"DELETE_IN_PROGRESS", "DELETE_FAILED"})
	return c.answer()
}

// CancelUpdate implements stackops.CloudFormation.
func (c *CloudFormation) CancelUpdate(_ context.Context, name, _ string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.call("cancel", name); err != nil {
		return err
	}
	if st := c.find(name); st != nil && st.Status == stackops.UpdateInProgress {
		st.Status, st.coming, st.seen = "UPDATE_ROLLBACK_IN_PROGRESS", []stackops.Status{"UPDATE_ROLLBACK_COMPLETE"}, 0
	}
	return nil
}

// Describe implements stackops.CloudFormation. Each is a look.
func (c *CloudFormation) Describe(_ context.Context, name string) (stackops.Stack, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.call("", ""); err != nil {
		return stackops.Stack{}, err
	}
	st := c.find(name)
	if st == nil {
		return stackops.Stack{}, nil
	}
	found := st.Stack
	found.Outputs, found.Tags = maps.Clone(st.Outputs), maps.Clone(st.Tags)
	if st.seen++; !c.held && st.seen >= c.looks && len(st.coming) > 0 {
		st.Status, st.coming, st.seen = st.coming[0], st.coming[1:], 0
	}
	return found, nil
}

// Story implements stackops.CloudFormation.
func (c *CloudFormation) Story(_ context.Context, name, token string) (stackops.Story, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.call("", ""); err != nil {
		return stackops.Story{}, err
	}
	if st := c.find(name); st != nil {
		return st.stories[token], nil
	}
	return stackops.Story{}, nil
}
