package task

import (
	"errors"
	"fmt"

	"github.com/datatransferhub/dth/plugins/contract"
)

// Code says of what sort an error is, for callers that decide on it.
type Code string

// The codes.
const (
	Invalid         Code = "INVALID"         // an argument; Field, Value and Message say which and what is allowed
	NotFound        Code = "NOT_FOUND"       // there is no such task, or none any more
	WrongState      Code = "WRONG_STATE"     // the task cannot do this now
	Conflict        Code = "CONFLICT"        // somebody changed the task meanwhile, or the client token was used for another
	Forbidden       Code = "FORBIDDEN"       // the caller's role is too low
	Unauthenticated Code = "UNAUTHENTICATED" // nobody is signed in
	Unavailable     Code = "UNAVAILABLE"     // something that is needed does not answer; try again
	TooLarge        Code = "TOO_LARGE"       // the answer would be larger than the API carries
	Internal        Code = "INTERNAL"        // a fault of the hub
)

// Error is an error as callers of the API see it.
type Error struct {
	Code    Code
	Message string
	Field   string // of the argument; "" when none is to blame
	Value   string
	Next    string  // what to do now
	Others  []Error // more that is wrong with the same arguments
	Err     error   // what is behind it: for the log, never for the caller
}

func (e *Error) Error() string {
	text := e.Message
	if e.Field != "" {
		text = fmt.Sprintf("%s: %q: %s", e.Field, e.Value, e.Message)
	}
	if e.Next != "" {
		text += "; " + e.Next
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }

// Is reports whether an error is an *Error of a code.
func Is(err error, code Code) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

func invalid(field, value, message string) *Error {
	return &Error{Code: Invalid, Field: field, Value: value, Message: message}
}

// fieldErrors turns what a contract refuses into one error that names everything. Fields are below prefix.
func fieldErrors(prefix string, err error) error {
	var all contract.Errors
	if !errors.As(err, &all) || len(all) == 0 {
		return err
	}
	turned := make([]Error, len(all))
	for i, f := range all {
		turned[i] = *invalid(prefix+f.Field, f.Value, f.Message)
	}
	first := turned[0]
	first.Others = turned[1:]
	return &first
}

// unavailable says that a part that the service needs did not answer.
func unavailable(doing string, err error) error {
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	return &Error{Code: Unavailable, Message: doing + " did not work", Next: "try again in a moment; if it lasts, look at the hub's log", Err: err}
}
