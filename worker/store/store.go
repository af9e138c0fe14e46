// Package store holds the words in which the engine speaks of object stores: listed objects, pages,
// object attributes and the requests that read and write them. The interfaces over them are declared
// where they are used (list.Lister, transfer.Source, transfer.Destination); package storeaws is the
// adapter that speaks the S3 protocol to every provider.
package store

import (
	"io"
	"time"
)

// Object is one entry of a listing.
type Object struct {
	Key          string // decoded, as the store holds it
	Size         int64  // bytes
	ETag         string // without quotes
	Modified     time.Time
	StorageClass string // empty: the store did not say (STANDARD)
	// Restored is true for an archived object with a readable copy, as far as the listing says.
	Restored bool
}

// Archived reports whether the object's bytes cannot be read without a restore first.
func (o *Object) Archived() bool {
	return !o.Restored && ArchivedClass(o.StorageClass)
}

// ArchivedClass reports whether a storage class keeps bytes out of reach until they are restored. The names of all
// providers are known; where one of them names a readable class so, its adapter marks the objects as Restored.
func ArchivedClass(class string) bool {
	switch class {
	case "GLACIER", "DEEP_ARCHIVE", // Amazon S3, Tencent COS and others that follow it
		"ARCHIVE", "COLD", "ColdArchive", "DeepColdArchive", "Archive": // COS, OBS and OSS
		return true
	}
	return false
}

// BulkSize is the size in bytes from which a body is worth connections with large buffers.
const BulkSize = 1 << 20

// HashETag reports whether an ETag has the form of an MD5: 32 hexadecimal digits. Objects that are encrypted with KMS have
// ETags of this form that are none.
func HashETag(etag string) bool {
	if len(etag) != 32 {
		return false
	}
	for i := range len(etag) {
		if c := etag[i]; !(c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F') {
			return false
		}
	}
	return true
}

// ListRequest asks for one page.
type ListRequest struct {
	Prefix     string
	StartAfter string // only keys after this one, in the store's order; used when Token is empty
	Token      string // Next of the page before
	Delimiter  string
	MaxKeys    int // 0: the store's own page size
}

// Page is one page of a listing.
type Page struct {
	Objects  []Object
	Prefixes []string // common prefixes, when a delimiter was asked for
	Next     string   // token of the next page; empty: this is the last
}

// ListTokenError says that a store called a page truncated and gave no way to the next one. It is
// never taken for the end of a listing.
type ListTokenError struct{ Bucket, After string }

func (e *ListTokenError) Error() string {
	return "listing of bucket " + e.Bucket + " was cut off after key " + e.After +
		" without a token for the next page; check the provider setting of this endpoint"
}

// Checksum is a digest that a store keeps with an object.
type Checksum struct {
	Algorithm string // CRC64NVME, CRC32C, CRC32, SHA256, SHA1
	Value     string // base64, as in the S3 protocol
	Composite bool   // a checksum of part checksums: comparable only with equal parts
}

// Headers are the content headers and other attributes that travel with an object.
type Headers struct {
	ContentType, ContentEncoding, ContentLanguage, ContentDisposition string
	CacheControl, Expires, WebsiteRedirect                            string
	Metadata                                                          map[string]string // x-amz-meta-*, names in lower case
}

// Info is what a store says of one object when it is read.
type Info struct {
	Size         int64 // of the whole object, whatever range was read
	ETag         string
	Modified     time.Time
	VersionID    string
	StorageClass string
	Restored     bool
	SSE          string // AES256, aws:kms, aws:kms:dsse or empty
	TagCount     int
	Checksum     Checksum // zero when the store gave none
	Headers      Headers
	DeleteMarker bool
}

// GetRequest reads an object or a range of it.
type GetRequest struct {
	Key       string
	VersionID string
	IfMatch   string // ETag without quotes; empty: whatever is there
	// Offset and Length choose a range in bytes. Length 0 with Offset 0 is the whole object;
	// Length 0 with an offset is everything from there on.
	Offset, Length int64
	// SizeHint is how many bytes to expect, where that is known: large bodies use large buffers.
	SizeHint int64
}

// Body is an open read. The caller closes it.
type Body struct {
	io.ReadCloser
	Info   Info
	Length int64 // bytes that Read will give; -1 when the store did not say
}

// Precondition guards a write. At most one of the fields is set.
type Precondition struct {
	IfMatch  string // the destination object still has this ETag
	IfAbsent bool   // there is no destination object
}

// Attributes are what a new object is written with beside its bytes.
type Attributes struct {
	Headers      Headers
	Tags         map[string]string
	StorageClass string
	ACL          string
	SSE          string
	KMSKeyID     string
}

// PutRequest writes a whole object from a stream of known length.
type PutRequest struct {
	Key        string
	Body       io.Reader
	Size       int64
	Attributes Attributes
	Condition  Precondition

	// CRC64NVME, base64, when it is known before the first byte: the store refuses other content.
	CRC64NVME string
	// ContentMD5, base64, likewise, for stores that keep no CRC.
	ContentMD5 string
	// Trailer is asked for the CRC64NVME (base64) after the last byte, when the endpoint takes trailers.
	Trailer func() string
}

// Written is what a store answers to a finished write.
type Written struct {
	ETag      string
	VersionID string
	Checksum  Checksum
	SSE       string
}

// Part is one uploaded part of a multipart upload.
type Part struct {
	Number    int    // 1..10,000
	ETag      string // without quotes
	Size      int64
	CRC64NVME string // base64; empty where the store keeps none
}

// CopyRequest lets the destination copy an object, or a range of it, by itself.
type CopyRequest struct {
	SourceBucket    string
	SourceKey       string
	SourceVersionID string
	SourceETag      string // copied only while the source still has it
	Key             string
	Condition       Precondition
	Attributes      Attributes
	KeepHeaders     bool // the source's headers and metadata, not those of Attributes
	KeepTags        bool // the source's tags, not those of Attributes

	// Offset and Length choose the range of a part copy, in bytes.
	Offset, Length int64
}

// CompleteRequest turns uploaded parts into an object.
type CompleteRequest struct {
	Key, UploadID string
	Parts         []Part
	Condition     Precondition
	CRC64NVME     string // of the whole object, base64; empty: not stated
}

// Upload is an unfinished multipart upload as a store lists it.
type Upload struct {
	Key, ID   string
	Initiated time.Time
}
