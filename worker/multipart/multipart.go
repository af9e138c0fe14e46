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
}

// Part is an uploaded part.
type Part struct {
	Number    int
	ETag      string
	CRC64NVME string // base64; empty where the destination keeps none
	Size      int64
}

// ErrExists is returned by PutUpload when an upload for the same key and source ETag is recorded.
var ErrExists = errors.New("an upload of this object is already recorded")

// Records keeps intents, uploads and parts.
type Records interface {
	// PutIntent writes or replaces the intent of a destination key. Times have millisecond precision.
	PutIntent(ctx context.Context, i Intent) error
	// DeleteIntent forgets an intent. One that is gone is no error.
	DeleteIntent(ctx context.Context, destinationKey string) error
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

	// PutPart records a part. Recording a number again keeps the first record and returns it.
	PutPart(ctx context.Context, u Upload, p Part) (Part, error)
	// Parts returns the recorded parts in number order.
	Parts(ctx context.Context, u Upload) ([]Part, error)
}
