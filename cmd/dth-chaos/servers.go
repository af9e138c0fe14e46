package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/datatransferhub/dth/worker/awssim"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/store/storeaws"
)

const bucket = "chaos"

// gateway is a real S3 server (versitygw) in a child process.
type gateway struct {
	cmd   *exec.Cmd
	stdin io.Closer // the child ends when this closes
	url   string
}

func startGateway(ctx context.Context, helper, dir, access, secret string) (*gateway, error) {
	g := &gateway{cmd: exec.Command(helper, "serve", "s3", "--data", dir, "--listen", "127.0.0.1:0", "--access", access)}
	g.cmd.Env = append(os.Environ(), "DTH_SAMPLE_SECRET="+secret)
	g.cmd.Stderr = io.Discard
	in, err := g.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	g.stdin = in
	out, err := g.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := g.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", helper, err)
	}
	ready := make(chan error, 1)
	go func() {
		var line struct{ URL string }
		err := json.NewDecoder(bufio.NewReader(out)).Decode(&line)
		g.url = line.URL
		ready <- err
	}()
	select {
	case err = <-ready:
	case <-ctx.Done():
		err = ctx.Err()
	case <-time.After(30 * time.Second):
		err = errors.New("it did not answer within 30 s")
	}
	if err != nil {
		g.stop()
		return nil, fmt.Errorf("starting an S3 server: %w", err)
	}
	return g, nil
}

func (g *gateway) stop() {
	_ = g.stdin.Close()
	_ = g.cmd.Wait() // its exit code says nothing: it was told to end
}

// services are the queue and tables. They are simulated in this process, so that partial failures, duplicates and lost
// answers can be had, and a queue whose clock can be put forward by the fifteen minutes that a killed worker costs.
func (w *world) services() {
	random := rand.New(rand.NewPCG(w.options.seed, 11))
	w.aws = awssim.New(awssim.Options{Now: func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }})
	dead := w.aws.CreateQueue("dead", awssim.QueueOptions{Visibility: 15 * time.Minute})
	w.dead = dead
	w.queue = w.aws.CreateQueue("task", awssim.QueueOptions{
		Visibility: 15 * time.Minute, MaxReceives: 5, DeadLetters: dead,
		Order: func(n int) int {
			if !w.storm.Load() {
				return 0
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			i := random.IntN(n)
			if i > 0 {
				w.faults["SQS: given out of order"]++
			}
			return i
		},
		Revive: func() bool {
			if !w.storm.Load() {
				return false
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			again := random.Float64() < 0.02
			if again {
				w.faults["SQS: delivered again after its deletion"]++
			}
			return again
		},
	})
	w.ledger = w.aws.CreateTable("ledger", awssim.Index{Hash: "ObjectKey"}, map[string]awssim.Index{"Failures": {Hash: "FailureShard", Range: "ObjectKey"}})
	w.ledger.Watch(w.written.add)
	w.runs = w.aws.CreateTable("runs", awssim.Index{Hash: "PK", Range: "SK"}, nil)
	w.aws.SetFault(func(c awssim.Call) (f awssim.Fault) {
		if !w.storm.Load() {
			return f
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		note := func(kind string) { w.faults[kind]++ }
		switch x := random.Float64(); {
		case x < 0.03:
			note(c.Service + ": throttled")
			f.Status = 400
		case x < 0.05:
			note(c.Service + ": 500")
			f.Status = 500
		case x < 0.06:
			note(c.Service + ": answer lost")
			f.LoseAnswer = true
		case x < 0.14 && strings.Contains(c.Op, "Batch"):
			note(c.Service + ": batch failed in part")
			bits := random.Uint64()
			f.FailEntry = func(i int) bool { return bits>>(i%64)&1 == 1 }
		case x < 0.10 && c.Op == "ReceiveMessage":
			note("SQS: delivered twice")
			f.Duplicate = true
		}
		return f
	})
}

// start brings up the whole world.
func (w *world) start(ctx context.Context) error {
	helper := os.Getenv("DTH_SAMPLE_BIN")
	if helper == "" {
		helper = filepath.Join(w.options.bin, "dth-sample")
	}
	w.services()
	if _, err := w.aws.Start(); err != nil {
		return err
	}
	w.closers = append(w.closers, w.aws.Close)
	var err error
	if w.secrets, err = newSecrets(w.secretText(w.secret)); err != nil {
		return err
	}
	w.closers = append(w.closers, func() { _ = w.secrets.server.Close() })
	for i := range w.gates {
		g, err := startGateway(ctx, helper, filepath.Join(w.dir, fmt.Sprint("store", i)), "chaos", w.secret)
		if err != nil {
			return err
		}
		w.closers = append(w.closers, g.stop)
		if w.gates[i], err = newProxy(g.url, w.options.seed+uint64(i)); err != nil {
			return err
		}
		w.closers = append(w.closers, w.gates[i].close)
		args := []string{
			"fill", "--url", g.url, "--bucket", bucket, "--access", "chaos", "--part", []string{"source", "destination"}[i],
			"--objects", fmt.Sprint(w.options.objects), "--giant", "0", "--seed", fmt.Sprint(w.options.seed),
		}
		fill := exec.CommandContext(ctx, helper, args...)
		fill.Env = append(os.Environ(), "DTH_SAMPLE_SECRET="+w.secret)
		if out, err := fill.CombinedOutput(); err != nil {
			return fmt.Errorf("filling a store: %w: %s", err, out)
		}
		if w.ends[i], err = storeaws.Open(ctx, job.Endpoint{Provider: job.S3Compatible, Bucket: bucket, URL: g.url, Access: job.Access{Secret: "s"}},
			storeaws.Options{Secrets: fixed(w.secretText(w.secret))}); err != nil {
			return err
		}
		w.closers = append(w.closers, w.ends[i].Close)
	}
	return w.configure()
}

// fixed is a secret that does not change.
type fixed string

// Secret implements storeaws.SecretReader.
func (f fixed) Secret(context.Context, string) (string, error) { return string(f), nil }

func (w *world) secretText(secret string) string {
	return fmt.Sprintf(`{"access_key_id":"chaos","secret_access_key":%q}`, secret)
}

func (w *world) configure() error {
	document, err := json.Marshal(map[string]any{
		"stackName": "chaos", "region": "us-east-1", "queueUrl": w.queue.URL(), "deadLetterQueueUrl": w.dead.URL(), "ledgerTable": "ledger", "runTable": "runs",
		"parameters": map[string]string{
			// The source is one that sends events; the environment of the programs says where it is.
			"srcType": "Amazon_S3", "srcBucket": bucket, "srcRegion": "us-east-1", "srcCredentials": "s", "srcEvent": "CreateAndDelete",
			"destType": "S3_Compatible", "destBucket": bucket, "destEndpoint": w.gates[1].url, "destCredentials": "s", "giantThreshold": "64MiB",
		},
	})
	if err != nil {
		return err
	}
	w.config = filepath.Join(w.dir, "config.json")
	return os.WriteFile(w.config, document, 0o600)
}
