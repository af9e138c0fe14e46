// Package failure sorts what can go wrong with an object or an endpoint into the few classes that
// decide what happens next: try again, wait, record and go on, or stop.
package failure

import (
	"context"
	"errors"
	"fmt"
)

// Class is what kind of failure it is. The names are stored in ledgers and shown to users.
type Class string

// The classes.
const (
	None               Class = ""
	AccessDenied       Class = "access_denied"       // this identity may not
	BadCredentials     Class = "bad_credentials"     // the endpoint does not know this identity
	KMS                Class = "kms"                 // a key may not be used, or is disabled
	NotFound           Class = "not_found"           // no such key
	NoSuchBucket       Class = "no_such_bucket"      // no such bucket
	WrongRegion        Class = "wrong_region"        // the bucket is elsewhere
	Changed            Class = "changed"             // a precondition on the source failed
	Conflict           Class = "conflict"            // a precondition on the destination failed
	Archived           Class = "archived"            // the bytes need a restore first
	Throttled          Class = "throttled"           // 503 SlowDown, 429
	Network            Class = "network"             // connection, time-out, truncated answer
	Server             Class = "server"              // the store's own 5xx
	TooLarge           Class = "too_large"           // larger than the destination takes
	DestinationRefuses Class = "destination_refuses" // an argument or key that it does not take
	Checksum           Class = "checksum"            // what arrived is not what was sent
	Canceled           Class = "canceled"            // the process is stopping
	Other              Class = "other"
)

// Classes returns every class but None, in order of their names.
func Classes() []Class {
	return []Class{
		AccessDenied, Archived, BadCredentials, Canceled, Changed, Checksum, Conflict, DestinationRefuses, KMS, Network, NoSuchBucket,
		NotFound, Other, Server, Throttled, TooLarge, WrongRegion,
	}
}

// Retryable reports whether the same request may succeed later without anybody doing anything.
func (c Class) Retryable() bool {
	switch c {
	case Throttled, Network, Server, Checksum, Other:
		return true
	}
	return false
}

// Endpointwide reports whether every other request to the same endpoint can be expected to fail alike.
func (c Class) Endpointwide() bool {
	switch c {
	case BadCredentials, NoSuchBucket, WrongRegion:
		return true
	}
	return false
}

// Error is a classed failure of one operation on one thing.
type Error struct {
	Class  Class
	Op     string // the operation, in the protocol's words: GetObject
	Target string // bucket or bucket/key
	Status int    // HTTP status; 0 when there was no answer
	Code   string // the store's error code
	Detail string // the store's message, or the cause's text
	Err    error  // cause, may be nil
}

func (e *Error) Error() string {
	s := e.Op + " " + e.Target + ": "
	switch {
	case e.Code != "" && e.Detail != "":
		s += e.Code + ": " + e.Detail
	case e.Code != "":
		s += e.Code
	case e.Detail != "":
		s += e.Detail
	case e.Err != nil:
		s += e.Err.Error()
	default:
		s += string(e.Class)
	}
	if e.Status != 0 {
		s += fmt.Sprintf(" (HTTP %d)", e.Status)
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// ClassOf returns the class of an error, or None for nil. Errors that nobody classed are Other,
// except those of a canceled context.
func ClassOf(err error) Class {
	if err == nil {
		return None
	}
	var f *Error
	if errors.As(err, &f) {
		return f.Class
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return Canceled
	}
	return Other
}

// Is reports whether err is of class c.
func Is(err error, c Class) bool { return ClassOf(err) == c }
