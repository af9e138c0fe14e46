package consume

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/datatransferhub/dth/worker/queue"
)

// leases keeps received messages invisible for as long as they are being worked on.
type leases struct {
	queue queue.Queue
	log   *slog.Logger

	mu   sync.Mutex
	held map[string]*lease // by message id
}

type lease struct {
	message  queue.Message
	received time.Time
	until    time.Time
}

// renewBefore is how long before its end a lease is renewed; checkEvery is how often that is looked at.
const (
	renewBefore = 6 * time.Minute
	checkEvery  = time.Minute
)

func newLeases(q queue.Queue, log *slog.Logger) *leases {
	return &leases{queue: q, log: log, held: make(map[string]*lease)}
}

func (l *leases) add(messages []queue.Message) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range messages {
		l.held[m.ID] = &lease{message: m, received: now, until: now.Add(queue.Visibility)}
	}
}

// remove ends the leases of messages, unless a message was received again meanwhile.
func (l *leases) remove(messages []queue.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range messages {
		if h, ok := l.held[m.ID]; ok && h.message.Receipt == m.Receipt {
			delete(l.held, m.ID)
		}
	}
}

// age returns how long ago a message was received.
func (l *leases) age(m queue.Message) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if h, ok := l.held[m.ID]; ok {
		return time.Since(h.received)
	}
	return 0
}

func (l *leases) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.held)
}

// loop renews leases until ctx ends.
func (l *leases) loop(ctx context.Context) {
	t := time.NewTicker(checkEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			l.renew(ctx, now)
		}
	}
}

func (l *leases) renew(ctx context.Context, now time.Time) {
	due := l.due(now)
	if len(due) == 0 {
		return
	}
	err := l.queue.Extend(ctx, due, queue.Visibility)
	if err != nil {
		l.log.Warn("extending leases failed", "messages", len(due), "error", err)
	}
	failed := map[int]bool{}
	if batch, ok := err.(*queue.BatchError); ok { //nolint:errorlint // the adapter returns it unwrapped
		for _, i := range batch.Failed {
			failed[i] = true
		}
	} else if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, m := range due {
		if h, ok := l.held[m.ID]; ok && !failed[i] {
			h.until = now.Add(queue.Visibility)
		}
	}
}

// due returns the messages whose leases end soon and may still be extended: a queue keeps a message
// invisible for at most twelve hours after its receive.
func (l *leases) due(now time.Time) []queue.Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	var due []queue.Message
	for _, h := range l.held {
		if h.until.Sub(now) < renewBefore && now.Add(queue.Visibility).Sub(h.received) < queue.MaxLease {
			due = append(due, h.message)
		}
	}
	return due
}
