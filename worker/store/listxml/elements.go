package listxml

import (
	"strconv"
	"strings"

	"github.com/datatransferhub/dth/worker/store"
)

// maxDepth bounds nesting: listings are four deep.
const maxDepth = 32

// open pushes an element. What an element means depends on the one around it. tag is its name with the namespace
// prefix, name without.
func (d *decoder) open(tag, name []byte) error {
	if d.leaf() {
		d.text = d.text[:0] // a leaf with children is none of ours
	}
	if len(d.stack) == maxDepth {
		return d.fail("elements are nested more than %d deep", maxDepth)
	}
	if len(d.stack) == 0 {
		if d.began {
			return d.fail("a second document")
		}
		return d.root(tag, name)
	}
	e := other
	switch parent := d.stack[len(d.stack)-1].element; {
	case len(d.stack) == 1 && parent == errorDocument:
		e = errorLeaf(name)
	case len(d.stack) == 1:
		e = pageElement(name)
	case parent == contents:
		e = objectElement(name)
	case parent == commonPrefixes && string(name) == "Prefix":
		e = prefix
	case parent == restoreStatus:
		e = restoreElement(name)
	}
	d.stack = append(d.stack, frame{e, sumOf(tag)})
	d.text = d.text[:0]
	if e == contents {
		return d.beginObject()
	}
	return nil
}

func (d *decoder) root(tag, name []byte) error {
	d.began = true
	e := other
	switch string(name) {
	case "ListBucketResult":
	case "Error":
		e, d.failure = errorDocument, &ServerError{}
	default:
		return d.fail("the document is a %q, no listing", name)
	}
	d.stack = append(d.stack, frame{e, sumOf(tag)})
	return nil
}

func pageElement(name []byte) element {
	switch string(name) {
	case "Contents":
		return contents
	case "CommonPrefixes":
		return commonPrefixes
	case "IsTruncated":
		return isTruncated
	case "NextContinuationToken":
		return nextToken
	case "NextMarker":
		return nextMarker
	case "EncodingType":
		return encodingType
	}
	return other
}

func objectElement(name []byte) element {
	switch string(name) {
	case "Key":
		return key
	case "LastModified":
		return lastModified
	case "ETag":
		return etag
	case "Size":
		return size
	case "StorageClass":
		return storageClass
	case "RestoreStatus":
		return restoreStatus
	}
	return other
}

func restoreElement(name []byte) element {
	switch string(name) {
	case "IsRestoreInProgress":
		return inProgress
	case "RestoreExpiryDate":
		return expiryDate
	}
	return other
}

func errorLeaf(name []byte) element {
	switch string(name) {
	case "Code":
		return errorCode
	case "Message":
		return errorMessage
	}
	return other
}

func (d *decoder) beginObject() error {
	if len(d.objects) == maxEntries || len(d.arena) > maxArena {
		return d.fail("the page is larger than %d entries or %d bytes of keys", maxEntries, maxArena)
	}
	if d.objects == nil {
		const usual = 1000 // the page size of S3
		d.objects = make([]store.Object, 0, usual)
	}
	d.objects = append(d.objects, store.Object{})
	d.keys = append(d.keys, span{-1, -1})
	d.etags = append(d.etags, span{})
	d.restore = restore{}
	return nil
}

// close pops the element of a tag's name, prefix included.
func (d *decoder) close(tag []byte) error {
	if len(d.stack) == 0 || d.stack[len(d.stack)-1].name != sumOf(tag) {
		return d.fail("</%s> closes nothing that is open", tag)
	}
	return d.closeTop()
}

func (d *decoder) closeTop() error {
	top := d.stack[len(d.stack)-1].element
	d.stack = d.stack[:len(d.stack)-1]
	err := d.value(top, d.text)
	d.text = d.text[:0]
	return err
}

// value takes what an element held. The text is valid during the call.
func (d *decoder) value(e element, text []byte) error {
	switch e {
	case contents:
		return d.endObject()
	case key, etag, size, lastModified, storageClass, inProgress, expiryDate:
		return d.objectLeaf(e, text)
	case prefix:
		if len(d.prefixes) == maxEntries || len(d.arena) > maxArena {
			return d.fail("the page is larger than %d prefixes or %d bytes of them", maxEntries, maxArena)
		}
		d.prefixes = append(d.prefixes, d.keep(text))
	case isTruncated:
		d.truncated = string(text) == "true"
	case nextToken:
		d.token = string(text)
	case nextMarker:
		d.marker = string(text)
	case encodingType:
		d.url = string(text) == "url"
	case errorCode:
		d.failure.Code = string(text)
	case errorMessage:
		d.failure.Message = string(text)
	case other, commonPrefixes, restoreStatus, errorDocument:
	}
	return nil
}

