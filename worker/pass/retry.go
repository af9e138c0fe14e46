package pass

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/datatransferhub/dth/worker/ledger"
	"github.com/datatransferhub/dth/worker/message"
	"github.com/datatransferhub/dth/worker/queue"
	"github.com/datatransferhub/dth/worker/run"
)

// Again chooses failed objects: by their keys, by the class of their error, or all when both are empty.
type Again struct {
	Keys  []string
	Class string
}

// RetryConfig describes a retry: failed objects are queued once more, in a run of their own.
type RetryConfig struct {
	// RunID is the id of the retry's run. A call with the id of one that broke off goes on with it; with that of one that is
	// through, it changes nothing.
	RunID  string
	Choose Again
	Queue  queue.Sender
	Ledger ledger.Ledger
	Runs   run.Store
	// Deletes says that the task deletes at the destination, so that a delete may be among what failed.
	Deletes bool
	Version string
	Holder  string // of the lease: another one for every call
	// Until is when to stop between two pages; zero: when everything is queued.
	Until time.Time
	Room  func(ctx context.Context) error // blocks while the queue is fuller than it should be; nil: a queue without bounds
	Log   *slog.Logger                    // nil: nobody listens
	Now   func() time.Time                // nil: time.Now
}

// RetryLease is the lease that is held while failed objects are queued again: one retry of a task at a time.
const RetryLease = "retry"

const (
	retryPage      = 100 // objects: one checkpoint each, and one send
	retryLeaseTime = 2 * time.Minute
)

// ErrRetrying says that another retry is queuing its objects.
var ErrRetrying = errors.New("another retry of this task is queuing its objects; try again in two minutes")

// RetryChoiceError says that a run of this id is something else than the retry that is asked for.
type RetryChoiceError struct{ Run, Is string }

func (e *RetryChoiceError) Error() string {
	return fmt.Sprintf("request %q: it was used for %s; give another id", e.Run, e.Is)
}

// retryState is the checkpoint of a retry. A page is on record before it is sent, and sent again when the retry goes on: its
// objects are counted once, whatever became of them meanwhile.
type retryState struct {
	Choice string   `json:"choice"`
	Next   string   `json:"next"` // where the page after this one begins
	Last   bool     `json:"last"` // there is none
	Queued int64    `json:"queued"`
	Page   []string `json:"page"` // messages
}

// Retry queues failed objects again and returns their run: COPYING when all are queued, FINDING when the time was up before,
// so that another call has to go on. Also one that chose nothing that failed is a run, and is closed by its proof. The ledger may lag behind for a moment; what
// the retry has settled itself is not queued twice. A run that is COPYING drains and is closed as that of a pass is.
func Retry(ctx context.Context, c RetryConfig) (run.Run, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Choose.Keys = slices.Compact(slices.Sorted(slices.Values(c.Choose.Keys)))
	r, err := c.begin(ctx)
	if err != nil || r.State != run.Finding {
		return r, err
	}
	if err := c.hold(ctx); err != nil {
		return r, err
	}
	defer func() {
		if err := c.Runs.Unlease(context.WithoutCancel(ctx), RetryLease, c.Holder); err != nil {
			c.Log.Warn("the lease of retries is not given back; it ends by itself", "error", err)
		}
	}()
	// Whoever held the lease before may have come to the end.
	if r, err = c.Runs.Get(ctx, r.ID); err != nil || r.State != run.Finding {
		return r, err
	}
	s, err := c.state(ctx)
	if err != nil {
		return r, err
	}
	if err := c.send(ctx, s.Page); err != nil {
		return r, err
	}
	for !s.Last {
		if !c.Until.IsZero() && !c.Now().Before(c.Until) {
			return r, nil
		}
		if err := c.page(ctx, &s); err != nil {
			return r, err
		}
	}
	return c.end(ctx, r, s)
}

// begin returns the retry's run, new or as it is.
func (c *RetryConfig) begin(ctx context.Context) (run.Run, error) {
	r := run.Run{ID: c.RunID, Trigger: run.TriggerRetry, State: run.Finding, Started: c.Now().UTC(), Version: c.Version}
	err := c.Runs.Create(ctx, r)
	if err == nil {
		c.Log.Info("retry begins", "run", r.ID, "class", c.Choose.Class, "keys", len(c.Choose.Keys))
		return r, nil
	}
	if !errors.Is(err, run.ErrExists) {
		return run.Run{}, fmt.Errorf("recording retry %s: %w", r.ID, err)
	}
	if r, err = c.Runs.Get(ctx, c.RunID); err == nil && !r.OfRetry() {
		err = &RetryChoiceError{r.ID, "a run of trigger " + r.Trigger}
	}
	return r, err
}

