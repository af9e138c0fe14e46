package transfer

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"sync/atomic"
	"time"

	"github.com/datatransferhub/dth/worker/checksum"
	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/store"
)

// maxResumes is how often in a row a read may break off without giving a byte.
const maxResumes = 5

// reader reads a range of one version of a source object. When the connection breaks it goes on where it
// stopped; when the object changed meanwhile it fails with class Changed, so that versions never mix.
type reader struct {
	ctx    context.Context
	source Source
	open   store.GetRequest // what was asked for at first
	size   int64            // of the range, in bytes

	body    *store.Body
	read    int64
	crc     hash.Hash64
	md5     hash.Hash // nil where nobody needs it
	breaks  int
	retries *atomic.Int64
	err     error // the first fatal error, since transports do not always hand it through
}

// openRange opens a range of the object's listed version. size is the length of the range in bytes.
func openRange(ctx context.Context, source Source, r store.GetRequest, size int64, retries *atomic.Int64) (*reader, error) {
	r.SizeHint = size
	in := &reader{ctx: ctx, source: source, open: r, size: size, crc: checksum.New(), retries: retries}
	body, err := source.Get(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := in.accept(body); err != nil {
		return nil, err
	}
	return in, nil
}

// accept takes an answer as the continuation of what was read, if it is of the same version.
func (in *reader) accept(body *store.Body) error {
	if in.open.IfMatch != "" && body.Info.ETag != in.open.IfMatch {
		_ = body.Close() // it is the wrong object: nothing in it is wanted
		return in.changed(fmt.Sprintf("ETag is %s, was listed as %s", body.Info.ETag, in.open.IfMatch))
	}
	if body.Length >= 0 && body.Length != in.size-in.read {
		_ = body.Close()
		return in.changed(fmt.Sprintf("%d bytes are left to read, the answer has %d", in.size-in.read, body.Length))
	}
	in.body = body
	return nil
}

func (in *reader) changed(detail string) error {
	return &failure.Error{Class: failure.Changed, Op: "GetObject", Target: in.source.Name() + "/" + in.open.Key, Detail: detail}
}

func (in *reader) Read(p []byte) (int, error) {
	for {
		if in.err != nil {
			return 0, in.err
		}
		if in.read == in.size {
			return 0, io.EOF
		}
		n, err := in.body.Read(p)
		if n > 0 {
			return in.took(p[:n])
		}
		if err == nil {
			continue
		}
		if in.err = in.resume(err); in.err != nil {
			return 0, in.err
		}
	}
}

func (in *reader) took(p []byte) (int, error) {
	in.read += int64(len(p))
	if in.read > in.size {
		in.err = in.changed("the object is longer than it was listed")
		return 0, in.err
	}
	in.breaks = 0
	_, _ = in.crc.Write(p) // hashes never fail
	if in.md5 != nil {
		_, _ = in.md5.Write(p)
	}
	return len(p), nil
}

// resume opens the rest of the range anew after the body broke off with cause.
func (in *reader) resume(cause error) error {
	_ = in.body.Close()
	policy := retry.Policy{Attempts: maxResumes, Base: 100 * time.Millisecond, Cap: 5 * time.Second}
	for {
		if in.ctx.Err() != nil {
			return &failure.Error{Class: failure.Canceled, Op: "GetObject", Target: in.open.Key, Err: context.Cause(in.ctx)}
		}
		if errors.Is(cause, io.EOF) {
			cause = io.ErrUnexpectedEOF
		}
		in.breaks++
		if in.breaks > maxResumes {
			return &failure.Error{
				Class: failure.Network, Op: "GetObject", Target: in.source.Name() + "/" + in.open.Key, Err: cause,
				Detail: fmt.Sprintf("broke off at byte %d of %d, %d times in a row: %v", in.read, in.size, in.breaks, cause),
			}
		}
		in.retries.Add(1)
		if err := retry.Sleep(in.ctx, policy.Delay(in.breaks)); err != nil {
			continue // the loop's head says why
		}
		rest := in.open
		rest.Offset, rest.Length = in.open.Offset+in.read, in.size-in.read
		body, err := in.source.Get(in.ctx, rest)
		if err == nil {
			return in.accept(body)
		}
		if !failure.ClassOf(err).Retryable() {
			return err
		}
		cause = err
	}
}

// Close ends the read. It may be called more than once.
func (in *reader) Close() error {
	if in.body == nil {
		return nil
	}
	return in.body.Close()
}

// sum returns the CRC64NVME, base64, of what was read.
func (in *reader) sum() string { return checksum.Encode(in.crc.Sum64()) }
