// Package awssim is a queue service and a table service in memory that speak the JSON protocols of Amazon
// SQS and Amazon DynamoDB, for load and for faults: millions of messages and items, partial batch
// failures, throttling, latency, lost answers. What the services mean is judged elsewhere, on moto.
package awssim

import (
	"encoding/json"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/datatransferhub/dth/worker/s3sim/loopback"
)

// Options configure a Sim.
type Options struct {
	// Latency is waited for before every answer.
	Latency time.Duration
	// Fault is asked before every request; nil: no faults. SetFault changes it later.
	Fault func(Call) Fault
	// Now is the clock of visibility time-outs; nil is the machine's.
	Now func() time.Time
}

// Call is one request.
type Call struct {
	Service string // SQS or DynamoDB
	Op      string // SendMessageBatch, PutItem, ...
	Number  int64  // 1 for the first request of this operation
	Body    []byte
}

// Fault is what goes wrong with one request. The zero value is nothing.
type Fault struct {
	Latency time.Duration
	// Status answers with this status and error Code in place of carrying the operation out. An empty
	// code is a throttling one for 400 and InternalServerError else.
	Status int
	Code   string
	// LoseAnswer carries the operation out and closes the connection without an answer.
	LoseAnswer bool
	// FailEntry chooses the entries of a batch call, by position, that are refused or left unprocessed.
	FailEntry func(i int) bool
	// Duplicate leaves what a ReceiveMessage gives in the queue, to be given again.
	Duplicate bool
}

// Sim is both services behind one address. It is an http.Handler; Start gives it an address.
type Sim struct {
	options Options
	fault   atomic.Pointer[func(Call) Fault]

	mu       sync.RWMutex
	queues   map[string]*Queue
	tables   map[string]*Table
	counts   sync.Map // operation -> *atomic.Int64
	inFlight atomic.Int64
	peak     atomic.Int64

	server  loopback.Server
	closing chan struct{}
	once    sync.Once
}

// New returns services without queues and tables.
func New(o Options) *Sim {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Sim{options: o, queues: map[string]*Queue{}, tables: map[string]*Table{}, closing: make(chan struct{})}
	s.server.Handler = s
	s.SetFault(o.Fault)
	return s
}

// SetFault replaces the function that decides what goes wrong; nil ends all faults.
func (s *Sim) SetFault(f func(Call) Fault) { s.fault.Store(&f) }

// Start listens on a free port of 127.0.0.1 and returns the address as a URL. Close ends it.
func (s *Sim) Start() (string, error) { return s.server.Start("127.0.0.1:0") }

// StartAt is Start on an address of the caller's choice.
func (s *Sim) StartAt(address string) (string, error) { return s.server.Start(address) }

// URL returns the address, empty before Start.
func (s *Sim) URL() string { return s.server.URL() }

// Close ends the server, its connections and whatever waits.
func (s *Sim) Close() {
	s.once.Do(func() {
		close(s.closing)
		s.server.Close()
	})
}

