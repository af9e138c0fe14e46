package s3sim

import (
	"net/http"
	"strconv"
	"strings"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// readable reports whether the bytes can be had without a restore first.
func (o *Object) readable() bool {
	switch o.StorageClass {
	case "GLACIER", "DEEP_ARCHIVE", "ARCHIVE", "ColdArchive", "DeepColdArchive":
		return strings.Contains(o.Restore, `ongoing-request="false"`)
	}
	return true
}

func errArchived() *Error {
	return refuse(http.StatusForbidden, "InvalidObjectState", "The operation is not valid for the object's storage class")
}

// getObject serves GET and HEAD.
func (q *request) getObject() error {
	o, err := q.bucket.version(q.call.Key, q.query.Get("versionId"))
	h := q.w.Header()
	if o != nil && o.VersionID != "" {
		h.Set("X-Amz-Version-Id", o.VersionID)
	}
	if err != nil {
		if o != nil && o.DeleteMarker {
			h.Set("X-Amz-Delete-Marker", "true")
		}
		return err
	}
	if err := q.readCondition(o); err != nil {
		return err
	}
	head := q.r.Method == http.MethodHead
	if !head && !o.readable() {
		return errArchived()
	}
	off, n, status, err := byteRange(q.r.Header.Get("Range"), o.Size())
	if err != nil {
		h.Set("Content-Range", "bytes */"+itoa(o.Size()))
		return err
	}
	q.describe(o, status == http.StatusOK)
	h.Set("Content-Length", itoa(n))
	if status == http.StatusPartialContent {
		h.Set("Content-Range", "bytes "+itoa(off)+"-"+itoa(off+n-1)+"/"+itoa(o.Size()))
	}
	q.respond(status)
	if !head && n > 0 && !q.fault.LoseAnswer {
		q.sendBody(o.Content, off, n)
	}
	return nil
}

func (q *request) readCondition(o *Object) error {
	want := q.r.Header.Get("If-Match")
	if want != "" && !q.sim.quirks.IgnoresReadIfMatch && !matches(want, o) {
		return errPrecondition()
	}
	if not := q.r.Header.Get("If-None-Match"); not != "" && matches(not, o) {
		return refuse(http.StatusNotModified, "NotModified", "Not Modified")
	}
	return nil
}

// matches reports whether a condition header names the ETag of an object.
func matches(header string, o *Object) bool {
	for _, tag := range strings.Split(header, ",") {
		if tag = strings.Trim(strings.TrimSpace(tag), `"`); tag == "*" || tag == o.ETag {
			return true
		}
	}
	return false
}

// byteRange reads a Range header of one range. What it cannot read is ignored, as the protocol says.
func byteRange(header string, size int64) (off, n int64, status int, err error) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	first, last, two := strings.Cut(spec, "-")
	if !ok || !two || strings.Contains(spec, ",") {
		return 0, size, http.StatusOK, nil
	}
	unsatisfiable := refuse(http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The requested range is not satisfiable")
	if first == "" {
		tail, e := strconv.ParseInt(last, 10, 64)
		if e != nil {
			return 0, size, http.StatusOK, nil
		}
		if tail = min(tail, size); tail <= 0 {
			return 0, 0, 0, unsatisfiable
		}
		return size - tail, tail, http.StatusPartialContent, nil
	}
	from, e := strconv.ParseInt(first, 10, 64)
	to := size - 1
	if e == nil && last != "" {
		to, e = strconv.ParseInt(last, 10, 64)
	}
	if e != nil || to < from && last != "" {
		return 0, size, http.StatusOK, nil
	}
	if from >= size {
		return 0, 0, 0, unsatisfiable
	}
	return from, min(to, size-1) - from + 1, http.StatusPartialContent, nil
}

// describe sets the headers that tell what an object is.
func (q *request) describe(o *Object, whole bool) {
	h := q.w.Header()
	h["Content-Type"] = []string{"binary/octet-stream"}
	h["Accept-Ranges"] = []string{"bytes"}
	h["Etag"] = []string{`"` + o.ETag + `"`}
	h["Last-Modified"] = []string{o.Modified.UTC().Format(http.TimeFormat)}
	for k, v := range o.Headers {
		h[k] = []string{v}
	}
	for k, v := range o.Metadata {
		h[http.CanonicalHeaderKey("X-Amz-Meta-"+k)] = []string{v}
	}
	set := func(name, value string) {
		if value != "" {
			h[name] = []string{value}
		}
	}
	if o.StorageClass != "STANDARD" {
		set("X-Amz-Storage-Class", o.StorageClass)
	}
	set("X-Amz-Restore", o.Restore)
	set("X-Amz-Server-Side-Encryption", o.SSE)
	set("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", o.KMSKeyID)
	if len(o.Tags) > 0 && !q.sim.quirks.NoTags && !q.sim.quirks.NoTagCount {
		set("X-Amz-Tagging-Count", strconv.Itoa(len(o.Tags)))
	}
	if part := q.query.Get("partNumber"); part != "" && o.Parts > 0 {
		set("X-Amz-Mp-Parts-Count", strconv.Itoa(o.Parts))
	}
	// The checksum of the whole would be that of no range.
	if whole && strings.EqualFold(q.r.Header.Get("X-Amz-Checksum-Mode"), "ENABLED") {
		q.echoSum(o.Sum)
	}
}

// echoSum tells a checksum as the answers to reads and writes do.
func (q *request) echoSum(s Sum) {
	if s.Algorithm == "" || q.sim.quirks.NoChecksums {
		return
	}
	h := q.w.Header()
	h[sumHeader(s.Algorithm)] = []string{s.Value}
	h["X-Amz-Checksum-Type"] = []string{s.kind()}
}

func sumHeader(algorithm string) string {
	return http.CanonicalHeaderKey("x-amz-checksum-" + algorithm)
}
