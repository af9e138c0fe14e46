// Package multipartsqlite keeps the records of unfinished uploads in SQLite tables.
package multipartsqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/multipart"
)

const schema = `
CREATE TABLE upload_intents (task TEXT NOT NULL, key TEXT NOT NULL, at INTEGER NOT NULL, worker TEXT NOT NULL, PRIMARY KEY (task, key)) WITHOUT ROWID;
CREATE TABLE uploads (task TEXT NOT NULL, key TEXT NOT NULL, etag TEXT NOT NULL, id TEXT NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (task, key, etag)) WITHOUT ROWID;
CREATE TABLE upload_parts (task TEXT NOT NULL, upload TEXT NOT NULL, number INTEGER NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (task, upload, number)) WITHOUT ROWID;
`

// Records keeps the uploads of one task.
type Records struct {
	db   *sql.DB
	task string
}

// schemaIntents gives each attempt an intent of its own.
const schemaIntents = `
CREATE TABLE upload_intents_2 (task TEXT NOT NULL, key TEXT NOT NULL, id TEXT NOT NULL, at INTEGER NOT NULL, worker TEXT NOT NULL, PRIMARY KEY (task, key, id)) WITHOUT ROWID;
INSERT INTO upload_intents_2 SELECT task, key, '', at, worker FROM upload_intents;
DROP TABLE upload_intents;
ALTER TABLE upload_intents_2 RENAME TO upload_intents;
`

// Open opens the uploads of a task, and makes the tables when they are new.
func Open(ctx context.Context, db *sql.DB, task string) (*Records, error) {
	if err := databasesqlite.Migrate(ctx, db, "multipart", schema, schemaIntents); err != nil {
		return nil, err
	}
	return &Records{db, task}, nil
}

// PutIntent implements multipart.Records.
func (s *Records) PutIntent(ctx context.Context, i multipart.Intent) error {
	_, err := s.db.ExecContext(ctx, `INSERT OR REPLACE INTO upload_intents (task, key, id, at, worker) VALUES (?, ?, ?, ?, ?)`, s.task, i.DestinationKey, i.ID, i.At.UnixMilli(), i.Worker)
	return err
}

// DeleteIntent implements multipart.Records.
func (s *Records) DeleteIntent(ctx context.Context, i multipart.Intent) error {
	_, err := s.db.ExecContext(ctx, `DELETE FROM upload_intents WHERE task = ? AND key = ? AND id = ?`, s.task, i.DestinationKey, i.ID)
	return err
}

// Intents implements multipart.Records.
func (s *Records) Intents(ctx context.Context) ([]multipart.Intent, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT key, id, at, worker FROM upload_intents WHERE task = ? ORDER BY key, id`, s.task)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []multipart.Intent
	for rows.Next() {
		var i multipart.Intent
		var at int64
		if err := rows.Scan(&i.DestinationKey, &i.ID, &at, &i.Worker); err != nil {
			return nil, err
		}
		i.At = time.UnixMilli(at).UTC()
		out = append(out, i)
	}
	return out, rows.Err()
}

// PutUpload implements multipart.Records.
func (s *Records) PutUpload(ctx context.Context, u multipart.Upload) (multipart.Upload, error) {
	doc, err := json.Marshal(u)
	if err != nil {
		return u, err
	}
	recorded := u
	err = databasesqlite.Do(ctx, s.db, func(tx *sql.Tx) error {
		res, err := tx.ExecContext(ctx, `INSERT OR IGNORE INTO uploads VALUES (?, ?, ?, ?, ?)`, s.task, u.SourceKey, u.SourceETag, u.ID, string(doc))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 1 {
			return err
		}
		if recorded, err = scanUpload(tx.QueryRowContext(ctx, `SELECT doc FROM uploads WHERE task = ? AND key = ? AND etag = ?`, s.task, u.SourceKey, u.SourceETag)); err != nil {
			return err
		}
		if recorded.ID == u.ID {
			return nil
		}
		return multipart.ErrExists
	})
	if err != nil && !errors.Is(err, multipart.ErrExists) {
		return u, fmt.Errorf("recording the upload of %s: %w", u.SourceKey, err)
	}
	return recorded, err
}

func scanUpload(row *sql.Row) (multipart.Upload, error) {
	var doc string
	var u multipart.Upload
	if err := row.Scan(&doc); err != nil {
		return u, err
	}
	err := json.Unmarshal([]byte(doc), &u)
	return u, err
}

// GetUpload implements multipart.Records.
func (s *Records) GetUpload(ctx context.Context, key, etag string) (multipart.Upload, bool, error) {
	u, err := scanUpload(s.db.QueryRowContext(ctx, `SELECT doc FROM uploads WHERE task = ? AND key = ? AND etag = ?`, s.task, key, etag))
	if errors.Is(err, sql.ErrNoRows) {
		return u, false, nil
	}
	return u, err == nil, err
}

// Uploads implements multipart.Records.
func (s *Records) Uploads(ctx context.Context) ([]multipart.Upload, error) {
	return documents[multipart.Upload](ctx, s.db, `SELECT doc FROM uploads WHERE task = ? ORDER BY key, etag`, s.task)
}

// DeleteUpload implements multipart.Records.
func (s *Records) DeleteUpload(ctx context.Context, u multipart.Upload) error {
	return databasesqlite.Do(ctx, s.db, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM uploads WHERE task = ? AND key = ? AND etag = ? AND id = ?`, s.task, u.SourceKey, u.SourceETag, u.ID)
		if err == nil {
			_, err = tx.ExecContext(ctx, `DELETE FROM upload_parts WHERE task = ? AND upload = ?`, s.task, u.ID)
		}
		return err
	})
}

