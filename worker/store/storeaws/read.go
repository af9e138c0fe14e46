package storeaws

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/datatransferhub/dth/worker/checksum"
	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/store"
)

// Get opens an object or a range of it.
func (b *Bucket) Get(ctx context.Context, r store.GetRequest) (*store.Body, error) {
	c := call{op: "GetObject", method: http.MethodGet, key: r.Key, header: make(http.Header, 8), query: versionQuery(r.VersionID)}
	ranged := r.Offset > 0 || r.Length > 0
	if r.IfMatch != "" && b.caps.ReadIfMatch.Value {
		c.header[hIfMatch] = []string{`"` + r.IfMatch + `"`}
	}
	if ranged {
		c.header["Range"] = []string{rangeHeader(r.Offset, r.Length)}
	} else if b.crc64.Load() != crcAbsent {
		c.header["X-Amz-Checksum-Mode"] = []string{"ENABLED"}
	}
	if max(r.Length, r.SizeHint) >= store.BulkSize {
		c.via = b.bulk
	}
	resp, err := b.do(ctx, c)
	if err != nil {
		return nil, err
	}
	body := &store.Body{ReadCloser: resp.Body, Info: info(resp.Header), Length: resp.ContentLength}
	if !ranged {
		body.Info.Size = resp.ContentLength
		return body, nil
	}
	if err := b.checkRange(&c, r, resp, body); err != nil {
		_ = resp.Body.Close() // the error says more
		return nil, err
	}
	return body, nil
}

// checkRange makes sure that the answer is the range that was asked for, of an object of some size.
func (b *Bucket) checkRange(c *call, r store.GetRequest, resp *http.Response, body *store.Body) error {
	refuse := func(detail string) error {
		return &failure.Error{Class: failure.Server, Op: c.op, Target: b.target(c.key), Status: resp.StatusCode, Detail: detail}
	}
	if resp.StatusCode != http.StatusPartialContent {
		return refuse("asked for " + rangeHeader(r.Offset, r.Length) + ", got the whole object")
	}
	first, total, ok := parseContentRange(resp.Header.Get("Content-Range"))
	if !ok || first != r.Offset {
		return refuse("asked for " + rangeHeader(r.Offset, r.Length) + ", got Content-Range " + resp.Header.Get("Content-Range"))
	}
	body.Info.Size = total
	body.Info.Checksum = store.Checksum{} // of the whole object, whatever a store sends with a range
	return nil
}

// parseContentRange reads "bytes 0-9/100".
func parseContentRange(s string) (first, total int64, ok bool) {
	s, found := strings.CutPrefix(s, "bytes ")
	span, all, found2 := strings.Cut(s, "/")
	from, _, found3 := strings.Cut(span, "-")
	first, err1 := strconv.ParseInt(from, 10, 64)
	total, err2 := strconv.ParseInt(all, 10, 64)
	return first, total, found && found2 && found3 && err1 == nil && err2 == nil
}

func rangeHeader(offset, length int64) string {
	s := "bytes=" + strconv.FormatInt(offset, 10) + "-"
	if length > 0 {
		s += strconv.FormatInt(offset+length-1, 10)
	}
	return s
}

func versionQuery(id string) url.Values {
	if id == "" {
		return nil
	}
	return url.Values{"versionId": {id}}
}

// Head returns an object's attributes.
func (b *Bucket) Head(ctx context.Context, key, versionID string) (store.Info, error) {
	c := call{op: "HeadObject", method: http.MethodHead, key: key, query: versionQuery(versionID), header: make(http.Header, 8)}
	if b.crc64.Load() != crcAbsent {
		c.header["X-Amz-Checksum-Mode"] = []string{"ENABLED"}
	}
	resp, err := b.do(ctx, c)
	if err != nil {
		return store.Info{}, err
	}
	drain(resp.Body)
	i := info(resp.Header)
	i.Size = resp.ContentLength
	return i, nil
}

func info(h http.Header) store.Info {
	i := store.Info{
		ETag:         strings.Trim(h.Get(hETag), `"`),
		VersionID:    h.Get(hVersion),
		StorageClass: h.Get("X-Amz-Storage-Class"),
		SSE:          h.Get(hSSE),
		Restored:     restored(h.Get("X-Amz-Restore")),
		Checksum:     checksumOf(h),
		DeleteMarker: h.Get("X-Amz-Delete-Marker") == "true",
	}
	if t, err := http.ParseTime(h.Get("Last-Modified")); err == nil {
		i.Modified = t.UTC()
	}
	if n, err := strconv.Atoi(h.Get("X-Amz-Tagging-Count")); err == nil {
		i.TagCount = n
	}
	i.Headers = headers(h)
	return i
}

// restored reads x-amz-restore: `ongoing-request="false", expiry-date="..."`.
func restored(v string) bool { return strings.Contains(v, `ongoing-request="false"`) }

func headers(h http.Header) store.Headers {
	out := store.Headers{
		ContentType:        h.Get("Content-Type"),
		ContentEncoding:    h.Get("Content-Encoding"),
		ContentLanguage:    h.Get("Content-Language"),
		ContentDisposition: h.Get("Content-Disposition"),
		CacheControl:       h.Get("Cache-Control"),
		Expires:            h.Get("Expires"),
		WebsiteRedirect:    h.Get("X-Amz-Website-Redirect-Location"),
	}
	for name, values := range h {
		if len(name) > len(hMetaPrefix) && strings.HasPrefix(name, hMetaPrefix) && len(values) > 0 {
			if out.Metadata == nil {
				out.Metadata = make(map[string]string, 4)
			}
			out.Metadata[strings.ToLower(name[len(hMetaPrefix):])] = strings.Join(values, ",")
		}
	}
	return out
}

var checksumAlgorithms = [...]string{"CRC64NVME", "CRC32C", "CRC32", "SHA256", "SHA1"}

func checksumOf(h http.Header) store.Checksum {
	for _, a := range checksumAlgorithms {
		if v := h.Get("X-Amz-Checksum-" + a); v != "" && (a != "CRC64NVME" || crc64(v) != "") {
			composite := h.Get("X-Amz-Checksum-Type") == "COMPOSITE" || strings.Contains(v, "-")
			return store.Checksum{Algorithm: a, Value: v, Composite: composite}
		}
	}
	return store.Checksum{}
}

// crc64 returns a CRC64NVME as a store says it, "" when it is none: some answer with a sum of another kind under
// this name, which would look like damage.
func crc64(v string) string {
	if _, err := checksum.Decode(v); err != nil {
		return ""
	}
	return v
}

// List returns one page of the bucket, tried a few times when the store is busy or the network fails.
func (b *Bucket) List(ctx context.Context, r store.ListRequest) (*store.Page, error) {
	var page *store.Page
	err := retry.Calls().Do(ctx, func() error {
		p, err := b.listOnce(ctx, r)
		page = p
		return err
	})
	return page, err
}

func asFailure(err error, e **failure.Error) bool { return errors.As(err, e) }

// readBounded reads a document of bounded size.
func readBounded(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = errors.New("answer is longer than " + strconv.FormatInt(limit, 10) + " bytes")
	}
	return data, err
}
