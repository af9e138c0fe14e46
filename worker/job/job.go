// Package job describes one transfer: what a task, a command line or a test asks the engine to do.
//
// A Job is plain data. The plugins' parameter contracts produce it from strings and the engine
// packages read it; nothing here talks to a network.
package job

import "time"

// Job is one configured transfer. The zero value is not valid: use Defaults and fill in both ends.
type Job struct {
	Source      Endpoint
	Destination Endpoint

	Selection Selection

	// StripSourcePrefix removes Source.Prefix from a key before Destination.Prefix is put in front.
	StripSourcePrefix bool

	// SkipCompare queues every selected source object without listing the destination.
	SkipCompare bool

	Compare CompareMode

	IncludeMetadata bool // content headers, website redirect and user metadata
	IncludeTags     bool // object tags (one more read an object that has any)

	Write WriteOptions

	// DeleteExtraneous removes destination objects that are absent at the source, unless their share
	// of all destination objects is above MaxDeleteShare (0..1).
	DeleteExtraneous bool
	MaxDeleteShare   float64

	Mode TransferMode

	// GiantThreshold is the size in bytes from which the fleet shares an object, part by part.
	GiantThreshold int64

	// BytesPerSecond limits the whole fleet; 0 is no limit.
	BytesPerSecond int64

	// Concurrency is the number of transfers at once in one worker; 0 adapts to what the ends bear.
	Concurrency int

	Events EventMode

	ReportBucket, ReportPrefix string
	// ReportAll has reports name every object, also those that both ends agree on.
	ReportAll bool
}

// Deletes reports whether the transfer removes objects at the destination.
func (j *Job) Deletes() bool { return j.DeleteExtraneous || j.Events == EventsCreateAndDelete }

// Endpoint is one end of a transfer.
type Endpoint struct {
	Provider Provider
	Bucket   string
	Prefix   string // literal, not a folder: "data" selects "database/x" too
	Region   string
	URL      string // scheme and host of the service; empty: derived from provider and region
	Access   Access

	// ExpectedOwner is the 12-digit account that must own the bucket; empty skips the check.
	ExpectedOwner string

	// RequesterPays is sent on every call.
	RequesterPays bool
}

// Access says with whose rights an endpoint is used. With the zero value, the identity of the
// process is used: environment, shared configuration, instance role.
type Access struct {
	Anonymous  bool
	Profile    string // named profile of the shared AWS configuration
	Secret     string // name or ARN of a secret that holds the keys as JSON
	RoleARN    string
	ExternalID string
}

// Selection narrows the source. Everything in it applies to source keys.
type Selection struct {
	// Prefixes replaces Endpoint.Prefix when it is not empty. Duplicates and overlaps are merged
	// before anything is listed.
	Prefixes []string

	// PrefixFileBucket and PrefixFileKey name an object with one prefix a line.
	PrefixFileBucket, PrefixFileKey string

	Include, Exclude []string // glob patterns over the whole key; "**" crosses "/"

	MinSize, MaxSize *int64 // bytes, inclusive; nil is no bound

	ModifiedAfter, ModifiedBefore time.Time // exclusive; the zero time is no bound
}

// Filters reports whether the selection can hide a source object that a listing shows.
func (s Selection) Filters() bool {
	return len(s.Include)+len(s.Exclude) > 0 || s.MinSize != nil || s.MaxSize != nil ||
		!s.ModifiedAfter.IsZero() || !s.ModifiedBefore.IsZero()
}

// WriteOptions are the attributes that destination objects are written with. Empty fields leave the choice
// to the destination.
type WriteOptions struct {
	StorageClass string // an S3 storage class, or StorageClassSource
	ACL          string // a canned ACL
	SSE          string // AES256, aws:kms, aws:kms:dsse
	KMSKeyID     string
}

// StorageClassSource keeps the storage class that the object has at the source.
const StorageClassSource = "SOURCE"

// Provider names a kind of object store; its abilities are in package endpoint.
type Provider string

// The providers of the parameter contract.
const (
	AmazonS3     Provider = "Amazon_S3"
	AliyunOSS    Provider = "Aliyun_OSS"
	QiniuKodo    Provider = "Qiniu_Kodo"
	TencentCOS   Provider = "Tencent_COS"
	HuaweiOBS    Provider = "Huawei_OBS"
	GoogleGCS    Provider = "Google_GCS"
	S3Compatible Provider = "S3_Compatible"
)

// CompareMode says what makes two objects of one key different.
type CompareMode string

// The compare modes. CompareSizeETag is the default.
const (
	CompareSize      CompareMode = "size"
	CompareSizeETag  CompareMode = "size_etag"
	CompareSizeMtime CompareMode = "size_mtime"
	CompareChecksum  CompareMode = "checksum"
)

// TransferMode says which way bytes go.
type TransferMode string

// The transfer modes. ModeAuto uses the destination's own copy where its credentials can read the source.
const (
	ModeAuto       TransferMode = "auto"
	ModeStream     TransferMode = "stream"
	ModeServerSide TransferMode = "server_side"
)

// EventMode says which events of the source bucket are followed between passes.
type EventMode string

// The event modes.
const (
	EventsNone            EventMode = "No"
	EventsCreate          EventMode = "Create"
	EventsCreateAndDelete EventMode = "CreateAndDelete"
)

// Sizes with a meaning of their own, in bytes.
const (
	KiB = int64(1) << 10
	MiB = int64(1) << 20
	GiB = int64(1) << 30
	TiB = int64(1) << 40

	DefaultGiantThreshold = GiB
)

// Defaults returns a job with every default of the parameter contract that does not name an end.
func Defaults() Job {
	return Job{
		Source:          Endpoint{Provider: AmazonS3},
		Destination:     Endpoint{Provider: AmazonS3},
		Compare:         CompareSizeETag,
		IncludeMetadata: true,
		MaxDeleteShare:  0.10,
		Mode:            ModeAuto,
		GiantThreshold:  DefaultGiantThreshold,
		Events:          EventsNone,
	}
}
