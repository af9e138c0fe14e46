package localsqlite

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/datatransferhub/dth/lambda/local"
)

// Requests implements local.Requests.
type Requests struct{ db *sql.DB }

var _ local.Requests = (*Requests)(nil)

// OpenRequests opens the requests of all tasks, and makes their table when it is new.
func OpenRequests(ctx context.Context, db *sql.DB) (*Requests, error) {
	return &Requests{db}, migrate(ctx, db)
}

// Add implements local.Requests.
func (s *Requests) Add(ctx context.Context, r local.Request) error {
	res, err := s.db.ExecContext(ctx, `INSERT OR IGNORE INTO requests (id, task, kind, body, asked) VALUES (?, ?, ?, ?, ?)`,
		r.ID, r.Task, r.Kind, []byte(r.Body), r.Asked.UnixNano())
	if err != nil {
		return fmt.Errorf("keeping request %s: %w", r.ID, err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		return err
	}
	there, err := s.Get(ctx, r.ID)
	if err == nil && (there.Task != r.Task || there.Kind != r.Kind || !bytes.Equal(there.Body, r.Body)) {
		err = local.ErrOther
	}
	return err
}

const columns = `SELECT id, task, kind, body, asked, done, answer FROM requests `

// Get implements local.Requests.
func (s *Requests) Get(ctx context.Context, id string) (local.Request, error) {
	r, err := s.one(ctx, columns+`WHERE id = ?`, id)
	if err == nil && r.ID == "" {
		err = local.ErrNoRequest
	}
	return r, err
}

// Next implements local.Requests.
func (s *Requests) Next(ctx context.Context, task string, kind local.RequestKind) (local.Request, error) {
	return s.one(ctx, columns+`WHERE NOT done AND kind = ? AND (task = ? OR ? = '') ORDER BY asked, id LIMIT 1`, kind, task, task)
}

func (s *Requests) one(ctx context.Context, query string, args ...any) (local.Request, error) {
	var r local.Request
	var asked int64
	var body, answer []byte
	err := s.db.QueryRowContext(ctx, query, args...).Scan(&r.ID, &r.Task, &r.Kind, &body, &asked, &r.Done, &answer)
	if errors.Is(err, sql.ErrNoRows) {
		return local.Request{}, nil
	}
	if err != nil {
		return local.Request{}, fmt.Errorf("reading requests: %w", err)
	}
	r.Asked, r.Body, r.Answer = time.Unix(0, asked).UTC(), body, answer
	return r, nil
}

// Tell implements local.Requests.
func (s *Requests) Tell(ctx context.Context, id string, answer json.RawMessage) error {
	return s.set(ctx, id, `UPDATE requests SET answer = ? WHERE id = ?`, []byte(answer), id)
}

// Done implements local.Requests.
func (s *Requests) Done(ctx context.Context, id string, answer json.RawMessage) error {
	return s.set(ctx, id, `UPDATE requests SET done = 1, answer = ? WHERE id = ?`, []byte(answer), id)
}

func (s *Requests) set(ctx context.Context, id, statement string, args ...any) error {
	if _, err := s.db.ExecContext(ctx, statement, args...); err != nil {
		return fmt.Errorf("answering request %s: %w", id, err)
	}
	return nil
}

// Forget implements local.Requests.
func (s *Requests) Forget(ctx context.Context, task string) error {
	for _, statement := range []string{`DELETE FROM requests WHERE task = ?`, `DELETE FROM positions WHERE task = ?`} {
		if _, err := s.db.ExecContext(ctx, statement, task); err != nil {
			return fmt.Errorf("forgetting the requests of task %q: %w", task, err)
		}
	}
	return nil
}
