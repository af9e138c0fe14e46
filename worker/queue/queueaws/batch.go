package queueaws

import (
	"context"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/datatransferhub/dth/worker/failure"
	"github.com/datatransferhub/dth/worker/queue"
	"github.com/datatransferhub/dth/worker/retry"
	"github.com/datatransferhub/dth/worker/wire/wireaws"
)

// operation is a batch call over entries that the caller knows by index.
type operation struct {
	name, verb string
	size       func(i int) int              // bytes that count towards batchBytes
	entry      func(b []byte, i int) []byte // appends the entry's fields after its Id
	fine       func(code string) bool       // refusals that are as good as success; nil: none
}

// outcome collects the entries that stay refused.
type outcome struct {
	mu     sync.Mutex
	failed []int
	first  error
}

func (o *outcome) add(entries []int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.first == nil {
		o.first = err
	}
	o.failed = append(o.failed, entries...)
}

// batches does op for n entries, several calls at once. Entries that fail are named in a *queue.BatchError.
func (q *Queue) batches(ctx context.Context, op operation, n int) error {
	if n == 0 {
		return nil
	}
	groups := split(n, op.size)
	var out outcome
	if len(groups) == 1 {
		q.group(ctx, &op, groups[0], &out)
	} else {
		var g errgroup.Group
		g.SetLimit(cap(q.slots))
		for _, entries := range groups {
			g.Go(func() error { q.group(ctx, &op, entries, &out); return nil })
		}
		_ = g.Wait() // errors are in out
	}
	if len(out.failed) == 0 {
		return nil
	}
	slices.Sort(out.failed)
	return &queue.BatchError{Op: op.verb, Failed: out.failed, Err: out.first}
}

// split cuts n entries into groups within the limits of one call.
func split(n int, size func(int) int) [][]int {
	groups := make([][]int, 0, (n+batchEntries-1)/batchEntries)
	indexes := make([]int, n)
	from, total := 0, 0
	for i := range indexes {
		indexes[i] = i
		s := size(i)
		if i > from && (i-from == batchEntries || total+s > batchBytes) {
			groups = append(groups, indexes[from:i])
			from, total = i, 0
		}
		total += s
	}
	return append(groups, indexes[from:])
}

// group does one call's worth of entries, and repeats the call for those that were refused for a while.
func (q *Queue) group(ctx context.Context, op *operation, entries []int, out *outcome) {
	for attempt := 1; ; attempt++ {
		again, err := q.once(ctx, op, entries, out)
		switch {
		case len(again) == 0:
			return
		case attempt >= q.retry.Attempts, retry.Sleep(ctx, q.retry.Delay(attempt)) != nil:
			out.add(again, err)
			return
		}
		entries = again
	}
}

type batchAnswer struct {
	Successful []struct {
		ID string `json:"Id"`
	}
	Failed []struct {
		ID          string `json:"Id"`
		Code        string
		Message     string
		SenderFault bool
	}
}

// once makes one call. It returns the entries that may be tried again, with the reason of the first.
func (q *Queue) once(ctx context.Context, op *operation, entries []int, out *outcome) (again []int, reason error) {
	var answer batchAnswer
	if err := q.limited(ctx, op, entries, &answer); err != nil {
		out.add(entries, err) // the call itself has been repeated already
		return nil, nil
	}
	later := func(k int, err error) {
		again = append(again, entries[k])
		if reason == nil {
			reason = err
		}
	}
	var answered [batchEntries]bool
	for i := range answer.Successful {
		if k, ok := place(answer.Successful[i].ID, len(entries)); ok {
			answered[k] = true
		}
	}
	for i := range answer.Failed {
		f := &answer.Failed[i]
		k, ok := place(f.ID, len(entries))
		if !ok {
			continue
		}
		answered[k] = true
		err := &failure.Error{Class: classOf(f.Code, f.SenderFault), Op: op.name, Target: q.url, Code: f.Code, Detail: f.Message}
		switch {
		case op.fine != nil && op.fine(f.Code):
		case err.Class.Retryable():
			later(k, err)
		default:
			out.add(entries[k:k+1], err)
		}
	}
	for k := range entries {
		if !answered[k] {
			later(k, &failure.Error{Class: failure.Server, Op: op.name, Target: q.url, Detail: "the answer does not name the entry"})
		}
	}
	return again, reason
}

// limited makes a call when there is a free slot.
func (q *Queue) limited(ctx context.Context, op *operation, entries []int, answer *batchAnswer) error {
	select {
	case q.slots <- struct{}{}:
	case <-ctx.Done():
		return &failure.Error{Class: failure.Canceled, Op: op.name, Target: q.url, Err: context.Cause(ctx)}
	}
	defer func() { <-q.slots }()
	return q.call(ctx, op.name, q.request(op, entries), 0, answer)
}

// classOf classes a refused entry: what is not the sender's fault may pass.
func classOf(code string, senderFault bool) failure.Class {
	if senderFault {
		return wireaws.ClassOfCode(code, 400)
	}
	return wireaws.ClassOfCode(code, 500)
}

func (q *Queue) request(op *operation, entries []int) []byte {
	size := 64 * len(entries)
	for _, i := range entries {
		size += op.size(i) * 5 / 4 // the quotes of a JSON body are escaped
	}
	b := append(q.open(size), `,"Entries":[`...)
	for k, i := range entries {
		if k > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, `{"Id":"`...), int64(k), 10)
		b = append(op.entry(append(b, '"'), i), '}')
	}
	return append(b, `]}`...)
}

// place returns the index among the entries of a call that an Id stands for.
func place(id string, n int) (int, bool) {
	k, err := strconv.Atoi(id)
	return k, err == nil && k >= 0 && k < n
}
