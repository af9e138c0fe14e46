package localsqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/datatransferhub/dth/lambda/local"
	"github.com/datatransferhub/dth/worker/database/databasesqlite"
)

// Measures implements local.Measures. Times are Unix seconds.
type Measures struct{ db *sql.DB }

var _ local.Measures = (*Measures)(nil)

// OpenMeasures opens the measurements of all tasks, and makes their table when it is new.
func OpenMeasures(ctx context.Context, db *sql.DB) (*Measures, error) {
	return &Measures{db}, migrate(ctx, db)
}

// Add implements local.Measures.
func (m *Measures) Add(ctx context.Context, all []local.Measure) error {
	err := databasesqlite.Do(ctx, m.db, func(tx *sql.Tx) error {
		for _, a := range all {
			_, err := tx.ExecContext(ctx, `INSERT INTO measures VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET value = value + excluded.value`,
				a.Task, a.At.Unix(), a.Name, a.Value)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("keeping measurements: %w", err)
	}
	return nil
}

// Sum implements local.Measures.
func (m *Measures) Sum(ctx context.Context, task string, from, to time.Time, step time.Duration) ([]local.Measure, error) {
	seconds := int64(step / time.Second)
	rows, err := m.db.QueryContext(ctx, `SELECT name, at / ?1 * ?1 AS begin, sum(value) FROM measures
		WHERE (task = ?2 OR ?2 = '') AND at >= ?3 AND at < ?4 GROUP BY name, begin ORDER BY name, begin`, seconds, task, from.Unix(), to.Unix())
	if err != nil {
		return nil, fmt.Errorf("reading measurements: %w", err)
	}
	defer rows.Close()
	var all []local.Measure
	for rows.Next() {
		a := local.Measure{Task: task}
		var at int64
		if err := rows.Scan(&a.Name, &at, &a.Value); err != nil {
			return nil, fmt.Errorf("reading measurements: %w", err)
		}
		a.At = time.Unix(at, 0).UTC()
		all = append(all, a)
	}
	return all, rows.Err()
}

// Forget implements local.Measures.
func (m *Measures) Forget(ctx context.Context, task string, before time.Time) error {
	statement, arg := `DELETE FROM measures WHERE at < ?`, any(before.Unix())
	if task != "" {
		statement, arg = `DELETE FROM measures WHERE task = ?`, task
	}
	if _, err := m.db.ExecContext(ctx, statement, arg); err != nil {
		return fmt.Errorf("forgetting measurements: %w", err)
	}
	return nil
}
