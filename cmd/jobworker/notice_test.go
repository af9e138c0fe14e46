package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datatransferhub/dth/worker/metrics"
	"github.com/datatransferhub/dth/worker/s3sim"
)

// metadata is the instance metadata service of a machine that can be taken away, version 2 only, and the service that its group
// asks.
type metadata struct {
	pieces   sync.Map // path below meta-data: text
	waits    atomic.Bool
	released atomic.Int64
}

func (m *metadata) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const token = "token"
	path, isPiece := strings.CutPrefix(r.URL.Path, "/latest/meta-data/")
	switch text, there := m.pieces.Load(path); {
	case r.Method == http.MethodPut && r.URL.Path == "/latest/api/token":
		w.Header().Set("X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
		fmt.Fprint(w, token)
	case isPiece && r.Header.Get("X-Aws-Ec2-Metadata-Token") != token:
		w.WriteHeader(http.StatusUnauthorized)
	case isPiece && there:
		fmt.Fprint(w, text)
	case isPiece:
		w.WriteHeader(http.StatusNotFound)
	default:
		m.group(w, r)
	}
}

// group answers as Auto Scaling does.
func (m *metadata) group(w http.ResponseWriter, r *http.Request) {
	if r.FormValue("InstanceId") != "i-1" || r.FormValue("Action") != "CompleteLifecycleAction" || !m.waits.Load() {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, "<ErrorResponse><Error><Code>ValidationError</Code><Message>No active Lifecycle Action found with instance ID i-1</Message></Error></ErrorResponse>")
		return
	}
	m.released.Add(1)
	fmt.Fprint(w, "<CompleteLifecycleActionResponse><CompleteLifecycleActionResult/></CompleteLifecycleActionResponse>")
}

// onInstance has the depot's programs run on an instance.
func (d *depot) onInstance() *metadata {
	m := &metadata{}
	m.pieces.Store("instance-id", "i-1")
	m.pieces.Store("autoscaling/target-lifecycle-state", "InService")
	server := httptest.NewServer(m)
	d.t.Cleanup(server.Close)
	d.env = []string{"AWS_EC2_METADATA_DISABLED=false", "AWS_EC2_METADATA_SERVICE_ENDPOINT=" + server.URL, "AWS_ENDPOINT_URL_AUTO_SCALING=" + server.URL}
	return m
}

func interruption(in time.Duration) string {
	return fmt.Sprintf(`{"action":"terminate","time":%q}`, time.Now().Add(in).UTC().Format(time.RFC3339))
}

// leaver starts a worker that looks every second for the end of its machine.
func (d *depot) leaver() (*exec.Cmd, *bytes.Buffer) {
	return d.start("jobworker", "--auto-scaling-group", "workers", "--lifecycle-hook", "drain", "--notice-every", "1s", "--metrics-every", "1s")
}

// A worker whose machine is taken away finishes or hands back what it holds, tells the group if that waits, and ends by
// itself. What it did is in its metrics.
func TestWorkerLeavesItsMachine(t *testing.T) {
	for name, c := range map[string]struct {
		path, text string
		waits      bool
	}{
		"the group shrinks":                       {"autoscaling/target-lifecycle-state", "Terminated", true},
		"an interruption":                         {"spot/instance-action", interruption(2 * time.Minute), false},
		"an interruption that the group knows of": {"spot/instance-action", interruption(2 * time.Minute), true},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDepot(t)
			m := d.onInstance()
			m.waits.Store(c.waits)
			const objects = 2000
			for i := range objects {
				d.src.PutBytes(fmt.Sprintf("%05d", i), []byte("x"))
			}
			d.srcSim.SetFault(func(s3sim.Call) s3sim.Fault { return s3sim.Fault{Latency: 50 * time.Millisecond} })
			d.find()
			worker, log := d.leaver()
			d.until("some objects are copied", func() bool { return d.dst.Len() > 100 })
			m.pieces.Store(c.path, c.text)
			if err := worker.Wait(); err != nil {
				t.Fatalf("the worker ended with %v\n%s", err, log)
			}
			visible, flying, delayed := d.queue.Depth()
			if flying != 0 || delayed != 0 || visible+d.dst.Len() != objects || d.ledger.Len() != d.dst.Len() {
				t.Errorf("%d are copied, %d on record, %d wait, %d are in flight, %d come later", d.dst.Len(), d.ledger.Len(), visible, flying, delayed)
			}
			if d.dst.Len() == objects {
				t.Error("everything was copied before the notice came: the test shows nothing")
			}
			if told := m.released.Load() == 1; told != c.waits {
				t.Errorf("the group was told %d times that the machine may go", m.released.Load())
			}
			tells(t, log, d.dst.Len())
		})
	}
}

// An object that takes longer than the machine has left is handed back, and a worker that is started again there takes nothing.
func TestInterruptionComesBeforeTheObjectIsThere(t *testing.T) {
	d := newDepot(t)
	m := d.onInstance()
	d.src.PutPattern("slow", 8<<20, 1)
	d.srcSim.SetFault(func(c s3sim.Call) s3sim.Fault {
		if c.Op == "GetObject" {
			return s3sim.Fault{BytesPerSecond: 200 << 10} // 40 seconds
		}
		return s3sim.Fault{}
	})
	d.find()
	worker, log := d.leaver()
	d.until("the object is under way", func() bool { _, flying, _ := d.queue.Depth(); return flying == 1 })
	m.pieces.Store("spot/instance-action", interruption(20*time.Second)) // of which the worker keeps 15
	ended := func() {
		t.Helper()
		if err := worker.Wait(); err != nil {
			t.Fatalf("the worker ended with %v\n%s", err, log)
		}
		visible, flying, delayed := d.queue.Depth()
		if visible != 1 || flying+delayed != 0 || d.dst.Len() != 0 || d.ledger.Len() != 0 {
			t.Errorf("%d messages wait, %d are in flight, %d come later; %d objects are copied, %d on record\n%s", visible, flying, delayed, d.dst.Len(), d.ledger.Len(), log)
		}
	}
	ended()
	worker, log = d.leaver()
	ended()
	if !strings.Contains(log.String(), "does not begin") {
		t.Errorf("a worker that is started again says\n%s", log)
	}
}

// tells checks the metric lines in a log: they tell of so many objects.
func tells(t *testing.T, log *bytes.Buffer, objects int) {
	t.Helper()
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
	if told != float64(objects) || progress < 2 {
		t.Errorf("metrics tell of %v objects, %d were copied; %d lines of progress", told, objects, progress)
	}
}
