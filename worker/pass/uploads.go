package pass

import (
	"context"
	"time"

	"github.com/datatransferhub/dth/worker/multipart"
)

// Uploads are the records of open uploads, as far as their progress goes.
type Uploads interface {
	Uploads(ctx context.Context) ([]multipart.Upload, error)
	Parts(ctx context.Context, u multipart.Upload) ([]multipart.Part, error)
}

// UploadProgress returns a function that tells when an open upload last got on; the zero time when none is open.
func UploadProgress(records Uploads) func(ctx context.Context) (time.Time, error) {
	return func(ctx context.Context) (time.Time, error) {
		var last time.Time
		later := func(t time.Time) {
			if t.After(last) {
				last = t
			}
		}
		uploads, err := records.Uploads(ctx)
		if err != nil {
			return last, err
		}
		for _, u := range uploads {
			later(u.Created)
			parts, err := records.Parts(ctx, u)
			if err != nil {
				return last, err
			}
			for _, p := range parts {
				later(p.At)
			}
		}
		return last, nil
	}
}
