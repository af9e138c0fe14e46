package queuesqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"time"

	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/queue"
)

// Receive implements queue.Queue.
func (q *Queue) Receive(ctx context.Context, limit int, wait time.Duration) ([]queue.Message, error) {
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for {
		q.mu.Lock()
		wake := q.wake
		q.mu.Unlock()
		messages, spent, err := q.take(ctx, limit)
		if err != nil || len(messages) > 0 || wait <= 0 && !spent {
			return messages, err
		}
		if spent {
			continue // behind the dead letters there may be others
		}
		next, err := q.untilNext(ctx)
		if err != nil {
			return nil, err
		}
		appear := time.NewTimer(next)
		select {
		case <-wake:
		case <-appear.C:
		case <-deadline.C:
			wait = 0
		case <-ctx.Done():
			appear.Stop()
			return nil, ctx.Err()
		}
		appear.Stop()
	}
}

// take receives what is visible, and moves to the dead letters what was received too often; moved says that it did.
func (q *Queue) take(ctx context.Context, limit int) (out []queue.Message, moved bool, err error) {
	now := q.now()
	var spent []queue.Message
	err = databasesqlite.Do(ctx, q.db, func(tx *sql.Tx) error {
		received, err := q.received(ctx, tx, now, limit)
		if err != nil {
			return err
		}
		out, spent = nil, nil
		for _, m := range received {
			if q.dead != nil && m.Receives > queue.MaxReceives {
				spent = append(spent, m)
			} else {
				out = append(out, m)
			}
		}
		for _, m := range spent {
			if _, err := tx.ExecContext(ctx, `UPDATE messages SET queue = ?, visible = ?, receives = 0 WHERE id = ?`, q.deadLabel, now.UnixMilli(), m.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, false, fmt.Errorf("receiving: %w", err)
	}
	if len(spent) > 0 {
		q.length.Add(-int64(len(spent)))
		q.dead.length.Add(int64(len(spent)))
		q.dead.awake()
	}
	return out, len(spent) > 0, nil
}

func (q *Queue) received(ctx context.Context, tx *sql.Tx, now time.Time, limit int) ([]queue.Message, error) {
	rows, err := tx.StmtContext(ctx, q.receive).QueryContext(ctx, now.Add(queue.Visibility).UnixMilli(), now.UnixMilli(), q.id, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []queue.Message
	for rows.Next() {
		var id, lease, sent int64
		var m queue.Message
		if err := rows.Scan(&id, &m.Receives, &lease, &sent, &m.Body); err != nil {
			return nil, err
		}
		m.ID = strconv.FormatInt(id, 10)
		m.Receipt = m.ID + "-" + strconv.FormatInt(lease, 10)
		m.Sent = time.UnixMilli(sent).UTC()
		out = append(out, m)
	}
	return out, rows.Err()
}

// untilNext returns how long it is until the next message becomes visible, at least a millisecond.
func (q *Queue) untilNext(ctx context.Context) (time.Duration, error) {
	var at sql.NullInt64
	if err := q.db.QueryRowContext(ctx, `SELECT min(visible) FROM messages WHERE queue = ?`, q.id).Scan(&at); err != nil {
		return 0, fmt.Errorf("receiving: %w", err)
	}
	if !at.Valid {
		return time.Hour, nil
	}
	return max(time.UnixMilli(at.Int64).Sub(q.now()), time.Millisecond), nil
}
