package storeaws

import (
	"bytes"
	"context"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/store"
)

// maxDocument bounds the answers of multipart calls: a page of 1,000 parts or uploads with long keys.
const maxDocument = 16 << 20

func partQuery(uploadID string, number int) url.Values {
	return url.Values{"uploadId": {uploadID}, "partNumber": {strconv.Itoa(number)}}
}

// CreateUpload starts a multipart upload and returns its id.
func (b *Bucket) CreateUpload(ctx context.Context, key string, a store.Attributes) (string, error) {
	h := make(http.Header, 12)
	b.setAttributes(h, a)
	if b.crc64.Load() != crcAbsent {
		h["X-Amz-Checksum-Algorithm"] = []string{"CRC64NVME"}
		h["X-Amz-Checksum-Type"] = []string{"FULL_OBJECT"}
	}
	var out struct {
		UploadID string `xml:"UploadId"`
	}
	c := call{op: "CreateMultipartUpload", method: http.MethodPost, key: key, header: h, query: url.Values{"uploads": {""}}}
	answer, err := b.document(ctx, c, &out)
	if err != nil {
		return "", err
	}
	if answer.Get("X-Amz-Checksum-Algorithm") == "CRC64NVME" {
		b.crc64.CompareAndSwap(crcUnknown, crcEchoed)
	}
	if out.UploadID == "" {
		return "", &failure.Error{Class: failure.Server, Op: c.op, Target: b.target(key), Detail: "the answer holds no UploadId"}
	}
	return out.UploadID, nil
}

// document sends a request and decodes the XML of its answer. S3 answers some calls with status 200 and an
// error document, after it has kept the connection alive with white space.
func (b *Bucket) document(ctx context.Context, c call, out any) (http.Header, error) {
	resp, err := b.do(ctx, c)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := readBounded(resp.Body, maxDocument)
	if err != nil {
		return nil, b.transportError(ctx, &c, err)
	}
	if bytes.Contains(data[:min(len(data), 512)], []byte("<Error>")) {
		var doc errorDocument
		if err := xml.Unmarshal(data, &doc); err == nil {
			return nil, b.newError(&c, http.StatusInternalServerError, doc)
		}
	}
	if err := xml.Unmarshal(data, out); err != nil {
		return nil, &failure.Error{Class: failure.Server, Op: c.op, Target: b.target(c.key), Detail: "answer cannot be read: " + err.Error(), Err: err}
	}
	return resp.Header, nil
}

type completedPart struct {
	XMLName    xml.Name `xml:"Part"`
	PartNumber int
	ETag       string
	CRC64NVME  string `xml:"ChecksumCRC64NVME,omitempty"`
}

// CompleteUpload makes the object of its parts.
func (b *Bucket) CompleteUpload(ctx context.Context, r store.CompleteRequest) (store.Written, error) {
	request := struct {
		XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CompleteMultipartUpload"`
		Parts   []completedPart
	}{}
	for _, p := range r.Parts {
		cp := completedPart{PartNumber: p.Number, ETag: `"` + p.ETag + `"`}
		if b.Checksums() {
			cp.CRC64NVME = p.CRC64NVME
		}
		request.Parts = append(request.Parts, cp)
	}
	body, err := xml.Marshal(request)
	if err != nil {
		return store.Written{}, err
	}
	h := make(http.Header, 8)
	h["Content-Type"] = []string{"application/xml"}
	b.setCondition(h, r.Condition)
	if b.Checksums() && r.CRC64NVME != "" {
		h[hCRC64] = []string{r.CRC64NVME}
		h["X-Amz-Checksum-Type"] = []string{"FULL_OBJECT"}
	}
	var out struct {
		ETag              string
		ChecksumCRC64NVME string
		ChecksumType      string
	}
	c := call{
		op: "CompleteMultipartUpload", method: http.MethodPost, key: r.Key, header: h, via: b.patient,
		query: url.Values{"uploadId": {r.UploadID}}, body: io.NopCloser(bytes.NewReader(body)), length: int64(len(body)),
	}
	answer, err := b.document(ctx, c, &out)
	if err != nil {
		return store.Written{}, b.learnRefusal(err)
	}
	w := written(answer)
	w.ETag = strings.Trim(out.ETag, `"`)
	if crc64(out.ChecksumCRC64NVME) != "" {
		w.Checksum = store.Checksum{Algorithm: "CRC64NVME", Value: out.ChecksumCRC64NVME, Composite: out.ChecksumType == "COMPOSITE"}
	}
	return w, nil
}

