package s3sim

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
)

// rowStyle is what one listing request asks of every entry.
type rowStyle struct {
	urlKeys   bool
	owner     bool
	restore   bool
	checksums bool
}

func (s *rowStyle) key(dst, key []byte) []byte {
	if s.urlKeys {
		return escapeURL(dst, key)
	}
	return escapeXML(dst, key)
}

func (s *rowStyle) element(dst []byte, name, key string) []byte {
	dst = append(append(append(dst, '<'), name...), '>')
	dst = s.key(dst, []byte(key))
	return append(append(append(dst, "</"...), name...), '>')
}

const ownerXML = "<Owner><ID>75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a</ID><DisplayName>owner</DisplayName></Owner>"

func (o *Object) appendRow(dst, key []byte, style *rowStyle) []byte {
	dst = append(dst, "<Contents><Key>"...)
	dst = style.key(dst, key)
	dst = append(dst, "</Key><LastModified>"...)
	dst = appendTime(dst, o.Modified)
	dst = append(dst, "</LastModified><ETag>&quot;"...)
	dst = escapeXML(dst, []byte(o.ETag))
	dst = append(dst, "&quot;</ETag>"...)
	if style.checksums && o.Sum.Algorithm != "" {
		dst = element(dst, "ChecksumAlgorithm", o.Sum.Algorithm)
		dst = element(dst, "ChecksumType", o.Sum.kind())
	}
	dst = append(dst, "<Size>"...)
	dst = strconv.AppendInt(dst, o.Size(), 10)
	dst = append(dst, "</Size>"...)
	if style.owner {
		dst = append(dst, ownerXML...)
	}
	if style.restore && o.Restore != "" {
		dst = append(dst, "<RestoreStatus>"...)
		dst = element(dst, "IsRestoreInProgress", strconv.FormatBool(strings.Contains(o.Restore, `ongoing-request="true"`)))
		if o.readable() {
			dst = append(dst, "<RestoreExpiryDate>2099-12-21T00:00:00.000Z</RestoreExpiryDate>"...)
		}
		dst = append(dst, "</RestoreStatus>"...)
	}
	dst = append(dst, "<StorageClass>"...)
	dst = append(dst, class(o.StorageClass)...)
	return append(dst, "</StorageClass></Contents>"...)
}

func (s Sum) kind() string {
	if s.Composite {
		return "COMPOSITE"
	}
	return "FULL_OBJECT"
}

// listing is one request for a page.
type listing struct {
	version   int
	prefix    string
	delimiter string
	maxKeys   int
	after     string // what start-after, a marker or a token names
	// pastPrefix: after is a common prefix that the page before ended with.
	pastPrefix bool
	startAfter string
	token      string
	style      rowStyle
}

func (q *request) parseListing() (*listing, error) {
	v := q.query
	l := &listing{
		version: 1, prefix: v.Get("prefix"), delimiter: v.Get("delimiter"), maxKeys: 1000,
		style: rowStyle{
			urlKeys:   v.Get("encoding-type") == "url" && !q.sim.quirks.NoURLEncoding,
			checksums: !q.sim.quirks.NoChecksums,
			restore:   strings.Contains(q.r.Header.Get("X-Amz-Optional-Object-Attributes"), "RestoreStatus"),
		},
	}
	if text := v.Get("max-keys"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return nil, errInvalid("Provided max-keys not an integer or within integer range")
		}
		l.maxKeys = min(n, 1000)
	}
	if v.Get("list-type") != "2" {
		l.style.owner = true
		l.after = v.Get("marker")
		l.pastPrefix = l.rolledUp(l.after)
		return l, nil
	}
	l.version = 2
	l.style.owner = v.Get("fetch-owner") == "true"
	l.startAfter, l.token = v.Get("start-after"), v.Get("continuation-token")
	if !q.sim.quirks.IgnoresStartAfter {
		l.after = l.startAfter
	}
	if v.Has("continuation-token") {
		return l, l.openToken()
	}
	return l, nil
}

// rolledUp reports whether a marker is a common prefix that this listing shows, and not a key.
func (l *listing) rolledUp(marker string) bool {
	rest, ok := strings.CutPrefix(marker, l.prefix)
	if !ok || l.delimiter == "" {
		return false
	}
	i := strings.Index(rest, l.delimiter)
	return i >= 0 && i+len(l.delimiter) == len(rest)
}

// A token is opaque to clients: what it says is only told to the store.
func sealToken(after string, prefix bool) string {
	kind := "k"
	if prefix {
		kind = "p"
	}
	return "1" + base64.StdEncoding.EncodeToString([]byte(kind+after))
}

