// Package listxml decodes the pages of ListObjects and ListObjectsV2. Listing is where a finder spends its
// time, and the usual XML decoders take some twenty microseconds a key; this one reads the few
// elements that matter straight from the bytes, in a window of fixed size, at a small fraction of that.
package listxml

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"sync"

	"github.com/datatransferhub/dth/worker/store"
)

// Result is a decoded page and what belongs to the page as a whole.
type Result struct {
	Page      store.Page
	Truncated bool
	// NextMarker is the version 1 token. Stores leave it out when no delimiter was asked for: then the
	// last key of the page is the marker.
	NextMarker string
}

// ServerError is an error document that came with a successful status.
type ServerError struct{ Code, Message string }

func (e *ServerError) Error() string { return e.Code + ": " + e.Message }

// SyntaxError says why a document is no listing.
type SyntaxError struct {
	Offset int64 // bytes from the start of the document
	Reason string
}

func (e *SyntaxError) Error() string {
	return "listing cannot be read at byte " + strconv.FormatInt(e.Offset, 10) + ": " + e.Reason
}

// window is the size of the read buffer in bytes. One token (a tag, or a text up to the next tag) must fit: the
// longest is a key of 1,024 bytes, each written as a percent-encoded triple or a numeric entity.
const window = 64 << 10

// Bounds of a page. Stores give at most 1,000 entries; some can be told to give more.
const (
	maxEntries = 100_000
	maxArena   = 64 << 20 // bytes of keys, ETags and prefixes
)

// scratch is the memory that decoding a page needs and its result does not.
type scratch struct {
	buf      [window]byte
	arena    []byte
	text     []byte
	keys     []span
	etags    []span
	prefixes []span
	stack    []frame
}

var scratches = sync.Pool{New: func() any { return new(scratch) }} //nolint:gochecknoglobals // a cache without state

// Decode reads one page. The strings of a page share one allocation.
func Decode(r io.Reader) (Result, error) {
	s := scratches.Get().(*scratch)
	d := decoder{
		r: r, buf: s.buf[:], arena: s.arena[:0], text: s.text[:0], keys: s.keys[:0], etags: s.etags[:0],
		prefixes: s.prefixes[:0], stack: s.stack[:0],
	}
	err := d.document()
	var res Result
	if err == nil {
		res, err = d.result()
	}
	const worthKeeping = 1 << 20
	if cap(d.arena) < worthKeeping {
		s.arena, s.text, s.keys, s.etags, s.prefixes, s.stack = d.arena, d.text, d.keys, d.etags, d.prefixes, d.stack
		scratches.Put(s)
	}
	return res, err
}

// element is what the decoder knows of an open tag.
type element uint8

const (
	other element = iota
	contents
	commonPrefixes
	restoreStatus
	errorDocument

	// The leaves follow: their text is kept.
	key
	size
	etag
	lastModified
	storageClass
	prefix
	isTruncated
	nextToken
	nextMarker
	encodingType
	inProgress
	expiryDate
	errorCode
	errorMessage
)

// span is a text in the arena.
type span struct{ from, to int }

type decoder struct {
	r        io.Reader
	buf      []byte
	pos, end int
	offset   int64 // of buf[0] in the document
	eof      bool

	stack []frame
	began bool
	text  []byte // of the open leaf

	arena    []byte
	keys     []span
	etags    []span
	prefixes []span
	objects  []store.Object
	restore  restore

	truncated bool
	url       bool
	token     string
	marker    string
	failure   *ServerError
}

// frame is an open element. Names are told apart by their sums: what closes must be what was opened.
type frame struct {
	element element
	name    uint32
}

// sumOf is the FNV-1a sum of a tag's name.
func sumOf(name []byte) uint32 {
	h := uint32(2166136261)
	for _, c := range name {
		h = (h ^ uint32(c)) * 16777619
	}
	return h
}

type restore struct{ inProgress, expires bool }

func (d *decoder) fail(format string, args ...any) error {
	return &SyntaxError{Offset: d.offset + int64(d.pos), Reason: fmt.Sprintf(format, args...)}
}

// document reads to the end of the root element and past what may follow it.
func (d *decoder) document() error {
	for {
		text, err := d.until('<')
		if err == io.EOF {
			return d.ended(text)
		}
		if err != nil {
			return err
		}
		if err := d.onText(text); err != nil {
			return err
		}
		if err := d.markup(); err != nil {
			return err
		}
	}
}

func (d *decoder) ended(rest []byte) error {
	if !d.began || len(d.stack) > 0 {
		return d.fail("the document ends early")
	}
	if len(bytes.TrimSpace(rest)) > 0 {
		return d.fail("text after the end of the document")
	}
	return nil
}

func (d *decoder) leaf() bool { return len(d.stack) > 0 && d.stack[len(d.stack)-1].element >= key }

func (d *decoder) onText(text []byte) error {
	if !d.leaf() {
		if len(d.stack) == 0 && len(bytes.TrimSpace(text)) > 0 && !bytes.Equal(text, []byte("\xef\xbb\xbf")) {
			return d.fail("text outside of the document")
		}
		return nil
	}
	if len(text) == 0 {
		return nil
	}
	if len(d.text)+len(text) > window {
		return d.fail("a text is longer than %d bytes", window)
	}
	var err error
	d.text, err = appendText(d.text, text)
	if err != nil {
		return d.fail("%v", err)
	}
	return nil
}
