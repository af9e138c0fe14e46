package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/datatransferhub/dth/worker/closing"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/run"
)

// call runs the program to its end; reports go to the bucket "reports" of the destination's store.
func (s *stack) call(args ...string) (code int, stdout, stderr string) {
	s.t.Helper()
	cmd, errs := s.finder(args...)
	cmd.Env = append(cmd.Env, "AWS_ENDPOINT_URL_S3="+s.dst.URL())
	var out bytes.Buffer
	cmd.Stdout = &out
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		s.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// A run is closed when it has drained, not before; what still differs is in its record and in its report.
func TestRunIsClosed(t *testing.T) {
	s := newStack(t, few)
	s.dst.Bucket("reports")
	s.configure(map[string]string{"srcPrefix": "00", "reportBucket": "reports", "reportPrefix": "runs/"})
	if code, out, _ := s.call("--close", "next"); code != 0 || !strings.Contains(out, "nothing to close") {
		t.Errorf("without runs: exit code %d, %s", code, out)
	}
	first := s.whole("--run-id", "first")
	if code, _, errs := s.call("--close", "first"); code != 1 || !strings.Contains(errs, "cannot be closed yet: 0 of") {
		t.Errorf("before anything is copied: exit code %d, %s", code, errs)
	}
	failed := s.src.Bucket("source-bucket").Objects()[0].Key
	for _, o := range s.src.Bucket("source-bucket").Objects() {
		if strings.HasPrefix(o.Key, "00") && s.dst.Bucket("destination-bucket").Get("copy/"+o.Key) == nil {
			failed = o.Key
			break
		}
	}
	_, err := s.ledger.Put(t.Context(), ledger.Record{Key: failed, RunID: "first", Status: ledger.Failed, ErrorClass: "kms", Error: "no key", FinishedAt: time.Now().UTC(), Worker: "w", Seq: 1}, nil)
	s.must(err)
	s.must(s.runs.PutCounters(t.Context(), "first", run.Counters{
		Worker: "w", Seq: first.Finder.Queued, Outcomes: map[string]run.Tally{"FAILED": {Objects: 1}, "DONE:stream": {Objects: first.Finder.Queued - 1}}, Errors: map[string]int64{"kms": 1},
	}))
	code, out, errs := s.call("--close", "next")
	var said struct {
		Run, State, Report string
		Named              int64
		Remaining          map[string]int64
	}
	s.must(json.Unmarshal([]byte(out), &said))
	left := int64(0)
	for _, n := range said.Remaining {
		left += n
	}
	if code != 1 || said.Run != "first" || said.State != "DONE" || said.Named != 1 || left != first.Finder.Queued-1 || said.Report != "s3://reports/runs/first.jsonl" {
		t.Errorf("exit code %d: %s of %d queued\n%s", code, out, first.Finder.Queued, errs)
	}
	report := s.dst.Bucket("reports").Get("runs/first.jsonl")
	if report == nil {
		t.Fatal("the report is not there")
	}
	var text bytes.Buffer
	s.must(report.Content.WriteRange(&text, 0, report.Size()))
	lines := strings.Split(strings.TrimSpace(text.String()), "\n")
	var header, trailer closing.Line
	s.must(json.Unmarshal([]byte(lines[0]), &header))
	s.must(json.Unmarshal([]byte(lines[len(lines)-1]), &trailer))
	if header.Kind != "header" || trailer.Kind != "trailer" || *trailer.Objects != int64(len(lines)-2) || int64(len(lines)-2) < first.Finder.Queued {
		t.Errorf("%d lines, %s ... %s", len(lines), lines[0], lines[len(lines)-1])
	}
	if code, _, _ := s.call("--close", "next"); code != 0 {
		t.Errorf("closing what is closed: exit code %d", code)
	}
	if code, _, errs := s.call("--close", "next", "--plan"); code != 2 || !strings.Contains(errs, "exclude each other") {
		t.Errorf("two modes: exit code %d, %s", code, errs)
	}
}

// A pass that queued nothing closes its run itself; one that queued something leaves that to whoever sees it drained.
func TestAnEmptyPassClosesItsRun(t *testing.T) {
	s := newStack(t, few)
	s.configure(map[string]string{"srcPrefix": "nothing/begins/so/"})
	if r := s.whole("--run-id", "empty", "--close-empty"); r.State != run.Done || !r.Proved || r.Finished.IsZero() || r.Finder.Queued != 0 {
		t.Errorf("the run that queued nothing is %+v", r)
	}
	s.configure(map[string]string{"srcPrefix": "00"})
	if r := s.whole("--run-id", "full", "--close-empty"); r.State != run.Copying || r.Proved || r.Finder.Queued == 0 {
		t.Errorf("the run that queued something is %+v", r)
	}
}

// When the run cannot be closed, the pass has been made all the same.
func TestAnEmptyPassThatCannotBeClosed(t *testing.T) {
	s := newStack(t, few)
	s.configure(map[string]string{"srcPrefix": "nothing/begins/so/"})
	_, held, err := s.runs.Lease(t.Context(), closing.LeaseName, "another", time.Now(), time.Hour)
	s.must(err)
	if !held {
		t.Fatal("the lease for closing is not to be had")
	}
	if r := s.whole("--run-id", "empty", "--close-empty"); r.State != run.Copying {
		t.Errorf("the run is %+v", r)
	}
}

// Where no schedule makes passes, the finder that closes runs reads the dead letters: of events too, whose day has a run then.
func TestClosingReadsDeadLetters(t *testing.T) {
	s := newStack(t, few)
	s.dst.Bucket("watched")
	s.configure(map[string]string{"srcType": "Amazon_S3", "srcBucket": "watched", "srcEndpoint": "", "srcEvent": "Create", "ec2CronExpression": ""})
	s.dead.Send(`{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventTime":"2026-11-23T10:00:00.000Z","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"watched"},"object":{"key":"deadly","size":1,"eTag":"e","sequencer":"01"}}}]}`)
	if code, out, errs := s.call("--close", "next"); !strings.Contains(out, `"events-20261123"`) {
		t.Errorf("exit code %d, %s\n%s", code, out, errs)
	}
	rows, err := s.ledger.Get(t.Context(), []string{"deadly"})
	if s.must(err); rows["deadly"].Status != ledger.Failed || rows["deadly"].RunID != "events-20261123" {
		t.Errorf("the record is %+v", rows)
	}
	if visible, inFlight, _ := s.dead.Depth(); visible+inFlight != 0 {
		t.Errorf("%d dead letters are left", visible+inFlight)
	}
	r, err := s.runs.Get(t.Context(), "events-20261123")
	if err != nil || r.Trigger != run.TriggerEvent || r.State != run.Done {
		t.Errorf("the run of the day is %+v, %v", r, err)
	}
	counters, err := s.runs.Counters(t.Context(), r.ID)
	if s.must(err); run.Total(counters).Outcomes["FAILED"].Objects != 1 {
		t.Errorf("its counters are %+v", counters)
	}
}
