package listxml

import (
	"bytes"
	"errors"
	"io"
)

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
