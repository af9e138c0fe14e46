package transfer

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // the S3 protocol's own digest, for stores that know no other
	"encoding/base64"
	"encoding/hex"
	"io"
	"strings"
	"sync"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/store"
)

// copyStream moves an object as one GET into one PUT.
func (c *Copier) copyStream(ctx context.Context, w *work) Outcome {
	if w.m.Size >= store.BulkSize {
		release, err := c.stream(ctx)
		if err != nil {
			return Outcome{Err: err}
		}
		defer release()
	}
	get := store.GetRequest{Key: w.m.Key, VersionID: w.m.VersionID, IfMatch: w.m.ETag}
	in, err := openRange(ctx, c.Source, get, w.m.Size, &w.retries)
	if err != nil {
		return c.sourceFailed(ctx, w, err)
	}
	defer in.Close()
	source := in.body.Info
	attributes, err := c.attributes(ctx, w, source)
	if err != nil {
		return c.sourceFailed(ctx, w, err)
	}
	written, proof, err := c.put(ctx, w, in, attributes)
	if in.err != nil {
		return c.sourceFailed(ctx, w, in.err)
	}
	if err != nil {
		return Outcome{Err: err}
	}
	by, err := c.prove(w, in, source, written, proof)
	if err != nil {
		return Outcome{Err: err}
	}
	if again := c.overtaken(ctx, w, source.ETag, written.ETag); again != nil {
		return *again
	}
	return Outcome{
		Status: ledger.Done, Method: MethodStream, Size: w.m.Size, Bytes: w.m.Size, SourceETag: source.ETag,
		DestinationETag: written.ETag, Checksum: in.sum(), VerifiedBy: by,
	}
}

// stream takes a place among the streams with large buffers.
func (c *Copier) stream(ctx context.Context) (release func(), err error) {
	select {
	case c.bulk <- struct{}{}:
		return func() { <-c.bulk }, nil
	case <-ctx.Done():
		return nil, &failure.Error{Class: failure.Canceled, Op: "copy", Err: ctx.Err()}
	}
}

// buffers hold small bodies. A pool of pointers keeps the slice headers off the heap.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 8<<10); return &b }} //nolint:gochecknoglobals // a cache without state

// put sends what in gives, with the strongest guard that the destination knows. proof says whether the
// store itself was told a digest of the right content beforehand.
func (c *Copier) put(ctx context.Context, w *work, in *reader, a store.Attributes) (out store.Written, proof string, err error) {
	r := store.PutRequest{Key: w.dest, Size: w.m.Size, Attributes: a, Condition: w.condition}
	if w.m.Size > SmallBody {
		r.Body = c.Pace.reader(ctx, in)
		r.Trailer = in.sum
		r.CRC64NVME = crcOf(in.body.Info.Checksum)
		if !c.Destination.Checksums() {
			r.ContentMD5 = c.sourceMD5(w, in.body.Info)
			if r.ContentMD5 == "" {
				in.md5 = md5.New() //nolint:gosec // see above
			}
		}
		out, err = c.Destination.Put(ctx, r)
		return out, digestSent(r), err
	}
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	body := bytes.NewBuffer((*buffer)[:0])
	body.Grow(int(w.m.Size) + bytes.MinRead)
	if _, err := body.ReadFrom(c.Pace.reader(ctx, in)); err != nil {
		return out, "", err
	}
	*buffer = body.Bytes()
	r.Body, r.CRC64NVME = bytes.NewReader(*buffer), in.sum()
	if !c.Destination.Checksums() {
		sum := md5.Sum(*buffer) //nolint:gosec // see above
		r.ContentMD5 = base64.StdEncoding.EncodeToString(sum[:])
	}
	out, err = c.Destination.Put(ctx, r)
	return out, digestSent(r), err
}

func digestSent(r store.PutRequest) string {
	if r.ContentMD5 != "" {
		return "md5"
	}
	return ""
}

// sourceMD5 returns the object's MD5, base64, where the source's ETag is one.
func (c *Copier) sourceMD5(w *work, source store.Info) string {
	if w.noMD5 || !c.SourceCan.ETagIsMD5.Value || !store.HashETag(source.ETag) || strings.HasPrefix(source.SSE, "aws:kms") {
		return ""
	}
	sum, err := hex.DecodeString(source.ETag)
	if err != nil {
		return ""
	}
	return base64.StdEncoding.EncodeToString(sum)
}

// prove compares what was read with what the source says it is and what the destination says it holds.
// It returns by what they agree; "size" when the stores say nothing that can be compared.
func (c *Copier) prove(w *work, in *reader, source store.Info, written store.Written, proof string) (string, error) {
	sum := in.sum()
	if said := crcOf(source.Checksum); said != "" && said != sum {
		return "", &failure.Error{Class: failure.Checksum, Op: "GetObject", Target: w.m.Key, Detail: "CRC64NVME read is " + sum + ", the source says " + said}
	}
	if said := crcOf(written.Checksum); said != "" {
		if said != sum {
			return "", &failure.Error{Class: failure.Checksum, Op: "PutObject", Target: w.dest, Detail: "CRC64NVME sent is " + sum + ", the destination holds " + said}
		}
		return "crc64nvme", nil
	}
	if store.HashETag(source.ETag) && strings.EqualFold(source.ETag, written.ETag) {
		return "etag", nil
	}
	if proof != "" {
		return proof, nil
	}
	if in.md5 != nil && strings.EqualFold(hex.EncodeToString(in.md5.Sum(nil)), written.ETag) {
		return "md5", nil
	}
	return "size", nil
}

// attributes returns what the destination object is written with.
func (c *Copier) attributes(ctx context.Context, w *work, source store.Info) (store.Attributes, error) {
	a := store.Attributes{ACL: c.Job.Write.ACL, SSE: c.Job.Write.SSE, KMSKeyID: c.Job.Write.KMSKeyID, StorageClass: c.Job.Write.StorageClass}
	if a.StorageClass == job.StorageClassSource {
		a.StorageClass = source.StorageClass
	}
	if c.Job.IncludeMetadata {
		a.Headers = source.Headers
		a.Headers.ContentEncoding = withoutChunking(a.Headers.ContentEncoding)
	}
	if c.Job.IncludeTags && (source.TagCount > 0 || !c.SourceCan.TagCount.Value) {
		tags, err := c.Source.Tags(ctx, w.m.Key, w.m.VersionID)
		if err != nil {
			return a, err
		}
		a.Tags = tags
	}
	return a, nil
}

// withoutChunking removes aws-chunked, which is a way of sending and not a property of the object; some
// stores keep it by mistake.
func withoutChunking(encoding string) string {
	if !strings.Contains(encoding, "aws-chunked") {
		return encoding
	}
	var kept []string
	for _, e := range strings.Split(encoding, ",") {
		if e = strings.TrimSpace(e); e != "" && e != "aws-chunked" {
			kept = append(kept, e)
		}
	}
	return strings.Join(kept, ",")
}

var _ io.Reader = (*reader)(nil)
