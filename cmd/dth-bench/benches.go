package main

import (
	"context"
	"fmt"
	"time"

	"github.com/datatransferhub/dth/worker/s3sim"
)

// measurement is one of the benches.
type measurement struct {
	name, what string
	run        func(ctx context.Context, r *runner) error
}

const smallObject = 4 << 10

func benches() []measurement {
	return []measurement{
		{"finder-same", "1 M objects on both sides, nothing to do", same(1_000_000, 0)},
		{"finder-same-10m", "10 M objects on both sides, nothing to do", same(10_000_000, 0)},
		{"finder-latency", "200 k objects on both sides, 100 ms a call", same(200_000, 100*time.Millisecond)},
		{"finder-send", "1 M objects to send, none at the destination", send(1_000_000)},
		{"copy-small", "4 KiB objects, no latency", copies(20_000, smallObject, 0, 20_000, 2_000)},
		{"copy-small-10ms", "4 KiB objects, 10 ms a call", copies(20_000, smallObject, 10*time.Millisecond, 20_000, 500)},
		{"worker-small", "4 KiB objects with queue and ledger, no latency", work(20_000, smallObject, 0)},
		{"worker-small-10ms", "4 KiB objects with queue and ledger, 10 ms a call at both stores", work(20_000, smallObject, 10*time.Millisecond)},
		{"copy-large", "512 MiB objects", copies(16, 512<<20, 0, 8, 2)},
		{"giant", "one object of 1 GiB with queue and ledger", work(1, 1<<30, 0)},
	}
}

func (r *runner) scaled(n int) int { return max(1, int(float64(n)*r.scale)) }

// same compares two equal sides.
func same(n int, latency time.Duration) func(context.Context, *runner) error {
	return func(ctx context.Context, r *runner) error {
		n := r.scaled(n)
		side := storeSpec{Synthetic: &s3sim.Synthetic{N: int64(n), Format: s3sim.Dates, Size: smallObject, Seed: 1}}
		spec := servers{Latency: latency, Source: side, Dest: side}
		err := r.with(ctx, spec, "dth plan", n, func(b *bench) (usage, error) {
			u, err := measure(ctx, r.dth(b, "plan"))
			if err != nil {
				return u, err
			}
			return u, r.expect(u.out, summary{ListedSource: int64(n), Same: int64(n)})
		})
		if err != nil {
			return err
		}
		return r.with(ctx, spec, "floor: net/http, pages one after the other", n, func(b *bench) (usage, error) {
			return measure(ctx, r.floor(b, "--list"))
		})
	}
}

// send queues every object of the source.
func send(n int) func(context.Context, *runner) error {
	return func(ctx context.Context, r *runner) error {
		if !r.exists("jobfinder") {
			return r.missing("jobfinder")
		}
		n := r.scaled(n)
		spec := servers{AWS: true, Source: storeSpec{Synthetic: &s3sim.Synthetic{N: int64(n), Format: s3sim.Dates, Size: smallObject, Seed: 1}}}
		return r.with(ctx, spec, "jobfinder", n, func(b *bench) (usage, error) {
			config, err := r.config(b, nil)
			if err != nil {
				return usage{}, err
			}
			u, err := measure(ctx, r.finder(b, config))
			if err != nil {
				return u, err
			}
			f, err := b.figures()
			if err == nil && f.Left != n {
				err = fmt.Errorf("%d messages were queued, expected %d", f.Left, n)
			}
			return u, err
		})
	}
}

// copies copies n objects with the CLI and with the floor, and with the other tools that are there as many as they
// manage in a bearable time: fast with those written in Go, slow with the AWS CLI.
func copies(n int, size int64, latency time.Duration, fast, slow int) func(context.Context, *runner) error {
	return func(ctx context.Context, r *runner) error {
		spec := func(n int) servers {
			return servers{Latency: latency, Source: storeSpec{Objects: n, Size: size}, Dest: storeSpec{Discard: size > smallObject}}
		}
		n := r.scaled(n)
		err := r.with(ctx, spec(n), "dth copy", n, func(b *bench) (usage, error) {
			u, err := measure(ctx, r.dth(b, "copy", "--no-proof", "--giant-threshold", "5GiB"))
			if err != nil {
				return u, err
			}
			return u, r.stored(b, n)
		})
		if err != nil {
			return err
		}
		err = r.with(ctx, spec(n), "floor: net/http GET and PUT", n, func(b *bench) (usage, error) {
			concurrency := 64
			if size > smallObject {
				concurrency = 4
			}
			u, err := measure(ctx, r.floor(b, "--count", fmt.Sprint(n), "--size", fmt.Sprint(size), "--concurrency", fmt.Sprint(concurrency)))
			if err != nil {
				return u, err
			}
			return u, r.stored(b, n)
		})
		if err != nil || !r.tools {
			return err
		}
		for _, t := range otherTools() {
			count := r.scaled(fast)
			if t.name == "aws" {
				count = r.scaled(slow)
			}
			if err := r.tool(ctx, &t, spec(count), count); err != nil {
				return err
			}
		}
		return nil
	}
}

// work has the finder queue everything and measures the worker.
func work(n int, size int64, latency time.Duration) func(context.Context, *runner) error {
	return func(ctx context.Context, r *runner) error {
		if !r.exists("jobworker") || !r.exists("jobfinder") {
			return r.missing("jobworker or jobfinder")
		}
		if n > 1 {
			n = r.scaled(n)
		}
		spec := servers{AWS: true, Latency: latency, Source: storeSpec{Objects: n, Size: size}, Dest: storeSpec{Discard: size > smallObject}}
		return r.with(ctx, spec, "jobworker", n, func(b *bench) (usage, error) {
			config, err := r.config(b, nil)
			if err != nil {
				return usage{}, err
			}
			if _, err := measure(ctx, r.finder(b, config)); err != nil {
				return usage{}, err
			}
			if r.before, err = b.figures(); err != nil {
				return usage{}, err
			}
			u, err := measure(ctx, r.worker(b, config))
			if err != nil {
				return u, err
			}
			return u, r.stored(b, n)
		})
	}
}

// stored checks that the destination has all objects.
func (r *runner) stored(b *bench, n int) error {
	f, err := b.figures()
	if err == nil && f.Stored != n {
		err = fmt.Errorf("the destination has %d objects, expected %d", f.Stored, n)
	}
	return err
}

func (r *runner) expect(out []byte, want summary) error {
	got, err := summaryOf(out)
	if err == nil && got != want {
		err = fmt.Errorf("the summary is %+v, expected %+v", got, want)
	}
	return err
}
