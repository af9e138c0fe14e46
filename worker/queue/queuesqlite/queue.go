// Package queuesqlite is the embedded message queue. It behaves like an SQS standard queue with a dead-letter queue, and
// lives in one SQLite table.
package queuesqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/queue"
)

// The receipt of a message is its row and its lease: every receive begins a new lease, which makes the earlier receipts
// stale. The receive count is another figure, because a lease that a crash cut off is not counted.
const schema = `
CREATE TABLE messages (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	queue INTEGER NOT NULL,
	visible INTEGER NOT NULL,  -- Unix milliseconds from which it can be received
	receives INTEGER NOT NULL DEFAULT 0,
	lease INTEGER NOT NULL DEFAULT 0,
	received INTEGER NOT NULL DEFAULT 0,
	sent INTEGER NOT NULL,
	body TEXT NOT NULL
);
CREATE INDEX messages_visible ON messages (queue, visible);
CREATE TABLE queues (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
`

// Queue is one named queue of a database.
type Queue struct {
	db        *sql.DB
	id        int64
	deadLabel int64
	now       func() time.Time
	length    atomic.Int64

	insert, receive, remove, extend *sql.Stmt

	mu   sync.Mutex
	wake chan struct{} // closed and replaced when something became visible
	dead *Queue
}

// Option changes how a queue is opened.
type Option func(*Queue)

// WithClock replaces the clock.
func WithClock(now func() time.Time) Option { return func(q *Queue) { q.now = now } }

// Open opens the queue of that name and its dead-letter queue, and makes them when they are new.
func Open(ctx context.Context, db *sql.DB, name string, options ...Option) (*Queue, error) {
	if err := databasesqlite.Migrate(ctx, db, "queue", schema); err != nil {
		return nil, err
	}
	dead, err := open(ctx, db, deadName(name), options)
	if err != nil {
		return nil, err
	}
	q, err := open(ctx, db, name, options)
	if err != nil {
		return nil, err
	}
	q.dead, q.deadLabel = dead, dead.id
	return q, nil
}