func (l *listing) openToken() error {
	text, ok := strings.CutPrefix(l.token, "1")
	raw, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(raw) == 0 {
		return errInvalid("The continuation token provided is incorrect")
	}
	l.after, l.pastPrefix = string(raw[1:]), raw[0] == 'p'
	return nil
}

var pageBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 320<<10); return &b }}

func (q *request) listObjects() error {
	l, err := q.parseListing()
	if err != nil {
		return err
	}
	buf := pageBuffers.Get().(*[]byte)
	defer pageBuffers.Put(buf)
	body := (*buf)[:0]

	q.bucket.mu.RLock()
	page := l.walk(q.bucket, body)
	q.bucket.mu.RUnlock()

	*buf = page.rows[:0]
	head := l.head(q, page)
	q.w.Header().Set("Content-Type", "application/xml")
	q.w.Header().Set("Content-Length", strconv.Itoa(len(head)+len(page.rows)))
	q.respond(http.StatusOK, head, page.rows)
	return nil
}

// page is a rendered page without its head.
type page struct {
	rows       []byte
	count      int
	truncated  bool
	last       string // where the next page goes on
	lastPrefix bool
}

func (l *listing) walk(b *Bucket, dst []byte) page {
	p := page{rows: dst}
	less := b.index.less
	c := b.cursor(l.after, true)
	if l.pastPrefix {
		c.pastPrefix(l.after)
	}
	if l.prefix != "" && less(l.after, l.prefix) {
		c = b.cursor(l.prefix, false)
	}
	prefix, delimiter := []byte(l.prefix), []byte(l.delimiter)
	var prefixes []string
	keyBuf := make([]byte, 0, 128)
	for c.valid() {
		key := c.key(keyBuf)
		if !bytes.HasPrefix(key, prefix) {
			break
		}
		if p.count == l.maxKeys {
			p.truncated = l.maxKeys > 0
			break
		}
		if len(delimiter) > 0 {
			if i := bytes.Index(key[len(prefix):], delimiter); i >= 0 {
				common := string(key[:len(prefix)+i+len(delimiter)])
				c.pastPrefix(common)
				if b.sim.quirks.HidesEnteredPrefix && less(common, l.after) {
					continue
				}
				prefixes = append(prefixes, common)
				p.count++
				p.last, p.lastPrefix = common, true
				continue
			}
		}
		p.rows = c.appendRow(p.rows, key, &l.style)
		p.count++
		if p.count == l.maxKeys {
			p.last, p.lastPrefix = string(key), false
		}
		c.next()
	}
	for _, common := range prefixes {
		p.rows = append(p.rows, "<CommonPrefixes>"...)
		p.rows = l.style.element(p.rows, "Prefix", common)
		p.rows = append(p.rows, "</CommonPrefixes>"...)
	}
	p.rows = append(p.rows, "</ListBucketResult>"...)
	return p
}

func (l *listing) head(q *request, p page) []byte {
	b := make([]byte, 0, 512+len(l.prefix)*3+len(p.last)*3)
	b = append(b, xmlHeader+"<ListBucketResult"+xmlns+">"...)
	b = element(b, "Name", q.call.Bucket)
	b = l.style.element(b, "Prefix", l.prefix)
	if l.version == 1 {
		b = l.style.element(b, "Marker", l.after)
		if p.truncated && l.delimiter != "" {
			b = l.style.element(b, "NextMarker", p.last)
		}
	} else {
		if l.token != "" {
			b = element(b, "ContinuationToken", l.token)
		}
		if p.truncated && !q.sim.quirks.ListV2WithoutToken {
			b = element(b, "NextContinuationToken", sealToken(p.last, p.lastPrefix))
		}
		if l.startAfter != "" {
			b = l.style.element(b, "StartAfter", l.startAfter)
		}
		b = element(b, "KeyCount", strconv.Itoa(p.count))
	}
	b = element(b, "MaxKeys", strconv.Itoa(l.maxKeys))
	if l.delimiter != "" {
		b = l.style.element(b, "Delimiter", l.delimiter)
	}
	if l.style.urlKeys {
		b = append(b, "<EncodingType>url</EncodingType>"...)
	}
	return element(b, "IsTruncated", strconv.FormatBool(p.truncated))
}

// tagsOf reads the form in which tags travel in a header.
func tagsOf(header string) (map[string]string, error) {
	if header == "" {
		return nil, nil
	}
	v, err := url.ParseQuery(header)
	if err != nil {
		return nil, errInvalid("The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.")
	}
	tags := make(map[string]string, len(v))
	for k := range v {
		tags[k] = v.Get(k)
	}
	return tags, nil
}