func (c *RetryConfig) hold(ctx context.Context) error {
	_, held, err := c.Runs.Lease(ctx, RetryLease, c.Holder, c.Now(), retryLeaseTime)
	if err != nil {
		return fmt.Errorf("taking the lease of retries: %w", err)
	}
	if !held {
		return ErrRetrying
	}
	return nil
}

// state is how far the retry is.
func (c *RetryConfig) state(ctx context.Context) (retryState, error) {
	s := retryState{Choice: c.Choose.words()}
	doc, err := c.Runs.Checkpoint(ctx, c.RunID)
	if err != nil || doc == nil {
		return s, err
	}
	var before retryState
	if err := json.Unmarshal(doc, &before); err != nil {
		return s, fmt.Errorf("the checkpoint of retry %s cannot be read: %w", c.RunID, err)
	}
	if before.Choice != s.Choice {
		return s, &RetryChoiceError{c.RunID, "a retry of " + before.Choice}
	}
	return before, nil
}

// words tell one choice from another.
func (a *Again) words() string {
	switch {
	case len(a.Keys) > 0:
		return fmt.Sprintf("%d keys from %q to %q", len(a.Keys), a.Keys[0], a.Keys[len(a.Keys)-1])
	case a.Class != "":
		return "class " + a.Class
	}
	return "all failed objects"
}

// page puts the next page on record, then sends it.
func (c *RetryConfig) page(ctx context.Context, s *retryState) error {
	if err := c.hold(ctx); err != nil {
		return err
	}
	failed, next, err := c.failed(ctx, s.Next)
	if err != nil {
		return fmt.Errorf("reading what failed: %w", err)
	}
	s.Page = s.Page[:0]
	for i := range failed {
		if failed[i].RunID == c.RunID {
			continue // it failed again meanwhile, under another class
		}
		body, err := c.message(&failed[i])
		if err != nil {
			return err
		}
		s.Page = append(s.Page, body)
	}
	s.Next, s.Last, s.Queued = next, next == "", s.Queued+int64(len(s.Page))
	doc, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := c.Runs.PutCheckpoint(ctx, c.RunID, doc); err != nil {
		return err
	}
	return c.send(ctx, s.Page)
}

// failed returns a page of what failed; of chosen keys, the place is the key that the page before ended with.
func (c *RetryConfig) failed(ctx context.Context, after string) (failed []ledger.Record, next string, err error) {
	if len(c.Choose.Keys) == 0 {
		page, err := c.Ledger.Failures(ctx, c.Choose.Class, retryPage, after)
		return page.Records, page.Next, err
	}
	rest := c.Choose.Keys
	if at, found := slices.BinarySearch(rest, after); found {
		rest = rest[at+1:]
	}
	if len(rest) > retryPage {
		rest = rest[:retryPage]
		next = rest[retryPage-1]
	}
	rows, err := c.Ledger.Get(ctx, rest)
	for _, key := range rest {
		if row, there := rows[key]; there && row.Status == ledger.Failed {
			failed = append(failed, row)
		}
	}
	return failed, next, err
}

// message asks for an object to be looked at: what the record says of it may be old. Records without an ETag are of deletes,
// among others: a delete looks at the source too, and copies what is there.
func (c *RetryConfig) message(r *ledger.Record) (string, error) {
	m := message.Object{Run: c.RunID, Key: r.Key, Size: r.Size, Op: message.Copy, Look: true}
	if c.Deletes && r.SourceETag == "" {
		m.Op, m.Look = message.Delete, false
	}
	return m.Encode()
}

func (c *RetryConfig) send(ctx context.Context, page []string) error {
	if len(page) == 0 {
		return nil
	}
	if c.Room != nil {
		if err := c.Room(ctx); err != nil {
			return err
		}
	}
	if err := c.Queue.Send(ctx, page); err != nil {
		return fmt.Errorf("queuing objects again: %w", err)
	}
	return nil
}

// end puts on record that everything is queued.
func (c *RetryConfig) end(ctx context.Context, r run.Run, s retryState) (run.Run, error) {
	r.State, r.Found, r.Finder.Queued = run.Copying, c.Now().UTC(), s.Queued
	if err := c.Runs.Update(ctx, r); err != nil {
		return r, fmt.Errorf("recording the end of retry %s: %w", r.ID, err)
	}
	c.Log.Info("retry is queued", "run", r.ID, "state", r.State, "queued", s.Queued)
	if err := c.Runs.DeleteCheckpoint(ctx, r.ID); err != nil {
		c.Log.Warn("a checkpoint is left over", "run", r.ID, "error", err)
	}
	return r, nil
}
