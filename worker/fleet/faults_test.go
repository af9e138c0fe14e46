package fleet_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/datatransferhub/dth/worker/consume"
	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/s3sim"
	"github.com/datatransferhub/dth/worker/transfer"
)

// fill puts small objects into the source and queues them.
func (y *yard) fill(n int) (keys []string) {
	y.t.Helper()
	var bodies []string
	for i := range n {
		key := fmt.Sprintf("small/%05d", i)
		y.src.PutBytes(key, data(64, byte(i)))
		body, err := y.wanted(key).Encode()
		y.must(err)
		bodies, keys = append(bodies, body), append(keys, key)
	}
	y.must(y.queue.Send(context.Background(), bodies))
	return keys
}

// With hand-backs of some milliseconds, an outage of a second and a half would use up the receives of every message many
// times over.
func TestOutageCostsNoReceives(t *testing.T) {
	for name, fault := range map[string]s3sim.Fault{
		"server errors": {Status: http.StatusInternalServerError},
		"throttling":    {Status: http.StatusServiceUnavailable},
		"resets":        {Body: s3sim.Reset},
		"refusals":      {Status: http.StatusForbidden, Code: "AccessDenied"},
		"unknown keys":  {Status: http.StatusForbidden, Code: "InvalidAccessKeyId"},
	} {
		t.Run(name, func(t *testing.T) {
			y := newYard(t, s3sim.Options{}, s3sim.Options{})
			n := 500
			if name == "resets" {
				n = 5000
			}
			keys := y.fill(n)
			y.worker()
			y.until("some are copied", func() bool { return y.dst.Len() > n/10 })
			y.dstSim.SetFault(func(s3sim.Call) s3sim.Fault { return fault })
			time.Sleep(1500 * time.Millisecond)
			y.dstSim.SetFault(nil)
			y.settled()
			if n := y.dead(); n != 0 {
				t.Errorf("%d dead letters", n)
			}
			y.counted("run", keys...)
			rows, err := y.ledger.Get(t.Context(), keys)
			y.must(err)
			for key, r := range rows {
				if r.Status != ledger.Done {
					t.Fatalf("%s: %s, %s", key, r.Status, r.Error)
				}
			}
			y.agree()
		})
	}
}

// A refusal of single keys is theirs alone.
func TestRefusalOfOneKey(t *testing.T) {
	y := newYard(t, s3sim.Options{Fault: nil}, s3sim.Options{})
	keys := y.fill(50)
	y.srcSim.SetFault(func(c s3sim.Call) s3sim.Fault {
		if c.Key == keys[7] {
			return s3sim.Fault{Status: http.StatusForbidden, Code: "AccessDenied"}
		}
		return s3sim.Fault{}
	})
	y.worker()
	y.settled()
	if r := y.row(keys[7]); r.Status != ledger.Failed || r.ErrorClass != string(failure.AccessDenied) {
		t.Errorf("%+v", r)
	}
	if r := y.row(keys[8]); r.Status != ledger.Done {
		t.Errorf("%+v", r)
	}
}

// A wrong secret holds the worker; the right one sets it going again, without a restart.
func TestSecretIsCorrected(t *testing.T) {
	keys := map[string]s3sim.Key{"test": {Secret: "right"}}
	y := newYard(t, s3sim.Options{Keys: keys}, s3sim.Options{Keys: keys})
	y.secret.set("wrong")
	all := y.fill(200)
	y.worker()
	time.Sleep(300 * time.Millisecond)
	if n := y.dst.Len(); n != 0 {
		t.Fatalf("%d objects were copied with a wrong secret", n)
	}
	y.secret.set("right")
	y.settled()
	y.agree()
	y.counted("run", all...)
	if n := y.dead(); n != 0 {
		t.Errorf("%d dead letters", n)
	}
	for _, o := range y.outcomes {
		if o.Attempts != 1 {
			t.Errorf("%s took %d receives", o.Key, o.Attempts)
		}
	}
}

// A key that is rotated while the worker runs is picked up.
func TestSecretIsRotated(t *testing.T) {
	keys := map[string]s3sim.Key{"test": {Secret: "right"}}
	y := newYard(t, s3sim.Options{Keys: keys}, s3sim.Options{Keys: keys})
	all := y.fill(1000)
	y.worker()
	y.until("some are copied", func() bool { return y.dst.Len() > 100 })
	y.secret.set("newer")
	y.srcSim.SetKey("test", s3sim.Key{Secret: "newer"})
	y.dstSim.SetKey("test", s3sim.Key{Secret: "newer"})
	y.settled()
	y.agree()
	y.counted("run", all...)
}

// A connection that goes silent is given up, and the object copied all the same.
func TestSilentConnection(t *testing.T) {
	y := newYard(t, s3sim.Options{}, s3sim.Options{})
	y.src.PutBytes("large", data(700<<10, 1)) // below this yard's giants
	y.src.PutBytes("giant", data(big, 2))
	var silent atomic.Int64
	y.srcSim.SetFault(func(c s3sim.Call) s3sim.Fault {
		if c.Op == "GetObject" && silent.Add(1)%5 == 1 && silent.Load() < 12 {
			return s3sim.Fault{Body: s3sim.Stall, After: 100 << 10}
		}
		return s3sim.Fault{}
	})
	y.send(y.wanted("large"), y.wanted("giant"))
	y.controller()
	y.worker()
	y.settled()
	y.agree()
	y.counted("run", "large", "giant")
}

// notification is an event message as S3 writes it.
func notification(records ...string) string {
	return `{"Records":[` + strings.Join(records, ",") + `]}`
}

