package consume

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/datatransferhub/dth/worker/event"
	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/multipart"
	"github.com/datatransferhub/dth/worker/queue"
	"github.com/datatransferhub/dth/worker/run"
	"github.com/datatransferhub/dth/worker/transfer"
)

// DeadLetters says what is needed to read the dead-letter queue of a task.
type DeadLetters struct {
	Queue   queue.Queue // the dead-letter queue
	Ledger  ledger.Ledger
	Runs    run.Store
	Uploads multipart.Records // nil: the task has no giants
	Events  *Events
	Worker  string // names this reader in records; another at every start
	Log     *slog.Logger
	// Quiet is for how long the queue must give nothing before it is taken to be empty; 0 is 2 s.
	Quiet time.Duration
}

// Read turns what is in the dead-letter queue into records, so that nothing ends there unseen, and deletes it. Messages
// that cannot be read have no object that could be on record: they stay, and are counted. A message that was settled
// after all is deleted without more ado.
func (d *DeadLetters) Read(ctx context.Context) (recorded, unreadable int64, err error) {
	if d.Quiet == 0 {
		d.Quiet = 2 * time.Second
	}
	depth, err := d.Queue.Depth(ctx)
	if err != nil {
		return 0, 0, fmt.Errorf("looking into the dead-letter queue: %w", err)
	}
	if depth.Visible == 0 {
		return 0, 0, nil
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	last := time.AfterFunc(d.Quiet, stop) // every message puts it off
	defer last.Stop()
	reading := &lastWord{DeadLetters: d, last: last}
	c := New(Config{
		Queue: &grave{Queue: d.Queue, reading: reading}, Ledger: d.Ledger, Runs: d.Runs, Settler: reading, Worker: d.Worker, Log: d.Log,
		Concurrency: 32, Receivers: 2, ReceiveWait: time.Second, Events: d.Events,
		OnOutcome: func(r ledger.Record) {
			if r.Status == ledger.Failed {
				reading.recorded.Add(1)
			}
		},
	})
	err = c.Run(ctx)
	return reading.recorded.Load(), reading.unreadable.Load(), err
}

// lastWord settles dead letters: by what their last failure was, as far as anybody noted it.
type lastWord struct {
	*DeadLetters
	last                 *time.Timer
	recorded, unreadable atomic.Int64
}

// Reach implements Settler: the endpoints have no part in this.
func (l *lastWord) Reach(context.Context) error { return nil }

var errDead = errors.New("it was received five times, and no worker lived to say how it ended; see the workers' log")

// Settle implements Settler.
func (l *lastWord) Settle(ctx context.Context, m message.Message, _ int) transfer.Outcome {
	dead := &failure.Error{Class: failure.Other, Op: "copy", Err: errDead, Detail: errDead.Error()}
	_, dead.Target = m.Names()
	switch m := m.(type) {
	case message.Object:
		return l.object(ctx, m, dead)
	case message.Part:
		return l.upload(ctx, m.Upload, dead, m.Number)
	case message.Complete:
		return l.upload(ctx, m.Upload, dead, 0)
	case message.Abort:
		return l.upload(ctx, m.Upload, dead, 0)
	}
	return transfer.Outcome{Err: message.ErrUnknown}
}

// object is FAILED unless its record tells an outcome of the same run or of a later one already.
func (l *lastWord) object(ctx context.Context, m message.Object, dead error) transfer.Outcome {
	rows, err := l.Ledger.Get(ctx, []string{m.Key})
	if err != nil {
		return transfer.Outcome{Err: err}
	}
	expect := &ledger.Revision{}
	var found *ledger.Record
	if row, there := rows[m.Key]; there {
		if row.RunID == m.Run && row.Outcome() != string(ledger.InProgress) || m.Sequencer != "" && event.Compare(row.Sequencer, m.Sequencer) >= 0 {
			return transfer.Outcome{Settled: true}
		}
		r := row.Revision()
		expect, found = &r, &row
		if row.FinishedAt.After(m.Modified) && row.Status == ledger.Done && row.SourceETag == m.ETag {
			// Another run has copied it. The message's own run counts it as an object that was there.
			return transfer.Outcome{
				Status: ledger.Done, Method: transfer.MethodNone, Size: row.Size, SourceETag: row.SourceETag, DestinationETag: row.DestinationETag,
				Checksum: row.Checksum, VerifiedBy: row.VerifiedBy, Expect: expect, Found: found, Sequencer: row.Sequencer,
			}
		}
	}
	return transfer.Outcome{Status: ledger.Failed, Err: dead, Size: m.Size, SourceETag: m.ETag, Expect: expect, Found: found, Sequencer: m.Sequencer}
}

// upload is noted as failed, for the controller to end it.
func (l *lastWord) upload(ctx context.Context, u message.Upload, dead error, part int) transfer.Outcome {
	if l.Uploads == nil {
		return transfer.Outcome{Settled: true}
	}
	f := multipart.Failure{Class: string(failure.Other), Text: dead.Error(), Part: part, At: time.Now().UTC().Truncate(time.Millisecond)}
	if err := l.Uploads.FailUpload(ctx, multipart.Upload{SourceKey: u.Key, SourceETag: u.ETag, ID: u.UploadID}, f); err != nil {
		return transfer.Outcome{Err: err}
	}
	return transfer.Outcome{Settled: true}
}

// grave is the dead-letter queue as a consumer sees it: what cannot be read is put back once and not handed out again.
type grave struct {
	queue.Queue
	reading *lastWord
}

// Receive implements queue.Queue.
func (g *grave) Receive(ctx context.Context, limit int, wait time.Duration) ([]queue.Message, error) {
	messages, err := g.Queue.Receive(ctx, limit, wait)
	if len(messages) > 0 {
		g.reading.last.Reset(g.reading.Quiet)
	}
	return messages, err
}

// Extend implements queue.Queue. The consumer makes what it cannot read visible again; here it would be received again
// at once and for ever, so it stays out of sight until the next pass may look at it.
func (g *grave) Extend(ctx context.Context, messages []queue.Message, d time.Duration) error {
	if d < unreadableFor {
		g.reading.unreadable.Add(int64(len(messages)))
		d = unreadableFor
	}
	return g.Queue.Extend(ctx, messages, d)
}

// unreadableFor is how long a dead letter that cannot be read is out of sight after it was looked at.
const unreadableFor = 2 * time.Minute
