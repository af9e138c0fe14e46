package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/datatransferhub/dth/worker/retry"
)

// Position keeps how far a file was read.
type Position interface {
	// Load returns what Store kept; zeros when there is nothing.
	Load(ctx context.Context) (Offset, error)
	Store(ctx context.Context, o Offset) error
}

// Offset is a place in a file. Begin holds the file's first bytes, by which another file of the same name is told apart.
type Offset struct {
	Begin string
	Bytes int64
}

// beginning is how many bytes tell one file from another: more than one event message differs in.
const beginning = 512

// feedBatch bounds how many messages are queued before the position is kept.
const feedBatch = 1000

// feed brings new lines of the task's event file into its queue, as a queue service would deliver them: at least once. The
// position is kept after the messages are queued. A file that is shorter than it was, or begins with something else, is
// read from its beginning.
func (s *Stack) feed(ctx context.Context) {
	if s.Task.Events.File == "" || s.Position == nil {
		return
	}
	failed := ""
	for ctx.Err() == nil {
		n, err := s.feedOnce(ctx)
		if err != nil && ctx.Err() == nil && err.Error() != failed {
			failed = err.Error()
			s.Log.Warn("reading events failed; it is tried again", "file", s.Task.Events.File, "error", err)
		}
		if n == feedBatch {
			continue // there is more
		}
		if retry.Sleep(ctx, min(s.Beat, time.Second)) != nil {
			return
		}
	}
}

func (s *Stack) feedOnce(ctx context.Context) (queued int, err error) {
	at, err := s.Position.Load(ctx)
	if err != nil {
		return 0, fmt.Errorf("where reading stopped: %w", err)
	}
	f, err := os.Open(s.Task.Events.File)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil // nobody has written any event yet
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	begin := make([]byte, beginning)
	n, err := f.ReadAt(begin, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if info.Size() < at.Bytes || !strings.HasPrefix(string(begin[:n]), at.Begin) {
		at = Offset{} // another file, or one that was cut
	}
	bodies, read, err := lines(f, at.Bytes)
	if err != nil || read == 0 {
		return 0, err
	}
	if len(bodies) > 0 {
		if err := s.Queue.Send(ctx, bodies); err != nil {
			return 0, err
		}
	}
	at.Bytes += read
	at.Begin = string(begin[:min(int64(n), at.Bytes)])
	return len(bodies), s.Position.Store(ctx, at)
}

// maxEvent bounds a line: SQS takes messages of 1 MiB.
const maxEvent = 1 << 20

// lines returns whole lines from a place on, and how many bytes they take. A line without an end is still being written.
func lines(f io.ReaderAt, from int64) (bodies []string, read int64, err error) {
	r := bufio.NewReaderSize(io.NewSectionReader(f, from, 1<<62-from), 64<<10)
	for len(bodies) < feedBatch {
		line, err := r.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return bodies, read, nil
		}
		if err != nil {
			return nil, 0, err
		}
		read += int64(len(line))
		if body := strings.TrimSpace(line); body != "" && len(body) <= maxEvent {
			bodies = append(bodies, body)
		}
	}
	return bodies, read, nil
}
