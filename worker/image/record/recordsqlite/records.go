// Package recordsqlite keeps the records of images in an SQLite table.
package recordsqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/image/record"
)

const schema = `
CREATE TABLE images (
	task TEXT NOT NULL,
	image TEXT NOT NULL,
	tag TEXT NOT NULL,
	status TEXT NOT NULL,
	doc TEXT NOT NULL,      -- the whole record
	PRIMARY KEY (task, image, tag)
) WITHOUT ROWID;
CREATE INDEX images_by_status ON images (task, status, image, tag);
`

// Records are those of one task. It implements record.Store.
type Records struct {
	db   *sql.DB
	task string
}

var _ record.Store = (*Records)(nil)

// Open opens the records of a task, and makes the table when it is new.
func Open(ctx context.Context, db *sql.DB, task string) (*Records, error) {
	if err := databasesqlite.Migrate(ctx, db, "images", schema); err != nil {
		return nil, err
	}
	return &Records{db, task}, nil
}

// Drop removes the records of a task.
func Drop(ctx context.Context, db *sql.DB, task string) error {
	if err := databasesqlite.Migrate(ctx, db, "images", schema); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, `DELETE FROM images WHERE task = ?`, task); err != nil {
		return fmt.Errorf("removing the records of images: %w", err)
	}
	return nil
}

// Put implements record.Store.
func (r *Records) Put(ctx context.Context, one record.Record) error {
	one.ErrorMessage = record.Bounded(one.ErrorMessage)
	doc, err := json.Marshal(one)
	if err != nil {
		return err
	}
	err = databasesqlite.Do(ctx, r.db, func(tx *sql.Tx) error {
		var there string
		switch err := tx.QueryRowContext(ctx, `SELECT doc FROM images WHERE task = ? AND image = ? AND tag = ?`, r.task, one.Image, one.Tag).Scan(&there); {
		case err == nil:
			if before, err := decode(there); err == nil && before.FinishedAt.After(one.FinishedAt) {
				return nil // one that cannot be read is of no use to anybody, and is replaced
			}
		case !errors.Is(err, sql.ErrNoRows):
			return err
		}
		_, err := tx.ExecContext(ctx, `INSERT OR REPLACE INTO images (task, image, tag, status, doc) VALUES (?, ?, ?, ?, ?)`, r.task, one.Image, one.Tag, string(one.Status), string(doc))
		return err
	})
	if err != nil {
		return fmt.Errorf("writing the record of %s %s: %w", one.Image, one.Tag, err)
	}
	return nil
}

func decode(doc string) (record.Record, error) {
	var r record.Record
	if err := json.Unmarshal([]byte(doc), &r); err != nil {
		return r, fmt.Errorf("a record of an image cannot be read: %w", err)
	}
	return r, nil
}

// Get implements record.Store.
func (r *Records) Get(ctx context.Context, keys []record.Key) (map[record.Key]record.Record, error) {
	all := make(map[record.Key]record.Record)
	err := databasesqlite.Do(ctx, r.db, func(tx *sql.Tx) error {
		for _, k := range keys {
			var doc string
			err := tx.QueryRowContext(ctx, `SELECT doc FROM images WHERE task = ? AND image = ? AND tag = ?`, r.task, k.Image, k.Tag).Scan(&doc)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			if err != nil {
				return err
			}
			if all[k], err = decode(doc); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading records of images: %w", err)
	}
	return all, nil
}

// List implements record.Store.
func (r *Records) List(ctx context.Context, status record.Status, limit int, after string) (record.Page, error) {
	var from [3]string // status, image, tag
	if after != "" {
		if err := json.Unmarshal([]byte(after), &from); err != nil {
			return record.Page{}, fmt.Errorf("%w: %.80q", record.ErrPlace, after)
		}
	}
	rows, err := r.db.QueryContext(ctx, `SELECT doc FROM images WHERE task = ?1 AND (?2 = '' OR status = ?2) AND (status, image, tag) > (?3, ?4, ?5) ORDER BY status, image, tag LIMIT ?6`,
		r.task, string(status), from[0], from[1], from[2], limit+1)
	if err != nil {
		return record.Page{}, fmt.Errorf("listing records of images: %w", err)
	}
	defer rows.Close()
	var p record.Page
	for rows.Next() {
		if len(p.Records) == limit {
			last := p.Records[limit-1]
			next, err := json.Marshal([3]string{string(last.Status), last.Image, last.Tag})
			if err != nil {
				return p, err
			}
			p.Next = string(next)
			break
		}
		var doc string
		if err := rows.Scan(&doc); err != nil {
			return p, err
		}
		one, err := decode(doc)
		if err != nil {
			return p, err
		}
		p.Records = append(p.Records, one)
	}
	return p, rows.Err()
}
