package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/datatransferhub/dth/worker/awssim"
	"github.com/datatransferhub/dth/worker/estimate"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/s3sim"
)

// depot is two stores and the services of a stack, all simulated, with a clock for the queue that can be put forward.
type depot struct {
	t        *testing.T
	aws      *awssim.Sim
	queue    *awssim.Queue
	ledger   *awssim.Table
	runs     *awssim.Table
	srcSim   *s3sim.Sim
	dstSim   *s3sim.Sim
	src, dst *s3sim.Bucket
	ahead    atomic.Int64
	file     string
	env      []string // beside the usual
}

func newDepot(t *testing.T) *depot {
	t.Helper()
	d := &depot{t: t, file: filepath.Join(t.TempDir(), "config.json")}
	d.aws = awssim.Run(t, awssim.Options{Now: func() time.Time { return time.Now().Add(time.Duration(d.ahead.Load())) }})
	dead := d.aws.CreateQueue("dead", awssim.QueueOptions{Visibility: 15 * time.Minute})
	d.queue = d.aws.CreateQueue("task", awssim.QueueOptions{Visibility: 15 * time.Minute, MaxReceives: 5, DeadLetters: dead})
	d.ledger = d.aws.CreateTable("ledger", awssim.Index{Hash: "ObjectKey"}, map[string]awssim.Index{"Failures": {Hash: "FailureShard", Range: "ObjectKey"}})
	d.runs = d.aws.CreateTable("runs", awssim.Index{Hash: "PK", Range: "SK"}, nil)
	d.srcSim, d.dstSim = s3sim.New(s3sim.Options{}), s3sim.New(s3sim.Options{Keep: s3sim.KeepSums})
	d.src, d.dst = d.srcSim.Bucket("source-bucket"), d.dstSim.Bucket("destination-bucket")
	var urls [2]string
	for i, sim := range []*s3sim.Sim{d.srcSim, d.dstSim} {
		url, err := sim.Start()
		if err != nil {
			t.Fatal(err)
		}
		urls[i] = url
		t.Cleanup(sim.Close)
	}
	document, err := json.Marshal(map[string]any{
		"stackName": "depot", "region": "us-east-1", "queueUrl": d.queue.URL(), "deadLetterQueueUrl": dead.URL(), "ledgerTable": "ledger", "runTable": "runs",
		"parameters": map[string]string{
			"srcType": "S3_Compatible", "srcBucket": "source-bucket", "srcEndpoint": urls[0], "destType": "S3_Compatible", "destBucket": "destination-bucket",
			"destEndpoint": urls[1], "transferMode": "stream",
		},
	})
	if err == nil {
		err = os.WriteFile(d.file, document, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// start starts a program; the returned text is its log, for when it has ended.
func (d *depot) start(name string, more ...string) (*exec.Cmd, *bytes.Buffer) {
	d.t.Helper()
	args := append([]string{"--config", d.file}, more...)
	if name == "jobworker" {
		args = append(args, "--receive-wait", "2s")
	}
	cmd := exec.Command(filepath.Join(programs, name), args...)
	cmd.Env = d.environment()
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has ended by itself, or the test failed
		_ = cmd.Wait()
	})
	return cmd, &log
}

// environment is that of the programs.
func (d *depot) environment() []string {
	env := append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") }),
		"AWS_ENDPOINT_URL="+d.aws.URL(), "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=/nonexistent", "AWS_SHARED_CREDENTIALS_FILE=/nonexistent")
	return append(env, d.env...)
}

func (d *depot) find() {
	d.t.Helper()
	cmd, log := d.start("jobfinder")
	if err := cmd.Wait(); err != nil {
		d.t.Fatalf("jobfinder: %v\n%s", err, log)
	}
}

func (d *depot) until(what string, holds func() bool) {
	d.t.Helper()
	for end := time.Now().Add(4 * time.Minute); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			visible, flying, _ := d.queue.Depth()
			d.t.Fatalf("it never came about that %s; %d messages visible, %d in flight", what, visible, flying)
		}
	}
}

// settled reports whether the queue is empty and the ledger says DONE of every object.
func (d *depot) settled() bool {
	visible, flying, delayed := d.queue.Depth()
	if visible+flying+delayed > 0 || d.ledger.Len() == 0 {
		return false
	}
	done := true
	d.ledger.Items(func(raw []byte) bool {
		done = done && bytes.Contains(raw, []byte(`"DONE"`))
		return true
	})
	return done
}

func (d *depot) verify(key string) {
	d.t.Helper()
	copied, original := d.dst.Get(key), d.src.Get(key)
	if copied == nil || copied.Sum != original.Sum || copied.Size() != original.Size() {
		d.t.Errorf("%q was not copied whole", key)
	}
	if n := d.dst.OpenUploads(); n != 0 {
		d.t.Errorf("%d uploads are open", n)
	}
}

