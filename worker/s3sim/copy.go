package s3sim

import (
	"net/http"
	"net/url"
	"strings"
)

// copySource finds the object that x-amz-copy-source names, and checks the conditions on it.
func (q *request) copySource() (*Object, error) {
	text, query, _ := strings.Cut(q.r.Header.Get("X-Amz-Copy-Source"), "?")
	path, err := url.PathUnescape(text)
	bucket, key, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if err != nil || !ok {
		return nil, errInvalid("Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	}
	from := q.sim.lookup(bucket)
	if from == nil {
		return nil, errNoSuchBucket()
	}
	if q.denied(bucket, key) {
		return nil, errAccessDenied()
	}
	id, _ := strings.CutPrefix(query, "versionId=")
	o, err := from.version(key, id)
	if err != nil {
		return nil, err
	}
	if want := q.r.Header.Get("X-Amz-Copy-Source-If-Match"); want != "" && !matches(want, o) {
		return nil, errPrecondition()
	}
	if not := q.r.Header.Get("X-Amz-Copy-Source-If-None-Match"); not != "" && matches(not, o) {
		return nil, errPrecondition()
	}
	if !o.readable() {
		return nil, refuse(http.StatusForbidden, "ObjectNotInActiveTierError", "The source object of the COPY operation is not in the active tier")
	}
	return o, nil
}

// denied reports whether the request's key may not read another object than its own.
func (q *request) denied(bucket, key string) bool {
	sig, _ := parseAuthorization(q.r.Header.Get("Authorization"))
	q.sim.mu.RLock()
	k, known := q.sim.keys[sig.keyID]
	q.sim.mu.RUnlock()
	if !known || k.Allow == nil {
		return false
	}
	return !k.Allow(Call{Op: "GetObject", Bucket: bucket, Key: key, Request: q.r})
}

func (q *request) copyObject() error {
	from, err := q.copySource()
	if err != nil {
		return err
	}
	if from.Size() > largestPut {
		return refuse(http.StatusBadRequest, "InvalidRequest", "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120")
	}
	o, err := q.attributes()
	if err != nil {
		return err
	}
	h := q.r.Header
	if !strings.EqualFold(h.Get("X-Amz-Metadata-Directive"), "REPLACE") {
		o.Headers, o.Metadata = from.Headers, from.Metadata
	}
	if !strings.EqualFold(h.Get("X-Amz-Tagging-Directive"), "REPLACE") {
		o.Tags = from.Tags
	}
	o.Content = from.Content
	o.ETag = q.copiedETag(&o, from)
	if o.Sum, err = q.copiedSum(from); err != nil {
		return err
	}
	stored, err := q.commit(&o)
	if err != nil {
		return err
	}
	q.written(stored)
	if from.VersionID != "" {
		q.w.Header().Set("X-Amz-Copy-Source-Version-Id", from.VersionID)
	}
	return q.respondXML(copyResult("CopyObjectResult", stored))
}

// copiedETag is the MD5 of the bytes, which a copy in one piece has even when its source was uploaded in parts.
func (q *request) copiedETag(o, from *Object) string {
	if q.sim.opaqueETags(o.SSE) || q.sim.options.Keep == KeepSize {
		return q.sim.opaqueETag()
	}
	if !strings.Contains(from.ETag, "-") && len(from.ETag) == 32 && !q.sim.opaqueETags(from.SSE) {
		return from.ETag
	}
	return q.sim.etagOf(o)
}

func (q *request) copiedSum(from *Object) (Sum, error) {
	if q.sim.quirks.NoChecksums {
		return Sum{}, nil
	}
	algorithm := strings.ToUpper(q.r.Header.Get("X-Amz-Checksum-Algorithm"))
	if algorithm == "" {
		algorithm = from.Sum.Algorithm
	}
	if algorithm == from.Sum.Algorithm && !from.Sum.Composite {
		return from.Sum, nil
	}
	return q.sim.sumOf(algorithm, from.Content)
}

// sumOf computes a full-object checksum from the bytes.
func (s *Sim) sumOf(algorithm string, c Content) (Sum, error) {
	if algorithm == "" || algorithm == "CRC64NVME" {
		crc, ok := crcOf(c)
		if !ok {
			return Sum{}, errDropped
		}
		return Sum{Algorithm: "CRC64NVME", Value: encodeCRC(crc)}, nil
	}
	h := newHash(algorithm)
	if h == nil {
		return Sum{}, errInvalid("Checksum algorithm provided is unsupported: " + algorithm)
	}
	if err := c.WriteRange(h, 0, c.Size()); err != nil {
		return Sum{}, err
	}
	return Sum{Algorithm: algorithm, Value: encodeSum(h)}, nil
}

func copyResult(name string, o *Object) []byte {
	b := append([]byte(xmlHeader), "<"+name+xmlns+"><LastModified>"...)
	b = appendTime(b, o.Modified)
	b = append(b, "</LastModified>"...)
	b = element(b, "ETag", `"`+o.ETag+`"`)
	b = sumElement(b, o.Sum)
	return append(b, "</"+name+">"...)
}

func sumElement(b []byte, s Sum) []byte {
	if s.Algorithm == "" {
		return b
	}
	b = element(b, "Checksum"+s.Algorithm, s.Value)
	return element(b, "ChecksumType", s.kind())
}
