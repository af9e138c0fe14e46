package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/datatransferhub/dth/worker/metrics"
	"github.com/datatransferhub/dth/worker/s3sim"
)

// sums adds up the metrics of lines, each of which is as the format says.
func sums(t *testing.T, lines []byte) map[string]float64 {
	t.Helper()
	all := map[string]float64{}
	for line := range bytes.Lines(lines) {
		if err := metrics.Check(line); err != nil {
			t.Errorf("%s\n%v", line, err)
			continue
		}
		var root map[string]any
		if err := json.Unmarshal(line, &root); err != nil {
			t.Fatal(err)
		}
		if root["StackName"] != "depot" {
			t.Errorf("a line is of stack %v", root["StackName"])
		}
		for name, v := range root {
			switch v := v.(type) {
			case float64:
				all[name] += v
			case []any:
				all[name] += float64(len(v))
			}
		}
	}
	return all
}

// said counts the lines of a log by what they say.
func said(log *bytes.Buffer) map[string]int {
	count := map[string]int{}
	for decoder := json.NewDecoder(bytes.NewReader(log.Bytes())); ; {
		var line struct{ Level, Msg, Status string }
		switch err := decoder.Decode(&line); {
		case errors.Is(err, io.EOF):
			return count
		case err != nil:
			return count // the last word of a program is no JSON
		}
		count[line.Level+" "+line.Msg]++
	}
}

// Finder and worker say what they did, in metric lines and in the log.
func TestSeenFromOutside(t *testing.T) {
	d := newDepot(t)
	const n = 40
	for i := range n {
		d.src.PutBytes(fmt.Sprintf("object/%02d", i), bytes.Repeat([]byte{1}, 1000))
	}
	d.src.PutBytes("refused", []byte("x"))
	d.src.PutPattern("giant", 1<<30, 3)
	d.dstSim.SetFault(func(c s3sim.Call) s3sim.Fault {
		if c.Key == "refused" && c.Op == "PutObject" {
			return s3sim.Fault{Status: 400, Code: "InvalidArgument"}
		}
		return s3sim.Fault{}
	})
	found := sums(t, d.finderRun("--metrics", "-"))
	if found["ListedObjects"] != n+2 || found["QueuedObjects"] != n+2 {
		t.Errorf("%v objects are listed and %v queued, want %d", found["ListedObjects"], found["QueuedObjects"], n+2)
	}

	out := filepath.Join(t.TempDir(), "metrics")
	worker, log := d.start("jobworker", "--metrics", out)
	d.until("everything is copied but what is refused", func() bool {
		visible, flying, delayed := d.queue.Depth()
		return visible+flying+delayed == 0 && d.ledger.Len() == n+2
	})
	if err := worker.Process.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	_ = worker.Wait() // by a signal
	written, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	got := sums(t, written)
	for name, want := range map[string]float64{
		"TransferredObjects": n + 1, "TransferredBytes": n*1000 + 1<<30, "FailedObjects": 1, "Failures.destination_refuses": 1, "TransferTime": n,
		"SkippedObjects": 0, "ActiveTransfers": 0, "EndpointDown": 0, "UnreadableMessages": 0,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	if got["Memory"] == 0 {
		t.Error("no memory is seen")
	}
	lines := said(log)
	if lines["INFO object"] != n+2 || lines["WARN object failed"] != 1 || lines["INFO progress"] == 0 {
		t.Errorf("the log has %v, want %d objects (a giant twice), 1 that failed, and progress\n%s", lines, n+2, log.String())
	}
}

// finderRun makes a pass and returns its standard output.
func (d *depot) finderRun(args ...string) []byte {
	d.t.Helper()
	cmd := exec.Command(filepath.Join(programs, "jobfinder"), append([]string{"--config", d.file}, args...)...)
	cmd.Env = d.environment()
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		d.t.Fatalf("jobfinder: %v\n%s", err, errs.String())
	}
	return out
}

// Metrics leave the finder's result alone: as JSON it is all of standard output, and its last line if metrics are asked for there.
func TestMetricsBesideTheResult(t *testing.T) {
	d := newDepot(t)
	if out := d.finderRun("--json"); bytes.Count(out, []byte("\n")) != 1 || !bytes.Contains(out, []byte(`"totals"`)) {
		t.Errorf("standard output with --json is not one result:\n%s", out)
	}
	out := strings.TrimSuffix(string(d.finderRun("--json", "--metrics", "-")), "\n")
	at := strings.LastIndexByte(out, '\n')
	if sums(t, []byte(out[:at+1])); at < 0 || !strings.Contains(out[at:], `"totals"`) {
		t.Errorf("the last line of standard output is not the result:\n%s", out)
	}
	for _, args := range [][]string{nil, {"--metrics", "none"}} {
		if out := d.finderRun(args...); len(out) != 0 {
			t.Errorf("%v: standard output has\n%s", args, out)
		}
	}
}
