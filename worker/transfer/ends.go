// Package transfer brings one object into agreement: it chooses the way (server-side, one stream, parts),
// keeps versions apart with preconditions, resumes broken reads, and proves what it wrote by checksum.
package transfer

import (
	"context"
	"io"

	"github.com/datatransferhub/dth/worker/store"
)

// Source is the end that objects are read from. Errors are classed (package failure).
type Source interface {
	Head(ctx context.Context, key, versionID string) (store.Info, error)
	// Get opens an object or a range. A precondition that fails is of class Changed. A store may
	// ignore preconditions, so the caller compares the ETag of the answer too.
	Get(ctx context.Context, r store.GetRequest) (*store.Body, error)
	Tags(ctx context.Context, key, versionID string) (map[string]string, error)
	Name() string
}

// Destination is the end that objects are written to. A precondition that fails is of class Conflict.
type Destination interface {
	Head(ctx context.Context, key, versionID string) (store.Info, error)
	// Put has stopped reading the body when it returns.
	Put(ctx context.Context, r store.PutRequest) (store.Written, error)
	Delete(ctx context.Context, key string) error

	Copy(ctx context.Context, r store.CopyRequest) (store.Written, error)
	CopyPart(ctx context.Context, r store.CopyRequest, uploadID string, number int) (store.Part, error)

	CreateUpload(ctx context.Context, key string, a store.Attributes) (string, error)
	// UploadPart has stopped reading the body when it returns. trailer is asked for the CRC64NVME of
	// the part after its last byte, where the store takes trailers.
	UploadPart(ctx context.Context, key, uploadID string, number int, body io.Reader, size int64, trailer func() string) (store.Part, error)
	CompleteUpload(ctx context.Context, r store.CompleteRequest) (store.Written, error)
	// AbortUpload of an upload that is gone is no error.
	AbortUpload(ctx context.Context, key, uploadID string) error
	Parts(ctx context.Context, key, uploadID string) ([]store.Part, error)
	Uploads(ctx context.Context, key string) ([]store.Upload, error)

	// Checksums reports whether the store is known to keep and check CRC64NVME.
	Checksums() bool
	// Conditions reports whether the store honours preconditions on writes, as far as is known.
	Conditions() bool
}
