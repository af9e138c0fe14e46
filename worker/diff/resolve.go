package diff

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/store"
)

// resolve decides the pairs that sizes and times alone do not.
func (m *merge) resolve() error {
	if len(m.pending) == 0 {
		return nil
	}
	pairs := m.pending
	m.pending = nil
	if m.d.c.Job.Compare == job.CompareChecksum {
		var err error
		if pairs, err = m.byChecksum(pairs); err != nil {
			return err
		}
	}
	return m.byETag(pairs)
}

// byETag decides pairs of one size. A listing shows neither encryption nor part sizes, and the ETag of a multipart or
// KMS object is no hash, so a difference alone proves nothing: a record of the copy that made this destination
// object from this source object proves that they are the same; two ETags that are hashes prove that they
// are not; otherwise the times must do.
func (m *merge) byETag(pairs []Decision) error {
	rows, err := m.rows(pairs)
	if err != nil {
		return err
	}
	for _, v := range pairs {
		row := rows[v.Source.Key]
		switch {
		case sameETag(v.Source.ETag, v.Destination.ETag):
			v.Kind = Same
		case row.Status == ledger.Done && row.SourceETag == v.Source.ETag && row.DestinationETag == v.Destination.ETag:
			v.Kind = Same
		case row.Status == ledger.Done && row.DestinationETag == v.Destination.ETag && row.SourceETag != "":
			v.Reason = ByETag // what lies there is the copy of another version
		default:
			if err := m.unrecorded(&v); err != nil {
				return err
			}
		}
		if err := m.wanted(v); err != nil {
			return err
		}
	}
	return nil
}

// unrecorded decides a pair of which no record tells.
func (m *merge) unrecorded(v *Decision) error {
	hashes := m.comparable(v)
	if hashes && !newer(v) {
		// The destination is the newer one, as every finished copy is. Before the difference of two ETags
		// is believed, one object of each end shows whether its ETags are hashes at all.
		var err error
		if hashes, err = m.d.etagsAreHashes(m.ctx, v); err != nil {
			return err
		}
	}
	switch {
	case hashes:
		v.Reason = ByETag
	case newer(v):
		v.Kind, v.Reason = Changed, ByMtime
		m.byTime++
	default:
		v.Kind, v.Reason = Same, ""
		m.byTime++
	}
	return nil
}

// rows reads the records of the pairs whose ETags differ.
func (m *merge) rows(pairs []Decision) (map[string]ledger.Record, error) {
	if m.d.c.Ledger == nil {
		return nil, nil
	}
	keys := make([]string, 0, len(pairs))
	for i := range pairs {
		if !sameETag(pairs[i].Source.ETag, pairs[i].Destination.ETag) {
			keys = append(keys, pairs[i].Source.Key)
		}
	}
	if len(keys) == 0 {
		return nil, nil
	}
	rows, err := m.d.c.Ledger.Get(m.ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("reading the ledger rows of %d objects: %w", len(keys), err)
	}
	return rows, nil
}

// sameETag reports whether two ETags are the same. Some stores write their hashes in capitals.
func sameETag(a, b string) bool {
	return a != "" && (a == b || store.HashETag(a) && store.HashETag(b) && strings.EqualFold(a, b))
}

// comparable reports whether both ETags have the form of an MD5 at ends that are not known to use KMS.
func (m *merge) comparable(v *Decision) bool {
	return !m.d.c.KMS[0] && !m.d.c.KMS[1] && store.HashETag(v.Source.ETag) && store.HashETag(v.Destination.ETag)
}

// headsAtOnce bounds the attribute reads of one range, of each end.
const headsAtOnce = 16

// byChecksum decides the pairs of which both ends keep a full-object checksum of one algorithm, and returns
// the others.
func (m *merge) byChecksum(pairs []Decision) ([]Decision, error) {
	decided := make([]bool, len(pairs))
	if m.d.c.Source != nil && m.d.c.Destination != nil {
		g, ctx := errgroup.WithContext(m.ctx)
		g.SetLimit(headsAtOnce)
		for i := range pairs {
			g.Go(func() (err error) {
				decided[i], err = m.d.compareChecksums(ctx, &pairs[i])
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return nil, err
		}
	}
	var rest []Decision
	for i := range pairs {
		if !decided[i] {
			rest = append(rest, pairs[i])
			continue
		}
		if err := m.wanted(pairs[i]); err != nil {
			return nil, err
		}
	}
	m.noChecksum += int64(len(rest))
	return rest, nil
}

// compareChecksums decides a pair by its checksums; false when they do not tell.
func (d *Differ) compareChecksums(ctx context.Context, v *Decision) (bool, error) {
	a, ok, err := checksumOf(ctx, d.c.Source, &v.Source)
	if !ok || err != nil {
		return false, err
	}
	b, ok, err := checksumOf(ctx, d.c.Destination, &v.Destination)
	if !ok || err != nil || a.Algorithm != b.Algorithm {
		return false, err
	}
	if v.Kind, v.Reason = Changed, ByChecksum; a.Value == b.Value {
		v.Kind, v.Reason = Same, ""
	}
	return true, nil
}

// checksumOf reads the full-object checksum of a listed object. An object that vanished or changed since it was listed
// is decided by what was listed: the copy finds out.
func checksumOf(ctx context.Context, h Header, o *store.Object) (store.Checksum, bool, error) {
	info, err := h.Head(ctx, o.Key, "")
	if failure.Is(err, failure.NotFound) {
		return store.Checksum{}, false, nil
	}
	if err != nil {
		return store.Checksum{}, false, fmt.Errorf("reading the checksum of %s: %w", o.Key, err)
	}
	c := info.Checksum
	return c, c.Value != "" && !c.Composite && info.ETag == o.ETag, nil
}