// The whole bookkeeping of a giant of 1 GiB with default settings: at most 70 calls of queue and tables.
func TestCallsOfAGiant(t *testing.T) {
	d := newDepot(t)
	const key = "giant \"of\\\n1 GiB"
	d.src.PutPattern(key, 1<<30, 7)
	d.find()
	found := d.aws.Stats().Operations
	worker, log := d.start("jobworker")
	d.until("the giant is copied", d.settled)
	all := d.aws.Stats().Operations
	if err := worker.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	_ = worker.Wait() // by a signal
	d.verify(key)
	var calls int64
	for op, n := range all {
		n -= found[op]
		if op == "ReceiveMessage" {
			n = min(n, 18) // an object, 16 parts and a completion; waiting for more costs the same without a giant
		}
		calls += n
	}
	t.Logf("%d calls of queue and tables: %v", calls, all)
	d.expected(all)
	if calls += found["SendMessageBatch"]; calls > 70 {
		t.Errorf("%d calls of queue and tables, of which the finder made %v\n%s", calls, found, log)
	}
}

// expected compares the calls of a run with one giant of 16 parts with what an estimate says beforehand. An estimate also has
// the share of a proof, which this run has not. How many messages a receive or a deletion carries is a matter of timing.
func (d *depot) expected(all map[string]int64) {
	d.t.Helper()
	j := job.Defaults()
	j.Mode = job.ModeStream
	in := estimate.Input{Job: &j, Fleet: estimate.Fleet{MaxWorkers: 1}}
	in.Work.Add(1<<30, estimate.RulesOf(&j))
	r := estimate.Of(in).Requests
	for _, c := range []struct {
		what       string
		made, said int64
	}{
		{"writes", all["PutItem"] + all["UpdateItem"] + all["DeleteItem"] + all["BatchWriteItem"], r.Tables.Writes},
		{"sends", all["SendMessageBatch"], r.Queue.Send},
	} {
		if c.said < c.made*2/3 || c.said > c.made*2 {
			d.t.Errorf("%s: %d were made, the estimate says %d", c.what, c.made, c.said)
		}
	}
}

// Three workers are killed one after the other, each of them with parts of a giant in its hands; the fourth finds them again.
func TestGiantOutlivesItsWorkers(t *testing.T) {
	d := newDepot(t)
	d.src.PutPattern("giant", 1<<30+12345, 7)
	const victims, needed = 3, 17
	var parts, latest atomic.Int64
	var holds [victims + 1]atomic.Int64 // parts that a worker has begun to send
	d.dstSim.SetFault(func(c s3sim.Call) s3sim.Fault {
		if c.Op != "UploadPart" {
			return s3sim.Fault{}
		}
		parts.Add(1)
		latest.Store(time.Now().UnixNano())
		for n := range holds {
			if strings.Contains(c.Request.Header.Get("Authorization"), accessKey(n)+"/") {
				if holds[n].Add(1); n < victims {
					return s3sim.Fault{Latency: 5 * time.Second} // it is killed before
				}
			}
		}
		return s3sim.Fault{}
	})
	d.find()
	var worker *exec.Cmd
	var log *bytes.Buffer
	for n := range holds {
		d.env = []string{"AWS_ACCESS_KEY_ID=" + accessKey(n)}
		worker, log = d.start("jobworker")
		if n == victims {
			break
		}
		d.until(fmt.Sprintf("worker %d has a part in its hands", n+1), func() bool { return holds[n].Load() > 0 })
		if err := worker.Process.Kill(); err != nil {
			t.Error(err)
		}
		_ = worker.Wait() // killed
		d.ahead.Add(int64(16 * time.Minute))
	}
	// A call that was waiting for messages when its worker was killed may have been given some since.
	d.until("the giant is copied", func() bool {
		if time.Since(time.Unix(0, latest.Load())) > 10*time.Second {
			d.ahead.Add(int64(16 * time.Minute))
			latest.Store(time.Now().UnixNano())
		}
		return d.settled()
	})
	if err := worker.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	_ = worker.Wait()
	d.verify("giant")
	t.Logf("%d parts were begun for %d, by the workers %d, %d, %d and %d", parts.Load(), needed, holds[0].Load(), holds[1].Load(), holds[2].Load(), holds[3].Load())
	if n := parts.Load(); n < needed+victims || holds[victims].Load() < needed {
		t.Errorf("%d parts were begun, %d by the last worker: what the others had in their hands was not sent again", n, holds[victims].Load())
	}
	if t.Failed() {
		t.Log(log.String())
	}
}

// accessKey tells the requests of one worker from those of another.
func accessKey(n int) string { return fmt.Sprintf("WORKER%d", n) }
