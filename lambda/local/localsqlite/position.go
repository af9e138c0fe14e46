// Package localsqlite keeps in the local database what the hub on one machine knows beside queue and tables.
package localsqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/datatransferhub/dth/lambda/local"
	"github.com/datatransferhub/dth/worker/database/databasesqlite"
)

// Position implements local.Position for one task.
type Position struct {
	db   *sql.DB
	task string
}

// OpenPosition opens the position of a task, and makes its table when that is new.
func OpenPosition(ctx context.Context, db *sql.DB, task string) (*Position, error) {
	return &Position{db: db, task: task}, migrate(ctx, db)
}

func migrate(ctx context.Context, db *sql.DB) error {
	return databasesqlite.Migrate(ctx, db, "local",
		`CREATE TABLE positions (task TEXT PRIMARY KEY, begin BLOB NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID`,
		`CREATE TABLE requests (id TEXT PRIMARY KEY, task TEXT NOT NULL, kind TEXT NOT NULL, body BLOB, asked INTEGER NOT NULL /* Unix nanoseconds */,
			done INTEGER NOT NULL DEFAULT 0, answer BLOB) WITHOUT ROWID;
		CREATE INDEX requests_open ON requests (kind, asked) WHERE NOT done`,
		`CREATE TABLE measures (task TEXT NOT NULL, at INTEGER NOT NULL /* Unix seconds, of a minute */, name TEXT NOT NULL, value REAL NOT NULL,
			PRIMARY KEY (task, at, name)) WITHOUT ROWID;
		CREATE INDEX measures_at ON measures (at)`)
}

// Load implements local.Position.
func (p *Position) Load(ctx context.Context) (local.Offset, error) {
	var o local.Offset
	var begin []byte
	err := p.db.QueryRowContext(ctx, `SELECT begin, bytes FROM positions WHERE task = ?`, p.task).Scan(&begin, &o.Bytes)
	if errors.Is(err, sql.ErrNoRows) {
		return local.Offset{}, nil
	}
	if err != nil {
		return o, fmt.Errorf("position in the event file of task %q: %w", p.task, err)
	}
	o.Begin = string(begin)
	return o, nil
}

// Store implements local.Position.
func (p *Position) Store(ctx context.Context, o local.Offset) error {
	_, err := p.db.ExecContext(ctx, `INSERT OR REPLACE INTO positions VALUES (?, ?, ?)`, p.task, []byte(o.Begin), o.Bytes)
	if err != nil {
		return fmt.Errorf("position in the event file of task %q: %w", p.task, err)
	}
	return nil
}
