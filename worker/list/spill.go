package list

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/datatransferhub/dth/worker/store"
)

// run is a sorted piece of a listing in a temporary file that has no name any more.
type run struct {
	file *os.File
	r    *bufio.Reader
	buf  []byte
	head store.Object
}

// writeRun gives the objects of a function, which returns nil after the last one, to a new file.
func writeRun(dir string, next func() (*store.Object, error)) (_ *run, err error) {
	f, err := os.CreateTemp(dir, "dth-sort-")
	if err != nil {
		return nil, fmt.Errorf("a place to sort a listing: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	// The open file is all that is needed; without its name nothing is left behind by a crash.
	if err := os.Remove(f.Name()); err != nil {
		return nil, fmt.Errorf("sorting a listing on disk: %w", err)
	}
	w := bufio.NewWriterSize(f, 256<<10)
	var record []byte
	for {
		o, err := next()
		if err != nil {
			return nil, err
		}
		if o == nil {
			break
		}
		record = appendObject(record[:0], o)
		if _, err := w.Write(record); err != nil {
			return nil, fmt.Errorf("sorting a listing on disk: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return nil, fmt.Errorf("sorting a listing on disk: %w", err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("sorting a listing on disk: %w", err)
	}
	return &run{file: f}, nil
}

// appendObject writes an object: the length of what follows, then its fields.
func appendObject(b []byte, o *store.Object) []byte {
	body := make([]byte, 0, 64+len(o.Key)+len(o.ETag)) // on the stack for most keys
	for _, s := range []string{o.Key, o.ETag, o.StorageClass} {
		body = binary.AppendUvarint(body, uint64(len(s)))
		body = append(body, s...)
	}
	body = binary.AppendVarint(body, o.Size)
	body = binary.AppendVarint(body, o.Modified.Unix())
	body = binary.AppendVarint(body, int64(o.Modified.Nanosecond()))
	if o.Restored {
		body = append(body, 1)
	} else {
		body = append(body, 0)
	}
	return append(binary.AppendUvarint(b, uint64(len(body))), body...)
}

// advance reads the next object into head; false at the end.
func (r *run) advance() (bool, error) {
	if r.r == nil {
		r.r = bufio.NewReaderSize(r.file, 32<<10)
	}
	n, err := binary.ReadUvarint(r.r)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading a sorted listing: %w", err)
	}
	if uint64(cap(r.buf)) < n {
		r.buf = make([]byte, n, 2*n)
	}
	r.buf = r.buf[:n]
	if _, err := io.ReadFull(r.r, r.buf); err != nil {
		return false, fmt.Errorf("reading a sorted listing: %w", err)
	}
	r.head = readObject(r.buf)
	return true, nil
}

func readObject(b []byte) store.Object {
	text := string(b)
	at := 0
	word := func() string {
		n, used := binary.Uvarint(b[at:])
		from := at + used
		at = from + int(n)
		return text[from:at]
	}
	number := func() int64 {
		n, used := binary.Varint(b[at:])
		at += used
		return n
	}
	o := store.Object{Key: word(), ETag: word(), StorageClass: word(), Size: number()}
	if seconds, nanos := number(), number(); seconds != (time.Time{}).Unix() {
		o.Modified = time.Unix(seconds, nanos).UTC()
	}
	o.Restored = b[at] == 1
	return o
}
