// Package queuetest is the contract of package queue as tests. Every adapter passes it.
package queuetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/datatransferhub/dth/worker/queue"
)

// Fixture is an empty queue under test.
type Fixture struct {
	Queue queue.Queue
	// Dead is its dead-letter queue.
	Dead queue.Queue
	// Visibility is how long received messages are hidden.
	Visibility time.Duration
	// Elapse lets time pass for the queue: by its clock, or really.
	Elapse func(d time.Duration)
	// KeepsOldReceipts says that the server behind the adapter takes receipts of earlier receives, which the service
	// that it stands in for does not promise.
	KeepsOldReceipts bool
}

// Run runs the suite. open is called once a test.
func Run(t *testing.T, open func(t *testing.T) Fixture) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, f Fixture)
	}{
		{"an empty queue gives nothing", empty},
		{"a message arrives as it was sent", roundTrip},
		{"what is received is hidden until its time is over", visibility},
		{"a receive that waits gets what is sent meanwhile", waiting},
		{"a receive ends with its context", canceled},
		{"extending hides for longer", extend},
		{"extending by nothing hands back at once", handBack},
		{"a lease of more than twelve hours is refused", tooLong},
		{"after five receives a message is in the dead letters", deadLetters},
		{"what is deleted never returns, and can be deleted again", remove},
		{"an old receipt cannot take a message from its holder", stale},
		{"entries that fail are named", failing},
		{"many messages are sent, received and deleted whole", many},
		{"the depth tells visible from hidden", depth},
		{"no entries are no work", nothing},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

func send(t *testing.T, q queue.Sender, bodies ...string) {
	t.Helper()
	if err := q.Send(t.Context(), bodies); err != nil {
		t.Fatalf("sending: %v", err)
	}
}

// receive gets exactly n messages.
func receive(t *testing.T, q queue.Queue, n int) []queue.Message {
	t.Helper()
	var out []queue.Message
	for len(out) < n {
		m, err := q.Receive(t.Context(), n-len(out), 5*time.Second)
		if err != nil {
			t.Fatalf("receiving: %v", err)
		}
		if len(m) == 0 {
			t.Fatalf("%d messages arrived, %d were expected", len(out), n)
		}
		out = append(out, m...)
	}
	return out
}

func none(t *testing.T, q queue.Queue) {
	t.Helper()
	m, err := q.Receive(t.Context(), 10, 0)
	if err != nil {
		t.Fatalf("receiving: %v", err)
	}
	if len(m) > 0 {
		t.Fatalf("message %q arrived, none was expected", m[0].Body)
	}
}

func empty(t *testing.T, f Fixture) {
	none(t, f.Queue)
	if m, err := f.Queue.Receive(t.Context(), 10, time.Second); err != nil || len(m) > 0 {
		t.Errorf("after waiting: %d messages, %v", len(m), err)
	}
}

func roundTrip(t *testing.T, f Fixture) {
	bodies := []string{
		`{"v":1,"kind":"object","key":"a \"quoted\" \\ name"}`, "line\nand\ttab\r", "Grüße 世界 🌍", "</script>&<b>", strings.Repeat("x", 100<<10),
	}
	before := time.Now().Add(-time.Hour)
	send(t, f.Queue, bodies...)
	got := receive(t, f.Queue, len(bodies))
	ids := map[string]bool{}
	var texts []string
	for _, m := range got {
		texts = append(texts, m.Body)
		ids[m.ID] = true
		if m.Receives != 1 || m.Receipt == "" || m.Sent.Before(before) || m.Sent.Location() != time.UTC {
			t.Errorf("message %s: receives %d, receipt %q, sent %v", m.ID, m.Receives, m.Receipt, m.Sent)
		}
	}
	if len(ids) != len(bodies) {
		t.Errorf("%d different ids for %d messages", len(ids), len(bodies))
	}
	slices.Sort(texts)
	slices.Sort(bodies)
	if diff := cmp.Diff(bodies, texts); diff != "" {
		t.Error(diff)
	}
}

func visibility(t *testing.T, f Fixture) {
	send(t, f.Queue, "m")
	first := receive(t, f.Queue, 1)[0]
	none(t, f.Queue)
	f.Elapse(f.Visibility)
	second := receive(t, f.Queue, 1)[0]
	if second.ID != first.ID || second.Body != "m" || second.Receives != 2 {
		t.Errorf("the second receive gave %+v after %+v", second, first)
	}
}

func waiting(t *testing.T, f Fixture) {
	type result struct {
		messages []queue.Message
		err      error
	}
	got := make(chan result, 1)
	go func() {
		m, err := f.Queue.Receive(t.Context(), 10, 20*time.Second)
		got <- result{m, err}
	}()
	send(t, f.Queue, "late")
	if r := <-got; r.err != nil || len(r.messages) != 1 || r.messages[0].Body != "late" {
		t.Errorf("received %v, %v", r.messages, r.err)
	}
}

func canceled(t *testing.T, f Fixture) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := f.Queue.Receive(ctx, 10, time.Hour)
		ended <- err
	}()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}

