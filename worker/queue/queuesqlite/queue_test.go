package queuesqlite_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/queue"
	"github.com/datatransferhub/dth/worker/queue/queuesqlite"
	"github.com/datatransferhub/dth/worker/queue/queuetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func database(t *testing.T) *sql.DB {
	t.Helper()
	db, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "queue.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// clock is a clock that tests set forward.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time         { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) elapse(d time.Duration) { c.ahead.Add(int64(d)) }

func open(t *testing.T, db *sql.DB, name string, c *clock) *queuesqlite.Queue {
	t.Helper()
	q, err := queuesqlite.Open(t.Context(), db, name, queuesqlite.WithClock(c.now))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	return q
}

func TestContract(t *testing.T) {
	queuetest.Run(t, func(t *testing.T) queuetest.Fixture {
		var c clock
		q := open(t, database(t), "q", &c)
		return queuetest.Fixture{Queue: q, Dead: q.DeadLetters(), Visibility: queue.Visibility, Elapse: c.elapse}
	})
}

func receive(t *testing.T, q *queuesqlite.Queue, n int) []queue.Message {
	t.Helper()
	m, err := q.Receive(t.Context(), 100, 0)
	if err != nil || len(m) != n {
		t.Fatalf("received %d messages, want %d; %v", len(m), n, err)
	}
	return m
}

func TestLeaseEndsAfterTwelveHoursWhateverIsExtended(t *testing.T) {
	var c clock
	q := open(t, database(t), "q", &c)
	if err := q.Send(t.Context(), []string{"m"}); err != nil {
		t.Fatal(err)
	}
	m := receive(t, q, 1)
	for held := time.Duration(0); held < queue.MaxLease-queue.Visibility; held += queue.Visibility / 2 {
		if err := q.Extend(t.Context(), m, queue.Visibility); err != nil {
			t.Fatalf("after %v: %v", held, err)
		}
		c.elapse(queue.Visibility / 2)
	}
	c.elapse(queue.Visibility / 4)
	var failed *queue.BatchError
	if err := q.Extend(t.Context(), m, queue.Visibility); !errors.As(err, &failed) {
		t.Errorf("beyond twelve hours: %v", err)
	}
}

func TestQueuesOfOneDatabaseAreApart(t *testing.T) {
	var c clock
	db := database(t)
	a, b := open(t, db, "a", &c), open(t, db, "b", &c)
	if err := a.Send(t.Context(), []string{"for a"}); err != nil {
		t.Fatal(err)
	}
	receive(t, b, 0)
	m := receive(t, a, 1)
	if err := b.Delete(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if a.Len() != 1 || b.Len() != 0 {
		t.Errorf("lengths are %d and %d", a.Len(), b.Len())
	}
	if d, err := a.Depth(t.Context()); err != nil || d.InFlight != 1 {
		t.Errorf("a receipt of one queue deleted by another: %+v, %v", d, err)
	}
}

func TestReleaseLeasesAfterACrash(t *testing.T) {
	var c clock
	db := database(t)
	q := open(t, db, "q", &c)
	if err := q.Send(t.Context(), []string{"a", "b"}); err != nil {
		t.Fatal(err)
	}
	receive(t, q, 2)
	restarted := open(t, db, "q", &c)
	receive(t, restarted, 0)
	if err := restarted.ReleaseLeases(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, m := range receive(t, restarted, 2) {
		if m.Receives != 1 {
			t.Errorf("the receive that was cut off is counted: %d", m.Receives)
		}
	}
}

func TestReceiptsOfBeforeAReleaseAreStale(t *testing.T) {
	var c clock
	q := open(t, database(t), "q", &c)
	if err := q.Send(t.Context(), []string{"a"}); err != nil {
		t.Fatal(err)
	}
	old := receive(t, q, 1)
	if err := q.ReleaseLeases(t.Context()); err != nil {
		t.Fatal(err)
	}
	receive(t, q, 1)
	if err := q.Delete(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	if q.Len() != 1 {
		t.Error("an old receipt deleted a message that somebody else holds")
	}
}

func TestDeadLettersDoNotHideOtherMessages(t *testing.T) {
	var c clock
	q := open(t, database(t), "q", &c)
	if err := q.Send(t.Context(), []string{"poison"}); err != nil {
		t.Fatal(err)
	}
	for range queue.MaxReceives {
		receive(t, q, 1)
		c.elapse(queue.Visibility)
	}
	if err := q.Send(t.Context(), []string{"healthy"}); err != nil {
		t.Fatal(err)
	}
	m, err := q.Receive(t.Context(), 1, 0)
	if err != nil || len(m) != 1 || m[0].Body != "healthy" {
		t.Errorf("received %v, %v", m, err)
	}
	if q.Len() != 1 || q.DeadLetters().Len() != 1 {
		t.Errorf("lengths are %d and %d", q.Len(), q.DeadLetters().Len())
	}
}

func TestReceiveWakesWhenALeaseEnds(t *testing.T) {
	var c clock
	q := open(t, database(t), "q", &c)
	if err := q.Send(t.Context(), []string{"m"}); err != nil {
		t.Fatal(err)
	}
	m := receive(t, q, 1)
	if err := q.Extend(t.Context(), m, 50*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if again, err := q.Receive(ctx, 1, time.Hour); err != nil || len(again) != 1 {
		t.Errorf("received %d messages, %v", len(again), err)
	}
}

func TestPurge(t *testing.T) {
	var c clock
	q := open(t, database(t), "q", &c)
	if err := q.Send(t.Context(), []string{"a", "b"}); err != nil {
		t.Fatal(err)
	}
	if err := q.Purge(t.Context()); err != nil || q.Len() != 0 {
		t.Errorf("%d messages are left, %v", q.Len(), err)
	}
	receive(t, q, 0)
}

func TestFullDiskIsAnError(t *testing.T) {
	var c clock
	db := database(t)
	q := open(t, db, "q", &c)
	if _, err := db.ExecContext(t.Context(), `PRAGMA max_page_count = 20`); err != nil {
		t.Fatal(err)
	}
	large := make([]string, 100)
	for i := range large {
		large[i] = string(make([]byte, 4096))
	}
	if err := q.Send(t.Context(), large); !databasesqlite.IsFull(err) {
		t.Errorf("the error is %v", err)
	}
	if q.Len() != 0 {
		t.Errorf("%d messages are counted although none was written", q.Len())
	}
	if err := q.Send(t.Context(), []string{"small"}); err != nil {
		t.Errorf("after the failure: %v", err)
	}
}
