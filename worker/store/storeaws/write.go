package storeaws

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/datatransferhub/dth/worker/store"
)

// Put writes a whole object. The body is read once and never after Put has returned.
func (b *Bucket) Put(ctx context.Context, r store.PutRequest) (store.Written, error) {
	h := make(http.Header, 16)
	b.setAttributes(h, r.Attributes)
	b.setCondition(h, r.Condition)
	if r.ContentMD5 != "" {
		h["Content-Md5"] = []string{r.ContentMD5}
	}
	c := call{op: "PutObject", method: http.MethodPut, key: r.Key, header: h}
	return b.upload(ctx, c, r.Body, r.Size, r.CRC64NVME, r.Trailer)
}

// UploadPart sends one part of a multipart upload from a stream of known length.
func (b *Bucket) UploadPart(ctx context.Context, key, uploadID string, number int, body io.Reader, size int64, trailer func() string) (store.Part, error) {
	c := call{op: "UploadPart", method: http.MethodPut, key: key, header: make(http.Header, 8), query: partQuery(uploadID, number)}
	w, err := b.upload(ctx, c, body, size, "", trailer)
	if err != nil {
		return store.Part{}, err
	}
	p := store.Part{Number: number, ETag: w.ETag, Size: size}
	if w.Checksum.Algorithm == "CRC64NVME" {
		p.CRC64NVME = w.Checksum.Value
	}
	return p, nil
}

// upload sends a body with its checksum: as a header when it is known beforehand, else as a trailer where
// the store is known to take one, else not at all (the caller compares what the store answers).
func (b *Bucket) upload(ctx context.Context, c call, body io.Reader, size int64, crc string, trailer func() string) (store.Written, error) {
	done := newOnce(body)
	c.body, c.length = done, size
	switch {
	case b.crc64.Load() == crcAbsent:
	case crc != "":
		c.header[hCRC64] = []string{crc}
		c.header["X-Amz-Sdk-Checksum-Algorithm"] = []string{"CRC64NVME"}
	case trailer != nil && b.Checksums() && size > 0:
		c.header["X-Amz-Trailer"] = []string{"x-amz-checksum-crc64nvme"}
		c.header["X-Amz-Sdk-Checksum-Algorithm"] = []string{"CRC64NVME"}
		c.header["X-Amz-Decoded-Content-Length"] = []string{decimal(size)}
		c.header["Content-Encoding"] = prepend("aws-chunked", c.header["Content-Encoding"])
		c.hash = trailerPayload
		c.body, c.length = newTrailed(done, size, trailer)
	}
	if size >= store.BulkSize {
		c.via = b.bulk
	}
	resp, err := b.do(ctx, c)
	done.wait()
	if err != nil {
		return store.Written{}, b.learnRefusal(err)
	}
	drain(resp.Body)
	w := written(resp.Header)
	b.learnChecksums(crc != "", w)
	return w, nil
}

// learnRefusal remembers that a store does not know preconditions, so that the caller's next attempt goes
// without them.
func (b *Bucket) learnRefusal(err error) error {
	if b.conditionsUnknown(err) && !b.noConditions.Load() {
		b.noConditions.Store(true)
	}
	return err
}

// learnChecksums takes the first echo, or its absence, as the store's habit.
func (b *Bucket) learnChecksums(sent bool, w store.Written) {
	if w.Checksum.Algorithm == "CRC64NVME" {
		b.crc64.CompareAndSwap(crcUnknown, crcEchoed)
	} else if sent {
		b.crc64.CompareAndSwap(crcUnknown, crcAbsent)
	}
}

func written(h http.Header) store.Written {
	return store.Written{
		ETag:      strings.Trim(h.Get(hETag), `"`),
		VersionID: h.Get(hVersion),
		Checksum:  checksumOf(h),
		SSE:       h.Get(hSSE),
	}
}

func prepend(first string, rest []string) []string {
	if len(rest) == 0 || rest[0] == "" {
		return []string{first}
	}
	return []string{first + "," + rest[0]}
}

func (b *Bucket) setCondition(h http.Header, p store.Precondition) {
	if b.noConditions.Load() {
		return
	}
	switch {
	case p.IfAbsent:
		h[hNoneMatch] = []string{"*"}
	case p.IfMatch != "":
		h[hIfMatch] = []string{`"` + p.IfMatch + `"`}
	}
}

// setAttributes writes attributes as request headers. Empty ones are left out.
func (b *Bucket) setAttributes(h http.Header, a store.Attributes) {
	set := func(name, value string) {
		if value != "" {
			h[name] = []string{value}
		}
	}
	x := &a.Headers
	set("Content-Type", x.ContentType)
	set("Content-Encoding", x.ContentEncoding)
	set("Content-Language", x.ContentLanguage)
	set("Content-Disposition", x.ContentDisposition)
	set("Cache-Control", x.CacheControl)
	set("Expires", x.Expires)
	set("X-Amz-Website-Redirect-Location", x.WebsiteRedirect)
	for k, v := range x.Metadata {
		h[http.CanonicalHeaderKey(hMetaPrefix+k)] = []string{v}
	}
	set("X-Amz-Storage-Class", a.StorageClass)
	set("X-Amz-Acl", a.ACL)
	set(hSSE, a.SSE)
	set("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id", a.KMSKeyID)
	if a.SSE == "aws:kms" {
		// One data key per bucket and while, not per object: the difference is most of a KMS bill.
		set("X-Amz-Server-Side-Encryption-Bucket-Key-Enabled", "true")
	}
	if len(a.Tags) > 0 {
		set("X-Amz-Tagging", encodeTags(a.Tags))
	}
}

func encodeTags(tags map[string]string) string {
	v := make(url.Values, len(tags))
	for k, t := range tags {
		v.Set(k, t)
	}
	return v.Encode()
}

// Delete removes an object. A missing one is no error.
func (b *Bucket) Delete(ctx context.Context, key string) error {
	resp, err := b.do(ctx, call{op: "DeleteObject", method: http.MethodDelete, key: key})
	if err != nil {
		return err
	}
	drain(resp.Body)
	return nil
}
