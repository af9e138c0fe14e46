package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datatransferhub/dth/worker/metrics"
	"github.com/datatransferhub/dth/worker/s3sim"
)

// metadata is the instance metadata service of a machine that can be taken away, and the service that its group asks.
type metadata struct {
	taken    atomic.Pointer[string]
	released atomic.Int64
}

func (m *metadata) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case path == "/latest/api/token":
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
		fmt.Fprint(w, "token")
	case path == "/latest/meta-data/instance-id":
		fmt.Fprint(w, "i-1")
	case path == "/latest/meta-data/autoscaling/target-lifecycle-state" && m.taken.Load() != nil:
		fmt.Fprint(w, *m.taken.Load())
	case strings.HasPrefix(path, "/latest/"):
		w.WriteHeader(http.StatusNotFound)
	default:
		_ = r.ParseForm()
		if r.Form.Get("Action") == "CompleteLifecycleAction" {
			m.released.Add(1)
		}
		fmt.Fprintf(w, "<%[1]sResponse><%[1]sResult/></%[1]sResponse>", r.Form.Get("Action"))
	}
}

// A worker whose machine is taken away finishes or hands back what it holds, tells the group, and ends by itself. What it did
// is in its metrics.
func TestWorkerLeavesItsMachine(t *testing.T) {
	d := newDepot(t)
	const objects = 2000
	for i := range objects {
		d.src.PutBytes(fmt.Sprintf("%05d", i), []byte("x"))
	}
	d.srcSim.SetFault(func(s3sim.Call) s3sim.Fault { return s3sim.Fault{Latency: 50 * time.Millisecond} })
	d.find()
	var m metadata
	server := httptest.NewServer(&m)
	t.Cleanup(server.Close)
	d.env = []string{"AWS_EC2_METADATA_DISABLED=false", "AWS_EC2_METADATA_SERVICE_ENDPOINT=" + server.URL, "AWS_ENDPOINT_URL_AUTO_SCALING=" + server.URL}
	worker, log := d.start("jobworker", "--auto-scaling-group", "workers", "--lifecycle-hook", "drain", "--notice-every", "1s", "--metrics-every", "1s")
	d.until("some objects are copied", func() bool { return d.dst.Len() > 100 })
	state := "Terminated"
	m.taken.Store(&state)
	if err := worker.Wait(); err != nil {
		t.Fatalf("the worker ended with %v\n%s", err, log)
	}
	visible, flying, delayed := d.queue.Depth()
	if flying != 0 || delayed != 0 || visible+d.dst.Len() != objects || d.ledger.Len() != d.dst.Len() {
		t.Errorf("%d are copied, %d on record, %d wait, %d are in flight, %d come later", d.dst.Len(), d.ledger.Len(), visible, flying, delayed)
	}
	if m.released.Load() != 1 {
		t.Errorf("the group was told %d times that the machine may go", m.released.Load())
	}
	told, progress := 0.0, 0
	for line := range strings.Lines(log.String()) {
		var l map[string]any
		if json.Unmarshal([]byte(line), &l) != nil {
			continue
		}
		if l["msg"] == "progress" {
			progress++
		}
		if l["_aws"] == nil {
			continue
		}
		if err := metrics.Check([]byte(line)); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		told += l["TransferredObjects"].(float64)
	}
	if told != float64(d.dst.Len()) || progress < 2 {
		t.Errorf("metrics tell of %v objects, %d were copied; %d lines of progress", told, d.dst.Len(), progress)
	}
}
