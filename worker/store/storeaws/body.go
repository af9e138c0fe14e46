package storeaws

import (
	"fmt"
	"io"
	"strconv"
	"sync"
)

// onceBody is a request body that tells when the transport is through with it. A store may answer before
// it has read everything; the transport goes on reading for a moment then, and the caller's buffer must not
// be used again before it has stopped.
type onceBody struct {
	io.Reader
	closed chan struct{}
	once   sync.Once
}

func newOnce(r io.Reader) *onceBody { return &onceBody{Reader: r, closed: make(chan struct{})} }

func (o *onceBody) Close() error {
	o.once.Do(func() { close(o.closed) })
	return nil
}

func (o *onceBody) wait() { <-o.closed }

// trailed is a body in aws-chunked encoding with an unsigned trailer: the content as one chunk, then the
// checksum, which is known only after the last byte was read.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
type trailed struct {
	io.Reader
	io.Closer
}

// newTrailed returns the encoded body and its length in bytes.
func newTrailed(content io.ReadCloser, size int64, trailer func() string) (io.ReadCloser, int64) {
	const (
		name     = "x-amz-checksum-crc64nvme:"
		valueLen = 12 // eight bytes in base64
	)
	head := strconv.FormatInt(size, 16) + "\r\n"
	tail := &lazyReader{make: func() (string, error) {
		value := trailer()
		if len(value) != valueLen {
			return "", fmt.Errorf("checksum trailer %q is not %d characters long", value, valueLen)
		}
		return "\r\n0\r\n" + name + value + "\r\n\r\n", nil
	}}
	length := int64(len(head)) + size + int64(len("\r\n0\r\n")+len(name)+valueLen+len("\r\n\r\n"))
	// The limit keeps a content that is longer than announced from being sent as a frame.
	return trailed{newFrames([]byte(head), io.LimitReader(content, size), tail), content}, length
}

// frames reads its parts one after the other. Unlike io.MultiReader it does not hand the transport a
// few bytes of frame in a read of their own where content can follow in the same buffer.
type frames struct {
	head    []byte
	content io.Reader
	tail    io.Reader
}

func newFrames(head []byte, content, tail io.Reader) *frames {
	return &frames{head: head, content: content, tail: tail}
}

func (f *frames) Read(p []byte) (int, error) {
	n := 0
	if len(f.head) > 0 {
		n = copy(p, f.head)
		f.head = f.head[n:]
		if len(f.head) > 0 {
			return n, nil
		}
	}
	if f.content != nil {
		m, err := f.content.Read(p[n:])
		if err == io.EOF {
			f.content, err = nil, nil
		}
		return n + m, err
	}
	return f.tail.Read(p)
}

// lazyReader makes its text when it is first read.
type lazyReader struct {
	make func() (string, error)
	rest string
	made bool
}

func (l *lazyReader) Read(p []byte) (int, error) {
	if !l.made {
		s, err := l.make()
		if err != nil {
			return 0, err
		}
		l.rest, l.made = s, true
	}
	if l.rest == "" {
		return 0, io.EOF
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

func decimal(n int64) string { return strconv.FormatInt(n, 10) }
