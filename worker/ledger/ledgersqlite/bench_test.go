package ledgersqlite_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/ledger/ledgersqlite"
)

// BenchmarkPutBatch writes new records in batches of 200, nearly in key order, into a table that grows.
func BenchmarkPutBatch(b *testing.B) {
	ctx := b.Context()
	db, err := databasesqlite.Open(ctx, filepath.Join(b.TempDir(), "l.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	l, err := ledgersqlite.Open(ctx, db, "task")
	if err != nil {
		b.Fatal(err)
	}
	const batch = 200
	n := int64(0)
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	b.ReportAllocs()
	for i := 0; i < b.N; i += batch {
		puts := make([]ledger.Put, batch)
		for j := range puts {
			n++
			puts[j].Record = ledger.Record{
				Key: fmt.Sprintf("photos/2026/01/%08d.jpg", n), Status: ledger.Done, Size: 4096, SourceETag: "d41d8cd98f00b204e9800998ecf8427e",
				DestinationETag: "d41d8cd98f00b204e9800998ecf8427e", Checksum: "rosUhgp5mIg=", VerifiedBy: "crc64nvme", RunID: "20260101T000000.000000Z",
				Attempts: 1, Method: "stream", StartedAt: at, FinishedAt: at.Add(time.Second), Bytes: 4096, Worker: "host-123", Seq: n,
			}
		}
		rand.Shuffle(batch, func(a, b int) { puts[a], puts[b] = puts[b], puts[a] })
		outcomes, err := l.PutBatch(ctx, puts)
		if err != nil || outcomes[0].Err != nil {
			b.Fatal(err)
		}
	}
}