func (d *decoder) endObject() error {
	n := len(d.objects) - 1
	if d.keys[n].from < 0 {
		return d.fail("an entry without a key")
	}
	d.objects[n].Restored = d.restore.expires && !d.restore.inProgress
	return nil
}

// keep copies a text to the arena.
func (d *decoder) keep(text []byte) span {
	from := len(d.arena)
	d.arena = append(d.arena, text...)
	return span{from, len(d.arena)}
}

func (d *decoder) objectLeaf(e element, text []byte) error {
	n := len(d.objects) - 1
	o := &d.objects[n]
	var err error
	switch e {
	case key:
		d.keys[n] = d.keep(text)
	case etag:
		if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
			text = text[1 : len(text)-1]
		}
		d.etags[n] = d.keep(text)
	case size:
		if o.Size, err = parseSize(text); err != nil {
			return d.fail("size %q is no number of bytes", text)
		}
	case lastModified:
		if o.Modified, err = parseTime(text); err != nil {
			return d.fail("time %q cannot be read", text)
		}
	case storageClass:
		o.StorageClass = intern(text)
	case inProgress:
		d.restore.inProgress = string(text) == "true"
	case expiryDate:
		d.restore.expires = len(text) > 0
	}
	return nil
}

func parseSize(b []byte) (int64, error) {
	var n int64
	for _, c := range b {
		if c < '0' || c > '9' {
			n = -1
			break
		}
		n = n*10 + int64(c-'0')
	}
	if n >= 0 && len(b) > 0 && len(b) <= 18 {
		return n, nil
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err == nil && n < 0 {
		err = strconv.ErrRange
	}
	return n, err
}

// intern returns storage classes without an allocation; nearly all objects have one of a few.
func intern(b []byte) string {
	switch string(b) {
	case "STANDARD":
		return "STANDARD"
	case "STANDARD_IA":
		return "STANDARD_IA"
	case "INTELLIGENT_TIERING":
		return "INTELLIGENT_TIERING"
	case "ONEZONE_IA":
		return "ONEZONE_IA"
	case "GLACIER":
		return "GLACIER"
	case "GLACIER_IR":
		return "GLACIER_IR"
	case "DEEP_ARCHIVE":
		return "DEEP_ARCHIVE"
	}
	return string(b)
}

// result cuts the strings out of the arena.
func (d *decoder) result() (Result, error) {
	if d.failure != nil {
		return Result{}, d.failure
	}
	res := Result{Truncated: d.truncated, NextMarker: d.marker}
	if d.url {
		if err := d.unescapeAll(&res); err != nil {
			return Result{}, err
		}
	}
	all := string(d.arena)
	for i := range d.objects {
		d.objects[i].Key = all[d.keys[i].from:d.keys[i].to]
		d.objects[i].ETag = all[d.etags[i].from:d.etags[i].to]
	}
	for _, p := range d.prefixes {
		res.Page.Prefixes = append(res.Page.Prefixes, all[p.from:p.to])
	}
	res.Page.Objects = d.objects
	if d.truncated {
		res.Page.Next = d.token
	}
	return res, nil
}

// unescapeAll decodes keys and prefixes in place. It waits for the end, because a store may say only there that it encodes.
func (d *decoder) unescapeAll(res *Result) error {
	decode := func(s *span) error {
		n, err := unescape(d.arena[s.from:s.to])
		if err != nil {
			return d.fail("%v", err)
		}
		s.to = s.from + n
		return nil
	}
	for i := range d.keys {
		if err := decode(&d.keys[i]); err != nil {
			return err
		}
	}
	for i := range d.prefixes {
		if err := decode(&d.prefixes[i]); err != nil {
			return err
		}
	}
	marker := []byte(res.NextMarker)
	n, err := unescape(marker)
	if err != nil {
		return d.fail("%v", err)
	}
	res.NextMarker = string(marker[:n])
	return nil
}