func extend(t *testing.T, f Fixture) {
	send(t, f.Queue, "m")
	m := receive(t, f.Queue, 1)
	if err := f.Queue.Extend(t.Context(), m, 30*f.Visibility); err != nil {
		t.Fatal(err)
	}
	f.Elapse(f.Visibility)
	none(t, f.Queue)
	if err := f.Queue.Delete(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

func handBack(t *testing.T, f Fixture) {
	send(t, f.Queue, "m")
	m := receive(t, f.Queue, 1)
	if err := f.Queue.Extend(t.Context(), m, 0); err != nil {
		t.Fatal(err)
	}
	if again := receive(t, f.Queue, 1)[0]; again.Receives != 2 {
		t.Errorf("receives = %d", again.Receives)
	}
}

func tooLong(t *testing.T, f Fixture) {
	send(t, f.Queue, "m", "n")
	m := receive(t, f.Queue, 2)
	wantFailed(t, f.Queue.Extend(t.Context(), m, queue.MaxLease+time.Second), 0, 1)
	if err := f.Queue.Delete(t.Context(), m); err != nil {
		t.Errorf("the receipts do not hold any more: %v", err)
	}
}

func deadLetters(t *testing.T, f Fixture) {
	send(t, f.Queue, "poison")
	for n := 1; n <= queue.MaxReceives; n++ {
		m := receive(t, f.Queue, 1)
		if m[0].Receives != n {
			t.Fatalf("receive %d is counted as %d", n, m[0].Receives)
		}
		if err := f.Queue.Extend(t.Context(), m, 0); err != nil {
			t.Fatal(err)
		}
	}
	send(t, f.Queue, "healthy")
	if m := receive(t, f.Queue, 1); m[0].Body != "healthy" {
		t.Fatalf("receive %d gave %q", queue.MaxReceives+1, m[0].Body)
	}
	none(t, f.Queue)
	dead := receive(t, f.Dead, 1)
	if dead[0].Body != "poison" {
		t.Errorf("the dead letter is %q", dead[0].Body)
	}
	if err := f.Dead.Delete(t.Context(), dead); err != nil {
		t.Error(err)
	}
	none(t, f.Dead)
}

func remove(t *testing.T, f Fixture) {
	send(t, f.Queue, "a", "b")
	m := receive(t, f.Queue, 2)
	for range 2 {
		if err := f.Queue.Delete(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	f.Elapse(f.Visibility)
	none(t, f.Queue)
	var failed *queue.BatchError
	if err := f.Queue.Extend(t.Context(), m, f.Visibility); !errors.As(err, &failed) {
		t.Errorf("extending what is gone: %v", err)
	}
}

func stale(t *testing.T, f Fixture) {
	if f.KeepsOldReceipts {
		return // nothing to hold the adapter against
	}
	send(t, f.Queue, "m")
	old := receive(t, f.Queue, 1)
	f.Elapse(f.Visibility)
	held := receive(t, f.Queue, 1)
	wantFailed(t, f.Queue.Extend(t.Context(), old, 0), 0)
	if err := f.Queue.Delete(t.Context(), old); err != nil {
		t.Errorf("deleting by an old receipt: %v", err)
	}
	none(t, f.Queue)
	f.Elapse(f.Visibility)
	if m := receive(t, f.Queue, 1); m[0].ID != held[0].ID || m[0].Receives != 3 {
		t.Errorf("after the old receipt was used: %+v", m[0])
	}
}

func failing(t *testing.T, f Fixture) {
	send(t, f.Queue, "a", "b", "c")
	m := receive(t, f.Queue, 3)
	if err := f.Queue.Delete(t.Context(), m[1:2]); err != nil {
		t.Fatal(err)
	}
	wantFailed(t, f.Queue.Extend(t.Context(), m, 10*f.Visibility), 1)
}

func wantFailed(t *testing.T, err error, want ...int) {
	t.Helper()
	var batch *queue.BatchError
	if !errors.As(err, &batch) {
		t.Fatalf("the error is %v", err)
	}
	if diff := cmp.Diff(want, batch.Failed); diff != "" || batch.Err == nil {
		t.Errorf("failed entries (-want +got), %v:\n%s", batch.Err, diff)
	}
}

func many(t *testing.T, f Fixture) {
	const n = 57
	var bodies []string
	for i := range n {
		bodies = append(bodies, fmt.Sprintf("message %02d", i))
	}
	send(t, f.Queue, bodies...)
	got := receive(t, f.Queue, n)
	if err := f.Queue.Delete(t.Context(), got); err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, m := range got {
		texts = append(texts, m.Body)
	}
	slices.Sort(texts)
	if diff := cmp.Diff(bodies, texts); diff != "" {
		t.Error(diff)
	}
	f.Elapse(f.Visibility)
	none(t, f.Queue)
}

func depth(t *testing.T, f Fixture) {
	send(t, f.Queue, "a", "b", "c")
	m := receive(t, f.Queue, 1)
	got, err := f.Queue.Depth(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := (queue.Depth{Visible: 2, InFlight: 1}); got != want {
		t.Errorf("depth = %+v, want %+v", got, want)
	}
	if err := f.Queue.Delete(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if got, err = f.Queue.Depth(t.Context()); err != nil || got != (queue.Depth{Visible: 2}) {
		t.Errorf("after a delete: %+v, %v", got, err)
	}
}

func nothing(t *testing.T, f Fixture) {
	ctx := t.Context()
	if err := errors.Join(f.Queue.Send(ctx, nil), f.Queue.Delete(ctx, nil), f.Queue.Extend(ctx, nil, time.Minute)); err != nil {
		t.Error(err)
	}
}
