package s3sim

import (
	"net/http"
	"sort"
	"time"
)

// sendBody writes a range of an object with what was planned to go wrong on the way.
func (q *request) sendBody(c Content, off, n int64) {
	events := q.sim.triggers.within(q.call.Bucket, q.call.Key, off, off+n)
	if len(events) == 0 && q.fault.Body == BodyWhole && q.fault.BytesPerSecond == 0 {
		if err := c.WriteRange(q.w, off, n); err != nil {
			panic(http.ErrAbortHandler) // the client has gone, or there are no bytes to give
		}
		q.sim.counters.bytesOut.Add(n)
		return
	}
	sort.Slice(events, func(i, j int) bool { return events[i].at < events[j].at })
	w := &bodyWriter{q: q, off: off, events: events, breakAt: -1}
	if q.fault.Body != BodyWhole {
		w.breakAt = off + q.fault.After
	}
	if err := c.WriteRange(w, off, n); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// bodyWriter passes bytes on up to the next event.
type bodyWriter struct {
	q       *request
	off     int64 // of the next byte, in the object
	events  []trigger
	breakAt int64
}

// slice is how much a slow body sends at once.
const slice = 4 << 10

func (w *bodyWriter) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 {
		w.happen()
		n := int64(len(p))
		if len(w.events) > 0 {
			n = min(n, w.events[0].at-w.off)
		}
		if w.breakAt > w.off {
			n = min(n, w.breakAt-w.off)
		}
		if w.q.fault.BytesPerSecond > 0 {
			n = min(n, slice)
			w.flush()
			if !w.q.pause(time.Duration(n) * time.Second / time.Duration(w.q.fault.BytesPerSecond)) {
				panic(http.ErrAbortHandler)
			}
		}
		if err := w.pass(p[:n]); err != nil {
			return 0, err
		}
		p = p[n:]
	}
	return total, nil
}

// happen carries out what was planned for the current offset.
func (w *bodyWriter) happen() {
	for len(w.events) > 0 && w.events[0].at == w.off {
		w.flush()
		w.events[0].do()
		w.events = w.events[1:]
	}
	if w.breakAt != w.off {
		return
	}
	w.flush()
	switch w.q.fault.Body {
	case Reset:
		w.q.reset()
		panic(http.ErrAbortHandler)
	case Truncate:
		panic(http.ErrAbortHandler)
	case Stall:
		w.q.stall()
	}
}

func (w *bodyWriter) pass(p []byte) error {
	if w.q.fault.Body == CorruptByte && w.breakAt == w.off {
		p = append([]byte(nil), p...)
		p[0] ^= 1
	}
	n, err := w.q.w.Write(p)
	w.off += int64(n)
	w.q.sim.counters.bytesOut.Add(int64(n))
	return err
}

func (w *bodyWriter) flush() {
	if f, ok := w.q.w.(http.Flusher); ok {
		f.Flush()
	}
}
