package finder

import (
	"context"
	"fmt"
	"sync"

	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/job"
)

// Extraneous gathers the names of destination objects that have no source, on disk, until the pass is over: only then
// is it known how large a part of the destination they are.
type Extraneous struct {
	mu    sync.Mutex
	names spool
}

// NewExtraneous keeps names in dir; empty is the system's place for temporary files.
func NewExtraneous(dir string) (*Extraneous, error) {
	return &Extraneous{names: spool{dir: dir}}, nil
}

// Close forgets the names.
func (x *Extraneous) Close() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.names.close()
}

// Decide takes the extraneous names of a batch.
func (x *Extraneous) Decide(_ context.Context, batch []diff.Decision) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range batch {
		if batch[i].Kind != diff.Extraneous {
			continue
		}
		if err := x.names.add([]byte(batch[i].Name)); err != nil {
			return err
		}
	}
	return nil
}

// Branch takes the names of one prefix, which count once it is committed.
func (x *Extraneous) Branch() diff.Branch {
	return &extraneousBranch{Extraneous: Extraneous{names: spool{dir: x.names.dir}}, of: x}
}

type extraneousBranch struct {
	Extraneous
	of *Extraneous
}

// Commit adds the branch's names to the others.
func (b *extraneousBranch) Commit(context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.of.mu.Lock()
	defer b.of.mu.Unlock()
	return b.of.names.take(&b.names)
}

// Discard forgets the branch's names.
func (b *extraneousBranch) Discard() {
	_ = b.Close() // the file has no name any more, and nobody reads it
}

// TooManyError says that a pass would delete a larger part of the destination than the job allows. Nothing
// was deleted.
type TooManyError struct {
	Extraneous, Listed int64
	MaxShare           float64
}

// Share is the part of the destination that would be deleted.
func (e *TooManyError) Share() float64 { return float64(e.Extraneous) / float64(max(e.Listed, 1)) }

func (e *TooManyError) Error() string {
	return fmt.Sprintf("deleteExtraneous would delete %d of the destination's %d objects, %.1f %%, more than the %.1f %% that maxDeleteShare allows; "+
		"nothing was deleted. If that is meant, raise maxDeleteShare; if not, check source bucket and prefix",
		e.Extraneous, e.Listed, 100*e.Share(), 100*e.MaxShare)
}

// Send queues the deletions, unless they are too large a part of what was listed at the destination. It is called
// after a pass that succeeded: a listing that failed shows nothing about what is absent.
func (x *Extraneous) Send(ctx context.Context, j *job.Job, listed int64, s *Sender) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	n := x.names.count
	if n == 0 {
		return nil
	}
	if float64(n) > j.MaxDeleteShare*float64(listed) {
		return &TooManyError{n, listed, j.MaxDeleteShare}
	}
	keys := j.KeyMap()
	const batch = 1000
	names := make([]string, 0, batch)
	err := x.names.each(func(name []byte) error {
		if names = append(names, string(name)); len(names) < batch {
			return nil
		}
		err := s.SendDeletes(ctx, keys, names)
		names = names[:0]
		return err
	})
	if err != nil {
		return err
	}
	return s.SendDeletes(ctx, keys, names)
}
