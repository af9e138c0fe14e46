package runsqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/run"
)

// PutCheckpoint implements run.Store.
func (s *Runs) PutCheckpoint(ctx context.Context, runID string, doc []byte) error {
	_, err := s.db.ExecContext(ctx, `INSERT OR REPLACE INTO run_checkpoints VALUES (?, ?, ?)`, s.task, runID, doc)
	if err != nil {
		return fmt.Errorf("writing the checkpoint of run %s: %w", runID, err)
	}
	return nil
}

// Checkpoint implements run.Store.
func (s *Runs) Checkpoint(ctx context.Context, runID string) ([]byte, error) {
	var doc []byte
	err := s.db.QueryRowContext(ctx, `SELECT doc FROM run_checkpoints WHERE task = ? AND run = ?`, s.task, runID).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the checkpoint of run %s: %w", runID, err)
	}
	return doc, nil
}

// DeleteCheckpoint implements run.Store.
func (s *Runs) DeleteCheckpoint(ctx context.Context, runID string) error {
	if _, err := s.db.ExecContext(ctx, `DELETE FROM run_checkpoints WHERE task = ? AND run = ?`, s.task, runID); err != nil {
		return fmt.Errorf("deleting the checkpoint of run %s: %w", runID, err)
	}
	return nil
}

// PutAnswer implements run.Store.
func (s *Runs) PutAnswer(ctx context.Context, id string, doc []byte) error {
	if _, err := s.db.ExecContext(ctx, `INSERT OR REPLACE INTO run_answers VALUES (?, ?, ?)`, s.task, id, doc); err != nil {
		return fmt.Errorf("writing the answer to request %s: %w", id, err)
	}
	return nil
}

// Answer implements run.Store.
func (s *Runs) Answer(ctx context.Context, id string) ([]byte, error) {
	var doc []byte
	err := s.db.QueryRowContext(ctx, `SELECT doc FROM run_answers WHERE task = ? AND request = ?`, s.task, id).Scan(&doc)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the answer to request %s: %w", id, err)
	}
	return doc, nil
}

// Lease implements run.Store.
func (s *Runs) Lease(ctx context.Context, name, holder string, now time.Time, ttl time.Duration) (run.Lease, bool, error) {
	var l run.Lease
	var since, until int64
	err := databasesqlite.Do(ctx, s.db, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO run_leases VALUES (?1, ?2, ?3, ?4, ?5)
			ON CONFLICT DO UPDATE SET holder = ?3, until = ?5, since = CASE WHEN holder = ?3 THEN since ELSE ?4 END WHERE holder = ?3 OR until <= ?4`,
			s.task, name, holder, now.UnixNano(), now.Add(ttl).UnixNano())
		if err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT holder, since, until FROM run_leases WHERE task = ? AND name = ?`, s.task, name).Scan(&l.Holder, &since, &until)
	})
	if err != nil {
		return run.Lease{}, false, fmt.Errorf("taking lease %s: %w", name, err)
	}
	l.Since, l.Until = time.Unix(0, since).UTC(), time.Unix(0, until).UTC()
	return l, l.Holder == holder, nil
}

// Unlease implements run.Store.
func (s *Runs) Unlease(ctx context.Context, name, holder string) error {
	if _, err := s.db.ExecContext(ctx, `DELETE FROM run_leases WHERE task = ? AND name = ? AND holder = ?`, s.task, name, holder); err != nil {
		return fmt.Errorf("giving lease %s back: %w", name, err)
	}
	return nil
}

// SetPaused implements run.Store.
func (s *Runs) SetPaused(ctx context.Context, paused bool, now time.Time) error {
	change := `UPDATE run_pauses SET paused = 0, since = ?2 WHERE task = ?1 AND paused = 1`
	if paused {
		change = `INSERT INTO run_pauses VALUES (?1, 1, ?2) ON CONFLICT DO UPDATE SET paused = 1, since = ?2 WHERE paused = 0`
	}
	if _, err := s.db.ExecContext(ctx, change, s.task, now.UnixNano()); err != nil {
		return fmt.Errorf("noting that the task is paused or resumed: %w", err)
	}
	return nil
}

// Pause implements run.Store.
func (s *Runs) Pause(ctx context.Context) (run.Pause, error) {
	var p run.Pause
	var since int64
	err := s.db.QueryRowContext(ctx, `SELECT paused, since FROM run_pauses WHERE task = ?`, s.task).Scan(&p.Paused, &since)
	if errors.Is(err, sql.ErrNoRows) {
		return run.Pause{}, nil
	}
	if err != nil {
		return run.Pause{}, fmt.Errorf("looking whether the task is paused: %w", err)
	}
	p.Since = time.Unix(0, since).UTC()
	return p, nil
}

// Present implements run.Store.
func (s *Runs) Present(ctx context.Context, worker string, now time.Time, ttl time.Duration) (int, error) {
	present := 0
	err := databasesqlite.Do(ctx, s.db, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO run_workers VALUES (?, ?, ?)`, s.task, worker, now.UnixNano()); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM run_workers WHERE task = ? AND at < ?`, s.task, now.Add(-run.Forget*ttl).UnixNano()); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, `SELECT count(*) FROM run_workers WHERE task = ? AND at > ?`, s.task, now.Add(-ttl).UnixNano()).Scan(&present)
	})
	if err != nil {
		return 0, fmt.Errorf("noting that worker %s is at work: %w", worker, err)
	}
	return present, nil
}