func record(name, key string, o *s3sim.Object, sequencer int) string {
	object := map[string]any{"key": url.QueryEscape(key), "sequencer": fmt.Sprintf("%018X", sequencer)}
	if o != nil {
		object["size"], object["eTag"] = o.Size(), o.ETag
	}
	text, err := json.Marshal(map[string]any{
		"eventVersion": "2.1", "eventSource": "aws:s3", "eventTime": "2026-11-23T10:00:00.000Z", "eventName": name,
		"s3": map[string]any{"bucket": map[string]any{"name": "src"}, "object": object},
	})
	if err != nil {
		panic(err)
	}
	return string(text)
}

// Whatever arrives in the queue: nothing stops the worker, and nothing is lost.
func TestMessagesOfAllKinds(t *testing.T) {
	y := newYard(t, s3sim.Options{}, s3sim.Options{})
	y.job.Events = job.EventsCreateAndDelete
	y.job.Selection.Exclude = []string{"**.tmp"}
	y.dst.PutBytes("removed", data(5, 5))
	var bodies []string
	keys := awkward()
	for i, key := range keys {
		size := 100
		if i%2 == 0 {
			size = big
		}
		bodies = append(bodies, notification(record("ObjectCreated:Put", key, y.src.PutBytes(key, data(size, byte(i))), i+1)))
	}
	one, two := y.src.PutBytes("one of two", data(10, 1)), y.src.PutBytes("two of two", data(20, 2))
	y.src.PutBytes("unheard of", data(30, 3))
	many := notification(record("ObjectCreated:Put", "one of two", one, 1), record("ObjectCreated:Put", "two of two", two, 2), record("ObjectRemoved:Delete", "removed", nil, 3))
	wrapped, err := json.Marshal(map[string]string{"Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:111122223333:t", "Message": many})
	y.must(err)
	poison := []string{"hello", `{"Event":"s3:TestEvent"}`, `{"Records":[{"eventName":"ObjectCreated:Put"}]}`, `{"v":7,"kind":"object"}`}
	bodies = append(bodies,
		string(wrapped), notification(),
		notification(record("ObjectTeleported:Away", "unheard of", nil, 9)),
		notification(record("ObjectAcl:Put", "one of two", one, 9)),
		notification(record("ObjectCreated:Put", "left.tmp", one, 9)),
		`{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-11-23T01:02:03.456Z","Bucket":"src","RequestId":"R","HostId":"H"}`)
	y.must(y.queue.Send(t.Context(), append(bodies, poison...)))
	y.controller()
	y.worker()
	y.worker()
	y.settled()
	y.agree()
	y.counted(eventsOfTheDay, append(keys, "one of two", "two of two", "removed", "unheard of")...)
	if n := y.dead(); n != int64(len(poison)) {
		t.Errorf("%d dead letters, want %d", n, len(poison))
	}
}

// settling is a settler that never ends well: as if every worker died with the message in its hands.
type settling func(m message.Message) transfer.Outcome

func (f settling) Settle(_ context.Context, m message.Message, _ int) transfer.Outcome { return f(m) }

func (settling) Reach(context.Context) error { return nil }

func TestDeadLettersBecomeRecords(t *testing.T) {
	y := newYard(t, s3sim.Options{}, s3sim.Options{})
	y.src.PutBytes("poor", data(10, 1))
	y.src.PutBytes("settled", data(10, 2))
	y.src.PutBytes("giant", data(big, 3))
	stop := y.worker()
	y.send(y.wanted("settled"))
	y.settled()
	y.must(stop())
	// What dead workers leave: messages that were received five times.
	dead := y.queue.DeadLetters()
	put := func(m message.Message) {
		body, err := m.Encode()
		y.must(err)
		y.must(dead.Send(t.Context(), []string{body}))
	}
	put(y.wanted("poor"))
	put(y.wanted("settled"))
	y.send(y.wanted("giant"))
	y.tune = func(c *consume.Config, x *transfer.Config) {
		copier := transfer.New(*x)
		c.Settler = settling(func(m message.Message) transfer.Outcome {
			if p, ok := m.(message.Part); ok && p.Number == 3 {
				put(p)
				return transfer.Outcome{Settled: true}
			}
			return copier.Settle(context.Background(), m, 1)
		})
	}
	stop = y.worker()
	y.until("all but a part are settled", func() bool { return y.queue.Len() == 0 })
	y.must(stop())
	y.must(dead.Send(t.Context(), []string{"not readable"}))

	reader := &consume.DeadLetters{Queue: dead, Ledger: y.ledger, Runs: y.runs, Uploads: y.uploads, Worker: "finder-1", Quiet: 200 * time.Millisecond}
	recorded, unreadable, err := reader.Read(t.Context())
	if err != nil || recorded != 1 || unreadable != 1 {
		t.Errorf("%d were recorded, %d cannot be read, %v", recorded, unreadable, err)
	}
	if r := y.row("poor"); r.Status != ledger.Failed || !strings.Contains(r.Error, "five times") {
		t.Errorf("%+v", r)
	}
	if r := y.row("settled"); r.Status != ledger.Done {
		t.Errorf("%+v", r)
	}
	if n := y.dead(); n != 1 {
		t.Errorf("%d dead letters are left", n)
	}
	y.tune = nil
	y.controller()
	y.worker()
	y.settled()
	if r := y.row("giant"); r.Status != ledger.Failed {
		t.Errorf("%+v", r)
	}
	y.counted("run", "poor", "settled", "giant")
}
