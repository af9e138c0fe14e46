package s3sim

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// chunked decodes bodies of the content encoding aws-chunked, signed or not; signatures of chunks are not
// checked.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
type chunked struct {
	r        *bufio.Reader
	left     int64
	begun    bool
	done     bool
	trailers http.Header
}

// framingError says that a body is no well-formed aws-chunked one.
type framingError struct{ text string }

func (e *framingError) Error() string { return "aws-chunked body: " + e.text }

// Read implements io.Reader.
func (c *chunked) Read(p []byte) (int, error) {
	if c.left == 0 && !c.done {
		if err := c.header(); err != nil {
			return 0, err
		}
	}
	if c.done {
		return 0, io.EOF
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.r.Read(p)
	c.left -= int64(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// header reads the line before a chunk; the empty chunk is followed by the trailers.
func (c *chunked) header() error {
	if c.begun {
		if line, err := c.line(); err != nil || line != "" {
			return framing(err, "no line end after a chunk")
		}
	}
	c.begun = true
	line, err := c.line()
	if err != nil {
		return err
	}
	size, _, _ := strings.Cut(line, ";")
	n, err := strconv.ParseInt(size, 16, 64)
	if err != nil || n < 0 {
		return &framingError{fmt.Sprintf("%q is no chunk size", size)}
	}
	if c.left = n; n > 0 {
		return nil
	}
	c.done = true
	return c.readTrailers()
}

func (c *chunked) readTrailers() error {
	c.trailers = http.Header{}
	for {
		line, err := c.line()
		if err == io.ErrUnexpectedEOF && line == "" {
			return nil // the last empty line is left out by some
		}
		if err != nil {
			return err
		}
		if line == "" {
			return nil
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return &framingError{fmt.Sprintf("%q is no trailer", line)}
		}
		c.trailers.Set(strings.TrimSpace(name), strings.TrimSpace(value))
	}
}

func (c *chunked) line() (string, error) {
	line, err := c.r.ReadString('\n')
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return strings.TrimRight(line, "\r\n"), err
}

func framing(err error, text string) error {
	if err != nil {
		return err
	}
	return &framingError{text}
}
