package main

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/datatransferhub/dth/worker/consume"
	"github.com/datatransferhub/dth/worker/finder"
	"github.com/datatransferhub/dth/worker/job"
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
	j := p.cfg.Job
	events := &consume.Events{Job: j}
	if events.Filter, err = job.NewFilter(j.Selection); err != nil {
		return 0, 0, err
	}
	if events.Prefixes, err = finder.Prefixes(ctx, j, p.lists); err != nil {
		return 0, 0, err
	}
	reader := consume.DeadLetters{
		Queue: p.dead, Ledger: p.ledger, Runs: p.runs, Uploads: p.uploads, Events: events, Log: p.log,
		// Another name at every start, because the sequence numbers of its records begin anew.
		Worker: fmt.Sprintf("finder-%s-%s", p.holder, time.Now().UTC().Format("20060102T150405.000Z")),
	}
	return reader.Read(ctx)
}
