package s3sim

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"hash"
	"io"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"time"
)

const largestPart = 10_000

// upload is a multipart upload that is under way.
type upload struct {
	id, key   string
	initiated time.Time
	object    Object // attributes of the object to be
	algorithm string // of checksums; empty: the client chose none
	composite bool
	parts     map[int]part
}

type part struct {
	content  Content
	etag     string
	crc      uint64
	sum      Sum // of the upload's algorithm where the client chose one
	modified time.Time
}

func encodeSum(h hash.Hash) string { return base64.StdEncoding.EncodeToString(h.Sum(nil)) }

func (q *request) createUpload() error {
	o, err := q.attributes()
	if err != nil {
		return err
	}
	u := &upload{
		id: hexID(q.sim.unique()) + hexID(q.sim.unique()), key: q.call.Key, initiated: q.sim.now().Truncate(time.Second),
		object: o, parts: map[int]part{},
	}
	if !q.sim.quirks.NoChecksums {
		u.algorithm = strings.ToUpper(q.r.Header.Get("X-Amz-Checksum-Algorithm"))
		if u.algorithm != "" && newHash(u.algorithm) == nil {
			return errInvalid("Checksum algorithm provided is unsupported: " + u.algorithm)
		}
		u.composite = u.algorithm != "" && u.algorithm != "CRC64NVME" && q.r.Header.Get("X-Amz-Checksum-Type") != "FULL_OBJECT"
	}
	q.bucket.mu.Lock()
	q.bucket.uploads[u.id] = u
	q.bucket.mu.Unlock()
	if u.algorithm != "" {
		q.w.Header().Set("X-Amz-Checksum-Algorithm", u.algorithm)
		q.w.Header().Set("X-Amz-Checksum-Type", Sum{Composite: u.composite}.kind())
	}
	b := []byte(xmlHeader + "<InitiateMultipartUploadResult" + xmlns + ">")
	b = element(b, "Bucket", q.call.Bucket)
	b = element(b, "Key", q.call.Key)
	b = element(b, "UploadId", u.id)
	return q.respondXML(append(b, "</InitiateMultipartUploadResult>"...))
}

// upload returns the upload that a request names. The caller holds the bucket's lock.
func (q *request) upload() (*upload, error) {
	u := q.bucket.uploads[q.query.Get("uploadId")]
	if u == nil || u.key != q.call.Key {
		return nil, errNoSuchUpload()
	}
	return u, nil
}

// ongoing checks upload and part number before a body is read.
func (q *request) ongoing() (u *upload, number int, err error) {
	number, err = strconv.Atoi(q.query.Get("partNumber"))
	if err != nil || number < 1 || number > largestPart {
		return nil, 0, errInvalid("Part number must be an integer between 1 and 10000, inclusive")
	}
	q.bucket.mu.RLock()
	defer q.bucket.mu.RUnlock()
	u, err = q.upload()
	return u, number, err
}

// addPart records a part unless the upload has ended meanwhile.
func (q *request) addPart(number int, p part) error {
	p.modified = q.sim.now().Truncate(time.Second)
	q.bucket.mu.Lock()
	defer q.bucket.mu.Unlock()
	u, err := q.upload()
	if err != nil {
		return err
	}
	u.parts[number] = p
	return nil
}

func (q *request) uploadPart() error {
	u, number, err := q.ongoing()
	if err != nil {
		return err
	}
	got, err := q.receive()
	if err != nil {
		return err
	}
	p := part{content: got.content, etag: got.md5, crc: got.crc, sum: got.sum}
	if p.etag == "" || q.sim.opaqueETags(u.object.SSE) {
		p.etag = q.sim.opaqueETag()
	}
	if u.algorithm != "" && p.sum.Algorithm != u.algorithm {
		if p.sum, err = q.sim.sumOf(u.algorithm, p.content); err != nil {
			return refuse(http.StatusBadRequest, "InvalidRequest", "Checksum Type mismatch occurred, expected checksum Type: "+strings.ToLower(u.algorithm))
		}
	}
	if err := q.addPart(number, p); err != nil {
		return err
	}
	h := q.w.Header()
	h["Etag"] = []string{`"` + p.etag + `"`}
	if p.sum.Algorithm != "" {
		h[sumHeader(p.sum.Algorithm)] = []string{p.sum.Value}
	}
	q.respond(http.StatusOK)
	return nil
}

