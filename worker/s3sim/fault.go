package s3sim

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Fault is what goes wrong with one request. The zero value is nothing. Where several fields are set,
// Latency comes first, then Status, then what happens to the bodies.
type Fault struct {
	Latency time.Duration // waited for beside Options.Latency

	// Status answers with this status and Code (SlowDown for 503 and InternalError for others when
	// empty) in place of carrying the operation out. Late says it inside an answer of status 200, as
	// CopyObject and CompleteMultipartUpload do.
	Status int
	Code   string
	Late   bool

	// LoseAnswer carries the operation out and then resets the connection.
	LoseAnswer bool

	// What happens to a body after After bytes of it: of the answer of a read, of the request of a write.
	Body  BodyFault
	After int64
	// For ends a stall; 0 leaves it to the client, or to Close.
	For time.Duration

	// BytesPerSecond slows the body of a read down.
	BytesPerSecond int64
}

// BodyFault is something that happens in the middle of a body.
type BodyFault int

// The kinds of body faults. Reset with After 0 happens before any header.
const (
	BodyWhole   BodyFault = iota
	Reset                 // the connection is reset
	Truncate              // the connection is closed in good order
	Stall                 // no more bytes, and the connection stays open
	CorruptByte           // one bit of the byte at After is wrong (reads only)
)

func (f *Fault) refusal() *Error {
	e := refuse(f.Status, f.Code, "Please try again.")
	e.late = f.Late
	if e.Status == 0 {
		e.Status = http.StatusInternalServerError
	}
	if e.Code == "" {
		e.Code = "InternalError"
		if f.Status == http.StatusServiceUnavailable {
			e.Code, e.Message = "SlowDown", "Please reduce your request rate."
		}
	}
	return e
}

// faultBefore asks for the fault of this request and carries out what comes before the operation. It reports
// whether that was all.
func (q *request) faultBefore() bool {
	plan := *q.sim.fault.Load()
	if plan == nil {
		return false
	}
	q.fault = plan(q.call)
	f := &q.fault
	if !q.pause(f.Latency) {
		return true
	}
	switch {
	case f.Status != 0 && !f.Late:
		q.fail(f.refusal())
		return true
	case f.Body == BodyWhole || f.Body == CorruptByte:
		return false
	case q.writes():
		q.breakRequest()
		return true
	case f.After == 0 && f.Body == Reset:
		q.reset()
		return true
	}
	return false
}

func (q *request) writes() bool {
	return q.r.Method == http.MethodPut || q.r.Method == http.MethodPost || q.r.Method == http.MethodDelete
}

// breakRequest reads a part of the request's body and then fails.
func (q *request) breakRequest() {
	_, _ = io.CopyN(io.Discard, q.r.Body, q.fault.After) // a shorter body breaks at its end
	switch q.fault.Body {
	case Stall:
		q.stall()
	case Truncate:
		panic(http.ErrAbortHandler)
	default:
		q.reset()
	}
}

// stall waits until the client or the store gives up.
func (q *request) stall() {
	var over <-chan time.Time
	if q.fault.For > 0 {
		t := time.NewTimer(q.fault.For)
		defer t.Stop()
		over = t.C
	}
	select {
	case <-q.r.Context().Done():
	case <-q.sim.closing:
	case <-over:
	}
	panic(http.ErrAbortHandler)
}

// reset ends the connection in the hard way.
func (q *request) reset() {
	if h, ok := q.w.(http.Hijacker); ok {
		if conn, _, err := h.Hijack(); err == nil {
			under := conn
			if t, ok := conn.(*tls.Conn); ok {
				under = t.NetConn()
			}
			if tcp, ok := under.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // a failure makes the end a soft one
			}
			_ = under.Close()
			return
		}
	}
	panic(http.ErrAbortHandler)
}

// triggers are functions to be called when the body of an object was sent up to some byte.
type triggers struct {
	armed atomic.Int64
	mu    sync.Mutex
	set   map[[2]string][]trigger
}

type trigger struct {
	at int64
	do func()
}

// OnBodyOffset calls do once, in the middle of a GET of this object, when the bytes before offset were sent
// and no byte after it. The body goes on with what it had begun with.
func (s *Sim) OnBodyOffset(bucket, key string, offset int64, do func()) {
	t := &s.triggers
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.set == nil {
		t.set = map[[2]string][]trigger{}
	}
	id := [2]string{bucket, key}
	t.set[id] = append(t.set[id], trigger{offset, do})
	t.armed.Add(1)
}

// within takes the triggers of a range of an object.
func (t *triggers) within(bucket, key string, from, to int64) []trigger {
	if t.armed.Load() == 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	id := [2]string{bucket, key}
	var taken, left []trigger
	for _, x := range t.set[id] {
		if x.at >= from && x.at < to {
			taken = append(taken, x)
		} else {
			left = append(left, x)
		}
	}
	t.set[id] = left
	t.armed.Add(-int64(len(taken)))
	return taken
}
