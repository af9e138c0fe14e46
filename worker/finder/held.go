package finder

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/datatransferhub/dth/worker/diff"
)

// Held gives a sink the decisions of a prefix when all of them are final, from one goroutine at a time. So
// the sink is told everything exactly once, also when a store lists in an unexpected order and a prefix has to be
// compared anew; until then decisions wait on disk, in dir.
func Held(sink diff.Sink, dir string) diff.Brancher { return &held{sink: sink, dir: dir} }

type held struct {
	mu   sync.Mutex
	sink diff.Sink
	dir  string
}

// Decide passes on at once what belongs to no branch.
func (h *held) Decide(ctx context.Context, batch []diff.Decision) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.sink.Decide(ctx, batch)
}

// Branch holds the decisions of one prefix.
func (h *held) Branch() diff.Branch { return &heldBranch{of: h, spool: spool{dir: h.dir}} }

type heldBranch struct {
	of    *held
	mu    sync.Mutex
	spool spool
}

func (b *heldBranch) Decide(_ context.Context, batch []diff.Decision) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range batch {
		record, err := json.Marshal(&batch[i])
		if err != nil {
			return fmt.Errorf("keeping the decision about %s: %w", batch[i].Name, err)
		}
		if err := b.spool.add(record); err != nil {
			return err
		}
	}
	return nil
}

// Commit tells the sink.
func (b *heldBranch) Commit(ctx context.Context) error {
	defer b.Discard()
	var batch []diff.Decision
	const size = 500
	tell := func() error {
		if len(batch) == 0 {
			return nil
		}
		told := batch
		batch = nil
		return b.of.Decide(ctx, told)
	}
	err := b.spool.each(func(record []byte) error {
		var v diff.Decision
		if err := json.Unmarshal(record, &v); err != nil {
			return fmt.Errorf("reading a kept decision: %w", err)
		}
		if batch = append(batch, v); len(batch) < size {
			return nil
		}
		return tell()
	})
	if err != nil {
		return err
	}
	return tell()
}

// Discard forgets the decisions.
func (b *heldBranch) Discard() {
	_ = b.spool.close() // the file has no name any more, and nobody reads it
}
