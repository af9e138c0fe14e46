package awssim

import (
	"container/heap"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Queue is a standard queue. Its messages are given in the order in which they came and are gone when they are deleted, unless its
// options say otherwise: real queues promise neither.
type Queue struct {
	sim  *Sim
	name string

	mu         sync.Mutex
	visibility time.Duration
	maxReceive int
	dead       *Queue
	order      func(n int) int
	revive     func() bool

	next    uint64
	all     map[uint64]*message // not deleted
	ready   ring                // ids; those that were deleted meanwhile are passed over
	hidden  hiddenHeap          // in flight or delayed
	changed chan struct{}       // closed when something became ready
}

type message struct {
	id       uint64
	body     json.RawMessage // the JSON string as it came
	md5      string
	sent     int64 // milliseconds
	first    int64 // first receive
	receives int
	inFlight bool
	delayed  bool
	until    time.Time // while hidden
	at       int       // in the heap; -1: not there
}

// QueueOptions configure a queue.
type QueueOptions struct {
	Visibility  time.Duration // 0: 30 seconds
	MaxReceives int           // 0: never dead
	DeadLetters *Queue
	// Order chooses which of the n messages that wait is given next, 0 being the one that has waited longest; nil: that one.
	Order func(n int) int
	// Revive reports whether a message that is being deleted is received once more; nil: none is.
	Revive func() bool
}

// CreateQueue adds a queue, or returns the one of this name.
func (s *Sim) CreateQueue(name string, o QueueOptions) *Queue {
	s.mu.Lock()
	defer s.mu.Unlock()
	if q := s.queues[name]; q != nil {
		return q
	}
	if o.Visibility == 0 {
		o.Visibility = 30 * time.Second
	}
	q := &Queue{
		sim: s, name: name, visibility: o.Visibility, maxReceive: o.MaxReceives, dead: o.DeadLetters, order: o.Order, revive: o.Revive,
		all: map[uint64]*message{}, changed: make(chan struct{}),
	}
	s.queues[name] = q
	return q
}

// URL returns the queue's address.
func (q *Queue) URL() string { return q.sim.URL() + "/000000000000/" + q.name }

func (s *Sim) queue(url string) (*Queue, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if q := s.queues[url[strings.LastIndexByte(url, '/')+1:]]; q != nil {
		return q, nil
	}
	return nil, refuse("QueueDoesNotExist", "The specified queue does not exist.")
}

// Depth tells how many messages can be received, are in flight and are delayed.
func (q *Queue) Depth() (visible, inFlight, delayed int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.surface()
	for _, m := range q.hidden {
		if m.delayed {
			delayed++
		} else {
			inFlight++
		}
	}
	return len(q.all) - len(q.hidden), inFlight, delayed
}

// Bodies returns the bodies of all messages that are not deleted, in no order.
func (q *Queue) Bodies() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	all := make([]string, 0, len(q.all))
	for _, m := range q.all {
		var text string
		_ = json.Unmarshal(m.body, &text) // was decoded when it came
		all = append(all, text)
	}
	return all
}

// Send puts a message into the queue as a request would.
func (q *Queue) Send(body string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.add(quote(body), md5Hex(body), 0)
}

func md5Hex(s string) string {
	sum := md5.Sum([]byte(s))
	return hex.EncodeToString(sum[:])
}

// add stores a message. The caller holds the lock.
func (q *Queue) add(body json.RawMessage, sum string, delay time.Duration) *message {
	q.next++
	now := q.sim.options.Now()
	m := &message{id: q.next, body: body, md5: sum, sent: now.UnixMilli(), at: -1}
	q.all[m.id] = m
	if delay > 0 {
		m.delayed = true
		q.hide(m, now.Add(delay))
		return m
	}
	q.show(m)
	return m
}

func (q *Queue) hide(m *message, until time.Time) {
	m.until = until
	if m.at >= 0 {
		heap.Fix(&q.hidden, m.at)
		return
	}
	heap.Push(&q.hidden, m)
}

func (q *Queue) show(m *message) {
	if m.at >= 0 {
		heap.Remove(&q.hidden, m.at)
	}
	m.inFlight, m.delayed = false, false
	q.ready.push(m.id)
	close(q.changed)
	q.changed = make(chan struct{})
}

// surface shows what has been hidden for long enough.
func (q *Queue) surface() {
	now := q.sim.options.Now()
	for len(q.hidden) > 0 && !q.hidden[0].until.After(now) {
		q.show(q.hidden[0])
	}
}

// receive takes up to limit messages, waiting for the first.
func (q *Queue) receive(ctx context.Context, limit int, visibility, wait time.Duration, duplicate bool) []receipt {
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for {
		got, next, changed := q.take(limit, visibility, duplicate)
		if len(got) > 0 || wait <= 0 {
			return got
		}
		var surfacing <-chan time.Time
		var t *time.Timer
		if next > 0 {
			t = time.NewTimer(next)
			surfacing = t.C
		}
		over := false
		select {
		case <-changed:
		case <-surfacing:
		case <-deadline.C:
			over = true
		case <-ctx.Done():
			over = true
		case <-q.sim.closing:
			over = true
		}
		if t != nil {
			t.Stop()
		}
		if over {
			return nil
		}
	}
}