// Run starts the services for the length of a test.
func Run(t loopback.T, o Options) *Sim {
	t.Helper()
	s := New(o)
	if _, err := s.Start(); err != nil {
		t.Fatalf("start the simulated services: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// Stats are figures since the start.
type Stats struct {
	Operations   map[string]int64 // requests by operation; SQS and DynamoDB have no name in common
	Connections  int64            // opened
	Open         int64            // connections that are open now
	PeakInFlight int64
}

// Stats returns the figures.
func (s *Sim) Stats() Stats {
	st := Stats{Operations: map[string]int64{}, Connections: s.server.Connections().Opened, Open: s.server.Connections().Open, PeakInFlight: s.peak.Load()}
	s.counts.Range(func(k, v any) bool {
		st.Operations[k.(string)] = v.(*atomic.Int64).Load()
		return true
	})
	return st
}

// Count returns how many requests of an operation came in.
func (s *Sim) Count(op string) int64 {
	if n, ok := s.counts.Load(op); ok {
		return n.(*atomic.Int64).Load()
	}
	return 0
}

func (s *Sim) count(op string) int64 {
	n, ok := s.counts.Load(op)
	if !ok {
		n, _ = s.counts.LoadOrStore(op, new(atomic.Int64))
	}
	return n.(*atomic.Int64).Add(1)
}

// apiError is an answer that refuses a request.
type apiError struct {
	status  int
	code    string
	message string
	extra   []byte // further members of the document
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

func refuse(code, message string) *apiError {
	return &apiError{status: http.StatusBadRequest, code: code, message: message}
}

// request is one request on its way.
type request struct {
	sim   *Sim
	r     *http.Request
	call  Call
	fault Fault
}

// ServeHTTP implements http.Handler.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	loopback.Raise(&s.peak, s.inFlight.Add(1))
	defer s.inFlight.Add(-1)
	service, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 20<<20))
	if err != nil {
		return // the client has gone away
	}
	q := &request{sim: s, r: r}
	q.call = Call{Service: "SQS", Op: op, Body: body, Number: s.count(op)}
	if strings.HasPrefix(service, "DynamoDB") {
		q.call.Service = "DynamoDB"
	}
	if plan := *s.fault.Load(); plan != nil {
		q.fault = plan(q.call)
	}
	if !q.pause(s.options.Latency + q.fault.Latency) {
		return
	}
	answer, err := q.carryOut()
	if q.fault.LoseAnswer {
		panic(http.ErrAbortHandler) // net/http's way of dropping a connection
	}
	q.respond(w, answer, err)
}

func (q *request) carryOut() ([]byte, error) {
	if q.fault.Status != 0 {
		return nil, q.fault.refusal(q.call.Service)
	}
	ops := sqsOperations
	if q.call.Service == "DynamoDB" {
		ops = tableOperations
	}
	run, ok := ops[q.call.Op]
	if !ok {
		return nil, refuse("UnknownOperationException", "operation "+q.call.Op+" is not simulated")
	}
	return run(q)
}

func (f *Fault) refusal(service string) *apiError {
	e := &apiError{status: f.Status, code: f.Code, message: "injected fault"}
	switch {
	case e.code != "":
	case f.Status >= 500:
		e.code = "InternalServerError"
	case service == "DynamoDB":
		e.code = "ProvisionedThroughputExceededException"
	default:
		e.code = "RequestThrottled"
	}
	return e
}

func (q *request) respond(w http.ResponseWriter, answer []byte, err error) {
	status := http.StatusOK
	if err != nil {
		e, ok := err.(*apiError)
		if !ok {
			e = refuse("SerializationException", err.Error())
		}
		status = e.status
		answer = append(append([]byte(`{"__type":`), quote(q.namespace()+"#"+e.code)...), `,"message":`...)
		answer = append(answer, quote(e.message)...)
		answer = append(append(answer, e.extra...), '}')
		if legacy := legacyCodes[e.code]; legacy != "" {
			w.Header().Set("X-Amzn-Query-Error", legacy+";Sender")
		}
	}
	h := w.Header()
	h["Content-Type"] = []string{"application/x-amz-json-1.0"}
	h["X-Amzn-Requestid"] = []string{"SIM"}
	if q.call.Service == "DynamoDB" {
		h["X-Amz-Crc32"] = []string{strconv.FormatUint(uint64(crc32.ChecksumIEEE(answer)), 10)}
	}
	h["Content-Length"] = []string{strconv.Itoa(len(answer))}
	w.WriteHeader(status)
	_, _ = w.Write(answer) // a client that has gone needs no answer
}

func (q *request) namespace() string {
	if q.call.Service == "DynamoDB" {
		return "com.amazonaws.dynamodb.v20120810"
	}
	return "com.amazonaws.sqs"
}

// pause waits, and reports whether the request is still worth an answer.
func (q *request) pause(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-q.r.Context().Done():
	case <-q.sim.closing:
	}
	return false
}

// fails reports whether an entry of a batch was chosen to fail.
func (q *request) fails(i int) bool { return q.fault.FailEntry != nil && q.fault.FailEntry(i) }

func (q *request) decode(into any) error {
	if err := json.Unmarshal(q.call.Body, into); err != nil {
		return refuse("SerializationException", err.Error())
	}
	return nil
}

func quote(s string) []byte {
	b, _ := json.Marshal(s) // strings can always be written
	return b
}
