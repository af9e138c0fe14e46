package s3sim

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// request is one request on its way through the store.
type request struct {
	sim    *Sim
	w      http.ResponseWriter
	r      *http.Request
	call   Call
	query  url.Values
	bucket *Bucket
	fault  Fault
	status int
}

// ServeHTTP implements http.Handler.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := &request{sim: s, w: w, r: r}
	q.call.Bucket, q.call.Key = s.address(r)
	if r.URL.RawQuery != "" {
		q.query = r.URL.Query()
	}
	run := q.route()
	q.call.Request = r
	q.call.Number = s.counters.begin(q.call.Op)
	defer q.end()
	q.serve(run)
}

func (q *request) end() {
	q.sim.counters.end()
	if q.sim.options.After != nil {
		q.sim.options.After(q.call, q.status)
	}
}

func (q *request) serve(run func(*request) error) {
	q.w.Header().Set("Server", "s3sim")
	q.w.Header().Set("X-Amz-Request-Id", "SIM")
	q.w.Header().Set("Date", q.sim.now().Format(http.TimeFormat))
	if !q.pause(q.sim.options.Latency) || q.faultBefore() {
		return
	}
	err := q.admit()
	if err == nil && q.sim.options.Before != nil {
		q.sim.options.Before(q.call)
	}
	if err == nil && q.fault.Late {
		err = q.fault.refusal()
	}
	if err == nil {
		err = run(q)
	}
	if err != nil {
		q.fail(err)
	}
}

// pause waits, and reports whether the request is still worth an answer.
func (q *request) pause(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-q.r.Context().Done():
	case <-q.sim.closing:
	}
	return false
}

// admit checks bucket, identity and region.
func (q *request) admit() error {
	if err := q.sim.authenticate(q); err != nil {
		return err
	}
	if q.call.Op == "ListBuckets" || q.call.Op == "CreateBucket" {
		return nil
	}
	if q.bucket = q.sim.lookup(q.call.Bucket); q.bucket == nil {
		return errNoSuchBucket()
	}
	return nil
}

// address splits a request into bucket and key, in either style.
func (s *Sim) address(r *http.Request) (bucket, key string) {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	path := strings.TrimPrefix(r.URL.Path, "/")
	for _, domain := range []string{s.options.Domain, "localhost", "127.0.0.1"} {
		if b, ok := strings.CutSuffix(host, "."+domain); ok && domain != "" {
			return b, path
		}
	}
	bucket, key, _ = strings.Cut(path, "/")
	return bucket, key
}

// route finds the operation.
func (q *request) route() func(*request) error {
	op, run := q.routeBucket()
	if q.call.Key != "" {
		op, run = q.routeObject()
	}
	q.call.Op = op
	return run
}

func (q *request) routeBucket() (string, func(*request) error) {
	has := q.query.Has
	method := q.r.Method
	switch {
	case q.call.Bucket == "" && method == http.MethodGet:
		return "ListBuckets", (*request).listBuckets
	case method == http.MethodHead:
		return "HeadBucket", (*request).headBucket
	case method == http.MethodPut && len(q.query) == 0:
		return "CreateBucket", (*request).createBucket
	case method == http.MethodPost && has("delete"):
		return "DeleteObjects", (*request).deleteObjects
	case method == http.MethodGet && has("location"):
		return "GetBucketLocation", (*request).bucketLocation
	case method == http.MethodGet && has("encryption"):
		return "GetBucketEncryption", (*request).bucketEncryption
	case method == http.MethodGet && has("uploads"):
		return "ListMultipartUploads", (*request).listUploads
	case method == http.MethodGet && q.query.Get("list-type") == "2":
		return "ListObjectsV2", (*request).listObjects
	case method == http.MethodGet && !has("versioning") && !has("acl") && !has("policy") && !has("ownershipControls") &&
		!has("notification") && !has("versions"):
		return "ListObjects", (*request).listObjects
	}
	return "Other", (*request).unknown
}

func (q *request) routeObject() (string, func(*request) error) {
	has := q.query.Has
	copied := q.r.Header.Get("X-Amz-Copy-Source") != ""
	switch q.r.Method {
	case http.MethodGet:
		switch {
		case has("tagging"):
			return "GetObjectTagging", (*request).getTagging
		case has("uploadId"):
			return "ListParts", (*request).listParts
		}
		return "GetObject", (*request).getObject
	case http.MethodHead:
		return "HeadObject", (*request).getObject
	case http.MethodPut:
		switch {
		case has("tagging"):
			return "PutObjectTagging", (*request).putTagging
		case has("partNumber") && copied:
			return "UploadPartCopy", (*request).uploadPartCopy
		case has("partNumber"):
			return "UploadPart", (*request).uploadPart
		case copied:
			return "CopyObject", (*request).copyObject
		}
		return "PutObject", (*request).putObject
	case http.MethodPost:
		switch {
		case has("uploads"):
			return "CreateMultipartUpload", (*request).createUpload
		case has("uploadId"):
			return "CompleteMultipartUpload", (*request).completeUpload
		}
	case http.MethodDelete:
		if has("uploadId") {
			return "AbortMultipartUpload", (*request).abortUpload
		}
		return "DeleteObject", (*request).deleteObject
	}
	return "Other", (*request).unknown
}

func (q *request) unknown() error { return errNotImplemented(q.r.Method + " " + q.r.URL.RawQuery) }

// respond writes an answer whose headers are set already.
func (q *request) respond(status int, body ...[]byte) {
	q.status = status
	if q.fault.LoseAnswer {
		q.reset()
		return
	}
	q.w.WriteHeader(status)
	if q.r.Method == http.MethodHead {
		return
	}
	for _, b := range body {
		if _, err := q.w.Write(b); err != nil {
			return // the client has gone away
		}
		q.sim.counters.bytesOut.Add(int64(len(b)))
	}
}

func (q *request) respondXML(body []byte) error {
	q.w.Header().Set("Content-Type", "application/xml")
	q.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	q.respond(http.StatusOK, body)
	return nil
}

// fail answers with an error document.
func (q *request) fail(err error) {
	var gone *connectionError
	if errors.As(err, &gone) {
		panic(http.ErrAbortHandler) // net/http's way of dropping a connection
	}
	var e *Error
	if !errors.As(err, &e) {
		e = refuse(http.StatusInternalServerError, "InternalError", err.Error())
	}
	h := q.w.Header()
	if e.region != "" {
		h.Set("X-Amz-Bucket-Region", e.region)
	}
	body := e.document(q.r.URL.Path)
	h.Set("Content-Type", "application/xml")
	status := e.Status
	if q.r.Method == http.MethodHead || status == http.StatusNotModified {
		body = nil
	} else {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	if e.late {
		status = http.StatusOK
	}
	if status >= 400 && q.r.ContentLength > drainLimit {
		h.Set("Connection", "close") // net/http would read what is left of a short body only
	}
	q.respond(status, body)
}

// drainLimit is how much of an unread body net/http reads to save a connection.
const drainLimit = 256 << 10

// connectionError is returned when a request broke off; there is nobody to answer to.
type connectionError struct{ err error }

func (e *connectionError) Error() string { return "request broke off: " + e.err.Error() }
