// Package message is the wire format between finder, workers and the controller of giants: one JSON document a message,
//
//	{"v":1,"kind":"object","run":"...","key":"...","size":1,"etag":"...","modified":"...","op":"copy"}
//	{"v":1,"kind":"part","run":"...","key":"...","etag":"...","upload":"...","n":1,"of":16,"offset":0,"length":67108864}
//	{"v":1,"kind":"complete","run":"...","key":"...","etag":"...","upload":"..."}
//	{"v":1,"kind":"abort","run":"...","key":"...","etag":"...","upload":"..."}
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

	// Again is how often this object was put back because it changed while it was being copied.
	Again int
	// Sequencer is that of the event which the message answers; see package event.
	Sequencer string
	// Look says that nothing is known about the object but its key: both ends are looked at first.
	Look bool
	// Seen says that the message takes the place of one that was received before: whoever had that may have begun, and died.
	Seen bool
}

// Message is an Object, Part, Complete or Abort.
type Message interface {
	// Encode returns the message as text that every queue takes.
	Encode() (string, error)
	// Names returns the run that a message belongs to and the source key that it is about.
	Names() (run, key string)
}

// Upload is the multipart upload that a message belongs to.
type Upload struct {
	Run      string
	Key      string // source key
	ETag     string // of the source version
	UploadID string
}

// Part asks for one part of a giant.
type Part struct {
	Upload
	VersionID      string
	Number, Of     int   // from 1
	Offset, Length int64 // bytes
	Checksums      bool  // the upload was created with CRC64NVME
	Seen           bool  // as of an Object
}

// Complete asks for the object to be made of its parts.
type Complete struct{ Upload }

// Abort asks for the end of an upload that cannot be completed. Its record says why.
type Abort struct{ Upload }

// Seen returns a message that says of itself that it was received before. Of messages for which that makes no difference,
// it is the same.
func Seen(m Message) Message {
	switch m := m.(type) {
	case Object:
		m.Seen = true
		return m
	case Part:
		m.Seen = true
		return m
	}
	return m
}

// WasSeen reports whether a message says that it was received before.
func WasSeen(m Message) bool {
	switch m := m.(type) {
	case Object:
		return m.Seen
	case Part:
		return m.Seen
	}
	return false
}

// Names implements Message.
func (o Object) Names() (run, key string) { return o.Run, o.Key }

// Names implements Message.
func (u Upload) Names() (run, key string) { return u.Run, u.Key }

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
	Again    int     `json:"again"`
	Sequence string  `json:"seq"`
	Look     bool    `json:"look"`
	Seen     bool    `json:"seen"`

	Upload string `json:"upload"`
	Number int    `json:"n"`
	Of     int    `json:"of"`
	Offset int64  `json:"offset"`
	Length int64  `json:"length"`
	CRC    bool   `json:"crc"`
}

// Encode returns the message as text that every queue takes: SQS refuses the control characters,
// U+FFFE and U+FFFF, so those are escaped. Invalid UTF-8 in a key cannot be expressed and is an error.
func (o Object) Encode() (string, error) {
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
	if o.Again > 0 {
		b = append(b, `,"again":`...)
		b = strconv.AppendInt(b, int64(o.Again), 10)
	}
	if o.Sequencer != "" {
		b = append(b, `,"seq":`...)
		b = appendString(b, o.Sequencer)
	}
	if o.Look {
		b = append(b, `,"look":true`...)
	}
	if o.Seen {
		b = append(b, `,"seen":true`...)
	}
	b = append(b, `,"op":`...)
	b = appendString(b, string(o.Op))
	return string(append(b, '}')), nil
}

// encode returns the beginning of an upload's message, without the closing brace.
func (u Upload) encode(kind string) ([]byte, error) {
	if !utf8.ValidString(u.Key) {
		return nil, fmt.Errorf("key %q is not valid UTF-8 and cannot be queued", u.Key)
	}
	b := append(make([]byte, 0, 256+len(u.Key)), `{"v":1,"kind":"`...)
	b = append(b, kind...)
	b = append(b, `","run":`...)
	b = appendString(b, u.Run)
	b = append(b, `,"key":`...)
	b = appendString(b, u.Key)
	b = append(b, `,"etag":`...)
	b = appendString(b, u.ETag)
	b = append(b, `,"upload":`...)
	return appendString(b, u.UploadID), nil
}