// FailUpload implements multipart.Records.
func (s *Records) FailUpload(ctx context.Context, u multipart.Upload, f multipart.Failure) error {
	return s.change(ctx, u, func(stored *multipart.Upload) {
		if stored.Failure == nil {
			stored.Failure = &f
		}
	})
}

// AskUpload implements multipart.Records.
func (s *Records) AskUpload(ctx context.Context, u multipart.Upload, at time.Time) error {
	return s.change(ctx, u, func(stored *multipart.Upload) { stored.Asked = at.UTC() })
}

// change alters an upload's record, if it is still there.
func (s *Records) change(ctx context.Context, u multipart.Upload, f func(*multipart.Upload)) error {
	err := databasesqlite.Do(ctx, s.db, func(tx *sql.Tx) error {
		stored, err := scanUpload(tx.QueryRowContext(ctx, `SELECT doc FROM uploads WHERE task = ? AND key = ? AND etag = ? AND id = ?`,
			s.task, u.SourceKey, u.SourceETag, u.ID))
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		f(&stored)
		doc, err := json.Marshal(stored)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE uploads SET doc = ? WHERE task = ? AND key = ? AND etag = ?`, string(doc), s.task, u.SourceKey, u.SourceETag)
		return err
	})
	if err != nil {
		return fmt.Errorf("noting the state of the upload of %s: %w", u.SourceKey, err)
	}
	return nil
}

// PutPart implements multipart.Records.
func (s *Records) PutPart(ctx context.Context, u multipart.Upload, p multipart.Part) (multipart.Recorded, error) {
	out := multipart.Recorded{Part: p}
	doc, err := json.Marshal(p)
	if err != nil {
		return out, err
	}
	err = databasesqlite.Do(ctx, s.db, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT OR IGNORE INTO upload_parts VALUES (?, ?, ?, ?)`, s.task, u.ID, p.Number, string(doc)); err != nil {
			return err
		}
		var kept string
		if err := tx.QueryRowContext(ctx, `SELECT doc FROM upload_parts WHERE task = ? AND upload = ? AND number = ?`, s.task, u.ID, p.Number).Scan(&kept); err != nil {
			return err
		}
		var there int
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM upload_parts WHERE task = ? AND upload = ?`, s.task, u.ID).Scan(&there); err != nil {
			return err
		}
		out.All = there == u.Parts
		return json.Unmarshal([]byte(kept), &out.Part)
	})
	if err != nil {
		return out, fmt.Errorf("recording part %d: %w", p.Number, err)
	}
	return out, nil
}

// Parts implements multipart.Records.
func (s *Records) Parts(ctx context.Context, u multipart.Upload) ([]multipart.Part, error) {
	return documents[multipart.Part](ctx, s.db, `SELECT doc FROM upload_parts WHERE task = ? AND upload = ? ORDER BY number`, s.task, u.ID)
}

func documents[T any](ctx context.Context, db *sql.DB, statement string, args ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, statement, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		var doc string
		var v T
		if err := rows.Scan(&doc); err != nil {
			return nil, err
		}
		if err := json.Unmarshal([]byte(doc), &v); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// Drop removes everything that is on record of a task's uploads.
func Drop(ctx context.Context, db *sql.DB, task string) error {
	if _, err := Open(ctx, db, task); err != nil {
		return err
	}
	for _, table := range []string{"upload_intents", "uploads", "upload_parts"} {
		if _, err := db.ExecContext(ctx, `DELETE FROM `+table+` WHERE task = ?`, task); err != nil {
			return fmt.Errorf("removing the uploads of %s: %w", task, err)
		}
	}
	return nil
}
