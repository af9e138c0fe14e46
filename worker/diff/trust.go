package diff

import (
	"context"
	"fmt"
	"sync"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/store"
)

// maxTrustSize bounds the object that is read to learn about ETags, in bytes.
const maxTrustSize = 8 << 20

// trust remembers whether the ETags of an end are MD5s.
type trust struct {
	mu    sync.Mutex
	known bool
	md5   bool
}

// etagsAreHashes reports whether the ETags of both ends are MD5s. ETags of objects that are encrypted with KMS have the same
// form, and a listing does not tell.
func (d *Differ) etagsAreHashes(ctx context.Context, v *Decision) (bool, error) {
	for side, o := range []store.Object{v.Source, v.Destination} {
		md5, err := d.trustsETag(ctx, side, o)
		if err != nil || !md5 {
			return false, err
		}
	}
	return true, nil
}

// trustsETag answers for an end by reading one object of it, and remembers the answer for the pass. An object that is too
// large for that, or that cannot be read, is believed while nothing is known.
func (d *Differ) trustsETag(ctx context.Context, side int, o store.Object) (bool, error) {
	if d.c.ETagIsMD5 == nil {
		return true, nil
	}
	t := &d.trust[side]
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.known || o.Size > maxTrustSize || o.Archived() {
		return t.md5 || !t.known, nil
	}
	md5, err := d.c.ETagIsMD5(ctx, side, o)
	switch failure.ClassOf(err) {
	case failure.None:
		t.known, t.md5 = true, md5
		return md5, nil
	case failure.NotFound, failure.Changed, failure.AccessDenied, failure.Archived:
		return true, nil // says nothing about the end; the next pair may
	}
	return false, fmt.Errorf("finding out whether ETags are MD5s: %w", err)
}
