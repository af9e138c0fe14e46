package transfer_test

import (
	"context"
	"io"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datatransferhub/dth/worker/database/databasesqlite"
	"github.com/datatransferhub/dth/worker/endpoint"
	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/multipart"
	"github.com/datatransferhub/dth/worker/multipart/multipartsqlite"
	"github.com/datatransferhub/dth/worker/store"
	"github.com/datatransferhub/dth/worker/transfer"
)

// source is an end with one object, which others may overwrite or delete.
type source struct {
	transfer.Source
	etag atomic.Value // "": it is gone
	size int64
}

func (s *source) Head(context.Context, string, string) (store.Info, error) {
	etag := s.etag.Load().(string)
	if etag == "" {
		return store.Info{}, &failure.Error{Class: failure.NotFound, Op: "HeadObject"}
	}
	return store.Info{ETag: etag, Size: s.size}, nil
}

func (*source) Tags(context.Context, string, string) (map[string]string, error) { return nil, nil }
func (*source) Name() string                                                    { return "src" }

// destination is an end that takes uploads.
type destination struct {
	transfer.Destination
	created, aborted atomic.Int64
	copyPart         func(number int) error
}

func (d *destination) CreateUpload(context.Context, string, store.Attributes) (string, error) {
	d.created.Add(1)
	return "upload", nil
}

func (d *destination) AbortUpload(context.Context, string, string) error {
	d.aborted.Add(1)
	return nil
}

func (d *destination) CopyPart(_ context.Context, _ store.CopyRequest, _ string, number int) (store.Part, error) {
	return store.Part{Number: number, ETag: "p"}, d.copyPart(number)
}

func (*destination) UploadPart(context.Context, string, string, int, io.Reader, int64, func() string) (store.Part, error) {
	return store.Part{}, &failure.Error{Class: failure.Other, Op: "UploadPart"}
}
func (*destination) Checksums() bool  { return true }
func (*destination) Conditions() bool { return true }

// records are a ledger with one record.
type records struct{ row *ledger.Record }

func (r *records) Get(context.Context, []string) (map[string]ledger.Record, error) {
	if r.row == nil {
		return nil, nil
	}
	return map[string]ledger.Record{"k": *r.row}, nil
}

func uploads(t *testing.T) *multipartsqlite.Records {
	t.Helper()
	db, err := databasesqlite.Open(t.Context(), filepath.Join(t.TempDir(), "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	r, err := multipartsqlite.Open(t.Context(), db, "task")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func capable() endpoint.Capabilities {
	var c endpoint.Capabilities
	c.LargestObject.Value, c.MaxParts.Value = 5<<40, 10_000
	return c
}

// One request of a copy within the destination names both ends: when it is refused because of the source, the upload ends at once
// and not after a day.
func TestSourceThatGoesUnderAServerSideCopy(t *testing.T) {
	for name, c := range map[string]struct {
		class failure.Class
		now   string
		want  func(transfer.Outcome) bool
	}{
		"vanishes": {failure.NotFound, "", func(o transfer.Outcome) bool { return o.Status == ledger.Gone }},
		"changes":  {failure.Conflict, "newer", func(o transfer.Outcome) bool { return o.Again != nil && o.Again.ETag == "newer" }},
	} {
		t.Run(name, func(t *testing.T) {
			src := &source{size: 6 << 30}
			src.etag.Store("e")
			dst := &destination{}
			dst.copyPart = func(number int) error {
				if number < 3 {
					return nil
				}
				src.etag.Store(c.now)
				return &failure.Error{Class: c.class, Op: "UploadPartCopy"}
			}
			j := job.Defaults()
			j.Mode = job.ModeServerSide
			up := uploads(t)
			copier := transfer.New(transfer.Config{
				Job: &j, Source: src, Destination: dst, SourceCan: capable(), DestCan: capable(), Shared: true, Uploads: up, Ledger: &records{}, Backoff: time.Millisecond,
			})
			out := copier.Settle(t.Context(), message.Object{Run: "run", Key: "k", Size: src.size, ETag: "e", Op: message.Copy}, 1)
			if !c.want(out) {
				t.Errorf("%+v", out)
			}
			if open, err := up.Uploads(t.Context()); err != nil || len(open) != 0 || dst.created.Load() != 1 || dst.aborted.Load() != 1 {
				t.Errorf("%d uploads are on record, %d of %d were aborted, %v", len(open), dst.aborted.Load(), dst.created.Load(), err)
			}
		})
	}
}

// Which upload a record speaks of is told by the upload's id. The clocks of the two machines that wrote the upload and the record
// may be apart by anything.
func TestWhoBeganAGiantIsNoMatterOfClocks(t *testing.T) {
	for _, skew := range []time.Duration{-time.Hour, 0, time.Hour} {
		for upload, parts := range map[string]int{"upload": 0, "another": 16} {
			src := &source{size: 1 << 30}
			src.etag.Store("e")
			j := job.Defaults()
			j.Mode = job.ModeStream
			j.GiantThreshold = 1 << 30
			up := uploads(t)
			created := time.Now().UTC()
			if _, err := up.PutUpload(t.Context(), multipart.Upload{
				SourceKey: "k", SourceETag: "e", DestinationKey: "k", ID: "upload", Size: src.size, PartSize: 64 << 20, Parts: 16, RunID: "run", Created: created, Giant: true,
			}); err != nil {
				t.Fatal(err)
			}
			row := &ledger.Record{Key: "k", Status: ledger.InProgress, SourceETag: "e", RunID: "run", Upload: upload, FinishedAt: created.Add(skew), Worker: "w", Seq: 1}
			copier := transfer.New(transfer.Config{
				Job: &j, Source: src, Destination: &destination{}, SourceCan: capable(), DestCan: capable(), Uploads: up, Ledger: &records{row}, Fleet: true,
			})
			out := copier.Settle(t.Context(), message.Object{Run: "run", Key: "k", Size: src.size, ETag: "e", Op: message.Copy}, 1)
			if len(out.Follow) != parts || out.Settled != (parts == 0) {
				t.Errorf("clocks %s apart, the record speaks of %q: %d parts are sent, settled %t, %v", skew, upload, len(out.Follow), out.Settled, out.Err)
			}
		}
	}
}

// An old event is dropped when a newer one was answered. A deletion that lost its condition is not: it may have deleted what the
// newer one had copied.
func TestLookOfADeletionIsNeverTooOld(t *testing.T) {
	src := &source{size: 5}
	src.etag.Store("e")
	j := job.Defaults()
	row := &ledger.Record{Key: "k", Status: ledger.Done, SourceETag: "e", RunID: "events", Sequencer: "0B", Worker: "w", Seq: 1}
	copier := transfer.New(transfer.Config{Job: &j, Source: src, Destination: &destination{}, SourceCan: capable(), DestCan: capable(), Ledger: &records{row}})
	m := message.Object{Run: "events", Key: "k", Op: message.Delete, Sequencer: "0A"}
	if out := copier.Settle(t.Context(), m, 1); !out.Settled {
		t.Errorf("the event: %+v", out)
	}
	m.Look = true
	if out := copier.Settle(t.Context(), m, 1); out.Again == nil || out.Again.Op != message.Copy || !out.Again.Look {
		t.Errorf("the look: %+v", out)
	}
}
