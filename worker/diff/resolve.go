package diff

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/store"
)

// byETag decides pairs of one size whose ETags differ. A listing shows neither encryption nor part sizes, and
// the ETag of a multipart or KMS object is no hash, so a difference alone proves nothing: a record of the copy that
// made this destination object from this source object proves that they are the same; two ETags that are
// MD5s prove that they are not; otherwise the times must do.
func (m *merge) byETag(pairs []Decision) error {
	rows, err := m.rows(pairs)
	if err != nil {
		return err
	}
	for _, v := range pairs {
		row, recorded := rows[v.Source.Key]
		switch {
		case v.Source.ETag == v.Destination.ETag && v.Source.ETag != "":
			v.Kind = Same
		case recorded && row.Status == ledger.Done && row.SourceETag == v.Source.ETag && row.DestinationETag == v.Destination.ETag:
			v.Kind = Same
		case newer(&v):
			v.Reason = ByMtime
			if m.comparable(&v) {
				v.Reason = ByETag
			}
		default:
			different, err := m.hashesDiffer(&v)
			if err != nil {
				return err
			}
			v.Reason = ByETag
			if !different {
				v.Kind, v.Reason = Same, ""
				m.byTime++
			}
		}
		if v.Kind == Changed && v.Reason == ByMtime {
			m.byTime++
		}
		if v.Kind == Same {
			err = m.decide(v)
		} else {
			err = m.wanted(v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// rows reads the records of the pairs' keys.
func (m *merge) rows(pairs []Decision) (map[string]ledger.Record, error) {
	if m.d.c.Ledger == nil || len(pairs) == 0 {
		return nil, nil
	}
	keys := make([]string, len(pairs))
	for i := range pairs {
		keys[i] = pairs[i].Source.Key
	}
	rows, err := m.d.c.Ledger.Get(m.ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("reading the ledger: %w", err)
	}
	return rows, nil
}

// comparable reports whether both ETags have the form of an MD5 at ends that are not known to use KMS.
func (m *merge) comparable(v *Decision) bool {
	return !m.d.c.KMS[0] && !m.d.c.KMS[1] && isMD5(v.Source.ETag) && isMD5(v.Destination.ETag)
}

// hashesDiffer reports whether two ETags prove a difference although the destination is the newer one, which
// is how every finished copy looks. One object of each end is read to find out whether its ETags are MD5s at
// all: a store that encrypts gives ETags of the same form.
func (m *merge) hashesDiffer(v *Decision) (bool, error) {
	if !m.comparable(v) {
		return false, nil
	}
	for side, o := range []store.Object{v.Source, v.Destination} {
		md5, err := m.d.etagsAreMD5(m.ctx, side, o)
		if err != nil || !md5 {
			return false, err
		}
	}
	return true, nil
}

// maxTrustSize bounds the object that is read to learn about ETags, in bytes.
const maxTrustSize = 8 << 20

// etagsAreMD5 answers for an end by one object of it, and remembers the answer. Objects that are too large
// to be read for that are believed while nothing is known.
func (d *Differ) etagsAreMD5(ctx context.Context, side int, o store.Object) (bool, error) {
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
	switch {
	case failure.Is(err, failure.NotFound) || failure.Is(err, failure.Changed) || failure.Is(err, failure.AccessDenied):
		return true, nil // says nothing about the end; the next pair may
	case err != nil:
		return false, fmt.Errorf("finding out whether ETags are MD5s: %w", err)
	}
	t.known, t.md5 = true, md5
	return md5, nil
}

func isMD5(etag string) bool {
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

// headsAtOnce bounds the attribute reads of one range.
const headsAtOnce = 16

// byChecksum decides the pairs of which both ends keep a full-object checksum of one algorithm, and returns
// the others.
func (m *merge) byChecksum(pairs []Decision) ([]Decision, error) {
	verdicts := make([]Decision, len(pairs))
	decided := make([]bool, len(pairs))
	g, ctx := errgroup.WithContext(m.ctx)
	g.SetLimit(headsAtOnce)
	for i, v := range pairs {
		g.Go(func() error {
			a, err := m.d.c.Source.Head(ctx, v.Source.Key, "")
			if err != nil {
				return ignoreMissing(err)
			}
			b, err := m.d.c.Destination.Head(ctx, v.Destination.Key, "")
			if err != nil {
				return ignoreMissing(err)
			}
			x, y := a.Checksum, b.Checksum
			if x.Value == "" || x.Algorithm != y.Algorithm || x.Composite || y.Composite {
				return nil
			}
			if v.Kind, v.Reason = Changed, ByChecksum; x.Value == y.Value {
				v.Kind, v.Reason = Same, ""
			}
			verdicts[i], decided[i] = v, true
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var rest []Decision
	for i := range pairs {
		var err error
		switch {
		case !decided[i]:
			rest = append(rest, pairs[i])
		case verdicts[i].Kind == Same:
			err = m.decide(verdicts[i])
		default:
			err = m.wanted(verdicts[i])
		}
		if err != nil {
			return nil, err
		}
	}
	return rest, nil
}

// ignoreMissing lets an object that vanished meanwhile be decided by what was listed: the copy finds out.
func ignoreMissing(err error) error {
	if failure.Is(err, failure.NotFound) {
		return nil
	}
	return err
}
