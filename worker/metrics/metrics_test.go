package metrics_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/datatransferhub/dth/worker/metrics"
)

func clock() time.Time { return time.UnixMilli(1_760_000_000_000) }

// lines checks every line and returns them decoded.
func lines(t *testing.T, text string) (out []map[string]any) {
	t.Helper()
	for line := range strings.Lines(text) {
		if err := metrics.Check([]byte(line)); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		var l map[string]any
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		out = append(out, l)
	}
	return out
}

func TestLinesTellWhatWasAdded(t *testing.T) {
	var out bytes.Buffer
	e := metrics.New(&out, "stack", map[string]string{"worker": "w1"}, clock)
	e.Gauge("ActiveTransfers", metrics.Count, func() float64 { return 7 })
	e.Add("TransferredObjects", metrics.Count, 0)
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 500 {
				e.Add("TransferredObjects", metrics.Count, 1)
				e.Observe("Latency", metrics.Milliseconds, float64(i))
			}
		})
	}
	all.Wait()
	for range 2 {
		if err := e.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	got := lines(t, out.String())
	if len(got) != 3 || got[0]["TransferredObjects"] != 0.0 || got[1]["TransferredObjects"] != 4000.0 || got[2]["TransferredObjects"] != 0.0 {
		t.Errorf("lines %v", got)
	}
	if got[1]["StackName"] != "stack" || got[1]["worker"] != "w1" || got[1]["ActiveTransfers"] != 7.0 {
		t.Errorf("line %v", got[1])
	}
	if n := len(got[1]["Latency"].([]any)); n != 100 {
		t.Errorf("%d values in a line", n)
	}
	if _, there := got[2]["Latency"]; there {
		t.Error("values of the minute before are told again")
	}
}

// broken fails a number of writes.
type broken struct {
	bytes.Buffer
	failures int
}

func (b *broken) Write(p []byte) (int, error) {
	if b.failures--; b.failures >= 0 {
		return 0, errors.New("no room")
	}
	return b.Buffer.Write(p)
}

func TestCountsSurviveAFailedWrite(t *testing.T) {
	out := &broken{failures: 1}
	e := metrics.New(out, "stack", nil, clock)
	e.Add("FailedObjects", metrics.Count, 2)
	if e.Flush() == nil {
		t.Error("the failure was not told")
	}
	e.Add("FailedObjects", metrics.Count, 1)
	if err := e.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := lines(t, out.String()); len(got) != 1 || got[0]["FailedObjects"] != 3.0 {
		t.Errorf("lines %v", got)
	}
}

func TestSampler(t *testing.T) {
	now := clock()
	s := metrics.NewSampler(3, func() time.Time { return now })
	passed := 0
	for second := range 4 {
		now = clock().Add(time.Duration(second) * time.Second)
		for range 2 + second*2 { // 2, 4, 6, 8
			if s.Take() {
				passed++
			}
		}
	}
	if left := s.LeftOut(); passed != 2+3+3+3 || left != 1+3+5 || s.LeftOut() != 0 {
		t.Errorf("%d passed, %d were left out", passed, left)
	}
}
