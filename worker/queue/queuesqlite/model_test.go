package queuesqlite_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/datatransferhub/dth/worker/queue"
	"github.com/datatransferhub/dth/worker/queue/queuesqlite"
)

// modelled is a message as a queue is expected to keep it.
type modelled struct {
	body     string
	visible  time.Time
	received time.Time
	receives int
	receipt  string // of the latest receive
	dead     bool
}

// model is a queue of few words beside the real one.
type model struct {
	t        *rapid.T
	q        *queuesqlite.Queue
	now      time.Time
	messages []*modelled
	seen     []queue.Message // every message that was ever received
	sent     int
}

// TestModel does random things to a queue and to its model, and compares what they say.
func TestModel(t *testing.T) {
	db := database(t)
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		m := &model{t: rt, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
		var err error
		m.q, err = queuesqlite.Open(t.Context(), db, fmt.Sprintf("q%d", round), queuesqlite.WithClock(func() time.Time { return m.now }))
		if err != nil {
			rt.Fatal(err)
		}
		defer m.q.Close()
		rt.Repeat(map[string]func(*rapid.T){
			"send": m.send, "receive": m.receive, "delete": m.delete, "extend": m.extend, "wait": m.wait, "": m.check,
			"release": m.release,
		})
	})
}

func (m *model) send(t *rapid.T) {
	var bodies []string
	for range rapid.IntRange(1, 3).Draw(t, "messages") {
		m.sent++
		bodies = append(bodies, fmt.Sprintf("m%d", m.sent))
		m.messages = append(m.messages, &modelled{body: bodies[len(bodies)-1], visible: m.now})
	}
	if err := m.q.Send(m.t.Context(), bodies); err != nil {
		t.Fatal(err)
	}
}

func (m *model) receive(t *rapid.T) {
	limit := rapid.IntRange(1, 4).Draw(t, "limit")
	buried := m.q.DeadLetters().Len()
	got, err := m.q.Receive(m.t.Context(), limit, 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) > limit {
		t.Fatalf("%d messages, %d were asked for", len(got), limit)
	}
	for _, g := range got {
		i := slices.IndexFunc(m.messages, func(e *modelled) bool { return e.body == g.Body })
		if i < 0 {
			t.Fatalf("%s was deleted or never sent", g.Body)
		}
		e := m.messages[i]
		if e.visible.After(m.now) || e.dead || e.receives >= queue.MaxReceives {
			t.Fatalf("%s should not be seen: %+v", g.Body, e)
		}
		e.receives++
		if g.Receives != e.receives {
			t.Fatalf("%s is received %d times, want %d", g.Body, g.Receives, e.receives)
		}
		e.visible, e.received, e.receipt = m.now.Add(queue.Visibility), m.now, g.Receipt
		m.seen = append(m.seen, g)
	}
	// A message that goes to the dead letters may take a place among those that were asked for.
	if len(got) == 0 || len(got) < limit && m.q.DeadLetters().Len() == buried {
		for _, e := range m.messages {
			if e.visible.After(m.now) || e.dead {
				continue
			}
			if e.receives < queue.MaxReceives {
				t.Fatalf("%s was not received: %+v", e.body, e)
			}
		}
	}
	m.bury(t)
}

// bury takes the queue's word for which of the spent messages it has moved, after checking that they were spent.
func (m *model) bury(t *rapid.T) {
	spent := int64(0)
	for _, e := range m.messages {
		if e.receives >= queue.MaxReceives && !e.visible.After(m.now) {
			spent++
		}
	}
	if dead := m.q.DeadLetters().Len(); dead > spent {
		t.Fatalf("%d dead letters, %d messages were spent", dead, spent)
	}
	depth, err := m.q.Depth(m.t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if depth.Visible > 0 {
		return // some may not have been looked at
	}
	for _, e := range m.messages {
		if e.receives >= queue.MaxReceives && !e.visible.After(m.now) {
			e.dead = true
		}
	}
}

func (m *model) pick(t *rapid.T) (queue.Message, *modelled) {
	if len(m.seen) == 0 {
		t.Skip("nothing was received")
	}
	g := m.seen[rapid.IntRange(0, len(m.seen)-1).Draw(t, "which")]
	i := slices.IndexFunc(m.messages, func(e *modelled) bool { return e.receipt == g.Receipt })
	if i < 0 {
		return g, nil
	}
	return g, m.messages[i]
}

func (m *model) delete(t *rapid.T) {
	g, e := m.pick(t)
	if e != nil && e.receives >= queue.MaxReceives && !e.visible.After(m.now) {
		t.Skip("whether it is among the dead letters already is the queue's choice")
	}
	if err := m.q.Delete(m.t.Context(), []queue.Message{g}); err != nil {
		t.Fatal(err)
	}
	m.messages = slices.DeleteFunc(m.messages, func(o *modelled) bool { return o == e })
}

func (m *model) extend(t *rapid.T) {
	g, e := m.pick(t)
	d := time.Duration(rapid.SampledFrom([]int{0, 1, 15, 60, 719, 721}).Draw(t, "minutes")) * time.Minute
	err := m.q.Extend(m.t.Context(), []queue.Message{g}, d)
	allowed := e != nil && e.visible.After(m.now) && !m.now.Add(d).After(e.received.Add(queue.MaxLease))
	var batch *queue.BatchError
	if err != nil && !errors.As(err, &batch) {
		t.Fatal(err)
	}
	if allowed != (err == nil) {
		t.Fatalf("extending %s by %v: %v; expected of %+v", g.Body, d, err, e)
	}
	if allowed {
		e.visible = m.now.Add(d)
	}
}

func (m *model) wait(t *rapid.T) {
	m.now = m.now.Add(time.Duration(rapid.SampledFrom([]int{1, 14, 15, 120, 720}).Draw(t, "minutes")) * time.Minute)
}

func (m *model) release(t *rapid.T) {
	if err := m.q.ReleaseLeases(m.t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, e := range m.messages {
		if e.visible.After(m.now) {
			e.visible, e.receives = m.now, max(0, e.receives-1)
		}
	}
}

// check compares the lengths: a message is in the queue or among its dead letters until it is deleted.
func (m *model) check(t *rapid.T) {
	if total := m.q.Len() + m.q.DeadLetters().Len(); total != int64(len(m.messages)) {
		var bodies []string
		for _, e := range m.messages {
			bodies = append(bodies, e.body)
		}
		t.Fatalf("%d messages are kept, want %s", total, strings.Join(bodies, " "))
	}
}
