package finder

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/queue"
)

// Sender queues a message for every object that is to be copied.
type Sender struct {
	Queue queue.Sender
	RunID string
	// Listed says whether the destination was listed, so that a copy can expect what was seen there.
	Listed bool
	// Room blocks while the queue is fuller than it should be; nil: a queue without bounds.
	Room func(ctx context.Context) error

	sent atomic.Int64
}

// Sent returns the number of queued messages.
func (s *Sender) Sent() int64 { return s.sent.Load() }

// Decide queues the batch's copies. Ranges call it side by side, so many sends are in flight.
func (s *Sender) Decide(ctx context.Context, batch []diff.Decision) error {
	bodies := make([]string, 0, len(batch))
	for i := range batch {
		v := &batch[i]
		if v.Kind != diff.New && v.Kind != diff.Changed {
			continue
		}
		body, err := s.copyMessage(v)
		if err != nil {
			return err
		}
		bodies = append(bodies, body)
	}
	return s.send(ctx, bodies)
}

func (s *Sender) copyMessage(v *diff.Decision) (string, error) {
	m := message.Object{
		Run: s.RunID, Key: v.Source.Key, Size: v.Source.Size, ETag: v.Source.ETag, Modified: v.Source.Modified,
		Op: message.Copy, DestinationSeen: s.Listed, DestinationETag: v.Destination.ETag,
	}
	if v.Source.StorageClass != "STANDARD" {
		m.Class = v.Source.StorageClass
	}
	return m.Encode()
}

func (s *Sender) send(ctx context.Context, bodies []string) error {
	if len(bodies) == 0 {
		return nil
	}
	if s.Room != nil {
		if err := s.Room(ctx); err != nil {
			return err
		}
	}
	if err := s.Queue.Send(ctx, bodies); err != nil {
		return fmt.Errorf("queuing objects: %w", err)
	}
	s.sent.Add(int64(len(bodies)))
	return nil
}

// SendDeletes queues deletions of destination objects by the source keys that they would be copies of.
func (s *Sender) SendDeletes(ctx context.Context, keys job.KeyMap, names []string) error {
	bodies := make([]string, 0, len(names))
	for _, name := range names {
		m := message.Object{Run: s.RunID, Key: keys.Strip + name, Op: message.Delete}
		body, err := m.Encode()
		if err != nil {
			return err
		}
		bodies = append(bodies, body)
	}
	return s.send(ctx, bodies)
}