func (q *request) uploadPartCopy() error {
	u, number, err := q.ongoing()
	if err != nil {
		return err
	}
	from, err := q.copySource()
	if err != nil {
		return err
	}
	off, n := int64(0), from.Size()
	if r := q.r.Header.Get("X-Amz-Copy-Source-Range"); r != "" {
		var last int64
		if _, err := fmt.Sscanf(r, "bytes=%d-%d", &off, &last); err != nil || off > last || last >= from.Size() {
			return errInvalid("The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
		}
		n = last - off + 1
	}
	if n > largestPut {
		return refuse(http.StatusBadRequest, "InvalidRequest", "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120")
	}
	p := part{content: section{from.Content, off, n}}
	p.crc, _ = crcOf(p.content)
	p.etag = q.sim.etagOf(&Object{Content: p.content, SSE: u.object.SSE})
	p.etag, _, _ = strings.Cut(p.etag, "-")
	if !q.sim.quirks.NoChecksums {
		if p.sum, err = q.sim.sumOf(u.algorithm, p.content); err != nil {
			return err
		}
	}
	if err := q.addPart(number, p); err != nil {
		return err
	}
	return q.respondXML(copyResult("CopyPartResult", &Object{ETag: p.etag, Sum: p.sum, Modified: q.sim.now()}))
}

type completeDocument struct {
	Parts []struct {
		PartNumber                                                                     int
		ETag                                                                           string
		ChecksumCRC64NVME, ChecksumCRC32, ChecksumCRC32C, ChecksumSHA1, ChecksumSHA256 string
	} `xml:"Part"`
}

func (q *request) completeUpload() error {
	var doc completeDocument
	if err := xml.NewDecoder(io.LimitReader(q.r.Body, 8<<20)).Decode(&doc); err != nil || len(doc.Parts) == 0 {
		return errMalformedXML()
	}
	b := q.bucket
	b.mu.Lock()
	defer b.mu.Unlock()
	u, err := q.upload()
	if err != nil {
		return err
	}
	parts, err := q.chosenParts(u, &doc)
	if err != nil {
		return err
	}
	o := u.object
	var content joined
	for _, p := range parts {
		content.parts = append(content.parts, p.content)
		content.size += p.content.Size()
	}
	if want := q.r.Header.Get("X-Amz-Mp-Object-Size"); want != "" && want != itoa(content.size) {
		return refuse(http.StatusBadRequest, "InvalidRequest", "The provided 'x-amz-mp-object-size' header does not match what was computed.")
	}
	o.Content, o.Parts = content, len(parts)
	o.ETag = q.partedETag(&o, parts)
	if o.Sum, err = u.sum(q.sim, content, parts); err != nil {
		return err
	}
	if want := q.r.Header.Get(sumHeader(o.Sum.Algorithm)); o.Sum.Algorithm != "" && want != "" && want != o.Sum.Value {
		return errBadDigest(o.Sum.Algorithm)
	}
	if err := q.writeCondition(); err != nil {
		return err
	}
	stored := b.store(&o)
	delete(b.uploads, u.id)
	if stored.VersionID != "" {
		q.w.Header().Set("X-Amz-Version-Id", stored.VersionID)
	}
	if stored.SSE != "" {
		q.w.Header().Set("X-Amz-Server-Side-Encryption", stored.SSE)
	}
	x := []byte(xmlHeader + "<CompleteMultipartUploadResult" + xmlns + ">")
	x = element(x, "Location", "http://"+q.r.Host+q.r.URL.EscapedPath())
	x = element(x, "Bucket", q.call.Bucket)
	x = element(x, "Key", q.call.Key)
	x = element(x, "ETag", `"`+stored.ETag+`"`)
	x = sumElement(x, stored.Sum)
	return q.respondXML(append(x, "</CompleteMultipartUploadResult>"...))
}

// chosenParts checks the list of parts that an upload is to be completed from.
func (q *request) chosenParts(u *upload, doc *completeDocument) ([]part, error) {
	invalid := refuse(http.StatusBadRequest, "InvalidPart", "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag.")
	for i, d := range doc.Parts {
		if i > 0 && d.PartNumber <= doc.Parts[i-1].PartNumber {
			return nil, refuse(http.StatusBadRequest, "InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number.")
		}
	}
	var parts []part
	for i, d := range doc.Parts {
		p, ok := u.parts[d.PartNumber]
		if !ok || strings.Trim(d.ETag, `"`) != p.etag {
			return nil, invalid
		}
		said := map[string]string{
			"CRC64NVME": d.ChecksumCRC64NVME, "CRC32": d.ChecksumCRC32, "CRC32C": d.ChecksumCRC32C,
			"SHA1": d.ChecksumSHA1, "SHA256": d.ChecksumSHA256,
		}[p.sum.Algorithm]
		if said != "" && said != p.sum.Value {
			return nil, invalid
		}
		if said == "" && u.composite {
			return nil, refuse(http.StatusBadRequest, "InvalidRequest", "The upload was created using a "+strings.ToLower(u.algorithm)+
				" checksum. The complete request must include the checksum for each part. It was missing for part "+strconv.Itoa(d.PartNumber)+" in the request.")
		}
		if i < len(doc.Parts)-1 && p.content.Size() < q.sim.options.MinPartSize {
			return nil, refuse(http.StatusBadRequest, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
		}
		parts = append(parts, p)
	}
	return parts, nil
}

func (q *request) partedETag(o *Object, parts []part) string {
	if q.sim.opaqueETags(o.SSE) {
		return q.sim.opaqueETag() + "-" + strconv.Itoa(len(parts))
	}
	all := md5.New()
	for _, p := range parts {
		raw, _ := hex.DecodeString(p.etag) // our own ETags
		all.Write(raw)
	}
	return hex.EncodeToString(all.Sum(nil)) + "-" + strconv.Itoa(len(parts))
}

// sum is the checksum of the whole: combined from the parts where that can be, else computed.
func (u *upload) sum(s *Sim, c joined, parts []part) (Sum, error) {
	switch {
	case s.quirks.NoChecksums:
		return Sum{}, nil
	case u.composite:
		h := newHash(u.algorithm)
		for _, p := range parts {
			raw, _ := base64.StdEncoding.DecodeString(p.sum.Value) // our own sums
			h.Write(raw)
		}
		return Sum{Algorithm: u.algorithm, Value: encodeSum(h) + "-" + strconv.Itoa(len(parts)), Composite: true}, nil
	case u.algorithm != "" && u.algorithm != "CRC64NVME":
		return s.sumOf(u.algorithm, c)
	}
	var crc uint64
	for _, p := range parts {
		crc = combine(crc, p.crc, p.content.Size())
	}
	return Sum{Algorithm: "CRC64NVME", Value: encodeCRC(crc)}, nil
}

func (q *request) abortUpload() error {
	q.bucket.mu.Lock()
	defer q.bucket.mu.Unlock()
	u, err := q.upload()
	if err != nil {
		return err
	}
	delete(q.bucket.uploads, u.id)
	q.respond(http.StatusNoContent)
	return nil
}

func sortedUploads(m map[string]*upload) []*upload {
	all := make([]*upload, 0, len(m))
	for _, u := range m {
		all = append(all, u)
	}
	sort.Slice(all, func(i, j int) bool {
		return all[i].key < all[j].key || all[i].key == all[j].key && all[i].id < all[j].id
	})
	return all
}
