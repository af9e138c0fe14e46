package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// keys are those of the stand-ins, which check none.
var keys = []string{
	"AWS_ACCESS_KEY_ID=AKBENCH", "AWS_SECRET_ACCESS_KEY=bench", "AWS_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true",
	"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
}

// dth returns a command of the operator's CLI between the two stores.
func (r *runner) dth(b *bench, verb string, more ...string) program {
	argv := []string{
		filepath.Join(r.bin, "dth"), verb, "s3://" + bucketName, "s3://" + bucketName, "--json",
		"--src-type", "S3_Compatible", "--dest-type", "S3_Compatible", "--src-endpoint", b.Source, "--dest-endpoint", b.Dest,
		"--src-region", "us-east-1", "--dest-region", "us-east-1",
	}
	return program{argv: append(argv, more...), env: keys}
}

// config writes the document with which finder and worker are started, and returns its path.
func (r *runner) config(b *bench, more map[string]string) (string, error) {
	parameters := map[string]string{
		"srcType": "S3_Compatible", "srcBucket": bucketName, "srcEndpoint": b.Source, "srcRegion": "us-east-1",
		"destType": "S3_Compatible", "destBucket": bucketName, "destEndpoint": b.Dest, "destRegion": "us-east-1",
		"destStorageClass": "none", "destAcl": "none",
	}
	for k, v := range more {
		parameters[k] = v
	}
	raw, err := json.Marshal(map[string]any{
		"stackName": "bench", "region": "us-east-1", "queueUrl": b.Queue, "deadLetterQueueUrl": b.DeadLetters,
		"ledgerTable": ledgerTable, "runTable": runTable, "parameters": parameters,
	})
	if err != nil {
		return "", err
	}
	path := filepath.Join(r.scratch, "config.json")
	return path, os.WriteFile(path, raw, 0o600)
}

func (r *runner) finder(b *bench, config string) program {
	return program{argv: []string{filepath.Join(r.bin, "jobfinder"), "--config", config, "--json"}, env: append(keys, "AWS_ENDPOINT_URL="+b.AWS)}
}

// worker is a worker that is stopped once the queue is empty.
func (r *runner) worker(b *bench, config string) program {
	return program{
		argv: []string{filepath.Join(r.bin, "jobworker"), "--config", config}, env: append(keys, "AWS_ENDPOINT_URL="+b.AWS),
		until: func(ctx context.Context) error { return b.drained(ctx) }, codes: []int{130},
	}
}

// stuck is how long a worker may leave the queue as it is before a measurement is given up.
const stuck = time.Minute

// drained returns when the queue is empty.
func (b *bench) drained(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	last, since := -1, time.Now()
	for {
		f, err := b.figures()
		if err != nil {
			return err
		}
		if f.Left == 0 {
			return nil
		}
		if f.Left != last {
			last, since = f.Left, time.Now()
		}
		if time.Since(since) > stuck {
			return fmt.Errorf("the queue has held %d messages for a minute", f.Left)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// summary is the last line that a command prints with --json.
type summary struct {
	ListedSource, Same, New, Changed, Copied, Failed int64
}

func summaryOf(out []byte) (s summary, err error) {
	var line []byte
	for _, l := range splitLines(out) {
		if len(l) > 0 && l[0] == '{' {
			line = l
		}
	}
	if line == nil {
		return s, errors.New("the program printed no summary")
	}
	return s, json.Unmarshal(line, &s)
}

// exists reports whether a program of the engine was built.
func (r *runner) exists(name string) bool {
	_, err := os.Stat(filepath.Join(r.bin, name))
	return err == nil
}
