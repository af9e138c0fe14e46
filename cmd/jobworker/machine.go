package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/datatransferhub/dth/worker/consume"
	"github.com/datatransferhub/dth/worker/notice"
	"github.com/datatransferhub/dth/worker/notice/noticeaws"
	"github.com/datatransferhub/dth/worker/retry"
)

// machine is the instance that the worker runs on, which may go away.
type machine struct {
	metadata, group, hook string
	every                 time.Duration
}

func (m *machine) flags(fs *flag.FlagSet) {
	fs.StringVar(&m.metadata, "metadata", "auto", "whether the end of this EC2 instance is watched for: auto or off")
	fs.StringVar(&m.group, "auto-scaling-group", "", "the group that this instance belongs to")
	fs.StringVar(&m.hook, "lifecycle-hook", "", "the group's hook for terminations, which waits until this worker has drained")
	fs.DurationVar(&m.every, "notice-every", 5*time.Second, "how often the end of this instance is looked for; 1s..1m")
}

func (m *machine) check() error {
	switch {
	case m.metadata != "auto" && m.metadata != "off":
		return fmt.Errorf("--metadata: %q: allowed are auto and off", m.metadata)
	case (m.group == "") != (m.hook == ""):
		return errors.New("--auto-scaling-group and --lifecycle-hook are given together or not at all")
	case m.every < time.Second || m.every > time.Minute:
		return fmt.Errorf("--notice-every: %s: allowed is 1s to 1m", m.every)
	}
	return nil
}

// instance is the machine as its worker sees it; *noticeaws.Machine is one.
type instance interface {
	notice.Source
	Waits() bool
	Heartbeat(ctx context.Context) error
	Release(ctx context.Context) error
}

// untilTaken runs work, and ends it as SIGTERM would when the machine is to go away. A group that waits is kept waiting
// until work has drained, and then told to go on. The end of a machine is no error.
func (m *machine) untilTaken(ctx context.Context, cfg aws.Config, log *slog.Logger, work func(context.Context) error) error {
	if m.metadata == "off" {
		return work(ctx)
	}
	return m.until(ctx, noticeaws.Open(cfg, m.group, m.hook), log, work)
}

func (m *machine) until(ctx context.Context, here instance, log *slog.Logger, work func(context.Context) error) error {
	// Whoever is started again on a machine that it has left shall not receive anything.
	if n := first(ctx, here); n.Ends() {
		log.Warn("this machine is taken away; the worker does not begin", "by", n.Kind, "at", n.At)
		return release(ctx, here, n.Kind, log)
	}
	inner, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	drained := make(chan struct{})
	var taken *notice.Notice
	var watch sync.WaitGroup
	watch.Go(func() {
		if taken = notice.Watch(inner, here, m.every, log); taken == nil {
			return
		}
		log.Warn("this machine is taken away; the worker drains", "by", taken.Kind, "at", taken.At)
		stop(&consume.Leaving{Why: string(taken.Kind), By: taken.At})
		if taken.Kind == notice.Scaling && here.Waits() {
			hold(ctx, here, drained, log)
		}
	})
	err := work(inner)
	close(drained)
	stop(nil)
	watch.Wait()
	if taken == nil || err != nil {
		return err
	}
	log.Info("the worker has drained; the machine may go")
	return release(context.WithoutCancel(ctx), here, taken.Kind, log)
}

// firstLook bounds the look before anything else: where nobody answers, the worker begins a little later for it.
const firstLook = 2 * time.Second

func first(ctx context.Context, here notice.Source) *notice.Notice {
	ctx, cancel := context.WithTimeout(ctx, firstLook)
	defer cancel()
	n, err := here.Look(ctx)
	if err != nil {
		return nil // looked at again, and said, by who watches
	}
	return n
}

// release tells a group that waits to go on. A machine that is interrupted goes whatever the group says.
func release(ctx context.Context, here instance, kind notice.Kind, log *slog.Logger) error {
	if !here.Waits() {
		return nil
	}
	policy := retry.Calls()
	if kind == notice.Spot {
		policy.Attempts = 2
	}
	err := policy.Do(ctx, func() error { return here.Release(ctx) })
	if err != nil && kind == notice.Spot {
		log.Warn("the group was not told that the worker has drained", "error", err)
		return nil
	}
	return err
}

// heartbeat is well below the shortest time-out that a hook may have, which is 30 seconds.
const heartbeat = 20 * time.Second

// hold asks the group for more time until the worker has drained.
func hold(ctx context.Context, here instance, drained <-chan struct{}, log *slog.Logger) {
	tick := time.NewTicker(heartbeat)
	defer tick.Stop()
	for {
		select {
		case <-drained:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := here.Heartbeat(ctx); err != nil {
				log.Warn("the group may not wait for this worker", "error", err)
			}
		}
	}
}