// receipt is what one receive tells of a message.
type receipt struct {
	m        *message
	receives int
}

// take is one attempt of receive; it tells also when the next hidden message will show.
func (q *Queue) take(limit int, visibility time.Duration, duplicate bool) (got []receipt, next time.Duration, changed chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.surface()
	now := q.sim.options.Now()
	for len(got) < limit {
		if q.order != nil && q.ready.n > 1 {
			q.ready.advance(q.order(q.ready.n))
		}
		id, ok := q.ready.pop()
		if !ok {
			break
		}
		m := q.all[id]
		if m == nil || m.at >= 0 {
			continue
		}
		if q.maxReceive > 0 && m.receives >= q.maxReceive && q.dead != nil {
			delete(q.all, id)
			q.dead.mu.Lock()
			q.dead.add(m.body, m.md5, 0)
			q.dead.mu.Unlock()
			continue
		}
		m.receives++
		if m.first == 0 {
			m.first = now.UnixMilli()
		}
		m.inFlight = true
		q.hide(m, now.Add(visibility))
		got = append(got, receipt{m, m.receives})
	}
	if duplicate {
		for _, r := range got {
			q.show(r.m)
		}
	}
	if len(q.hidden) > 0 {
		next = max(q.hidden[0].until.Sub(now), time.Millisecond)
	}
	return got, next, q.changed
}

func (r receipt) handle() string {
	return strconv.FormatUint(r.m.id, 36) + "." + strconv.Itoa(r.receives)
}

func parseHandle(handle string) (id uint64, receives int, err error) {
	a, b, ok := strings.Cut(handle, ".")
	if ok {
		if id, err = strconv.ParseUint(a, 36, 64); err == nil {
			receives, err = strconv.Atoi(b)
		}
	}
	if !ok || err != nil {
		return 0, 0, refuse("ReceiptHandleIsInvalid", "The input receipt handle is invalid.")
	}
	return id, receives, nil
}

// remove deletes a message by receipt. One that is gone or was received again meanwhile is left as it is.
func (q *Queue) remove(handle string) error {
	id, receives, err := parseHandle(handle)
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	m := q.all[id]
	if m == nil || m.receives != receives {
		return nil
	}
	if q.revive != nil && m.at >= 0 && (q.maxReceive == 0 || m.receives < q.maxReceive) && q.revive() {
		q.show(m)
		return nil
	}
	if m.at >= 0 {
		heap.Remove(&q.hidden, m.at)
	}
	delete(q.all, id)
	return nil
}

// extend changes the visibility of a message in flight.
func (q *Queue) extend(handle string, d time.Duration) error {
	id, receives, err := parseHandle(handle)
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.surface()
	m := q.all[id]
	if m == nil || m.receives != receives || !m.inFlight {
		return refuse("MessageNotInflight", "The specified message isn't in flight.")
	}
	if d == 0 {
		q.show(m)
		return nil
	}
	q.hide(m, q.sim.options.Now().Add(d))
	return nil
}

func (q *Queue) purge() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.all, q.ready, q.hidden = map[uint64]*message{}, ring{}, nil
}

// ring is a queue of ids in one growing piece of memory.
type ring struct {
	ids     []uint64
	head, n int
}

func (r *ring) push(id uint64) {
	if r.n == len(r.ids) {
		grown := make([]uint64, max(64, 2*r.n))
		for i := range r.n {
			grown[i] = r.ids[(r.head+i)%len(r.ids)]
		}
		r.ids, r.head = grown, 0
	}
	r.ids[(r.head+r.n)%len(r.ids)] = id
	r.n++
}

// advance brings an id to the head, which takes its place.
func (r *ring) advance(i int) {
	at := (r.head + i) % len(r.ids)
	r.ids[r.head], r.ids[at] = r.ids[at], r.ids[r.head]
}

func (r *ring) pop() (uint64, bool) {
	if r.n == 0 {
		return 0, false
	}
	id := r.ids[r.head]
	r.head = (r.head + 1) % len(r.ids)
	r.n--
	return id, true
}

// hiddenHeap has the message that shows first at its top.
type hiddenHeap []*message

func (h hiddenHeap) Len() int           { return len(h) }
func (h hiddenHeap) Less(i, j int) bool { return h[i].until.Before(h[j].until) }
func (h hiddenHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i]; h[i].at, h[j].at = i, j }

// Push implements heap.Interface.
func (h *hiddenHeap) Push(x any) {
	m := x.(*message)
	m.at = len(*h)
	*h = append(*h, m)
}

// Pop implements heap.Interface.
func (h *hiddenHeap) Pop() any {
	old := *h
	m := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	m.at = -1
	return m
}
