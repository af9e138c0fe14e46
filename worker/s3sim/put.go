package s3sim

import (
	"net/http"
	"strings"
)

// attributes reads from headers what an object is written with.
func (q *request) attributes() (Object, error) {
	h := q.r.Header
	o := Object{
		Key: q.call.Key, StorageClass: h.Get("X-Amz-Storage-Class"), ACL: h.Get("X-Amz-Acl"),
		SSE: q.encryption(), KMSKeyID: h.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id"),
	}
	for _, name := range []string{
		"Content-Type", "Content-Encoding", "Content-Language", "Content-Disposition", "Cache-Control", "Expires",
		"X-Amz-Website-Redirect-Location",
	} {
		v := h.Get(name)
		if name == "Content-Encoding" {
			v = withoutChunked(v)
		}
		if v != "" {
			if o.Headers == nil {
				o.Headers = map[string]string{}
			}
			o.Headers[name] = v
		}
	}
	metaSize := 0
	for name, values := range h {
		if meta, ok := strings.CutPrefix(name, "X-Amz-Meta-"); ok {
			if o.Metadata == nil {
				o.Metadata = map[string]string{}
			}
			o.Metadata[strings.ToLower(meta)] = strings.Join(values, ",")
			metaSize += len(meta) + len(values[0])
		}
	}
	if metaSize > 2048 {
		return o, refuse(http.StatusBadRequest, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size")
	}
	if len(o.Key) > 1024 {
		return o, refuse(http.StatusBadRequest, "KeyTooLongError", "Your key is too long")
	}
	var err error
	o.Tags, err = tagsOf(h.Get("X-Amz-Tagging"))
	if len(o.Tags) > 0 && q.sim.quirks.NoTags {
		err = errNotImplemented("x-amz-tagging")
	}
	return o, err
}

func (q *request) encryption() string {
	if sse := q.r.Header.Get("X-Amz-Server-Side-Encryption"); sse != "" {
		return sse
	}
	return q.sim.quirks.DefaultSSE
}

// withoutChunked removes the transfer's own coding from a content encoding.
func withoutChunked(encoding string) string {
	var keep []string
	for _, c := range strings.Split(encoding, ",") {
		if c = strings.TrimSpace(c); c != "" && c != "aws-chunked" {
			keep = append(keep, c)
		}
	}
	return strings.Join(keep, ",")
}

// writeCondition refuses a write whose precondition does not hold. The caller holds the bucket's lock.
func (q *request) writeCondition() error {
	ifMatch, ifNone := q.r.Header.Get("If-Match"), q.r.Header.Get("If-None-Match")
	if ifMatch == "" && ifNone == "" || q.sim.quirks.IgnoresWriteConditions {
		return nil
	}
	if q.sim.quirks.RefusesWriteConditions || ifNone != "" && ifNone != "*" {
		return errNotImplemented("conditional write")
	}
	o := q.bucket.current(q.call.Key)
	if ifNone != "" && o != nil {
		return errPrecondition()
	}
	if ifMatch == "" {
		return nil
	}
	if o == nil {
		return errNoSuchKey()
	}
	if !matches(ifMatch, o) {
		return errPrecondition()
	}
	return nil
}

func (q *request) putObject() error {
	o, err := q.attributes()
	if err != nil {
		return err
	}
	got, err := q.receive()
	if err != nil {
		return err
	}
	o.Content, o.Sum, o.ETag = got.content, got.sum, got.md5
	if o.ETag == "" || q.sim.opaqueETags(o.SSE) {
		o.ETag = q.sim.opaqueETag()
	}
	stored, err := q.commit(&o)
	if err != nil {
		return err
	}
	q.written(stored)
	q.respond(http.StatusOK)
	return nil
}

// commit stores an object where the precondition holds.
func (q *request) commit(o *Object) (*Object, error) {
	q.bucket.mu.Lock()
	defer q.bucket.mu.Unlock()
	if err := q.writeCondition(); err != nil {
		return nil, err
	}
	return q.bucket.store(o), nil
}

// written sets the headers that tell what was written.
func (q *request) written(o *Object) {
	h := q.w.Header()
	h["Etag"] = []string{`"` + o.ETag + `"`}
	if o.VersionID != "" {
		h.Set("X-Amz-Version-Id", o.VersionID)
	}
	if o.SSE != "" {
		h.Set("X-Amz-Server-Side-Encryption", o.SSE)
	}
	q.echoSum(o.Sum)
}

func (q *request) deleteObject() error {
	b := q.bucket
	b.mu.Lock()
	defer b.mu.Unlock()
	id := q.query.Get("versionId")
	if id != "" {
		b.removeVersion(q.call.Key, id)
		q.w.Header().Set("X-Amz-Version-Id", id)
		q.respond(http.StatusNoContent)
		return nil
	}
	if q.r.Header.Get("If-Match") != "" {
		if err := q.writeCondition(); err != nil {
			return err
		}
	}
	if marker := b.remove(q.call.Key); marker != nil {
		q.w.Header().Set("X-Amz-Delete-Marker", "true")
		q.w.Header().Set("X-Amz-Version-Id", marker.VersionID)
	}
	q.respond(http.StatusNoContent)
	return nil
}