// AbortUpload discards an upload and its parts. One that is gone is no error.
func (b *Bucket) AbortUpload(ctx context.Context, key, uploadID string) error {
	resp, err := b.do(ctx, call{op: "AbortMultipartUpload", method: http.MethodDelete, key: key, query: url.Values{"uploadId": {uploadID}}})
	if failure.Is(err, failure.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	drain(resp.Body)
	return nil
}

// Parts returns every part of an upload that the store holds, in number order.
func (b *Bucket) Parts(ctx context.Context, key, uploadID string) ([]store.Part, error) {
	var parts []store.Part
	marker := ""
	for {
		var page struct {
			IsTruncated          bool
			NextPartNumberMarker string
			Part                 []struct {
				PartNumber        int
				ETag              string
				Size              int64
				ChecksumCRC64NVME string
			}
		}
		q := url.Values{"uploadId": {uploadID}}
		if marker != "" {
			q.Set("part-number-marker", marker)
		}
		err := retry.Calls().Do(ctx, func() error {
			_, err := b.document(ctx, call{op: "ListParts", method: http.MethodGet, key: key, query: q}, &page)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, p := range page.Part {
			parts = append(parts, store.Part{Number: p.PartNumber, ETag: strings.Trim(p.ETag, `"`), Size: p.Size, CRC64NVME: crc64(p.ChecksumCRC64NVME)})
		}
		if !page.IsTruncated {
			return parts, nil
		}
		if page.NextPartNumberMarker == "" || page.NextPartNumberMarker == marker {
			return nil, &store.ListTokenError{Bucket: b.name, After: key}
		}
		marker = page.NextPartNumberMarker
	}
}

// uploadPage is one page of ListMultipartUploads.
type uploadPage struct {
	EncodingType       string
	IsTruncated        bool
	NextKeyMarker      string
	NextUploadIDMarker string `xml:"NextUploadIdMarker"`
	Upload             []struct {
		Key       string
		UploadID  string `xml:"UploadId"`
		Initiated time.Time
	}
}

// Uploads returns the unfinished uploads of exactly this key, or of the whole bucket when key is empty.
func (b *Bucket) Uploads(ctx context.Context, key string) ([]store.Upload, error) {
	var uploads []store.Upload
	keyMarker, idMarker := "", ""
	for {
		page, err := b.uploadPage(ctx, key, keyMarker, idMarker)
		if err != nil {
			return nil, err
		}
		for _, u := range page.Upload {
			if key == "" || u.Key == key {
				uploads = append(uploads, store.Upload{Key: u.Key, ID: u.UploadID, Initiated: u.Initiated})
			}
		}
		if !page.IsTruncated {
			return uploads, nil
		}
		if page.NextKeyMarker == keyMarker && page.NextUploadIDMarker == idMarker {
			return nil, &store.ListTokenError{Bucket: b.name, After: keyMarker}
		}
		keyMarker, idMarker = page.NextKeyMarker, page.NextUploadIDMarker
	}
}

func (b *Bucket) uploadPage(ctx context.Context, prefix, keyMarker, idMarker string) (uploadPage, error) {
	q := url.Values{"uploads": {""}, "prefix": {prefix}}
	if b.caps.URLEncoding.Value {
		q.Set("encoding-type", "url") // XML 1.0 cannot express every key
	}
	if keyMarker != "" {
		q.Set("key-marker", keyMarker)
		q.Set("upload-id-marker", idMarker)
	}
	var page uploadPage
	err := retry.Calls().Do(ctx, func() error {
		page = uploadPage{}
		_, err := b.document(ctx, call{op: "ListMultipartUploads", method: http.MethodGet, query: q}, &page)
		return err
	})
	if err != nil || page.EncodingType != "url" {
		return page, err
	}
	if page.NextKeyMarker, err = url.QueryUnescape(page.NextKeyMarker); err != nil {
		return page, err
	}
	for i := range page.Upload {
		if page.Upload[i].Key, err = url.QueryUnescape(page.Upload[i].Key); err != nil {
			return page, err
		}
	}
	return page, nil
}
