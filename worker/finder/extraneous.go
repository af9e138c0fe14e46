package finder

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/job"
)

// Extraneous gathers the destination objects that have no source, on disk, until the pass is over: only then
// is it known how large a part of the destination they are.
type Extraneous struct {
	mu    sync.Mutex
	file  *os.File
	w     *bufio.Writer
	enc   *json.Encoder
	count int64
}

// NewExtraneous makes the file in dir; empty is the system's place for temporary files.
func NewExtraneous(dir string) (*Extraneous, error) {
	f, err := os.CreateTemp(dir, "dth-extraneous-")
	if err != nil {
		return nil, fmt.Errorf("a place for the keys to delete: %w", err)
	}
	// The open file is all that is needed; without its name nothing is left behind by a crash.
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	w := bufio.NewWriter(f)
	return &Extraneous{file: f, w: w, enc: json.NewEncoder(w)}, nil
}

// Close forgets the keys.
func (x *Extraneous) Close() error { return x.file.Close() }

// Decide takes the extraneous names of a batch.
func (x *Extraneous) Decide(_ context.Context, batch []diff.Decision) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range batch {
		if batch[i].Kind != diff.Extraneous {
			continue
		}
		if err := x.enc.Encode(batch[i].Name); err != nil {
			return fmt.Errorf("remembering a key to delete: %w", err)
		}
		x.count++
	}
	return nil
}

// TooManyError says that a pass would delete a larger part of the destination than the job allows. Nothing
// was deleted.
type TooManyError struct {
	Extraneous, Listed int64
	MaxShare           float64
}

func (e *TooManyError) Error() string {
	return fmt.Sprintf("deleteExtraneous would delete %d of the destination's %d objects, more than the %.0f %% that maxDeleteShare allows; "+
		"nothing was deleted. If that is meant, raise maxDeleteShare; if not, check source bucket and prefix", e.Extraneous, e.Listed, 100*e.MaxShare)
}

// Send queues the deletions, unless they are too large a part of what was listed.
func (x *Extraneous) Send(ctx context.Context, j *job.Job, listed int64, s *Sender) error {
	if x.count == 0 {
		return nil
	}
	if float64(x.count) > j.MaxDeleteShare*float64(listed) {
		return &TooManyError{x.count, listed, j.MaxDeleteShare}
	}
	if err := x.w.Flush(); err != nil {
		return err
	}
	if _, err := x.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	dec := json.NewDecoder(bufio.NewReader(x.file))
	const batch = 500
	names := make([]string, 0, batch)
	for {
		var name string
		err := dec.Decode(&name)
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("reading back the keys to delete: %w", err)
		}
		if err == nil {
			names = append(names, name)
		}
		if len(names) == batch || err != nil {
			if sendErr := s.SendDeletes(ctx, j.KeyMap(), names); sendErr != nil {
				return sendErr
			}
			names = names[:0]
		}
		if err != nil {
			return nil
		}
	}
}
