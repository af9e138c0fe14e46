package main

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/datatransferhub/dth/worker/giant"
	"github.com/datatransferhub/dth/worker/pass"
	"github.com/datatransferhub/dth/worker/queue/queueaws"
)

// openDeadLetters opens the dead-letter queue, where the stack has one.
func (p *program) openDeadLetters(ctx context.Context, cfg aws.Config) error {
	if p.cfg.DeadLetterQueueURL == "" {
		return nil
	}
	var err error
	p.dead, err = queueaws.Open(ctx, cfg, p.cfg.DeadLetterQueueURL, queueaws.Options{})
	return err
}

// deadLetters puts on record what lies in the dead-letter queue.
func (p *program) deadLetters(ctx context.Context) (recorded, unreadable int64, err error) {
	if p.dead == nil {
		return 0, 0, nil
	}
	return pass.DeadLetters{
		Job: p.cfg.Job, PrefixFile: p.lists, Queue: p.dead, Ledger: p.ledger, Runs: p.runs, Uploads: p.uploads, Holder: p.holder, Log: p.log,
	}.Read(ctx)
}

// sweep aborts uploads that workers created and died before recording.
func (p *program) sweep(ctx context.Context) (int, error) {
	return giant.Sweep(ctx, p.uploads, p.destination, time.Now().Add(-giant.SweepAfter))
}