func open(ctx context.Context, db *sql.DB, name string, options []Option) (*Queue, error) {
	q := &Queue{db: db, now: time.Now, wake: make(chan struct{})}
	for _, o := range options {
		o(q)
	}
	_, err := db.ExecContext(ctx, `INSERT OR IGNORE INTO queues (name) VALUES (?)`, name)
	if err == nil {
		err = db.QueryRowContext(ctx, `SELECT id FROM queues WHERE name = ?`, name).Scan(&q.id)
	}
	var n int64
	if err == nil {
		err = db.QueryRowContext(ctx, `SELECT count(*) FROM messages WHERE queue = ?`, q.id).Scan(&n)
	}
	if err == nil {
		err = q.prepare(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("queue %s: %w", name, err)
	}
	q.length.Store(n)
	return q, nil
}

func (q *Queue) prepare(ctx context.Context) error {
	for _, s := range []struct {
		to  **sql.Stmt
		sql string
	}{
		{&q.insert, `INSERT INTO messages (queue, visible, sent, body) VALUES (?1, ?2, ?2, ?3)`},
		{&q.receive, `UPDATE messages SET visible = ?1, receives = receives + 1, lease = lease + 1, received = ?2
			WHERE id IN (SELECT id FROM messages WHERE queue = ?3 AND visible <= ?2 ORDER BY visible, id LIMIT ?4)
			RETURNING id, receives, lease, sent, body`},
		{&q.remove, `DELETE FROM messages WHERE id = ? AND lease = ? AND queue = ?`},
		{&q.extend, `UPDATE messages SET visible = ?1 WHERE id = ?2 AND lease = ?3 AND queue = ?4 AND visible > ?5 AND received + ?6 >= ?1`},
	} {
		stmt, err := q.db.PrepareContext(ctx, s.sql)
		if err != nil {
			return err
		}
		*s.to = stmt
	}
	return nil
}

// Close closes the prepared statements. The database stays open.
func (q *Queue) Close() error {
	err := errors.Join(q.insert.Close(), q.receive.Close(), q.remove.Close(), q.extend.Close())
	if q.dead != nil {
		err = errors.Join(err, q.dead.Close())
	}
	return err
}

// DeadLetters returns the queue that messages go to after queue.MaxReceives.
func (q *Queue) DeadLetters() *Queue { return q.dead }

// Len returns the number of messages in the queue, visible or not, as far as this Queue has sent and deleted them.
func (q *Queue) Len() int64 { return q.length.Load() }

// Send implements queue.Sender. All bodies are queued or none.
func (q *Queue) Send(ctx context.Context, bodies []string) error {
	now := q.now().UnixMilli()
	err := databasesqlite.Do(ctx, q.db, func(tx *sql.Tx) error {
		insert := tx.StmtContext(ctx, q.insert)
		for _, body := range bodies {
			if _, err := insert.ExecContext(ctx, q.id, now, body); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("sending %d messages: %w", len(bodies), err)
	}
	q.length.Add(int64(len(bodies)))
	q.awake()
	return nil
}

func (q *Queue) awake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	close(q.wake)
	q.wake = make(chan struct{})
}

// Delete implements queue.Queue.
func (q *Queue) Delete(ctx context.Context, messages []queue.Message) error {
	var gone int64
	err := databasesqlite.Do(ctx, q.db, func(tx *sql.Tx) error {
		remove := tx.StmtContext(ctx, q.remove)
		gone = 0
		for i := range messages {
			id, lease, ok := parseReceipt(messages[i].Receipt)
			if !ok {
				continue // no message of this queue, so it is gone from it
			}
			res, err := remove.ExecContext(ctx, id, lease, q.id)
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			gone += n
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("deleting %d messages: %w", len(messages), err)
	}
	q.length.Add(-gone)
	return nil
}

// errStale is why an entry of Extend failed.
var errStale = errors.New("the message is gone, was received again, or would be kept for more than twelve hours")

// Extend implements queue.Queue.
func (q *Queue) Extend(ctx context.Context, messages []queue.Message, d time.Duration) error {
	now := q.now()
	var failed []int
	err := databasesqlite.Do(ctx, q.db, func(tx *sql.Tx) error {
		failed = nil
		extend := tx.StmtContext(ctx, q.extend)
		for i := range messages {
			id, lease, ok := parseReceipt(messages[i].Receipt)
			if !ok {
				failed = append(failed, i)
				continue
			}
			res, err := extend.ExecContext(ctx, now.Add(d).UnixMilli(), id, lease, q.id, now.UnixMilli(), queue.MaxLease.Milliseconds())
			if err != nil {
				return err
			}
			n, err := res.RowsAffected()
			if err != nil {
				return err
			}
			if n == 0 {
				failed = append(failed, i)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("extending %d messages: %w", len(messages), err)
	}
	q.awake()
	if len(failed) > 0 {
		return &queue.BatchError{Op: "extending", Failed: failed, Err: errStale}
	}
	return nil
}

func parseReceipt(receipt string) (id, lease int64, ok bool) {
	a, b, _ := strings.Cut(receipt, "-")
	id, errA := strconv.ParseInt(a, 10, 64)
	lease, errB := strconv.ParseInt(b, 10, 64)
	return id, lease, errA == nil && errB == nil
}

// Depth implements queue.Queue.
func (q *Queue) Depth(ctx context.Context) (queue.Depth, error) {
	var d queue.Depth
	err := q.db.QueryRowContext(ctx, `SELECT
		(SELECT count(*) FROM messages WHERE queue = ?1 AND visible <= ?2),
		(SELECT count(*) FROM messages WHERE queue = ?1 AND visible > ?2)`, q.id, q.now().UnixMilli()).Scan(&d.Visible, &d.InFlight)
	if err != nil {
		return d, fmt.Errorf("depth of the queue: %w", err)
	}
	return d, nil
}

// Purge deletes every message, for a pass that finds anew whatever they asked for.
func (q *Queue) Purge(ctx context.Context) error {
	res, err := q.db.ExecContext(ctx, `DELETE FROM messages WHERE queue = ?`, q.id)
	if err != nil {
		return fmt.Errorf("purging the queue: %w", err)
	}
	n, err := res.RowsAffected()
	q.length.Add(-n)
	return err
}

// ReleaseLeases makes every message visible at once, dead letters too. A process that is alone with its database calls it when it starts:
// whoever held the messages is dead. The receive that was cut off is not counted.
func (q *Queue) ReleaseLeases(ctx context.Context) error {
	now := q.now().UnixMilli()
	_, err := q.db.ExecContext(ctx, `UPDATE messages SET visible = ?1, receives = max(receives - 1, 0) WHERE queue IN (?2, ?3) AND visible > ?1`, now, q.id, q.deadLabel)
	if err != nil {
		return fmt.Errorf("releasing leases: %w", err)
	}
	q.awake()
	if q.dead != nil {
		q.dead.awake()
	}
	return nil
}

// Drop removes the queue of that name and its dead-letter queue with all messages. Nobody may have them open.
func Drop(ctx context.Context, db *sql.DB, name string) error {
	if err := databasesqlite.Migrate(ctx, db, "queue", schema); err != nil {
		return err
	}
	for _, name := range []string{name, deadName(name)} {
		for _, statement := range []string{`DELETE FROM messages WHERE queue IN (SELECT id FROM queues WHERE name = ?)`, `DELETE FROM queues WHERE name = ?`} {
			if _, err := db.ExecContext(ctx, statement, name); err != nil {
				return fmt.Errorf("removing queue %s: %w", name, err)
			}
		}
	}
	return nil
}

func deadName(name string) string { return name + " (dead letters)" }
