// Package listxml decodes the pages of ListObjects and ListObjectsV2. Listing is where a finder spends its
// time, and the usual XML decoders take some twenty microseconds a key; this one reads the few
// elements that matter straight from the bytes, in a window of fixed size, at a small fraction of that.
package listxml

import (
	"bytes"
	"errors"
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

var windows = sync.Pool{New: func() any { b := make([]byte, window); return &b }} //nolint:gochecknoglobals // a cache without state

// Decode reads one page. The strings of a page share one allocation.
func Decode(r io.Reader) (Result, error) {
	buf := windows.Get().(*[]byte)
	defer windows.Put(buf)
	d := decoder{r: r, buf: *buf}
	if err := d.document(); err != nil {
		return Result{}, err
	}
	return d.result()
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

	stack []element
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

// until returns the bytes up to the delimiter and steps over it. At the end of the input it returns what
// is left with io.EOF. The slice is valid until the next call.
func (d *decoder) until(delim byte) ([]byte, error) {
	searched := 0
	for {
		if i := bytes.IndexByte(d.buf[d.pos+searched:d.end], delim); i >= 0 {
			token := d.buf[d.pos : d.pos+searched+i]
			d.pos += searched + i + 1
			return token, nil
		}
		searched = d.end - d.pos
		if d.eof {
			token := d.buf[d.pos:d.end]
			d.pos = d.end
			return token, io.EOF
		}
		if err := d.fill(); err != nil {
			return nil, err
		}
	}
}

// fill moves what is unread to the front and reads more behind it.
func (d *decoder) fill() error {
	if d.pos > 0 {
		copy(d.buf, d.buf[d.pos:d.end])
		d.offset += int64(d.pos)
		d.end -= d.pos
		d.pos = 0
	}
	if d.end == len(d.buf) {
		return d.fail("a token is longer than %d bytes", len(d.buf))
	}
	for range 100 { // as bufio does, against readers that never give anything
		n, err := d.r.Read(d.buf[d.end:])
		d.end += n
		if errors.Is(err, io.EOF) && err == io.EOF { //nolint:errorlint // a wrapped EOF is a broken connection
			d.eof = true
			return nil
		}
		if err != nil {
			return err
		}
		if n > 0 {
			return nil
		}
	}
	return io.ErrNoProgress
}

// markup reads one tag, comment, instruction or CDATA section; its "<" was read already.
func (d *decoder) markup() error {
	first, err := d.peek()
	if err != nil {
		return err
	}
	switch first {
	case '?':
		return d.skipTo("?>")
	case '!':
		return d.declaration()
	}
	tag, err := d.tag()
	if err != nil {
		return err
	}
	if tag[0] == '/' {
		return d.close(localName(bytes.TrimRight(tag[1:], " \t\r\n")))
	}
	selfClosing := tag[len(tag)-1] == '/'
	if selfClosing {
		tag = tag[:len(tag)-1]
	}
	if i := bytes.IndexAny(tag, " \t\r\n"); i >= 0 {
		tag = tag[:i]
	}
	name := localName(tag)
	if len(name) == 0 {
		return d.fail("a tag without a name")
	}
	if err := d.open(name); err != nil {
		return err
	}
	if selfClosing {
		return d.closeTop()
	}
	return nil
}

// tag returns the inside of a tag. A ">" inside a quoted attribute does not end it.
func (d *decoder) tag() ([]byte, error) {
	tag, err := d.until('>')
	if err == io.EOF {
		return nil, d.fail("the document ends inside a tag")
	}
	if err != nil {
		return nil, err
	}
	if len(tag) == 0 {
		return nil, d.fail("an empty tag")
	}
	if bytes.IndexByte(tag, '"') < 0 && bytes.IndexByte(tag, '\'') < 0 {
		return tag, nil
	}
	var whole []byte
	for !balanced(append(whole, tag...)) {
		whole = append(append(whole, tag...), '>')
		if len(whole) > window {
			return nil, d.fail("a tag is longer than %d bytes", window)
		}
		if tag, err = d.until('>'); err != nil {
			return nil, d.fail("the document ends inside a tag")
		}
	}
	if whole == nil {
		return tag, nil
	}
	return append(whole, tag...), nil
}

func balanced(tag []byte) bool {
	var quote byte
	for _, c := range tag {
		switch {
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case c == quote:
			quote = 0
		}
	}
	return quote == 0
}

func localName(name []byte) []byte {
	if i := bytes.IndexByte(name, ':'); i >= 0 {
		return name[i+1:]
	}
	return name
}

func (d *decoder) peek() (byte, error) {
	for d.pos == d.end {
		if d.eof {
			return 0, d.fail("the document ends inside a tag")
		}
		if err := d.fill(); err != nil {
			return 0, err
		}
	}
	return d.buf[d.pos], nil
}

// skipTo steps over everything up to and including the end mark.
func (d *decoder) skipTo(mark string) error {
	last := mark[len(mark)-1]
	var tail []byte
	for {
		part, err := d.until(last)
		if err == io.EOF {
			return d.fail("%q is missing", mark)
		}
		if err != nil {
			return err
		}
		tail = append(append(tail, part...), last)
		if bytes.HasSuffix(tail, []byte(mark)) {
			return nil
		}
		tail = tail[max(0, len(tail)-len(mark)):]
	}
}

// declaration reads what begins with "<!": a comment or a CDATA section. Document types are refused: no store sends them,
// and they can define entities.
func (d *decoder) declaration() error {
	const cdata = "![CDATA["
	for d.end-d.pos < len(cdata) && !d.eof {
		if err := d.fill(); err != nil {
			return err
		}
	}
	rest := d.buf[d.pos:d.end]
	switch {
	case bytes.HasPrefix(rest, []byte("!--")):
		d.pos += len("!--")
		return d.skipTo("-->")
	case bytes.HasPrefix(rest, []byte(cdata)):
		d.pos += len(cdata)
		return d.cdata()
	}
	return d.fail("a declaration, which listings do not have")
}

func (d *decoder) cdata() error {
	for {
		part, err := d.until('>')
		if err == io.EOF {
			return d.fail("]]> is missing")
		}
		if err != nil {
			return err
		}
		ended := bytes.HasSuffix(part, []byte("]]"))
		if d.leaf() {
			d.text = appendNormalized(d.text, part)
			if !ended {
				d.text = append(d.text, '>')
			}
			if bytes.HasSuffix(d.text, []byte("]]")) && ended {
				d.text = d.text[:len(d.text)-2]
			}
		}
		if ended {
			return nil
		}
		if len(d.text) > window {
			return d.fail("a text is longer than %d bytes", window)
		}
	}
}

func (d *decoder) leaf() bool { return len(d.stack) > 0 && d.stack[len(d.stack)-1] >= key }

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
