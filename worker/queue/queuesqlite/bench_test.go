package queuesqlite_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/queue/queuesqlite"
)

// BenchmarkMessage is the whole life of a message of usual length, in batches of 100: sent, received, deleted. Half a
// million others stay in the queue, as behind a finder that is ahead of its workers.
func BenchmarkMessage(b *testing.B) {
	ctx := b.Context()
	db, err := databasesqlite.Open(ctx, filepath.Join(b.TempDir(), "q.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	q, err := queuesqlite.Open(ctx, db, "q")
	if err != nil {
		b.Fatal(err)
	}
	const batch = 100
	n := 0
	send := func() {
		bodies := make([]string, batch)
		for i := range bodies {
			n++
			bodies[i] = fmt.Sprintf(`{"v":1,"kind":"object","run":"20260101T000000.000000Z","key":"%s/%08d","size":4096,"etag":"d41d8cd98f00b204e9800998ecf8427e","op":"copy"}`, strings.Repeat("x", 40), n)
		}
		if err := q.Send(ctx, bodies); err != nil {
			b.Fatal(err)
		}
	}
	for range 2000 {
		send()
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += batch {
		send()
		messages, err := q.Receive(ctx, batch, 0)
		if err != nil || len(messages) != batch {
			b.Fatalf("%d messages, %v", len(messages), err)
		}
		if err := q.Delete(ctx, messages); err != nil {
			b.Fatal(err)
		}
	}
}
