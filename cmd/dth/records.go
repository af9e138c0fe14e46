package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/ledger/ledgersqlite"
	"github.com/datatransferhub/dth/worker/multipart/multipartsqlite"
	"github.com/datatransferhub/dth/worker/queue/queuesqlite"
	"github.com/datatransferhub/dth/worker/run/runsqlite"
)

// records are the embedded queue and tables of one task.
type records struct {
	db      *sql.DB
	queue   *queuesqlite.Queue
	ledger  *ledgersqlite.Ledger
	runs    *runsqlite.Runs
	uploads *multipartsqlite.Records
	remove  string // folder that goes with the records, when nobody wants to keep them
}

// openRecords opens the records in a file, or in a temporary one when path is empty.
func openRecords(ctx context.Context, path, task string) (*records, error) {
	r := &records{}
	if path == "" {
		dir, err := os.MkdirTemp("", "dth-")
		if err != nil {
			return nil, fmt.Errorf("a place for the records: %w", err)
		}
		r.remove, path = dir, filepath.Join(dir, "records.db")
	}
	var err error
	if r.db, err = databasesqlite.Open(ctx, path); err != nil {
		return nil, errors.Join(err, r.close())
	}
	if err := r.open(ctx, task); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

// open opens the records of a task in the database.
func (r *records) open(ctx context.Context, task string) error {
	var err error
	if r.queue, err = queuesqlite.Open(ctx, r.db, task); err == nil {
		r.ledger, err = ledgersqlite.Open(ctx, r.db, task)
	}
	if err == nil {
		r.runs, err = runsqlite.Open(ctx, r.db, task)
	}
	if err == nil {
		r.uploads, err = multipartsqlite.Open(ctx, r.db, task)
	}
	return err
}

func (r *records) close() error {
	var err error
	if r.db != nil {
		err = r.db.Close()
	}
	if r.remove != "" {
		err = errors.Join(err, os.RemoveAll(r.remove))
	}
	return err
}

// newRunID returns an id that sorts by time and is new at every call.
func newRunID() string {
	return time.Now().UTC().Format("20060102T150405.000000Z")
}
