package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The short form of make chaos.
func TestStorm(t *testing.T) {
	defer goleak.VerifyNone(t)
	dir := t.TempDir()
	for _, name := range []string{"jobfinder", "jobworker"} {
		if out, err := exec.Command("go", "build", "-o", filepath.Join(dir, name), "../"+name).CombinedOutput(); err != nil {
			t.Fatalf("building %s: %v\n%s", name, err, out)
		}
	}
	if os.Getenv("DTH_SAMPLE_BIN") == "" {
		t.Fatal("DTH_SAMPLE_BIN names no helper with the S3 servers; `make test` builds it and sets the name")
	}
	log := filepath.Join(dir, "log")
	r, err := chaos(t.Context(), options{
		seed: 20261123, objects: 400, giants: 1, workers: 4, storm: 20 * time.Second, kills: 3 * time.Second, wrong: 4 * time.Second, bin: dir, log: io.Discard,
	}, log)
	if r != nil {
		r.print(t.Output())
	}
	if err != nil {
		text, _ := os.ReadFile(log) // it may not be there
		t.Fatalf("%v\n%.20000s", err, text)
	}
	for _, kind := range []string{
		"kill -9 of a worker", "the secret is wrong", "source: 503 SlowDown", "destination: reset", "SQS: delivered twice", "SQS: given out of order", "SQS: delivered again after its deletion",
		"source object overwritten", "source object deleted", "giant overwritten", "event", "DynamoDB: answer lost",
	} {
		if r.Faults[kind] == 0 {
			t.Errorf("nothing was tried of %q", kind)
		}
	}
}
