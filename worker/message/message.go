// Package message is the wire format between finder and workers: one JSON document a message,
//
//	{"v":1,"kind":"object","run":"...","key":"...","size":1,"etag":"...","modified":"...","op":"copy"}
//
// Unknown kinds and versions are told apart from broken ones, so that a worker of an older release hands
// back what it does not know instead of dropping it.
package message

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// Version is the version of the format that this release writes and reads.
const Version = 1

// Op is what to do with an object.
type Op string

// The operations.
const (
	Copy   Op = "copy"
	Delete Op = "delete" // at the destination
)

// Object asks for one object to be brought into agreement.
type Object struct {
	Run       string
	Key       string // source key
	Size      int64
	ETag      string // of the source, as listed
	Modified  time.Time
	VersionID string
	Class     string // storage class at the source, when it is not the standard one
	Op        Op

	// DestinationETag is what the finder saw at the destination; DestinationSeen tells an absent
	// object (true, "") from a destination that was not listed (false).
	DestinationETag string
	DestinationSeen bool
}

// ErrUnknown is wrapped by errors about messages that a newer release may understand.
var ErrUnknown = errors.New("message of an unknown kind or version")

type wire struct {
	Version  int     `json:"v"`
	Kind     string  `json:"kind"`
	Run      string  `json:"run"`
	Key      string  `json:"key"`
	Size     int64   `json:"size"`
	ETag     string  `json:"etag"`
	Modified string  `json:"modified"`
	ID       string  `json:"version"`
	Class    string  `json:"class"`
	Op       Op      `json:"op"`
	Dest     *string `json:"dest"`
}

// Encode returns the message as text that every queue takes: SQS refuses the control characters,
// U+FFFE and U+FFFF, so those are escaped. Invalid UTF-8 in a key cannot be expressed and is an error.
func (o *Object) Encode() (string, error) {
	if !utf8.ValidString(o.Key) {
		return "", fmt.Errorf("key %q is not valid UTF-8 and cannot be queued", o.Key)
	}
	b := make([]byte, 0, 160+len(o.Key)+len(o.Run))
	b = append(b, `{"v":1,"kind":"object","run":`...)
	b = appendString(b, o.Run)
	b = append(b, `,"key":`...)
	b = appendString(b, o.Key)
	b = append(b, `,"size":`...)
	b = strconv.AppendInt(b, o.Size, 10)
	if o.ETag != "" {
		b = append(b, `,"etag":`...)
		b = appendString(b, o.ETag)
	}
	if !o.Modified.IsZero() {
		b = append(b, `,"modified":"`...)
		b = o.Modified.UTC().AppendFormat(b, "2006-01-02T15:04:05.999Z07:00")
		b = append(b, '"')
	}
	if o.VersionID != "" {
		b = append(b, `,"version":`...)
		b = appendString(b, o.VersionID)
	}
	if o.Class != "" {
		b = append(b, `,"class":`...)
		b = appendString(b, o.Class)
	}
	if o.DestinationSeen {
		b = append(b, `,"dest":`...)
		b = appendString(b, o.DestinationETag)
	}
	b = append(b, `,"op":`...)
	b = appendString(b, string(o.Op))
	return string(append(b, '}')), nil
}

const hex = "0123456789abcdef"

func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20 || c == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == 0xfffe || r == 0xffff {
				b = append(b, '\\', 'u', 'f', 'f', 'f', hex[r&15])
			} else {
				b = append(b, s[i:i+n]...)
			}
			i += n
			continue
		}
		i++
	}
	return append(b, '"')
}

// DecodeObject reads an object message. Errors wrap ErrUnknown when a newer release may have written it.
func DecodeObject(body string) (Object, error) {
	var w wire
	if err := json.Unmarshal([]byte(body), &w); err != nil {
		return Object{}, fmt.Errorf("message is not the JSON of this format: %w", err)
	}
	if w.Version < 1 || w.Kind == "" {
		return Object{}, errors.New("message is not of this format: it has no version or no kind")
	}
	if w.Version != Version || w.Kind != "object" {
		return Object{}, fmt.Errorf("%w: kind %q, version %d", ErrUnknown, w.Kind, w.Version)
	}
	if w.Op == "" {
		return Object{}, errors.New("message names no operation")
	}
	if w.Op != Copy && w.Op != Delete {
		return Object{}, fmt.Errorf("%w: operation %q", ErrUnknown, w.Op)
	}
	if w.Key == "" {
		return Object{}, errors.New("message names no key")
	}
	if w.Size < 0 {
		return Object{}, fmt.Errorf("message has the negative size %d", w.Size)
	}
	o := Object{
		Run: w.Run, Key: w.Key, Size: w.Size, ETag: w.ETag, VersionID: w.ID, Class: w.Class, Op: w.Op,
	}
	if w.Modified != "" {
		t, err := time.Parse(time.RFC3339, w.Modified)
		if err != nil {
			return Object{}, fmt.Errorf("message's modified time: %w", err)
		}
		o.Modified = t.UTC()
	}
	if w.Dest != nil {
		o.DestinationSeen, o.DestinationETag = true, *w.Dest
	}
	return o, nil
}
