// Package multipart is the port to the records of unfinished multipart uploads, so that a crash costs no
// finished part and leaves no upload behind. multipartaws (DynamoDB) and multipartsqlite are the
// adapters; multiparttest holds the suite both pass.
package multipart

import (
	"context"
	"errors"
	"time"
)

// Intent says that somebody is about to create an upload for a destination key. It is written before
// the call, so that an upload which was created but never recorded can be found and aborted.
type Intent struct {
	DestinationKey string
	ID             string // of this attempt: another one of the same object has an intent of its own
	At             time.Time
	Worker         string
}

// Upload is a recorded multipart upload of one version of one source object.
type Upload struct {
	SourceKey      string
	SourceETag     string
	DestinationKey string
	ID             string // the destination's UploadId
	Size           int64
	PartSize       int64
	Parts          int
	RunID          string
	Created        time.Time
	// Checksums says that the upload was created with CRC64NVME, so that its parts carry one each.
	Checksums bool

	// Giant says that the parts are messages, for every worker of the fleet. The fields below are used by giants only:
	// what began the upload is not at hand when another worker completes it.
	Giant     bool
	VersionID string // of the source
	Modified  time.Time
	Again     int // how often the object was begun anew because it changed
	// DestinationSeen and DestinationETag are the condition under which the object is written: see message.Object.
	DestinationSeen bool
	DestinationETag string
	// Failure is why the upload cannot be completed; nil while nothing is known against it.
	Failure *Failure
	// Asked is when the controller last sent the message that ends the upload; zero before.
	Asked time.Time
}

// Failure is why a giant cannot be completed.
type Failure struct {
	Class string // a class of package failure
	Text  string
	Part  int
	At    time.Time
}

// Part is an uploaded part.
type Part struct {
	Number    int
	ETag      string
	CRC64NVME string // base64; empty where the destination keeps none
	Size      int64
	At        time.Time // when it was recorded, in milliseconds
}

// Recorded is what PutPart found.
type Recorded struct {
	Part Part // as it is on record: of an earlier attempt, if there was one
	All  bool // every part of the upload is on record now
}

// ErrExists is returned by PutUpload when an upload for the same key and source ETag is recorded.
var ErrExists = errors.New("an upload of this object is already recorded")

// Records keeps intents, uploads and parts.
type Records interface {
	// PutIntent writes an intent, or replaces the one of the same destination key and id. Times have millisecond precision.
	PutIntent(ctx context.Context, i Intent) error
	// DeleteIntent forgets an intent. One that is gone is no error.
	DeleteIntent(ctx context.Context, i Intent) error
	// Intents returns all intents, in no order.
	Intents(ctx context.Context) ([]Intent, error)

	// PutUpload records an upload unless one of the same source key and ETag is there: then the
	// recorded one is returned with ErrExists. Recording the same upload (by ID) again is no error.
	PutUpload(ctx context.Context, u Upload) (Upload, error)
	// GetUpload returns the recorded upload of this source key and ETag; false when there is none.
	GetUpload(ctx context.Context, sourceKey, sourceETag string) (Upload, bool, error)
	// Uploads returns all recorded uploads, in no order.
	Uploads(ctx context.Context) ([]Upload, error)
	// DeleteUpload forgets an upload and its parts, and nothing of another upload of the same
	// object. One that is gone is no error.
	DeleteUpload(ctx context.Context, u Upload) error

	// FailUpload notes why an upload cannot be completed. The first reason stays. An upload that is gone is no error.
	FailUpload(ctx context.Context, u Upload, f Failure) error
	// AskUpload notes when the message that ends an upload was sent. An upload that is gone is no error.
	AskUpload(ctx context.Context, u Upload, at time.Time) error

	// PutPart records a part, in one write. Recording a number again keeps the first record and returns it. Of the
	// upload, keys, ETag, ID and the number of parts are looked at, and it need not be on record.
	PutPart(ctx context.Context, u Upload, p Part) (Recorded, error)
	// Parts returns the recorded parts in number order.
	Parts(ctx context.Context, u Upload) ([]Part, error)
}
