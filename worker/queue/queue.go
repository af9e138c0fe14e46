// Package queue is the port to the message queue between finder and workers. Its semantics are those of
// Amazon SQS standard queues: at least once, no order, a visibility time-out, a receive count and a
// dead-letter queue. queueaws and queuesqlite are the adapters; queuetest holds the suite both pass.
package queue

import (
	"context"
	"fmt"
	"time"
)

// The figures of the plugin's queue; an embedded queue uses the same.
const (
	Visibility  = 15 * time.Minute // after which a message that nobody deleted is seen again
	MaxReceives = 5                // after which it goes to the dead-letter queue
	Retention   = 14 * 24 * time.Hour
	// MaxLease is how long after its receive a message can be kept by extending it (SQS quota).
	MaxLease = 12 * time.Hour
)

// Message is a received message. Only the receipt of the latest receive can delete or extend it.
type Message struct {
	ID       string
	Receipt  string
	Body     string
	Receives int // this receive included; 1 at first
	Sent     time.Time
}

// Depth is an estimate of what a queue holds.
type Depth struct {
	Visible  int64
	InFlight int64 // received and not yet deleted or timed out
	Delayed  int64
}

// Sender puts messages into a queue.
type Sender interface {
	// Send queues every body or returns an error. Calls are split into batches of the size the
	// queue takes, and entries that it refuses for a while are sent again; when some stay
	// refused, the error is a *BatchError whose Failed are indexes into bodies.
	Send(ctx context.Context, bodies []string) error
}

// Queue is a message queue as a worker uses it.
type Queue interface {
	Sender

	// Receive returns between 0 and limit messages, waiting up to wait for the first. An adapter may
	// return fewer than limit although more are there (SQS: ten a call).
	Receive(ctx context.Context, limit int, wait time.Duration) ([]Message, error)

	// Delete removes messages for good. Deleting one that is gone is no error. Per-entry failures
	// are retried, then reported as *BatchError.
	Delete(ctx context.Context, messages []Message) error

	// Extend makes messages invisible for d from now; 0 hands them back at once. A message that
	// is gone or whose receipt is stale is reported in a *BatchError.
	Extend(ctx context.Context, messages []Message, d time.Duration) error

	Depth(ctx context.Context) (Depth, error)
}

// BatchError names the entries of a batch call that failed although they were retried.
type BatchError struct {
	Op     string
	Failed []int // indexes into the slice that the caller gave
	Err    error // why the first of them failed
}

func (e *BatchError) Error() string {
	return fmt.Sprintf("%s: %d of the batch's entries failed, the first with: %v", e.Op, len(e.Failed), e.Err)
}

func (e *BatchError) Unwrap() error { return e.Err }