// Encode implements Message.
func (c Complete) Encode() (string, error) {
	b, err := c.encode("complete")
	return string(append(b, '}')), err
}

// Encode implements Message.
func (a Abort) Encode() (string, error) {
	b, err := a.encode("abort")
	return string(append(b, '}')), err
}

// Encode implements Message.
func (p Part) Encode() (string, error) {
	b, err := p.encode("part")
	if err != nil {
		return "", err
	}
	b = fmt.Appendf(b, `,"n":%d,"of":%d,"offset":%d,"length":%d`, p.Number, p.Of, p.Offset, p.Length)
	if p.VersionID != "" {
		b = append(b, `,"version":`...)
		b = appendString(b, p.VersionID)
	}
	if p.Checksums {
		b = append(b, `,"crc":true`...)
	}
	if p.Seen {
		b = append(b, `,"seen":true`...)
	}
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

// ErrForeign is wrapped by errors about text that is no message of this format, of whatever version. It may still be
// an event of the source bucket.
var ErrForeign = errors.New("message is not of this format")

// Decode reads a message. Errors wrap ErrUnknown when a newer release may have written it, and ErrForeign when none
// has.
func Decode(body string) (Message, error) {
	var w wire
	if err := json.Unmarshal([]byte(body), &w); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrForeign, err)
	}
	switch {
	case w.Version < 1 || w.Kind == "":
		return nil, fmt.Errorf("%w: it has no version or no kind", ErrForeign)
	case w.Version != Version:
		return nil, fmt.Errorf("%w: kind %q, version %d", ErrUnknown, w.Kind, w.Version)
	case w.Kind == "object":
		return w.object()
	case w.Kind != "part" && w.Kind != "complete" && w.Kind != "abort":
		return nil, fmt.Errorf("%w: kind %q, version %d", ErrUnknown, w.Kind, w.Version)
	case w.Key == "" || w.Upload == "" || w.ETag == "":
		return nil, fmt.Errorf("%s message lacks key, etag or upload", w.Kind)
	}
	up := Upload{Run: w.Run, Key: w.Key, ETag: w.ETag, UploadID: w.Upload}
	switch w.Kind {
	case "complete":
		return Complete{up}, nil
	case "abort":
		return Abort{up}, nil
	}
	return w.part(up)
}

// maxParts is the most parts of one upload: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
const maxParts = 10_000

func (w *wire) part(up Upload) (Message, error) {
	if w.Number < 1 || w.Number > w.Of || w.Of > maxParts || w.Offset < 0 || w.Length < 1 {
		return nil, fmt.Errorf("part message has part %d of %d, %d bytes from byte %d", w.Number, w.Of, w.Length, w.Offset)
	}
	return Part{Upload: up, VersionID: w.ID, Number: w.Number, Of: w.Of, Offset: w.Offset, Length: w.Length, Checksums: w.CRC, Seen: w.Seen}, nil
}

// object returns the object message, or an error.
func (w *wire) object() (Message, error) {
	switch {
	case w.Op == "":
		return nil, errors.New("message names no operation")
	case w.Op != Copy && w.Op != Delete:
		return nil, fmt.Errorf("%w: operation %q", ErrUnknown, w.Op)
	case w.Key == "":
		return nil, errors.New("message names no key")
	case w.Size < 0:
		return nil, fmt.Errorf("message has the negative size %d", w.Size)
	}
	o := Object{
		Run: w.Run, Key: w.Key, Size: w.Size, ETag: w.ETag, VersionID: w.ID, Class: w.Class, Op: w.Op,
		Again: max(w.Again, 0), Sequencer: w.Sequence, Look: w.Look, Seen: w.Seen,
	}
	if w.Modified != "" {
		t, err := time.Parse(time.RFC3339, w.Modified)
		if err != nil {
			return nil, fmt.Errorf("message's modified time: %w", err)
		}
		o.Modified = t.UTC()
	}
	if w.Dest != nil {
		o.DestinationSeen, o.DestinationETag = true, *w.Dest
	}
	return o, nil
}
