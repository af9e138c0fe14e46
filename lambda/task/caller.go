package task

import (
	"context"
	"fmt"
	"slices"
)

// Role is what a caller may do: a viewer reads, an operator runs and pauses, too, an admin creates, changes and deletes.
type Role string

// The roles, as the names of groups at the identity provider.
const (
	Viewer   Role = "viewer"
	Operator Role = "operator"
	Admin    Role = "admin"
)

// Caller is who asks.
type Caller struct {
	Name string // as the identity provider knows the caller: shown in the audit
	Role Role   // the highest of the caller's; "": none
}

var ranks = []Role{"", Viewer, Operator, Admin}

// Highest returns the highest role among the names of groups; "" when none of them is a role.
func Highest(groups []string) Role {
	for _, r := range []Role{Admin, Operator, Viewer} {
		if slices.Contains(groups, string(r)) {
			return r
		}
	}
	return ""
}

// need returns an error unless the caller has a role or a higher one.
func (c Caller) need(r Role) error {
	if c.Name == "" {
		return &Error{Code: Unauthenticated, Message: "nobody is signed in", Next: "sign in"}
	}
	if has := slices.Index(ranks, c.Role); has >= 0 && has >= slices.Index(ranks, r) {
		return nil
	}
	has := "no role of this hub"
	if c.Role != "" {
		has = "the role " + string(c.Role)
	}
	return &Error{
		Code: Forbidden, Message: fmt.Sprintf("%s has %s; this needs the role %s", c.Name, has, r),
		Next: fmt.Sprintf("ask an administrator to put you into the group %q at the identity provider, and sign in anew", r),
	}
}

type callerKey struct{}

// WithCaller returns a context that carries who asks.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf returns who asks; the zero Caller, who may do nothing, when the context does not say.
func CallerOf(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}

// Allowed returns an error unless who asks has a role or a higher one: for what is looked at before a Service is asked.
func Allowed(ctx context.Context, r Role) error { return CallerOf(ctx).need(r) }
