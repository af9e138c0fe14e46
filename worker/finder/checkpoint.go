package finder

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/datatransferhub/dth/worker/diff"
	"github.com/datatransferhub/dth/worker/job"
	"github.com/datatransferhub/dth/worker/list"
)

// Checkpoints make a pass resumable: from time to time a document is kept that says how far it is, and with that
// document another process goes on where this one ended. All sinks of such a pass are Settlers.
type Checkpoints struct {
	// From is the document of the pass that is continued; nil: the pass begins.
	From []byte
	// Unfit is told why From cannot be continued, before the pass begins from its beginning.
	Unfit func(why error)
	// Put keeps a document in place of the one before. An error does not end the pass: the document before is still
	// true, only older.
	Put func(ctx context.Context, doc []byte) error
	// Every is the time between documents; 0 is 10 s. While messages are sent it is a tenth of that, because what was sent
	// since the last document is sent again by whoever continues.
	Every time.Duration
	// MarkEvery is how many names lie between two positions that a document can name; 0 is 2000.
	MarkEvery int
}

// Settler is a sink that works on after it has taken decisions, and can be waited for.
type Settler interface {
	Background
	// Settle returns when everything that was taken before the call is done and safe.
	Settle(ctx context.Context) error
	// Unsettled returns how much was taken since the last Settle began.
	Unsettled() int64
}

// version of the document.
const version = 1

// document is what a checkpoint holds.
type document struct {
	Version int           `json:"v"`
	Of      string        `json:"of"` // digest of the job and its prefixes
	List    list.Snapshot `json:"list"`
	Totals  diff.Totals   `json:"totals"` // of committed prefixes
}

// digest identifies what is compared: a checkpoint of another job, or of other prefixes, says nothing about this one.
func digest(j *job.Job, prefixes []string) (string, error) {
	h := sha256.New()
	e := json.NewEncoder(h)
	if err := e.Encode(j); err != nil {
		return "", fmt.Errorf("identifying the job of a checkpoint: %w", err)
	}
	for _, p := range prefixes {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// UnfitError says why a checkpoint cannot be continued.
type UnfitError struct{ Reason string }

func (e *UnfitError) Error() string { return "the checkpoint cannot be continued: " + e.Reason }

// read reads the document to continue from; nil when there is none, or none that fits.
func (c *Checkpoints) read(of string) *document {
	if len(c.From) == 0 {
		return nil
	}
	d := &document{}
	var reason string
	switch err := json.Unmarshal(c.From, d); {
	case err != nil:
		reason = err.Error()
	case d.Version != version:
		reason = fmt.Sprintf("it is of version %d, this program knows %d", d.Version, version)
	case d.Of != of:
		reason = "the parameters of the task, or its list of prefixes, have changed"
	default:
		return d
	}
	if c.Unfit != nil {
		c.Unfit(&UnfitError{reason})
	}
	return nil
}

// keeper keeps the checkpoints of a pass.
type keeper struct {
	*Checkpoints // nil: there are none
	of           string
	pass         *list.Pass
	differ       *diff.Differ
	sinks        []Settler
}

// open takes up the document to continue from, if there is one.
func (k *keeper) open(j *job.Job, l *list.Config, sinks []diff.Sink) error {
	for _, s := range sinks {
		settler, ok := s.(Settler)
		if !ok {
			return fmt.Errorf("a pass with a sink of type %T has no checkpoints", s)
		}
		k.sinks = append(k.sinks, settler)
	}
	var err error
	if k.of, err = digest(j, l.Prefixes); err != nil {
		return err
	}
	if from := k.read(k.of); from != nil {
		k.differ.Resume(from.Totals)
		l.Resume = &from.List
	}
	return nil
}

// begin begins to keep checkpoints. The function that it returns ends that, with a last one when the pass was stopped
// from outside.
func (k *keeper) begin(ctx context.Context, pass *list.Pass) func(stopped bool) {
	if k.Checkpoints == nil {
		return func(bool) {}
	}
	k.pass = pass
	keeping, cancel := context.WithCancel(ctx)
	var ended sync.WaitGroup
	ended.Go(func() { k.run(keeping) })
	return func(stopped bool) {
		cancel()
		ended.Wait()
		if stopped {
			k.stop(ctx)
		}
	}
}

// keep takes a snapshot, waits until everything that it calls settled is, and keeps it. The order matters: whatever the
// snapshot counts was taken by the sinks before it, so what they have taken by now includes it.
func (k *keeper) keep(ctx context.Context) error {
	d := document{Version: version, Of: k.of}
	var begun bool
	d.List, begun = k.pass.Snapshot(func() { d.Totals = k.differ.Totals() })
	if !begun {
		return nil
	}
	for _, s := range k.sinks {
		if err := s.Settle(ctx); err != nil {
			return err
		}
	}
	doc, err := json.Marshal(&d)
	if err != nil {
		return fmt.Errorf("writing a checkpoint: %w", err)
	}
	return k.Put(ctx, doc)
}

// run keeps checkpoints until the context ends. Errors are not its concern: those of sinks end the pass by themselves, and
// Put has told of its own.
func (k *keeper) run(ctx context.Context) {
	every := k.Every
	if every <= 0 {
		every = 10 * time.Second
	}
	tick := time.NewTicker(every / 10)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if time.Since(last) < every && !k.unsettled() {
			continue
		}
		_ = k.keep(ctx) // see above
		last = time.Now()
	}
}

// unsettled reports whether sinks have taken something since they were last waited for.
func (k *keeper) unsettled() bool {
	for _, s := range k.sinks {
		if s.Unsettled() > 0 {
			return true
		}
	}
	return false
}

// stopPatience bounds the last checkpoint of a pass that is stopped. Whoever stops it waits two minutes at most.
const stopPatience = 20 * time.Second

// stop keeps a last checkpoint of a pass that was stopped half-way, so that hardly anything is done twice.
func (k *keeper) stop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopPatience)
	defer cancel()
	_ = k.keep(ctx) // the document before is still true
}
